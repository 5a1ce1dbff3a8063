"""kill -9 at every record of a run, for each way in which an answer is delivered: the books of the
server show no second paid request that nobody ordered."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from flowrunner.errors import ExitStatus
from flowrunner.simulator import Pace, Simulator
from tests.cli_world import Nursery, Project, check_books, posts

KILLED = -signal.SIGKILL
STEPS = ("first", "second")
WORKFLOW = """\
flowrunner: 1
name: Two
defaults: {{ model: gpt-6-luna, {way}, on_unknown: hold }}
steps:
  - {{ id: first, prompt: one }}
  - {{ id: second, prompt: "two {{{{ steps.first.text }}}}" }}
result: {{ text: "{{{{ steps.second.text }}}}" }}
"""
WAYS = {
    "direct": "delivery: direct",
    "stream": "delivery: stream",
    "background": "delivery: background",
    "background and stream": "background: true, stream: true",
}
POINTS = [*(f"after:{number}" for number in range(2, 16)), "sending:1", "sending:2"]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_run_that_was_killed_and_resumed_pays_once(
    tmp_path: Path, nursery: Nursery, simulate: Callable[..., Simulator], way: str
) -> None:
    simulator = simulate(pace=Pace(polls_until_done=1, poll_after_ms=1))
    projects = {point: _project(tmp_path / point, nursery, simulator, way) for point in POINTS}
    running = {
        point: project.start(
            "run", "two.yaml", module="tests.crash_driver", environ={"DOOM": point}
        )
        for point, project in projects.items()
    }
    ends = {point: one.wait().status for point, one in running.items()}
    killed = {point: projects[point] for point, status in ends.items() if status == KILLED}
    assert {"sending:1", "sending:2", "after:3", "after:6"} <= set(killed)
    for project in killed.values():
        _goes_on(project, simulator)


def _project(folder: Path, nursery: Nursery, simulator: Simulator, way: str) -> Project:
    (folder / ".git").mkdir(parents=True)
    project = Project(folder, nursery).at(simulator)
    project.environ["FLOWRUNNER_WAIT"] = "1"
    project.write("two.yaml", WORKFLOW.format(way=way))
    return project


def _goes_on(project: Project, simulator: Simulator) -> None:
    """Resume a run that was killed: what was on its way is held, and asked for by order alone."""
    run = project.latest
    calls = [call for step in run.state.steps.values() for call in step.calls]
    on_its_way = {call.unit for call in calls if call.state == "sent"}
    if run.state.is_finished:
        return
    resumed = project.run("resume")
    assert resumed.status == (ExitStatus.HELD if on_its_way else ExitStatus.DONE), resumed.err
    run = project.latest
    assert {
        name for name, step in run.state.steps.items() if step.status == "unknown"
    } == on_its_way
    for step in STEPS:
        assert len(posts(simulator, run.state.run, step)) <= 1
    check_books(run, simulator, crashed=True)
    if on_its_way:
        ordered = project.run("resume", "--on-unknown", "retry_once")
        assert ordered.status == ExitStatus.DONE, ordered.err
    for step in STEPS:
        asked = [call for call in posts(simulator, run.state.run, step) if call.is_paid]
        assert 1 <= len(asked) <= 1 + (step in on_its_way)
    check_books(project.latest, simulator, crashed=True)
