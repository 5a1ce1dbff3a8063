"""What was said up to the end of each response, and every item that a request may refer to.

The newest are kept. What is answered from it is left to `context`, responses themselves to `store`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from flowrunner.simulator.state.items import Item

_RESPONSES = 10_000
_ITEMS = 200_000
_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Said:
    """One response's part of a chain: what it was given and put out, after what was said before.

    `tokens` are those that all of it has as the input of the next response.
    """

    given: tuple[Item, ...]
    output: tuple[Item, ...]
    earlier: tuple[Item, ...] = ()
    before: Said | None = None
    tokens: int = 0

    @property
    def asked(self) -> tuple[Item, ...]:
        """Everything that the response was made from, the oldest first."""
        before = self.before.all() if self.before else ()
        return (*before, *self.earlier, *self.given)

    def all(self) -> tuple[Item, ...]:
        """Everything said up to its end, the oldest first."""
        parts: list[tuple[Item, ...]] = []
        link: Said | None = self
        while link is not None:
            parts.append((*link.earlier, *link.given, *link.output))
            link = link.before
        return tuple(item for part in reversed(parts) for item in part)


class Histories:
    """What was said, by the id of the response at its end."""

    def __init__(self) -> None:
        self._said: OrderedDict[str, Said] = OrderedDict()
        self._items: OrderedDict[str, Item] = OrderedDict()
        self._reasoning: dict[str, str] = {}
        self._sizes: dict[str, int] = {}
        self._bytes = 0

    def put(self, response_id: str, said: Said, size: int) -> None:
        """Keep what was said up to the end of a response, which takes so many bytes itself."""
        self.forget(response_id)
        self._said[response_id] = said
        self._sizes[response_id] = size
        self._bytes += size
        self.keep_items(said.given)
        self.keep_items(said.output)
        while len(self._said) > _RESPONSES or (self._bytes > _BYTES and len(self._said) > 1):
            self.forget(next(iter(self._said)))

    def get(self, response_id: str) -> Said | None:
        """What was said up to the end of a response; None where it was not kept."""
        return self._said.get(response_id)

    def forget(self, response_id: str) -> None:
        """Forget a response and its own items; what builds on it keeps what it had."""
        said = self._said.pop(response_id, None)
        self._bytes -= self._sizes.pop(response_id, 0)
        for item in (*said.given, *said.output) if said else ():
            self._forget_item(str(item.get("id")))

    def keep_items(self, items: Sequence[Item]) -> None:
        """Let items be referred to."""
        for place, item in enumerate(items):
            name = str(item.get("id"))
            self._items[name] = item
            if place and items[place - 1].get("type") == "reasoning":
                self._reasoning[name] = str(items[place - 1].get("id"))
        while len(self._items) > _ITEMS:
            self._forget_item(next(iter(self._items)))

    def item(self, name: str) -> Item | None:
        """An item that may be referred to."""
        return self._items.get(name)

    def reasoning_of(self, name: str) -> str | None:
        """The id of the reasoning that an item directly followed from."""
        return self._reasoning.get(name)

    def _forget_item(self, name: str) -> None:
        self._items.pop(name, None)
        self._reasoning.pop(name, None)
