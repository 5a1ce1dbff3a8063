"""One connection: bytes in, HTTP requests out of them, replies back, and the faults of the wire.

What a request means and which fault strikes it is decided in `api`; accepting is left to `server`.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import h11

from flowrunner.simulator.api import Api
from flowrunner.simulator.envelope import Refusal
from flowrunner.simulator.exchange import Delivery, Reply, Request
from flowrunner.simulator.faults import Effect
from flowrunner.simulator.ledger import Ledger
from flowrunner.simulator.stream import Piece

_LARGEST_BODY = 100 * 1024 * 1024
_LARGEST_HEAD = 256 * 1024
_TOO_LARGE = f"The request body is larger than the {_LARGEST_BODY} bytes that are accepted."
_LINGER_NOT = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Hall:
    """What all connections of a server share: the API, its ledger, and who is there."""

    api: Api
    ledger: Ledger
    connections: set[Connection] = field(default_factory=set)
    empty: asyncio.Event = field(default_factory=asyncio.Event)
    is_closing: bool = False

    def enter(self, connection: Connection) -> None:
        """Note a connection; one that comes too late is turned away."""
        self.connections.add(connection)
        self.empty.clear()
        if self.is_closing:
            connection.abort()

    def leave(self, connection: Connection) -> None:
        """Note that a connection has ended."""
        self.connections.discard(connection)
        if not self.connections:
            self.empty.set()

    async def close(self) -> None:
        """End every connection and wait until all have ended."""
        self.is_closing = True
        if not self.connections:
            return
        for connection in tuple(self.connections):
            connection.abort()
        await self.empty.wait()


class Connection(asyncio.Protocol):
    """A client's connection, kept alive from one request to the next.

    A reply that must wait is delivered by an `asyncio.Task`, which ends when the client goes away.
    """

    def __init__(self, hall: Hall) -> None:
        self._hall = hall
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_LARGEST_HEAD)
        self._transport: asyncio.Transport
        self._head: h11.Request | None = None
        self._body: list[bytes] = []
        self._size = 0
        self._delivering: asyncio.Task[None] | None = None
        self._is_deaf = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._hall.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._hall.leave(self)
        if self._delivering is not None:
            self._delivering.cancel()

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        self._http.receive_data(data)
        if self._delivering is None:
            self._advance()

    def eof_received(self) -> bool:
        return False  # a client that has hung up is not waited for

    def abort(self) -> None:
        """End the connection at once."""
        self._transport.abort()

    def _advance(self) -> None:
        """Take up whatever has arrived, request after request, until more bytes are needed."""
        try:
            while self._take(self._http.next_event()):
                pass
        except h11.RemoteProtocolError as fault:
            message = f"The request is not valid HTTP: {fault}."
            self._refuse(Refusal(message, status=fault.error_status_hint))

    def _take(self, event: object) -> bool:
        """Act on one event of h11; whether the next one may be asked for."""
        match event:
            case h11.Request():
                self._head, self._body, self._size = event, [], 0
                declared = dict(event.headers).get(b"content-length", b"0")
                return self._accept_size(int(declared))
            case h11.Data():
                self._body.append(bytes(event.data))
                self._size += len(event.data)
                return self._accept_size(self._size)
            case h11.EndOfMessage():
                return self._receive()
            case h11.ConnectionClosed():
                self._transport.close()
                return False
            case _:
                if event is h11.NEED_DATA and self._http.they_are_waiting_for_100_continue:
                    go_on = h11.InformationalResponse(status_code=100, headers=[])
                    self._write(self._http.send(go_on) or b"")
                return False

    def _accept_size(self, size: int) -> bool:
        if size <= _LARGEST_BODY:
            return True
        self._refuse(Refusal(_TOO_LARGE, status=413))
        return False

    def _receive(self) -> bool:
        assert self._head is not None
        request = Request(
            method=self._head.method.decode("ascii"),
            target=self._head.target.decode("ascii", "replace"),
            headers={
                name.decode("ascii"): value.decode("latin-1") for name, value in self._head.headers
            },
            content=b"".join(self._body),
        )
        self._body = []
        delivery = self._hall.api.receive(request)
        if delivery.is_immediate:
            assert delivery.reply is not None
            head = self._begin(delivery, delivery.reply)
            self._write(head + self._part(delivery.reply.content))
            return self._end_reply()
        self._delivering = asyncio.get_running_loop().create_task(self._deliver(delivery))
        self._delivering.add_done_callback(lambda _: delivery.settle())  # also when it is cancelled
        return False

    async def _deliver(self, delivery: Delivery) -> None:
        await asyncio.sleep(delivery.delay_s)
        if delivery.reply is not None:
            await self._send_reply(delivery, delivery.reply)
        delivery.settle()
        await self._end(delivery.effect)

    async def _send_reply(self, delivery: Delivery, reply: Reply) -> None:
        self._write(self._begin(delivery, reply))
        if reply.pieces is not None:
            await self._send_pieces(delivery.effect, reply.pieces)
            return
        delivery.settle()
        await self._send_body(delivery.effect, reply.content[: delivery.effect.cut])

    async def _send_body(self, effect: Effect, content: bytes) -> None:
        size = effect.drip or len(content)
        for start in range(0, len(content), size or 1):
            if start:
                await asyncio.sleep(effect.drip_s)
            self._write(self._part(content[start : start + size]))

    async def _send_pieces(self, effect: Effect, pieces: Iterator[Piece]) -> None:
        """Send a stream; each piece is asked for only when the one before has left."""
        left = effect.cut
        for piece in pieces:
            await _sleep_out(piece.wait_s)
            await self._send_body(effect, piece.content[:left])
            if left is not None:
                left -= len(piece.content)
                if left <= 0:
                    return

    async def _end(self, effect: Effect) -> None:
        match effect.ending:
            case "finish":
                self._delivering = None
                if self._end_reply():
                    self._advance()
                return
            case "reset":
                self._reset()
                return
            case "hang":
                await _sleep_out(effect.hang_s)
        self._transport.close()

    def _begin(self, delivery: Delivery, reply: Reply) -> bytes:
        self._hall.ledger.note_status(delivery.call, reply.status)
        return self._head_of(reply)

    def _head_of(self, reply: Reply) -> bytes:
        head = h11.Response(status_code=reply.status, headers=list(reply.headers))
        return self._http.send(head) or b""

    def _part(self, content: bytes) -> bytes:
        if not content or (self._head is not None and self._head.method == b"HEAD"):
            return b""
        return self._http.send(h11.Data(data=content)) or b""

    def _write(self, sent: bytes) -> None:
        if sent and not self._transport.is_closing():
            self._transport.write(sent)

    def _end_reply(self) -> bool:
        """Finish a reply; whether the connection is ready for the next request."""
        self._write(self._http.send(h11.EndOfMessage()) or b"")
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            self._head = None
            return True
        self._transport.close()
        return False

    def _refuse(self, refusal: Refusal) -> None:
        """Answer what is no request, and listen no more: what follows cannot be understood."""
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            reply = self._hall.api.refuse(refusal)
            self._write(self._head_of(reply) + self._part(reply.content))
        # Closing now would reset the connection under a client that is still sending.
        self._is_deaf = True
        self._transport.write_eof()

    def _reset(self) -> None:
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self._transport.abort()


async def _sleep_out(seconds: float | None) -> None:
    if seconds is None:
        await asyncio.Event().wait()  # until the client or the server goes away
    else:
        await asyncio.sleep(seconds)
