"""Every way an exchange can fail has its name, and says rightly whether a byte had left."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from test_wire_exchange import exchange, half_a_reply, post, silent, with_wire
from wire_server import Peer, RawServer, Received, Script, reply

from flowrunner.wire import Lost, NotSent, Progress, Wire, WireReply, WireRequest
from flowrunner.wire.names import Address
from flowrunner.wire.transport import Transport


def loses(server: RawServer, **changes: Any) -> Lost:
    """The loss that one POST ends in; the server saw one request, and `left` was set."""
    progress = Progress()
    with pytest.raises(Lost) as caught:
        with_wire(lambda wire: wire.exchange(post(server.url, **changes), progress))
    assert progress.left
    return caught.value


def does_not_send(url: str, settings: dict[str, Any] | None = None, **changes: Any) -> NotSent:
    progress = Progress()
    with pytest.raises(NotSent) as caught:
        with_wire(
            lambda wire: wire.exchange(post(url, **changes), progress), settings=settings or {}
        )
    assert not progress.left
    return caught.value


# Nothing left


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is taken, so that nobody else gets it, and on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


def test_refused(closed_port: int) -> None:
    fault = does_not_send(f"http://127.0.0.1:{closed_port}")
    assert fault.kind == "refused"
    assert fault.message == f"nobody listens at `127.0.0.1:{closed_port}`"


def test_localhost_is_tried_at_both_its_addresses(closed_port: int) -> None:
    assert does_not_send(f"http://localhost:{closed_port}").kind in ("refused", "connect")


@pytest.mark.parametrize("host", ["a" * 64 + ".invalid", "a." + "b" * 70])
def test_a_host_without_address(host: str) -> None:
    fault = does_not_send(f"http://{host}")
    assert fault.kind == "name"
    assert f"`{host}`" in fault.message


def test_connecting_has_a_limit_of_its_own() -> None:
    with RawServer(on_connect=Peer.hang) as server:
        url = server.url.replace("http:", "https:")
        fault = does_not_send(url, {"connect_timeout_s": 0.1}, timeout_s=30)
    assert fault.kind == "connect-timeout"
    assert f"`127.0.0.1:{server.port}`" in fault.message


def test_the_deadline_also_ends_connecting() -> None:
    with RawServer(on_connect=Peer.hang) as server:
        fault = does_not_send(server.url.replace("http:", "https:"), timeout_s=0.1)
    assert fault.kind == "connect-timeout"


@pytest.mark.parametrize("timeout_s", [0.0, -1.0])
def test_no_time_at_all_sends_nothing(timeout_s: float) -> None:
    with RawServer() as server:
        assert does_not_send(server.url, timeout_s=timeout_s).kind == "connect-timeout"
    assert server.requests == []


# It left, and no whole answer came


def resets(peer: Peer, request: Received) -> None:
    peer.reset()


def closes(peer: Peer, request: Received) -> None:
    peer.close()


def cut(raw: bytes, end: Callable[[Peer], None] = Peer.close) -> Script:
    """A script that sends this and ends the connection."""

    def script(peer: Peer, request: Received) -> None:
        peer.send(raw)
        end(peer)

    return script


HALF = reply(b"half", "200 OK", "X-Request-Id: req_1", length=100)
HALF_CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Request-Id: req_1\r\n\r\n4\r\nhalf\r\n"
)
LOSSES: dict[str, tuple[Script, str, int | None, bytes]] = {
    "reset after the request": (resets, "reset", None, b""),
    "closed without a byte": (closes, "closed", None, b""),
    "closed after a 1xx": (cut(b"HTTP/1.1 102 Wait\r\n\r\n"), "truncated", None, b""),
    "cut in the status line": (cut(b"HTTP/1.1 20"), "truncated", None, b""),
    "cut in the headers": (cut(b"HTTP/1.1 200 OK\r\nX-A: 1\r\n"), "truncated", None, b""),
    "shorter than its length": (cut(HALF), "truncated", 200, b"half"),
    "no chunk at the end": (cut(HALF_CHUNKED), "truncated", 200, b"half"),
    "cut within a chunk": (cut(HALF_CHUNKED + b"9\r\nha"), "truncated", 200, b"halfha"),
    "cut within an error": (
        cut(reply(b"half", "500 Oops", "X-Request-Id: req_1", length=9)),
        "truncated",
        500,
        b"half",
    ),
    "no HTTP at all": (cut(b"220 smtp ready\r\n\r\n", Peer.hang), "protocol", None, b""),
    "a TLS alert": (cut(b"\x15\x03\x01\x00\x02\x02\x46", Peer.hang), "protocol", None, b""),
    "a bad chunk": (cut(HALF_CHUNKED + b"what\r\n", Peer.hang), "protocol", 200, b"half"),
    "two lengths": (
        cut(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", Peer.hang),
        "protocol",
        None,
        b"",
    ),
}


@pytest.mark.parametrize(("script", "kind", "status", "partial"), LOSSES.values(), ids=LOSSES)
def test_an_answer_that_did_not_come_whole_is_lost(
    script: Script, kind: str, status: int | None, partial: bytes
) -> None:
    with RawServer(script) as server:
        lost = loses(server)
    assert (lost.kind, lost.status) == (kind, status)
    assert len(server.requests) == 1
    assert lost.headers.get("x-request-id") == (status and "req_1")
    if status is not None:
        assert lost.partial == partial
    assert f"`127.0.0.1:{server.port}`" in lost.message


def test_what_is_no_http_is_kept_to_look_at() -> None:
    with RawServer(cut(b"220 smtp ready\r\n\r\n", Peer.hang)) as server:
        assert b"smtp" in loses(server).partial


def test_a_reset_amid_the_body_keeps_what_came() -> None:
    seen = threading.Event()

    def script(peer: Peer, request: Received) -> None:
        peer.send(HALF)
        seen.wait(10)
        peer.reset()

    async def use(wire: Wire) -> Lost:
        progress = Progress()
        running = asyncio.ensure_future(wire.exchange(post(server.url), progress))
        async with asyncio.timeout(10):
            while progress.status is None:
                await asyncio.sleep(0)
        seen.set()
        with pytest.raises(Lost) as caught:
            await running
        return caught.value

    with RawServer(script) as server:
        lost = with_wire(use)
    assert (lost.kind, lost.status, lost.partial) == ("reset", 200, b"half")


def test_a_reset_while_sending_is_lost() -> None:
    def reset_early(peer: Peer) -> None:
        peer.sock.recv(1000)
        peer.reset()

    with RawServer(on_connect=reset_early) as server:
        assert loses(server, content=b"x" * 32 * 1024 * 1024).kind == "reset"


def test_silence_ends_at_the_deadline() -> None:
    with RawServer(silent) as server:
        lost = loses(server, timeout_s=0.15)
    assert (lost.kind, lost.status) == ("timeout", None)
    assert "within 0.15 s" in lost.message


def test_a_server_that_does_not_read_ends_at_the_deadline() -> None:
    with RawServer(on_connect=lambda peer: (peer.ended.wait(10), None)[1]) as server:
        lost = loses(server, timeout_s=0.15, content=b"x" * 32 * 1024 * 1024)
    assert lost.kind == "timeout"


def test_silence_amid_the_body_keeps_what_came() -> None:
    with RawServer(half_a_reply) as server:
        lost = loses(server, timeout_s=0.15)
    assert (lost.kind, lost.status, lost.partial) == ("timeout", 200, b"half")
    assert lost.headers["x-request-id"] == "req_1"


@pytest.mark.parametrize("where", ["head", "body"])
def test_a_drip_ends_at_the_deadline(where: str) -> None:
    def script(peer: Peer, request: Received) -> None:
        raw = reply(b"x" * 10_000)
        start = raw.index(b"xxx") if where == "body" else 0
        peer.send(raw[:start])
        peer.drip(raw[start:], every_s=0.01)

    with RawServer(script) as server:
        assert loses(server, timeout_s=0.2).kind == "timeout"


# Too big


def bomb(size: int) -> bytes:
    """Zeros, packed by gzip without ever holding them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    step = bytes(1024 * 1024)
    pieces = [packer.compress(step) for _ in range(size // len(step))]
    return b"".join(pieces) + packer.flush()


def measured(server: RawServer, cap: int) -> tuple[Lost, int]:
    tracemalloc.start()
    try:
        with pytest.raises(Lost) as caught:
            with_wire(
                lambda wire: wire.exchange(post(server.url, timeout_s=60)),
                settings={"max_reply_bytes": cap},
            )
        return caught.value, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_bomb_costs_its_cap_and_no_more() -> None:
    packed = reply(bomb(300 * 1024**2), "200 OK", "Content-Encoding: gzip", "X-Request-Id: req_1")
    with RawServer(cut(packed, Peer.hang)) as server:
        lost, peak = measured(server, cap=8 * 1024**2)
    assert (lost.kind, lost.status, lost.headers["x-request-id"]) == ("too-big", 200, "req_1")
    assert len(lost.partial) == 64 * 1024
    assert lost.message == "the reply is bigger than 8 MiB"
    assert peak < 24 * 1024**2


def test_a_body_without_end_or_length_stops_at_the_cap() -> None:
    def script(peer: Peer, request: Received) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while not peer.ended.is_set():
            peer.send(bytes(65536))

    with RawServer(script) as server:
        lost, peak = measured(server, cap=8 * 1024**2)
    assert lost.kind == "too-big"
    assert peak < 24 * 1024**2


@pytest.mark.parametrize("size", [2 * 1024**2, 300_000])
def test_a_head_over_the_limit_is_too_big(size: int) -> None:
    raw = b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * size
    with RawServer(cut(raw, Peer.hang)) as server:
        lost = loses(server)
    assert (lost.kind, lost.status) == ("too-big", None)


def test_a_long_head_within_the_limit_is_fine() -> None:
    with RawServer(
        lambda peer, _: peer.send(reply(b"", "200 OK", "X: " + "x" * 200_000))
    ) as server:
        assert len(exchange(server.url).headers["x"]) == 200_000


def test_a_body_of_exactly_the_cap_is_fine() -> None:
    def get(url: str) -> WireReply:
        return with_wire(
            lambda wire: wire.exchange(post(url)), settings={"max_reply_bytes": 10_000}
        )

    with RawServer(lambda peer, _: peer.send(reply(b"x" * 10_000))) as server:
        assert len(get(server.url).content) == 10_000
    too_big = RawServer(lambda peer, _: peer.send(reply(b"x" * 10_001)))
    with too_big as server, pytest.raises(Lost, match="bigger than 10000 bytes"):
        get(server.url)


# Packed although nobody asked


def test_a_packed_reply_is_unpacked() -> None:
    packed = reply(gzip.compress(b"hello" * 1000), "200 OK", "Content-Encoding: gzip")
    with RawServer(lambda peer, _: peer.send(packed)) as server:
        assert exchange(server.url).content == b"hello" * 1000


@pytest.mark.parametrize(
    ("encoding", "content", "kind"),
    [
        ("gzip", gzip.compress(b"hello", mtime=0)[:-9], "truncated"),
        ("gzip", b"not packed", "protocol"),
        ("br", b"\x0b\x02\x80hello\x03", "protocol"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"hello", mtime=0), mtime=0), "protocol"),
    ],
)
def test_what_cannot_be_unpacked_is_lost(encoding: str, content: bytes, kind: str) -> None:
    packed = reply(content, "200 OK", f"Content-Encoding: {encoding}", "X-Request-Id: req_1")
    with RawServer(lambda peer, _: peer.send(packed)) as server:
        lost = loses(server)
    assert (lost.kind, lost.status, lost.headers["x-request-id"]) == (kind, 200, "req_1")


# Several addresses


def over(look_up: Callable[[str], Any], *urls: str) -> list[int]:
    """GET each URL over a transport that knows hosts from `look_up`; the statuses."""

    async def use() -> list[int]:
        loop = asyncio.get_running_loop()
        wire = Wire(
            transport=Transport(
                clock=loop.time, connect_timeout_s=5, keep_idle_s=5, look_up=look_up
            )
        )
        try:
            requests = [WireRequest("GET", url, {}, b"", 5, fresh=True) for url in urls]
            return [(await wire.exchange(request)).status for request in requests]
        finally:
            await wire.aclose()

    return asyncio.run(use())


def test_the_next_address_is_tried_when_one_refuses() -> None:
    async def look_up(host: str) -> list[Address]:
        asked.append(host)
        return [Address(socket.AF_INET, "127.0.0.2"), Address(socket.AF_INET, "127.0.0.1")]

    asked: list[str] = []
    with RawServer() as server:
        assert over(look_up, *[f"http://api.test:{server.port}/"] * 3) == [200] * 3
    assert asked == ["api.test"]
    assert server.requests[0].headers["host"] == f"api.test:{server.port}"


def test_a_host_nobody_answered_for_is_asked_again(closed_port: int) -> None:
    async def look_up(host: str) -> list[Address]:
        asked.append(host)
        return [Address(socket.AF_INET, "127.0.0.1")] if len(asked) > 1 else []

    asked: list[str] = []

    async def use() -> list[str]:
        clock = asyncio.get_running_loop().time
        transport = Transport(clock=clock, connect_timeout_s=5, keep_idle_s=5, look_up=look_up)
        wire = Wire(transport=transport)
        kinds = []
        for _ in range(3):
            with pytest.raises(NotSent) as caught:
                await wire.exchange(WireRequest("GET", f"http://a.test:{closed_port}", {}, b"", 5))
            kinds.append(caught.value.kind)
        await wire.aclose()
        return kinds

    assert asyncio.run(use()) == ["name", "refused", "refused"]
    assert asked == ["a.test"] * 3
