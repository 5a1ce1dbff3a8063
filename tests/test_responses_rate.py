"""Headers about waiting, in every form that servers were seen to send."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.responses.rate import (
    RateState,
    asked_wait_s,
    parse_duration,
    read_rate,
    should_retry,
)

NOW = 1_795_000_000.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("12ms", 0.012),
        ("1h2m3s", 3723.0),
        ("1.5s", 1.5),
        ("0s", 0.0),
        ("", None),
        ("7", None),
        ("soon", None),
        ("1s later", None),
        ("-1s", None),
        ("1sx", None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1"}, 1.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": " 20 "}, 20.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "1e9"}, 1e9),
        ({"retry-after": "1000000000"}, 1e9),
        ({"retry-after": "86400"}, 86400.0),
        ({"retry-after": "9" * 400}, float("inf")),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": formatdate(NOW + 30, usegmt=True)}, 30.0),
        ({"retry-after": formatdate(NOW - 30, usegmt=True)}, None),
        ({"retry-after": "Sat, 99 Foo 2026 00:00:00 GMT"}, None),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "-1", "retry-after": "9"}, 9.0),
    ],
)
def test_retry_after(headers: dict[str, str], wait_s: float | None) -> None:
    assert asked_wait_s(headers, NOW) == wait_s


def test_a_date_counts_from_the_clock_of_the_server() -> None:
    ahead = NOW + 86_400
    headers = {"retry-after": formatdate(ahead + 5, usegmt=True), "date": formatdate(ahead)}
    assert asked_wait_s(headers, NOW) == 5.0


@given(st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "date"]), st.text()))
def test_no_header_makes_waiting_negative_or_raises(headers: dict[str, str]) -> None:
    wait_s = asked_wait_s(headers, NOW)
    assert wait_s is None or wait_s >= 0


@given(st.text(), st.sampled_from(["limit", "remaining", "reset"]))
def test_no_figure_raises(text: str, figure: str) -> None:
    read_rate({f"x-ratelimit-{figure}-requests": text, f"x-ratelimit-{figure}-tokens": text})
    parse_duration(text)


def test_the_figures_of_a_reply() -> None:
    headers = {
        "x-ratelimit-limit-requests": "500",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "120ms",
        "x-ratelimit-limit-tokens": "30000",
        "x-ratelimit-remaining-tokens": "29000",
        "x-ratelimit-reset-tokens": "6m0s",
    }
    assert read_rate(headers) == RateState(500, 0, 0.12, 30000, 29000, 360.0)


def test_a_variant_counts_where_the_plain_name_is_missing() -> None:
    headers = {
        "x-ratelimit-limit-tokens_usage_based": "10",
        "x-ratelimit-remaining-tokens_usage_based": "3",
    }
    state = read_rate(headers)
    assert (state.limit_tokens, state.remaining_tokens) == (10, 3)


@pytest.mark.parametrize("value", ["-1", "0", "", "many", "1.5", "9" * 30])
def test_what_azure_does_not_know_is_not_taken_for_a_figure(value: str) -> None:
    headers = {
        "x-ratelimit-limit-requests": value,
        "x-ratelimit-remaining-requests": value,
    }
    assert read_rate(headers) == RateState()


@pytest.mark.parametrize(
    ("value", "order"), [("true", True), ("False", False), ("maybe", None), ("", None)]
)
def test_should_retry(value: str, order: bool | None) -> None:
    assert should_retry({"x-should-retry": value}) is order
    assert should_retry({}) is None
