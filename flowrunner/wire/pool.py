"""Idle connections, taken and given back in constant time however many there are.

Opening connections is left to `dial`; what is said over them to `connection`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from flowrunner.wire.connection import Connection


class Origin(NamedTuple):
    """Where connections lead: those of one origin serve each other's requests."""

    scheme: str
    host: str
    port: int

    @property
    def place(self) -> str:
        """`host:port` as shown to people."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Pool:
    """All connections of a wire. The one used last is used first; the rest age and are closed.

    A connection is idle in its origin's dictionary (whose order is the order of return) or busy;
    either way `_all` knows it until it is gone.
    """

    def __init__(self, clock: Callable[[], float], keep_idle_s: float) -> None:
        self._clock = clock
        self._keep_idle_s = keep_idle_s
        self._idle: dict[Origin, dict[Connection, None]] = {}
        self._all: dict[Connection, Origin] = {}
        self._sweep_timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._all)

    def add(self, connection: Connection, origin: Origin) -> None:
        """A connection was opened and is busy."""
        self._all[connection] = origin

    def take(self, origin: Origin, max_idle_s: float) -> Connection | None:
        """An idle connection on which nothing has come and nothing ended, now busy; or None.

        Write to it before anything is awaited: what was true of it is true until the loop turns.
        """
        idle = self._idle.get(origin)
        while idle:
            connection, _ = idle.popitem()
            if self._clock() - connection.idle_since < max_idle_s and connection.is_quiet():
                connection.busy = True
                return connection
            connection.close()
        return None

    def give_back(self, connection: Connection) -> None:
        """The exchange is over: keep the connection where it may serve again."""
        origin = self._all.get(connection)
        if not connection.finish() or origin is None:
            connection.close()
            return
        connection.idle_since = self._clock()
        self._idle.setdefault(origin, {})[connection] = None
        if self._sweep_timer is None:
            self._sweep_later()

    def forget(self, connection: Connection) -> None:
        """The connection is gone."""
        origin = self._all.pop(connection, None)
        if origin is not None and origin in self._idle:
            self._idle[origin].pop(connection, None)

    def close_aged(self) -> None:
        """Close those that have been idle too long to be worth keeping."""
        oldest = self._clock() - self._keep_idle_s
        for idle in self._idle.values():
            for connection in list(idle):
                if connection.idle_since > oldest:
                    break
                del idle[connection]
                connection.close()
        self._idle = {origin: idle for origin, idle in self._idle.items() if idle}

    async def aclose(self) -> None:
        """Close all, the busy ones at once; ends when asyncio has let go of each."""
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
            self._sweep_timer = None
        self._idle.clear()
        for connection in list(self._all):
            connection.abort() if connection.busy else connection.close()
        await asyncio.sleep(0)
        while self._all:
            for connection in self._all:
                connection.abort()
            await asyncio.sleep(0)

    def _sweep_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweep_timer = loop.call_later(self._keep_idle_s, self._sweep)

    def _sweep(self) -> None:
        self._sweep_timer = None
        self.close_aged()
        if self._idle:
            self._sweep_later()
