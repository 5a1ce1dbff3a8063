"""What is wrong at a character of the text, and on which line and column that character stands.

Offsets count characters of the text with its line ends made `\\n`; who finds faults is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

from flowrunner.diagnostics import Diagnostic, Place, Severity


@dataclass(frozen=True, slots=True)
class Fault:
    """A mistake of the file as YAML: `start` and `length` in characters of the text."""

    code: str
    message: str
    start: int = 0
    length: int = 1
    help: str | None = None
    severity: Severity = "error"


class Lines:
    """The lines of a text: characters into places. Only the last line asked for is kept, so that
    large texts cost nothing, and many places in the order of the text cost one look through it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._last = (0, 1)

    def number(self, offset: int) -> int:
        """The 1-based number of the line that holds the character."""
        start, number = self._last if self._last[0] <= offset else (0, 1)
        number += self._text.count("\n", start, offset)
        self._last = (offset, number)
        return number

    def start_of_line(self, offset: int) -> int:
        """The offset of the first character of the line that holds the character."""
        return self._text.rfind("\n", 0, offset) + 1

    def end_of_line(self, offset: int) -> int:
        """The offset just behind the line that holds the character, without its line end."""
        end = self._text.find("\n", offset)
        return end if end >= 0 else len(self._text)

    def line(self, offset: int) -> str:
        """The line that holds the character."""
        return self._text[self.start_of_line(offset) : self.end_of_line(offset)]

    def place(self, shown: str, start: int, length: int) -> Place:
        """The place of a span; what goes on over the end of its first line is cut there."""
        start = min(max(start, 0), len(self._text))
        room = max(self.end_of_line(start) - start, 1)
        column = start - self.start_of_line(start) + 1
        return Place(shown, self.number(start), column, max(1, min(length, room)))

    def diagnose(self, shown: str, fault: Fault) -> Diagnostic:
        """A fault with its place and the line it stands on."""
        place = self.place(shown, fault.start, fault.length)
        line = self.line(fault.start)
        return Diagnostic(fault.severity, fault.code, fault.message, place, fault.help, line)
