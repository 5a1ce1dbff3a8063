"""What the server believes: every call it received, and what it was paid for.

Tests hold a run's report against it; nothing in here is known to the client.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from flowrunner.events import Usage

_BODIES_KEPT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request as the server saw it.

    `status` is the HTTP status that was sent, None where none was. `usage` is what the server
    bills, None where it did no work; `cost_usd` is None too where the model has no known price.
    `fault` names the ordered fault that struck.
    """

    number: int
    method: str
    path: str
    request_id: str
    client_request_id: str | None = None
    body: Any = None
    status: int | None = None
    usage: Usage | None = None
    cost_usd: float | None = None
    response_id: str | None = None
    fault: str | None = None

    @property
    def is_paid(self) -> bool:
        """Whether the server did the work, wherever its answer went."""
        return self.usage is not None


class Ledger:
    """All calls in the order of their arrival; may be read from any thread.

    Bodies are kept of the newest 10,000 calls.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[Call] = []

    def add(self, call: Call) -> None:
        """Note a call. Its number is its place, counted from 1."""
        with self._lock:
            self._calls.append(call)
            past = len(self._calls) - 1 - _BODIES_KEPT
            if past >= 0:
                self._calls[past] = replace(self._calls[past], body=None)

    def note_status(self, number: int, status: int) -> None:
        """Note that the reply to a call is leaving with this HTTP status."""
        with self._lock:
            self._calls[number - 1] = replace(self._calls[number - 1], status=status)

    def calls(self) -> tuple[Call, ...]:
        """Every call so far."""
        with self._lock:
            return tuple(self._calls)

    def paid(self) -> tuple[Call, ...]:
        """The calls that the server did work for."""
        return tuple(call for call in self.calls() if call.is_paid)

    def usage(self) -> Usage:
        """All tokens that the server bills."""
        return sum((call.usage for call in self.calls() if call.usage), Usage())

    def cost_usd(self) -> float:
        """All that the server bills, in US dollars, as far as prices are known."""
        return sum(call.cost_usd or 0.0 for call in self.calls())

    def __iter__(self) -> Iterator[Call]:
        return iter(self.calls())

    def __len__(self) -> int:
        with self._lock:
            return len(self._calls)

    def __getitem__(self, place: int) -> Call:
        with self._lock:
            return self._calls[place]
