"""What is remembered of an answer: what was said, for chains and conversations, and files it made.

The response itself is kept by `store`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flowrunner.simulator.backend import Backend
from flowrunner.simulator.background import Run
from flowrunner.simulator.exchange import Exchange
from flowrunner.simulator.state.items import Item, said_items, shown
from flowrunner.simulator.turn import Turn

_LASTING = ("completed", "incomplete")


@dataclass(frozen=True, slots=True)
class Remembering:
    """One answer on its way into the memory. `made` has its items with all that they have."""

    backend: Backend
    exchange: Exchange
    turn: Turn
    made: Mapping[str, Item]

    def begin(self) -> None:
        """Hold the conversation, where there is one, until the call is settled."""
        conversation = self.turn.context.conversation
        if conversation is not None:
            conversation.user = self.exchange.number
            self.exchange.settle = self._settle

    def keep(self, outcome: Mapping[str, Any], run: Run | None) -> None:
        """Remember what has come of it, or will have where it is in the background."""
        exchange, context = self.exchange, self.turn.context
        output = said_items(_whole(outcome, self.made), exchange.names)
        self.backend.containers.note(output)
        usage = exchange.usage
        if self.turn.body.get("store") is not False:
            said = context.said(output, usage.input + usage.output if usage else 0)
            size = len(exchange.request.content)
            self.backend.histories.put(str(exchange.response_id), said, size)
        if context.conversation is not None and outcome.get("status") in _LASTING:
            items = (*context.given, *output)
            self.backend.histories.keep_items(items)
            context.conversation.note(exchange.number, items, run)

    def _settle(self) -> None:
        conversation = self.turn.context.conversation
        if conversation is not None:
            conversation.settle(self.exchange.number)


def items_by_id(response: Mapping[str, Any]) -> dict[str, Item]:
    """The items of a response by their ids."""
    return {str(item.get("id")): item for item in _items(response)}


def as_shown(
    response: dict[str, Any], include: Iterable[str], made: Mapping[str, Item]
) -> dict[str, Any]:
    """A response with as much as `include` asks for of the items that no script gave."""
    if not made or not isinstance(response.get("output"), list):
        return response
    return {**response, "output": shown(_whole(response, made), include)}


def _whole(response: Mapping[str, Any], made: Mapping[str, Item]) -> list[Item]:
    items = _items(response)
    return [made[item["id"]] if _is_whole(item, made) else item for item in items]


def _is_whole(item: Item, made: Mapping[str, Item]) -> bool:
    # An item that ended early is not the whole one, although it has its id.
    whole = made.get(str(item.get("id")))
    return whole is not None and whole.get("status") == item.get("status")


def _items(response: Mapping[str, Any]) -> list[Item]:
    output = response.get("output")
    return [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []
