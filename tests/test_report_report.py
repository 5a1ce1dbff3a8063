"""What the report document says of runs in all conditions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from test_report_stories import (
    REPLY,
    RUN,
    START,
    TRIAGE,
    MemoryRecord,
    Story,
    bare,
    crashed,
    failed,
    held,
    interrupted,
    pending,
    refused_key,
    report_of,
    retried,
    simulated,
    succeeded,
    triaged,
    wide,
)

from flowrunner.errors import ExitStatus
from flowrunner.events import Address, ApiError, CallAnswered, Usage
from flowrunner.report.bounds import UNBOUNDED, Bounds
from flowrunner.report.report import build_report
from flowrunner.report.verdict import EXIT_MEANINGS

NO_END = "No end is recorded: the run is still going, or its process died."
TEAM = "steps['triage'].output.team"
URGENT = "steps.triage.output.urgent"


def _step(report: dict[str, Any], unit: str) -> dict[str, Any]:
    return next(step for step in report["steps"] if step["unit"] == unit)


@pytest.mark.parametrize(
    ("story", "status", "exit_status", "sentence"),
    [
        (succeeded, "succeeded", 0, "Everything was done: 3 ran, 1 skipped."),
        (failed, "failed", 1, "1 of 4 steps failed."),
        (refused_key, "failed", 4, "OpenAI refused the key in OPENAI_API_KEY."),
        (held, "held", 8, "A call's outcome is unknown."),
        (interrupted, "interrupted", 130, "Interrupted by Ctrl-C."),
        (crashed, "running", None, NO_END),
        (bare, "running", None, NO_END),
    ],
)  # fmt: skip
def test_the_verdict(story: Any, status: str, exit_status: int | None, sentence: str) -> None:
    verdict = report_of(story())["verdict"]
    assert (verdict["status"], verdict["exit_status"]) == (status, exit_status)
    assert verdict["sentence"] == sentence


def test_every_exit_status_has_a_meaning() -> None:
    assert set(EXIT_MEANINGS) == set(ExitStatus)


@pytest.mark.parametrize("story", [failed, held, interrupted, crashed, refused_key])
def test_what_is_not_done_says_how_to_go_on(story: Any) -> None:
    report = report_of(story())
    assert report["commands"]["resume"] == f"flowrunner resume {RUN}"
    assert report["verdict"]["help"]


def test_what_is_done_has_nothing_to_resume() -> None:
    report = report_of(succeeded())
    assert report["commands"]["resume"] is None
    assert report["verdict"]["help"] is None
    assert report["commands"]["run_again"].startswith("flowrunner run workflows/ticket_triage.yaml")


def test_the_command_to_run_again_is_quoted_for_a_shell() -> None:
    story = Story().begin(origin={"command": ["flowrunner", "run", "my file.yaml", "-i", "a=$b"]})
    assert report_of(story)["commands"]["run_again"] == "flowrunner run 'my file.yaml' -i 'a=$b'"


def test_asked_shows_the_rendered_request() -> None:
    asked = _step(report_of(succeeded()), "triage")["asked"]
    assert asked["instructions"] == {"value": "You sort the post of a bank's support desk."}
    (message,) = asked["messages"]
    assert message["role"] == "user"
    assert message["content"]["value"].startswith("Choose the team for: A customer sees")
    assert asked["output_schema"]["value"]["required"] == ["team", "urgent", "reason"]
    assert asked["parameters"]["reasoning"] == {"value": {"effort": "low"}}
    assert "input" not in asked["parameters"]


def test_asked_reads_lists_of_messages_and_items() -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}
    text = {"type": "input_text", "text": "Look"}
    given = [
        {"role": "developer", "content": "Be brief."},
        {"type": "message", "role": "user", "content": [text, {"type": "input_text", "text": "!"}]},
        {"role": "user", "content": [text, image]},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        "odd",
    ]
    story = triaged(Story()).start("reply").send("reply", "")
    story.events[-1].request["input"] = given  # type: ignore[attr-defined]
    story.events[-1].request["tools"] = [  # type: ignore[attr-defined]
        {"type": "web_search"},
        {"type": "function", "name": "find_order"},
        {"type": "mcp", "server_label": "desk"},
    ]
    asked = _step(report_of(story), "reply")["asked"]
    told = [(one["role"], one["content"]["value"]) for one in asked["messages"]]
    assert told == [
        ("developer", "Be brief."),
        ("user", "Look\n\n!"),
        ("user", [text, image]),
        ("reasoning", given[3]),
        ("user", "odd"),
    ]
    assert asked["tools"] == ["web_search", "find_order (function)", "desk (mcp)"]


def test_answered_shows_text_and_output() -> None:
    report = report_of(succeeded())
    assert _step(report, "triage")["answered"]["output"] == {"value": TRIAGE}
    assert _step(report, "reply")["answered"]["text"] == {"value": REPLY}
    assert _step(report, "bug_report")["answered"] is None
    assert report["result"]["value"]["draft"] == REPLY


def test_answered_shows_refusals_and_what_is_incomplete() -> None:
    story = triaged(Story()).start("reply").send("reply", "Please")
    refusal = {"type": "refusal", "refusal": "I can't help with that."}
    story.answer(
        "reply",
        "",
        Usage(10, 5),
        1.0,
        status="incomplete",
        output=[{"type": "message", "content": [refusal]}],
        incomplete_details={"reason": "max_output_tokens"},
    )
    story.finish("reply", "failed", reason="refused", message="The model refused.")
    answered = _step(report_of(story), "reply")["answered"]
    assert answered["refusal"] == "I can't help with that."
    assert answered["incomplete"] == "max_output_tokens"


def test_the_partial_answer_of_a_failed_step_is_kept() -> None:
    answered = _step(report_of(failed()), "triage")["answered"]
    assert '"complaints"' in answered["text"]["value"]
    assert answered["output"] is None


def test_attempts_tell_each_request_and_its_wait() -> None:
    attempts = _step(report_of(retried()), "reply")["attempts"]
    assert [one["outcome"] for one in attempts] == ["refused", "not_sent", "answered"]
    assert [one["wait_s"] for one in attempts] == [4.0, 2.0, None]
    assert attempts[0]["sentence"] == (
        "Refused (429, rate_limit_exceeded): Rate limit reached for gpt-6-luna on requests per min "
        "(RPM): Limit 3, Used 3."
    )
    assert attempts[0]["error"]["code"] == "rate_limit_exceeded"
    assert attempts[1]["sentence"].startswith("Never left, so it was not billed.")
    assert attempts[2]["accepted"] is True


def test_an_answer_of_the_wrong_shape_was_not_accepted() -> None:
    attempts = _step(report_of(failed()), "triage")["attempts"]
    assert [one["attempt"] for one in attempts] == [1, 2]
    assert [one["accepted"] for one in attempts] == [False, False]
    assert attempts[1]["sentence"] == "Answered after 1.9s, and the answer was not accepted."


def test_lost_and_open_requests_are_possibly_billed() -> None:
    for story, outcome in ((held(), "lost"), (crashed(), "open")):
        report = report_of(story)
        (attempt,) = _step(report, "reply")["attempts"]
        assert attempt["outcome"] == outcome
        (lost,) = report["money"]["possibly_billed"]
        assert lost["client_request_id"] == f"{RUN}.reply.1.1.1"
        assert report["verdict"]["possibly_billed"] == 1
        assert report["verdict"]["cost_is_complete"] is False


def test_what_is_answered_later_is_told_with_its_id() -> None:
    report = report_of(pending())
    (attempt,) = _step(report, "reply")["attempts"]
    assert attempt["outcome"] == "pending"
    assert attempt["sentence"] == (
        f"Accepted: the API works on it in the background, id {attempt['response_id']}, last seen "
        "`in_progress`, polled 4×. It is billed when it ends."
    )
    assert report["verdict"]["possibly_billed"] == 1
    assert report["verdict"]["cost_is_complete"] is False
    (bar,) = (bar for bar in report["timeline"]["bars"] if bar["unit"] == "reply")
    assert bar["kind"] == "pending"


def test_an_answer_that_came_later_says_so() -> None:
    story = triaged(Story()).start("reply").send("reply", "x", background=True)
    story.accept("reply").answer("reply", "y", Usage(10, 5), 7.0)
    story.events[-1] = replace(story.events[-1], polls=6)  # type: ignore[call-arg]
    (attempt,) = _step(report_of(story.finish("reply")), "reply")["attempts"]
    assert attempt["sentence"] == "Answered in the background (polled 6×) after 7.0s."


def test_why_names_the_condition_and_the_value_that_decided() -> None:
    report = report_of(succeeded())
    skipped, ran = _step(report, "bug_report")["why"], _step(report, "reply")["why"]
    assert skipped["sentence"] == (
        "It was skipped because `steps.triage.output.team == 'bug'` was not true."
    )
    assert skipped["held"] is False
    assert ran["held"] is True
    team = {"name": "steps.triage.output.team", "value": {"value": "billing"}}
    assert skipped["values"] == ran["values"] == [team]


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        (f"inputs.ticket and {URGENT}", ["inputs.ticket", URGENT]),
        (f"{TEAM} in ['steps.summary.text', 'bug']", [TEAM]),
        ("steps.triage.output.nothing or steps.later.text", []),
    ],
)  # fmt: skip
def test_why_reads_values_off_a_condition(condition: str, names: list[str]) -> None:
    story = succeeded()
    graph = {"steps": [dict(step) for step in story.graph["steps"]]}
    graph["steps"][3]["condition"] = condition
    story.graph = graph
    why = _step(report_of(story), "reply")["why"]
    assert [entry["name"] for entry in why["values"]] == names


def test_a_step_that_never_started_says_so() -> None:
    step = _step(report_of(refused_key()), "reply")
    assert step["status"] is None
    assert step["why"]["sentence"].startswith("It never started")


def test_money_by_step_and_model_adds_up() -> None:
    report = report_of(succeeded())
    bill = report["money"]
    assert [line["name"] for line in bill["by_step"]] == ["reply", "triage", "summary"]
    assert [line["name"] for line in bill["by_model"]] == ["gpt-6-luna"]
    for lines in (bill["by_step"], bill["by_model"]):
        assert sum(line["cost_usd"] for line in lines) == pytest.approx(bill["cost_usd"])
        assert sum(line["tokens"]["input"] for line in lines) == 81 + 1432 + 97
    assert bill["cached_share"] == round(1024 / 1610, 4)
    assert report["verdict"]["cost_usd"] == bill["cost_usd"]


def test_an_unknown_price_is_named_and_never_zero() -> None:
    story = triaged(Story()).start("reply").send("reply", "Hello", model="house-model")
    story.answer("reply", "Hi", Usage(5, 1), 0.4).finish("reply", result={"text": "Hi"})
    report = report_of(story)
    why = "no price is known for `house-model`"
    assert report["money"]["unknown"] == [{"unit": "reply", "model": "house-model", "why": why}]
    assert _step(report, "reply")["numbers"]["cost_is_complete"] is False
    assert report["verdict"]["cost_is_complete"] is False


def test_an_answer_without_usage_has_an_unknown_price() -> None:
    story = Story().begin().start("summary").send("summary", "Hello")
    sent = story.events[-1]
    story.events.append(
        CallAnswered(
            at=story.at, address=sent.address, http_status=200, status="completed",  # type: ignore[attr-defined]
            request_id=None, response_id=None, model=None, service_tier=None, usage=None,
            cost_usd=None, elapsed_s=0.5, response={},
        )
    )  # fmt: skip
    (unknown,) = report_of(story)["money"]["unknown"]
    assert unknown["why"] == "the answer says nothing about its tokens"


def test_a_simulated_run_says_so_everywhere() -> None:
    report = report_of(simulated())
    assert report["run"]["simulated"] is True
    assert report["money"]["is_simulated"] is True


def test_the_timeline_leaves_idle_time_out() -> None:
    report = report_of(retried())
    timeline = report["timeline"]
    assert report["run"]["processes"] == 2
    assert timeline["length_s"] < 60
    assert report["verdict"]["elapsed_s"] == timeline["length_s"]
    kinds = [bar["kind"] for bar in timeline["bars"] if bar["unit"] == "reply"]
    assert kinds == ["failed", "waiting", "failed", "waiting", "answered"]
    (resumed,) = timeline["resumed_s"]
    assert timeline["bars"][-1]["from_s"] == pytest.approx(resumed)
    for bar in timeline["bars"]:
        assert 0 <= bar["from_s"] <= bar["to_s"] <= timeline["length_s"]


def test_the_timeline_counts_what_runs_at_once_and_what_the_end_waited_for() -> None:
    timeline = report_of(succeeded())["timeline"]
    assert timeline["critical_path"] == ["summary", "triage", "reply"]
    assert timeline["most_at_once"] == 1
    assert report_of(wide(80))["timeline"]["most_at_once"] > 1


def test_an_open_request_has_an_open_bar() -> None:
    bars = report_of(crashed())["timeline"]["bars"]
    assert bars[-1]["kind"] == "open"


def test_a_clock_that_jumps_back_gives_no_negative_time() -> None:
    story = Story().begin().start("summary").send("summary", "Hi")
    story.at = START - 3600
    story.answer("summary", "Hi", Usage(1, 1), 0.5).finish("summary", result={"text": "Hi"})
    report = report_of(story)
    assert _step(report, "summary")["elapsed_s"] == 0
    assert report["verdict"]["elapsed_s"] >= 0
    assert all(bar["to_s"] >= bar["from_s"] for bar in report["timeline"]["bars"])


def test_large_values_are_cut_and_point_to_the_whole() -> None:
    long = "word " * 40_000
    story = triaged(Story()).start("reply").send("reply", long)
    story.answer("reply", long, Usage(9, 9), 1.0).finish("reply", result={"text": long})
    story.end("succeeded", ExitStatus.DONE, result={"draft": long})
    report = report_of(story)
    text = _step(report, "reply")["answered"]["text"]
    assert text["bytes"] == len(long)
    assert long.startswith(text["beginning"])
    assert text["see"] == f"flowrunner show {RUN} reply"
    assert report["result"]["bytes"] > len(long)
    record = MemoryRecord(story)
    whole = build_report(record.replay(), record, bounds=UNBOUNDED, only=["reply"])
    assert [step["unit"] for step in whole["steps"]] == ["reply"]
    assert whole["steps"][0]["answered"]["text"] == {"value": long}
    assert whole["verdict"]["tally"]["total"] == 4


def test_many_steps_get_less_room_each() -> None:
    assert Bounds.for_steps(10).value == 64_000
    assert Bounds.for_steps(2000).value == 2_000
    assert Bounds.for_steps(10**6).value == 1_000


def test_a_value_that_json_cannot_say_becomes_text() -> None:
    story = bare()
    story.inputs = {"x": 1}
    story.events[0].origin["odd"] = [float("nan"), {"deep": float("inf")}]  # type: ignore[attr-defined]
    try:
        report = report_of(story)
        assert Bounds(4).hold({"x": float("nan")}, "see")["beginning"]
        assert report["provenance"]["origin"]["odd"]
    finally:
        del story.events[0].origin["odd"]  # type: ignore[attr-defined]


def test_the_reply_of_a_refused_request_is_kept() -> None:
    story = Story().begin().start("summary").send("summary", "Hi")
    story.refuse("summary", ApiError("Bad", None, "model", "model_not_found"), 404)
    raw = _step(report_of(story), "summary")["raw"]
    assert raw["response"] == {"value": '{"error": {"message": "…"}}'}
    assert raw["request"]["value"]["model"] == "gpt-6-luna"


def test_warnings_and_provenance() -> None:
    report = report_of(retried())
    assert report["warnings"] == [
        {"code": "rate-limit", "message": "The API slowed this run down for 4 s.", "unit": "reply"}
    ]
    assert report["provenance"]["origin"]["git_dirty"] is True
    assert len(report["provenance"]["resumed"]) == 1
    assert report["provenance"]["inputs"]["ticket"]["value"].startswith("Can you help me")


def test_a_run_without_a_frozen_graph_still_lists_its_steps() -> None:
    story = succeeded()
    story.graph = {}
    report = report_of(story)
    assert [step["id"] for step in report["graph"]] == ["summary", "triage", "bug_report", "reply"]
    assert _step(report, "reply")["place"] is None


def test_items_are_told_and_do_not_count_as_steps() -> None:
    story = Story(graph={"steps": [{"id": "read", "verb": "prompt", "line": 3}]}, inputs={})
    story.begin().start("read").start("read[1]").finish("read[1]", result={"text": "one"})
    story.finish("read", result={"text": None})
    report = report_of(story)
    assert [step["unit"] for step in report["steps"]] == ["read", "read[1]"]
    assert report["verdict"]["tally"]["total"] == 1
    assert Address.parse("read[1]").unit == "read[1]"


def test_a_result_taken_over_is_reused() -> None:
    story = Story().begin().finish("summary", reason="reused", result={"text": "old"})
    report = report_of(story)
    assert _step(report, "summary")["reused"] is True
    assert report["verdict"]["tally"]["reused"] == 1
