"""Lines for people, written beside the run: a terminal that stands still holds nothing up."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

_PATIENCE_S = 3.0
"""How long the end of a run waits for a terminal that takes nothing."""
_REDRAWN_EVERY_S = 0.1


class Teller:
    """Writes lines in a thread of its own, in order; what a reader never takes is let go.

    `passing` gives the line that stands below them for now; it is looked at now and then, and drawn
    with `redraw` where it has changed.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        passing: Callable[[], str] | None = None,
        redraw: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._write = write
        self._passing = passing
        self._redraw = redraw
        self._drawn = ""
        self._is_asking = False
        self._screen = threading.Lock()
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="progress", daemon=True)
        self._thread.start()

    def tell(self, line: str) -> None:
        """Write a line as soon as the reader takes it."""
        self._lines.put(line)

    def asking(self, ask: Callable[[str], str]) -> Callable[[str], str]:
        """How to put a question where nothing is drawn over it until it is answered."""

        def undisturbed(question: str) -> str:
            with self._screen:
                self._is_asking = True
                self._draw("")
            try:
                return ask(question)
            finally:
                self._is_asking = False

        return undisturbed

    def close(self) -> None:
        """Wait until all is written, for a while at most."""
        self._lines.put(None)
        self._thread.join(_PATIENCE_S)

    def _work(self) -> None:
        every_s = None if self._passing is None else _REDRAWN_EVERY_S
        while True:
            try:
                line = self._lines.get(timeout=every_s)
            except queue.Empty:
                self._look()
                continue
            with self._screen:
                self._draw("")
                if line is None:
                    return
                self._write(line)

    def _look(self) -> None:
        if self._passing is None:
            return
        with self._screen:
            if not self._is_asking:
                self._draw(self._passing())

    def _draw(self, line: str) -> None:
        if line != self._drawn:
            self._redraw(line)
            self._drawn = line
