"""Streamed runs as people see them: the same results, honest losses."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from flowrunner.errors import ExitStatus
from flowrunner.events import CallLost
from flowrunner.simulator import Simulator
from tests.cli_world import Project, check_books, kill, posts

WORKFLOW = """\
flowrunner: 1
name: Live
defaults: { model: gpt-6-luna, delivery: stream }
steps:
  - { id: story, prompt: Tell me a story. }
  - { id: facts, prompt: "Of {{ steps.story.text }}", output: { title: text, words: integer } }
result: { story: "{{ steps.story.text }}", facts: "{{ steps.facts.output }}" }
"""
STORY = "Once upon a time there was a fox that slept in a box. " * 3


def scripted(body: dict[str, Any]) -> str | None:
    return STORY if body["input"] == "Tell me a story." else None


def first(**stream: Any) -> dict[str, Any]:
    return {"match": {"call": 1}, "do": {"stream": stream}}


def test_a_streamed_run_comes_to_the_same_as_any_other(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    simulator = simulate(replies=scripted)
    project.at(simulator).write("live.yaml", WORKFLOW)
    project.write("direct.yaml", WORKFLOW.replace("delivery: stream", "delivery: direct"))
    streamed = project.run("run", "live.yaml", "--on-unknown", "hold")
    run = project.latest
    assert streamed.status == ExitStatus.DONE
    check_books(run, simulator)
    assert [call.body["stream"] for call in posts(simulator)] == [True, True]
    assert "writing" not in streamed.err
    assert "\r" not in streamed.err
    assert "\x1b" not in streamed.err
    direct = project.run("run", "direct.yaml")
    assert direct.result == streamed.result
    assert project.latest.report["money"]["cost_usd"] == run.report["money"]["cost_usd"]


GOOD: dict[str, dict[str, Any]] = {
    "cr": {"line_end": "cr"},
    "crlf": {"line_end": "crlf"},
    "no-names": {"event_lines": False},
    "comments": {"comments": True},
    "split-data": {"split_data": True},
    "byte-order-mark": {"byte_order_mark": True},
    "no-blank-line": {"last_blank_line": False},
    "done": {"done": True},
    "numbers-missing": {"numbers": "missing"},
    "numbers-repeated": {"numbers": "repeated"},
    "numbers-gaps": {"numbers": "gaps"},
    "doubled": {"order": "doubled"},
    "swapped": {"order": "swapped"},
    "huge": {"huge": 10_000_000},
}


@pytest.mark.parametrize("stream", GOOD.values(), ids=GOOD)
def test_a_stream_is_read_however_it_is_written(
    project: Project, simulate: Callable[..., Simulator], stream: dict[str, Any]
) -> None:
    simulator = simulate([first(**stream)], replies=scripted)
    project.at(simulator).write("live.yaml", WORKFLOW)
    done = project.run("run", "live.yaml", "--on-unknown", "hold")
    assert (done.status, done.result["story"]) == (ExitStatus.DONE, STORY)
    check_books(project.latest, simulator)
    assert len(posts(simulator)) == 2


CUTS: dict[str, dict[str, Any]] = {
    "before-the-end": {"cut": "before_terminal"},
    "mid-delta": {"cut": "mid_delta"},
    "after-one": {"cut": {"after_event": 1}},
    "after-nothing": {"cut": {"after_event": 0}},
    "finished": {"cut": "before_terminal", "then": "finish"},
    "reset": {"cut": "mid_delta", "then": "reset"},
    "error-amid": {"error": "server_error", "error_after": 6},
    "nested-error-amid": {"error": "server_error", "error_after": 6, "error_form": "nested"},
}


@pytest.mark.parametrize("stream", CUTS.values(), ids=CUTS)
def test_a_stream_that_breaks_off_is_a_loss_and_paid_for_once_under_hold(
    project: Project, simulate: Callable[..., Simulator], stream: dict[str, Any]
) -> None:
    simulator = simulate([first(**stream)], replies=scripted)
    project.at(simulator).write("live.yaml", WORKFLOW)
    held = project.run("run", "live.yaml", "--on-unknown", "hold")
    assert held.status == ExitStatus.HELD
    assert project.latest.step("story")["status"] == "unknown"
    assert project.latest.report["verdict"]["possibly_billed"] == 1
    check_books(project.latest, simulator)
    assert project.run("resume").status == ExitStatus.HELD
    assert len(posts(simulator)) == 1
    assert project.run("resume", "--on-unknown", "retry_once").status == ExitStatus.DONE
    assert len(posts(simulator)) == 3
    check_books(project.latest, simulator)


@pytest.mark.parametrize(
    "stream",
    [
        {"error": "rate_limit_exceeded", "error_after": 2},
        {"error": "server_error", "error_after": 2, "error_form": "nested"},
        {"error": "server_error", "error_after": 6, "failed": True},
    ],
    ids=["rate-limit", "server", "failed-amid"],
)
def test_a_stream_that_says_that_it_failed_is_asked_for_again(
    project: Project, simulate: Callable[..., Simulator], stream: dict[str, Any]
) -> None:
    simulator = simulate([first(**stream)], replies=scripted)
    project.at(simulator).write("live.yaml", WORKFLOW)
    done = project.run("run", "live.yaml", "--on-unknown", "hold")
    assert (done.status, done.result["story"]) == (ExitStatus.DONE, STORY)
    assert len(posts(simulator)) == 3
    check_books(project.latest, simulator)


# Ends from outside


def begun(
    project: Project, simulate: Callable[..., Simulator], **more: Any
) -> tuple[Simulator, threading.Event]:
    """A server that streams the beginning of a story and then nothing; whether it was asked."""
    arrived = threading.Event()

    def replies(body: dict[str, Any]) -> str | None:
        arrived.set()
        return scripted(body)

    simulator = simulate([first(cut={"after_event": 12}, then="hang")], replies=replies, **more)
    project.at(simulator).write("live.yaml", WORKFLOW)
    return simulator, arrived


def test_killed_amid_a_stream_nothing_is_paid_for_twice_under_hold(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    simulator, arrived = begun(project, simulate)
    running = project.start_at_a_terminal("run", "live.yaml", "--on-unknown", "hold")
    assert arrived.wait(30)
    running.expect_exact('writing… "Once')
    kill(running.pid)
    running.expect(pytest.importorskip("pexpect").EOF)
    running.close()
    assert running.signalstatus == signal.SIGKILL
    assert project.latest.state.steps["story"].calls[0].state == "sent"
    resumed = project.run("resume")
    assert resumed.status == ExitStatus.HELD
    run = project.latest
    assert run.step("story")["status"] == "unknown"
    assert len(posts(simulator, run.state.run)) == 1
    check_books(run, simulator, crashed=True)
    assert project.run("resume", "--on-unknown", "retry_once").status == ExitStatus.DONE
    assert len(posts(simulator, run.state.run)) == 3
    check_books(project.latest, simulator, crashed=True)


def test_a_stream_that_is_ended_from_outside_keeps_what_had_come(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    simulator, arrived = begun(project, simulate)
    running = project.start_at_a_terminal("run", "live.yaml")
    assert arrived.wait(30)
    running.expect_exact('writing… "Once')
    running.sendintr()
    running.expect_exact("once more")
    running.sendintr()
    running.expect(pytest.importorskip("pexpect").EOF)
    running.close()
    assert running.exitstatus == ExitStatus.INTERRUPTED
    run = project.latest
    (call,) = run.state.steps["story"].calls
    assert (call.kind, str(call.response_id)[:5]) == ("interrupted", "resp_")
    (lost,) = [event for event in run.events if isinstance(event, CallLost)]
    assert STORY.startswith(lost.raw)
    assert lost.raw
    check_books(run, simulator)
