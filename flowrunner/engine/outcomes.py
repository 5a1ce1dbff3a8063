"""Outcomes of requests as the journal keeps them, and as it gives them back to a resume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, fields, replace
from typing import Any, TypeVar

from flowrunner.engine.pricing import Billed, Prices, billed_usd, paid_calls, window_of
from flowrunner.events import (
    JSON,
    Address,
    ApiError,
    CallAccepted,
    CallAnswered,
    CallLost,
    CallNotSent,
    CallRefused,
    Event,
)
from flowrunner.journal.journal import Journal
from flowrunner.journal.state import CallState
from flowrunner.responses.outcome import Accepted, Answered, Lost, NotSent, Outcome, Refused
from flowrunner.responses.rate import request_id
from flowrunner.secrets import Scrubber
from flowrunner.wire import Progress

AnyOutcome = TypeVar("AnyOutcome", bound=Outcome)


def cleaned(outcome: AnyOutcome, scrubber: Scrubber) -> AnyOutcome:
    """The outcome without secrets: a server may repeat the key anywhere, also in ids."""

    def mask(value: Any) -> Any:
        if isinstance(value, ApiError):
            return ApiError(*map(mask, astuple(value)))
        return scrubber.scrub_json(value)

    return replace(
        outcome,
        **{part.name: mask(getattr(outcome, part.name)) for part in fields(outcome)},
    )


def interrupted(progress: Progress) -> Lost | NotSent:
    """A request that this process gave up, with what had come back of it."""
    if not progress.left:
        return NotSent(kind="cancelled", message="the run was ended before the request left")
    return Lost(
        kind="interrupted",
        message="the run was ended before the answer came",
        elapsed_s=0.0,
        http_status=progress.status,
        request_id=request_id(progress.headers),
    )


def crashed(call: CallState) -> Lost:
    """The loss of a call as its journal shows it; without an end its process died."""
    return Lost(
        kind=call.kind or "crash",
        message=call.message or "flowrunner ended before the answer came",
        elapsed_s=call.elapsed_s or 0.0,
        http_status=call.http_status,
        request_id=call.request_id,
        response_id=call.response_id,
    )


def journaled_answer(call: CallState, journal: Journal) -> Answered:
    """An answer that an earlier process received."""
    assert call.end_seq is not None
    return Answered(
        response=journal.body(call.end_seq, "response"),
        http_status=call.http_status or 200,
        request_id=call.request_id,
        response_id=call.response_id or "",
        status=call.status or "",
        model=call.served_model,
        service_tier=call.service_tier,
        usage=call.usage,
        elapsed_s=call.elapsed_s or 0.0,
    )


def twice_named(accepted: Accepted) -> Lost:
    """The loss of a request that was accepted under the id of another one."""
    return Lost(
        kind="not-a-response",
        message=f"the server accepted it as {accepted.response_id}, which is the id of another "
        "request of this run",
        elapsed_s=accepted.elapsed_s,
        http_status=accepted.http_status,
        request_id=accepted.request_id,
    )


def took_s(answered: Answered, waited_s: float) -> float:
    """How long the API worked on a response, in seconds, where it says so (Responses API:
    `created_at`, `completed_at`), else how long it was waited for."""
    moments = [answered.response.get(name) for name in ("created_at", "completed_at")]
    began, ended = (at if isinstance(at, (int, float)) else None for at in moments)
    if began is None or ended is None or ended < began:
        return max(0.0, waited_s)
    return float(ended - began)


def has_acted(outcome: Outcome) -> bool:
    """Whether a response tells of a call that may have changed something (Responses API:
    `mcp_call`)."""
    if not isinstance(outcome, Answered):
        return False
    items = outcome.response.get("output")
    listed = items if isinstance(items, list) else []
    return any(isinstance(item, dict) and item.get("type") == "mcp_call" for item in listed)


def event_of(
    outcome: Outcome,
    address: Address,
    at: float,
    retry_in_s: float | None,
    cost_usd: float | None,
) -> Event:
    """An outcome as the journal keeps it."""
    match outcome:
        case Answered():
            return _answered(outcome, address, at, cost_usd)
        case Accepted():
            return CallAccepted(
                at=at,
                address=address,
                http_status=outcome.http_status,
                status=outcome.status,
                request_id=outcome.request_id,
                response_id=outcome.response_id,
                model=outcome.model,
                elapsed_s=outcome.elapsed_s,
            )
        case Refused():
            return CallRefused(
                at=at,
                address=address,
                http_status=outcome.http_status,
                error=outcome.error or ApiError(""),
                request_id=outcome.request_id,
                retry_in_s=retry_in_s,
                elapsed_s=outcome.elapsed_s,
                raw=outcome.raw,
            )
        case NotSent():
            return CallNotSent(
                at=at,
                address=address,
                kind=outcome.kind,
                message=outcome.message,
                retry_in_s=retry_in_s,
            )
        case Lost():
            return CallLost(
                at=at,
                address=address,
                kind=outcome.kind,
                message=outcome.message,
                http_status=outcome.http_status,
                request_id=outcome.request_id,
                retry_in_s=retry_in_s,
                raw=outcome.raw,
                response_id=outcome.response_id,
            )


def call_cost_usd(
    outcome: Answered, body: Mapping[str, JSON], prices: Prices | None = None
) -> float | None:
    """What an answered call cost in US dollars; None where it is unknown.

    Billed by the model and tier that the response names; `body` is the request.
    """
    model = body.get("model")
    billed = Billed(
        model=outcome.model,
        usage=outcome.usage,
        service_tier=outcome.service_tier,
        calls=paid_calls(outcome.response),
        asked=model if isinstance(model, str) else None,
        window=window_of(body),
    )
    return billed_usd(billed, prices)


def _answered(
    outcome: Answered, address: Address, at: float, cost_usd: float | None
) -> CallAnswered:
    return CallAnswered(
        at=at,
        address=address,
        http_status=outcome.http_status,
        status=outcome.status,
        request_id=outcome.request_id,
        response_id=outcome.response_id,
        model=outcome.model,
        service_tier=outcome.service_tier,
        usage=outcome.usage,
        cost_usd=cost_usd,
        elapsed_s=outcome.elapsed_s,
        response=outcome.response,
    )
