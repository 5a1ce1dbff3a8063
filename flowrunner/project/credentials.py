"""Whether a key and a base URL can be what they claim to be, said before anything is sent.

Sentences name the variable, never its value. Where the values come from is left to `settings`.
"""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit

OPENAI_URL = "https://api.openai.com/v1"

_LONGEST_KEY = 4096
_QUOTES = "\"'`"
_SMART_QUOTES = "‘’‚‛“”„‟«»‹›"
_PLACEHOLDER = re.compile(
    r"<.*>|.*\.{3,}|(?:sk-)?your[-_ ]?(?:openai[-_ ]?)?(?:api[-_ ]?)?key.*", re.I
)
_OPENAI_HOST = re.compile(r"(?:[a-z]{2}\.)?api\.openai\.com")
_ENDINGS = ("/responses", "/chat/completions", "/completions", "/models")


def key_fault(name: str, value: str) -> str | None:
    """What is wrong with the value of a key variable, or None. `name` is the variable."""
    if not value.strip():
        return f"`{name}` is set but empty: give it your key, or remove it"
    if value != value.strip():
        return f"`{name}` {_edges(value)}: remove it"
    for is_wrong, sentence in _KEY_RULES:
        if is_wrong(value):
            return f"`{name}` {sentence}"
    return None


def _edges(value: str) -> str:
    if value.endswith(("\n", "\r")):
        return "ends with a newline"
    return "begins or ends with a space or newline"


_KEY_RULES = (
    (lambda v: v.lower().startswith("bearer"), "begins with `Bearer`: write the key alone"),
    (lambda v: v[0] in _QUOTES or v[-1] in _QUOTES, "has quotes around it: remove them"),
    (lambda v: any(c in _SMART_QUOTES for c in v), "holds typographic quotes: remove them"),
    (lambda v: "\n" in v or "\r" in v, "holds a newline: write the key on one line"),
    (lambda v: any(c.isspace() for c in v), "holds a space: copy the key again"),
    (_PLACEHOLDER.fullmatch, "is a placeholder from an example: give it your key"),
    (lambda v: not v.isascii(), "holds a character that no key has: copy the key again"),
    (lambda v: not v.isprintable(), "holds an invisible character: copy the key again"),
    (lambda v: len(v) > _LONGEST_KEY, "is far too long for a key: copy the key again"),
)


def header_fault(name: str, value: str) -> str | None:
    """What is wrong with the value of a variable that becomes a header, or None."""
    if re.fullmatch(r"[\x21-\x7e]{1,256}", value):
        return None
    return f"`{name}` holds a space, a newline or another character that no id has: copy it again"


def base_url_fault(name: str, value: str) -> str | None:
    """What is wrong with a base URL, or None. The value is not repeated: it may hold a password."""
    if not re.fullmatch(r"[\x21-\x7e]+", value):
        return f"`{name}` holds a space or another character that no address has"
    if not re.match(r"https?://", value, re.IGNORECASE):
        return f"`{name}` must begin with `https://`"
    try:
        url = urlsplit(value)
        _ = url.port
    except ValueError:
        return f"`{name}` is no address: write `https://HOST/v1`"
    return _part_fault(name, value, url)


def _part_fault(name: str, value: str, url: SplitResult) -> str | None:
    if not url.hostname:
        return f"`{name}` has no host: write `https://HOST/v1`"
    if "@" in url.netloc:
        return f"`{name}` holds a user or password: remove what stands before `@`"
    if "api-version=" in url.query.lower():
        return f"`{name}` has a version after `?`: write it as `api_version` beside the address"
    if "?" in value or "#" in value:
        return f"`{name}` has something after `?` or `#`: write the address without it"
    if url.scheme.lower() == "http" and not is_loopback(url.hostname):
        return f"`{name}` begins with `http://`, which would send the key readable: use `https://`"
    return _path_fault(name, url.path.rstrip("/"))


def _path_fault(name: str, path: str) -> str | None:
    if re.search(r"/(v\d+)/\1$", path):
        return f"`{name}` ends with the version twice: write it once"
    ending = next((ending for ending in _ENDINGS if path.endswith(ending)), None)
    return f"`{name}` must end before `{ending}`: that part is added" if ending else None


def is_loopback(host: str) -> bool:
    """Whether a host can be nothing but this machine."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host.lower() == "localhost" or host.lower().endswith(".localhost")


def is_openai(host: str) -> bool:
    """Whether a host is OpenAI's own, data residency included (`eu.api.openai.com`)."""
    return _OPENAI_HOST.fullmatch(host.lower()) is not None


def host_of(base_url: str) -> str:
    """The host of a base URL that `base_url_fault` found in order."""
    return urlsplit(base_url).hostname or ""
