"""Lists and mappings in brackets on one line: their spaces, and the order of a step's keys.

What runs over several lines was laid out by its author and stays so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from flowrunner.language.document import Document
from flowrunner.language.document.outline import MAPPING, SEQUENCE
from flowrunner.language.formatting.edits import Edit
from flowrunner.language.formatting.order import Role, in_order, role_inside, role_of

_BETWEEN = re.compile(r"\s*,\s*")
_AFTER_KEY = re.compile(r"\s*:\s*")
_ENDS = re.compile(r"\s*,?\s*")


class _Odd(Exception):
    """Something stands between two entries that this module does not know: it stays."""


def tidy_brackets(document: Document, *, reorder: bool) -> Iterator[Edit]:
    """The edits that write each outermost bracket on one line the usual way."""
    waiting: list[tuple[int, Role]] = [(0, role_of(document.value))]
    while waiting:
        number, role = waiting.pop()
        entry = document.outline.entry(number)
        source = document.text[entry.start : entry.end]
        if entry.kind in (MAPPING, SEQUENCE) and source[:1] in ("{", "["):
            if "\n" not in source:
                yield from _tidied(document, number, role, source, reorder)
            continue
        for key, (_, child) in document.outline.children(number).items():
            waiting.append((child, role_inside(role, key)))


def _tidied(
    document: Document, number: int, role: Role, source: str, reorder: bool
) -> Iterator[Edit]:
    try:
        written = _Writer(document, reorder).write(number, role)
    except _Odd:
        return
    if written != source:
        entry = document.outline.entry(number)
        yield Edit(entry.start, entry.end, written)


class _Writer:
    """Writes a value in brackets again, its scalars as they are spelled."""

    def __init__(self, document: Document, reorder: bool) -> None:
        self._text, self._outline = document.text, document.outline
        self._reorder = reorder

    def write(self, number: int, role: Role) -> str:
        entry = self._outline.entry(number)
        if entry.kind == MAPPING:
            pieces = self._pairs(number, role)
        elif entry.kind == SEQUENCE:
            pieces = self._items(number, role)
        else:
            return self._text[entry.start : entry.end]
        spans, texts = [span for span, _ in pieces], [text for _, text in pieces]
        self._check((entry.start + 1, entry.end - 1), spans)
        if entry.kind == SEQUENCE:
            return f"[{', '.join(texts)}]"
        return f"{{ {', '.join(texts)} }}" if texts else "{}"

    def _items(self, number: int, role: Role) -> list[tuple[tuple[int, int], str]]:
        found = []
        for at, (_, child) in self._outline.children(number).items():
            entry = self._outline.entry(child)
            text = self.write(child, role_inside(role, at))
            found.append(((entry.start, entry.end), text))
        return found

    def _pairs(self, number: int, role: Role) -> list[tuple[tuple[int, int], str]]:
        children = self._outline.children(number)
        keys = [str(key) for key in children]
        found = []
        for key, (key_number, child) in children.items():
            if key_number is None:
                raise _Odd
            name, value = self._outline.entry(key_number), self._outline.entry(child)
            if value.start <= name.end or not _AFTER_KEY.fullmatch(
                self._text, name.end, value.start
            ):
                raise _Odd
            word = self._text[name.start : name.end]
            text = f"{word}: {self.write(child, role_inside(role, key))}".rstrip()
            found.append(((name.start, value.end), text))
        spans = [span for span, _ in found]
        order = in_order(keys, role) if self._reorder else range(len(found))
        return [(span, found[at][1]) for span, at in zip(spans, order, strict=True)]

    def _check(self, inside: tuple[int, int], spans: list[tuple[int, int]]) -> None:
        """Nothing but commas and spaces stands around the entries of a bracket."""
        at = inside[0]
        for position, (start, end) in enumerate(spans):
            pattern = _BETWEEN if position else _ENDS
            if not pattern.fullmatch(self._text, at, start):
                raise _Odd
            at = end
        if not _ENDS.fullmatch(self._text, at, inside[1]):
            raise _Odd
