"""An exchange as the rest of the program sees it: one request, one reply, a deadline, a cap."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx
import pytest
from wire_server import Peer, RawServer, Received, Script, answer_ok, reply

from flowrunner import __version__
from flowrunner.wire import (
    Lost,
    NotSent,
    Progress,
    Secret,
    Unsendable,
    Wire,
    WireReply,
    WireRequest,
    WireSettings,
)

T = TypeVar("T")


def post(url: str, **changes: Any) -> WireRequest:
    """A POST to `/v1/responses` of a server."""
    fields: dict[str, Any] = {"headers": {}, "content": b"{}", "timeout_s": 5.0} | changes
    return WireRequest("POST", f"{url}/v1/responses", **fields)


def with_wire(use: Callable[[Wire], Awaitable[T]], **options: Any) -> T:
    """Run `use` with a wire that is closed afterwards."""

    async def run() -> T:
        wire = Wire(WireSettings(**options.pop("settings", {})), **options)
        try:
            return await use(wire)
        finally:
            await wire.aclose()

    return asyncio.run(run())


def exchange(url: str, **changes: Any) -> WireReply:
    """One exchange over a wire of its own."""
    return with_wire(lambda wire: wire.exchange(post(url, **changes)))


def one_after_another(url: str, number: int, **changes: Any) -> list[WireReply]:
    async def use(wire: Wire) -> list[WireReply]:
        return [await wire.exchange(post(url, **changes)) for _ in range(number)]

    return with_wire(use)


class Clock:
    """A clock that only goes on when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


# What goes out and what comes back


def test_request_and_reply_arrive_whole() -> None:
    def script(peer: Peer, request: Received) -> None:
        peer.send(reply({"id": "resp_1"}, "201 Created", "X-Request-Id: req_1", "a: 1", "A: 2"))

    with RawServer(script) as server:
        got = exchange(
            server.url, headers={"Authorization": Secret("Bearer k")}, content=b'{"a":1}'
        )
    (request,) = server.requests
    assert (request.method, request.path, request.body) == ("POST", "/v1/responses", b'{"a":1}')
    assert request.headers["authorization"] == "Bearer k"
    assert request.headers["user-agent"] == f"flowrunner/{__version__}"
    assert request.headers["accept-encoding"] == "identity"
    assert (got.status, got.content) == (201, b'{"id": "resp_1"}')
    assert got.headers["x-request-id"] == "req_1"
    assert got.headers["a"] == "1, 2"
    assert got.elapsed_s >= 0


def test_a_get_has_no_body() -> None:
    with RawServer() as server:
        request = WireRequest("GET", f"{server.url}/v1/responses/r?x=1", {}, b"", timeout_s=5)
        assert with_wire(lambda wire: wire.exchange(request)).status == 200
    assert server.requests[0].path == "/v1/responses/r?x=1"
    assert server.requests[0].body == b""


def test_a_large_request_arrives_whole() -> None:
    content = bytes(range(256)) * 16 * 1024
    with RawServer() as server:
        replies = one_after_another(server.url, 2, content=content)
    assert [r.status for r in replies] == [200, 200]
    assert all(request.body == content for request in server.requests)
    assert server.connections == 1


FRAMINGS = {
    "content-length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: 1\r\n\r\n",
    "until close": b"HTTP/1.1 200 OK\r\n\r\nhello",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\nhello",
    "after 1xx": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "bare newlines": b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
}


@pytest.mark.parametrize("raw", FRAMINGS.values(), ids=FRAMINGS)
@pytest.mark.parametrize("byte_by_byte", [False, True], ids=["at once", "byte by byte"])
def test_every_framing_is_read(raw: bytes, byte_by_byte: bool) -> None:
    def script(peer: Peer, request: Received) -> None:
        peer.drip(raw, every_s=0) if byte_by_byte else peer.send(raw)
        peer.close()

    with RawServer(script) as server:
        assert exchange(server.url).content == b"hello"


BODIES = {
    "HTML": b"<html>502</html>",
    "empty": b"",
    "null": b"null",
    "list": b"[]",
    "half a JSON text": b'{"id": "re',
    "BOM": b"\xef\xbb\xbf{}",
    "latin-1": b'{"a": "\xe9"}',
    "duplicate keys": b'{"a":1,"a":2}',
    "deep": b"[" * 100_000,
    "NUL": b"\0\0",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("status", [200, 502])
def test_bytes_come_back_as_they_are(body: bytes, status: int) -> None:
    with RawServer(lambda peer, _: peer.send(reply(body, f"{status} X"))) as server:
        got = exchange(server.url)
    assert (got.status, got.content) == (status, body)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status: int) -> None:
    with RawServer() as other:

        def script(peer: Peer, request: Received) -> None:
            peer.send(reply(b"", f"{status} Moved", f"Location: {other.url}/v1/responses"))

        with RawServer(script) as server:
            got = exchange(server.url, headers={"Authorization": Secret("Bearer k")})
    assert got.status == status
    assert len(server.requests) == 1
    assert other.connections == 0


def test_no_cookie_is_kept() -> None:
    with RawServer(lambda peer, _: peer.send(reply(b"", "200 OK", "Set-Cookie: a=1"))) as server:
        one_after_another(server.url, 2)
    assert all("cookie" not in request.headers for request in server.requests)


# Requests that are wrong

CANARY = "sk-canary-1234567890"
BAD_HEADERS = {
    "newline at the end": (CANARY + "\n", "line break"),
    "newline within": (CANARY + "\r\nX: y", "line break"),
    "space at the end": (CANARY + " ", "space"),
    "space at the start": (" " + CANARY, "space"),
    "smart quotes": (f"“{CANARY}”", "outside ASCII"),
    "latin-1": (CANARY + "é", "outside ASCII"),
    "NUL": (CANARY + "\0x", "invisible"),
    "DEL": (CANARY + "\x7fx", "invisible"),
}


@pytest.mark.parametrize(("value", "why"), BAD_HEADERS.values(), ids=BAD_HEADERS)
@pytest.mark.parametrize("wrap", [str, Secret], ids=["text", "secret"])
def test_a_bad_header_value_opens_nothing_and_is_not_shown(
    value: str, why: str, wrap: Callable[[str], str | Secret]
) -> None:
    with RawServer() as server, pytest.raises(Unsendable) as caught:
        exchange(server.url, headers={"Authorization": wrap(value)})
    assert server.connections == 0
    assert "`Authorization`" in caught.value.message
    assert why in caught.value.message
    assert CANARY not in repr(caught.value) + str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize("name", ["", "a b", "a\n", "ä", "Host", "content-length", "Connection"])
def test_a_bad_header_name_is_refused(name: str) -> None:
    with RawServer() as server, pytest.raises(Unsendable):
        exchange(server.url, headers={name: CANARY})
    assert server.connections == 0


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.openai.com",
        "ftp://a/b",
        "http://",
        "http://.a/",
        "file:///etc",
        "http://a:99999/",
        "http://a:0",
        "http://xn--aaaaaaa",
    ],
)
def test_a_bad_url_is_refused_and_not_shown(url: str) -> None:
    request = WireRequest("POST", url + "?key=" + CANARY, {}, b"", timeout_s=1)
    with pytest.raises(Unsendable) as caught:
        with_wire(lambda wire: wire.exchange(request))
    assert CANARY not in str(caught.value)


def test_an_unknown_method_is_refused() -> None:
    request = WireRequest("PO ST", "http://127.0.0.1/", {}, b"", timeout_s=1)
    with pytest.raises(Unsendable):
        with_wire(lambda wire: wire.exchange(request))


def test_nothing_secret_shows_in_reprs_and_faults() -> None:
    def script(peer: Peer, request: Received) -> None:
        peer.reset()

    with RawServer(script) as server:
        url = server.url.replace("//", f"//user:{CANARY}@") + f"/{CANARY}?q={CANARY}"
        request = post(url, headers={"api-key": CANARY}, content=CANARY.encode())
        with pytest.raises(Lost) as caught:
            with_wire(lambda wire: wire.exchange(request))
    shown = repr(request) + repr(caught.value) + str(caught.value) + caught.value.message
    assert CANARY not in shown
    assert "authorization" not in server.requests[0].headers
    assert CANARY not in repr(WireSettings(proxies={"HTTPS_PROXY": f"http://u:{CANARY}@p"}))


# Connections


def test_a_connection_serves_again() -> None:
    with RawServer() as server:
        one_after_another(server.url, 20)
    assert (server.connections, len(server.requests)) == (1, 20)


def test_fresh_opens_a_connection_each_time() -> None:
    with RawServer() as server:
        one_after_another(server.url, 5, fresh=True)
    assert (server.connections, len(server.requests)) == (5, 5)


@pytest.mark.parametrize(("idle_s", "connections"), [(1.9, 1), (2.0, 2), (60.0, 2)])
def test_a_connection_idle_for_too_long_is_not_used(idle_s: float, connections: int) -> None:
    clock = Clock()

    async def use(wire: Wire) -> None:
        await wire.exchange(post(server.url))
        clock.now += idle_s
        await wire.exchange(post(server.url))

    with RawServer() as server:
        with_wire(use, clock=clock)
    assert server.connections == connections


def test_the_connection_used_last_is_used_first() -> None:
    clock = Clock()

    async def use(wire: Wire) -> None:
        await asyncio.gather(*(wire.exchange(post(server.url)) for _ in range(3)))
        before = len(server.requests)
        for _ in range(5):
            clock.now += 1.0
            await wire.exchange(post(server.url))
        assert len({request.connection for request in server.requests[before:]}) == 1

    together = threading.Barrier(3)

    def script(peer: Peer, request: Received) -> None:
        if len(server.requests) <= 3:
            together.wait(5)
        peer.send(reply())

    with RawServer(script) as server:
        with_wire(use, clock=clock)
    assert server.connections == 3


def test_with_no_idle_time_allowed_nothing_is_falsely_lost() -> None:
    def script(peer: Peer, request: Received) -> None:
        peer.send(reply())
        peer.close()

    with RawServer(script) as server:
        replies = one_after_another(server.url, 200, max_idle_s=0.0)
    assert [r.status for r in replies] == [200] * 200
    assert len(server.requests) == 200


@pytest.mark.parametrize("parting", ["closes", "resets", "talks"])
def test_a_stale_connection_is_noticed_before_anything_is_written(parting: str) -> None:
    """The kernel knows that the server closed although the loop has not heard of it yet."""
    parted = threading.Semaphore(0)

    def script(peer: Peer, request: Received) -> None:
        peer.send(reply())
        answered.acquire()
        if parting == "closes":
            peer.close()
        elif parting == "resets":
            peer.reset()
        else:
            peer.send(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        parted.release()

    answered = threading.Semaphore(0)

    async def use(wire: Wire) -> None:
        for _ in range(50):
            assert (await wire.exchange(post(server.url))).status == 200
            answered.release()
            parted.acquire()  # Blocks the loop: it cannot have seen the end.

    with RawServer(script) as server:
        with_wire(use)
    assert (server.connections, len(server.requests)) == (50, 50)


def test_a_connection_that_ends_while_idle_is_let_go() -> None:
    def script(peer: Peer, request: Received) -> None:
        peer.send(reply())
        peer.close()

    async def use(wire: Wire) -> None:
        await wire.exchange(post(server.url))
        pool = wire._direct._pool  # type: ignore[attr-defined]
        async with asyncio.timeout(5):
            while len(pool):
                await asyncio.sleep(0)

    with RawServer(script) as server:
        with_wire(use)


def test_idle_connections_are_closed_by_age() -> None:
    clock = Clock()

    async def use(wire: Wire) -> None:
        pool = wire._direct._pool  # type: ignore[attr-defined]
        await wire.exchange(post(server.url))
        clock.now += 14
        pool.close_aged()
        await asyncio.sleep(0)
        assert len(pool) == 1
        clock.now += 1
        pool.close_aged()
        await asyncio.sleep(0)
        assert len(pool) == 0

    with RawServer() as server:
        with_wire(use, clock=clock, settings={"keep_idle_s": 15.0})


SPENT = {
    "Connection: close": reply(b"{}", "200 OK", "Connection: close"),
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "more than was asked": reply() + reply(),
}


@pytest.mark.parametrize("raw", SPENT.values(), ids=SPENT)
def test_a_connection_that_cannot_serve_again_is_not_used(raw: bytes) -> None:
    with RawServer(lambda peer, _: peer.send(raw)) as server:
        one_after_another(server.url, 3)
    assert server.connections == 3


def test_an_answer_before_the_request_is_whole_is_taken_and_ends_the_sending() -> None:
    def refuse(peer: Peer) -> None:
        peer.sock.recv(1000)
        peer.send(reply(b"too much", "413 Content Too Large"))
        peer.ended.wait(5)
        peer.closed = True

    with RawServer(on_connect=refuse) as server:
        got = exchange(server.url, content=b"x" * 64 * 1024 * 1024)
    assert (got.status, got.content) == (413, b"too much")


def test_many_at_once_get_their_own_reply() -> None:
    def script(peer: Peer, request: Received) -> None:
        if request.connection < 200:
            crowd.wait(20)
        peer.send(reply(request.body))

    crowd = threading.Barrier(199)

    async def use(wire: Wire) -> list[WireReply]:
        assert wire.room == 200
        requests = [post(server.url, content=b"%d" % i, timeout_s=60) for i in range(200)]
        return await asyncio.gather(*(wire.exchange(request) for request in requests))

    with RawServer(script) as server:
        replies = with_wire(use, settings={"at_once": 200})
    assert [r.content for r in replies] == [b"%d" % i for i in range(200)]
    assert len(server.requests) == 200


# Ends from our side


def silent(peer: Peer, request: Received) -> None:
    peer.hang()


def half_a_reply(peer: Peer, request: Received) -> None:
    peer.send(reply(b"half", "200 OK", "X-Request-Id: req_1", length=100))
    peer.hang()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


@pytest.mark.parametrize(("script", "status"), [(silent, None), (half_a_reply, 200)])
def test_a_cancelled_exchange_closes_its_connection_and_says_that_it_left(
    script: Script, status: int | None
) -> None:
    gone = threading.Event()

    def watch(peer: Peer, request: Received) -> None:
        script(peer, request)
        gone.set()

    async def use(wire: Wire) -> None:
        progress = Progress()
        running = asyncio.ensure_future(wire.exchange(post(server.url), progress))
        await until(lambda: bool(server.requests) and progress.status == status)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert progress.left
        assert progress.headers.get("x-request-id") == (status and "req_1")
        await until(gone.is_set)

    with RawServer(watch) as server:
        with_wire(use)
    assert len(server.requests) == 1


def test_cancelled_before_it_left_says_so() -> None:
    async def use(wire: Wire) -> None:
        progress = Progress()
        running = asyncio.ensure_future(wire.exchange(post(server.url), progress))
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert not progress.left

    with RawServer() as server:
        with_wire(use)
    assert server.requests == []


def test_closing_the_wire_ends_what_is_under_way() -> None:
    async def use(wire: Wire) -> None:
        running = asyncio.ensure_future(wire.exchange(post(server.url)))
        await until(lambda: bool(server.requests))
        await wire.aclose()
        with pytest.raises(Lost) as lost:
            await running
        assert lost.value.kind == "closed"
        assert "the wire was closed" in lost.value.message
        with pytest.raises(NotSent) as not_sent:
            await wire.exchange(post(server.url))
        assert not_sent.value.kind == "cancelled"

    with RawServer(silent) as server:
        with_wire(use)
    assert len(server.requests) == 1


def test_a_transport_in_place_of_the_network_is_used() -> None:
    def play(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b"recorded", headers={"X-A": "1"})

    async def use(wire: Wire) -> WireReply:
        return await wire.exchange(post("https://api.openai.com"))

    got = with_wire(use, transport=httpx.MockTransport(play))
    assert (got.content, got.headers["x-a"]) == (b"recorded", "1")


def test_the_default_script_answers() -> None:
    with RawServer(answer_ok) as server:
        assert exchange(server.url).content == b"{}"
