"""Each request of a step as one entry with a sentence: answered, refused, never sent, lost.

When the next one is sent is decided elsewhere; here is only said what was recorded.
"""

from __future__ import annotations

from dataclasses import asdict

from flowrunner.events import JSON
from flowrunner.journal.state import CallState, StepState
from flowrunner.report.figures import duration, iso_utc

_OUTCOMES = {
    "sent": "open",
    "accepted": "pending",
    "answered": "answered",
    "refused": "refused",
    "not-sent": "not_sent",
    "lost": "lost",
}
_LOST = {
    "reset": "The connection was reset.",
    "closed": "The connection was closed.",
    "timeout": "No whole answer came in time.",
    "truncated": "The answer broke off.",
    "broken-off": "The server gave up amid its answer.",
    "not-a-response": "What came back is no Response.",
    "too-big": "The answer was larger than allowed.",
    "crash": "The program ended before the answer came.",
}


def attempts(step: StepState) -> list[dict[str, JSON]]:
    """The `attempts` of a step in the report."""
    last = max((call.attempt for call in step.calls), default=1)
    return [_entry(call, _is_accepted(call, step, last)) for call in step.calls]


def _is_accepted(call: CallState, step: StepState, last: int) -> bool | None:
    """Whether an answer was good enough; None where there is none, or nobody has judged it."""
    if call.state != "answered" or step.status in ("running", None):
        return None
    return call.attempt == last and step.status not in ("failed", "unknown")


def _entry(call: CallState, accepted: bool | None) -> dict[str, JSON]:
    return {
        "attempt": call.attempt,
        "turn": call.turn,
        "post": call.post,
        "sent_at": iso_utc(call.sent_at),
        "outcome": _OUTCOMES[call.state],
        "accepted": accepted,
        "sentence": _answered(call, accepted) if call.state == "answered" else sentence(call),
        "elapsed_s": elapsed_s(call),
        "wait_s": call.retry_in_s,
        "http_status": call.http_status,
        "status": call.status,
        "error": asdict(call.error) if call.error else None,
        "request_id": call.request_id,
        "response_id": call.response_id,
        "client_request_id": call.client_request_id,
        "cost_usd": call.cost_usd,
    }


def is_possibly_billed(call: CallState) -> bool:
    """Whether the request left, or may have left, and nobody knows its outcome, or not yet."""
    return call.state in ("sent", "accepted", "lost")


def elapsed_s(call: CallState) -> float | None:
    """How long the request took; None where nothing measured it."""
    if call.elapsed_s is not None:
        return call.elapsed_s
    # The end of a call that a crash cut off is the moment of the resume, which says nothing.
    if call.ended_at is None or call.kind == "crash":
        return None
    return round(max(0.0, call.ended_at - call.sent_at), 3)


def sentence(call: CallState) -> str:
    """What became of the request, for people."""
    if call.state == "sent":
        return "Announced; no outcome is recorded. It may have been billed."
    if call.state == "accepted":
        return _accepted(call)
    if call.state == "answered":
        return _answered(call)
    if call.state == "refused":
        return _refused(call)
    if call.state == "not-sent":
        return f"Never left, so it was not billed. {call.message or ''}".rstrip()
    said = call.message or _LOST.get(call.kind or "", "Nobody knows why.")
    return f"Sent, and the answer was lost. {said} It may have been billed."


def _accepted(call: CallState) -> str:
    polls = f", polled {call.polls}×" if call.polls else ""
    return (
        f"Accepted: the API works on it in the background, id {call.response_id}, last seen "
        f"`{call.status}`{polls}. It is billed when it ends."
    )


def _answered(call: CallState, accepted: bool | None = None) -> str:
    took = "" if call.elapsed_s is None else f" after {duration(call.elapsed_s)}"
    status = "" if call.status == "completed" else f" with the status `{call.status}`"
    verdict = ", and the answer was not accepted" if accepted is False else ""
    way = "" if call.polls is None else f" in the background (polled {call.polls}×)"
    return f"Answered{way}{took}{status}{verdict}."


def _refused(call: CallState) -> str:
    error = call.error
    code = (error.code or error.type) if error else None
    named = f", {code}" if code else ""
    message = (error.message if error else None) or "no message"
    return f"Refused ({call.http_status}{named}): {message}"
