"""Proxies: who goes through one, and that what is said about a request stays true behind it."""

from __future__ import annotations

import asyncio
import base64
import ssl
from typing import Any

import pytest
import trustme
from test_wire_exchange import post, with_wire
from wire_server import Peer, RawServer, Received, Script, answer_ok, reply

from flowrunner.errors import EnvironmentFault
from flowrunner.wire import Lost, NotSent, Progress, Wire, WireReply, WireSettings
from flowrunner.wire.pool import Origin
from flowrunner.wire.proxies import Proxies

# Who goes through one

BOTH = {"HTTP_PROXY": "http://plain.test:1", "HTTPS_PROXY": "http://tls.test:2"}
WAYS: dict[str, tuple[dict[str, str], str, str | None]] = {
    "https": (BOTH, "https://api.test/", "tls.test:2"),
    "http": (BOTH, "http://api.test/", "plain.test:1"),
    "none named": ({}, "https://api.test/", None),
    "empty": ({"HTTPS_PROXY": " "}, "https://api.test/", None),
    "for all": ({"ALL_PROXY": "http://all.test:3"}, "https://api.test/", "all.test:3"),
    "one before all": (BOTH | {"ALL_PROXY": "http://a.test:3"}, "https://api.test/", "tls.test:2"),
    "small letters first": (
        BOTH | {"https_proxy": "http://small.test:4"},
        "https://api.test/",
        "small.test:4",
    ),
    "without scheme": ({"HTTPS_PROXY": "bare.test:5"}, "https://api.test/", "bare.test:5"),
    "without port": ({"HTTPS_PROXY": "http://p.test"}, "https://api.test/", "p.test:80"),
    "127.0.0.1": (BOTH, "http://127.0.0.1:8000/", None),
    "127.1.2.3": (BOTH, "https://127.1.2.3/", None),
    "localhost": (BOTH, "http://localhost/", None),
    "below localhost": (BOTH, "http://api.localhost/", None),
    "IPv6 loopback": (BOTH, "http://[::1]:8000/", None),
}
EXEMPT = [
    ("*", "https://api.test/", True),
    ("api.test", "https://api.test/", True),
    ("API.test", "https://api.TEST/", True),
    ("a.b, api.test", "https://api.test/", True),
    ("a.b api.test", "https://api.test/", True),
    ("test", "https://api.test/", True),
    (".test", "https://api.test/", True),
    ("*.test", "https://api.test/", True),
    ("pi.test", "https://api.test/", False),
    ("api.test.evil", "https://api.test/", False),
    ("api.test:443", "https://api.test/", True),
    ("api.test:8443", "https://api.test/", False),
    ("10.0.0.0/8", "https://10.1.2.3/", True),
    ("10.0.0.0/8", "https://11.1.2.3/", False),
    ("10.0.0.0/8", "https://api.test/", False),
    ("10.0.0.0/what", "https://10.1.2.3/", False),
    ("2001:db8::1", "https://[2001:db8::1]/", True),
    ("[2001:db8::1]:443", "https://[2001:db8::1]/", True),
    ("2001:db8::/32", "https://[2001:db8::1]/", True),
]


@pytest.mark.parametrize(("environ", "url", "proxy"), WAYS.values(), ids=WAYS)
def test_the_way_to_a_host(environ: dict[str, str], url: str, proxy: str | None) -> None:
    assert Wire(WireSettings(proxies=environ)).proxy_for(url) == proxy


@pytest.mark.parametrize(("rule", "url", "exempt"), EXEMPT)
def test_no_proxy(rule: str, url: str, exempt: bool) -> None:
    wire = Wire(WireSettings(proxies=BOTH | {"NO_PROXY": rule}))
    assert (wire.proxy_for(url) is None) == exempt


@pytest.mark.parametrize(
    "text", ["socks5://p.test:1", "ftp://p.test", "http://", "http://user:sk-canary@p test:x"]
)
def test_a_proxy_that_cannot_be_used_is_said_without_its_password(text: str) -> None:
    with pytest.raises(EnvironmentFault) as caught:
        Wire(WireSettings(proxies={"HTTPS_PROXY": text}))
    assert "`HTTPS_PROXY`" in caught.value.message
    assert "canary" not in caught.value.message + str(caught.value.help)


def test_the_way_is_shown_without_user_and_password() -> None:
    wire = Wire(WireSettings(proxies={"HTTPS_PROXY": "http://user:sk-canary@p.test:8"}))
    assert wire.proxy_for("https://api.test/v1") == "p.test:8"
    assert Proxies.read({}).between(Origin("https", "api.test", 443)) is None


# What happens behind it


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def settings_for(proxy: RawServer, authority: trustme.CA, user: str = "") -> dict[str, Any]:
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    address = proxy.url.replace("//", f"//{user}")
    return {"proxies": {"HTTP_PROXY": address, "HTTPS_PROXY": address}, "trust": trust}


def tunnel_to(authority: trustme.CA, script: Script) -> Script:
    """A proxy's script: after CONNECT it plays the host `api.test` itself."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("api.test").configure_cert(tls)

    def play(peer: Peer, request: Received) -> None:
        if request.method != "CONNECT":
            script(peer, request)
            return
        peer.send(b"HTTP/1.1 200 Connected\r\n\r\n")
        peer.sock = tls.wrap_socket(peer.sock, server_side=True)

    return play


def paid(proxy: RawServer) -> list[Received]:
    return [request for request in proxy.requests if request.method == "POST"]


def through(proxy: RawServer, authority: trustme.CA, url: str, **changes: Any) -> WireReply:
    return with_wire(
        lambda wire: wire.exchange(post(url, **changes)), settings=settings_for(proxy, authority)
    )


def test_a_plain_request_goes_to_the_proxy_whole(authority: trustme.CA) -> None:
    with RawServer(lambda peer, _: peer.send(reply(b"ok"))) as proxy:
        assert through(proxy, authority, "http://api.test").content == b"ok"
    assert proxy.requests[0].path == "http://api.test/v1/responses"


def test_a_secret_request_goes_through_a_tunnel(authority: trustme.CA) -> None:
    async def use(wire: Wire) -> None:
        for _ in range(3):
            got = await wire.exchange(post("https://api.test", content=b"{}"))
            assert got.content == b"ok"

    with RawServer(tunnel_to(authority, lambda peer, _: peer.send(reply(b"ok")))) as proxy:
        with_wire(use, settings=settings_for(proxy, authority, user="me:pass@"))
    connect, *posts = proxy.requests
    assert (connect.method, connect.path) == ("CONNECT", "api.test:443")
    assert connect.headers["proxy-authorization"].split() == [
        "Basic",
        base64.b64encode(b"me:pass").decode(),
    ]
    assert len(posts) == 3
    assert all("proxy-authorization" not in request.headers for request in posts)
    assert proxy.connections == 1


@pytest.mark.parametrize("terms", [{"fresh": True}, {"max_idle_s": 0.0}], ids=str)
def test_fresh_opens_a_tunnel_each_time(authority: trustme.CA, terms: dict[str, Any]) -> None:
    async def use(wire: Wire) -> None:
        for _ in range(3):
            await wire.exchange(post("https://api.test", **terms))

    with RawServer(tunnel_to(authority, answer_ok)) as proxy:
        with_wire(use, settings=settings_for(proxy, authority))
    assert (proxy.connections, len(paid(proxy))) == (3, 3)


def test_loopback_goes_straight(authority: trustme.CA) -> None:
    with RawServer() as proxy, RawServer() as server:
        through(proxy, authority, server.url)
    assert (proxy.connections, len(server.requests)) == (0, 1)


def not_sent(proxy: RawServer, authority: trustme.CA, **settings: Any) -> NotSent:
    progress = Progress()
    with pytest.raises(NotSent) as caught:
        with_wire(
            lambda wire: wire.exchange(post("https://api.test"), progress),
            settings=settings_for(proxy, authority, user="me:sk-canary@") | settings,
        )
    assert not progress.left
    assert paid(proxy) == []
    assert "canary" not in str(caught.value) + repr(caught.value)
    assert "`api.test:443`" in caught.value.message
    return caught.value


def test_a_proxy_that_refuses_sends_nothing(authority: trustme.CA) -> None:
    denied = reply(b"", "407 Proxy Authentication Required")
    with RawServer(lambda peer, _: peer.send(denied)) as proxy:
        fault = not_sent(proxy, authority)
    assert (fault.kind, "status 407" in fault.message) == ("connect", True)


@pytest.mark.parametrize("end", [Peer.close, Peer.reset], ids=["closes", "resets"])
def test_a_proxy_that_ends_before_the_tunnel_sends_nothing(authority: trustme.CA, end: Any) -> None:
    with RawServer(lambda peer, _: end(peer)) as proxy:
        assert not_sent(proxy, authority).kind == "connect"


def test_a_host_that_is_not_trusted_behind_the_tunnel_sends_nothing(authority: trustme.CA) -> None:
    with RawServer(tunnel_to(trustme.CA(), answer_ok)) as proxy:
        fault = not_sent(proxy, authority)
    assert fault.kind == "tls"
    assert "authority that this machine does not know" in fault.message


def test_no_proxy_there_sends_nothing(authority: trustme.CA) -> None:
    proxy = RawServer()
    proxy.stop_listening()
    assert not_sent(proxy, authority).kind in ("connect", "refused")


def half(peer: Peer, request: Received) -> None:
    peer.send(reply(b"half", "200 OK", "X-Request-Id: req_1", length=100))
    peer.close()


FATES: dict[str, tuple[Script, str, int | None, bytes]] = {
    "closed": (lambda peer, _: peer.close(), "closed", None, b""),
    "reset": (lambda peer, _: peer.reset(), "reset", None, b""),
    "truncated": (half, "truncated", 200, b"half"),
    "silence": (lambda peer, _: peer.hang(), "timeout", None, b""),
    "too big": (lambda peer, _: peer.send(reply(b"x" * 2000)), "too-big", 200, b"x" * 1000),
}


@pytest.mark.parametrize(("script", "kind", "status", "partial"), FATES.values(), ids=FATES)
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("fresh", [False, True], ids=["shared", "fresh"])
def test_what_left_is_lost(
    authority: trustme.CA,
    script: Script,
    kind: str,
    status: int | None,
    partial: bytes,
    scheme: str,
    fresh: bool,
) -> None:
    progress = Progress()
    request = post(f"{scheme}://api.test", timeout_s=0.2 if kind == "timeout" else 5, fresh=fresh)
    with RawServer(tunnel_to(authority, script)) as proxy, pytest.raises(Lost) as caught:
        with_wire(
            lambda wire: wire.exchange(request, progress),
            settings=settings_for(proxy, authority) | {"max_reply_bytes": 1000},
        )
    lost = caught.value
    assert progress.left
    assert len(paid(proxy)) == 1
    assert (lost.kind, lost.status, lost.partial) == (kind, status, partial)


def test_cancelled_behind_a_proxy_says_that_it_left(authority: trustme.CA) -> None:
    async def use(wire: Wire) -> None:
        progress = Progress()
        running = asyncio.ensure_future(wire.exchange(post("https://api.test"), progress))
        async with asyncio.timeout(10):
            while not paid(proxy):
                await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert progress.left

    with RawServer(tunnel_to(authority, lambda peer, _: peer.hang())) as proxy:
        with_wire(use, settings=settings_for(proxy, authority))
