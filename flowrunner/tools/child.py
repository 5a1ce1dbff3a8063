"""One started program and all that it started: what they write, and how they are made to go.

Which program that is, and what its end means, is left to `command`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from flowrunner.platform import group_lives, kill_group
from flowrunner.tools.request import STDERR_BYTES

# No event tells that a group is empty: it is looked at, less and less often.
_FIRST_LOOK_S, _LAST_LOOK_S = 0.005, 0.1
_GONE_S = 5.0
"""How long a killed program is waited for: one that hangs in the system cannot be killed."""


@dataclass(frozen=True)
class Patience:
    """How long others are waited for, in seconds.

    `grace_s` between asking a group to end and ending it; `linger_s` for the rest of the output
    after the program itself has ended, while something that it left behind keeps it open.
    """

    grace_s: float = 2.0
    linger_s: float = 0.5


class Child(asyncio.SubprocessProtocol):
    """The output of a program under its caps, and the moments that its watcher waits for."""

    def __init__(self, cap_bytes: int) -> None:
        self._cap_bytes = cap_bytes
        self._stdout = bytearray()
        self._stderr = bytearray()
        self._open = {1, 2}
        self._transport: asyncio.SubprocessTransport | None = None
        self.truncated = False
        self.left_behind = False
        self.pid = 0
        self.notable = asyncio.Event()
        """It has ended, or written more than it may."""
        self.silent = asyncio.Event()
        """Nothing more of its output can come, or is wanted."""
        self._exited = asyncio.Event()
        self._closed = asyncio.Event()

    @property
    def stdout(self) -> bytes:
        return bytes(self._stdout)

    @property
    def stderr(self) -> bytes:
        return bytes(self._stderr[-STDERR_BYTES:])

    @property
    def returncode(self) -> int | None:
        """As `subprocess` has it: the exit status, or a signal's number below zero."""
        return None if self._transport is None else self._transport.get_returncode()

    @property
    def has_exited(self) -> bool:
        return self._exited.is_set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._transport = transport
        self.pid = transport.get_pid()

    def pipe_data_received(self, fd: int, content: bytes) -> None:
        if fd == 1:
            self.keep(content)
        else:
            self._stderr += content
            if len(self._stderr) > 2 * STDERR_BYTES:
                del self._stderr[:-STDERR_BYTES]

    def keep(self, content: bytes) -> None:
        """Take what came on stdout."""
        room = self._cap_bytes - len(self._stdout)
        self._stdout += content[:room]
        if len(content) > room:
            self.truncated = True
            self.notable.set()
            self.silent.set()

    def pipe_connection_lost(self, fd: int, _: Exception | None) -> None:
        self._open.discard(fd)
        if not self._open:
            self.silent.set()

    def process_exited(self) -> None:
        self._exited.set()
        self.notable.set()

    def connection_lost(self, _: Exception | None) -> None:
        self._closed.set()

    async def listen_out(self, linger_s: float) -> None:
        """After the program's own end: take what is still in the pipes, and not for ever."""
        await within(linger_s, self.silent)
        self.left_behind = bool(self._open) and not self.truncated

    async def end(self, patience: Patience) -> None:
        """End the whole group and let go of everything; returns when nothing of it is left.

        A cancellation cuts the patience short, never the ending: it is raised afterwards.
        """
        gone = False
        try:
            gone = not kill_group(self.pid, force=False) or await self._is_gone(patience.grace_s)
        finally:
            if not gone:
                kill_group(self.pid, force=True)
            await to_its_end(asyncio.create_task(self._let_go(patience.linger_s, gone)))

    async def _is_gone(self, wait_s: float) -> bool:
        """Whether within that time nothing of the group is left, children of children included."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._exited.wait()
                look_s = _FIRST_LOOK_S
                while group_lives(self.pid):
                    await asyncio.sleep(look_s)
                    look_s = min(look_s * 2, _LAST_LOOK_S)
                return True
        return False

    async def _let_go(self, linger_s: float, gone: bool) -> None:
        await within(_GONE_S, self._exited)
        if not gone:
            await self._is_gone(linger_s)
        await within(linger_s, self.silent)
        if self._transport is not None:
            self._transport.close()
        await within(_GONE_S if self.has_exited else 0, self._closed)


async def within(seconds: float, event: asyncio.Event) -> bool:
    """Whether the event came in that time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            return await event.wait()
    return event.is_set()


async def to_its_end(running: asyncio.Task[Any]) -> None:
    """Wait for what must not be cut short; a cancellation meanwhile is raised when it is done.

    How it ended is for the caller to read from it.
    """
    cancelled = None
    while not running.done():
        try:
            await asyncio.wait({running})
        except asyncio.CancelledError as again:
            cancelled = again
    if cancelled is not None:
        raise cancelled
