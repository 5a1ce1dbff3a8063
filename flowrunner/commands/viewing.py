"""Who a command speaks to, as a port: the terminal in `cli`, a list in a test."""

from __future__ import annotations

from typing import Protocol

from flowrunner.report.terminal import Style


class Viewer(Protocol):
    """`result` is for the calling program (stdout), `progress` for people (stderr).

    `is_live` says that a person watches; `utf8` and `colour` what can be shown, `width` in columns.
    `redraw` is for those who watch live: a line that stands where the next text goes, until then.
    """

    @property
    def is_live(self) -> bool: ...
    @property
    def colour(self) -> bool: ...
    @property
    def utf8(self) -> bool: ...
    @property
    def width(self) -> int: ...

    def result(self, text: str) -> None: ...
    def progress(self, text: str) -> None: ...
    def redraw(self, line: str) -> None: ...


def style_of(viewer: Viewer) -> Style:
    """How lines for this viewer may look."""
    return Style(colour=viewer.colour, utf8=viewer.utf8, width=viewer.width)
