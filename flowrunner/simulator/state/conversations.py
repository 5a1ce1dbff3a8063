"""Conversations: their items in order, and who is using one at the moment.

What may be done with them is left to `endpoints.conversations`, answers to `endpoints.responses`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from flowrunner.simulator.background import Run
from flowrunner.simulator.envelope import Refusal
from flowrunner.simulator.state.items import Item

_KEPT = 10_000


@dataclass(slots=True)
class Conversation:
    """One conversation. `user` is the number of the call whose reply is not delivered yet, `coming`
    what it will add, `run` how far it is in the background."""

    id: str
    created_at: int
    metadata: dict[str, str]
    items: list[Item] = field(default_factory=list)
    user: int | None = None
    coming: tuple[Item, ...] = ()
    run: Run | None = None

    def resource(self) -> dict[str, Any]:
        """It as the API shows it."""
        return {
            "id": self.id,
            "object": "conversation",
            "created_at": self.created_at,
            "metadata": self.metadata,
        }

    def has(self, name: str) -> bool:
        """Whether an item of this id is in it."""
        return any(item["id"] == name for item in self.items)

    def check_free(self) -> None:
        """Raise Refusal while another call uses it."""
        if self.user is not None:
            raise Refusal(
                "Another process is currently operating on this conversation. "
                "Please retry in a few seconds.",
                "conversation",
                "conversation_locked",
            )

    def note(self, call: int, items: Iterable[Item], run: Run | None = None) -> None:
        """Add what a call was given and put out, once it is settled and unless it is cancelled."""
        if self.user == call:
            self.coming, self.run = tuple(items), run

    def settle(self, call: int) -> None:
        """Have what the call noted, and be free for others. Twice does no harm."""
        if self.user == call:
            if self.run is None or not self.run.is_cancelled:
                self.items.extend(self.coming)
            self.coming, self.run, self.user = (), None, None


class Conversations:
    """All conversations: the newest ten thousand."""

    def __init__(self) -> None:
        self._all: OrderedDict[str, Conversation] = OrderedDict()

    def add(self, conversation: Conversation) -> None:
        self._all[conversation.id] = conversation
        if len(self._all) > _KEPT:
            self._all.popitem(last=False)

    def get(self, name: str, param: str | None = None) -> Conversation:
        """The conversation of an id. Raises Refusal where there is none."""
        found = self._all.get(name)
        if found is None:
            message = f"Conversation with id '{name}' not found."
            raise Refusal(message, param, "conversation_not_found", status=404)
        return found

    def remove(self, name: str) -> None:
        """Forget a conversation. Raises Refusal where there is none."""
        del self._all[self.get(name).id]
