"""Opens connections: names, addresses in turn, TCP, TLS; until one is open nothing can be lost.

Which connection an exchange uses is left to `pool`.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

from flowrunner.wire.connection import Connection
from flowrunner.wire.faults import NotSent
from flowrunner.wire.guard import Guard, admitted
from flowrunner.wire.names import Address, Names
from flowrunner.wire.pool import Origin
from flowrunner.wire.tls import Tls, default_trust, not_secure

_FIRST_ADDRESS_S = 2.0
"""How long an address may take while there are others to try."""
_PROBE_S = 60
"""A call may be silent for minutes: probes keep middleboxes from dropping it, and notice a dead
peer."""


class Dialler:
    """Opens connections within `connect_timeout_s` (name, TCP and TLS together), to addresses that
    the guard admits."""

    def __init__(
        self,
        names: Names,
        connect_timeout_s: float,
        trust: ssl.SSLContext | None,
        guard: Guard | None = None,
    ) -> None:
        self._names = names
        self._guard = guard
        self._connect_timeout_s = connect_timeout_s
        self._trust = trust

    async def dial(self, origin: Origin, on_closed: Callable[[Connection], None]) -> Connection:
        """A new, busy connection. Raises NotSent."""
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                sock = await self._reach(origin)
                try:
                    connection = await self._speak(sock, origin, on_closed)
                except BaseException:
                    sock.close()
                    raise
        except TimeoutError:
            waited = f"within {self._connect_timeout_s:g} s"
            raise NotSent(
                "connect-timeout", f"`{origin.place}` took no connection {waited}"
            ) from None
        if connection.is_open():
            return connection
        connection.abort()
        raise NotSent("connect", f"`{origin.place}` closed the connection as soon as it was open")

    async def _reach(self, origin: Origin) -> socket.socket:
        addresses = await admitted(self._guard, self._names, origin)
        last: NotSent | None = None
        for place, address in enumerate(addresses, start=1):
            limit = None if place == len(addresses) else _FIRST_ADDRESS_S
            try:
                async with asyncio.timeout(limit):
                    sock = await _connect(address, origin.port)
            except OSError as error:
                last = _not_connected(error, origin)
                continue
            self._names.prefer(origin.host, address)
            return sock
        self._names.forget(origin.host)
        assert last is not None, "a host that is known has an address"
        raise last

    async def _speak(
        self, sock: socket.socket, origin: Origin, on_closed: Callable[[Connection], None]
    ) -> Connection:
        loop = asyncio.get_running_loop()
        connection = Connection(sock, origin.place, on_closed)
        if origin.scheme == "http":
            await loop.create_connection(lambda: connection, sock=sock)
            return connection
        if self._trust is None:
            self._trust = default_trust()
        tls = Tls(connection, self._trust, origin.host)
        try:
            await loop.create_connection(lambda: tls, sock=sock)
            await tls.ready
        except OSError as error:  # ssl.SSLError is one.
            raise not_secure(error, f"`{origin.place}`") from None
        except BaseException:
            tls.ready.cancel()
            tls.abort()
            raise
        return connection


async def _connect(address: Address, port: int) -> socket.socket:
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        _keep_alive(sock)
        await asyncio.get_running_loop().sock_connect(sock, (address.ip, port))
    except BaseException:
        sock.close()
        raise
    return sock


def _keep_alive(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL"):
        option = getattr(socket, name, None)
        if option is not None:
            with suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, option, _PROBE_S)


def _not_connected(error: OSError, origin: Origin) -> NotSent:
    if isinstance(error, ConnectionRefusedError):
        return NotSent("refused", f"nobody listens at `{origin.place}`")
    if isinstance(error, TimeoutError):
        return NotSent("connect-timeout", f"`{origin.place}` did not take the connection in time")
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return NotSent("connect", "this machine allows no more open files, so no more connections")
    if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL):
        return NotSent("connect", f"there is no way through the network to `{origin.place}`")
    return NotSent("connect", f"no connection to `{origin.place}` could be made")
