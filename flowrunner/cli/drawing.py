"""Lines at the bottom of a terminal that change where they stand, with everything else above them.

What rich knows of terminals, old Windows consoles among them, is used for each single frame: it is
written at once, and leaves the cursor as it found it. What the lines say is left to `report`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO, TextIO, cast

from rich.console import Console
from rich.control import Control
from rich.segment import ControlCode, ControlType
from rich.text import Text

from flowrunner.visible import columns

_NO_WRAP = 10_000
_HIDE: ControlCode = (ControlType.HIDE_CURSOR,)
_SHOW: ControlCode = (ControlType.SHOW_CURSOR,)
_RETURN: ControlCode = (ControlType.CARRIAGE_RETURN,)
_ERASE_REST: ControlCode = (ControlType.ERASE_IN_LINE, 0)
_ERASE_ROW: ControlCode = (ControlType.ERASE_IN_LINE, 2)
_REFLOWING = (
    "ALACRITTY_WINDOW_ID",
    "KITTY_WINDOW_ID",
    "KONSOLE_VERSION",
    "TERM_PROGRAM",
    "TMUX",
    "VTE_VERSION",
    "WT_SESSION",
)
"""Variables of terminals that break long lines anew when they become narrower."""


def reflows(environ: Mapping[str, str]) -> bool:
    """Whether the terminal is known to break lines anew when its width changes."""
    return any(environ.get(name) for name in _REFLOWING)


def rows_taken(widths: Iterable[int], width: int) -> int:
    """How many rows of a terminal take lines of so many columns."""
    return sum(max(-(-wide // max(width, 1)), 1) for wide in widths)


class Drawing:
    """What stands at the bottom, the cursor behind its last line.

    `stream` is a terminal, `write` takes the text of one frame for it; a terminal that takes no
    more is its business. With `reflows` lines that the terminal has broken anew since they were
    drawn are known to take more rows.
    """

    def __init__(
        self, stream: TextIO, write: Callable[[str], object], *, colour: bool, reflows: bool
    ) -> None:
        self._reflows = reflows
        self._widths: list[int] = []
        self._rows = 0
        self._console = Console(
            file=cast("IO[str]", _Frames(stream, write)),
            force_terminal=True,
            color_system="standard" if colour else None,
            no_color=not colour,
            width=_NO_WRAP,
            markup=False,
            emoji=False,
            highlight=False,
            _environ={},
        )

    def show(self, below: Sequence[str], above: Sequence[str], width: int) -> None:
        """Replace what stands at the bottom, and put more lines above it, on a terminal that has so
        many columns now. Without lines the bottom is taken away."""
        if not (below or above or self._rows):
            return
        old = max(self._rows, rows_taken(self._widths, width) if self._reflows else 0)
        told = [Text.from_ansi(line) for text in above for line in text.split("\n")]
        new = [Text.from_ansi(line) for line in below]
        self._widths = [columns(text.plain) for text in new]
        self._rows = rows_taken(self._widths, width)
        with self._console:
            self._control(_HIDE, *_up(old - 1), _RETURN)
            for text in told:
                self._put(text, width)
                self._console.out()
            for number, text in enumerate(new):
                if number:
                    self._console.out()
                self._put(text, width)
            left = old - rows_taken((columns(text.plain) for text in told), width) - self._rows
            self._wipe(left, from_here=not new)
            self._control(_SHOW)

    def _put(self, text: Text, width: int) -> None:
        self._control(_ERASE_REST)
        self._console.print(text, end="", soft_wrap=True)
        # Behind a full row the cursor still stands on its last letter.
        if columns(text.plain) % max(width, 1):
            self._control(_ERASE_REST)

    def _wipe(self, rows: int, *, from_here: bool) -> None:
        """Empty so many rows, from that of the cursor or the one below, and come back."""
        if rows <= 0:
            return
        down: list[ControlCode] = [(ControlType.CURSOR_DOWN, 1), _ERASE_ROW] * rows
        steps = rows - 1 if from_here else rows
        self._control(*(down[1:] if from_here else down), *_up(steps))

    def _control(self, *codes: ControlCode) -> None:
        self._console.control(Control(*codes))


class _Frames:
    """As much of a file as rich wants of a terminal."""

    def __init__(self, stream: TextIO, write: Callable[[str], object]) -> None:
        self._stream = stream
        self.write = write
        self.encoding = stream.encoding

    def flush(self) -> None:
        """Each frame was written out at once."""

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return True


def _up(rows: int) -> list[ControlCode]:
    return [(ControlType.CURSOR_UP, rows)] if rows > 0 else []
