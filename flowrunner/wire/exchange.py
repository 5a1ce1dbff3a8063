"""One request out, one reply in, within a deadline and a cap: what the rest calls the wire.

What a status or a body means, and whether to send again, is left to `flowrunner.responses`.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from flowrunner.platform import raise_open_file_limit
from flowrunner.wire.faults import Lost, NotSent
from flowrunner.wire.guard import Guard
from flowrunner.wire.incoming import Incoming, Patience
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
    whom TLS trusts, None for the system's authorities. `guard`: which addresses may be reached,
    None for all; through a proxy it is the proxy that connects, so that only what the host's name
    means on this machine is checked.
    """

    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    at_once: int = 0
    max_reply_bytes: int = 64 * 1024 * 1024
    connect_timeout_s: float = 10.0
    keep_idle_s: float = 15.0
    trust: ssl.SSLContext | None = field(default=None, repr=False)
    guard: Guard | None = None


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
            guard=self._settings.guard,
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
        began = self._clock()
        async with self.stream(request, progress) as reply:
            content = await reply.read()
        return WireReply(reply.status, reply.headers, content, self._clock() - began)

    @asynccontextmanager
    async def stream(
        self, request: WireRequest, progress: Progress | None = None
    ) -> AsyncIterator[Incoming]:
        """Send a request once; when the head of its reply has come, the reply, to be taken in
        pieces. The connection serves again where it was taken to its end.

        Raises, also where the pieces stop coming, what `exchange` raises.
        """
        if self._closed:
            raise NotSent("cancelled", "the wire was closed before the request was sent")
        progress = progress or Progress()
        sent = sendable(request, progress)
        patience = Patience(request.timeout_s, request.silence_s)
        reply = Incoming(self._settings.max_reply_bytes, progress, patience.allow)
        try:
            async with patience:
                try:
                    await reply.open(self._carrier(sent.url), sent)
                    yield reply
                finally:
                    await reply.aclose()
        except TimeoutError:
            raise reply.complete(_out_of_time(patience, sent.url, progress)) from None
        except Lost as lost:
            raise reply.complete(self._own_doing() or lost) from None

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
            seconds, guard = self._settings.connect_timeout_s, self._settings.guard
            self._proxied[proxy] = Proxied(proxy, trust, seconds, guard)
        return self._proxied[proxy]

    def _make_room(self) -> int | None:
        wanted = self._settings.at_once
        if not wanted:
            return None
        return min(wanted, raise_open_file_limit(wanted + _FILES_BESIDES) - _FILES_BESIDES)


def _out_of_time(patience: Patience, url: httpx.URL, progress: Progress) -> Lost:
    """Raises NotSent where nothing had left."""
    place = origin_of(url).place
    within = f"within {patience.allowed_s:g} s"
    if not progress.left:
        raise NotSent("connect-timeout", f"`{place}` took no connection {within}") from None
    if progress.status is None:
        return Lost("timeout", f"no answer came from `{place}` {within}")
    if patience.is_for_all:
        return Lost("timeout", f"no whole answer came from `{place}` {within}")
    return Lost("timeout", f"`{place}` said nothing for {patience.allowed_s:g} s amid its answer")
