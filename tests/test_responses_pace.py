"""The pace of one model: what quotas and orders to slow down make of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from engine_world import accepted, answered, lost, not_sent, refused
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.responses.pace import Bucket, Heard, Lane, heard
from flowrunner.responses.rate import Figures, RateState


def told(remaining: int | None, limit: int | None = 100, reset_s: float | None = 60.0) -> Figures:
    return Figures(limit, remaining, reset_s)


def test_nothing_is_limited_before_the_server_says_so() -> None:
    assert Bucket().wait_s(1, 0.0) == 0
    bucket = Bucket()
    bucket.hear(Figures(100, None, 5.0), 0.0, alone=True)
    assert bucket.wait_s(1, 0.0) == 0


def test_an_empty_quota_fills_at_the_rate_that_its_reset_tells() -> None:
    bucket = Bucket()
    bucket.hear(told(0, 60, 360.0), 0.0, alone=True)  # `6m0s` until all 60 are back
    assert bucket.wait_s(1, 0.0) == pytest.approx(6.0)
    assert bucket.wait_s(1, 3.0) == pytest.approx(3.0)
    assert bucket.wait_s(1, 6.0) == 0
    bucket.take(1, 6.0)
    assert bucket.wait_s(1, 6.0) == pytest.approx(6.0)


def test_without_a_limit_the_reset_is_waited_for() -> None:
    bucket = Bucket()
    bucket.hear(Figures(None, 0, 12.0), 0.0, alone=True)
    assert bucket.wait_s(1, 2.0) == pytest.approx(10.0)
    assert bucket.wait_s(1, 12.0) == 0


def test_nothing_left_and_no_word_when_there_will_be_is_tried_again_soon() -> None:
    bucket = Bucket()
    bucket.hear(Figures(100, 0, None), 0.0, alone=True)
    assert 0 < bucket.wait_s(1, 0.0) <= 1
    assert bucket.wait_s(1, 1.0) == 0


def test_a_request_larger_than_the_quota_waits_for_the_whole_of_it_only() -> None:
    bucket = Bucket()
    bucket.hear(told(50, 100, 50.0), 0.0, alone=True)
    assert bucket.wait_s(10_000, 0.0) == pytest.approx(50.0)


def test_a_reply_that_was_overtaken_does_not_raise_the_level() -> None:
    bucket = Bucket()
    bucket.hear(told(5), 0.0, alone=False)
    bucket.hear(told(9), 0.0, alone=False)
    assert bucket.level == pytest.approx(5.0)
    bucket.hear(told(9), 0.0, alone=True)
    assert bucket.level == pytest.approx(9.0)


@given(
    limit=st.integers(1, 10_000),
    share=st.floats(0, 1),
    reset_s=st.floats(0.01, 10_000),
    gaps=st.lists(st.floats(0, 100), max_size=30),
)
def test_waiting_as_told_is_enough(
    limit: int, share: float, reset_s: float, gaps: list[float]
) -> None:
    bucket, now = Bucket(), 0.0
    bucket.hear(Figures(limit, int(limit * share), reset_s), now, alone=True)
    for gap in gaps:
        now += gap
        wait_s = bucket.wait_s(1, now)
        assert 0 <= wait_s <= max(reset_s, 1.0) * 2 + 1e-6
        now += wait_s
        assert bucket.wait_s(1, now) <= 1e-6
        bucket.take(1, now)


SLOW = Heard("slow-down", random=0.5)
GOOD = Heard("good", elapsed_s=1.0)


def busy(most: int = 16) -> Lane:
    """A lane with all its requests under way."""
    lane = Lane(most)
    for _ in range(most):
        assert lane.wait_s(0, 0.0) == 0
        lane.leave(0, 0.0)
    assert lane.wait_s(0, 0.0) is None
    return lane


def test_one_wave_of_refusals_halves_the_room_once() -> None:
    lane = busy(16)
    for _ in range(16):
        lane.end(SLOW, 0.0, 1.0)
    assert lane.window == 8
    assert lane.is_narrow
    assert lane.wait_s(0, 1.0) == pytest.approx(0.75), "a pause, spread by chance"


def test_the_pause_doubles_while_nothing_is_answered() -> None:
    lane, now, pauses = Lane(16), 0.0, []
    for _ in range(8):
        lane.leave(0, now)
        lane.end(SLOW, now, now)
        pauses.append(lane.wait_s(0, now) or 0.0)
        now += pauses[-1]
    assert pauses == pytest.approx([0.75, 1.5, 3, 6, 12, 22.5, 22.5, 22.5])
    lane.leave(0, now)
    lane.end(GOOD, now, now)
    now += 10
    lane.leave(0, now)
    lane.end(SLOW, now, now)
    now += 5
    assert lane.wait_s(0, now) == 0, "an answer begins anew"


def test_what_the_server_asks_for_closes_the_lane_for_all() -> None:
    lane = busy(4)
    lane.end(Heard("slow-down", asked_wait_s=7.0), 0.0, 1.0)
    lane.end(GOOD, 0.0, 1.0)
    lane.end(GOOD, 0.0, 1.0)
    lane.end(GOOD, 0.0, 1.0)
    assert lane.wait_s(0, 1.0) == pytest.approx(7.0)


def test_a_wait_that_nobody_waits_for_closes_nothing() -> None:
    lane = busy(4)
    lane.end(Heard("slow-down", asked_wait_s=86_400.0), 0.0, 1.0)
    for _ in range(3):
        lane.end(GOOD, 0.0, 1.0)
    assert lane.wait_s(0, 1.0) == 0


def test_after_a_pause_requests_leave_one_after_another() -> None:
    lane = busy(16)
    for _ in range(16):
        lane.end(SLOW, 0.0, 1.0)
    now = 10.0
    assert lane.wait_s(0, now) == 0
    lane.leave(0, now)
    assert lane.wait_s(0, now) == pytest.approx(1 / 8), "a round trip over the room"


def test_good_answers_bring_full_speed_back() -> None:
    lane = busy(8)
    for _ in range(8):
        lane.end(SLOW, 0.0, 1.0)
    for _ in range(20):
        lane.leave(0, 10.0)
        lane.end(GOOD, 10.0, 11.0)
    assert not lane.is_narrow
    lane.leave(0, 12.0)
    assert lane.wait_s(0, 12.0) == 0


def test_tokens_count_with_what_answers_took() -> None:
    lane = Lane(8)
    lane.leave(0, 0.0)
    rate = RateState(limit_tokens=1000, remaining_tokens=100, reset_tokens_s=90.0)
    lane.end(Heard("good", rate, tokens=2000), 0.0, 0.0)
    assert lane.mean_tokens == pytest.approx(400)
    assert lane.wait_s(50, 0.0) == pytest.approx(30.0), "300 are missing, 10 come a second"
    assert lane.wait_s(600, 0.0) == pytest.approx(50.0)


OVERLOADED = {
    "rate limit": refused(429, "rate_limit_exceeded"),
    "overloaded": refused(503, "server_is_overloaded"),
    "no capacity": refused(529),
    "in the response": answered(status="failed", error={"code": "rate_limit_exceeded"}),
}


@pytest.mark.parametrize("outcome", OVERLOADED.values(), ids=OVERLOADED)
def test_orders_to_slow_down(outcome: object) -> None:
    assert heard(outcome, 0.3).verdict == "slow-down"  # type: ignore[arg-type]


OTHERS = {
    "quota": refused(429, "insufficient_quota"),
    "too large": refused(429, message="Request too large: Limit 10, Requested 20"),
    "a fault": refused(500),
    "a mistake": refused(400),
    "lost": lost(),
    "not sent": not_sent(),
    "given up": None,
}


@pytest.mark.parametrize("outcome", OTHERS.values(), ids=OTHERS)
def test_what_says_nothing_about_the_pace(outcome: object) -> None:
    assert heard(outcome, 0.3).verdict == "neither"  # type: ignore[arg-type]


@given(
    most=st.integers(1, 40),
    moves=st.lists(st.tuples(st.sampled_from(["go", "good", "slow"]), st.floats(0, 5))),
)
def test_somebody_may_always_go_again(most: int, moves: list[tuple[str, float]]) -> None:
    lane, now, left = Lane(most), 0.0, [0.0]
    left.clear()
    for move, gap in moves:
        now += gap
        wait_s = lane.wait_s(0, now)
        if move == "go" and wait_s is not None:
            now += wait_s
            lane.leave(0, now)
            left.append(now)
        elif move != "go" and left:
            lane.end(GOOD if move == "good" else SLOW, left.pop(0), now)
        assert 1 <= lane.window <= most
        assert lane.in_flight == len(left) <= most
    for at in left:
        lane.end(SLOW, at, now)
    wait_s = lane.wait_s(0, now)
    assert wait_s is not None
    assert wait_s <= 31


def test_a_request_that_is_taken_on_for_later_was_not_too_fast() -> None:
    rate = RateState(remaining_requests=7)
    found = heard(replace(accepted(), rate=rate), 0.3)
    assert (found.verdict, found.rate) == ("good", rate)
