"""The responses that the server keeps, by id: the newest ten thousand.

Who may store one and how one is asked for is left to `endpoints`, what was said in them to `state`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from flowrunner.simulator.background import Run
from flowrunner.simulator.state.items import Item

_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Stored:
    """A response as it was answered; `run` says how far one in the background is.

    `made` has the items that no script gave by their ids, with all that `include` may bring.
    """

    content: bytes
    run: Run | None = None
    made: Mapping[str, Item] = field(default_factory=dict)


class Store:
    """Stored responses."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._responses: OrderedDict[str, Stored] = OrderedDict()

    def put(self, response_id: str, stored: Stored) -> None:
        """Keep a response; the oldest goes when there are too many."""
        self._responses[response_id] = stored
        if len(self._responses) > self._kept:
            self._responses.popitem(last=False)

    def remove(self, response_id: str) -> None:
        """Forget a response; harmless where there is none."""
        self._responses.pop(response_id, None)

    def get(self, response_id: str) -> Stored | None:
        """A response that was stored, or None."""
        return self._responses.get(response_id)
