"""The responses that the server keeps, by id: the newest ten thousand.

Who may store one and how one is asked for is left to `api`.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from flowrunner.simulator.background import Run

_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Stored:
    """A response as it was answered, and the tokens of everything said up to its end.

    `run` says how far one in the background is.
    """

    content: bytes
    tokens: int
    item_ids: tuple[str, ...]
    run: Run | None = None


class Store:
    """Stored responses and the items in them."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._responses: OrderedDict[str, Stored] = OrderedDict()
        self._items: set[str] = set()

    def put(self, response_id: str, stored: Stored) -> None:
        """Keep a response; the oldest goes when there are too many."""
        self._responses[response_id] = stored
        self._items.update(stored.item_ids)
        if len(self._responses) > self._kept:
            _, oldest = self._responses.popitem(last=False)
            self._items.difference_update(oldest.item_ids)

    def remove(self, response_id: str) -> None:
        """Forget a response and its items; harmless where there is none."""
        stored = self._responses.pop(response_id, None)
        if stored is not None:
            self._items.difference_update(stored.item_ids)

    def get(self, response_id: str) -> Stored | None:
        """A response that was stored, or None."""
        return self._responses.get(response_id)

    def has_item(self, item_id: str) -> bool:
        """Whether an item of this id is in a stored response."""
        return item_id in self._items
