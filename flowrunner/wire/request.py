"""What goes out: a request checked before anything is opened, its secrets named in no complaint.

Sending it is left to `exchange`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import httpx

from flowrunner import __version__
from flowrunner.wire.endpoint import Secret
from flowrunner.wire.faults import Unsendable
from flowrunner.wire.pool import Origin
from flowrunner.wire.progress import Progress
from flowrunner.wire.transport import TERMS, Terms, origin_of

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_OURS = ("host", "content-length", "transfer-encoding", "connection", "expect", "accept-encoding")
_DEFAULT_HEADERS = {"User-Agent": f"flowrunner/{__version__}", "Accept": "*/*"}
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"(?:[!-~](?:[ -~\t]*[!-~])?)?")


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One request. `timeout_s` is wall clock for all of it: connecting, sending, receiving.

    `silence_s` bounds what of it passes without a word: until the head of the reply comes, and then
    as whoever takes the reply allows (`Incoming.wait_at_most`).

    A header's value may be a `Secret`. `fresh` opens a new connection; otherwise one that has been
    idle for less than `max_idle_s` may serve.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str | Secret] = field(repr=False)
    content: bytes = field(repr=False)
    timeout_s: float
    fresh: bool = False
    max_idle_s: float = 2.0
    silence_s: float | None = None


def sendable(request: WireRequest, progress: Progress) -> httpx.Request:
    if request.method not in _METHODS:
        raise Unsendable(f"`{request.method}` is not a method that can be sent")
    terms = Terms(progress, request.fresh, request.max_idle_s)
    return httpx.Request(
        request.method,
        target(request.url),
        headers=[*_headers(request.headers), ("Accept-Encoding", "identity")],
        content=request.content,
        extensions={TERMS: terms},
    )


@functools.lru_cache(maxsize=256)
def target(url: str) -> httpx.URL:
    """The parsed URL; requests go to few."""
    try:
        parsed = httpx.URL(url)
        readable = parsed.scheme in ("http", "https") and bool(parsed.host)
        origin: Origin | None = origin_of(parsed) if readable else None
    except (httpx.InvalidURL, UnicodeError):
        origin = None
    if origin is None or origin.host.startswith(".") or not 0 < origin.port < 65536:
        raise Unsendable("the address of the API is not one of the form `https://HOST/PATH`")
    return parsed.copy_with(username=None, password=None, fragment=None)


def _headers(given: Mapping[str, str | Secret]) -> Iterator[tuple[str, str]]:
    names = {name.lower() for name in given}
    yield from ((name, v) for name, v in _DEFAULT_HEADERS.items() if name.lower() not in names)
    for name, hidden in given.items():
        value = hidden.reveal() if isinstance(hidden, Secret) else hidden
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OURS:
            raise Unsendable(f"a header named `{_shown(name)}` cannot be sent")
        if not _HEADER_VALUE.fullmatch(value):
            raise Unsendable(
                f"the header `{name}` cannot be sent: its value {_what_is_wrong(value)} "
                "(it is not shown here)"
            )
        yield name, value


def _what_is_wrong(value: str) -> str:
    if "\n" in value or "\r" in value:
        return "contains a line break"
    if value != value.strip():
        return "begins or ends with a space"
    if not value.isascii():
        return "contains a character outside ASCII"
    return "contains an invisible character"


def _shown(name: str) -> str:
    return "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in name)[
        :40
    ]
