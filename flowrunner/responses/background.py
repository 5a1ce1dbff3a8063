"""When to look at a background response again, and what a look means: a pure policy.

Looking is free of charge, so that whatever goes wrong with it is no reason to give up. Waiting,
cancelling and the journal are left to `engine`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from flowrunner.responses.outcome import Accepted, Answered, Lost, NotSent, Outcome, Refused
from flowrunner.responses.refusals import classify

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0
"""Between looks the wait grows from the one to the other, by half each time."""

LEAST_WAIT_S = 0.25
MOST_ASKED_S = 600.0
"""However short or long a wait the server asks for."""

GONE_LOOKS = 2
"""So many looks in a row must say that there is no such response: a new one may not be everywhere
at once."""

GONE = "gone"
"""The kind of loss of a response that the API no longer has."""

_GROWTH = 1.5
_NOT_THERE = frozenset({404, 410})


_ID = re.compile(r"[\x21-\x7e]{1,512}")


def is_askable(response_id: str) -> bool:
    """Whether an id can stand in the address that a response is asked for at."""
    return _ID.fullmatch(response_id) is not None and response_id.strip(".") != ""


@dataclass(frozen=True, slots=True)
class Watch:
    """What is behind a watch over one response: `looks` by this process, and how many of the last
    ones in a row did not find it."""

    response_id: str
    looks: int = 0
    misses: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """Look again after `wait_s` seconds. `status` is what the last look saw, None where it saw
    nothing; `trouble` says why."""

    wait_s: float
    watch: Watch
    status: str | None = None
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """It has come to its end, whatever that is; nothing that comes later counts."""

    outcome: Answered


@dataclass(frozen=True, slots=True)
class Gone:
    """The API has no such response any more: what became of it is not known."""

    outcome: Lost


@dataclass(frozen=True, slots=True)
class Barred:
    """The key is not taken any more; the response goes on, but nobody here can look."""

    refused: Refused


Seen: TypeAlias = Look | Done | Gone | Barred


def begin(accepted: Accepted, random: float) -> Look:
    """The first look at a response that was just accepted."""
    return Look(_wait_s(accepted.asked_wait_s, 0, random), Watch(accepted.response_id))


def go_on(response_id: str) -> Look:
    """The first look at a response that an earlier process had accepted: at once."""
    return Look(0.0, Watch(response_id))


def after(outcome: Outcome, watch: Watch, random: float) -> Seen:
    """What follows a look. `random` is in [0, 1) and keeps many watches from looking at once."""
    looks = watch.looks + 1
    seen = Watch(watch.response_id, looks)
    match outcome:
        case Answered():
            return Done(outcome)
        case Accepted():
            return Look(_wait_s(outcome.asked_wait_s, looks, random), seen, outcome.status)
        case Refused(http_status=status) if status in _NOT_THERE:
            return _missed(outcome, watch, looks, random)
        case Refused() if classify(outcome) == "key":
            return Barred(outcome)
        case Refused():
            wait_s = _wait_s(outcome.asked_wait_s, looks, random)
            return Look(wait_s, seen, trouble=f"the server answered {outcome.http_status}")
        case NotSent() | Lost():
            return Look(_wait_s(None, looks, random), seen, trouble=outcome.message)


def _missed(refused: Refused, watch: Watch, looks: int, random: float) -> Look | Gone:
    misses = watch.misses + 1
    if misses < GONE_LOOKS:
        wait_s = _wait_s(refused.asked_wait_s, looks, random)
        again = Watch(watch.response_id, looks, misses)
        return Look(wait_s, again, trouble="the server does not find it")
    named = f", request id {refused.request_id}" if refused.request_id else ""
    return Gone(
        Lost(
            kind=GONE,
            message=f"The API accepted the request as {watch.response_id} and no longer has it "
            f"({refused.http_status}{named}): it expired or was deleted; it may have been "
            "processed and billed",
            elapsed_s=refused.elapsed_s,
            http_status=refused.http_status,
            request_id=refused.request_id,
            response_id=watch.response_id,
            raw=refused.raw,
        )
    )


def _wait_s(asked_s: float | None, looks: int, random: float) -> float:
    """Seconds before the next look, spread by a quarter; never sooner than the server asks for."""
    grown = min(FIRST_WAIT_S * _GROWTH ** min(looks, 60), LONGEST_WAIT_S)
    own = grown * (0.75 + random / 4)
    if asked_s is None:
        return own
    return min(max(asked_s * (1 + random / 4), LEAST_WAIT_S), MOST_ASKED_S)
