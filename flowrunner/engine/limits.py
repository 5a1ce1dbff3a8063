"""Who may ask when: so many at once in the whole run, and each model as fast as its server allows.

One line for each model, served in the order of arrival; a line that has to wait holds no slot and
nobody else up. How fast a model may be asked is left to `responses.pace`.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from flowrunner.engine.ports import Clock
from flowrunner.responses.outcome import Outcome
from flowrunner.responses.pace import Lane, heard

Way: TypeAlias = tuple[str, str]
"""A server and a model of it."""

TOLD_S = 1.0
"""A wait of so many seconds is told, in one piece or in several."""


@dataclass(frozen=True, slots=True)
class Slow:
    """A line that begins to wait, for `wait_s` seconds at least."""

    way: Way
    wait_s: float


@dataclass(slots=True, eq=False)
class _Waiter:
    ticket: int
    tokens: int
    is_over: Callable[[], bool]
    may_go: asyncio.Future[None]


@dataclass(slots=True, eq=False)
class _Line:
    """Those who wait for one way: since when the server makes them wait, and whether that was
    told."""

    lane: Lane | None
    way: Way | None
    waiting: deque[_Waiter] = field(default_factory=deque)
    slow_since: float | None = None
    is_told: bool = False

    @property
    def counts_tokens(self) -> bool:
        return self.lane is not None and self.lane.tokens.level is not None

    def wait_s(self, tokens: int, now: float) -> float | None:
        return 0.0 if self.lane is None else self.lane.wait_s(tokens, now)


@dataclass(slots=True)
class Room:
    """A request's leave to go; its `outcome` is set before it is given back."""

    outcome: Outcome | None = None


class Limits:
    """The slots of a run and the pace of every model. `on_slow` is called when a line begins to
    wait for a second or more."""

    def __init__(
        self,
        at_once: int,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]],
        random: Callable[[], float],
        on_slow: Callable[[Slow], None],
    ) -> None:
        self._at_once = self._free = at_once
        self._clock = clock
        self._sleep = sleep
        self._random = random
        self._on_slow = on_slow
        self._lines: dict[Way | None, _Line] = {}
        self._tickets = itertools.count()
        self._alarm: asyncio.Future[None] | None = None
        self._rings_at = 0.0

    @asynccontextmanager
    async def room(
        self,
        way: Way | None = None,
        weigh: Callable[[], int] = lambda: 0,
        is_over: Callable[[], bool] = lambda: False,
    ) -> AsyncIterator[Room]:
        """Wait until a request may be sent, and take its slot meanwhile.

        `weigh` tells about how many tokens it will take, where the server counts them. Without a
        way only a slot is taken. Whoever `is_over` is let through by `review` at once,
        and must send nothing.
        """
        line = self._line(way)
        await self._enter(line, weigh() if line.counts_tokens else 0, is_over)
        left_at, room = self._clock.monotonic(), Room()
        try:
            yield room
        finally:
            if line.lane is not None:
                told = heard(room.outcome, self._random())
                line.lane.end(told, left_at, self._clock.monotonic())
            self._free += 1
            self._admit()

    def review(self) -> None:
        """Let everybody through who has nothing to send any more."""
        for line in self._lines.values():
            over = {waiter for waiter in line.waiting if waiter.is_over()}
            line.waiting = deque(waiter for waiter in line.waiting if waiter not in over)
            for waiter in over:
                if not waiter.may_go.cancelled():
                    self._let_go(line, waiter)

    def _line(self, way: Way | None) -> _Line:
        line = self._lines.get(way)
        if line is None:
            lane = None if way is None else Lane(self._at_once)
            line = self._lines[way] = _Line(lane, way)
        return line

    async def _enter(self, line: _Line, tokens: int, is_over: Callable[[], bool]) -> None:
        is_first = self._free > 0 and not line.waiting
        if is_first and line.wait_s(tokens, self._clock.monotonic()) == 0:
            self._take(line, tokens)
            return
        may_go = asyncio.get_running_loop().create_future()
        waiter = _Waiter(next(self._tickets), tokens, is_over, may_go)
        line.waiting.append(waiter)
        self._admit()
        try:
            await may_go
        except asyncio.CancelledError:
            if may_go.done() and not may_go.cancelled():
                self._give_back(line)
            elif waiter in line.waiting:
                line.waiting.remove(waiter)
            self._admit()
            raise

    def _take(self, line: _Line, tokens: int) -> None:
        self._free -= 1
        if line.lane is not None:
            line.lane.leave(tokens, self._clock.monotonic())

    def _let_go(self, line: _Line, waiter: _Waiter) -> None:
        self._take(line, waiter.tokens)
        waiter.may_go.set_result(None)

    def _give_back(self, line: _Line) -> None:
        """Whoever was let through was cancelled before it could go."""
        self._free += 1
        if line.lane is not None:
            now = self._clock.monotonic()
            line.lane.end(heard(None, 0.0), now, now)

    def _admit(self) -> None:
        """Let go whoever may, those who came first before others; wake up when the next may."""
        while self._free > 0:
            ready = [line for line, wait_s in self._heads() if wait_s == 0]
            if not ready:
                break
            line = min(ready, key=lambda line: line.waiting[0].ticket)
            self._let_go(line, line.waiting.popleft())
            if not line.waiting:
                line.is_told, line.slow_since = False, None
        if self._free > 0:
            self._set_alarm()

    def _heads(self) -> Iterator[tuple[_Line, float | None]]:
        """The lines in which somebody waits, with how long the first of them has to."""
        now = self._clock.monotonic()
        for line in self._lines.values():
            while line.waiting and line.waiting[0].may_go.cancelled():
                line.waiting.popleft()
            if line.waiting:
                yield line, line.wait_s(line.waiting[0].tokens, now)

    def _set_alarm(self) -> None:
        """Wake up when the first of all lines may go on; a new wish may bring that forward."""
        now = self._clock.monotonic()
        waits = [(line, wait_s) for line, wait_s in self._heads() if wait_s is not None]
        for line, wait_s in waits:
            self._note_slow(line, now, wait_s)
        if not waits:
            return
        wait_s = min(wait_s for _, wait_s in waits)
        rings_at = now + wait_s
        if self._alarm is not None and self._rings_at <= rings_at:
            return
        self.close()
        self._rings_at = rings_at
        self._alarm = asyncio.ensure_future(self._ring(wait_s))

    def _note_slow(self, line: _Line, now: float, wait_s: float) -> None:
        """Tell once of a line that waits, also where it is by many short waits."""
        since = line.slow_since = now if line.slow_since is None else line.slow_since
        whole_s = now - since + wait_s
        if whole_s >= TOLD_S and not line.is_told and line.way is not None:
            line.is_told = True
            self._on_slow(Slow(line.way, whole_s))

    async def _ring(self, wait_s: float) -> None:
        await self._sleep(wait_s)
        self._alarm = None
        self._admit()

    def close(self) -> None:
        """Nobody waits any more."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
