"""When a background response is looked at again, and what a look means, case by case."""

from __future__ import annotations

from typing import Any

import pytest
from engine_world import accepted, answered, lost, not_sent, refused
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.responses.background import (
    FIRST_WAIT_S,
    GONE,
    GONE_LOOKS,
    LEAST_WAIT_S,
    LONGEST_WAIT_S,
    MOST_ASKED_S,
    Barred,
    Done,
    Gone,
    Look,
    Watch,
    after,
    begin,
    go_on,
)
from flowrunner.responses.outcome import Accepted, Outcome
from flowrunner.responses.retry import Hold, RetryPolicy, Tries, decide

WATCH = Watch("resp_1")


def asking(seconds: float) -> Accepted:
    return Accepted(
        http_status=200,
        request_id=None,
        response_id="resp_1",
        status="in_progress",
        model=None,
        elapsed_s=0.1,
        asked_wait_s=seconds,
    )


@pytest.mark.parametrize("status", ["completed", "failed", "incomplete", "cancelled", "new_one"])
def test_whatever_is_not_pending_is_the_end(status: str) -> None:
    seen = after(answered(status=status), WATCH, 0.5)
    assert isinstance(seen, Done)
    assert seen.outcome.status == status


@pytest.mark.parametrize("status", ["queued", "in_progress"])
def test_what_is_pending_is_looked_at_again(status: str) -> None:
    seen = after(accepted(status=status), WATCH, 0.5)
    assert isinstance(seen, Look)
    assert (seen.status, seen.watch.looks) == (status, 1)


TROUBLE: dict[str, Outcome] = {
    "server": refused(500),
    "overloaded": refused(529),
    "rate-limit": refused(429),
    "timeout": refused(408),
    "forbidden": refused(403),
    "bad-request": refused(400),
    "reset": lost(),
    "html": lost("not-a-response"),
    "no-connection": not_sent(),
}


@pytest.mark.parametrize("outcome", TROUBLE.values(), ids=TROUBLE)
def test_trouble_with_a_look_says_nothing_about_the_response(outcome: Outcome) -> None:
    seen = after(outcome, Watch("resp_1", 50), 0.5)
    assert isinstance(seen, Look)
    assert seen.status is None
    assert seen.trouble


@pytest.mark.parametrize("status", [404, 410])
def test_a_response_that_is_missed_again_and_again_is_gone(status: int) -> None:
    watch = WATCH
    for _ in range(GONE_LOOKS - 1):
        seen = after(refused(status), watch, 0.5)
        assert isinstance(seen, Look)
        watch = seen.watch
    gone = after(refused(status), watch, 0.5)
    assert isinstance(gone, Gone)
    assert gone.outcome.kind == GONE
    assert "resp_1" in gone.outcome.message
    assert "req_2" in gone.outcome.message


def test_a_response_that_is_found_again_was_never_gone() -> None:
    missed = after(refused(404), WATCH, 0.5)
    assert isinstance(missed, Look)
    found = after(accepted(), missed.watch, 0.5)
    assert isinstance(found, Look)
    assert found.watch.misses == 0


@pytest.mark.parametrize("on_unknown", ["hold", "retry_once"])
def test_what_is_gone_is_never_asked_for_by_itself(on_unknown: Any) -> None:
    gone = after(refused(404), Watch("resp_1", misses=GONE_LOOKS), 0.5)
    assert isinstance(gone, Gone)
    tries = Tries().counting(gone.outcome)
    assert isinstance(decide(gone.outcome, tries, RetryPolicy(on_unknown=on_unknown), 0.5), Hold)


def test_without_a_key_nobody_looks() -> None:
    assert isinstance(after(refused(401), WATCH, 0.5), Barred)


def test_waits_grow_from_a_second_to_half_a_minute() -> None:
    look, waits = begin(accepted(), 1.0), []
    for _ in range(20):
        waits.append(look.wait_s)
        seen = after(accepted(), look.watch, 1.0)
        assert isinstance(seen, Look)
        look = seen
    assert waits[0] == FIRST_WAIT_S
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_WAIT_S


def test_what_an_earlier_process_was_promised_is_looked_at_at_once() -> None:
    assert go_on("resp_1") == Look(0.0, WATCH)


@pytest.mark.parametrize(
    ("asked_s", "wait_s"),
    [
        (5.0, 5.0),
        (0.0, LEAST_WAIT_S),
        (0.001, LEAST_WAIT_S),
        (60.0, 60.0),
        (1e9, MOST_ASKED_S),
        (float("inf"), MOST_ASKED_S),
    ],
)
def test_the_server_says_how_often(asked_s: float, wait_s: float) -> None:
    for look in (begin(asking(asked_s), 0.0), after(asking(asked_s), Watch("resp_1", 9), 0.0)):
        assert isinstance(look, Look)
        assert look.wait_s == wait_s


def test_a_refusal_may_ask_for_patience_too() -> None:
    seen = after(refused(429, asked_wait_s=40.0), WATCH, 0.0)
    assert isinstance(seen, Look)
    assert seen.wait_s == 40.0


@given(
    st.integers(0, 10**9),
    st.floats(0, 1, exclude_max=True),
    st.none() | st.floats(0, allow_nan=False),
)
def test_no_wait_is_shorter_or_longer_than_it_may_be(
    looks: int, random: float, asked_s: float | None
) -> None:
    outcome = accepted() if asked_s is None else asking(asked_s)
    seen = after(outcome, Watch("resp_1", looks), random)
    assert isinstance(seen, Look)
    assert LEAST_WAIT_S <= seen.wait_s <= MOST_ASKED_S
    if asked_s is not None:
        assert seen.wait_s >= min(asked_s, MOST_ASKED_S)
