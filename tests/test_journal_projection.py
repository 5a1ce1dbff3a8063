"""The rows that are kept beside the records say what the records say."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_histories import (
    HISTORIES,
    NOW,
    UNITS,
    address,
    approval_asked,
    approval_given,
    call_accepted,
    call_answered,
    call_lost,
    call_not_sent,
    call_polled,
    call_refused,
    call_sent,
    clock,
    item_history,
    run_finished,
    run_started,
    small_history,
    step_finished,
    step_started,
    warned,
)

from flowrunner import events
from flowrunner.errors import ExitStatus
from flowrunner.events import ApiError, Event, Usage
from flowrunner.journal.journal import Journal
from flowrunner.journal.projection import Nothing, Projection
from flowrunner.journal.state import Approval, CallState, RunState, StepState, Totals

RANDOMLY = settings(max_examples=80, deadline=None, derandomize=True, database=None)


def fold(history: list[Event]) -> Projection:
    projection = Projection(Nothing(), Totals())
    for seq, event in enumerate(history, start=1):
        projection.apply(seq, event)
    return projection


def journal_of(folder: Path, history: list[Event]) -> Journal:
    journal = Journal.create(folder, {}, clock, inline=True)
    asyncio.run(journal.append_many(history))
    return journal


def everything(run: RunState) -> list[object]:
    return [run, [step.calls for step in run.steps.values()]]


@RANDOMLY
@given(HISTORIES, st.lists(st.integers(1, 12), min_size=1, max_size=5))
def test_rows_are_what_the_records_add_up_to(history: list[Event], cuts: list[int]) -> None:
    """However a history is cut into transactions and into owners."""
    with tempfile.TemporaryDirectory() as home:
        folder, done = Path(home) / "run", 0
        Journal.create(folder, {}, clock, inline=True).close()
        for cut in cuts:
            with Journal.open(folder, writable=True, inline=True) as journal:
                asyncio.run(journal.append_many(history[done : done + cut]))
                done += cut
        history = history[:done]
        with Journal.open(folder, writable=True, inline=True) as journal:
            journal.verify()
            kept = journal.replay()
            expected = fold(history)
            assert kept.totals == expected.totals
            assert {unit: step for unit, step in kept.steps.items() if step.status} == (
                expected.steps
            )
            calls = [call for step in kept.steps.values() for call in step.calls]
            assert {call.key: call for call in calls} == expected.calls
            journal.rebuild_projection()
            assert everything(journal.replay()) == everything(kept)
            journal.verify()


def test_memory_follows_what_is_in_flight() -> None:
    projection = Projection(Nothing(), Totals())
    for seq, event in enumerate(item_history(50), start=1):
        projection.apply(seq, event)
        projection.settle()
    assert not projection.steps
    assert not projection.calls


CALL_ENDS = [
    (
        call_answered(),
        {
            "state": "answered",
            "http_status": 200,
            "status": "completed",
            "request_id": "req_1",
            "response_id": "resp_1",
            "served_model": "gpt-5-mini-2026",
            "service_tier": "default",
            "usage": Usage(100, 20, 10, 0, 5),
            "cost_usd": 0.25,
            "elapsed_s": 1.0,
        },
        Totals(1, 1, cost_usd=0.25, usage=Usage(100, 20, 10, 0, 5)),
    ),
    (
        call_answered(cost_usd=None),
        {"state": "answered", "cost_usd": None},
        Totals(1, 1, unknown_cost_calls=1, usage=Usage(100, 20, 10, 0, 5)),
    ),
    (
        call_refused(),
        {
            "state": "refused",
            "http_status": 429,
            "message": "slow down",
            "error": ApiError("slow down", "requests", None, "rate_limit_exceeded"),
            "retry_in_s": 1.5,
        },
        Totals(1, 1),
    ),
    (call_not_sent(), {"state": "not-sent", "kind": "refused"}, Totals(1, 1, not_sent_calls=1)),
    (call_lost(), {"state": "lost", "kind": "reset"}, Totals(1, 1, lost_calls=1)),
]


@pytest.mark.parametrize(
    ("end", "fields", "totals"), CALL_ENDS, ids=[str(end[1]["state"]) for end in CALL_ENDS]
)
def test_a_call_and_its_end(
    tmp_path: Path, end: Event, fields: dict[str, object], totals: Totals
) -> None:
    with journal_of(tmp_path / "run", [step_started(), call_sent(), end]) as journal:
        run = journal.replay()
        (call,) = run.steps["triage"].calls
        assert {name: getattr(call, name) for name in fields} == fields
        assert (call.sent_at, call.sent_seq, call.ended_at, call.end_seq) == (NOW, 2, NOW + 1, 3)
        assert call.model == "gpt-5-mini"
        assert call.address == address()
        assert run.totals == totals
        assert journal.calls("triage") == [call]


SPENDERS = ("extract", "extract[1]", "extract[2]/read", "extract[10]#3", "extract#1/draft")
OTHERS = ("extra", "extracts", "extract_more", "extracted[1]", "sub/extract", "sub/extract[1]")


def spend(units: tuple[str, ...]) -> list[Event]:
    calls = [(call_sent(address(unit)), call_answered(address(unit))) for unit in units]
    return [event for pair in calls for event in pair]


def test_what_was_spent_below_a_unit(tmp_path: Path) -> None:
    history = [
        *spend((*SPENDERS, *OTHERS)),
        *(step_started(unit) for unit in (*SPENDERS[:3], *OTHERS)),
        *(call_sent(address("extract[3]")), call_lost(address("extract[3]"))),
    ]
    with journal_of(tmp_path / "run", history) as journal:
        below = journal.spent_below("extract")
        usage = Usage(500, 100, 50, 0, 25)
        assert below == Totals(3, 6, lost_calls=1, cost_usd=1.25, usage=usage)
        assert journal.spent_below("extract[2]").cost_usd == 0.25
        assert journal.spent_below("extract[2]/read").calls == 1
        assert journal.spent_below("sub").cost_usd == 0.5
        assert journal.spent_below("ext") == journal.spent_below("'") == Totals()


@RANDOMLY
@given(HISTORIES)
def test_what_was_spent_below_any_unit(history: list[Event]) -> None:
    with tempfile.TemporaryDirectory() as home, journal_of(Path(home) / "run", history) as journal:
        run = journal.replay()
        for unit in (*UNITS, "extract", "polish", "polish#1"):
            inner = tuple(unit + mark for mark in "[#/")
            below = [name for name in run.steps if name == unit or name.startswith(inner)]
            expected = Totals(steps=sum(run.steps[name].seq is not None for name in below))
            for call in (call for name in sorted(below) for call in run.steps[name].calls):
                expected.count(call)
            assert journal.spent_below(unit) == expected


def test_a_lost_call_that_is_found_again_counts_once(tmp_path: Path) -> None:
    history = [step_started(), call_sent(), call_lost(), call_answered(cost_usd=None)]
    with journal_of(tmp_path / "run", [*history, call_answered()]) as journal:
        totals = journal.replay().totals
        assert totals == Totals(1, 1, cost_usd=0.25, usage=Usage(100, 20, 10, 0, 5))


def test_a_call_without_an_end_is_open(tmp_path: Path) -> None:
    with journal_of(tmp_path / "run", [step_started(), call_sent()]) as journal:
        run = journal.replay()
        assert [call.state for call in run.open_calls()] == ["sent"]
        assert not run.is_finished


def test_a_call_that_is_answered_later_is_open_and_possibly_billed(tmp_path: Path) -> None:
    history = [step_started(), call_sent(), call_accepted(), call_polled()]
    with journal_of(tmp_path / "run", history) as journal:
        run = journal.replay()
        (call,) = run.open_calls()
        assert (call.state, call.status, call.polls) == ("accepted", "in_progress", 3)
        assert (call.response_id, call.ended_at, call.end_seq) == ("resp_1", None, None)
        assert run.totals == Totals(1, 1, accepted_calls=1)
        assert journal.spent_below("triage").accepted_calls == 1


@pytest.mark.parametrize("end", [call_answered(), call_lost(), call_refused()])
def test_a_call_that_was_accepted_ends_once(tmp_path: Path, end: Event) -> None:
    history = [step_started(), call_sent(), call_accepted(), end, call_polled()]
    with journal_of(tmp_path / "run", history) as journal:
        run = journal.replay()
        assert run.open_calls() == []
        assert run.totals.accepted_calls == 0
        assert run.totals.calls == 1


def test_a_response_that_is_gone_is_still_known_by_its_id(tmp_path: Path) -> None:
    gone = replace(call_lost(), kind="gone", response_id="resp_1")
    history = [step_started(), call_sent(), call_accepted(), gone]
    with journal_of(tmp_path / "run", history) as journal:
        (call,) = journal.replay().steps["triage"].calls
        assert (call.state, call.response_id) == ("lost", "resp_1")


def test_a_step_that_waits_for_a_response_goes_on_as_the_one_it_was(tmp_path: Path) -> None:
    waits = replace(step_finished(status="waiting"), reason="background")
    history = [
        step_started(),
        call_sent(),
        call_accepted(),
        waits,
        step_started(at=NOW + 9),
        replace(waits, at=NOW + 10),
        step_started(at=NOW + 19),
    ]
    with journal_of(tmp_path / "run", history) as journal:
        step = journal.replay().steps["triage"]
        assert (step.status, step.started_at, step.started_seq) == ("running", NOW, 1)
        assert step.ended_at is None
        assert journal.result("triage") is None
        (call,) = step.calls
        assert call.sent_seq > 1


def test_what_a_step_costs() -> None:
    step = StepState("triage")
    assert (step.calls, step.cost_usd, step.usage) == ([], 0, Usage())
    answered = {"state": "answered", "model": None, "client_request_id": "", "sent_at": 0.0}
    for post, cost in enumerate((0.5, 0.25), start=1):
        call = CallState("triage", 1, 1, post, **answered, sent_seq=post, cost_usd=cost)
        step.calls.append(call)
    assert step.cost_usd == 0.75
    step.calls[0].cost_usd = None
    assert step.cost_usd is None


def test_steps_stand_in_the_order_of_the_file_then_of_appearance(tmp_path: Path) -> None:
    history = [
        run_started("first", "second", "third"),
        step_started("second"),
        step_started("extract[10]"),
        step_started("extract[9]"),
        step_started("first"),
    ]
    with journal_of(tmp_path / "run", history) as journal:
        steps = journal.replay().steps
    assert list(steps) == ["first", "second", "third", "extract[10]", "extract[9]"]
    assert steps["third"] == StepState("third")


def test_a_step_that_goes_on_after_a_crash_keeps_its_start(tmp_path: Path) -> None:
    history = [step_started(), events.RunResumed(at=NOW + 9, epoch=2), step_started(at=NOW + 9)]
    with journal_of(tmp_path / "run", history) as journal:
        assert journal.replay().steps["triage"].started_at == NOW


def test_a_step_that_is_done_again_has_no_result_until_then(tmp_path: Path) -> None:
    history = [
        step_started(),
        step_finished(status="failed", result={"status": "failed"}),
        step_started(at=NOW + 9),
    ]
    with journal_of(tmp_path / "run", history) as journal:
        assert journal.result("triage") is None
        again = journal.replay().steps["triage"]
        assert (again.status, again.started_at, again.ended_at) == ("running", NOW + 9, None)


def step_after(*history: Event) -> StepState:
    return fold(list(history)).steps["send"]


def test_fingerprints_and_where_a_result_was_taken_from() -> None:
    start = events.StepStarted(at=NOW, address=address("send"), verb="prompt", fingerprint="aa")
    end = step_finished("send")
    told = replace(end, fingerprint="bb", reused_from="20260921-120000-7f3a/send")
    assert step_after(start).fingerprint == "aa"
    assert step_after(start, end).fingerprint == "aa"
    assert step_after(start, told).fingerprint == "bb"
    assert step_after(start, told).reused_from == "20260921-120000-7f3a/send"
    assert step_after(start, step_started("send")).fingerprint == "aa"
    again = step_after(start, told, step_started("send"))
    assert (again.fingerprint, again.reused_from) == (None, None)
    assert step_after(start, told, end).reused_from is None


def test_the_list_of_a_for_each(tmp_path: Path) -> None:
    began = events.ForEachBegan(at=NOW, address=address("send"), items=3080)
    assert step_after(began).status == "running"
    assert step_after(step_started("send"), began).items == 3080
    assert step_after(began, step_finished("send")).items == 3080
    assert step_after(began, step_finished("send"), step_started("send")).items is None
    with journal_of(tmp_path / "run", [step_started("send"), began]) as journal:
        assert journal.replay().steps["send"].items == 3080


def test_a_person_is_asked_and_answers(tmp_path: Path) -> None:
    history = [run_started("other", "send"), step_started("send"), approval_asked()]
    with journal_of(tmp_path / "run", history) as journal:
        run = journal.replay()
        assert run.waiting_units() == ["send"]
        assert run.steps["send"].waits_for_decision
        assert run.steps["send"].approval == Approval("Send the mails?", NOW, 3)
        asyncio.run(journal.append(approval_given()))
        run = journal.replay()
        assert run.waiting_units() == []
        assert run.steps["send"].approval == Approval(
            "Send the mails?", NOW, 3, True, "Ada", "looks good", "command", NOW + 7
        )
        assert not run.steps["send"].waits_for_decision
        asyncio.run(journal.append(step_finished("send")))
        assert journal.replay().steps["send"].approval == run.steps["send"].approval


WAITING = step_finished("send", status="waiting")
ASKING_AGAIN = {
    "same-text": ([approval_asked(at=NOW + 9)], 1, "waiting"),
    "another-text": ([approval_asked(text="Send all?")], 2, "waiting"),
    "gone-on-after-a-crash": ([step_started("send")], 1, "waiting"),
    "ended-waiting": ([WAITING, step_started("send"), approval_asked()], 1, "waiting"),
    "answered-after-the-end": ([WAITING, approval_given()], 1, "running"),
    "asked-after-the-answer": ([approval_given(), approval_asked()], 3, "waiting"),
    "begun-anew": ([step_finished("send"), step_started("send")], None, "running"),
    "asked-anew": ([step_finished("send"), step_started("send"), approval_asked()], 4, "waiting"),
}


@pytest.mark.parametrize(
    ("history", "asked_seq", "status"), ASKING_AGAIN.values(), ids=ASKING_AGAIN
)
def test_asking_again(history: list[Event], asked_seq: int | None, status: str) -> None:
    step = step_after(approval_asked(), *history)
    assert (step.approval and step.approval.asked_seq, step.status) == (asked_seq, status)


def test_an_answer_outlives_the_end_of_the_step() -> None:
    step = step_after(approval_asked(), WAITING, approval_given(), step_finished("send"))
    assert step.approval is not None
    assert step.approval.granted


def test_the_run_as_a_whole(tmp_path: Path) -> None:
    history = small_history()
    with journal_of(tmp_path / "run", history) as journal:
        run = journal.replay()
        assert (run.run, run.workflow) == ("20260921-120000-7f3a", "ticket")
        assert (run.status, run.exit_status, run.resumes) == ("succeeded", ExitStatus.DONE, 1)
        assert run.is_finished
        assert run.origins == [{"command": ["flowrunner", "run"]}, {"pid": 1}]
        assert run.origin == {"command": ["flowrunner", "run"]}
        assert [(notice.code, notice.unit) for notice in run.warnings] == [("old-model", "triage")]
        assert journal.body(run.result_seq or 0, "result") == {"team": "billing"}
        assert [call.state for call in run.steps["triage"].calls] == ["refused", "answered"]
        assert run.steps["reply"].reason == "if"
        brief = journal.summary()
        assert (brief.status, brief.totals) == (run.status, run.totals)


def test_a_resumed_run_is_running_again(tmp_path: Path) -> None:
    history = [*small_history(), events.RunResumed(at=NOW + 60, epoch=2)]
    with journal_of(tmp_path / "run", history) as journal:
        run = journal.replay()
    assert (run.status, run.exit_status, run.ended_at) == ("running", None, None)
    assert (run.message, run.resumes, run.result_seq) == (None, 2, None)
    assert run.resumed_at == [NOW, NOW + 60]


def test_a_run_that_never_began_is_named_by_its_folder(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "20260921-120000-0001", {}, clock) as journal:
        assert journal.replay() == RunState(run="20260921-120000-0001")


def test_warnings_and_ends_do_not_touch_steps() -> None:
    projection = fold([warned(address()), run_started("triage"), run_finished()])
    assert not projection.steps


def test_people_can_ask_in_sql(tmp_path: Path) -> None:
    history = [*small_history(), approval_asked(), approval_given()]
    journal_of(tmp_path / "run", history).close()
    with sqlite3.connect(tmp_path / "run" / "journal.db") as connection:
        calls = connection.execute(
            "SELECT unit, post, state, usage_input, cost_usd, error_code FROM readable_calls"
        ).fetchall()
        steps = connection.execute(
            "SELECT unit, status, reason, approval_granted, approval_by FROM readable_steps"
        ).fetchall()
    connection.close()
    assert calls == [
        ("triage", 1, "refused", None, None, "rate_limit_exceeded"),
        ("triage", 2, "answered", 100, 0.25, None),
    ]
    assert steps == [
        ("reply", "skipped", "if", None, None),
        ("send", "running", None, 1, "Ada"),
        ("triage", "succeeded", None, None, None),
    ]
