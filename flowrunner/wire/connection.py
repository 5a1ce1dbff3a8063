"""One HTTP/1.1 connection: it carries one exchange at a time and says what became of each.

h11 writes and parses; the bytes come and go through asyncio, directly or through `tls`. Choosing a
connection is left to `pool`, opening one to `dial`, caps on the body to `body`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol

import h11

from flowrunner.wire.faults import Lost
from flowrunner.wire.progress import Progress

MAX_HEAD_BYTES = 256 * 1024
"""The most a status line and its headers may measure."""
_READ_AHEAD_BYTES = 256 * 1024
"""How much may wait unparsed before the other side has to."""
_WRITE_STEP_BYTES = 256 * 1024
_SHOWN_BYTES = 1024
"""How much of an answer that is no HTTP is kept for people to look at."""


class Channel(Protocol):
    """What a connection writes to: a transport of asyncio, or TLS over one."""

    def write(self, data: bytes | memoryview) -> None: ...
    def is_closing(self) -> bool: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...


class Connection(asyncio.Protocol):
    """A connection to `place` (`host:port`, as shown to people) over an own socket.

    `on_closed` is called once, when the connection is gone, whoever ended it.
    """

    __slots__ = (
        "_answer", "_broken", "_channel", "_ended", "_h11", "_heard", "_on_closed", "_open",
        "_place", "_read_paused", "_socket", "_unread", "_waiter", "_whole", "_write_paused",
        "busy", "idle_since",
    )  # fmt: skip

    def __init__(
        self, sock: socket.socket, place: str, on_closed: Callable[[Connection], None]
    ) -> None:
        self._socket = sock
        self._place = place
        self._on_closed = on_closed
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._channel: Channel | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._answer: h11.Response | None = None
        self._broken: Exception | None = None
        self._open = True
        self._ended = self._whole = False
        self._heard = b""
        self._read_paused = self._write_paused = False
        self._unread = 0
        self.busy = True
        self.idle_since = 0.0

    # What asyncio (or TLS) calls.

    def connection_made(self, transport: asyncio.BaseTransport | Channel) -> None:
        assert not isinstance(transport, asyncio.BaseTransport) or isinstance(
            transport, asyncio.Transport
        )
        self._channel = transport

    def data_received(self, data: bytes) -> None:
        if not self.busy:  # Nobody asked: whatever this is, it answers no request of ours.
            self.abort()
            return
        self._heard = self._heard or data[:_SHOWN_BYTES]
        self._h11.receive_data(data)
        self._unread += len(data)
        if self._unread > _READ_AHEAD_BYTES and not self._read_paused and self._channel:
            self._read_paused = True
            self._channel.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._ended = True
        self._h11.receive_data(b"")
        self._wake()

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._open = False
        self._broken = exc
        self._wake()
        self._on_closed(self)

    # What the transport calls.

    async def ask(self, request: h11.Request, content: bytes, progress: Progress) -> h11.Response:
        """Send a request and give the head of its answer; 1xx answers are passed over.

        `progress.left` is set before the first byte is written. An answer that comes before the
        request was sent whole ends the sending. Raises Lost.
        """
        self._answer, self._heard, self._whole = None, b"", False
        head = self._h11.send(request) or b""
        self._h11.send_with_data_passthrough(h11.Data(data=content))
        self._h11.send(h11.EndOfMessage())
        progress.left = True
        await self._write(head, content)
        while (answer := self._answered()) is None:
            await self._changed()
        return answer

    async def read(self) -> bytes | None:
        """The next bytes of the answer's body, framing removed, still packed; None at its end.

        Raises Lost.
        """
        while True:
            event = self._next()
            if isinstance(event, h11.Data):
                return bytes(event.data)
            if isinstance(event, h11.EndOfMessage):
                return None
            await self._changed()

    def finish(self) -> bool:
        """End the exchange; whether the connection may carry another one."""
        if not self._whole or not self.is_open() or self._h11.trailing_data[0]:
            return False
        if self._h11.our_state is not h11.DONE or self._h11.their_state is not h11.DONE:
            return False
        self._h11.start_next_cycle()
        self.busy = False
        return True

    def is_open(self) -> bool:
        """Whether nothing known speaks against writing to it."""
        return (
            self._open
            and not self._ended
            and self._channel is not None
            and not self._channel.is_closing()
        )

    def is_quiet(self) -> bool:
        """Whether the other side has neither closed nor said anything, asked of the kernel now.

        Only true for certain until the loop turns: write before anything is awaited.
        """
        if not self.is_open():
            return False
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            pass
        return False

    def close(self) -> None:
        """End it politely; for a connection that nobody waits on."""
        if self._channel is not None:
            self._channel.close()

    def abort(self) -> None:
        """End it now; whoever waits on it gets Lost."""
        if self._channel is not None:
            self._channel.abort()

    # Within.

    async def _write(self, head: bytes, content: bytes) -> None:
        assert self._channel is not None
        if len(content) <= _WRITE_STEP_BYTES:
            self._channel.write(head + content)
            self._whole = True
            return
        self._channel.write(head)
        view = memoryview(content)
        for start in range(0, len(content), _WRITE_STEP_BYTES):
            self._channel.write(view[start : start + _WRITE_STEP_BYTES])
            while self._write_paused or not self.is_open():
                if self._answered() is not None:
                    return
                await self._changed()
        self._whole = True

    def _answered(self) -> h11.Response | None:
        """The head of the answer if it has come. Raises Lost."""
        while self._answer is None and (event := self._next()) is not None:
            if isinstance(event, h11.Response):
                self._answer = event
        return self._answer

    def _next(self) -> h11.Event | None:
        """The next event that has come whole; None while more must come. Raises Lost."""
        try:
            event = self._h11.next_event()
        except h11.RemoteProtocolError as error:
            raise self._lost(too_long=error.error_status_hint == 431) from None
        if isinstance(event, h11.Event):
            return event
        if not self._open or event is h11.PAUSED:
            raise self._lost()
        self._unread = 0
        if self._read_paused and self._channel:
            self._read_paused = False
            self._channel.resume_reading()
        return None

    def _lost(self, *, too_long: bool = False) -> Lost:
        if self._broken is not None:
            return Lost("reset", f"the connection to `{self._place}` broke before the answer ended")
        if not self._ended and self._open:
            return self._not_http(too_long)
        if self._heard:
            return Lost("truncated", f"`{self._place}` closed the connection amid its answer")
        return Lost("closed", f"`{self._place}` closed the connection without an answer")

    def _not_http(self, too_long: bool) -> Lost:
        if too_long:
            limit = MAX_HEAD_BYTES // 1024
            return Lost("too-big", f"the headers of `{self._place}` are bigger than {limit} kB")
        return Lost("protocol", f"what `{self._place}` answered is not HTTP", partial=self._heard)

    async def _changed(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
