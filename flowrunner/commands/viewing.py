"""Who a command speaks to, as a port: the terminal in `cli`, a list in a test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from flowrunner.report.terminal import Style


class Viewer(Protocol):
    """`result` is for the calling program (stdout), `progress` for people (stderr).

    `is_live` says that a person watches; `utf8` and `colour` what can be shown, `width` in columns,
    `height` in lines. `redraw` is for those who watch live: lines that stand below all others, in
    place of those before, and more that go above them.
    """

    @property
    def is_live(self) -> bool: ...
    @property
    def colour(self) -> bool: ...
    @property
    def utf8(self) -> bool: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...

    def result(self, text: str) -> None: ...
    def progress(self, text: str) -> None: ...
    def redraw(self, below: Sequence[str], above: Sequence[str] = ()) -> None: ...


def style_of(viewer: Viewer) -> Style:
    """How lines for this viewer may look."""
    return Style(colour=viewer.colour, utf8=viewer.utf8, width=viewer.width)
