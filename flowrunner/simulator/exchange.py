"""One request and what comes of it, as plain values: what the wire and the endpoints hand around.

Bytes and sockets are left to `connection`, what a request means to `endpoints`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from flowrunner.events import Usage
from flowrunner.simulator.dice import Dice
from flowrunner.simulator.faults import Effect
from flowrunner.simulator.stream import Piece


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, whole. Header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    content: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, list[str]]:
        """The values of each parameter; `include[]=a&include[]=b` gives two under `include[]`."""
        return parse_qs(self.target.partition("?")[2], keep_blank_values=True)


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP reply: its content whole, or else the pieces of a stream, to be taken once."""

    status: int
    headers: tuple[tuple[str, str], ...]
    content: bytes
    pieces: Iterator[Piece] | None = None


def _nothing() -> None:
    """Most calls hold nothing."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A reply and what becomes of it on its way; `reply` is None where none is even begun.

    `call` is its number in the ledger; `delay_s` passes first, then the effect's ending comes true.
    `settle` ends what the call holds until its reply leaves; twice does no harm.
    """

    call: int
    reply: Reply | None
    delay_s: float
    effect: Effect
    settle: Callable[[], None] = _nothing

    @property
    def is_immediate(self) -> bool:
        """Whether nothing stands in the way of the reply."""
        if self.reply is None or self.reply.pieces is not None:
            return False
        whole = self.effect.ending == "finish" and self.effect.drip is None
        return whole and self.delay_s <= 0


@dataclass(slots=True)
class Exchange:
    """One request on its way through the API: what is known of it so far.

    `ids` are those of the path, by the names that its route gives them. `names` makes the ids of
    what the request creates. `usage` is set by the endpoint that does paid work. `settle` ends what
    it holds until its reply leaves.
    """

    number: int
    request: Request
    names: Dice
    ids: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    effect: Effect | None = None
    fault: str | None = None
    usage: Usage | None = None
    cost_usd: float | None = None
    response_id: str | None = None
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes = b""
    content_type: str = "application/json"
    pieces: Iterator[Piece] | None = None
    settle: Callable[[], None] = _nothing

    @property
    def client_request_id(self) -> str | None:
        return self.request.headers.get("x-client-request-id")

    @property
    def request_id(self) -> str:
        return f"req_{self.names.hexadecimal('request', 32)}"

    def settle_later(self) -> Callable[[], None]:
        """What ends what it holds, which from now on is not ended when its reply leaves."""
        settle, self.settle = self.settle, _nothing
        return settle

    def answer(self, status: int, content: dict[str, Any]) -> None:
        """Answer with a JSON object."""
        self.status = status
        self.send_json(json_bytes(content))

    def send_json(self, content: bytes) -> None:
        """Answer with the bytes of a JSON object."""
        self.content_type = "application/json"
        self.content = content
        self.pieces = None

    def stream(self, pieces: Iterator[Piece]) -> None:
        """Answer with server-sent events, each taken when it is to leave."""
        self.content_type = "text/event-stream; charset=utf-8"
        self.pieces = pieces


def json_bytes(content: Any) -> bytes:
    """A JSON value as the API sends it."""
    return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
