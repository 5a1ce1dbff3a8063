"""One request out, one whole reply in, within a deadline and a cap: what the rest calls the wire.

What a status or a body means, and whether to send again, is left to `flowrunner.responses`.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import httpx

from flowrunner.platform import raise_open_file_limit
from flowrunner.wire.body import Body
from flowrunner.wire.faults import Lost, NotSent
from flowrunner.wire.progress import Progress
from flowrunner.wire.proxied import Proxied
from flowrunner.wire.proxies import Proxies
from flowrunner.wire.request import WireRequest, sendable, target
from flowrunner.wire.tls import default_trust
from flowrunner.wire.transport import Transport, origin_of

_FILES_BESIDES = 128
"""Open files that a program needs apart from its connections."""


@dataclass(frozen=True, slots=True)
class WireSettings:
    """How a wire behaves.

    `proxies`: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY` as in an environment; the wire
    reads no environment itself. `at_once`: how many exchanges are expected at the same time; above
    0 the limit of open files is raised for them. `max_reply_bytes` counts the unpacked body.
    `keep_idle_s`: when an idle connection is closed (reuse is decided by each request). `trust`:
    whom TLS trusts, None for the system's authorities.
    """

    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    at_once: int = 0
    max_reply_bytes: int = 64 * 1024 * 1024
    connect_timeout_s: float = 10.0
    keep_idle_s: float = 15.0
    trust: ssl.SSLContext | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class WireReply:
    """A whole reply, whatever its status. Header names are lower-case; repeated ones are joined by
    `, `. `content` is unpacked; `elapsed_s` counts from the call of `exchange`."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)
    elapsed_s: float


class Wire:
    """Exchanges requests for replies over connections it keeps. Belongs to one event loop.

    Follows no redirect, keeps no cookie, repeats nothing. `transport` takes the place of the
    network (recordings, replay); it may raise NotSent and Lost and should honour `Terms`.
    """

    def __init__(
        self,
        settings: WireSettings | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._settings = settings or WireSettings()
        self._clock = clock
        self._proxies = Proxies.read(self._settings.proxies)
        self._direct = transport or Transport(
            clock=clock,
            connect_timeout_s=self._settings.connect_timeout_s,
            keep_idle_s=self._settings.keep_idle_s,
            trust=self._settings.trust,
        )
        self._replaced = transport is not None
        self._proxied: dict[httpx.URL, Proxied] = {}
        self._closed = False
        self.room = self._make_room()

    async def exchange(self, request: WireRequest, progress: Progress | None = None) -> WireReply:
        """Send a request once and read its reply whole.

        Raises NotSent (no byte left), Lost (bytes left, no whole reply), Unsendable (the request
        itself is wrong; nothing was opened). Where the caller is cancelled the connection is closed
        and CancelledError goes on; `progress.left` then says which of the two it was.
        """
        if self._closed:
            raise NotSent("cancelled", "the wire was closed before the request was sent")
        progress = progress or Progress()
        sent = sendable(request, progress)
        reading = _Reading(self._settings.max_reply_bytes, progress)
        began = self._clock()
        try:
            async with asyncio.timeout(request.timeout_s):
                content = await reading.whole(self._carrier(sent.url), sent)
        except TimeoutError:
            raise _out_of_time(request, sent.url, reading) from None
        except Lost as lost:
            raise reading.complete(self._own_doing() or lost) from None
        assert progress.status is not None
        return WireReply(progress.status, progress.headers, content, self._clock() - began)

    async def aclose(self) -> None:
        """Close every connection. Exchanges under way end in NotSent or Lost."""
        self._closed = True
        for transport in (self._direct, *self._proxied.values()):
            await transport.aclose()

    def proxy_for(self, url: str) -> str | None:
        """The proxy on the way to a URL as `host:port`, for showing; None where there is none."""
        proxy = self._proxies.between(origin_of(target(url)))
        return None if proxy is None else origin_of(proxy).place

    def _own_doing(self) -> Lost | None:
        if not self._closed:
            return None
        return Lost("closed", "the wire was closed before the answer ended")

    def _carrier(self, url: httpx.URL) -> httpx.AsyncBaseTransport:
        proxy = None if self._replaced else self._proxies.between(origin_of(url))
        if proxy is None:
            return self._direct
        if proxy not in self._proxied:
            trust = self._settings.trust or default_trust()
            self._proxied[proxy] = Proxied(proxy, trust, self._settings.connect_timeout_s)
        return self._proxied[proxy]

    def _make_room(self) -> int | None:
        wanted = self._settings.at_once
        if not wanted:
            return None
        return min(wanted, raise_open_file_limit(wanted + _FILES_BESIDES) - _FILES_BESIDES)


class _Reading:
    """What has come of a reply: enough to say so when the rest does not come."""

    def __init__(self, cap: int, progress: Progress) -> None:
        self._cap = cap
        self._body: Body | None = None
        self.progress = progress

    async def whole(self, transport: httpx.AsyncBaseTransport, request: httpx.Request) -> bytes:
        response = await transport.handle_async_request(request)
        self.progress.status = response.status_code
        self.progress.headers = _plain_headers(response.headers)
        self._body = Body(self.progress.headers.get("content-encoding", ""), self._cap)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        try:
            async for raw in response.stream:
                self._body.feed(raw)
        finally:
            await response.stream.aclose()
        return self._body.finish()

    def complete(self, lost: Lost) -> Lost:
        """The same loss with all that is known of the reply."""
        partial = lost.partial if self._body is None else self._body.so_far()
        status, headers = self.progress.status, self.progress.headers
        return Lost(lost.kind, lost.message, status=status, headers=headers, partial=partial)


def _out_of_time(request: WireRequest, url: httpx.URL, reading: _Reading) -> NotSent | Lost:
    place = origin_of(url).place
    within = f"within {request.timeout_s:g} s"
    if not reading.progress.left:
        return NotSent("connect-timeout", f"`{place}` took no connection {within}")
    what = "no answer" if reading.progress.status is None else "no whole answer"
    return reading.complete(Lost("timeout", f"{what} came from `{place}` {within}"))


def _plain_headers(headers: httpx.Headers) -> dict[str, str]:
    plain: dict[str, str] = {}
    for raw_name, raw_value in headers.raw:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        plain[name] = f"{plain[name]}, {value}" if name in plain else value
    return plain
