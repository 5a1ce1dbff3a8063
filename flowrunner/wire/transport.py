"""flowrunner's own transport under httpx's API: a pool without a limit, one clear fate a request.

httpx's pool costs time quadratic in the number of connections; this one is constant. How many
requests may be out at once is left to the engine's limiter, deadlines and caps to `exchange`.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import h11
import httpx

from flowrunner.wire.connection import Connection
from flowrunner.wire.dial import Dialler
from flowrunner.wire.faults import NotSent
from flowrunner.wire.guard import Guard
from flowrunner.wire.names import LookUp, Names, look_up
from flowrunner.wire.pool import Origin, Pool
from flowrunner.wire.progress import Progress

TERMS = "flowrunner.terms"
"""The name under which a request's `extensions` carry its Terms."""
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Terms:
    """What an exchange asks of its transport.

    `fresh`: open a new connection. `max_idle_s`: reuse one only if it has been idle for less.
    """

    progress: Progress = field(default_factory=Progress)
    fresh: bool = False
    max_idle_s: float = 2.0


def terms_of(request: httpx.Request) -> Terms:
    """The terms of a request; the ordinary ones where it carries none."""
    terms = request.extensions.get(TERMS)
    return terms if isinstance(terms, Terms) else Terms()


def origin_of(url: httpx.URL) -> Origin:
    """Where a URL leads."""
    host = url.raw_host.decode("ascii").lower()
    return Origin(url.scheme, host, _PORTS[url.scheme] if url.port is None else url.port)


class Transport(httpx.AsyncBaseTransport):
    """HTTP/1.1 over own connections. Raises NotSent and Lost, never an exception of httpx.

    The response's stream gives the body as it comes, still packed. A request cancelled midway takes
    its connection along; its `Progress` says whether a byte had left.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        connect_timeout_s: float,
        keep_idle_s: float,
        trust: ssl.SSLContext | None = None,
        look_up: LookUp = look_up,
        guard: Guard | None = None,
    ) -> None:
        self._pool = Pool(clock, keep_idle_s)
        self._dialler = Dialler(Names(clock, look_up), connect_timeout_s, trust, guard)
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request and give the head of its answer, whose body is then to be read."""
        content = await request.aread()
        head = h11.Request(
            method=request.method, target=request.url.raw_path, headers=request.headers.raw
        )
        terms = terms_of(request)
        connection = await self._connection(origin_of(request.url), terms)
        try:
            answer = await connection.ask(head, content, terms.progress)
        except BaseException:
            connection.abort()
            raise
        return httpx.Response(
            answer.status_code,
            headers=answer.headers.raw_items(),
            stream=ReplyStream(connection, self._pool),
            extensions={"http_version": b"HTTP/" + answer.http_version},
        )

    async def aclose(self) -> None:
        """Close every connection; requests under way end in NotSent or Lost."""
        self._closed = True
        await self._pool.aclose()

    async def _connection(self, origin: Origin, terms: Terms) -> Connection:
        idle = None if terms.fresh else self._pool.take(origin, terms.max_idle_s)
        if idle is not None:
            return idle
        connection = await self._dialler.dial(origin, self._pool.forget)
        if self._closed:
            connection.abort()
            raise NotSent("cancelled", "the connections were closed before the request was sent")
        self._pool.add(connection, origin)
        return connection


class ReplyStream(httpx.AsyncByteStream):
    """The body of a reply as it comes; gives its connection back at the end of it."""

    def __init__(self, connection: Connection, pool: Pool) -> None:
        self._connection: Connection | None = connection
        self._pool = pool

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._connection is None:
            raise StopAsyncIteration
        try:
            chunk = await self._connection.read()
        except BaseException:
            await self.aclose()
            raise
        if chunk is not None:
            return chunk
        connection, self._connection = self._connection, None
        self._pool.give_back(connection)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Leave the rest of the body; the connection cannot be used again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()
