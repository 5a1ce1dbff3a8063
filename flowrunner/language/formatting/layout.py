"""Blocks laid out anew: two spaces a level, keys in order, comments with what they belong to.

A comment belongs to the key or entry below it, at the end of a block to the block whose indentation
it has. What stands within one line is left to `scalars` and `flow`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from flowrunner.language.document import Document
from flowrunner.language.document.outline import MAPPING, SEQUENCE
from flowrunner.language.formatting.order import Role, in_order, role_inside, role_of
from flowrunner.language.formatting.page import Page, blocked, shifted

INDENT = 2


class OddLayout(Exception):
    """The text is laid out in a way of YAML that the formatter does not know. `start` is where."""

    def __init__(self, start: int) -> None:
        super().__init__(start)
        self.start = start


@dataclass(slots=True)
class _Chunk:
    """One entry of a block: the blank lines and comments above it, and its own lines; all begin in
    the column of the block."""

    lead: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Block:
    """A block that is to be written: its number in the outline, its lines from `first` to the one
    before `end`, the column in which its entries begin."""

    number: int
    first: int
    end: int
    column: int
    role: Role


def lay_out(document: Document, *, reorder: bool) -> str:
    """The text of a document whose root is a mapping, laid out anew. Raises OddLayout."""
    page = Page(document.text)
    root = document.outline.entry(0)
    if document.text[root.start : root.start + 1] == "{":
        return document.text
    first, column = page.line_of(root.start), page.column_of(root.start)
    if page.lines[first][:column].strip():
        raise OddLayout(root.start)
    writer = _Writer(document, page, reorder)
    head = [line.rstrip() for line in page.lines[:first]]
    block = _Block(0, first, len(page.lines), column, role_of(document.value))
    lead, lines = writer.block(block)
    return "\n".join([*head, *lead, *lines, ""])


class _Writer:
    """Writes blocks, the ones inside others first."""

    def __init__(self, document: Document, page: Page, reorder: bool) -> None:
        self._outline, self._text = document.outline, document.text
        self._page, self._reorder = page, reorder

    def block(self, block: _Block) -> tuple[list[str], list[str]]:
        """The comments that belong above a block, and its lines, as if it began in column 0."""
        kind = self._outline.entry(block.number).kind
        if kind == MAPPING:
            return self._mapping(block)
        return [], self._sequence(block)

    def _mapping(self, block: _Block) -> tuple[list[str], list[str]]:
        children = self._outline.children(block.number)
        keys = [str(key) for key in children]
        begins: list[int] = []
        for key_number, _ in children.values():
            assert key_number is not None
            begins.append(self._begin(self._outline.entry(key_number).start, block, begins))
        chunks, tail = self._chunks(block, begins, list(children.values()), keys)
        order = in_order(keys, block.role) if self._reorder else list(range(len(chunks)))
        lead = _reordered_lead(chunks, order)
        lines = [line for at in order for line in (*chunks[at].lead, *chunks[at].lines)]
        return lead, [*lines, *tail]

    def _begin(self, start: int, block: _Block, begins: Sequence[int]) -> int:
        """The line of a key, which begins it in the column of its mapping."""
        line = self._page.line_of(start)
        before = self._page.lines[line][: self._page.column_of(start)]
        is_first = line == block.first and not begins
        if self._page.column_of(start) != block.column or (before.strip() and not is_first):
            raise OddLayout(start)
        return line

    def _sequence(self, block: _Block) -> list[str]:
        children = self._outline.children(block.number)
        begins = [
            line
            for line in range(block.first, block.end)
            if self._has_dash(line, block) and not self._is_inside(line, block)
        ]
        if len(begins) != len(children):
            raise OddLayout(self._outline.entry(block.number).start)
        chunks, tail = self._chunks(block, begins, list(children.values()), [])
        return [*(line for chunk in chunks for line in (*chunk.lead, *chunk.lines)), *tail]

    def _has_dash(self, line: int, block: _Block) -> bool:
        text = self._page.lines[line]
        is_there = text[block.column : block.column + 1] == "-"
        alone = line == block.first or not text[: block.column].strip()
        return is_there and alone and text[block.column + 1 : block.column + 2] in ("", " ")

    def _is_inside(self, line: int, block: _Block) -> bool:
        """Whether a line belongs to a text of several lines that an entry of the block is."""
        at = self._page.start(line) + block.column
        children = self._outline.children(block.number).values()
        entries = (self._outline.entry(child) for _, child in children)
        return any(entry.is_scalar and entry.start < at < entry.end for entry in entries)

    def _chunks(
        self,
        block: _Block,
        begins: Sequence[int],
        children: Sequence[tuple[int | None, int]],
        keys: Sequence[str],
    ) -> tuple[list[_Chunk], list[str]]:
        """The entries of a block in the order of the text, and the comments at its end."""
        chunks: list[_Chunk] = []
        lead: list[str] = []
        for at, (_, child) in enumerate(children):
            following = begins[at + 1] if at + 1 < len(begins) else block.end
            role = role_inside(block.role, keys[at] if keys else at)
            last = self._last_line(begins[at], child)
            end = self._end_of_value(child, block.column, last + 1, following)
            lines = self._entry(block, begins[at], end, child, role)
            chunks.append(_Chunk(lead, lines))
            lead = [line.strip() for line in self._page.lines[end:following]]
        if any(line and not line.startswith("#") for chunk in chunks for line in chunk.lead):
            raise OddLayout(self._page.start(begins[0]))
        if any(line and not line.startswith("#") for line in lead):
            raise OddLayout(self._page.start(begins[-1]))
        while lead and not lead[-1]:
            lead.pop()
        return chunks, lead

    def _last_line(self, begin: int, number: int) -> int:
        """The last line that a value stands on, without the blank lines behind a block of text.

        Where a block ends the parser does not say: it ends where the last value in it does.
        """
        while self._is_block(number):
            key, number = list(self._outline.children(number).values())[-1]
            begin = self._page.line_of(self._outline.entry(number if key is None else key).start)
        entry = self._outline.entry(number)
        if entry.end <= entry.start:
            return begin
        source = self._text[entry.start : entry.end]
        keeps = entry.kind in ("|", ">") and "+" in source.partition("\n")[0].partition("#")[0]
        return self._page.line_of(entry.start + len(source if keeps else source.rstrip()) - 1)

    def _end_of_value(self, child: int, column: int, start: int, following: int) -> int:
        """The line behind a value and the comments inside it, which are indented further."""
        if not self._is_block(child):
            return start
        end = start
        for line in range(start, following):
            text = self._page.lines[line]
            if text.strip() and len(text) - len(text.lstrip(" ")) <= column:
                break
            end = line + 1 if text.strip() else end
        return end

    def _is_block(self, number: int) -> bool:
        entry = self._outline.entry(number)
        if entry.kind not in (MAPPING, SEQUENCE):
            return False
        return self._text[entry.start : entry.start + 1] not in ("{", "[")

    def _entry(self, block: _Block, begin: int, end: int, child: int, role: Role) -> list[str]:
        """The lines of one entry, as if its block began in column 0."""
        is_item = self._outline.entry(block.number).kind == SEQUENCE
        entry = self._outline.entry(child)
        first = self._page.lines[begin][block.column :].rstrip()
        if self._is_block(child):
            return self._with_block(first, (begin, end), child, role, is_item)
        lines = self._page.lines[begin + 1 : end]
        room = 0
        if is_item:
            bare = "- " + first[1:].lstrip(" ") if first[1:].strip() else "-"
            room, first = len(bare) - len(first), bare
        if entry.kind in ("|", ">"):
            return [first, *blocked(lines, self._text[entry.start : entry.end], block.column)]
        return [first, *shifted(lines, room - block.column)]

    def _with_block(
        self, first: str, span: tuple[int, int], child: int, role: Role, is_item: bool
    ) -> list[str]:
        """An entry that holds a block: what stands before it, then the block further in."""
        start = self._outline.entry(child).start
        line, column = self._page.line_of(start), self._page.column_of(start)
        lead, lines = self.block(_Block(child, line, span[1], column, role))
        if not is_item:
            if line == span[0]:
                raise OddLayout(start)
            between = [each.strip() for each in self._page.lines[span[0] + 1 : line]]
            return [first, *_indented([*between, *lead, *lines])]
        before = self._page.lines[span[0]][:column] if line == span[0] else first
        behind_dash = (before.rpartition("-")[2] if line == span[0] else first[1:]).strip()
        between = [each.strip() for each in self._page.lines[span[0] + 1 : line]]
        if line == span[0] and behind_dash:
            raise OddLayout(start)
        if behind_dash or any(between):
            head = f"- {behind_dash}" if behind_dash else "-"
            return [head, *_indented([*between, *lead, *lines])]
        return [*lead, f"- {lines[0]}", *_indented(lines[1:])]


def _reordered_lead(chunks: list[_Chunk], order: list[int]) -> list[str]:
    """What belongs above the block when another entry comes first; the blank lines above that
    entry stay where they were, between the two."""
    if not order or order[0] == 0:
        return []
    first, former = chunks[order[0]], chunks[0]
    comments = [line for line in first.lead if line]
    former.lead = list(takewhile(lambda line: not line, first.lead))
    first.lead = []
    return comments


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"{' ' * INDENT}{line}" if line else "" for line in lines]
