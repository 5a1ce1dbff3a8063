"""An answer while it is written: what has come of it, for who watches and should it be given up.

A whole answer never needs it; what is read of one comes from the response itself.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from flowrunner.engine.ports import Live
from flowrunner.responses.outcome import Lost, NotSent
from flowrunner.responses.stream import KEPT, Delta


@dataclass(slots=True)
class Draft:
    """What the unit `unit` is being answered; `named` once its response has an id."""

    unit: str
    live: Live | None = None
    response_id: str | None = None
    named: asyncio.Event = field(default_factory=asyncio.Event)
    _pieces: list[str] = field(default_factory=list)
    _length: int = 0

    def take(self, delta: Delta) -> None:
        """Take what is new of it; whoever watches is told."""
        if delta.news == "response":
            self.response_id = delta.text
            self.named.set()
        elif delta.news == "text" and self._length < KEPT:
            self._pieces.append(delta.text)
            self._length += len(delta.text)
        if self.live is not None:
            self.live.tell(self.unit, delta)

    def given_up(self, outcome: Lost | NotSent) -> Lost | NotSent:
        """The outcome of a request that this process gives up, with what had come."""
        if not isinstance(outcome, Lost):
            return outcome
        text = "".join(self._pieces)[:KEPT]
        return replace(outcome, raw=text, partial=text, response_id=self.response_id)
