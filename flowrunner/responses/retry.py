"""Whether and when to ask again: a pure policy over outcomes, without a clock or a socket.

Counting attempts, waiting, and writing both to the journal is left to `engine`.
"""

from __future__ import annotations

from flowrunner.responses.background import GONE
from flowrunner.responses.decisions import (
    Accept,
    Asked,
    Decision,
    GiveUp,
    Hold,
    Later,
    OnUnknown,
    Retry,
    RetryPolicy,
    Tries,
)
from flowrunner.responses.outcome import Answered, Final, Lost, NotSent, Refused
from flowrunner.responses.refusals import classify, facts, give_up, is_quota, passing_codes

__all__ = [
    "Accept",
    "Asked",
    "Decision",
    "GiveUp",
    "Hold",
    "Later",
    "OnUnknown",
    "Retry",
    "RetryPolicy",
    "Tries",
    "decide",
]

_NEVER_AGAIN = frozenset({"cancelled", "bad-id", "unsendable"})
_ONLY_ASKED = Asked()


def decide(
    outcome: Final,
    tries: Tries,
    policy: RetryPolicy,
    random: float,
    asked: Asked = _ONLY_ASKED,
) -> Decision:
    """What follows an outcome, by the table `errors` of the catalogue.

    `random` is in [0, 1) and spreads the waits. `tries` counts the outcome in. An answered request
    is accepted unless its response failed for a passing reason (Responses API: `error.code`) and
    may be asked again. A lost answer is asked for again once in a turn at most, and only under
    `retry_once`; a background response that is gone only when a person says so.
    """
    match outcome:
        case Answered():
            return _after_answer(outcome, tries, policy, random, asked)
        case Refused():
            return _after_refusal(outcome, tries, policy, random, asked)
        case NotSent():
            return _after_not_sent(outcome, tries, policy, random, asked)
        case Lost():
            return _after_loss(outcome, tries, policy, random)


def _after_answer(
    answered: Answered, tries: Tries, policy: RetryPolicy, random: float, asked: Asked
) -> Decision:
    error = answered.response.get("error")
    if answered.status != "failed" or not isinstance(error, dict):
        return Accept()
    code = str(error.get("code"))
    if is_quota(code):
        return GiveUp(
            reason="quota",
            message=f"{asked.host} says that the quota or credit of this key is used up "
            f"(code `{code}`, request id {answered.request_id})",
            help="add credit or raise the limit in the provider's billing settings, then "
            "`flowrunner resume`",
            stops_run=True,
        )
    wait_s = _wait_s(None, tries, policy, random)
    if code not in passing_codes() or wait_s is None:
        return Accept()
    return Retry(wait_s, f"the response failed with `{code}`")


def _after_refusal(
    refused: Refused, tries: Tries, policy: RetryPolicy, random: float, asked: Asked
) -> Decision:
    end = give_up(refused, asked)
    if not _may_pass(refused, tries):
        return end
    asked_s = refused.asked_wait_s
    if asked_s is not None and asked_s > policy.max_wait_s:
        return GiveUp(
            reason=end.reason,
            message=f"{end.message}; the server asks to wait {in_words(asked_s)}",
            help="`flowrunner resume` later: finished steps are kept and not paid for again",
        )
    wait_s = _wait_s(asked_s, tries, policy, random)
    if wait_s is not None:
        return Retry(wait_s, f"{asked.host} answered {facts(refused)}")
    return GiveUp(
        reason=end.reason,
        message=f"{end.message}; asked {tries.sent} times in all",
        help=end.help,
        stops_run=end.stops_run,
    )


def _may_pass(refused: Refused, tries: Tries) -> bool:
    """Whether asking again can help. The server's `x-should-retry` counts before the status, but
    not where money, or the size of this request, would have to change first."""
    kind = classify(refused)
    if kind in ("quota", "too-large"):
        return False
    if refused.should_retry is not None:
        return refused.should_retry
    if kind == "mcp-server":
        return tries.refused_424 <= 1
    return kind in ("rate-limit", "server", "busy", "locked")


def _after_not_sent(
    missed: NotSent, tries: Tries, policy: RetryPolicy, random: float, asked: Asked
) -> Decision:
    if missed.kind == "no-recording":
        return GiveUp(reason="no-recording", message=missed.message, help=_RECORD_AGAIN)
    wait_s = _wait_s(None, tries, policy, random)
    final = missed.kind in _NEVER_AGAIN or tries.not_sent >= policy.max_not_sent
    if not final and wait_s is not None:
        return Retry(wait_s, f"the request did not leave: {missed.message}")
    count = "" if tries.not_sent < 2 else f" ({tries.not_sent} attempts)"
    return GiveUp(
        reason="network",
        message=f"The request to {asked.host} did not leave{count}: {missed.message}",
        help=_NETWORK_HELP.get(missed.kind, "check the network, the base URL and the proxy"),
        stops_run=True,
    )


_RECORD_AGAIN = "`flowrunner run --record` asks the API and records anew what it answers"
_NETWORK_HELP = {
    "name": "check the network and the host in the base URL",
    "refused": "check that the server runs and that the base URL names its port",
    "tls": "check the host in the base URL, the clock of this machine and its certificates",
    "cancelled": "`flowrunner resume` goes on: nothing of this request was sent",
    "unsendable": "check the key and the other settings that become headers",
}


def _after_loss(lost: Lost, tries: Tries, policy: RetryPolicy, random: float) -> Decision:
    if lost.kind == GONE:
        return Hold(message=lost.message, help=_ASK_AGAIN)
    if policy.on_unknown == "retry_once" and tries.lost <= 1:
        wait_s = _wait_s(None, tries, policy, random)
        if wait_s is not None:
            return Retry(wait_s, f"the answer was lost: {lost.message}")
    named = f" (request id {lost.request_id})" if lost.request_id else ""
    return Hold(
        message=f"The request was sent and its answer was lost: {lost.message}{named}; "
        "it may have been processed and billed",
        help=_ASK_AGAIN,
    )


_ASK_AGAIN = (
    "ask again with `flowrunner resume --on-unknown retry_once`, which may pay a second time"
)


def _wait_s(
    asked_s: float | None, tries: Tries, policy: RetryPolicy, random: float
) -> float | None:
    """Seconds to wait before the next POST; None when there may be no next one.

    Full jitter: without an order from the server anything up to the doubled wait, otherwise that
    much on top of what the server asks for, so that parallel steps do not come back at once.
    """
    if tries.sent >= policy.max_posts:
        return None
    doubled = policy.first_wait_s * 2.0 ** min(max(tries.sent - 1, 0), 60)
    jitter = random * min(doubled, policy.backoff_s)
    wanted = jitter if asked_s is None else max(asked_s, policy.min_wait_s) + jitter
    wait_s = min(max(wanted, policy.min_wait_s), policy.max_wait_s)
    return wait_s if tries.waited_s + wait_s <= policy.max_waited_s else None


def in_words(seconds: float) -> str:
    """A wait for people, rounded: `90 s`, `10 min`, `24 h`, `11574 days`, `for ever`."""
    if seconds >= 1e15:
        return "for ever"
    for unit, size in (("days", 172_800.0), ("h", 7_200.0), ("min", 600.0)):
        if seconds >= size:
            whole = {"days": 86_400, "h": 3_600, "min": 60}[unit]
            return f"{seconds / whole:.0f} {unit}"
    return f"{seconds:.0f} s"
