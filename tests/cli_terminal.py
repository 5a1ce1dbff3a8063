"""A terminal as an emulator sees it: what stands on it after each piece of output, and at last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.cli_world import Project

pyte = pytest.importorskip("pyte")


@dataclass
class Terminal:
    """A program at a terminal of so many lines and columns. `frames` is what stood on it after each
    piece of output, `told` all that it was told."""

    running: Any
    size: tuple[int, int]
    told: str = ""
    frames: list[list[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.screen = pyte.HistoryScreen(self.size[1], self.size[0], history=5_000, ratio=0.5)
        self._stream = pyte.Stream(self.screen)

    def watch(self, until: Callable[[list[str]], bool] = lambda _: False) -> list[str]:
        """Look on until something stands there, or until the program ends; what stands there."""
        pexpect = pytest.importorskip("pexpect")
        while True:
            try:
                piece = self.running.read_nonblocking(65_536, timeout=30)
            except pexpect.EOF:
                self.running.close()
                return self.lines
            self.told += piece
            self._stream.feed(piece)
            self.frames.append(self.lines)
            if until(self.lines):
                return self.lines

    def resize(self, lines: int, columns: int) -> None:
        """Make the terminal another size."""
        self.screen.resize(lines, columns)
        self.running.setwinsize(lines, columns)

    @property
    def lines(self) -> list[str]:
        """What stands on the screen."""
        return [line.rstrip() for line in self.screen.display]

    @property
    def all_frames(self) -> str:
        """All that ever stood there."""
        return "\n".join(line for frame in self.frames for line in frame)

    @property
    def everything(self) -> list[str]:
        """What stands on the screen and above it."""
        above = [
            "".join(row[column].data for column in range(self.screen.columns)).rstrip()
            for row in self.screen.history.top
        ]
        return [*above, *self.lines]


def terminal(
    project: Project, *words: str, size: tuple[int, int] = (30, 100), **environ: str
) -> Terminal:
    """A terminal at which a program was started."""
    return Terminal(project.start_at_a_terminal(*words, size=size, **environ), size)
