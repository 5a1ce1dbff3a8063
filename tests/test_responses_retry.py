"""The retry policy, row by row of the table of errors, and its limits over all inputs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.events import ApiError
from flowrunner.responses.outcome import Answered, Lost, NotSent, Outcome, Refused
from flowrunner.responses.retry import (
    Accept,
    Asked,
    GiveUp,
    Hold,
    Retry,
    RetryPolicy,
    Tries,
    decide,
    in_words,
)

POLICY = RetryPolicy()
FIRST = Tries(sent=1)


def refused(status: int, code: str | None = None, message: str = "no", **more: Any) -> Refused:
    error = ApiError(message, more.pop("type", None), more.pop("param", None), code)
    return Refused(
        http_status=status, error=error, request_id="req_1", elapsed_s=0.1, raw="", **more
    )


def answered(status: str, error: dict[str, Any] | None = None) -> Answered:
    return Answered(
        response={"status": status, "error": error},
        http_status=200,
        request_id="req_1",
        response_id="resp_1",
        status=status,
        model="m",
        service_tier=None,
        usage=None,
        elapsed_s=0.1,
    )


def lost(kind: str = "reset") -> Lost:
    return Lost(kind=kind, message="the connection broke", elapsed_s=1.0)


def first(outcome: Outcome, **more: Any) -> Any:
    return decide(outcome, Tries().counting(outcome), POLICY, 0.5, **more)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "conversation_locked"),
        (408, None),
        (409, None),
        (424, None),
        (429, None),
        (429, "rate_limit_exceeded"),
        (429, "slow_down"),
        (429, "resource_unavailable"),
        (500, "server_error"),
        (502, None),
        (503, "server_is_overloaded"),
        (503, "slow_down"),
        (504, None),
        (520, None),
        (529, None),
        (200, "server_error"),
    ],
)
def test_what_passes_is_asked_again(status: int, code: str | None) -> None:
    decision = first(refused(status, code))
    assert isinstance(decision, Retry)
    assert f"HTTP {status}" in decision.why


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (400, "unknown_parameter", "api-error"),
        (400, "context_length_exceeded", "api-error"),
        (400, "invalid_json_schema", "api-error"),
        (400, "previous_response_not_found", "api-error"),
        (400, None, "api-error"),
        (401, "invalid_api_key", "key"),
        (403, None, "api-error"),
        (404, "model_not_found", "api-error"),
        (405, None, "api-error"),
        (413, None, "api-error"),
        (422, None, "api-error"),
        (301, None, "api-error"),
        (307, None, "api-error"),
        (200, "invalid_prompt", "api-error"),
        (402, None, "quota"),
    ],
)
def test_what_is_final_is_not_asked_again(status: int, code: str | None, reason: str) -> None:
    decision = first(refused(status, code, param="input"))
    assert isinstance(decision, GiveUp)
    assert decision.reason == reason
    assert decision.stops_run is (reason in ("key", "quota"))
    assert decision.message.startswith("The API ")
    assert f"HTTP {status}" in decision.message
    assert "req_1" in decision.message
    assert "`input`" in decision.message
    assert code is None or f"`{code}`" in decision.message
    assert decision.help


@pytest.mark.parametrize(
    "code",
    [
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "billing_hard_limit_reached",
    ],
)
def test_a_used_up_quota_is_no_rate_limit_and_stops_the_run(code: str) -> None:
    for outcome in (refused(429, code), refused(429, code, should_retry=True, asked_wait_s=1.0)):
        decision = first(outcome)
        assert isinstance(decision, GiveUp)
        assert (decision.reason, decision.stops_run) == ("quota", True)
        assert "billing" in decision.help


def test_the_type_alone_says_quota_too() -> None:
    decision = first(refused(429, None, type="insufficient_quota"))
    assert isinstance(decision, GiveUp)
    assert decision.reason == "quota"


@pytest.mark.parametrize(
    "message",
    [
        "Request too large for gpt-6-luna on tokens per min (TPM): Limit 10000, Requested 20000.",
        "Rate limit reached: Limit 10000, Requested 10001",
    ],
)
def test_one_request_over_the_limit_is_final(message: str) -> None:
    decision = first(refused(429, "rate_limit_exceeded", message))
    assert isinstance(decision, GiveUp)
    assert not decision.stops_run
    assert "max_output_tokens" in decision.help


def test_a_limit_that_is_reached_for_now_is_waited_for() -> None:
    message = "Rate limit reached: Limit 10000, Used 9000, Requested 2000. Try again in 6s."
    assert isinstance(first(refused(429, "rate_limit_exceeded", message)), Retry)


def test_the_order_of_the_server_counts_before_the_status() -> None:
    assert isinstance(first(refused(500, should_retry=False)), GiveUp)
    assert isinstance(first(refused(429, should_retry=False)), GiveUp)
    assert isinstance(first(refused(400, should_retry=True)), Retry)


@pytest.mark.parametrize(
    ("asked_s", "least", "most"),
    [(None, 0.25, 1.0), (0.0, 0.25, 1.25), (1.0, 1.0, 2.0), (1.5, 1.5, 2.5), (119.9, 119.9, 120.0)],
)
def test_how_long_is_waited(asked_s: float | None, least: float, most: float) -> None:
    for random in (0.0, 0.5, 0.999):
        decision = decide(refused(429, asked_wait_s=asked_s), FIRST, POLICY, random)
        assert isinstance(decision, Retry)
        assert least <= decision.wait_s <= most


@pytest.mark.parametrize(
    ("asked_s", "words"),
    [(86_400.0, "24 h"), (121.0, "121 s"), (1e9, "11574 days"), (float("inf"), "for ever")],
)
def test_too_long_a_wait_is_not_waited_for(asked_s: float, words: str) -> None:
    decision = first(refused(429, asked_wait_s=asked_s))
    assert isinstance(decision, GiveUp)
    assert not decision.stops_run
    assert f"asks to wait {words}" in decision.message
    assert "`flowrunner resume` later" in decision.help
    assert in_words(asked_s) == words


def test_waits_double_and_stay_under_their_limit() -> None:
    waits = []
    for sent in range(1, 6):
        decision = decide(refused(503), Tries(sent=sent, refused=sent), POLICY, 0.999)
        assert isinstance(decision, Retry)
        waits.append(decision.wait_s)
    assert waits == pytest.approx([0.999, 1.998, 3.996, 7.992, 15.984])


def test_patience_ends_with_the_number_of_posts() -> None:
    decision = decide(refused(503), Tries(sent=6, refused=6), POLICY, 0.5)
    assert isinstance(decision, GiveUp)
    assert decision.reason == "server-error"
    assert "6 times" in decision.message


def test_patience_ends_with_the_time_waited() -> None:
    tries = Tries(sent=2, refused=2, waited_s=899.9)
    assert isinstance(decide(refused(429), tries, POLICY, 0.9), GiveUp)


def test_an_unreachable_mcp_server_is_tried_once_more_and_then_named() -> None:
    message = "Error retrieving tool list from MCP server: 'deepwiki'. Http status code: 424"
    outcome = refused(424, "http_error", message)
    tries = Tries().counting(refused(429)).counting(outcome)
    assert isinstance(decide(outcome, tries, POLICY, 0.5), Retry)
    decision = decide(outcome, tries.counting(outcome), POLICY, 0.5)
    assert isinstance(decision, GiveUp)
    assert decision.reason == "mcp-server"
    assert "`deepwiki`" in decision.message


def test_the_labels_of_the_request_are_named_where_the_message_names_none() -> None:
    decision = decide(
        refused(424),
        Tries(sent=2, refused=2, refused_424=2),
        POLICY,
        0.5,
        Asked(mcp_servers=("a",)),
    )
    assert isinstance(decision, GiveUp)
    assert "`a`" in decision.message


def test_a_refused_key_names_its_variable_and_nothing_of_the_key() -> None:
    outcome = refused(401, "invalid_api_key", "Incorrect API key provided: sk-proj-abc***4f2a.")
    decision = first(outcome, asked=Asked(key_name="AZURE_OPENAI_API_KEY"))
    assert isinstance(decision, GiveUp)
    assert "`AZURE_OPENAI_API_KEY`" in decision.message
    assert "4f2a" not in decision.message + decision.help


def test_another_reason_for_401_is_told() -> None:
    outcome = refused(401, "ip_not_authorized", "Your IP is not on the list (key sk-abcdef123)")
    decision = first(outcome)
    assert "not on the list" in decision.message
    assert "sk-abcdef123" not in decision.message


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (Asked(model="gpt-6-lunna"), "The requested model does not exist"),
        (Asked(), "The model `gpt-6-lunna` does not exist or you do not have access to it."),
    ],
)
def test_an_unknown_model_gets_the_nearest_known(asked: Asked, message: str) -> None:
    decision = first(refused(404, "model_not_found", message, param="model"), asked=asked)
    assert isinstance(decision, GiveUp)
    assert "did you mean `model: gpt-6-luna`?" in decision.help


def test_a_known_model_is_a_question_of_access() -> None:
    outcome = refused(404, "model_not_found", "no access", param="model")
    assert "project of the key" in first(outcome, asked=Asked(model="gpt-6-luna")).help


def test_a_message_over_pages_becomes_one_line_with_its_facts() -> None:
    decision = first(refused(400, "invalid_value", "long\n" * 9000, param="tools[0]"))
    assert len(decision.message) < 700
    assert "\n" not in decision.message
    assert decision.message.endswith(
        "(HTTP 400, code `invalid_value`, parameter `tools[0]`, request id req_1)"
    )
    assert "`tools[0]`" in decision.help


@pytest.mark.parametrize("kind", ["refused", "name", "tls", "connect-timeout", "connect"])
def test_what_never_left_is_tried_a_few_times_and_then_a_fault_of_the_surroundings(
    kind: str,
) -> None:
    outcome = NotSent(kind=kind, message="nobody listens on `127.0.0.1:9`")
    tries = Tries()
    for _ in range(3):
        tries = tries.counting(outcome)
        assert isinstance(decide(outcome, tries, POLICY, 0.5), Retry)
    decision = decide(outcome, tries.counting(outcome), POLICY, 0.5)
    assert isinstance(decision, GiveUp)
    assert (decision.reason, decision.stops_run) == ("network", True)
    assert "127.0.0.1:9" in decision.message


@pytest.mark.parametrize("kind", ["cancelled", "bad-id", "unsendable"])
def test_what_cannot_be_sent_is_not_tried_again(kind: str) -> None:
    assert isinstance(first(NotSent(kind=kind, message="it cannot be sent")), GiveUp)


@pytest.mark.parametrize(
    "kind", ["reset", "closed", "timeout", "truncated", "too-big", "protocol", "not-a-response"]
)
def test_a_lost_answer_is_held_or_asked_for_once(kind: str) -> None:
    once = Tries().counting(lost(kind))
    assert isinstance(decide(lost(kind), once, RetryPolicy(on_unknown="hold"), 0.5), Hold)
    again = RetryPolicy(on_unknown="retry_once")
    assert isinstance(decide(lost(kind), once, again, 0.5), Retry)
    held = decide(lost(kind), once.counting(lost(kind)), again, 0.5)
    assert isinstance(held, Hold)
    assert "billed" in held.message
    assert "`flowrunner resume --on-unknown retry_once`" in (held.help or "")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, None),
        (400, "unsupported_parameter"),
        (400, "invalid_value"),
        (400, "invalid_json_schema"),
        (400, "context_length_exceeded"),
        (400, "model_not_found"),
        (422, None),
    ],
)
def test_what_is_mended_in_the_file_goes_on_with_the_changes(status: int, code: str | None) -> None:
    decision = first(refused(status, code))
    assert isinstance(decision, GiveUp)
    assert decision.help.endswith("`flowrunner resume --accept-changes`")


@pytest.mark.parametrize(
    "code",
    [
        "server_error",
        "rate_limit_exceeded",
        "vector_store_timeout",
        "server_is_overloaded",
        "slow_down",
    ],
)
def test_a_response_that_failed_for_now_is_asked_again(code: str) -> None:
    outcome = answered("failed", {"code": code, "message": "…"})
    assert isinstance(first(outcome), Retry)
    assert isinstance(decide(outcome, Tries(sent=6), POLICY, 0.5), Accept)


@pytest.mark.parametrize(
    "outcome",
    [
        answered("completed"),
        answered("incomplete"),
        answered("cancelled"),
        answered("failed", {"code": "invalid_prompt"}),
        answered("failed", {"code": "never_heard_of"}),
        answered("failed", {}),
        answered("failed"),
    ],
    ids=lambda outcome: f"{outcome.status}-{outcome.response['error']}",
)
def test_an_answer_stands(outcome: Answered) -> None:
    assert first(outcome) == Accept()


def test_a_failed_response_may_say_quota() -> None:
    decision = first(answered("failed", {"code": "insufficient_quota"}))
    assert isinstance(decision, GiveUp)
    assert decision.stops_run


_OUTCOMES = st.one_of(
    st.builds(
        refused,
        st.integers(200, 599),
        st.sampled_from([None, "conversation_locked", "insufficient_quota", "server_error", "x"]),
        st.text(),
        asked_wait_s=st.none() | st.floats(0, float("inf")),
        should_retry=st.none() | st.booleans(),
        param=st.none() | st.text(),
    ),
    st.builds(lambda kind: NotSent(kind=kind, message="m"), st.sampled_from(["name", "tls"])),
    st.just(lost()),
    st.builds(
        lambda code: answered("failed", {"code": code}),
        st.sampled_from(["server_error", "x", None]),
    ),
)


@given(
    st.lists(st.tuples(_OUTCOMES, st.floats(0, 1, exclude_max=True)), min_size=1, max_size=12),
    st.sampled_from(["hold", "retry_once"]),
)
def test_no_history_leads_past_the_limits(history: list[Any], on_unknown: Any) -> None:
    policy = RetryPolicy(on_unknown=on_unknown)
    tries, waited_s, retried_losses = Tries(), 0.0, 0
    for outcome, random in history:
        tries = tries.counting(outcome, waited_s)
        decision = decide(outcome, tries, policy, random)
        if not isinstance(decision, Retry):
            break
        waited_s = decision.wait_s
        assert policy.min_wait_s <= waited_s <= policy.max_wait_s
        retried_losses += isinstance(outcome, Lost)
        assert "\n" not in decision.why or isinstance(outcome, Refused)
    assert tries.sent <= policy.max_posts
    assert tries.waited_s <= policy.max_waited_s
    assert retried_losses <= (on_unknown == "retry_once")
