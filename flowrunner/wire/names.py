"""Hosts into addresses: asked once for each host, shared by all who wait, forgotten when useless.

Connecting to an address is left to `dial`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeAlias

from flowrunner.wire.faults import NotSent

KNOWN_FOR_S = 300.0
"""How long an answer of the name service is used, in seconds."""


@dataclass(frozen=True, slots=True)
class Address:
    """One place a host can be reached at; the first of a host is tried first."""

    family: socket.AddressFamily
    ip: str


LookUp: TypeAlias = Callable[[str], Coroutine[Any, Any, list[Address]]]


@dataclass(slots=True)
class _Known:
    lookup: asyncio.Future[list[Address]]
    since: float


class Names:
    """The addresses of hosts, in the order in which they are worth trying.

    `look_up` asks the name service: all addresses of a host, none where it is not known.
    """

    def __init__(self, clock: Callable[[], float], look_up: LookUp) -> None:
        self._clock = clock
        self._look_up = look_up
        self._known: dict[str, _Known] = {}

    async def addresses(self, host: str) -> list[Address]:
        """Where `host` is; at least one. Raises NotSent `name` where nobody knows it."""
        literal = _literal(host)
        if literal:
            return literal
        known = self._known.get(host)
        if known is None or self._clock() - known.since > KNOWN_FOR_S:
            known = _Known(asyncio.ensure_future(self._look_up(host)), self._clock())
            self._known[host] = known
        # Shielded: who gives up waiting does not take the answer away from the others.
        found = known.lookup.result() if known.lookup.done() else await asyncio.shield(known.lookup)
        if not found:
            self.forget(host)
            raise NotSent("name", f"no address is known for `{host}`")
        return found

    def prefer(self, host: str, address: Address) -> None:
        """This address answered: it is tried first from now on."""
        known = self._known.get(host)
        if known is None or not known.lookup.done():
            return
        found = known.lookup.result()
        if address in found and found[0] != address:
            found.remove(address)
            found.insert(0, address)

    def forget(self, host: str) -> None:
        """Ask again next time."""
        known = self._known.get(host)
        if known is not None and known.lookup.done():
            del self._known[host]


def _literal(host: str) -> list[Address]:
    if host == "localhost":
        return [Address(socket.AF_INET, "127.0.0.1"), Address(socket.AF_INET6, "::1")]
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return []
    return [Address(socket.AF_INET if ip.version == 4 else socket.AF_INET6, host)]


async def look_up(host: str) -> list[Address]:
    """All addresses the system knows; none where it fails: a value, to be told to every waiter."""
    loop = asyncio.get_running_loop()
    try:
        rows = await loop.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(Address(row[0], str(row[4][0])) for row in rows))
