"""All items of one answer, and the tokens they took, within `max_output_tokens`.

What each kind of item looks like is left to `messages`, `hosted`, `mcp` and `calls`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flowrunner.simulator.output.calls import call_item
from flowrunner.simulator.output.hosted import Use, use_of
from flowrunner.simulator.output.messages import (
    answer_text,
    compaction_item,
    is_plain,
    message_item,
    reasoning_item,
    text_part,
)
from flowrunner.simulator.output.plan import Plan, Using, plan_of
from flowrunner.simulator.state.items import Item
from flowrunner.simulator.tokens import (
    cut_to_tokens,
    input_tokens,
    reasoning_tokens,
    text_tokens,
)
from flowrunner.simulator.turn import Turn

_NO_PLAN = Plan((), ())


@dataclass(frozen=True, slots=True)
class Made:
    """What was put out. Tokens: `written` in items that count as text, `thought` before them."""

    items: tuple[Item, ...]
    written: int
    thought: int
    is_whole: bool = True


def make_output(turn: Turn, text: str | None) -> Made:
    """The output of a turn; where its text is given, no tools are used.

    Raises BadSchema where no value fits a structured output, Refusal where none fits a function.
    """
    plan = plan_of(turn) if text is None else _NO_PLAN
    uses = [use_of(Using(turn, tool, place)) for place, tool in enumerate(plan.hosted)]
    calls = [call_item(Using(turn, tool, place)) for place, tool in enumerate(plan.calls, 100)]
    before = _compaction(turn)
    found = [item for use in uses for item in use.items]
    waits = calls or (found and found[-1]["type"] == "mcp_approval_request")
    said, notes = ("", []) if waits else _said(turn, text, uses)
    effort = (turn.body.get("reasoning") or {}).get("effort")
    thought = reasoning_tokens(turn.model, effort)
    written = text_tokens(said) + sum(map(_tokens_of_call, (*before, *found, *calls)))
    limit = turn.body.get("max_output_tokens")
    thinking = [reasoning_item(turn)] if thought else []
    if limit is not None and thought + written > limit:
        thought = min(thought, limit // 2)
        written = min(written, limit - thought)
        message = (
            [] if waits else [_message(turn, cut_to_tokens(said, written), notes, "incomplete")]
        )
        return Made((*before, *thinking, *message), written, thought, is_whole=False)
    message = [] if waits else [_message(turn, said, notes, "completed")]
    return Made((*before, *thinking, *found, *calls, *message), written, thought)


def _said(turn: Turn, text: str | None, uses: Sequence[Use]) -> tuple[str, list[dict[str, Any]]]:
    """The text of the message, and what it cites: JSON is not interrupted by citations."""
    said = answer_text(turn) if text is None else text
    notes: list[dict[str, Any]] = []
    if not is_plain(turn):
        return said, notes
    for use in uses:
        note = use.annotation(len(said) + 1)
        if note is not None:
            notes.append(note)
            said = f"{said} {use.says}"
    return said, notes


def _message(turn: Turn, text: str, notes: list[dict[str, Any]], status: str) -> Item:
    return message_item(turn, text_part(turn, text, notes), status)


def _compaction(turn: Turn) -> list[Item]:
    """A compaction, where one is asked for or the context has grown past the threshold."""
    rules = turn.body.get("context_management") or ()
    thresholds = [rule.get("compact_threshold") for rule in rules if rule["type"] == "compaction"]
    least = min((limit for limit in thresholds if limit is not None), default=None)
    is_past = least is not None and turn.context.tokens + input_tokens(turn.body) > least
    return [compaction_item(turn)] if is_past or turn.context.is_compacted else []


def _tokens_of_call(item: Item) -> int:
    texts = (item.get(name) for name in ("arguments", "input", "code", "encrypted_content"))
    return sum(text_tokens(text) for text in texts if isinstance(text, str))
