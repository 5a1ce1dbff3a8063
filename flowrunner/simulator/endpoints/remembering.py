"""What is remembered of an answer: what was said, for chains and conversations, and files it made.

The response itself is kept by `store`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flowrunner.simulator.backend import Backend
from flowrunner.simulator.exchange import Exchange
from flowrunner.simulator.state.items import Item, said_items, shown
from flowrunner.simulator.turn import Turn

_LASTING = ("completed", "incomplete")


@dataclass(frozen=True, slots=True)
class Remembering:
    """One answer on its way into the memory. `whole` has its items with all that they have."""

    backend: Backend
    exchange: Exchange
    turn: Turn
    whole: Mapping[str, Item]

    def begin(self) -> None:
        """Hold the conversation, where there is one, until the call is settled."""
        conversation = self.turn.context.conversation
        if conversation is not None:
            conversation.user = self.exchange.number
            self.exchange.settle = self._settle

    def keep(self, outcome: Mapping[str, Any]) -> None:
        """Remember what has come of it."""
        exchange, context = self.exchange, self.turn.context
        output = said_items(_whole(outcome, self.whole), exchange.names)
        self.backend.containers.note(output)
        usage = exchange.usage
        if self.turn.body.get("store") is not False:
            said = context.said(output, usage.input + usage.output if usage else 0)
            size = len(exchange.request.content)
            self.backend.histories.put(str(exchange.response_id), said, size)
        if context.conversation is not None and outcome.get("status") in _LASTING:
            items = (*context.given, *output)
            self.backend.histories.keep_items(items)
            context.conversation.note(exchange.number, items)

    def _settle(self) -> None:
        conversation = self.turn.context.conversation
        if conversation is not None:
            conversation.settle(self.exchange.number)


def whole_items(response: Mapping[str, Any]) -> dict[str, Item]:
    """The items of a response by their ids."""
    return {str(item.get("id")): item for item in _items(response)}


def as_shown(
    response: dict[str, Any], include: Iterable[str], whole: Mapping[str, Item] | None = None
) -> dict[str, Any]:
    """A response with as much of its items as `include` asks for."""
    if not isinstance(response.get("output"), list):
        return response
    return {**response, "output": shown(_whole(response, whole or {}), include)}


def _whole(response: Mapping[str, Any], whole: Mapping[str, Item]) -> list[Any]:
    # An item that ended early is not the whole one, although it has its id.
    return [
        whole[item["id"]]
        if item.get("id") in whole and item.get("status") == whole[item["id"]].get("status")
        else item
        for item in _items(response)
    ]


def _items(response: Mapping[str, Any]) -> list[Item]:
    output = response.get("output")
    return [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []
