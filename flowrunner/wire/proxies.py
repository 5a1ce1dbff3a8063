"""Which proxy, if any, stands between this machine and a host.

The rules are read from a mapping in the environment's spelling that the caller passes; speaking
through a proxy is left to `proxied`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import httpx

from flowrunner.errors import EnvironmentFault
from flowrunner.wire.pool import Origin


@dataclass(frozen=True)
class Proxies:
    """Proxies by scheme, and the hosts that are reached without one."""

    by_scheme: Mapping[str, httpx.URL]
    exempt: tuple[str, ...] = ()

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Proxies:
        """From `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`; small letters go first.

        Raises EnvironmentFault where one is no address of an HTTP proxy.
        """
        everything = _named(environ, "all_proxy")
        by_scheme = {}
        for scheme in ("http", "https"):
            name, text = _named(environ, f"{scheme}_proxy") or everything or ("", "")
            if text:
                by_scheme[scheme] = _proxy_url(name, text)
        _, exempt = _named(environ, "no_proxy") or ("", "")
        return cls(by_scheme, tuple(part.lower() for part in exempt.replace(",", " ").split()))

    def between(self, origin: Origin) -> httpx.URL | None:
        """The proxy on the way to an origin. Loopback is always reached without one."""
        proxy = self.by_scheme.get(origin.scheme)
        if proxy is None or _is_loopback(origin.host):
            return None
        return None if any(_covers(rule, origin) for rule in self.exempt) else proxy


def _named(environ: Mapping[str, str], name: str) -> tuple[str, str] | None:
    for spelled in (name, name.upper()):
        text = environ.get(spelled, "").strip()
        if text:
            return spelled, text
    return None


def _proxy_url(name: str, text: str) -> httpx.URL:
    with suppress(httpx.InvalidURL):
        url = httpx.URL(text if "://" in text else f"http://{text}")
        if url.scheme in ("http", "https") and url.host:
            return url
    raise EnvironmentFault(
        f"`{name}` is not the address of an HTTP proxy",
        help=f"write `{name}=http://HOST:PORT`, or list the API's host in `NO_PROXY`",
    )


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost" or host.endswith(".localhost")


def _covers(rule: str, origin: Origin) -> bool:
    """Whether a word of NO_PROXY means this origin: `*`, a host or a domain (`.example.com` and
    `example.com` both mean all below), an address, a network (`10.0.0.0/8`), each with `:port`."""
    if rule in ("*", origin.host):
        return True
    if "/" in rule:
        with suppress(ValueError):
            return ipaddress.ip_address(origin.host) in ipaddress.ip_network(rule, strict=False)
        return False
    name, _, port = rule.rpartition(":")
    if name and port.isdigit() and (":" not in name or name.startswith("[")):
        return int(port) == origin.port and _covers(name.strip("[]"), origin)
    return origin.host.endswith("." + rule.lstrip("*").lstrip("."))
