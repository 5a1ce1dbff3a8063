"""Which addresses a request may reach: those of the public network, and those that are listed.

It is the address connected to that counts, not the name: a name that leads elsewhere the second
time it is asked for leads nowhere. Looking names up is left to `names`, connecting to `dial`.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from flowrunner.wire.faults import NotSent
from flowrunner.wire.names import Address, Names
from flowrunner.wire.pool import Origin

# Networks in which an address of version 6 stands for one of version 4 in its last bits (RFC 6052).
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
_PROTOCOLS = ipaddress.IPv4Network("192.0.0.0/24")


@dataclass(frozen=True, slots=True)
class Guard:
    """Admits public addresses, and others only where `listed` has the host or the address itself,
    either also with `:port`."""

    listed: frozenset[str] = frozenset()

    @classmethod
    def listing(cls, hosts: tuple[str, ...]) -> Guard:
        """For hosts as an author writes them: in any case, addresses of version 6 in brackets."""
        return cls(frozenset(host.lower().strip("[]") for host in hosts))

    def lists(self, origin: Origin) -> bool:
        """Whether the host itself is listed."""
        return not self.listed.isdisjoint((origin.host, origin.place))

    def admits(self, origin: Origin, ip: str) -> bool:
        """Whether a connection for that origin may lead to that address."""
        return self.lists(origin) or ip in self.listed or is_public(ip)


async def admitted(guard: Guard | None, names: Names, origin: Origin) -> list[Address]:
    """Where an origin may be reached, at least one address. Raises NotSent."""
    found = await names.addresses(origin.host)
    if guard is None:
        return found
    may = [address for address in found if guard.admits(origin, address.ip)]
    if not may:
        raise NotSent(
            "forbidden",
            f"`{origin.place}` leads to the address `{found[0].ip}`, which is not public and was "
            "not listed",
        )
    return may


def is_public(ip: str) -> bool:
    """Whether an address belongs to the public network, seen through its forms in version 6."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        inner = _inner(address)
        if inner is None:
            return _is_public_6(address)
        address = inner
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and address not in _PROTOCOLS
    )


def _inner(address: IPv6Address) -> IPv4Address | None:
    """The address of version 4 that one of version 6 stands for."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour


def _is_public_6(address: IPv6Address) -> bool:
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not address.is_site_local
    )
