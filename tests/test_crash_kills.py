"""kill -9 at every point of a run, also again and again: what is done is not paid for again, what
may be lost is named, and the numbers of the journal agree with the server's."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from flowrunner.errors import ExitStatus
from flowrunner.journal.state import CallState
from flowrunner.simulator import Simulator
from tests.cli_world import Done, Nursery, Project, Running, check_books, kill, posts, told_apart

KILLED = -signal.SIGKILL
STEPS = ("first", "second", "third")
WORKFLOW = """\
flowrunner: 1
name: Three
defaults: {{ model: gpt-6-luna }}
steps:
  - {{ id: first, prompt: one, on_unknown: {on_unknown} }}
  - {{ id: second, prompt: two, on_unknown: {on_unknown} }}
  - id: third
    prompt: "three {{{{ steps.first.text }}}} {{{{ steps.second.text }}}}"
    on_unknown: {on_unknown}
  - id: both
    set: {{ text: "{{{{ steps.third.text }}}}" }}
result: {{ text: "{{{{ steps.both.output.text }}}}" }}
"""


@dataclass
class Crash:
    """A run that was killed, and what its journal said of it then."""

    project: Project
    simulator: Simulator
    done: frozenset[tuple[Any, ...]] = field(init=False)
    open: frozenset[str] = field(init=False)
    calls: int = field(init=False)
    cost_usd: float = field(init=False)
    is_over: bool = field(init=False)

    def __post_init__(self) -> None:
        state = self.project.latest.state
        self.is_over = state.is_finished
        calls = [call for step in state.steps.values() for call in step.calls]
        self.done = frozenset(call.key for call in calls if call.state == "answered")
        self.open = frozenset(call.unit for call in calls if call.state == "sent")
        self.calls, self.cost_usd = state.totals.calls, state.totals.cost_usd

    def check(self, ended: Done, on_unknown: str) -> None:
        """Hold what came of it against what must come of it."""
        run = self.project.latest
        state = run.state
        calls = [call for step in state.steps.values() for call in step.calls]
        asked_again = {unit for unit, *_ in self.done if _last(calls, unit) not in self.done}
        assert not asked_again, "these had their answers"
        held = {name for name, step in state.steps.items() if step.status == "unknown"}
        if on_unknown == "hold":
            assert held == self.open, "what was in flight is unknown, and nothing else"
            assert ended.status == (ExitStatus.HELD if held else ExitStatus.DONE), ended.err
            assert all(_posts(calls, step) <= 1 for step in STEPS)
        else:
            assert ended.status == ExitStatus.DONE, ended.err
            assert all(_posts(calls, step) <= 2 for step in STEPS)
        assert state.totals.calls >= self.calls
        assert state.totals.cost_usd >= self.cost_usd
        check_books(run, self.simulator, crashed=True)


def _posts(calls: list[CallState], unit: str) -> int:
    return sum(call.unit == unit for call in calls)


def _last(calls: list[CallState], unit: str) -> tuple[Any, ...]:
    return max(call.key for call in calls if call.unit == unit)


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
        project.write("three.yaml", WORKFLOW.format(on_unknown=on_unknown))
        self.all.append(project)
        return project


@pytest.fixture
def projects(tmp_path: Path, nursery: Nursery, simulator: Simulator) -> Projects:
    return Projects(tmp_path, nursery, simulator)


def _drive(project: Project, *words: str, doom: str) -> Running:
    return project.start(*words, module="tests.crash_driver", environ={"DOOM": doom})


def _killed_everywhere(
    projects: Projects, doom: str, points: int, on_unknown: str
) -> list[Project]:
    """One run for each of that many points, killed there, and all of them at once."""
    begun = [projects.fresh(on_unknown) for _ in range(points + 1)]
    running = [_drive(p, "run", "three.yaml", doom=f"{doom}:{n}") for n, p in enumerate(begun, 1)]
    *killed, whole = [one.wait() for one in running]
    assert [ended.status for ended in killed] == [KILLED] * points
    assert whole.status == ExitStatus.DONE, "there are no more points than these"
    return told_apart(begun[:-1], begun)


@pytest.mark.parametrize(
    ("doom", "points", "on_unknown"),
    [
        ("before", 16, "retry_once"),
        ("torn", 16, "retry_once"),
        ("after", 16, "retry_once"),
        ("sending", 3, "retry_once"),
        ("before", 16, "hold"),
        ("after", 16, "hold"),
        ("sending", 3, "hold"),
    ],
)
def test_a_run_killed_at_any_point_goes_on(
    projects: Projects, doom: str, points: int, on_unknown: str
) -> None:
    begun = _killed_everywhere(projects, doom, points, on_unknown)
    crashes = [Crash(project, projects.simulator) for project in begun]
    resumed = [c.project.start("report" if c.is_over else "resume") for c in crashes]
    for crash, running in zip(crashes, resumed, strict=True):
        crash.check(running.wait(), on_unknown)


DOOMS = ("after:2", "sending:1", "before:3", "after:4", "torn:5")


@pytest.mark.parametrize("turned", range(len(DOOMS)))
def test_a_resume_that_is_killed_again_and_again_comes_to_an_end(
    projects: Projects, turned: int
) -> None:
    project = projects.fresh("retry_once")
    crash = None
    for number, doom in enumerate(DOOMS[turned:] + DOOMS[:turned]):
        verb = ["run", "three.yaml"] if number == 0 else ["resume"]
        ended = _drive(project, *verb, doom=doom).wait()
        if ended.status != KILLED:
            break
        before, crash = crash, Crash(project, projects.simulator)
        assert before is None or crash.calls >= before.calls, "POSTs are counted on"
        assert before is None or crash.done >= before.done
    assert crash is not None
    ended = project.run("resume")
    state = project.latest.state
    calls = [call for step in state.steps.values() for call in step.calls]
    assert all(_posts(calls, step) <= 2 for step in STEPS), "asked twice at most, however often"
    held = {name for name, step in state.steps.items() if step.status == "unknown"}
    assert ended.status == (ExitStatus.HELD if held else ExitStatus.DONE)
    assert all(_posts(calls, step) == 2 for step in held)
    assert project.run("report").status == 0
    check_books(project.latest, projects.simulator, crashed=True)


@dataclass
class Executioner:
    """Kills the program that it is given as soon as its nth request is at the server."""

    left: int = 0
    pid: int = 0
    born: threading.Event = field(default_factory=threading.Event)

    def __call__(self, body: dict[str, Any]) -> None:
        self.left -= 1
        if self.left == 0:
            assert self.born.wait(30)
            kill(self.pid)

    def watch(self, project: Project, *words: str, number: int) -> Done:
        """Run a command that dies by its nth request."""
        self.born.clear()
        self.left = number
        running = project.start(*words)
        self.pid = running.pid
        self.born.set()
        return running.wait()


@pytest.mark.parametrize("on_unknown", ["retry_once", "hold"])
def test_a_command_killed_while_the_server_works(
    tmp_path: Path, nursery: Nursery, simulate: Callable[..., Simulator], on_unknown: str
) -> None:
    executioner = Executioner()
    projects = Projects(tmp_path, nursery, simulate(replies=executioner))
    for number in (1, 2, 3):
        project = projects.fresh(on_unknown)
        assert executioner.watch(project, "run", "three.yaml", number=number).status == KILLED
        crash = Crash(project, projects.simulator)
        assert crash.open
        crash.check(project.run("resume"), on_unknown)


def test_killed_at_every_request_of_every_resume(
    tmp_path: Path, nursery: Nursery, simulate: Callable[..., Simulator]
) -> None:
    executioner = Executioner()
    projects = Projects(tmp_path, nursery, simulate(replies=executioner))
    project = projects.fresh("retry_once")
    words, kills = ["run", "three.yaml", "--at-once", "1"], 0
    while (ended := executioner.watch(project, *words, number=1)).status == KILLED:
        words, kills = ["resume"], kills + 1
    assert ended.status == ExitStatus.HELD
    assert kills == 4, "two POSTs of each step that may begin, and then it is held"
    state = project.latest.state
    assert {state.steps[name].status for name in ("first", "second")} == {"unknown"}
    assert [len(posts(projects.simulator, state.run, name)) for name in STEPS] == [2, 2, 0]
    assert state.totals.lost_calls == 4
    check_books(project.latest, projects.simulator, crashed=True)

    asked_again = project.run("resume", "--on-unknown", "retry_once")
    assert asked_again.status == ExitStatus.DONE
    assert project.latest.state.totals.lost_calls == 4, "what was perhaps paid for stays named"


def test_a_command_killed_at_every_touch_of_disk_and_network(projects: Projects) -> None:
    ends: list[str] = []
    for batch in count():
        begun = [projects.fresh("retry_once") for _ in range(8)]
        running = [
            p.start("run", "three.yaml", kill_at=8 * batch + n) for n, p in enumerate(begun, 1)
        ]
        killed = [one.wait().status == KILLED for one in running]
        dead = [project for project, is_dead in zip(begun, killed, strict=True) if is_dead]
        some = told_apart(dead, projects.all)
        resumed = [(project, project.start("resume")) for project in some]
        ends += [_taken_up(project, one.wait(), projects.simulator) for project, one in resumed]
        if not all(killed):
            break
    assert len(ends) > 20
    assert set(ends) == {"never began", "resumed", "done"}


def _taken_up(project: Project, resumed: Done, simulator: Simulator) -> str:
    """What a killed run left behind, and whether the resume made the best of it."""
    if resumed.status == ExitStatus.JOURNAL or not project.runs:
        assert "Traceback" not in resumed.err
        assert "nothing was sent" in resumed.err or "no run" in resumed.err
        assert project.run("run", "three.yaml").status == ExitStatus.DONE
        return "never began"
    if resumed.status == ExitStatus.USAGE:
        assert "is done" in resumed.err
        assert project.run("report").status == ExitStatus.DONE
    else:
        assert resumed.status == ExitStatus.DONE, resumed.err
    check_books(project.latest, simulator, crashed=True)
    return "done" if resumed.status == ExitStatus.USAGE else "resumed"


def test_of_two_that_resume_one_run_one_is_told_that_it_is_at_work(
    projects: Projects, simulate: Callable[..., Simulator]
) -> None:
    arrived = threading.Event()
    hanging = {"match": {"call": 2}, "do": {"hang": True, "after_processing": True}}
    simulator = simulate([hanging], replies=lambda _: _note(arrived, simulator))
    project = projects.fresh("retry_once").at(simulator)
    ended = _drive(project, "run", "three.yaml", doom="after:3").wait()
    assert ended.status == KILLED
    one = project.start("resume")
    assert arrived.wait(30)
    other = project.run("resume")
    assert other.status == ExitStatus.BUSY
    assert str(one.pid) in other.err
    one.signal(signal.SIGKILL)
    assert one.wait().status == KILLED
    assert project.run("resume").status == ExitStatus.DONE
    assert project.latest.state.resumes == 2, "the one that was refused left no trace"


def _note(arrived: threading.Event, simulator: Simulator) -> None:
    if len(simulator.ledger) >= 1:
        arrived.set()


def test_many_that_resume_one_run_at_the_same_moment_pay_once(projects: Projects) -> None:
    project = projects.fresh("hold")
    assert _drive(project, "run", "three.yaml", doom="after:2").wait().status == KILLED
    running = [project.start("resume") for _ in range(6)]
    ended = [one.wait().status for one in running]
    assert ended.count(ExitStatus.DONE) == 1
    # Whoever comes when all is over finds nothing left to do.
    assert set(ended) <= {ExitStatus.DONE, ExitStatus.BUSY, ExitStatus.USAGE}
    run = project.latest.state.run
    assert [len(posts(projects.simulator, run, name)) for name in STEPS] == [1, 1, 1]
    check_books(project.latest, projects.simulator)
