"""What a run needs from outside, as arguments: so a seed and a clock replay it in a test.

How each of them is made for a real run is left to `commands`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from flowrunner.journal.journal import Journal
from flowrunner.responses.outcome import Outcome, Reply
from flowrunner.responses.stream import Delta
from flowrunner.secrets import Scrubber
from flowrunner.tools.answer import ToolAnswer
from flowrunner.tools.request import CommandEnd
from flowrunner.wire import Progress


class Sender(Protocol):
    """Sends one request: exactly one paid POST, for a response or (`compact`) a shorter history,
    and an outcome whatever becomes of it. To look at a response and to cancel one is free, as is
    what `ask` sends to another resource."""

    async def send(
        self,
        body: dict[str, Any],
        *,
        client_request_id: str,
        timeout_s: float,
        fresh: bool = False,
        progress: Progress | None = None,
        watch: Callable[[Delta], None] | None = None,
    ) -> Outcome: ...

    async def compact(
        self,
        body: dict[str, Any],
        *,
        client_request_id: str,
        timeout_s: float,
        fresh: bool = False,
        progress: Progress | None = None,
    ) -> Outcome: ...

    async def retrieve(self, response_id: str, *, timeout_s: float) -> Outcome: ...

    async def cancel(self, response_id: str, *, timeout_s: float) -> Outcome: ...

    async def ask(
        self,
        method: Literal["GET", "POST", "DELETE"],
        path: str,
        *,
        timeout_s: float,
        content: bytes = b"",
        content_type: str = "application/json",
    ) -> Reply: ...


class Live(Protocol):
    """Sees answers while they are written; nothing of it is in the journal. It returns at once."""

    def tell(self, unit: str, delta: Delta) -> None: ...


class Clock(Protocol):
    """Time: `now` is Unix time for people, `monotonic` is for deadlines; both in seconds."""

    def now(self) -> float: ...
    def monotonic(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided. `way`: terminal, command."""

    granted: bool
    by: str
    way: str
    why: str | None = None


class People(Protocol):
    """Those who may be asked to agree. `is_there` says that somebody watches this process."""

    @property
    def is_there(self) -> bool: ...

    async def decided(self, unit: str, text: str) -> Decision | None:
        """What was decided about a unit by now; None while nothing was."""


class Found(Protocol):
    """A result of an earlier run, and where it stands."""

    @property
    def run(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def result(self) -> dict[str, Any]: ...


class Shelf(Protocol):
    """Results of earlier runs, by what was asked."""

    def look_up(
        self, fingerprint: str, *, nth: int = 1, newer_than: float | None = None
    ) -> Found | None: ...

    def exchange(self, run: str, unit: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """The last request of a unit that was answered, and its response; None where they are
        gone."""


class Lasting(Protocol):
    """Ids that outlive a run, by keys. What is lost is begun anew."""

    def get(self, key: str) -> str | None: ...
    def put(self, key: str, value: str, note: Mapping[str, str], *, over: str | None = None) -> str:
        """Keep an id, with a note for people; the one that is kept, which is another's unless it is
        to be put `over` that."""


class StandIns(Protocol):
    """Answers in the place of tools and programs, of which then nothing is called or started."""

    def has_tool(self, name: str) -> bool:
        """Whether calls by a name are answered here."""

    def tool(self, name: str, number: int) -> ToolAnswer:
        """What the call of a unit is answered that is its so-manieth by this name."""

    def program(self, unit: str, number: int) -> CommandEnd | None:
        """How the program of a unit ends that is started for the so-manieth time; None where it is
        to be started indeed."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything a run reaches the world through. `senders` has the one of each provider, by its
    name; `random` gives numbers in [0, 1); `pins` has the hashes of what servers of tools say.
    `stand_ins` answer for tools and programs in tests."""

    senders: Callable[[str], Sender]
    journal: Journal
    clock: Clock
    sleep: Callable[[float], Awaitable[None]]
    random: Callable[[], float]
    scrubber: Scrubber
    people: People
    environ: Mapping[str, str]
    shelf: Shelf | None = None
    live: Live | None = None
    lasting: Lasting | None = None
    pins: Lasting | None = None
    stand_ins: StandIns | None = None


EDITED = "edited"
"""Why a run is ended early whose files were edited: what is under way comes to its end."""


class Stopped(Exception):
    """The run is being ended: nothing more is sent."""


@dataclass(slots=True)
class Stop:
    """The wish that a run should end early, from a signal or a deadline, seen by all that waits.

    `reason` is None while nobody wishes it, else "interrupt", "terminate", "timeout", "edited" or
    "cancel"; then `by` is who wants no more of the run, and `why`. Whoever asks a second time is
    `pressed`: nothing in flight is waited for any longer.
    """

    reason: str | None = None
    by: str | None = None
    why: str | None = None
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    pressed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_signal(self) -> bool:
        """Whether a person or the system wishes it, and not a deadline."""
        return self.reason in ("interrupt", "terminate")

    def ask(self, reason: str) -> None:
        """Wish the end; the first reason stays."""
        if self.reason is None:
            self.reason = reason
            self.asked.set()
        else:
            self.pressed.set()

    def cancel(self, by: str, why: str | None) -> None:
        """Wish the end of the run for good."""
        if self.reason is None:
            self.by, self.why = by, why
            self.ask("cancel")
