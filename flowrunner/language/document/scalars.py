"""What one scalar is worth, and where in the source each character of its value was written.

Only `true`, `false`, `null` and plain decimals are typed; all else is text as it was spelled.
Where a value stands in the document is left to `outline`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

Scalar: TypeAlias = "str | bool | SpelledInt | SpelledFloat | None"

_MAX_DIGITS = 40
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "": None}
_ESCAPE_LENGTHS = {"x": 2, "u": 4, "U": 8}


class SpelledInt(int):
    """A whole number; only the usual way to write one is typed, so this is its spelling."""

    @property
    def spelling(self) -> str:
        return str(int(self))


class SpelledFloat(float):
    """A decimal number that remembers its spelling: `3.10` stays `3.10` where text is meant."""

    __slots__ = ("spelling",)
    spelling: str

    def __new__(cls, spelling: str) -> SpelledFloat:
        number = super().__new__(cls, spelling)
        number.spelling = spelling
        return number

    def __getnewargs__(self) -> tuple[str]:  # type: ignore[override]
        return (self.spelling,)


def typed(text: str) -> Scalar:
    """The value of a scalar written without quotes."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "-0123456789" or len(text) > _MAX_DIGITS or not _DECIMAL.fullmatch(text):
        return text
    return SpelledFloat(text) if "." in text or text == "-0" else SpelledInt(text)


def positions(source: str, style: str, value: str) -> Sequence[int]:
    """For each character of the value, and for its end, the offset in the scalar's own source.

    `source` runs from the first character of the scalar (quote and `|` or `>` included) to its end;
    `style` is `'`, `"`, `|`, `>` or empty. YAML's folding is done again to find them.
    """
    is_block = style in ("|", ">")
    if not is_block and source[len(style) : len(source) - len(style)] == value:
        return range(len(style), len(style) + len(value) + 1)
    found = _block(source, style, value) if is_block else _flow(source, style)
    offsets = [offset for _, offset in found][: len(value)]
    last = offsets[-1] + 1 if offsets else min(1, len(source)) if style else 0
    return offsets + [last] * (len(value) + 1 - len(offsets))


def folded(source: str) -> str:
    """The value of a plain scalar, from its source alone."""
    if "\n" not in source:
        return source
    return "".join(character for character, _ in _flow(source, ""))


Spelled: TypeAlias = list[tuple[str, int]]


def _flow(source: str, style: str) -> Spelled:
    """Plain and quoted scalars: their lines are joined by a space, blank lines stay line ends."""
    at, end = (1, len(source) - 1) if style else (0, len(source))
    found: Spelled = []
    while at < end:
        if source[at] in " \t\n":
            at = _fold(source, at, end, found)
        elif style == '"' and source[at] == "\\":
            at = _escape(source, at, end, found)
        else:
            found.append((source[at], at))
            at += 2 if style == "'" and source[at] == "'" else 1
    return found


def _fold(source: str, at: int, end: int, found: Spelled) -> int:
    """Read white space; around a line end it counts as one space or as the blank lines in it."""
    start = at
    while at < end and source[at] in " \t\n":
        at += 1
    breaks = [offset for offset in range(start, at) if source[offset] == "\n"]
    if not breaks:
        found += [(source[offset], offset) for offset in range(start, at)]
    elif len(breaks) == 1:
        found.append((" ", breaks[0]))
    else:
        found += [("\n", offset) for offset in breaks[1:]]
    return at


def _escape(source: str, at: int, end: int, found: Spelled) -> int:
    """Read one `\\…` of a double-quoted text. Before a line end it joins the lines."""
    letter = source[at + 1 : at + 2]
    if letter != "\n":
        found.append(("?", at))
        return at + 2 + _ESCAPE_LENGTHS.get(letter, 0)
    after = at + 2
    while after < end and source[after] in " \t\n":
        if source[after] == "\n":
            found.append(("\n", after))
        after += 1
    return after


def _block(source: str, style: str, value: str) -> Spelled:
    """Literal and folded blocks. The indentation that gives back the value is the right one."""
    header_end = source.find("\n")
    if header_end < 0:
        return []
    body = [(line, header_end + 1 + offset) for line, offset in _lines_of(source[header_end + 1 :])]
    for indent in _likely_indents(body):
        found = _block_at(body, style, indent)
        text = "".join(character for character, _ in found)
        if text.startswith(value):
            return found
    return []


def _lines_of(text: str) -> list[tuple[str, int]]:
    lines = text.split("\n")
    offsets, at = [], 0
    for line in lines:
        offsets.append(at)
        at += len(line) + 1
    return list(zip(lines, offsets, strict=True))


def _likely_indents(body: list[tuple[str, int]]) -> list[int]:
    depths = [len(line) - len(line.lstrip(" ")) for line, _ in body if line.strip(" ")]
    first = depths[0] if depths else 0
    deepest = max([first, *(len(line) for line, _ in body if not line.strip(" "))])
    return list(dict.fromkeys([first, *range(first, -1, -1), *range(first + 1, deepest + 1)]))


def _block_at(body: list[tuple[str, int]], style: str, indent: int) -> Spelled:
    found: Spelled = []
    line_end: Spelled = []  # of the last line with text
    blank: Spelled = []  # the line ends of the blank lines since
    before_is_blank = False
    for line, offset in body:
        text = line[indent:] if line[:indent].strip(" ") == "" else line.lstrip(" ")
        if not text:
            blank.append(("\n", offset + len(line)))
            continue
        begins_blank = text[0] in " \t"
        if style == ">" and line_end and not before_is_blank and not begins_blank:
            found += [] if blank else [(" ", line_end[0][1])]
        else:
            found += line_end
        found += blank
        start = offset + len(line) - len(text)
        found += [(character, start + at) for at, character in enumerate(text)]
        line_end, blank, before_is_blank = [("\n", offset + len(line))], [], begins_blank
    return found + line_end + blank
