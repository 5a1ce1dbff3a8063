"""Addresses that are not public, in every disguise; and the address connected to is what counts."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_server import RawServer

from flowrunner.wire import Guard, NotSent, Unsendable, Wire, WireRequest, WireSettings
from flowrunner.wire.guard import is_public
from flowrunner.wire.names import Address, Names
from flowrunner.wire.pool import Origin
from flowrunner.wire.transport import Transport

PRIVATE = [
    "127.0.0.1", "127.255.0.9", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "0.0.0.0", "192.0.0.8", "198.18.0.1", "224.0.0.1", "240.0.0.1",
    "255.255.255.255",
    "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "fec0::1", "ff02::1",
    "2001:db8::1", "::127.0.0.1", "not an address", "",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700::1111", "2001:4860:4860::8888"]


@pytest.mark.parametrize("ip", PRIVATE)
def test_what_is_not_public(ip: str) -> None:
    assert not is_public(ip)


@pytest.mark.parametrize("ip", PUBLIC)
def test_what_is_public(ip: str) -> None:
    assert is_public(ip)


@given(st.ip_addresses(v=4))
def test_an_address_inside_another_is_judged_for_itself(ip: ipaddress.IPv4Address) -> None:
    number = int(ip)
    for disguise in (
        f"::ffff:{ip}",
        str(ipaddress.IPv6Address((0x64FF9B << 96) | number)),
        str(ipaddress.IPv6Address((0x2002 << 112) | (number << 80) | 1)),
    ):
        assert is_public(disguise) == is_public(str(ip)), disguise


def test_listed_hosts_addresses_and_ports_are_admitted() -> None:
    guard = Guard.listing(("Desk.Internal", "10.0.0.5", "localhost:8080", "[::1]"))
    assert guard.admits(Origin("https", "desk.internal", 443), "10.9.9.9")
    assert guard.admits(Origin("https", "other.example", 443), "10.0.0.5")
    assert guard.admits(Origin("http", "localhost", 8080), "127.0.0.1")
    assert guard.admits(Origin("http", "::1", 80), "::1")
    assert not guard.admits(Origin("http", "localhost", 8081), "127.0.0.1")
    assert not guard.admits(Origin("https", "sub.desk.internal", 443), "10.9.9.9")


def request(url: str) -> WireRequest:
    return WireRequest("GET", url, {}, b"", 20)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", "[::1]",
     "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "user@127.0.0.1", "127.0.0.1."],
)  # fmt: skip
def test_no_spelling_of_this_machine_is_reached(host: str) -> None:
    async def run(port: int) -> str:
        wire = Wire(WireSettings(guard=Guard()))
        try:
            await wire.exchange(request(f"http://{host}:{port}/"))
        except NotSent as fault:
            return fault.kind
        except Unsendable:
            return "unsendable"
        finally:
            await wire.aclose()
        raise AssertionError("it was reached")

    with RawServer() as server:
        assert asyncio.run(run(server.port)) in ("forbidden", "name", "unsendable")
        assert server.connections == 0


def test_a_name_that_leads_elsewhere_the_second_time_leads_nowhere() -> None:
    """The answer that was checked is the one connected to, however the name service changes."""

    class Rebinding:
        def __init__(self) -> None:
            self.asked = 0

        async def look_up(self, host: str) -> list[Address]:
            self.asked += 1
            ip = "127.0.0.2" if self.asked == 1 else "127.0.0.1"
            return [Address(socket.AF_INET, ip)]

    async def run(port: int) -> list[str]:
        service, kinds = Rebinding(), []
        transport = Transport(
            clock=lambda: 0.0,
            connect_timeout_s=0.5,
            keep_idle_s=1,
            look_up=service.look_up,
            guard=Guard(frozenset({"127.0.0.2"})),
        )
        wire = Wire(transport=transport)
        for _ in range(3):
            with pytest.raises(NotSent) as caught:
                await wire.exchange(request(f"http://evil.test:{port}/"))
            kinds.append(caught.value.kind)
        await wire.aclose()
        return kinds

    with RawServer() as server:
        kinds = asyncio.run(run(server.port))
        assert kinds == ["refused", "forbidden", "forbidden"]
        assert server.connections == 0


def test_of_several_addresses_only_public_ones_are_tried() -> None:
    async def look_up(host: str) -> list[Address]:
        return [Address(socket.AF_INET, ip) for ip in ("10.0.0.1", "127.0.0.1")]

    async def run(guard: Guard, port: int) -> int:
        transport = Transport(
            clock=lambda: 0.0, connect_timeout_s=5, keep_idle_s=1, look_up=look_up, guard=guard
        )
        wire = Wire(transport=transport)
        try:
            return (await wire.exchange(request(f"http://two.test:{port}/"))).status
        finally:
            await wire.aclose()

    with RawServer() as server:
        assert asyncio.run(run(Guard(frozenset({"127.0.0.1"})), server.port)) == 200
        with pytest.raises(NotSent, match=r"leads to the address `10\.0\.0\.1`, which"):
            asyncio.run(run(Guard(), server.port))


def test_behind_a_proxy_what_a_name_means_here_is_still_checked() -> None:
    async def run(url: str, proxy: str) -> None:
        wire = Wire(WireSettings(proxies={"ALL_PROXY": proxy}, guard=Guard()))
        try:
            await wire.exchange(request(url))
        finally:
            await wire.aclose()

    with RawServer() as proxy:
        for host in ("169.254.169.254", "10.0.0.1", "[::ffff:10.0.0.1]", "167772161"):
            with pytest.raises(NotSent) as caught:
                asyncio.run(run(f"http://{host}/", proxy.url))
            assert caught.value.kind == "forbidden"
        assert proxy.connections == 0
        asyncio.run(run("http://known-to-the-proxy-alone.invalid/", proxy.url))
        assert proxy.connections == 1


def test_without_a_guard_every_address_is_reached() -> None:
    async def run() -> list[Address]:
        async def look_up(host: str) -> list[Address]:
            return [Address(socket.AF_INET, "10.0.0.1")]

        return await Names(lambda: 0.0, look_up).addresses("a.test")

    assert asyncio.run(run())
