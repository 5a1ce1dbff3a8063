"""Responses in the background from the command line: waited for, left, collected, cancelled."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

import pytest

from flowrunner.errors import ExitStatus
from flowrunner.simulator import Pace, Simulator
from tests.cli_world import Done, Project, check_books, posts

WORKFLOW = """\
flowrunner: 1
name: Patient
defaults: { model: gpt-6-luna }
steps:
  - { id: one, prompt: first, delivery: background }
  - { id: two, prompt: "second {{ steps.one.text }}" }
result: { text: "{{ steps.two.text }}" }
"""
QUICK = Pace(polls_until_done=2, poll_after_ms=1)
STUCK = Pace(queued_forever=True, poll_after_ms=1)


def paid(simulator: Simulator) -> list[str | None]:
    """The steps whose paid requests arrived, in order."""
    names = [call.client_request_id for call in posts(simulator) if call.client_request_id]
    return [name.split("/")[1] for name in names]


def looks(simulator: Simulator, method: str = "GET") -> int:
    free = [call for call in simulator.ledger if call.client_request_id is None]
    return sum(call.method == method for call in free)


@pytest.fixture
def patient(project: Project) -> Project:
    project.write("patient.yaml", WORKFLOW)
    return project


def test_a_run_that_is_waited_for(patient: Project, simulate: Callable[..., Simulator]) -> None:
    simulator = simulate(pace=QUICK)
    done = patient.at(simulator).run("run", "patient.yaml", "--wait")
    assert done.status == ExitStatus.DONE
    assert "queued in background, id resp_" in done.err
    assert paid(simulator) == ["one", "two"]
    first = posts(simulator)[0].body
    assert (first["background"], first["store"]) == (True, True)
    check_books(patient.latest, simulator)
    (attempt,) = patient.latest.step("one")["attempts"]
    assert attempt["sentence"].startswith("Answered in the background (polled 2×)")


def test_nobody_is_there_so_nobody_waits(
    patient: Project, simulate: Callable[..., Simulator]
) -> None:
    simulator = simulate(pace=Pace(polls_until_done=3))
    done = patient.at(simulator).run("run", "patient.yaml")
    assert done.status == ExitStatus.WAITING
    run = patient.latest
    resume = f"flowrunner resume {run.state.run}"
    assert "Waiting: the API still works on `one`, in the background" in done.err
    assert resume in done.err
    assert "WAITING=1" in done.err
    assert run.report["verdict"]["possibly_billed"] == 1
    assert run.step("one")["attempts"][0]["outcome"] == "pending"
    check_books(run, simulator)

    shown = patient.run("show", "latest", "one")
    (response_id,) = (call.response_id for call in run.state.steps["one"].calls)
    assert f"queued in background, id {response_id}" in shown.out
    assert resume in patient.run("show").out

    for looked in (1, 2):
        still = patient.run("resume")
        assert still.status == ExitStatus.WAITING
        assert looks(simulator) == looked, "one look"
    done = patient.run("resume")
    assert done.status == ExitStatus.DONE
    assert paid(simulator) == ["one", "two"]
    check_books(patient.latest, simulator)
    assert patient.latest.report["verdict"]["possibly_billed"] == 0


def test_the_environment_may_say_who_waits(
    patient: Project, simulate: Callable[..., Simulator]
) -> None:
    patient.environ["FLOWRUNNER_WAIT"] = "1"
    done = patient.at(simulate(pace=QUICK)).run("run", "patient.yaml")
    assert done.status == ExitStatus.DONE
    patient.at(simulate(pace=QUICK))
    assert patient.run("run", "patient.yaml", "--no-wait").status == ExitStatus.WAITING
    assert patient.run("resume").status == ExitStatus.DONE


def test_at_a_terminal_it_is_waited_for(
    patient: Project, simulate: Callable[..., Simulator]
) -> None:
    pexpect = pytest.importorskip("pexpect")
    simulator = simulate(pace=QUICK)
    running = patient.at(simulator).start_at_a_terminal("run", "patient.yaml")
    running.expect(pexpect.EOF)
    running.close()
    assert running.exitstatus == ExitStatus.DONE


def test_a_simulator_that_ends_with_the_program_is_waited_for(patient: Project) -> None:
    done = patient.run("run", "patient.yaml", "--simulate")
    assert done.status == ExitStatus.DONE


def test_a_response_that_is_gone_is_held(
    patient: Project, simulate: Callable[..., Simulator]
) -> None:
    simulator = simulate(pace=Pace(gone_at_poll=1, poll_after_ms=1))
    patient.at(simulator)
    assert patient.run("run", "patient.yaml", "--wait").status == ExitStatus.HELD
    assert patient.run("resume").status == ExitStatus.HELD
    assert paid(simulator) == ["one"]
    check_books(patient.latest, simulator)


def test_a_response_that_others_cancelled_fails_its_step(
    patient: Project, simulate: Callable[..., Simulator]
) -> None:
    simulator = simulate(pace=Pace(cancelled_at_poll=1, poll_after_ms=1))
    done = patient.at(simulator).run("run", "patient.yaml", "--wait")
    assert done.status == ExitStatus.FAILED
    assert "cancelled" in done.err
    assert paid(simulator) == ["one"]
    check_books(patient.latest, simulator)


def signalled(
    patient: Project, simulate: Callable[..., Simulator], number: signal.Signals, *words: str
) -> tuple[Done, Simulator]:
    """How a run ends that gets a signal when the server has its first request."""
    arrived = threading.Event()
    simulator = simulate(pace=STUCK, replies=lambda _: arrived.set())
    running = patient.at(simulator).start("run", "patient.yaml", "--wait", *words)
    assert arrived.wait(30)
    running.signal(number)
    return running.wait(), simulator


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, ExitStatus.INTERRUPTED), (signal.SIGTERM, ExitStatus.TERMINATED)],
)
def test_a_signal_leaves_the_response(
    patient: Project,
    simulate: Callable[..., Simulator],
    number: signal.Signals,
    status: ExitStatus,
) -> None:
    done, simulator = signalled(patient, simulate, number)
    assert done.status == status
    assert "Traceback" not in done.err
    assert looks(simulator, "POST") == 0
    (call,) = patient.latest.state.steps["one"].calls
    assert call.state == "accepted"
    assert call.response_id
    check_books(patient.latest, simulator)
    assert patient.run("resume").status == ExitStatus.WAITING
    assert paid(simulator) == ["one"]


def test_a_signal_cancels_the_response_where_that_is_wanted(
    patient: Project, simulate: Callable[..., Simulator]
) -> None:
    done, simulator = signalled(patient, simulate, signal.SIGTERM, "--cancel-background")
    assert done.status == ExitStatus.TERMINATED
    assert looks(simulator, "POST") == 1
    (call,) = patient.latest.state.steps["one"].calls
    assert (call.state, call.status) == ("answered", "cancelled")
    again = patient.run("resume")
    assert again.status == ExitStatus.WAITING
    assert paid(simulator) == ["one", "one"], "what was cancelled is asked for again"


def test_who_gives_the_run_up_cancels_the_response(
    patient: Project, simulate: Callable[..., Simulator]
) -> None:
    arrived = threading.Event()
    simulator = simulate(pace=STUCK, replies=lambda _: arrived.set())
    running = patient.at(simulator).start("run", "patient.yaml", "--wait")
    assert arrived.wait(30)
    assert patient.run("cancel", "latest").status == ExitStatus.DONE
    assert running.wait().status == ExitStatus.BUDGET
    assert looks(simulator, "POST") == 1
    (call,) = patient.latest.state.steps["one"].calls
    assert (call.state, call.status) == ("answered", "cancelled")
    assert patient.run("resume").status == ExitStatus.USAGE


def test_who_gives_up_a_run_that_was_left_is_told_what_goes_on(
    patient: Project, simulate: Callable[..., Simulator]
) -> None:
    patient.at(simulate(pace=STUCK))
    assert patient.run("run", "patient.yaml").status == ExitStatus.WAITING
    ended = patient.run("cancel", "latest")
    assert ended.status == ExitStatus.DONE, ended.err
    (call,) = patient.latest.state.steps["one"].calls
    assert f"perhaps billed: {call.response_id}" in ended.err


def test_a_response_that_stays_in_the_queue_ends_at_its_timeout(
    patient: Project, simulate: Callable[..., Simulator]
) -> None:
    patient.write("patient.yaml", WORKFLOW.replace("background }", "background, timeout: 1s }"))
    simulator = simulate(pace=STUCK)
    done = patient.at(simulator).run("run", "patient.yaml", "--wait")
    assert done.status == ExitStatus.FAILED
    assert patient.latest.state.steps["one"].reason == "timeout"
    assert looks(simulator, "POST") == 1
    assert paid(simulator) == ["one"]


def test_a_stream_in_the_background_that_is_cut_is_looked_for(
    patient: Project, simulate: Callable[..., Simulator]
) -> None:
    way = "background: true, stream: true"
    patient.write("patient.yaml", WORKFLOW.replace("delivery: background", way))
    cut = {"match": {"call": 1}, "do": {"stream": {"cut": "before_terminal"}}}
    simulator = simulate([cut], pace=QUICK)
    done = patient.at(simulator).run("run", "patient.yaml", "--wait")
    assert done.status == ExitStatus.DONE
    assert paid(simulator) == ["one", "two"]
    assert looks(simulator) >= 1
    assert patient.latest.state.totals.lost_calls == 0


def test_a_project_that_stores_nothing_has_no_background(
    patient: Project, simulator: Simulator
) -> None:
    patient.write("flowrunner.yaml", "defaults: { store: false }\n")
    done = patient.at(simulator).run("run", "patient.yaml")
    assert done.status == ExitStatus.USAGE
    assert "`one`" in done.err
    assert not posts(simulator)
