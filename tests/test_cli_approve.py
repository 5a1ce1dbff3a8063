"""`approve` from another shell: while the run lives, and after it ended to wait."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from flowrunner.errors import ExitStatus
from flowrunner.simulator import Simulator
from tests.cli_world import Project, check_books, posts

WORKFLOW = """\
flowrunner: 1
name: Gated
defaults: { model: gpt-6-luna }
steps:
  - { id: draft, prompt: draft }
  - { id: slow, prompt: slow }
  - { id: agree, approve: "Send this: {{ steps.draft.text }}?" }
  - { id: send, prompt: send }
result: { text: "{{ steps.send.text }}" }
"""


@pytest.fixture
def gated(project: Project, simulator: Simulator) -> tuple[Project, Simulator]:
    project.at(simulator).write("gated.yaml", WORKFLOW)
    return project, simulator


@pytest.mark.parametrize("deny", [False, True], ids=["agreed", "denied"])
def test_a_decision_after_the_run_ended(gated: tuple[Project, Simulator], deny: bool) -> None:
    project, simulator = gated
    waiting = project.run("run", "gated.yaml")
    assert waiting.status == ExitStatus.WAITING
    run = project.latest.state.run
    assert f"flowrunner approve {run} agree" in waiting.err
    assert waiting.out == ""
    words = ["--deny", "--reason", "too long"] if deny else []
    decided = project.run("approve", run, "agree", *words)
    assert decided.status == ExitStatus.DONE, decided.err
    assert f"flowrunner resume {run}" in decided.err
    ended = project.run("resume", run)
    assert ended.status == (ExitStatus.BUDGET if deny else ExitStatus.DONE)
    assert len(posts(simulator, run, "send")) == (not deny)
    assert len(posts(simulator, run, "draft")) == 1
    approval = project.latest.state.steps["agree"].approval
    assert approval is not None
    assert (approval.granted, approval.why) == (not deny, "too long" if deny else None)
    assert "too long" in ended.err or not deny
    check_books(project.latest, simulator)


def test_a_decision_while_the_run_lives(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    arrived, decided = threading.Event(), threading.Event()
    slow = {"match": {"client_request_id": "/slow/"}, "do": {"delay": 3}}

    def note(body: dict[str, Any]) -> None:
        if body["input"] == "slow":
            arrived.set()

    simulator = simulate([slow], replies=note)
    project.at(simulator).write("gated.yaml", WORKFLOW)
    running = project.start("run", "gated.yaml")
    assert arrived.wait(30)
    for _ in range(200):
        answer = project.run("approve", "latest", "agree")
        if answer.status == ExitStatus.DONE:
            decided.set()
            break
    assert decided.is_set(), answer.err
    assert "resume" not in answer.err, "the run is at work and will see it"
    ended = running.wait()
    assert ended.status == ExitStatus.DONE, ended.err
    assert ended.result["text"]
    assert project.latest.state.resumes == 0
    check_books(project.latest, simulator)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("latest", "agre"), "agree"),
        (("latest", "send"), "agree"),
        (("nothing", "agree"), "nothing"),
    ],
)
def test_what_does_not_wait_is_not_decided(
    gated: tuple[Project, Simulator], words: tuple[str, ...], said: str
) -> None:
    project, _ = gated
    assert project.run("run", "gated.yaml").status == ExitStatus.WAITING
    ended = project.run("approve", *words)
    assert ended.status == ExitStatus.USAGE
    assert said in ended.err


def test_a_decision_stands(gated: tuple[Project, Simulator]) -> None:
    project, _ = gated
    project.run("run", "gated.yaml")
    assert project.run("approve", "latest", "agree").status == ExitStatus.DONE
    second = project.run("approve", "latest", "agree", "--deny")
    assert second.status == ExitStatus.USAGE
    assert "already approved" in second.err
    assert project.run("resume").status == ExitStatus.DONE
