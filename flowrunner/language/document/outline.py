"""Where every key and value of a composed document stands, in arrays that stay small.

Entries are numbered in the order of the text; a collection's children follow it. What the values
are is left to the composer, lines and columns to `faults`.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TypeAlias

from flowrunner.diagnostics import Route

PLAIN, RAW, MAPPING, SEQUENCE, ALIAS = "p", "r", "{", "[", "*"
"""Kinds of entries beside the quotes and `|`, `>` of scalars; raw is a text that was mended."""

Children: TypeAlias = "dict[str | int, tuple[int | None, int]]"


@dataclass(frozen=True, slots=True)
class Entry:
    """One value (or key): its kind and its span in characters of the text."""

    kind: str
    start: int
    end: int

    @property
    def is_scalar(self) -> bool:
        return self.kind not in (MAPPING, SEQUENCE, ALIAS)

    @property
    def span(self) -> tuple[int, int]:
        """Its first character and its length, at least 1."""
        return self.start, max(self.end - self.start, 1)


@dataclass(frozen=True, slots=True)
class Trace:
    """How far a route leads: the entries it ends at, and whether it leads all the way."""

    value: int
    key: int | None
    parents: tuple[tuple[int | None, int], ...]
    complete: bool


class Outline:
    """The spans of a document: `start` and `end` are characters, `after` numbers of entries."""

    def __init__(self) -> None:
        self._starts = array("l")
        self._ends = array("l")
        self._after = array("l")
        self._kinds = bytearray()
        self._targets: dict[int, int] = {}
        self._keys: dict[int, str] = {}
        self._children: dict[int, Children] = {}

    def __len__(self) -> int:
        return len(self._kinds)

    def add(self, kind: str, start: int, end: int) -> int:
        """Note a scalar, or a collection that is about to be filled; its number."""
        number = len(self._kinds)
        self._starts.append(start)
        self._ends.append(end)
        self._after.append(number + 1)
        self._kinds.append(ord(kind))
        return number

    def close(self, number: int, end: int) -> None:
        """A collection is whole: everything added since belongs to it."""
        self._ends[number] = end
        self._after[number] = len(self._kinds)

    def forget_from(self, number: int) -> None:
        """Take back an entry and all that came after it."""
        for spans in (self._starts, self._ends, self._after):
            del spans[number:]
        del self._kinds[number:]

    def name_key(self, number: int, key: str) -> None:
        self._keys[number] = key

    def aim_alias(self, number: int, target: int) -> None:
        self._targets[number] = target

    def size(self, number: int) -> int:
        """How many entries a subtree has, itself included, aliases counted as one."""
        return self._after[number] - number

    def entry(self, number: int) -> Entry:
        return Entry(chr(self._kinds[number]), self._starts[number], self._ends[number])

    def behind_alias(self, number: int) -> int:
        return self._targets.get(number, number)

    def trace(self, route: Route) -> Trace:
        """Follow a route from the root as far as it exists."""
        value, key = 0, None
        parents: list[tuple[int | None, int]] = []
        for part in route:
            found = self.children(self.behind_alias(value)).get(part)
            if found is None:
                return Trace(value, key, tuple(parents), complete=False)
            parents.append((key, value))
            key, value = found
        return Trace(value, key, tuple(parents), complete=True)

    def children(self, number: int) -> Children:
        """The entries of a collection: by key, with the key's own number, or by position."""
        if number not in self._children:
            kind = chr(self._kinds[number])
            pick = {MAPPING: self._pairs, SEQUENCE: self._items}.get(kind)
            self._children[number] = pick(number) if pick else {}
        return self._children[number]

    def _items(self, number: int) -> Children:
        return {at: (None, child) for at, child in enumerate(self._inside(number))}

    def _pairs(self, number: int) -> Children:
        inside = self._inside(number)
        pairs: Children = {}
        for key, value in zip(inside[::2], inside[1::2], strict=False):
            if key in self._keys:
                pairs.setdefault(self._keys[key], (key, value))
        return pairs

    def _inside(self, number: int) -> list[int]:
        children, child = [], number + 1
        while child < self._after[number]:
            children.append(child)
            child = self._after[child]
        return children
