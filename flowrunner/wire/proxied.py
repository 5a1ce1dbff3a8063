"""Exchanges over a transport of httpx's own (through a proxy), with its exceptions told apart.

Which proxy is left to `proxies`. httpx's pool slows down with many requests at once; the engine
warns about it.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx

from flowrunner.wire.faults import Lost, LostKind, NotSent, WireFault
from flowrunner.wire.guard import Guard, admitted
from flowrunner.wire.names import Names, look_up
from flowrunner.wire.pool import Origin
from flowrunner.wire.progress import Progress
from flowrunner.wire.tls import not_secure
from flowrunner.wire.transport import origin_of, terms_of

_KEEP_IDLE_S = 2.0


class Proxied(httpx.AsyncBaseTransport):
    """Speaks through a proxy. Raises NotSent and Lost, never an exception of httpx.

    A request that wants a fresh connection gets a transport of its own.
    """

    def __init__(
        self,
        proxy: httpx.URL,
        trust: ssl.SSLContext,
        connect_timeout_s: float,
        guard: Guard | None = None,
    ) -> None:
        self._guard = guard
        self._proxy = proxy
        self._trust = trust
        self._timeout = {"connect": connect_timeout_s, "read": None, "write": None, "pool": None}
        self._shared: httpx.AsyncHTTPTransport | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request and give the head of its answer, whose body is then to be read."""
        terms = terms_of(request)
        await self._check(origin_of(request.url))
        request.extensions = {
            **request.extensions,
            "timeout": self._timeout,
            "trace": _watch(terms.progress),
        }
        own = self._open() if terms.fresh or terms.max_idle_s < _KEEP_IDLE_S else None
        if own is None and self._shared is None:
            self._shared = self._open()
        transport = own or self._shared
        assert transport is not None
        via = f"`{origin_of(request.url).place}` through the proxy `{origin_of(self._proxy).place}`"
        try:
            response = await transport.handle_async_request(request)
        except httpx.TransportError as error:
            await _close(own)
            raise _told_apart(error, terms.progress, via) from None
        except BaseException:
            await _close(own)
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Reply(response.stream, own, terms.progress, via)
        return response

    async def aclose(self) -> None:
        """Close the connections kept."""
        await _close(self._shared)

    async def _check(self, origin: Origin) -> None:
        """What can be known here of where the proxy will connect. Raises NotSent `forbidden`."""
        if self._guard is None:
            return
        try:
            async with asyncio.timeout(self._timeout["connect"]):
                await admitted(self._guard, Names(time.monotonic, look_up), origin)
        except NotSent as fault:
            if fault.kind == "forbidden":
                raise
        except TimeoutError:
            pass  # Behind a proxy names are often known to the proxy alone.

    def _open(self) -> httpx.AsyncHTTPTransport:
        limits = httpx.Limits(
            max_connections=None, max_keepalive_connections=None, keepalive_expiry=_KEEP_IDLE_S
        )
        to_proxy = self._trust if self._proxy.scheme == "https" else None
        proxy = httpx.Proxy(self._proxy, ssl_context=to_proxy)
        return httpx.AsyncHTTPTransport(
            verify=self._trust, trust_env=False, limits=limits, proxy=proxy
        )


class _Reply(httpx.AsyncByteStream):
    def __init__(
        self,
        stream: httpx.AsyncByteStream,
        own: httpx.AsyncHTTPTransport | None,
        progress: Progress,
        via: str,
    ) -> None:
        self._stream = stream
        self._chunks = aiter(stream)
        self._own = own
        self._progress = progress
        self._via = via

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._chunks)
        except httpx.TransportError as error:
            raise _told_apart(error, self._progress, self._via, headed=True) from None

    async def aclose(self) -> None:
        await self._stream.aclose()
        await _close(self._own)


async def _close(transport: httpx.AsyncHTTPTransport | None) -> None:
    if transport is not None:
        await transport.aclose()


def _watch(progress: Progress) -> Callable[[str, dict[str, Any]], Any]:
    """A trace function of httpx that notices the request leaving (not the CONNECT before it)."""

    async def watch(event: str, details: dict[str, Any]) -> None:
        if event.endswith(".send_request_headers.started"):
            request = details.get("request")
            if getattr(request, "method", None) != b"CONNECT":
                progress.left = True

    return watch


def _told_apart(
    error: httpx.TransportError, progress: Progress, via: str, *, headed: bool = False
) -> WireFault:
    if not progress.left:
        return _not_sent(error, via)
    kind: LostKind = "reset"
    if isinstance(error, httpx.RemoteProtocolError):
        # h11 says the same of an answer cut short and of one that is no HTTP.
        kind = "truncated" if headed else "closed"
    elif isinstance(error, httpx.TimeoutException):
        kind = "timeout"
    return Lost(kind, f"the answer of {via} did not come whole")


def _not_sent(error: httpx.TransportError, via: str) -> NotSent:
    distrust = next((e for e in _causes(error) if isinstance(e, ssl.SSLError)), None)
    if distrust is not None:
        return not_secure(distrust, via)
    if isinstance(error, httpx.TimeoutException):
        return NotSent("connect-timeout", f"no connection to {via} came about in time")
    status = str(error)[:3]
    if isinstance(error, httpx.ProxyError) and status.isdigit():
        return NotSent("connect", f"the way to {via} was refused with status {status}")
    return NotSent("connect", f"no connection to {via} could be made")


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
