"""A history made shorter before a step goes on from it: a paid request on record as one of its own.

It stands under the step as `STEP/compact`: asked for once, taken up by a resume like any other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

from flowrunner.engine.calls import Caller
from flowrunner.engine.continuing import Past
from flowrunner.engine.endings import Ending
from flowrunner.engine.leaves import already, begun_at, fingerprint
from flowrunner.engine.place import usage_fields
from flowrunner.engine.units import Unit
from flowrunner.events import (
    JSON,
    Segment,
    StepFinished,
    StepResult,
    StepStarted,
    StepStatus,
)
from flowrunner.responses.outcome import Answered
from flowrunner.responses.retry import GiveUp, Hold, Later

VERB = "compact"
_TAKEN = (
    "model",
    "instructions",
    "input",
    "previous_response_id",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "service_tier",
)
"""What `POST /responses/compact` takes of the request that goes on (Responses API: compact)."""

Calling: TypeAlias = Callable[[Unit, str], Caller]
"""Who sends the requests of a unit that does what a fingerprint says."""


async def shorten(
    unit: Unit, past: Past, body: Mapping[str, JSON], calling: Calling
) -> Past | Ending | GiveUp | Hold:
    """The past of a unit, shorter; or why there is none. Raises Stopped, BudgetRefusal."""
    inner = replace(unit, path=(*unit.path, Segment(VERB)), has_started=False)
    request = _request(past, body)
    mark = fingerprint(VERB, unit.server.who, request)
    known = already(inner, mark)
    if known is not None and known.status != "succeeded":
        is_told = unit.before is not None and unit.before.status == known.status
        return known if is_told else replace(known, is_kept=False, result=StepResult("failed"))
    if known is not None:
        return past.within(_answer(inner))
    caller = calling(inner, mark)
    caller.compacts, caller.earlier_tokens = True, past.tokens
    caller.begin = _beginning(inner, mark)
    outcome = await _ask(inner, past, body, caller, mark)
    await _record(inner, mark, outcome)
    return past.within(outcome.response) if isinstance(outcome, Answered) else outcome


def _request(past: Past, body: Mapping[str, JSON]) -> dict[str, JSON]:
    asked = {key: value for key, value in body.items() if key in _TAKEN and key != "input"}
    joined = past.joined(asked)
    return {key: joined[key] for key in _TAKEN if key in joined}


async def _ask(
    inner: Unit, past: Past, body: Mapping[str, JSON], caller: Caller, mark: str
) -> Answered | GiveUp | Hold:
    """Ask from where an earlier process left it; another way where the API knows no such past."""
    calls = [] if inner.before is None else inner.before.calls
    since = begun_at(inner.before, mark)
    earlier = [call for call in calls if since is not None and call.sent_seq > since]
    gone = [call for call in calls if call not in earlier]
    await caller.close(gone)
    attempt = max((call.attempt for call in gone), default=0) + 1
    while True:
        request = _request(past, body)
        address = replace(inner.address, attempt=attempt)
        outcome = await caller.answer(address, request, earlier)
        assert not isinstance(outcome, Later), "only a response may come later"
        if not isinstance(outcome, GiveUp) or not past.turns(outcome.code, request):
            return outcome
        await past.recall()
        sent = inner.shared.ports.journal.calls(inner.name)
        earlier = [call for call in sent if call.attempt == attempt]


def _beginning(inner: Unit, mark: str) -> Callable[[], Awaitable[None]]:
    """Records that the work begins, unless an earlier process has."""
    is_running = inner.before is not None and inner.before.status == "running"
    has_begun = [is_running]

    async def begin() -> None:
        if has_begun[0]:
            return
        has_begun[0] = True
        shared, address = inner.shared, inner.address
        await shared.append(
            StepStarted(at=shared.now(), address=address, verb=VERB, fingerprint=mark)
        )

    return begin


async def _record(inner: Unit, mark: str, outcome: Answered | GiveUp | Hold) -> None:
    """Put the end into the journal; where nothing came of it, why is told by the step itself."""
    shared = inner.shared
    is_good, is_held = isinstance(outcome, Answered), isinstance(outcome, Hold)
    status: StepStatus = "succeeded" if is_good else "unknown" if is_held else "failed"
    await shared.append(
        StepFinished(
            at=shared.now(),
            address=inner.address,
            verb=VERB,
            status=status,
            reason=None if is_good else "lost" if is_held else getattr(outcome, "reason", None),
            message=None if isinstance(outcome, Answered) else outcome.message,
            help=None if isinstance(outcome, Answered) else outcome.help,
            fingerprint=mark,
            result=shared.ports.scrubber.scrub_json(_result(inner, outcome).as_json()),
        )
    )


def _result(inner: Unit, outcome: Answered | GiveUp | Hold) -> StepResult:
    if not isinstance(outcome, Answered):
        return StepResult("failed")
    spent = inner.shared.ports.journal.spent_below(inner.name)
    return StepResult(
        "succeeded",
        usage=usage_fields(spent.usage),
        cost_usd=None if spent.unknown_cost_calls else spent.cost_usd,
        response_id=outcome.response_id,
        request_id=outcome.request_id,
    )


def _answer(inner: Unit) -> JSON:
    journal = inner.shared.ports.journal
    answered = [call for call in journal.calls(inner.name) if call.state == "answered"]
    assert answered[-1].end_seq is not None
    return journal.body(answered[-1].end_seq, "response")
