"""Texts that match a regular expression of the plain kind that schemas use, and texts of a format.

What a pattern may hold: letters, escapes, classes, groups, alternatives, repetition, anchors.
Look-around, back references and Unicode classes are refused by UnknownPattern.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from functools import lru_cache

from flowrunner.simulator.dice import Rolls

Maker = Callable[[Rolls], str]

_LONGEST = 100_000
_FEW = 3
_PRINTABLE = "".join(chr(code) for code in range(0x20, 0x7F))
_CLASSES = {
    "d": string.digits,
    "w": string.ascii_lowercase + string.digits + "_" + string.ascii_uppercase,
    "s": " ",
}
_CLASSES |= {
    name.upper(): "".join(c for c in _PRINTABLE if c not in chars)
    for name, chars in list(_CLASSES.items())
    if name != "s"
}
_CLASSES["S"] = _PRINTABLE.replace(" ", "")
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}


class UnknownPattern(Exception):
    """A pattern that no text can be made for here."""


@lru_cache(maxsize=256)
def maker_of(pattern: str) -> Maker:
    """What makes texts that match a pattern. Raises UnknownPattern."""
    try:
        re.compile(pattern)
        return _Reader(pattern).read()
    except (IndexError, ValueError, OverflowError, RecursionError, re.error) as fault:
        raise UnknownPattern(pattern) from fault


class _Reader:
    """Reads a pattern from left to right; past its end an IndexError says that it is broken."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0

    def read(self) -> Maker:
        made = self._alternatives()
        if self._at < len(self._text):
            raise UnknownPattern(self._text)
        return made

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self) -> str:
        self._at += 1
        return self._text[self._at - 1]

    def _skip(self, text: str) -> bool:
        if not self._text.startswith(text, self._at):
            return False
        self._at += len(text)
        return True

    def _alternatives(self) -> Maker:
        ways = [self._sequence()]
        while self._skip("|"):
            ways.append(self._sequence())
        return ways[0] if len(ways) == 1 else lambda rolls: rolls.pick(ways)(rolls)

    def _sequence(self) -> Maker:
        parts: list[Maker] = []
        while self._peek() not in ("", "|", ")"):
            parts.append(self._repeated(self._atom()))
        return lambda rolls: _bounded("".join(part(rolls) for part in parts))

    def _atom(self) -> Maker:
        match self._take():
            case "(":
                return self._group()
            case "[":
                return _one_of(self._class())
            case "^" | "$":
                return _always("")
            case ".":
                return _one_of(_CLASSES["w"])
            case "\\":
                return self._escape()
            case "*" | "+" | "?":
                raise UnknownPattern(self._text)
            case letter:
                return _always(letter)

    def _group(self) -> Maker:
        if self._skip("?") and not self._skip(":"):
            self._skip("P")
            if not self._skip("<") or self._peek() in ("=", "!"):
                raise UnknownPattern(self._text)
            self._at = self._text.index(">", self._at) + 1
        made = self._alternatives()
        if not self._skip(")"):
            raise UnknownPattern(self._text)
        return made

    def _escape(self) -> Maker:
        if self._peek() in _CLASSES:
            return _one_of(_CLASSES[self._take()])
        if self._peek() in ("b", "B", "p", "P", "k", "A", "Z") or self._peek() in "123456789":
            raise UnknownPattern(self._text)
        letter = self._escaped_letter()
        return _always(letter)

    def _escaped_letter(self) -> str:
        letter = self._take()
        digits = {"x": 2, "u": 4}.get(letter)
        if digits is None:
            return _CONTROLS.get(letter, letter)
        self._at += digits
        return chr(int(self._text[self._at - digits : self._at], 16))

    def _class(self) -> str:
        negated = self._skip("^")
        chars = ""
        while self._peek() != "]" or not chars:
            chars += self._class_member()
        self._at += 1
        if not negated:
            return chars
        left = "".join(char for char in _PRINTABLE if char not in chars)
        if not left:
            raise UnknownPattern(self._text)
        return left

    def _class_member(self) -> str:
        if self._skip("\\"):
            if self._peek() in _CLASSES:
                return _CLASSES[self._take()]
            first = self._escaped_letter()
        else:
            first = self._take()
        if self._peek() != "-" or self._text[self._at + 1] == "]":
            return first
        self._at += 1
        last = self._escaped_letter() if self._skip("\\") else self._take()
        if not 0 <= ord(last) - ord(first) < _LONGEST:
            raise UnknownPattern(self._text)
        return "".join(map(chr, range(ord(first), ord(last) + 1)))

    def _repeated(self, part: Maker) -> Maker:
        low, high = self._times()
        if (low, high) == (1, 1):
            return part
        self._skip("?")  # lazy or not, the same texts match
        return lambda rolls: _repeat(part, low + rolls.roll(high - low + 1), rolls)

    def _times(self) -> tuple[int, int]:
        if self._skip("*"):
            return 0, _FEW
        if self._skip("+"):
            return 1, 1 + _FEW
        if self._skip("?"):
            return 0, 1
        if self._peek() != "{" or not self._text[self._at + 1].isdecimal():
            if self._text.startswith("{,", self._at):  # dialects differ about it
                raise UnknownPattern(self._text)
            return 1, 1
        end = self._text.index("}", self._at)
        low, comma, high = self._text[self._at + 1 : end].partition(",")
        self._at = end + 1
        least = int(low)
        if not comma:
            return least, least
        most = int(high) if high else least + _FEW
        if most < least:
            raise UnknownPattern(self._text)
        return least, min(most, least + 2 * _FEW)


def _always(text: str) -> Maker:
    return lambda _: text


def _one_of(chars: str) -> Maker:
    return lambda rolls: rolls.pick(chars)


def _repeat(part: Maker, times: int, rolls: Rolls) -> str:
    text = ""
    for _ in range(times):
        text = _bounded(text + part(rolls))
    return text


def _bounded(text: str) -> str:
    if len(text) > _LONGEST:
        raise UnknownPattern("longer than any text that is asked for")
    return text


def _digits(rolls: Rolls, low: int, high: int, width: int = 2) -> str:
    return f"{low + rolls.roll(high - low + 1):0{width}d}"


def _date(rolls: Rolls) -> str:
    return f"2026-{_digits(rolls, 1, 12)}-{_digits(rolls, 1, 28)}"


def _time(rolls: Rolls) -> str:
    return f"{_digits(rolls, 8, 17)}:{_digits(rolls, 0, 59)}:00Z"


def _uuid(rolls: Rolls) -> str:
    digits = "".join(rolls.pick("0123456789abcdef") for _ in range(30))
    head, rest = f"{digits[:8]}-{digits[8:12]}-4{digits[12:15]}", digits[15:]
    return f"{head}-a{rest[:3]}-{rest[3:15]}"


_NAMES = ("amber", "birch", "cedar", "dune", "ember", "fern", "grove", "heath")

FORMATS: dict[str, Maker] = {
    "date": _date,
    "time": _time,
    "date-time": lambda rolls: f"{_date(rolls)}T{_time(rolls)}",
    "duration": lambda rolls: f"PT{1 + rolls.roll(12)}H",
    "email": lambda rolls: f"{rolls.pick(_NAMES)}@example.com",
    "hostname": lambda rolls: f"{rolls.pick(_NAMES)}.example.com",
    "ipv4": lambda rolls: f"192.0.2.{rolls.roll(256)}",
    "ipv6": lambda rolls: f"2001:db8::{rolls.roll(65536):x}",
    "uuid": _uuid,
    "uri": lambda rolls: f"https://example.com/{rolls.pick(_NAMES)}",
    "uri-reference": lambda rolls: f"https://example.com/{rolls.pick(_NAMES)}",
    "iri": lambda rolls: f"https://example.com/{rolls.pick(_NAMES)}",
    "json-pointer": lambda rolls: f"/{rolls.pick(_NAMES)}",
    "regex": lambda rolls: f"^{rolls.pick(_NAMES)}$",
}
"""What makes texts of the formats that JSON Schema names."""
