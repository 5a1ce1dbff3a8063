"""A reply whose head has come: its body read whole under a cap, or piece by piece as it comes.

Nothing is read ahead of whoever takes the pieces, so that a slow reader slows the server down.
Deadlines, and what is said when one passes, are left to `exchange`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import httpx

from flowrunner.wire.body import Body
from flowrunner.wire.faults import Lost
from flowrunner.wire.progress import Progress


class Incoming:
    """One reply, while it comes. Iterating gives the pieces of its body and raises Lost.

    Only what is not packed can be taken in pieces. `status` and `headers` are those of a WireReply.
    """

    def __init__(self, cap: int, progress: Progress, allow: Callable[[float], None]) -> None:
        self._cap = cap
        self._progress = progress
        self._allow = allow
        self._stream: httpx.AsyncByteStream | None = None
        self._pieces: AsyncIterator[bytes] | None = None
        self._body: Body | None = None

    @property
    def status(self) -> int:
        """The status of the reply."""
        assert self._progress.status is not None
        return self._progress.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers by their lower-case names."""
        return self._progress.headers

    async def open(self, transport: httpx.AsyncBaseTransport, request: httpx.Request) -> None:
        """Send the request and wait for the head of the reply."""
        response = await transport.handle_async_request(request)
        self._progress.status = response.status_code
        self._progress.headers = _plain_headers(response.headers)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        self._stream, self._pieces = response.stream, aiter(response.stream)

    def wait_at_most(self, seconds: float) -> None:
        """Give the rest so many seconds from now on, within the deadline of the whole exchange."""
        self._allow(seconds)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        assert self._pieces is not None
        packed = self.headers.get("content-encoding", "identity").strip().lower()
        if packed not in ("", "identity"):
            raise Lost("protocol", f"the stream is packed as `{packed[:20]}`, which it may not be")
        return await anext(self._pieces)

    async def read(self, before: bytes = b"") -> bytes:
        """The body whole, unpacked; `before` are the pieces of it that were taken already."""
        assert self._pieces is not None
        self._body = Body(self.headers.get("content-encoding", ""), self._cap)
        self._body.feed(before)
        async for raw in self._pieces:
            self._body.feed(raw)
        return self._body.finish()

    async def aclose(self) -> None:
        """Leave what has not been read; without it the connection can serve again."""
        if self._stream is not None:
            await self._stream.aclose()

    def complete(self, lost: Lost) -> Lost:
        """The same loss with all that is known of the reply."""
        partial = lost.partial if self._body is None else self._body.so_far()
        status, headers = self._progress.status, self._progress.headers
        return Lost(lost.kind, lost.message, status=status, headers=headers, partial=partial)


class Patience:
    """How long an exchange may take: `timeout_s` for all of it, `silence_s` until it is given
    anew. Enter it around everything that waits; TimeoutError comes out of it."""

    def __init__(self, timeout_s: float, silence_s: float | None) -> None:
        self._timeout_s = timeout_s
        self._silence_s = silence_s
        self._until = 0.0
        self._limit: asyncio.Timeout | None = None
        self.allowed_s = timeout_s
        self.is_for_all = True

    async def __aenter__(self) -> Patience:
        self._limit = asyncio.timeout(None)
        await self._limit.__aenter__()
        self._until = asyncio.get_running_loop().time() + self._timeout_s
        self.allow(self._timeout_s if self._silence_s is None else self._silence_s)
        return self

    async def __aexit__(self, *fault: Any) -> None:
        assert self._limit is not None
        await self._limit.__aexit__(*fault)

    def allow(self, seconds: float) -> None:
        """Wait so many seconds from now on, within what there is for all of it."""
        assert self._limit is not None
        if self._limit.expired():
            return
        until = asyncio.get_running_loop().time() + seconds
        self.is_for_all = until >= self._until
        self.allowed_s = self._timeout_s if self.is_for_all else seconds
        self._limit.reschedule(min(until, self._until))


def _plain_headers(headers: httpx.Headers) -> dict[str, str]:
    plain: dict[str, str] = {}
    for raw_name, raw_value in headers.raw:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        plain[name] = f"{plain[name]}, {value}" if name in plain else value
    return plain
