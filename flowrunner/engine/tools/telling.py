"""What a step offers of its tools to later steps: `.tool_calls`, bounded.

What reports show is read from the journal by `report`.
"""

from __future__ import annotations

import json

from flowrunner.events import JSON
from flowrunner.journal.journal import Journal
from flowrunner.journal.tool_calls import ToolCallState

LONGEST = 20_000
"""Characters of the arguments and of the output of one call; the journal keeps them whole."""


def tool_calls(journal: Journal, unit: str, first_attempt: int = 1) -> tuple[dict[str, JSON], ...]:
    """The calls of a unit from an attempt on, in the order in which they began."""
    calls = journal.tool_record(unit).calls
    return tuple(_told(journal, call) for call in calls if call.attempt >= first_attempt)


def _told(journal: Journal, call: ToolCallState) -> dict[str, JSON]:
    output = None if call.end_seq is None else journal.body(call.end_seq, "output")
    approval = call.approval
    return {
        "name": call.name,
        "call_id": call.call_id,
        "turn": call.turn,
        "arguments": _bounded(journal.body(call.began_seq, "arguments")),
        "ok": call.ok,
        "output": _bounded(_readable(output) if call.is_parts else output),
        "error": call.error,
        "elapsed_s": None if call.elapsed_s is None else round(call.elapsed_s, 3),
        "decided_by": None if approval is None else approval.by,
    }


def _readable(parts: JSON) -> JSON:
    """The texts of content parts; pictures and files by their kind."""
    return [part.get("text", f"({part.get('type')})") for part in parts]


def _bounded(value: JSON) -> JSON:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return value if len(text) <= LONGEST else f"{text[:LONGEST]}…"
