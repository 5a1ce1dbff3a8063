"""TLS: whom it trusts, what it says when it does not, and the same fates as without it."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
import trustme
from test_wire_exchange import one_after_another, post, with_wire
from wire_server import Peer, RawServer, Received, Script, reply

from flowrunner.wire import Lost, NotSent, Progress, Wire, WireReply
from flowrunner.wire.tls import default_trust


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_side(authority: trustme.CA, *names: str, **validity: Any) -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or ("127.0.0.1",)), **validity).configure_cert(tls)
    return tls


def trusting(authority: trustme.CA) -> dict[str, Any]:
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    return {"trust": trust}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_exchanges_go_through_one_session(authority: trustme.CA, version: ssl.TLSVersion) -> None:
    async def use(wire: Wire) -> list[WireReply]:
        requests = [post(server.url, content=bytes([65 + n]) * size) for n, size in sizes]
        return [await wire.exchange(request) for request in requests]

    sizes = [(0, 1), (1, 4 * 1024**2), (2, 0), (3, 100_000)]
    tls = server_side(authority)
    tls.minimum_version = tls.maximum_version = version
    with RawServer(lambda peer, request: peer.send(reply(request.body)), tls=tls) as server:
        replies = with_wire(use, settings=trusting(authority))
    assert [r.content for r in replies] == [bytes([65 + n]) * size for n, size in sizes]
    assert (server.connections, len(server.requests)) == (1, 4)


def test_many_sessions_at_once(authority: trustme.CA) -> None:
    async def use(wire: Wire) -> list[WireReply]:
        requests = [post(server.url, content=b"%d" % n, timeout_s=60) for n in range(30)]
        return await asyncio.gather(*(wire.exchange(request) for request in requests))

    crowd = threading.Barrier(30)

    def script(peer: Peer, request: Received) -> None:
        crowd.wait(30)
        peer.send(reply(request.body))

    with RawServer(script, tls=server_side(authority)) as server:
        replies = with_wire(use, settings=trusting(authority))
    assert [r.content for r in replies] == [b"%d" % n for n in range(30)]


def refused(server: RawServer, settings: dict[str, Any]) -> NotSent:
    progress = Progress()
    with pytest.raises(NotSent) as caught:
        with_wire(lambda wire: wire.exchange(post(server.url), progress), settings=settings)
    assert not progress.left
    assert server.requests == []
    assert f"`127.0.0.1:{server.port}`" in caught.value.message
    return caught.value


def test_an_unknown_authority_is_not_trusted(authority: trustme.CA) -> None:
    with RawServer(tls=server_side(trustme.CA())) as server:
        fault = refused(server, trusting(authority))
    assert fault.kind == "tls"
    assert "authority that this machine does not know" in fault.message


def test_a_certificate_for_another_host_is_not_trusted(authority: trustme.CA) -> None:
    with RawServer(tls=server_side(authority, "api.test")) as server:
        fault = refused(server, trusting(authority))
    assert (fault.kind, "another host" in fault.message) == ("tls", True)


def test_an_expired_certificate_is_not_trusted(authority: trustme.CA) -> None:
    then = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    tls = server_side(authority, not_before=then, not_after=then + datetime.timedelta(days=1))
    with RawServer(tls=tls) as server:
        fault = refused(server, trusting(authority))
    assert (fault.kind, "expired" in fault.message) == ("tls", True)


def talks_plainly(peer: Peer) -> None:
    peer.sock.recv(1)
    peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    peer.close()


def resets_the_handshake(peer: Peer) -> None:
    peer.sock.recv(1)  # Earlier it would be the connection that fails, not the handshake.
    peer.reset()


ENDS = {"closes": Peer.close, "resets": resets_the_handshake, "talks plainly": talks_plainly}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_handshake_that_fails_sends_nothing(authority: trustme.CA, end: Any) -> None:
    with RawServer(on_connect=end, tls=server_side(authority)) as server:
        fault = refused(server, trusting(authority))
    assert fault.kind == "tls"
    assert ("does not speak TLS" in fault.message) == (end is talks_plainly)


def cut(peer: Peer, request: Received) -> None:
    peer.send(reply(b"half", "200 OK", length=100))
    peer.close()


def closes_without_goodbye(peer: Peer, request: Received) -> None:
    peer.closed = True
    peer.sock.close()


FATES: dict[str, tuple[Script, str, int | None, bytes]] = {
    "closed": (lambda peer, _: peer.close(), "closed", None, b""),
    "closed without goodbye": (closes_without_goodbye, "closed", None, b""),
    "reset": (lambda peer, _: peer.reset(), "reset", None, b""),
    "truncated": (cut, "truncated", 200, b"half"),
    "silence": (lambda peer, _: peer.hang(), "timeout", None, b""),
}


@pytest.mark.parametrize(("script", "kind", "status", "partial"), FATES.values(), ids=FATES)
def test_what_left_is_lost_as_without_tls(
    authority: trustme.CA, script: Script, kind: str, status: int | None, partial: bytes
) -> None:
    progress = Progress()
    timeout_s = 0.2 if kind == "timeout" else 5.0
    with RawServer(script, tls=server_side(authority)) as server, pytest.raises(Lost) as caught:
        with_wire(
            lambda wire: wire.exchange(post(server.url, timeout_s=timeout_s), progress),
            settings=trusting(authority),
        )
    lost = caught.value
    assert progress.left
    assert (lost.kind, lost.status, lost.partial) == (kind, status, partial)
    assert len(server.requests) == 1


def test_a_stale_session_is_noticed_before_anything_is_written(authority: trustme.CA) -> None:
    answered, parted = threading.Semaphore(0), threading.Semaphore(0)

    def script(peer: Peer, request: Received) -> None:
        peer.send(reply())
        answered.acquire()
        peer.closed = True
        peer.sock.close()
        parted.release()

    async def use(wire: Wire) -> None:
        for _ in range(10):
            assert (await wire.exchange(post(server.url))).status == 200
            answered.release()
            parted.acquire()  # Blocks the loop: it cannot have seen the end.

    with RawServer(script, tls=server_side(authority)) as server:
        with_wire(use, settings=trusting(authority))
    assert (server.connections, len(server.requests)) == (10, 10)


def test_a_cancelled_handshake_leaves_nothing_behind(authority: trustme.CA) -> None:
    async def use(wire: Wire) -> None:
        progress = Progress()
        running = asyncio.ensure_future(wire.exchange(post(server.url), progress))
        async with asyncio.timeout(10):
            while not server.connections:
                await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert not progress.left

    with RawServer(on_connect=Peer.hang, tls=server_side(authority)) as server:
        with_wire(use, settings=trusting(authority))


def test_ssl_cert_file_is_honoured(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "own.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "own.pem"))
    with RawServer(tls=server_side(authority)) as server:
        assert one_after_another(server.url, 2)[1].status == 200


def test_a_system_without_authorities_gets_those_of_the_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    trust = default_trust()
    assert trust.cert_store_stats()["x509_ca"] > 50
    assert (trust.verify_mode, trust.check_hostname) == (ssl.CERT_REQUIRED, True)
