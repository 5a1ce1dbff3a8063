"""Where a tool may go over the network: over TLS, to public addresses, else only where listed.

What is said to whoever is reached is left to `http_tool` and to the servers of `mcp`.
"""

from __future__ import annotations

import functools
import re
import ssl
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from flowrunner.language.tools import EnvName, MissingSecret
from flowrunner.language.tools.kinds import Placed
from flowrunner.secrets import Scrubber
from flowrunner.tools.answer import CAP_BYTES
from flowrunner.visible import one_line
from flowrunner.wire import Guard, Secret, Wire, WireSettings
from flowrunner.wire.tls import default_trust

_PORTS = {"http": 80, "https": 443}
_ODD = re.compile(r"[\\\x00-\x20\x7f]")
"""What readers of a URL disagree on."""


class Unreachable(Exception):
    """An address that a tool may not be led to; its message is a sentence."""


class Secrets:
    """The values behind the `{ env: NAME }` of one tool, and a scrubber for all that were used."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._used: list[str] = []

    def text(self, placed: Placed) -> str:
        """The text that stands there. Raises MissingSecret."""
        if isinstance(placed, str):
            return placed
        value = self._environ.get(placed.name)
        if not value:
            raise MissingSecret(placed.name)
        self._used.append(value)
        return value

    def headers(self, written: Mapping[str, Placed]) -> dict[str, str | Secret]:
        """The headers to send. Raises MissingSecret."""
        return {
            name: Secret(self.text(value)) if isinstance(value, EnvName) else value
            for name, value in written.items()
        }

    def scrubber(self) -> Scrubber:
        """Masks what was used up to now."""
        return Scrubber(self._used)


def parts_of(url: str) -> SplitResult:
    """The parts of a URL that may be asked. Raises Unreachable."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in _PORTS or port == 0 or _ODD.search(url):
        raise Unreachable("the URL is not one of the form `https://HOST/PATH`")
    if parts.username is not None or parts.password is not None:
        raise Unreachable("the URL holds a user name: write the header `Authorization` instead")
    if parts.scheme == "http" and not is_loopback(host):
        raise Unreachable(f"`{shown(url)}` is not encrypted: write `https://`")
    return parts


def origin_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port, where they are the same for two URLs a secret of one is safe with
    the other."""
    parts = parts_of(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme]


def is_loopback(host: str) -> bool:
    """Whether a host is surely this machine, by its name alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def shown(url: str) -> str:
    """Scheme, host and port of a URL, for people: the rest may be secret."""
    try:
        parts = urlsplit(url)
        place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    except ValueError:
        return "…"
    return one_line(place if len(place) <= 200 else f"{place[:200]}…")


def open_wire(
    hosts: tuple[str, ...], environ: Mapping[str, str], cap_bytes: int = CAP_BYTES
) -> Wire:
    """A wire that reaches public addresses and what is listed. Raises EnvironmentFault where the
    environment names a proxy that is none."""
    guard = Guard.listing(hosts)
    return Wire(
        WireSettings(proxies=environ, max_reply_bytes=cap_bytes, trust=_trust(), guard=guard)
    )


@functools.cache
def _trust() -> ssl.SSLContext:
    # Made once: it reads every authority that the machine knows.
    return default_trust()
