"""kill -9 at every point of a run whose answers come in the background: what the API accepted is
looked for under its id and never asked for again."""

from __future__ import annotations

import signal
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from flowrunner.errors import ExitStatus
from flowrunner.journal.state import CallState
from flowrunner.simulator import Pace, Simulator
from tests.cli_world import Nursery, Project, Recorded, Running, check_books, posts, told_apart

KILLED = -signal.SIGKILL
STEPS = ("first", "second", "third")
WORKFLOW = """\
flowrunner: 1
name: Three
defaults: {{ model: gpt-6-luna, delivery: background, on_unknown: {on_unknown} }}
steps:
  - {{ id: first, prompt: one }}
  - {{ id: second, prompt: two }}
  - id: third
    prompt: "three {{{{ steps.first.text }}}} {{{{ steps.second.text }}}}"
result: {{ text: "{{{{ steps.third.text }}}}" }}
"""


class Projects:
    """A fresh project for every run that is killed."""

    def __init__(self, folder: Path, nursery: Nursery, simulator: Simulator) -> None:
        self._folder, self._nursery, self.simulator = folder, nursery, simulator
        self._numbers = count()
        self.all: list[Project] = []

    def fresh(self, on_unknown: str) -> Project:
        folder = self._folder / str(next(self._numbers))
        (folder / ".git").mkdir(parents=True)
        project = Project(folder, self._nursery).at(self.simulator)
        project.environ["FLOWRUNNER_WAIT"] = "1"
        project.write("three.yaml", WORKFLOW.format(on_unknown=on_unknown))
        self.all.append(project)
        return project


@pytest.fixture
def projects(tmp_path: Path, nursery: Nursery, simulate: Callable[..., Simulator]) -> Projects:
    return Projects(tmp_path, nursery, simulate(pace=Pace(polls_until_done=2, poll_after_ms=1)))


def _drive(project: Project, *words: str, doom: str) -> Running:
    return project.start(*words, module="tests.crash_driver", environ={"DOOM": doom})


def _calls(run: Recorded) -> list[CallState]:
    return [call for step in run.state.steps.values() for call in step.calls]


@pytest.mark.parametrize(
    ("doom", "on_unknown"),
    [
        ("before", "hold"),
        ("torn", "retry_once"),
        ("after", "hold"),
        ("sending", "retry_once"),
        ("looking", "retry_once"),
    ],
)
def test_a_run_killed_at_any_point_pays_once_for_what_was_accepted(
    projects: Projects, doom: str, on_unknown: str
) -> None:
    begun: list[Project] = []
    for batch in count():
        some = [projects.fresh(on_unknown) for _ in range(6)]
        numbers = range(6 * batch + 1, 6 * batch + 7)
        running = [
            _drive(project, "run", "three.yaml", doom=f"{doom}:{number}")
            for project, number in zip(some, numbers, strict=True)
        ]
        killed = [one.wait().status == KILLED for one in running]
        begun += [project for project, dead in zip(some, killed, strict=True) if dead]
        if not all(killed):
            break
    assert len(begun) >= 3
    left = [_Left(project) for project in told_apart(begun, projects.all)]
    resumed = [one.project.start("report" if one.is_over else "resume") for one in left]
    for one, again in zip(left, resumed, strict=True):
        status = again.wait().status
        one.check(status, on_unknown, projects.simulator)


class _Left:
    """What a run that was killed left behind."""

    def __init__(self, project: Project) -> None:
        self.project = project
        run = project.latest
        self.is_over = run.state.is_finished
        self.accepted = {c.unit: c.response_id for c in _calls(run) if c.state == "accepted"}
        self.open = {call.unit for call in _calls(run) if call.state == "sent"}

    def check(self, status: int, on_unknown: str, simulator: Simulator) -> None:
        run = self.project.latest
        held = {name for name, step in run.state.steps.items() if step.status == "unknown"}
        if on_unknown == "hold":
            assert held == self.open, "what had no id yet is unknown, and nothing else"
        else:
            assert not held
        assert status == (ExitStatus.HELD if held else ExitStatus.DONE)
        for unit, response_id in self.accepted.items():
            (call,) = run.state.steps[unit].calls
            assert (call.state, call.response_id) == ("answered", response_id)
        for step in STEPS:
            most = 2 if step in self.open and on_unknown == "retry_once" else 1
            assert len(posts(simulator, run.state.run, step)) <= most, step
        check_books(run, simulator, crashed=True)


def test_a_run_killed_at_every_look_of_every_resume_pays_once(projects: Projects) -> None:
    project = projects.fresh("hold")
    words, kills = ["run", "three.yaml"], 0
    while _drive(project, *words, doom="looking:1").wait().status == KILLED:
        words, kills = ["resume"], kills + 1
        assert kills < 10, "no look gets through, so none of it can end"
        if kills == 5:
            break
    assert kills == 5
    assert project.run("resume").status == ExitStatus.DONE
    run = project.latest
    assert [len(posts(projects.simulator, run.state.run, step)) for step in STEPS] == [1, 1, 1]
    assert run.state.totals.lost_calls == 0
    check_books(run, projects.simulator, crashed=True)


def test_a_run_killed_behind_each_look_comes_to_its_end(projects: Projects) -> None:
    """What a look found is lost with its process, and is found again."""
    project = projects.fresh("hold")
    words = ["run", "three.yaml"]
    for _ in range(3):
        assert _drive(project, *words, doom="looked:1").wait().status == KILLED
        words = ["resume"]
    assert project.run("resume").status == ExitStatus.DONE
    run = project.latest
    assert [len(posts(projects.simulator, run.state.run, step)) for step in STEPS] == [1, 1, 1]
    check_books(run, projects.simulator, crashed=True)
