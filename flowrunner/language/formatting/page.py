"""A text as lines, and lines moved sideways; why they move is left to `layout`."""

from __future__ import annotations

import bisect
import re
from collections.abc import Sequence

_STATED_INDENT = re.compile(r"[|>][-+]?[1-9]")


class Page:
    """The lines of a text, without their ends, and where each offset stands."""

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        self._starts = [0]
        for line in self.lines[:-1]:
            self._starts.append(self._starts[-1] + len(line) + 1)

    def start(self, line: int) -> int:
        """The offset of the first character of a line."""
        return self._starts[line]

    def line_of(self, offset: int) -> int:
        """The position of the line that holds the character."""
        return bisect.bisect_right(self._starts, offset) - 1

    def column_of(self, offset: int) -> int:
        """How many characters stand before it in its line."""
        return offset - self._starts[self.line_of(offset)]


def shifted(lines: Sequence[str], by: int) -> list[str]:
    """Lines moved by some columns, those of a value never as far as where its key begins."""
    return [
        " " * max(len(line) - len(line.lstrip(" ")) + by, 1) + line.strip() if line.strip() else ""
        for line in lines
    ]


def blocked(lines: Sequence[str], source: str, column: int) -> list[str]:
    """The lines of a block of text two columns behind the key, which begins in a column. A block
    that states its own indentation keeps it."""
    if _STATED_INDENT.match(source):
        return _moved(lines, -column)
    texts = [line for line in lines if line.strip(" ")]
    if not texts:
        return ["" for _ in lines]
    indent = len(texts[0]) - len(texts[0].lstrip(" "))
    return _moved(lines, 2 - indent)


def _moved(lines: Sequence[str], by: int) -> list[str]:
    """Lines with spaces added or taken off in front, whatever they hold."""
    if by >= 0:
        return [" " * by + line if line else "" for line in lines]
    return [line[min(-by, len(line) - len(line.lstrip(" "))) :] for line in lines]
