"""The calls of tools of one step, each with what it was given, what came of it and who allowed it.

What was recorded is in `flowrunner.journal.tool_calls`; how it looks is left to pages and listings.
"""

from __future__ import annotations

from flowrunner.events import JSON
from flowrunner.journal.state import Approval
from flowrunner.journal.tool_calls import ToolCallState
from flowrunner.report.conversation import Holder
from flowrunner.report.figures import duration, iso_utc
from flowrunner.report.record import Record, body_of


def tool_calls(unit: str, record: Record, holder: Holder) -> list[dict[str, JSON]]:
    """The `tool_calls` of a step, in the order in which they began."""
    return [_told(call, record, holder) for call in record.tool_record(unit).calls]


def _told(call: ToolCallState, record: Record, holder: Holder) -> dict[str, JSON]:
    output = body_of(record, call.end_seq, "output")
    return {
        "name": call.name,
        "call_id": call.call_id,
        "kind": call.kind,
        "attempt": call.attempt,
        "turn": call.turn,
        "changes_things": call.changes_things,
        "outcome": outcome(call),
        "sentence": _sentence(call),
        "arguments": holder.hold(body_of(record, call.began_seq, "arguments")),
        "output": holder.hold_some(_readable(output) if call.is_parts else output),
        "began_at": iso_utc(call.began_at),
        "elapsed_s": None if call.elapsed_s is None else round(call.elapsed_s, 3),
        "decided_by": None if call.approval is None else call.approval.by,
    }


def outcome(call: ToolCallState) -> str:
    """succeeded, failed, denied, refused, or open while nothing is recorded."""
    if call.ended_at is None:
        return "open"
    if call.not_run is not None:
        return "denied" if call.not_run == "denied" else "refused"
    return "succeeded" if call.ok else "failed"


def _sentence(call: ToolCallState) -> str:
    """What came of a call, and who allowed it."""
    if call.ended_at is None:
        said = "It was begun, and how it ended is not recorded."
    elif call.ok:
        took = "" if call.elapsed_s is None else f" in {duration(call.elapsed_s)}"
        said = "It was allowed." if call.kind == "mcp_approval_request" else f"It answered{took}."
    else:
        word = "It failed" if call.has_run else "It was not run"
        said = f"{word}: {call.error}"
    return said + (_allowed(call.approval) if call.not_run != "denied" else "")


def _allowed(approval: Approval | None) -> str:
    if approval is None or not approval.granted:
        return ""
    why = f": {approval.why}" if approval.why else ""
    return f" {approval.by} agreed{why}."


def _readable(parts: JSON) -> JSON:
    """Content parts without the bytes of pictures and files, which no page shows twice."""
    if not isinstance(parts, list):
        return parts
    return [
        part if part.get("type") == "input_text" else {"type": part.get("type")} for part in parts
    ]


def call_line(call: JSON) -> str:
    """The name of a call and what it was given, for one line."""
    turn = f" (turn {call['turn']})" if call["turn"] > 1 else ""
    return f"{call['name']}{turn}"
