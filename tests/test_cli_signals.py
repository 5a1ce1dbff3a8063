"""Ctrl-C, SIGTERM and a terminal that goes away, while a request is under way."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from flowrunner.errors import ExitStatus
from flowrunner.simulator import Simulator
from tests.cli_world import Project, Running, check_books, posts

WORKFLOW = """\
flowrunner: 1
name: Slow
defaults: { model: gpt-6-luna, on_unknown: retry_once }
steps:
  - { id: one, prompt: first }
  - { id: two, prompt: "second {{ steps.one.text }}" }
  - { id: three, prompt: "third {{ steps.two.text }}" }
result: { text: "{{ steps.three.text }}" }
"""


@dataclass
class Slow:
    """A project whose second request the server never answers; `arrived` when it is there."""

    project: Project
    simulator: Simulator
    arrived: threading.Event

    def begin(self) -> Running:
        running = self.project.start("run", "slow.yaml")
        assert self.arrived.wait(30)
        return running


@pytest.fixture
def slow(project: Project, simulate: Callable[..., Simulator]) -> Slow:
    arrived = threading.Event()
    hang = {"match": {"call": 2}, "do": {"hang": "before", "after_processing": True}}
    simulator = simulate([hang], replies=lambda body: _second(body, arrived))
    project.at(simulator).write("slow.yaml", WORKFLOW)
    return Slow(project, simulator, arrived)


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (signal.SIGINT, ExitStatus.INTERRUPTED),
        (signal.SIGTERM, ExitStatus.TERMINATED),
    ],
)
def test_a_run_that_is_ended_keeps_what_is_done(
    slow: Slow, number: signal.Signals, status: ExitStatus
) -> None:
    running = slow.begin()
    running.signal(number)
    done = running.wait()
    assert done.status == status
    assert done.out == ""
    assert "Traceback" not in done.err
    run = slow.project.latest
    assert f"flowrunner resume {run.state.run}" in done.err
    assert run.state.status == "interrupted"
    assert run.report["verdict"]["exit_status"] == status
    assert run.report["verdict"]["possibly_billed"] == 1
    check_books(run, slow.simulator)

    again = slow.project.run("resume")
    assert again.status == ExitStatus.DONE
    counts = {step: len(posts(slow.simulator, run.state.run, step)) for step in run.state.steps}
    assert counts == {"one": 1, "two": 2, "three": 1}
    check_books(slow.project.latest, slow.simulator)


SOON = {"match": {"call": 2}, "do": {"delay": 0.3}}
LATE = {"match": {"call": 2}, "do": {"delay": 1.2}}


def test_what_is_answered_within_the_grace_is_kept(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    arrived = threading.Event()
    simulator = simulate([SOON], replies=lambda body: _second(body, arrived))
    project.at(simulator).write("slow.yaml", WORKFLOW)
    running = project.start("run", "slow.yaml")
    assert arrived.wait(30)
    running.signal(signal.SIGTERM)
    assert running.wait().status == ExitStatus.TERMINATED
    state = project.latest.state
    assert state.steps["two"].status == "succeeded"
    assert state.steps["three"].status is None
    check_books(project.latest, simulator)
    assert project.run("resume").status == ExitStatus.DONE
    assert len(posts(simulator)) == 3


def _second(body: dict[str, Any], arrived: threading.Event) -> None:
    if str(body["input"]).startswith("second"):
        arrived.set()


def test_asking_twice_waits_for_no_answer(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    pexpect = pytest.importorskip("pexpect")
    arrived = threading.Event()
    simulator = simulate([LATE], replies=lambda body: _second(body, arrived))
    project.at(simulator).write("slow.yaml", WORKFLOW)
    running = project.start_at_a_terminal("run", "slow.yaml")
    assert arrived.wait(30)
    running.sendintr()
    running.expect_exact("once more")
    running.sendintr()
    running.expect(pexpect.EOF)
    running.close()
    assert running.exitstatus == ExitStatus.INTERRUPTED
    assert project.latest.state.steps["two"].calls[0].kind == "interrupted"
    check_books(project.latest, simulator)


def test_a_terminal_that_goes_away_ends_nothing(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    arrived = threading.Event()
    simulator = simulate([SOON], replies=lambda body: _second(body, arrived))
    project.at(simulator).write("slow.yaml", WORKFLOW)
    running = project.start("run", "slow.yaml")
    assert arrived.wait(30)
    running.signal(signal.SIGHUP)
    assert running.wait().status == ExitStatus.DONE
    check_books(project.latest, simulator)


def test_under_hold_an_interrupted_request_is_held(slow: Slow) -> None:
    slow.project.environ["FLOWRUNNER_ON_UNKNOWN"] = "hold"
    running = slow.begin()
    running.signal(signal.SIGINT)
    assert running.wait().status == ExitStatus.INTERRUPTED
    held = slow.project.run("resume")
    assert held.status == ExitStatus.HELD
    assert slow.project.latest.state.steps["two"].status == "unknown"
    assert len(posts(slow.simulator)) == 2
    check_books(slow.project.latest, slow.simulator)


def test_a_wait_for_the_server_ends_with_the_run(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    arrived = threading.Event()
    busy = {"status": 503, "retry_after": 2, "after_processing": True}
    simulator = simulate(
        [{"match": {"call": 2}, "do": busy}], replies=lambda body: _second(body, arrived)
    )
    project.at(simulator).write("slow.yaml", WORKFLOW)
    running = project.start("run", "slow.yaml")
    assert arrived.wait(30)
    running.signal(signal.SIGTERM)
    assert running.wait().status == ExitStatus.TERMINATED
    assert project.latest.state.totals.lost_calls == 0
    assert project.run("resume").status == ExitStatus.DONE
