"""The HTTP of the official client over our own wire: its guard, its proxies, its caps.

Imports the extra `mcp`. What the client says over it is left to `connection`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from urllib.parse import urljoin

import httpx2

from flowrunner.tools.answer import CAP_BYTES_OF_PARTS
from flowrunner.tools.reach import Unreachable, origin_of, shown
from flowrunner.wire import Incoming, Lost, Secret, Unsendable, Wire, WireFault, WireRequest

_LONGEST_S = 86400.0
"""For what is bounded otherwise: each call has a deadline of its own, the run ends the rest."""
_OF_THE_WIRE = {
    "host", "content-length", "transfer-encoding", "connection", "expect", "accept-encoding",
}  # fmt: skip


class Carrier(httpx2.AsyncBaseTransport):
    """Sends requests to the origin of `url` only, with the server's own headers.

    `fault` is a sentence about the last request where it has no answer or a refusal.
    """

    def __init__(self, wire: Wire, url: str, headers: Mapping[str, str | Secret]) -> None:
        self._wire = wire
        self._origin = origin_of(url)
        self._headers = headers
        self.fault: str | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request and give the head of its answer, whose body is then to be read."""
        url = str(request.url)
        self.fault = None
        try:
            self._check(url)
            sent = WireRequest(
                request.method, url, self._merged(request), await request.aread(), _LONGEST_S
            )
            async with AsyncExitStack() as opened:
                reply = await opened.enter_async_context(self._wire.stream(sent))
                if 300 <= reply.status < 400:
                    self._check(urljoin(url, reply.headers.get("location", "")))
                reading = opened.pop_all()
        except (WireFault, Unsendable, Unreachable) as fault:
            self.fault = str(fault)
            raise httpx2.ConnectError(str(fault), request=request) from None
        if reply.status >= 400:
            self.fault = f"the server answered with status {reply.status}"
        is_endless = reply.headers.get("content-type", "").startswith("text/event-stream")
        return httpx2.Response(
            reply.status,
            headers=dict(reply.headers),
            stream=_Body(reading, reply, None if is_endless else CAP_BYTES_OF_PARTS),
            request=request,
        )

    def _check(self, url: str) -> None:
        """Raises Unreachable where the URL is not of the server's own origin."""
        if origin_of(url) != self._origin:
            told = f"the server leads to `{shown(url)}`, another place, which is not followed"
            raise Unreachable(told)

    def _merged(self, request: httpx2.Request) -> dict[str, str | Secret]:
        own = {name.lower() for name in self._headers} | _OF_THE_WIRE
        theirs = {name: value for name, value in request.headers.items() if name not in own}
        return {**theirs, **self._headers}


class _Body(httpx2.AsyncByteStream):
    def __init__(self, reading: AsyncExitStack, reply: Incoming, cap: int | None) -> None:
        self._reading = reading
        self._reply = reply
        self._cap = cap

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        try:
            async for piece in self._reply:
                size += len(piece)
                if self._cap is not None and size > self._cap:
                    raise httpx2.ReadError("the answer of the server is bigger than 16 MiB")
                yield piece
        except Lost as fault:
            raise httpx2.ReadError(fault.message) from None

    async def aclose(self) -> None:
        await self._reading.aclose()
