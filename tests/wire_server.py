"""A raw fake server for tests: it sends exactly the bytes that a script orders, over real sockets.

Each connection has its own thread; a script is a function `(peer, request) -> None` called for each
request that arrived whole. Nothing here knows HTTP beyond finding where a request ends.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Received:
    """One request as it arrived. `connection` counts connections from 1; headers are lower-case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int


@dataclass
class Peer:
    """The server's end of one connection."""

    sock: socket.socket
    number: int
    ended: threading.Event
    closed: bool = False
    unread: bytes = field(default=b"", repr=False)

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self.sock.sendall(part)

    def drip(self, content: bytes, every_s: float = 0.02) -> None:
        """One byte at a time until all are sent or the server ends."""
        for byte in content:
            self.sock.sendall(bytes([byte]))
            if self.ended.wait(every_s):
                return

    def hang(self) -> None:
        """Say nothing until the other side has gone or the server ends."""
        self.sock.settimeout(0.02)
        while not self.ended.is_set():
            with suppress(TimeoutError):
                if not self.sock.recv(65536):
                    return

    def close(self) -> None:
        """An orderly end."""
        self.closed = True
        with suppress(OSError):
            if isinstance(self.sock, ssl.SSLSocket):
                self.sock = self.sock.unwrap()
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    def reset(self) -> None:
        """An end by RST."""
        self.closed = True
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def read_request(self) -> Received | None:
        """The next whole request; None when the other side closed."""
        while b"\r\n\r\n" not in self.unread:
            if not self._read_more():
                return None
        head, _, self.unread = self.unread.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        length = int(headers.get("content-length", "0"))
        while len(self.unread) < length:
            if not self._read_more():
                return None
        body, self.unread = self.unread[:length], self.unread[length:]
        return Received(method, path, headers, body, self.number)

    def _read_more(self) -> bool:
        try:
            more = self.sock.recv(65536)
        except OSError:
            return False
        self.unread += more
        return bool(more)


Script = Callable[[Peer, Received], None]


def reply(
    body: bytes | object = b"{}",
    status: str = "200 OK",
    *headers: str,
    length: int | None = None,
) -> bytes:
    """A whole reply with a Content-Length (about which `length` lies); other bodies go as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [
        f"HTTP/1.1 {status}",
        "Content-Type: application/json",
        f"Content-Length: {len(content) if length is None else length}",
        *headers,
    ]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content


def answer_ok(peer: Peer, request: Received) -> None:
    """The default script: 200 and `{}`."""
    peer.send(reply())


class RawServer:
    """Listens on 127.0.0.1 while entered. `requests` and `connections` are what really arrived."""

    def __init__(
        self,
        script: Script = answer_ok,
        *,
        tls: ssl.SSLContext | None = None,
        on_connect: Callable[[Peer], None] | None = None,
    ) -> None:
        self.requests: list[Received] = []
        self.connections = 0
        self._script = script
        self._tls = tls
        self._on_connect = on_connect
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self._socks: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> RawServer:
        self._begin(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.stop_listening()
        for sock in self._socks:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=5)

    def stop_listening(self) -> None:
        """Nobody is there any more; connections that exist go on."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _begin(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._socks.append(sock)
            self._begin(self._serve, sock, self.connections)

    def _serve(self, sock: socket.socket, number: int) -> None:
        peer = Peer(sock, number, self._ended)
        with suppress(OSError):
            if self._on_connect is not None:
                self._on_connect(peer)
            if self._tls is not None and not peer.closed:
                peer.sock = self._tls.wrap_socket(sock, server_side=True)
            while not peer.closed and (request := peer.read_request()) is not None:
                self.requests.append(request)
                self._script(peer, request)
        peer.sock.close()
        sock.close()
