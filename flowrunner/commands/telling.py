"""Lines for people, written beside the run: a terminal that stands still holds nothing up."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import TypeAlias

_PATIENCE_S = 3.0
"""How long the end of a run waits for a terminal that takes nothing."""
_REDRAWN_EVERY_S = 0.1

Redraw: TypeAlias = Callable[[Sequence[str], Sequence[str]], None]
"""Puts the first lines in place of those that stand below all others, the second ones above."""


class Teller:
    """Writes lines in a thread of its own, in order; what a reader never takes is let go.

    `passing` gives the lines that stand below them for now: then all is drawn with `redraw`, at
    most ten times a second, and nothing where nothing has changed.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        passing: Callable[[], Sequence[str]] | None = None,
        redraw: Redraw = lambda _, __: None,
    ) -> None:
        self._write = write
        self._passing = passing
        self._redraw = redraw
        self._drawn: Sequence[str] = ()
        self._prompt: str | None = None
        self._screen = threading.Lock()
        self._ended = threading.Event()
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        if passing is not None:
            # What drawing needs is read now: later the run may have every file open that it may.
            redraw((), ())
        work = self._work if passing is None else self._draw_on
        self._thread = threading.Thread(target=work, name="progress", daemon=True)
        self._thread.start()

    def tell(self, line: str) -> None:
        """Write a line as soon as the reader takes it."""
        self._lines.put(line)

    def asking(self, ask: Callable[[str], str]) -> Callable[[str], str]:
        """How to put a question over which nothing is drawn until it is answered: lines that come
        meanwhile go above its last one."""

        def undisturbed(question: str) -> str:
            with self._screen:
                self._draw((), self._told())
                self._prompt = question.rpartition("\n")[2]
                self._drawn = (self._prompt,)
            try:
                return ask(question)
            finally:
                with self._screen:
                    self._prompt, self._drawn = None, ()

        return undisturbed

    def let_go(self) -> None:
        """The question that stands there needs no answer any more: draw where it stood."""
        with self._screen:
            self._prompt, self._drawn = None, ()

    def close(self) -> None:
        """Wait until all is written, for a while at most."""
        self._ended.set()
        self._lines.put(None)
        self._thread.join(_PATIENCE_S)

    def _work(self) -> None:
        while (line := self._lines.get()) is not None:
            with self._screen:
                self._write(line)

    def _draw_on(self) -> None:
        while not self._ended.wait(_REDRAWN_EVERY_S):
            with self._screen:
                self._draw(self._below(), self._told())
        with self._screen:
            self._draw((), self._told())

    def _below(self) -> Sequence[str]:
        if self._prompt is not None:
            return (self._prompt,)
        return self._passing() if self._passing else ()

    def _told(self) -> list[str]:
        """The lines that were told since."""
        lines = []
        while not self._lines.empty():
            line = self._lines.get()
            if line is not None:
                lines.append(line)
        return lines

    def _draw(self, below: Sequence[str], above: Sequence[str]) -> None:
        if above or below != self._drawn:
            self._redraw(below, above)
            self._drawn = below
