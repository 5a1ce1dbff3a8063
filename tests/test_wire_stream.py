"""A reply taken in pieces while it comes: live, bounded in silence and time, honest about loss."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
import trustme
from test_wire_exchange import post, silent, until, with_wire
from test_wire_proxies import paid, settings_for, tunnel_to
from wire_server import Peer, RawServer, Received, Script, answer_ok, reply

from flowrunner.wire import Incoming, Lost, NotSent, Progress, Wire

T = TypeVar("T")
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Request-Id: req_1\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
END = b"0\r\n\r\n"


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


def sending(*parts: bytes, then: Callable[[Peer], None] | None = None) -> Script:
    """Send these bytes; then end as `then` says, or let the connection serve again."""

    def script(peer: Peer, _: Received) -> None:
        peer.send(*parts)
        if then is not None:
            then(peer)

    return script


def taken(server: RawServer, progress: Progress | None = None, **changes: Any) -> list[bytes]:
    """All pieces of one reply, over a wire of its own."""

    async def use(wire: Wire) -> list[bytes]:
        async with wire.stream(post(server.url, **changes), progress) as coming:
            return [piece async for piece in coming]

    return with_wire(use)


def loses(script: Script, **changes: Any) -> tuple[Lost, list[bytes]]:
    """The loss in which taking the pieces ends, and those that came."""
    pieces: list[bytes] = []
    progress = Progress()

    async def use(wire: Wire) -> None:
        async with wire.stream(post(server.url, **changes), progress) as coming:
            async for piece in coming:
                pieces.append(piece)

    with RawServer(script) as server, pytest.raises(Lost) as caught:
        with_wire(use)
    assert progress.left
    assert len(server.requests) == 1
    return caught.value, pieces


def in_use(script: Script, use: Callable[[Wire, RawServer], Awaitable[T]], **options: Any) -> T:
    with RawServer(script) as server:
        return with_wire(lambda wire: use(wire, server), **options)


# Pieces


def test_pieces_are_there_before_the_reply_is_whole() -> None:
    seen = threading.Event()

    def script(peer: Peer, _: Received) -> None:
        peer.send(HEAD, chunk(b"one"))
        assert seen.wait(10)
        peer.send(chunk(b"two"), END)

    async def use(wire: Wire, server: RawServer) -> None:
        async with wire.stream(post(server.url)) as coming:
            assert (coming.status, coming.headers["x-request-id"]) == (200, "req_1")
            assert await anext(coming) == b"one"
            seen.set()
            assert [piece async for piece in coming] == [b"two"]

    in_use(script, use)


FRAMINGS = {
    "chunks": (HEAD, chunk(b"on"), chunk(b"e"), END),
    "length": (reply(b"one"),),
    "until closed": (b"HTTP/1.1 200 OK\r\n\r\n", b"one"),
}


@pytest.mark.parametrize("parts", FRAMINGS.values(), ids=FRAMINGS)
def test_every_framing_comes_to_its_end(parts: tuple[bytes, ...]) -> None:
    with RawServer(sending(*parts, then=Peer.close)) as server:
        assert b"".join(taken(server)) == b"one"


def test_a_connection_serves_again_after_a_reply_that_was_taken_whole() -> None:
    async def use(wire: Wire, server: RawServer) -> None:
        for is_last in (False, False, True):
            async with wire.stream(post(server.url)) as coming:
                assert await anext(coming) == b"one"
                if not is_last:
                    assert [piece async for piece in coming] == []
        await wire.exchange(post(server.url))
        assert server.connections == 2  # what was left midway took its connection along

    in_use(sending(HEAD, chunk(b"one"), END), use)


def test_a_reply_may_be_read_whole_after_its_beginning() -> None:
    async def use(wire: Wire, server: RawServer) -> None:
        async with wire.stream(post(server.url)) as coming:
            first = await anext(coming)
            assert await coming.read(first) == b"onetwo"
        async with wire.stream(post(server.url)) as coming:
            await coming.read(b"x" * 96)

    with pytest.raises(Lost) as caught:
        in_use(
            sending(HEAD, chunk(b"one"), chunk(b"two"), END), use, settings={"max_reply_bytes": 100}
        )
    assert caught.value.kind == "too-big"


def test_a_slow_reader_slows_the_server_down() -> None:
    stuck, size = threading.Event(), 64 * 1024 * 1024
    sent = []

    def script(peer: Peer, _: Received) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        peer.sock.settimeout(0.2)
        while sum(sent) < size:
            try:
                sent.append(peer.sock.send(b"x" * min(65536, size - sum(sent))))
            except TimeoutError:
                stuck.set()

    async def use(wire: Wire, server: RawServer) -> None:
        async with wire.stream(post(server.url, timeout_s=60)) as coming:
            got = len(await anext(coming))
            assert await asyncio.to_thread(stuck.wait, 10)
            assert sum(sent) < size // 2
            async for piece in coming:
                got += len(piece)
            assert got == size

    in_use(script, use)


def test_a_packed_stream_is_refused() -> None:
    head = HEAD.replace(b"Transfer", b"Content-Encoding: gzip\r\nTransfer")
    lost, pieces = loses(sending(head, chunk(b"\x1f\x8b"), END))
    assert (lost.kind, pieces) == ("protocol", [])
    assert "packed as `gzip`" in lost.message


# Losses


@pytest.mark.parametrize(
    ("end", "kind"), [(Peer.close, "truncated"), (Peer.reset, "reset")], ids=["closed", "reset"]
)
def test_a_break_amid_the_pieces(end: Callable[[Peer], None], kind: str) -> None:
    taken_one = threading.Event()

    def script(peer: Peer, _: Received) -> None:
        peer.send(HEAD, chunk(b"one"))
        assert taken_one.wait(10)
        end(peer)

    async def use(wire: Wire, server: RawServer) -> None:
        async with wire.stream(post(server.url)) as coming:
            await anext(coming)
            taken_one.set()
            await anext(coming)

    with pytest.raises(Lost) as caught:
        in_use(script, use)
    lost = caught.value
    assert (lost.kind, lost.status, lost.headers["x-request-id"]) == (kind, 200, "req_1")


def test_silence_before_the_head_has_a_limit_below_the_deadline() -> None:
    lost, _ = loses(silent, silence_s=0.1)
    assert (lost.kind, lost.status) == ("timeout", None)
    assert lost.message.endswith("within 0.1 s")


def test_silence_amid_the_pieces_has_a_limit_below_the_deadline() -> None:
    lost, pieces = loses(sending(HEAD, chunk(b"one"), then=Peer.hang), silence_s=0.1)
    assert (lost.kind, lost.status, pieces) == ("timeout", 200, [b"one"])
    assert "said nothing for 0.1 s" in lost.message


def drip(peer: Peer, _: Received) -> None:
    peer.send(HEAD)
    peer.drip(chunk(b"x") * 80, every_s=0.002)


def test_silence_counts_until_whoever_takes_the_pieces_gives_more_time() -> None:
    async def use(wire: Wire, server: RawServer, *, patient: bool) -> int:
        number = 0
        async with wire.stream(post(server.url, timeout_s=30, silence_s=0.5)) as coming:
            async for _ in coming:
                number += 1
                if patient:
                    coming.wait_at_most(0.5)
        return number

    def long(peer: Peer, request: Received) -> None:
        drip(peer, request)
        peer.send(END)

    with pytest.raises(Lost, match=r"said nothing for 0\.5 s"):
        in_use(long, lambda wire, server: use(wire, server, patient=False))
    assert in_use(long, lambda wire, server: use(wire, server, patient=True)) == 80


def test_the_deadline_ends_what_never_falls_silent() -> None:
    async def use(wire: Wire, server: RawServer) -> None:
        async with wire.stream(post(server.url, timeout_s=0.3, silence_s=60)) as coming:
            async for _ in coming:
                coming.wait_at_most(60)

    with pytest.raises(Lost) as caught:
        in_use(drip, use)
    assert caught.value.kind == "timeout"
    assert "no whole answer" in caught.value.message
    assert caught.value.message.endswith("within 0.3 s")


def test_cancelled_amid_the_pieces_closes_the_connection_and_says_that_it_left() -> None:
    gone = threading.Event()

    def script(peer: Peer, _: Received) -> None:
        peer.send(HEAD, chunk(b"one"))
        peer.hang()
        gone.set()

    async def use(wire: Wire, server: RawServer) -> None:
        progress = Progress()

        async def take() -> None:
            async with wire.stream(post(server.url), progress) as coming:
                async for _ in coming:
                    pass

        running = asyncio.ensure_future(take())
        await until(lambda: progress.status is not None)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert progress.left
        await until(gone.is_set)

    in_use(script, use)


def test_a_fault_of_whoever_takes_the_pieces_goes_on_and_closes_the_connection() -> None:
    async def use(wire: Wire, server: RawServer) -> None:
        async def fail() -> None:
            async with wire.stream(post(server.url)) as coming:
                await anext(coming)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        await wire.exchange(post(server.url))
        assert server.connections == 2

    in_use(sending(HEAD, chunk(b"one"), END), use)


def test_nobody_there_and_a_closed_wire_send_nothing() -> None:
    async def use(wire: Wire) -> None:
        for way in (lambda: None, wire.aclose):
            progress = Progress()
            await (way() or asyncio.sleep(0))
            with pytest.raises(NotSent):
                async with wire.stream(post(server.url), progress):
                    pass
            assert not progress.left

    server = RawServer(answer_ok)
    server.stop_listening()
    with_wire(use)


def test_closing_the_wire_ends_the_pieces() -> None:
    async def use(wire: Wire, server: RawServer) -> None:
        async def take(coming: Incoming) -> None:
            await anext(coming)
            await wire.aclose()
            await anext(coming)

        with pytest.raises(Lost, match="the wire was closed"):
            async with wire.stream(post(server.url)) as coming:
                await take(coming)

    in_use(sending(HEAD, chunk(b"one"), then=Peer.hang), use)


# Through a proxy


@pytest.mark.parametrize("fresh", [False, True], ids=["shared", "fresh"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_pieces_come_through_a_proxy_too(scheme: str, fresh: bool) -> None:
    authority, seen = trustme.CA(), threading.Event()

    def script(peer: Peer, _: Received) -> None:
        peer.send(HEAD, chunk(b"one"))
        assert seen.wait(10)
        peer.send(chunk(b"two"))
        peer.close()

    async def use(wire: Wire) -> None:
        request = post(f"{scheme}://api.test", fresh=fresh)
        async with wire.stream(request) as coming:
            assert await anext(coming) == b"one"
            seen.set()
            assert await anext(coming) == b"two"
            await anext(coming)

    with RawServer(tunnel_to(authority, script)) as proxy, pytest.raises(Lost) as caught:
        with_wire(use, settings=settings_for(proxy, authority))
    assert (caught.value.kind, caught.value.status) == ("truncated", 200)
    assert len(paid(proxy)) == 1
