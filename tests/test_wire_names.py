"""Names are looked up once for all who wait, and again when the answer is old."""

from __future__ import annotations

import asyncio
import socket

import pytest
from test_wire_exchange import Clock

from flowrunner.wire.faults import NotSent
from flowrunner.wire.names import KNOWN_FOR_S, Address, Names

FIRST, SECOND = Address(socket.AF_INET6, "2001:db8::1"), Address(socket.AF_INET, "192.0.2.1")


class Service:
    """A name service that answers when told."""

    def __init__(self, *answer: Address) -> None:
        self.answer = list(answer)
        self.asked = 0
        self.may_answer = asyncio.Event()

    async def look_up(self, host: str) -> list[Address]:
        self.asked += 1
        await self.may_answer.wait()
        return list(self.answer)


def test_a_thousand_who_wait_ask_once() -> None:
    async def run() -> None:
        service = Service(FIRST, SECOND)
        names = Names(Clock(), service.look_up)
        waiting = [asyncio.ensure_future(names.addresses("a.test")) for _ in range(1000)]
        await asyncio.sleep(0)
        waiting[0].cancel()  # Who asked first gives up: the others still get their answer.
        service.may_answer.set()
        with pytest.raises(asyncio.CancelledError):
            await waiting[0]
        assert all(found == [FIRST, SECOND] for found in await asyncio.gather(*waiting[1:]))
        assert service.asked == 1

    asyncio.run(run())


def test_an_answer_is_good_for_some_minutes() -> None:
    async def run() -> None:
        clock, service = Clock(), Service(FIRST)
        service.may_answer.set()
        names = Names(clock, service.look_up)
        await names.addresses("a.test")
        clock.now += KNOWN_FOR_S
        await names.addresses("a.test")
        assert service.asked == 1
        clock.now += 1
        await names.addresses("a.test")
        assert service.asked == 2

    asyncio.run(run())


def test_the_address_that_answered_comes_first() -> None:
    async def run() -> None:
        service = Service(FIRST, SECOND)
        service.may_answer.set()
        names = Names(Clock(), service.look_up)
        names.prefer("a.test", SECOND)  # Of a host not known: nothing to remember.
        await names.addresses("a.test")
        names.prefer("a.test", SECOND)
        assert await names.addresses("a.test") == [SECOND, FIRST]

    asyncio.run(run())


def test_none_is_said_with_the_host() -> None:
    async def run() -> None:
        service = Service()
        service.may_answer.set()
        with pytest.raises(NotSent, match=r"no address is known for `a\.test`"):
            await Names(Clock(), service.look_up).addresses("a.test")

    asyncio.run(run())


@pytest.mark.parametrize(
    ("host", "ips"),
    [
        ("127.0.0.1", ["127.0.0.1"]),
        ("::1", ["::1"]),
        ("localhost", ["127.0.0.1", "::1"]),
    ],
)
def test_literals_and_localhost_ask_nobody(host: str, ips: list[str]) -> None:
    async def run() -> None:
        service = Service()
        found = await Names(Clock(), service.look_up).addresses(host)
        assert [address.ip for address in found] == ips
        assert service.asked == 0

    asyncio.run(run())
