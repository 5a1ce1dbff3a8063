"""Whatever the server and the network do: how often is asked, what is said, and both books agree.

Every scenario goes through the whole program and over a real socket.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from flowrunner.errors import ExitStatus
from flowrunner.simulator import Simulator
from tests.cli_world import Project, check_books, posts

WORKFLOW = """\
flowrunner: 1
name: Faulty
defaults: {{ model: gpt-6-luna, on_unknown: {on_unknown} }}
steps:
  - {{ id: one, prompt: first, timeout: {timeout} }}
  - {{ id: two, prompt: "second {{{{ steps.one.text }}}}" }}
result: {{ text: "{{{{ steps.two.text }}}}" }}
"""


@dataclass(frozen=True)
class Case:
    """Faults for the first step, and what must come of them.

    `asked` is how often the step is asked, `status` its status at the end; `said` must be told.
    """

    do: dict[str, Any]
    exit: ExitStatus
    asked: int
    status: str | None = "succeeded"
    times: int | None = 1
    said: tuple[str, ...] = ()
    on_unknown: str = "hold"
    timeout: str = "5m"
    environ: dict[str, str] = field(default_factory=dict)


def _run(project: Project, simulate: Callable[..., Simulator], case: Case) -> Simulator:
    rule = {"match": {"client_request_id": "/one/"}, "do": case.do}
    simulator = simulate([rule | ({"times": case.times} if case.times else {})])
    text = WORKFLOW.format(on_unknown=case.on_unknown, timeout=case.timeout)
    project.at(simulator).write("faulty.yaml", text)
    done = project.run("run", "faulty.yaml", environ=case.environ)
    run = project.latest
    assert done.status == case.exit, done.err
    assert run.state.exit_status == case.exit
    assert run.state.steps["one"].status == case.status
    assert len(posts(simulator, run.state.run, "one")) == case.asked
    went_on = case.exit is ExitStatus.DONE
    assert len(posts(simulator, run.state.run, "two")) == went_on
    assert bool(done.out) == went_on, "no result where there is none"
    told = " ".join(done.err.split())
    assert [said for said in case.said if said not in told] == []
    assert "Traceback" not in done.err
    check_books(run, simulator)
    return simulator


SAID_FAILED = {
    "500": Case({"status": 500}, ExitStatus.DONE, 2),
    "502-html": Case({"status": 502, "html": True}, ExitStatus.DONE, 2),
    "503": Case({"status": 503, "retry_after": 0.3}, ExitStatus.DONE, 2),
    "503-twice": Case({"status": 503, "retry_after": 0}, ExitStatus.DONE, 3, times=2),
    "504": Case({"status": 504}, ExitStatus.DONE, 2),
    "529": Case({"status": 529}, ExitStatus.DONE, 2),
    "slow-down": Case({"status": 503, "error": {"code": "slow_down"}}, ExitStatus.DONE, 2),
    "409": Case({"status": 409}, ExitStatus.DONE, 2),
    "424": Case({"status": 424}, ExitStatus.DONE, 2),
    "told-to-retry": Case(
        {"status": 400, "headers": {"x-should-retry": "true"}}, ExitStatus.DONE, 2
    ),
    "429": Case({"status": 429, "retry_after": "0.3"}, ExitStatus.DONE, 2),
    "408": Case({"status": 408}, ExitStatus.DONE, 2),
    "conversation-locked": Case(
        {"status": 409, "error": "conversation_locked"}, ExitStatus.DONE, 2
    ),
    "conversation-locked-as-400": Case(
        {"status": 400, "error": "conversation_locked"}, ExitStatus.DONE, 2
    ),
    "response-failed-overloaded": Case(
        {"response_status": "failed", "code": "server_is_overloaded"}, ExitStatus.DONE, 2
    ),
    "response-failed-passing": Case(
        {"response_status": "failed", "code": "server_error"}, ExitStatus.DONE, 2
    ),
    "asks-for-a-day": Case(
        {"status": 429, "retry_after": 86400}, ExitStatus.FAILED, 1, "failed", said=("24 h",)
    ),
    "told-not-to-retry": Case(
        {"status": 503, "headers": {"x-should-retry": "false"}}, ExitStatus.FAILED, 1, "failed"
    ),
}
FINAL = {
    "quota": Case(
        {"status": 429, "error": "insufficient_quota", "retry_after": 0},
        ExitStatus.ENVIRONMENT,
        1,
        "failed",
        said=("quota", "billing", "insufficient_quota", "req_"),
    ),
    "400": Case(
        {
            "status": 400,
            "error": {
                "message": "Unsupported value: 'hot'",
                "code": "unsupported_value",
                "param": "temperature",
            },
        },
        ExitStatus.FAILED,
        1,
        "failed",
        said=("Unsupported value: 'hot'", "unsupported_value", "`temperature`", "req_"),
    ),
    "401": Case(
        {"status": 401},
        ExitStatus.ENVIRONMENT,
        1,
        "failed",
        said=("OPENAI_API_KEY", "invalid_api_key", "req_"),
    ),
    "403": Case({"status": 403}, ExitStatus.FAILED, 1, "failed", said=("403", "req_")),
    "404": Case(
        {"status": 404}, ExitStatus.FAILED, 1, "failed", said=("model_not_found", "req_", "model")
    ),
    **{
        f"{status}": Case({"status": status}, ExitStatus.FAILED, 1, "failed", said=(f"{status}",))
        for status in (405, 413, 422)
    },
    "redirect": Case(
        {"status": 307, "headers": {"location": "http://127.0.0.1:1/v1/responses"}},
        ExitStatus.FAILED,
        1,
        "failed",
        said=("307",),
    ),
}
LOST = {
    "reset": {"reset": "before"},
    "reset-after-work": {"reset": "before", "after_processing": True},
    "reset-in-the-body": {"reset": "after_headers"},
    "closed": {"close": "before"},
    "closed-after-work": {"close": "before", "after_processing": True},
    "hangs": {"hang": "before", "after_processing": True},
    "hangs-in-the-body": {"hang": "after_headers"},
    "drips": {"drip": {"bytes": 1, "every": 0.05}},
    "truncated": {"truncate": 40},
    "page": {"status": 200, "html": True},
    "page-after-work": {"status": 200, "html": True, "after_processing": True},
    "other-json": {"status": 200, "wrong_json": True},
    "empty": {"status": 200, "body": ""},
    "null": {"status": 200, "body": "null"},
    "not-finished-json": {"status": 200, "body": '{"id": "resp_1", '},
}
ANSWERED = {
    "incomplete": Case(
        {"response_status": "incomplete"}, ExitStatus.FAILED, 1, "failed", said=("max_output",)
    ),
    "filtered": Case(
        {"response_status": "incomplete", "code": "content_filter"},
        ExitStatus.FAILED,
        1,
        "failed",
        said=("filter",),
    ),
    "refusal": Case(
        {"refusal": "I'd rather not."},
        ExitStatus.FAILED,
        1,
        "failed",
        said=("the model refused: I'd rather not.",),
    ),
    "failed": Case(
        {"response_status": "failed", "code": "invalid_prompt"},
        ExitStatus.FAILED,
        1,
        "failed",
        said=("invalid_prompt",),
    ),
    "cancelled": Case({"response_status": "cancelled"}, ExitStatus.FAILED, 1, "failed"),
    "without-usage": Case({"response": {"usage": None}}, ExitStatus.DONE, 1),
}


def _lost(name: str, on_unknown: str, times: int | None) -> Case:
    slow = name.startswith(("hang", "drip"))
    recovers = times == 1 and on_unknown == "retry_once" and not slow
    return Case(
        LOST[name],
        ExitStatus.DONE if recovers else ExitStatus.HELD,
        2 if on_unknown == "retry_once" and not slow else 1,
        "succeeded" if recovers else "unknown",
        times=times,
        said=() if recovers else ("possibly billed", "resume"),
        on_unknown=on_unknown,
        timeout="1s" if slow else "5m",
    )


CASES = [
    *(pytest.param(case, id=name) for name, case in (SAID_FAILED | FINAL | ANSWERED).items()),
    *(pytest.param(_lost(name, "hold", 1), id=f"{name}-hold") for name in LOST),
    pytest.param(_lost("reset", "retry_once", 1), id="reset-once"),
    pytest.param(_lost("closed-after-work", "retry_once", 1), id="closed-once"),
    pytest.param(_lost("page", "retry_once", 1), id="page-once"),
    pytest.param(_lost("truncated", "retry_once", None), id="truncated-for-ever"),
    pytest.param(_lost("reset-after-work", "retry_once", None), id="reset-for-ever"),
    pytest.param(_lost("hangs", "retry_once", None), id="hangs-for-ever"),
]


@pytest.mark.parametrize("case", CASES)
def test_a_fault_of_the_server(
    project: Project, simulate: Callable[..., Simulator], case: Case
) -> None:
    _run(project, simulate, case)


def test_a_redirect_is_not_followed_and_the_key_stays_here(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    other = simulate()
    case = Case(
        {"status": 307, "headers": {"location": f"{other.base_url}/responses"}},
        ExitStatus.FAILED,
        1,
        "failed",
    )
    _run(project, simulate, case)
    assert len(other.ledger) == 0


def test_the_command_line_decides_about_lost_answers(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    lost = {"reset": "before", "after_processing": True}
    held = {"FLOWRUNNER_ON_UNKNOWN": "hold"}
    case = Case(lost, ExitStatus.HELD, 1, "unknown", on_unknown="retry_once", environ=held)
    simulator = _run(project, simulate, case)
    run = project.latest.state.run

    again = project.run("resume", "latest")
    assert again.status == ExitStatus.HELD, "nobody has decided anything yet"
    assert len(posts(simulator, run)) == 1

    paid_twice = project.run("resume", "latest", "--on-unknown", "retry_once")
    assert paid_twice.status == ExitStatus.DONE
    assert len(posts(simulator, run, "one")) == 2
    assert project.latest.report["verdict"]["possibly_billed"] == 1
    assert project.latest.report["verdict"]["cost_is_complete"] is False
    check_books(project.latest, simulator)


def test_a_failed_step_is_asked_again_by_a_resume_and_by_nothing_else(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    case = Case({"status": 400}, ExitStatus.FAILED, 1, "failed", times=1)
    simulator = _run(project, simulate, case)
    first = project.latest.state
    assert project.run("resume").status == ExitStatus.DONE
    second = project.latest.state
    assert second.totals.calls == first.totals.calls + 2
    assert [call.attempt for call in second.steps["one"].calls] == [1, 2]
    check_books(project.latest, simulator)
    done = project.run("resume")
    assert done.status == ExitStatus.USAGE
    assert "nothing to resume" in done.err


def test_a_resume_goes_to_the_server_that_the_run_began_with(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    _run(project, simulate, Case({"status": 400}, ExitStatus.FAILED, 1, "failed"))
    other = simulate()
    done = project.at(other).run("resume")
    assert done.status == ExitStatus.USAGE
    assert "OPENAI_BASE_URL" in done.err
    assert len(other.ledger) == 0


def test_a_run_that_takes_too_long_is_ended(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    simulator = simulate([{"do": {"hang": True}}])
    project.at(simulator).write("faulty.yaml", WORKFLOW.format(on_unknown="hold", timeout="5m"))
    done = project.run("run", "faulty.yaml", environ={"FLOWRUNNER_TIMEOUT": "0.5s"})
    assert done.status == ExitStatus.FAILED
    assert "limit of 0.5 s" in done.err
    check_books(project.latest, simulator)
