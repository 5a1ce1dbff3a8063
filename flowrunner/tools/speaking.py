"""A program that is spoken with in lines: it is started once, told and heard, and ended with care.

What the lines mean is left to `computer` and to the servers.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from flowrunner.tools.answer import CAP_BYTES_OF_PARTS, MEMORY_BYTES
from flowrunner.tools.child import Child, Patience, within
from flowrunner.tools.command import start_program
from flowrunner.tools.programs import command_environment
from flowrunner.tools.request import CommandEnd, CommandRequest
from flowrunner.tools.words import describe_end

_LINGER_S = 0.5
"""How long lines are waited for after the program itself has ended."""
_UNREAD_LINES = 1000


class Speaker(Child):
    """One program whose lines are read one by one; a line may have `line_cap` bytes.

    Of lines that nobody reads no more than twice that, or a thousand, are kept: then the program
    has to wait.
    """

    def __init__(self, argv: tuple[str, ...], line_cap: int) -> None:
        super().__init__(line_cap)
        self._argv = argv
        self._line_cap = line_cap
        self._begun = bytearray()
        self._lines: deque[bytes] = deque()
        self._unread = 0
        self._heard = asyncio.Event()
        self._ended = False
        self._is_held = False
        self._may_write = asyncio.Event()
        self._may_write.set()

    async def say(self, line: bytes) -> bool:
        """Send a line; False where the program hears nothing any more."""
        pipe = None if self._transport is None else self._transport.get_pipe_transport(0)
        if not isinstance(pipe, asyncio.WriteTransport) or pipe.is_closing():
            return False
        pipe.write(line + b"\n")
        await self._may_write.wait()
        return not pipe.is_closing()

    async def hear(self) -> bytes | None:
        """The next line without its end; None when no more will come."""
        while not self._lines:
            if self._ended:
                return None
            self._heard.clear()
            await self._heard.wait()
        line = self._lines.popleft()
        self._unread -= len(line)
        self._hold(self._is_full())
        return line

    async def last_words(self, linger_s: float) -> str:
        """How it ended, when no more lines come: one sentence without its full stop."""
        await within(linger_s, self.notable)
        if self.has_exited:
            await within(linger_s, self.silent)
        if self.truncated:
            mib = self._line_cap // 1024**2
            return f"`{self._argv[0]}` wrote a line of more than {mib} MiB and was ended"
        code = self.returncode
        if code is None:
            return f"`{self._argv[0]}` closed its output"
        return describe_end(
            CommandEnd(
                program=self._argv[0],
                status=code if code >= 0 else None,
                signal=-code if code < 0 else None,
                stdout=b"",
                stderr=self.stderr,
                truncated=False,
                timed_out=False,
                left_behind=False,
                elapsed_s=0,
                timeout_s=0,
                cap_bytes=0,
            )
        )

    async def end(self, patience: Patience) -> None:
        """Close its input, which asks most programs to end, then end it with all it started."""
        pipe = None if self._transport is None else self._transport.get_pipe_transport(0)
        if isinstance(pipe, asyncio.WriteTransport):
            pipe.close()
        self._hold(False)
        self._finish()
        try:
            await within(patience.grace_s, self._exited)
        finally:
            await super().end(patience)

    # What asyncio calls.

    def keep(self, content: bytes) -> None:
        if self._ended:
            return
        *whole, rest = content.split(b"\n")
        for part in whole:
            self._begun += part
            if len(self._begun) <= self._line_cap:
                self._lines.append(bytes(self._begun).rstrip(b"\r"))
                self._unread += len(self._begun)
            else:
                self.truncated = True
            self._begun.clear()
        self._begun += rest
        self._heard.set()
        if self.truncated or len(self._begun) > self._line_cap:
            self.truncated = True
            self.notable.set()
            self._finish()
        self._hold(self._is_full())

    def pipe_connection_lost(self, fd: int, fault: Exception | None) -> None:
        super().pipe_connection_lost(fd, fault)
        if fd == 0:
            self._may_write.set()
        if fd == 1:
            self._finish()

    def process_exited(self) -> None:
        super().process_exited()
        self._may_write.set()
        asyncio.get_running_loop().call_later(_LINGER_S, self._finish)

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    # Within.

    def _finish(self) -> None:
        self._ended = True
        self._heard.set()

    def _is_full(self) -> bool:
        return self._unread > self._line_cap or len(self._lines) > _UNREAD_LINES

    def _hold(self, wanted: bool) -> None:
        pipe = None if self._transport is None else self._transport.get_pipe_transport(1)
        if wanted == self._is_held or not isinstance(pipe, asyncio.ReadTransport):
            return
        self._is_held = wanted
        if not pipe.is_closing():
            pipe.pause_reading() if wanted else pipe.resume_reading()


async def start_speaker(
    argv: tuple[str, ...],
    env: tuple[str, ...],
    *,
    folder: Path,
    environ: Mapping[str, str],
    line_cap: int = CAP_BYTES_OF_PARTS,
) -> Speaker:
    """Start a program to speak with. Raises CannotStart."""
    request = CommandRequest(
        argv,
        folder=folder,
        env=command_environment(environ, env),
        stdin=None,
        timeout_s=0,
        memory_bytes=MEMORY_BYTES,
    )
    return await start_program(request, subprocess.PIPE, lambda: Speaker(argv, line_cap))
