"""TLS by the standard library between a socket's transport and a connection.

asyncio's own layer keeps a buffer of 256 kB for each connection; this one keeps none, so that a
thousand calls in flight stay small. Whom to trust is left to the `ssl.SSLContext`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import certifi

from flowrunner.wire.connection import Connection
from flowrunner.wire.faults import NotSent

_STEP_BYTES = 64 * 1024


def default_trust() -> ssl.SSLContext:
    """A verifying context: the system's authorities (SSL_CERT_FILE and SSL_CERT_DIR honoured by
    OpenSSL itself), or those that came with the installation where the system has none."""
    trust = ssl.create_default_context()
    folder = ssl.get_default_verify_paths().capath
    has_folder = folder is not None and any(Path(folder).glob("*.0"))
    if not trust.cert_store_stats()["x509_ca"] and not has_folder:
        trust.load_verify_locations(certifi.where())
    trust.set_alpn_protocols(["http/1.1"])
    return trust


_DISTRUST = {
    10: "it has expired",
    9: "it is not valid yet",
    18: "it is signed by itself",
    19: "it is signed by an authority that this machine does not know",
    20: "it is signed by an authority that this machine does not know",
    62: "it was made out for another host",
    64: "it was made out for another host",
}
"""OpenSSL: X509_V_ERR_* of verify(1)."""


class Tls(asyncio.Protocol):
    """One TLS session as a client; `connection` sees plain bytes and writes plain bytes.

    `ready` ends when the handshake is done, with ssl.SSLError or OSError when it failed.
    """

    __slots__ = (
        "_connection", "_established", "_incoming", "_outgoing", "_session", "_transport", "ready",
    )  # fmt: skip

    def __init__(self, connection: Connection, trust: ssl.SSLContext, host: str) -> None:
        self._connection = connection
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._session = trust.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._transport: asyncio.Transport | None = None
        self._established = False
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._advance()

    def data_received(self, data: bytes) -> None:
        self._incoming.write(data)
        self._advance()

    def eof_received(self) -> None:
        self._incoming.write_eof()
        if self._established:
            self._connection.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._established:
            self._connection.connection_lost(exc)
        else:
            self._fail(exc or ConnectionResetError("closed during the handshake"))

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()

    # What the connection calls.

    def write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            view = view[self._session.write(view) :]
        self._flush()

    def is_closing(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def pause_reading(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    def close(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        with suppress(ssl.SSLError):  # It wants the other side's goodbye, which nobody waits for.
            self._session.unwrap()
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # Within.

    def _advance(self) -> None:
        step: Callable[[], None] = self._read if self._established else self._shake_hands
        try:
            step()
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError as error:
            self._flush()  # The alert that tells the other side why.
            self._fail(error)
            self.abort()

    def _shake_hands(self) -> None:
        self._session.do_handshake()
        self._flush()
        self._established = True
        self._connection.connection_made(self)
        if not self.ready.done():
            self.ready.set_result(None)
        self._read()

    def _read(self) -> None:
        while True:
            plain = self._session.read(_STEP_BYTES)
            if not plain:  # The other side said goodbye.
                self._connection.eof_received()
                self.close()
                return
            self._connection.data_received(plain)

    def _flush(self) -> None:
        if self._outgoing.pending and self._transport is not None:
            self._transport.write(self._outgoing.read())

    def _fail(self, error: Exception) -> None:
        if not self.ready.done():
            self.ready.set_exception(error)


def not_secure(error: OSError, place: str) -> NotSent:
    """Why no secure connection to `place` (as shown to people) came about."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = _DISTRUST.get(error.verify_code, "it could not be verified")
        return NotSent("tls", f"the certificate of {place} is not trusted: {why}")
    if isinstance(error, ssl.SSLError) and error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
        return NotSent("tls", f"{place} does not speak TLS: is its address `http://`?")
    return NotSent("tls", f"no secure connection to {place} could be agreed on")
