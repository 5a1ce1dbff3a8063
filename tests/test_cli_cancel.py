"""`cancel`: a run ended for good, at work in another process or not, and nothing paid is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from flowrunner.errors import ExitStatus
from flowrunner.journal.decisions import give_up
from flowrunner.simulator import Simulator
from tests.cli_world import Project, check_books, kill, posts

WORKFLOW = """\
flowrunner: 1
name: Long
defaults: { model: gpt-6-luna }
steps:
  - { id: one, prompt: first }
  - { id: two, prompt: "second {{ steps.one.text }}" }
  - { id: agree, approve: "Go on?" }
  - { id: three, prompt: "third" }
"""
HANG = {"match": {"client_request_id": "/two/"}, "do": {"hang": "before", "after_processing": True}}


@pytest.fixture
def arrived() -> threading.Event:
    return threading.Event()


@pytest.fixture
def slow(
    project: Project, simulate: Callable[..., Simulator], arrived: threading.Event
) -> tuple[Project, Simulator]:
    def notice(body: dict[str, Any]) -> None:
        if str(body["input"]).startswith("second"):
            arrived.set()

    simulator = simulate([HANG], replies=notice)
    project.at(simulator).write("flow.yaml", WORKFLOW)
    return project, simulator


def test_a_run_that_another_process_works_on_ends(
    slow: tuple[Project, Simulator], arrived: threading.Event
) -> None:
    project, simulator = slow
    running = project.start("run", "flow.yaml")
    assert arrived.wait(30)
    ended = project.run("cancel", "latest", "--reason", "wrong file")
    assert ended.status == ExitStatus.DONE, ended.err
    assert "gave the run up: wrong file; nothing more is sent" in ended.err
    done = running.wait()
    assert done.status == ExitStatus.BUDGET
    assert "gave the run up: wrong file" in done.err
    assert "flowrunner resume" not in done.err
    run = project.latest
    assert run.state.status == "stopped"
    assert run.state.steps["two"].calls[0].kind == "interrupted"
    assert run.report["verdict"]["possibly_billed"] == 1
    check_books(run, simulator)

    before = len(posts(simulator))
    refused = project.run("resume")
    assert refused.status == ExitStatus.USAGE
    assert "is not taken up again" in refused.err
    assert f"--reuse {run.folder.name}" in refused.err
    assert project.run("cancel", "latest").status == ExitStatus.USAGE
    assert len(posts(simulator)) == before


@pytest.fixture
def waiting(project: Project, simulate: Callable[..., Simulator]) -> tuple[Project, Simulator]:
    simulator = simulate()
    project.at(simulator).write("flow.yaml", WORKFLOW)
    assert project.run("run", "flow.yaml").status == ExitStatus.WAITING
    return project, simulator


def test_a_run_that_waits_is_given_up(waiting: tuple[Project, Simulator]) -> None:
    project, simulator = waiting
    run = project.latest.folder.name
    assert project.run("cancel", run).status == ExitStatus.DONE
    assert project.latest.state.given_up_by is not None
    refused = project.run("resume", run)
    assert refused.status == ExitStatus.USAGE
    assert "gave the run up" in refused.err
    shown = project.run("show", run)
    assert "gave the run up" in shown.out
    assert "flowrunner resume" not in shown.out
    assert "stopped" in project.run("runs", "--failed").out
    assert "None of the 1 runs here failed" in project.run("resume", "latest-failed").err

    before = len(posts(simulator))
    again = project.run("run", "flow.yaml", "--reuse", run)
    assert again.status == ExitStatus.WAITING
    assert len(posts(simulator)) == before, "what was paid for is taken"


def test_what_was_said_counts_where_nobody_was_there_to_hear_it(
    waiting: tuple[Project, Simulator],
) -> None:
    project, _ = waiting
    give_up(project.latest.folder, by="ada", why=None, at=0.0)
    assert "ada gave the run up" in project.run("resume").err
    assert project.run("cancel", "latest").status == ExitStatus.DONE
    assert project.latest.state.message == "ada gave the run up"


def test_a_run_whose_process_died_is_given_up(
    slow: tuple[Project, Simulator], arrived: threading.Event
) -> None:
    project, simulator = slow
    running = project.start("run", "flow.yaml")
    assert arrived.wait(30)
    kill(running.pid)
    running.wait()
    assert project.run("cancel", "latest").status == ExitStatus.DONE
    assert project.run("report").status == ExitStatus.DONE
    assert project.latest.state.status == "stopped"
    check_books(project.latest, simulator, crashed=True)


def test_what_is_done_is_not_cancelled(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    project.at(simulate()).write("flow.yaml", WORKFLOW.split("  - { id: agree", maxsplit=1)[0])
    assert project.run("run", "flow.yaml").status == ExitStatus.DONE
    refused = project.run("cancel", "latest")
    assert refused.status == ExitStatus.USAGE
    assert "there is nothing to cancel" in refused.err
    assert project.run("cancel", "20990101").status == ExitStatus.USAGE
