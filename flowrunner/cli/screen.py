"""Where words go: the result to stdout, everything else to stderr.

A pipe that is closed never ends a run, and a terminal that cannot show a sign gets another one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from flowrunner.errors import EnvironmentFault
from flowrunner.visible import error_text

if TYPE_CHECKING:
    from flowrunner.cli.drawing import Drawing
    from flowrunner.language.workflow import Input


_WIDTH, _HEIGHT = 100, 24
"""Columns and lines where there is no terminal to ask."""


@dataclass(frozen=True, slots=True)
class Screen:
    """stdout, stderr and what they can show. `is_live`: a person watches stderr."""

    out: TextIO
    err: TextIO
    is_live: bool
    colour: bool
    utf8: bool
    # Made when it is first needed: only a terminal that somebody watches waits for its import.
    _drawing: list[Drawing] = field(default_factory=list, repr=False, compare=False)

    @classmethod
    def of_this_terminal(cls) -> Screen:
        """The streams of this program; NO_COLOR, FORCE_COLOR, TERM=dumb and CI are respected."""
        _open_missing_streams()
        for stream in (sys.stdout, sys.stderr):
            with suppress(AttributeError, ValueError):
                stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        environ = os.environ
        is_simple = environ.get("TERM") in ("dumb", "unknown") or bool(environ.get("CI"))
        is_live = sys.stderr.isatty() and not is_simple
        forced = bool(environ.get("FORCE_COLOR"))
        colour = (is_live or forced) and not environ.get("NO_COLOR")
        encoding = (sys.stderr.encoding or "").lower().replace("-", "")
        return cls(sys.stdout, sys.stderr, is_live, colour, encoding.startswith("utf"))

    @property
    def width(self) -> int:
        """How many columns there are now; COLUMNS is respected."""
        given = os.environ.get("COLUMNS", "")
        if given.isdecimal() and int(given):
            return int(given)
        with suppress(OSError, ValueError):
            return os.get_terminal_size(self.err.fileno()).columns or _WIDTH
        return _WIDTH

    @property
    def height(self) -> int:
        """How many lines there are now; LINES is respected."""
        given = os.environ.get("LINES", "")
        if given.isdecimal() and int(given):
            return int(given)
        with suppress(OSError, ValueError):
            return os.get_terminal_size(self.err.fileno()).lines or _HEIGHT
        return _HEIGHT

    def result(self, text: str) -> None:
        """One text for whoever called the program, on stdout.

        Raises EnvironmentFault where a file cannot take it; a reader that went away wants no more.
        """
        fault = _write(self.out, text)
        if fault is not None and not isinstance(fault, BrokenPipeError):
            why = (fault.strerror or "it is closed").lower()
            raise EnvironmentFault(f"what belongs on stdout could not be written there: {why}")

    def progress(self, text: str) -> None:
        """One text for whoever watches, on stderr."""
        _write(self.err, text)

    def redraw(self, below: Sequence[str], above: Sequence[str] = ()) -> None:
        """Lines for whoever watches: the last ones of the screen, in place of those before, and
        more above them that stay. They hold nothing that a terminal obeys but colours."""
        if not self.is_live:
            return
        if not self._drawing:
            from flowrunner.cli.drawing import Drawing, reflows

            self._drawing.append(
                Drawing(
                    self.err,
                    lambda text: _write(self.err, text, end=""),
                    colour=self.colour,
                    reflows=reflows(os.environ),
                )
            )
        self._drawing[0].show(below, above, self.width)

    def asker(self) -> Callable[[Input], str] | None:
        """How to ask a person for an input; None where nobody is there to answer."""
        return self._ask if self.is_live and sys.stdin.isatty() else None

    def _ask(self, wanted: Input) -> str:
        if wanted.describe:
            self.progress(wanted.describe)
        _write(self.err, f"{wanted.name}: ", end="")
        return sys.stdin.readline().rstrip("\r\n")

    def questioner(self) -> Callable[[str], str] | None:
        """How to put a question to a person; None where nobody is there to answer."""
        return self._question if self.is_live and sys.stdin.isatty() else None

    def _question(self, text: str) -> str:
        _write(self.err, text, end="")
        return sys.stdin.readline()

    def error(self, message: str, fix: str | None = None) -> None:
        """Why the program ends, and what to do about it."""
        self.progress(error_text(message, fix))


def _write(stream: TextIO, text: str, end: str = "\n") -> OSError | None:
    """Write a text and the end of its line; what was in the way. The run matters more."""
    try:
        stream.write(text if text.endswith("\n") else f"{text}{end}")
        stream.flush()
    except (OSError, ValueError) as fault:  # a closed stream raises ValueError
        _silence(stream)
        return fault if isinstance(fault, OSError) else OSError()
    return None


def _silence(stream: TextIO) -> None:
    """Let what is left in a stream go nowhere: the interpreter writes it once more when it ends,
    and what fails then changes the exit status."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _open_missing_streams() -> None:
    """Give a program that was started without some of its three streams empty ones. The next file
    to be opened, such as a journal, would take their numbers, and be written to by mistake."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123
