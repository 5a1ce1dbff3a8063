"""What a response is made from: the items said before, those of the request, and their tokens.

Which items belong together is left to `pairs`, what is answered to `output`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from flowrunner.simulator.dice import Dice
from flowrunner.simulator.envelope import Refusal
from flowrunner.simulator.state.conversations import Conversation, Conversations
from flowrunner.simulator.state.histories import Histories, Said
from flowrunner.simulator.state.items import Item, kept_items
from flowrunner.simulator.state.pairs import (
    check_calls,
    check_duplicates,
    check_ids,
    check_reasoning,
    since_compaction,
)
from flowrunner.simulator.tokens import tokens_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Everything that a request is about. `tokens` are those of what was said before it.

    `is_compacted` says that the request asks for a compaction now (a `compaction_trigger`).
    """

    before: Said | None = None
    conversation: Conversation | None = None
    earlier: tuple[Item, ...] = ()
    given: tuple[Item, ...] = ()
    tokens: int = 0
    is_compacted: bool = False

    @property
    def items(self) -> tuple[Item, ...]:
        """The items said before and those of the request, in order."""
        before = self.before.all() if self.before else ()
        return (*before, *self.earlier, *self.given)

    def said(self, output: Sequence[Item], tokens: int) -> Said:
        """What is kept once it is answered by `output`, when all of it has so many tokens."""
        compacted = any(item.get("type") == "compaction" for item in output)
        left = tokens_of(list(since_compaction(output))) if compacted else tokens
        return Said(self.given, tuple(output), self.earlier, self.before, left)


@dataclass(frozen=True, slots=True)
class Memory:
    """Where earlier items are looked up."""

    histories: Histories
    conversations: Conversations


def gather(body: dict[str, Any], memory: Memory, dice: Dice) -> Context:
    """What a request is about, from its own items and from what it names. Raises Refusal."""
    before = _before(body, memory.histories)
    conversation = _conversation(body, memory.conversations)
    earlier = tuple(conversation.items) if conversation else ()
    given = kept_items(body.get("input"), dice)
    check_ids(given)
    resolved = tuple(_resolved(given, memory.histories))
    said = before.tokens if before else 0
    shared = tokens_of(list(since_compaction(earlier))) if earlier else 0
    return Context(
        before=before,
        conversation=conversation,
        earlier=earlier,
        given=resolved,
        tokens=said + shared,
        is_compacted=len(resolved) < len(given),
    )


def gather_items(
    given: list[Any], conversation: Conversation, histories: Histories, dice: Dice
) -> tuple[Item, ...]:
    """Items to be added to a conversation. Raises Refusal."""
    items = kept_items(given, dice)
    check_ids(items)
    resolved = tuple(_resolved(items, histories))
    check_duplicates([*conversation.items, *resolved])
    return resolved


def check_items(context: Context, histories: Histories) -> None:
    """Raise Refusal where items lack those that they belong together with."""
    items = context.items
    check_duplicates(items)
    check_calls(since_compaction(items))
    check_reasoning(items, len(context.given), histories.reasoning_of)


def _before(body: dict[str, Any], histories: Histories) -> Said | None:
    previous = body.get("previous_response_id")
    if not previous:
        return None
    said = histories.get(previous)
    if said is None:
        message = f"Previous response with id '{previous}' not found."
        raise Refusal(message, "previous_response_id", "previous_response_not_found")
    return said


def _conversation(body: dict[str, Any], conversations: Conversations) -> Conversation | None:
    named = body.get("conversation")
    if not named:
        return None
    found = conversations.get(named if isinstance(named, str) else named["id"], "conversation")
    found.check_free()
    return found


def _resolved(given: Sequence[Item], histories: Histories) -> Iterator[Item]:
    """The items without references to others and without what is no item but an order."""
    for index, item in enumerate(given):
        kind = item.get("type")
        if kind == "compaction_trigger":
            if index + 1 < len(given):
                message = "A 'compaction_trigger' must be the last item of the input."
                raise Refusal(message, f"input[{index}]", "invalid_value")
            continue
        is_bare = kind == "reasoning" and not item.get("encrypted_content")
        named = kind == "item_reference" or is_bare
        yield _known(item["id"], histories) if named else item


def _known(name: str, histories: Histories) -> Item:
    found = histories.item(name)
    if found is None:
        message = f"Item with id '{name}' not found. Items are not persisted when `store` is set "
        message += "to false. Try again with `store` set to true, or remove this item from your "
        raise Refusal(f"{message}input.", "input", status=404)
    return found
