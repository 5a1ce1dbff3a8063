"""Where in a JSON text something stands, by its route: for messages about files that are JSON.

The text has been read already and is sound; what is wrong with what it says is left to others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from json.decoder import scanstring  # type: ignore[attr-defined]

from flowrunner.diagnostics import Route

_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def span_of(text: str, route: Route) -> tuple[int, int]:
    """The start and length of what stands at a route, or of the last part of it that is there: a
    plain value itself, a list or an object by its key."""
    start = _skip(text, len("\ufeff") if text.startswith("\ufeff") else 0)
    key = (start, 1)
    for part in route:
        found = next((one for one in _parts(text, start) if one[0] == part), None)
        if found is None:
            break
        _, key, start = found
    return key if text[start] in "{[" else (start, _end(text, start) - start)


def _parts(text: str, start: int) -> Iterator[tuple[str | int, tuple[int, int], int]]:
    """The keys or positions in a list or an object, where each key stands, where its value."""
    is_object, at, position = text[start] == "{", _skip(text, start + 1), 0
    if text[start] not in "{[":
        return
    while text[at] not in "}]":
        name: str | int = position
        key = (at, 1)
        if is_object:
            begin = at
            name, at = scanstring(text, at + 1, True)
            key = (begin, at - begin)
            at = _skip(text, _skip(text, at) + 1)
        yield name, key, at
        at = _skip(text, _end(text, at))
        at = _skip(text, at + 1) if text[at] == "," else at
        position += 1


def _end(text: str, start: int) -> int:
    """Where the value ends that begins there."""
    return _DECODER.raw_decode(text, start)[1]


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    assert found is not None
    return found.end()
