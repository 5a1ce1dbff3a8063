"""What a diff of the API's `apply_patch` makes of a text, or the sentence why it does not apply.

The form (V4A): hunks of lines with ` ` (stays), `-` (goes) and `+` (comes) in front; `@@ LINE`
leads to the place after that line of the file, several in a row one inside the other;
`*** End of File` says that a hunk stands at the end. There are no line numbers: a hunk is where its
lines are, searched for from the end of the one before. Reading and writing files is left to
`patch`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from flowrunner.visible import one_line

_NUMBERS = re.compile(r"-\d+(?:,\d+)? \+\d+(?:,\d+)? @@ ?")
_MOST_PLACES, _MOST_LINES = 500, 200_000
"""How many places a diff may lead to, and lines a file may have: each place may mean one more look
at all lines."""
_END = "*** End of File"
Way: TypeAlias = Callable[[str], str]


class DiffFault(Exception):
    """A diff that does not apply; its message is a sentence."""


@dataclass(frozen=True, slots=True)
class Changed:
    """The text that a diff makes, and how many lines came and went."""

    text: str
    added: int
    removed: int


def _without_return(line: str) -> str:
    return line.removesuffix("\r")


# How lines are compared, one way after the other: models are careless about blanks.
_WAYS: tuple[Way, ...] = (_without_return, str.rstrip, str.strip)


@dataclass(slots=True)
class _Hunk:
    line: int
    anchors: list[str] = field(default_factory=list)
    body: list[tuple[str, str]] = field(default_factory=list)
    at_end: bool = False
    bare: int = 0
    """How many lines at its end are empty, without even the ` ` in front: they may be no part."""

    @property
    def old(self) -> list[str]:
        return [text for mark, text in self.body if mark != "+"]


def created(diff: str) -> Changed:
    """The text of a new file, each line of which has a `+` in front. Raises DiffFault."""
    lines = _lines(diff)
    for number, line in enumerate(lines, start=1):
        if not line.startswith("+"):
            raise DiffFault(f"line {number} of the diff of a new file has no `+` in front")
    return Changed("".join(f"{line[1:]}\n" for line in lines), len(lines), 0)


def updated(text: str, diff: str) -> Changed:
    """What the diff makes of a text. Raises DiffFault.

    Lines that stay are the text's own, and so are its line ends and whether it ends in one.
    """
    hunks = _hunks(_lines(diff))
    marks = [mark for hunk in hunks for mark, _ in hunk.body]
    if not {"+", "-"} & {*marks}:
        raise DiffFault("the diff changes nothing: no line has `+` or `-` in front")
    whole = _Text.read(text)
    if len(whole.lines) > _MOST_LINES:
        raise DiffFault(f"the file has more than {_MOST_LINES:,} lines")
    places = _Places(whole.lines)
    made: list[str] = []
    position = 0
    for hunk in hunks:
        start = _find(hunk, places, position)
        made += whole.lines[position:start]
        position = start
        for mark, line in hunk.body:
            if mark == "+":
                made.append(line + whole.come)
                continue
            if mark == " ":
                made.append(whole.lines[position])
            position += 1
    made += whole.lines[position:]
    return Changed(whole.write(made), marks.count("+"), marks.count("-"))


def _lines(diff: str) -> list[str]:
    lines = [line.removesuffix("\r") for line in diff.split("\n")]
    return lines[:-1] if lines[-1] == "" else lines


def _hunks(lines: Sequence[str]) -> list[_Hunk]:
    hunks: list[_Hunk] = []
    for number, line in enumerate(lines, start=1):
        if line.startswith("@@"):
            _anchor(hunks, number, line)
        elif line.startswith("\\ No newline"):
            continue
        elif line.rstrip() == _END:
            if hunks:
                hunks[-1].at_end = True
        elif not line or line[0] in " +-":
            if not hunks or hunks[-1].at_end:
                hunks.append(_Hunk(number))
            hunks[-1].body.append((line[:1] or " ", line[1:]))
            hunks[-1].bare = 0 if line else hunks[-1].bare + 1
        else:
            shown = one_line(line[:80])
            raise DiffFault(
                f"line {number} of the diff, `{shown}`, begins with none of ` `, `+`, `-` and `@@`"
            )
    found = [hunk for hunk in hunks if hunk.body]
    for hunk in found:
        if hunk.bare == len(hunk.old):
            del hunk.body[len(hunk.body) - hunk.bare :]
            hunk.bare = 0
    if sum(1 + len(hunk.anchors) for hunk in found) > _MOST_PLACES:
        raise DiffFault(f"the diff leads to more than {_MOST_PLACES} places: send several")
    return found


def _anchor(hunks: list[_Hunk], number: int, line: str) -> None:
    if not hunks or hunks[-1].body:
        hunks.append(_Hunk(number))
    anchor = _NUMBERS.sub("", line[2:].strip(), count=1).strip()
    if anchor and anchor != "@@":
        hunks[-1].anchors.append(anchor)


class _Places:
    """The lines of a file, to be searched in all ways."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.count = len(lines)
        self._lines = lines
        self._compared: dict[Way, list[str]] = {}

    def first(self, old: Sequence[str], start: int, *, at_end: bool = False) -> int | None:
        """The first place of some lines from `start` on; with `at_end` preferably the last of
        all."""
        last = self.count - len(old)
        for way in _WAYS:
            if way not in self._compared:
                self._compared[way] = [way(line) for line in self._lines]
            lines = self._compared[way]
            wanted = [way(line) for line in old]
            if at_end and last >= start and lines[last:] == wanted:
                return last
            found = _first(wanted, lines, start)
            if found is not None:
                return found
        return None


def _find(hunk: _Hunk, places: _Places, position: int) -> int:
    """Where the lines of a hunk begin, not before `position`. Raises DiffFault."""
    start = position
    for anchor in hunk.anchors:
        place = places.first([anchor], start)
        if place is None:
            raise DiffFault(
                f"the line `{one_line(anchor[:200])}`, to which line {hunk.line} of the diff "
                "leads, is not in the file, or stands before an earlier change"
            )
        start = place + 1
    if not hunk.old:
        return start if hunk.anchors else places.count
    found = _place(hunk, places, start)
    if found is None and hunk.anchors:
        found = _place(hunk, places, start - 1)  # what leads there may be said twice
    if found is None:
        raise DiffFault(_not_found(hunk, places, position))
    return found


def _place(hunk: _Hunk, places: _Places, start: int) -> int | None:
    found = places.first(hunk.old, start, at_end=hunk.at_end)
    if found is None and hunk.bare:
        shorter = hunk.old[: len(hunk.old) - hunk.bare]
        found = places.first(shorter, start, at_end=hunk.at_end)
        if found is not None:
            del hunk.body[len(hunk.body) - hunk.bare :]
    return found


def _not_found(hunk: _Hunk, places: _Places, position: int) -> str:
    first = next((text for text in hunk.old if text.strip()), "")
    told = (
        f"the lines from line {hunk.line} of the diff on (`{one_line(first.strip()[:120])}` …) are "
        "not in the file as they stand there"
    )
    if position and places.first(hunk.old, 0) is not None:
        return f"{told} after the change before them: keep to the order of the file"
    return f"{told}: look at the file again"


def _first(wanted: Sequence[str], lines: Sequence[str], start: int) -> int | None:
    """The first place of a sequence in another, in time linear in both (Knuth, Morris, Pratt):
    neither the file nor the diff is ours."""
    back = [0] * len(wanted)
    length = 0
    for position in range(1, len(wanted)):
        while length and wanted[position] != wanted[length]:
            length = back[length - 1]
        length += wanted[position] == wanted[length]
        back[position] = length
    length = 0
    for position in range(start, len(lines)):
        while length and lines[position] != wanted[length]:
            length = back[length - 1]
        length += lines[position] == wanted[length]
        if length == len(wanted):
            return position - length + 1
    return None


@dataclass(frozen=True, slots=True)
class _Text:
    """Lines, each with the carriage return that it ends in, and how the text ends."""

    lines: list[str]
    come: str
    """What a line that comes ends in."""
    ends_in_newline: bool

    @classmethod
    def read(cls, text: str) -> _Text:
        ends = text.endswith("\n") or not text
        lines = text.split("\n")[: -1 if ends else None]
        come = "\r" if text.count("\r\n") * 2 > text.count("\n") else ""
        if not ends:
            lines[-1] += come
        return cls(lines, come, ends)

    def write(self, lines: Sequence[str]) -> str:
        text = "\n".join(lines)
        if not self.ends_in_newline:
            return text.removesuffix(self.come)
        return f"{text}\n" if lines else text
