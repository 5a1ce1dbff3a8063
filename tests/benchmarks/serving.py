"""A server for the benchmarks that answers after the milliseconds that a path begins with.

`/500/v1/responses` is answered half a second after it came. Run it in a process of its own: what is
measured must not wait for it.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable
from itertools import count

RESPONSE = {
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "model": "gpt-6-luna",
    "output": [
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "done", "annotations": []}],
        }
    ],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 1,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 11,
    },
}

_numbers = count(1)


def response() -> bytes:
    """A reply with a response of its own id, which says "done"."""
    return reply(json.dumps({"id": f"resp_{next(_numbers)}", **RESPONSE}).encode())


def reply(body: bytes) -> bytes:
    """A reply of JSON as it goes over the wire."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-request-id: req_1\r\n"
    return b"%sContent-Length: %d\r\n\r\n%s" % (head, len(body), body)


class Server(asyncio.Protocol):
    """One connection; `answers` makes each reply."""

    def __init__(self, answers: Callable[[], bytes]) -> None:
        self.answers = answers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.unread = b""

    def data_received(self, more: bytes) -> None:
        self.unread += more
        while b"\r\n\r\n" in self.unread:
            head, _, rest = self.unread.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
            if len(rest) < length:
                return
            self.unread = rest[length:]
            delay_ms = int(head.split(b" ", 2)[1].split(b"/")[1])
            if delay_ms:
                asyncio.get_running_loop().call_later(delay_ms / 1000, self.answer)
            else:
                self.answer()

    def answer(self) -> None:
        self.transport.write(self.answers())  # type: ignore[attr-defined]


async def serve(answers: Callable[[], bytes] = response, tls: ssl.SSLContext | None = None) -> None:
    """Serve on a free port, which is the first line printed, until the process is ended."""
    server = await asyncio.get_running_loop().create_server(
        lambda: Server(answers), "127.0.0.1", 0, backlog=4096, ssl=tls
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
