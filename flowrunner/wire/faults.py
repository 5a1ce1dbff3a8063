"""Why an exchange has no whole answer, told apart by the one question that matters: did it leave?

What to do about it (wait, repeat, hold) is left to `flowrunner.responses`.

    WireFault
    ├── NotSent       no byte of the request left: surely not processed, surely not billed
    └── Lost          bytes left and no whole answer came: possibly processed, possibly billed
    Unsendable        (a ValueError) the request itself cannot be sent; nothing was opened

No message, repr or cause holds a header value, a user:password or the query of a URL.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

NotSentKind: TypeAlias = Literal[
    "refused",
    "name",
    "tls",
    "connect-timeout",
    "connect",
    "cancelled",
    "forbidden",
    "no-recording",
]
LostKind: TypeAlias = Literal["reset", "closed", "timeout", "truncated", "too-big", "protocol"]


class WireFault(Exception):
    """An exchange that did not end in a whole answer. `message` is a sentence for a person."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotSent(WireFault):
    """Surely no byte of the request left this machine.

    `kind`: `refused` (nobody listens), `name` (no address for the host), `tls` (no trusted secure
    connection), `connect-timeout`, `connect` (any other reason there is no connection), `cancelled`
    (the wire was closed), `forbidden` (the address is not one that the guard admits),
    `no-recording` (a recording takes the place of the network, and has no reply to this).
    """

    def __init__(self, kind: NotSentKind, message: str) -> None:
        super().__init__(message)
        self.kind: NotSentKind = kind


class Lost(WireFault):
    """At least one byte of the request may have left, and no whole answer came back.

    `kind`: `reset`, `closed` (without a byte of an answer), `timeout`, `truncated`, `too-big`,
    `protocol` (what came is no HTTP). `status` is None while no status line was read; `headers` are
    lower-case; `partial` is what came of the body, unpacked (of one too big only its beginning).
    """

    def __init__(
        self,
        kind: LostKind,
        message: str,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        partial: bytes = b"",
    ) -> None:
        super().__init__(message)
        self.kind: LostKind = kind
        self.status = status
        self.headers: Mapping[str, str] = headers or {}
        self.partial = partial


class Unsendable(ValueError):
    """A request that no server could be sent: a bad header, URL or method. Nothing was opened."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
