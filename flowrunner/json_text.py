"""JSON that others wrote, read strictly and within bounds: one value, or a sentence and its place.

What the value must look like (a Response, a shape, the arguments of a tool) is left to the caller.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from flowrunner.events import JSON

MAX_DEPTH = 200
"""Lists and objects inside one another; more is no answer that anybody meant."""

_BRACKETS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]|[\]}]', re.DOTALL)
_ESCAPES = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")

_SENTENCES = {
    "Expecting value": "a value is missing here, or what stands here is not JSON",
    "Expecting property name enclosed in double quotes": "a key in double quotes must stand here",
    "Illegal trailing comma before end of object": "a comma stands before the closing `}`",
    "Illegal trailing comma before end of array": "a comma stands before the closing `]`",
    "Expecting ':' delimiter": "a `:` must stand here",
    "Expecting ',' delimiter": "a `,` or a closing bracket must stand here",
    "Extra data": "the JSON ends before this, and more text follows",
    "Unterminated string starting at": "a text begins here and is never closed",
    "Invalid control character at": "a line break or control character stands inside a text",
    "Invalid \\escape": "a text holds a backslash that means nothing in JSON",
    "Invalid \\uXXXX escape": "a text holds an incomplete `\\u` escape",
    "Unexpected UTF-8 BOM (decode using utf-8-sig)": "a byte order mark stands here",
}


class NotJson(ValueError):
    """A text is not JSON. `message` is a sentence without the place; `line` and `column` count
    from 1 and are None where the fault has no single place."""

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        self.message = message
        self.line = line
        self.column = column
        place = "" if line is None else f"line {line}, column {column}: "
        super().__init__(f"{place}{message}")


def parse(text: str) -> JSON:
    """The one JSON value that a text consists of (RFC 8259, with a byte order mark tolerated).

    Raises NotJson for anything else, and for what JSON readers silently differ on: a key given
    twice, NaN and Infinity, numbers too large to hold, more than MAX_DEPTH levels. Half of a
    surrogate pair, which no file and no database can hold, becomes U+FFFD.
    """
    text = _whole_characters(text.removeprefix("\ufeff"))
    _check_depth(text)
    try:
        return json.loads(
            text,
            object_pairs_hook=_unique_keys,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except NotJson:
        raise
    except json.JSONDecodeError as fault:
        raise NotJson(_sentence(fault), fault.lineno, fault.colno) from None
    except RecursionError:
        raise NotJson(f"lists and objects are nested more than {MAX_DEPTH} deep") from None
    except ValueError:
        raise NotJson("a whole number has thousands of digits") from None


def parse_bytes(content: bytes) -> JSON:
    """`parse` of UTF-8 bytes; other encodings raise NotJson too."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as fault:
        raise NotJson(f"byte {fault.start + 1} is not UTF-8") from None
    return parse(text)


def _whole_characters(text: str) -> str:
    text = _SURROGATE.sub("\ufffd", text)
    if not _HALF.search(text):
        return text
    return _ESCAPES.sub(lambda match: "\\ufffd" if match["lone"] else match[0], text)


def _check_depth(text: str) -> None:
    # Few opening brackets cannot be nested deep: the scan is for the rare text that has many.
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for match in _BRACKETS.finditer(text):
        mark = match[0]
        if mark in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise NotJson(f"lists and objects are nested more than {MAX_DEPTH} deep")
        elif mark in "]}":
            depth -= 1


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise NotJson(f"the key `{twice[:80]}` is given twice in one object")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise NotJson(f"`{name}` is not a JSON value")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise NotJson(f"the number `{digits[:40]}` is too large")
    return number


def _sentence(fault: json.JSONDecodeError) -> str:
    if not fault.doc.strip():
        return "the text is empty"
    if fault.pos >= len(fault.doc.rstrip()):
        return "the text ends in the middle of the JSON: it was cut off"
    return _SENTENCES.get(fault.msg, "what stands here is not JSON")
