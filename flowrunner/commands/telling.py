"""Lines for people, written beside the run: a terminal that stands still holds nothing up."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

_PATIENCE_S = 3.0
"""How long the end of a run waits for a terminal that takes nothing."""


class Teller:
    """Writes lines in a thread of its own, in order; what a reader never takes is let go."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="progress", daemon=True)
        self._thread.start()

    def tell(self, line: str) -> None:
        """Write a line as soon as the reader takes it."""
        self._lines.put(line)

    def close(self) -> None:
        """Wait until all is written, for a while at most."""
        self._lines.put(None)
        self._thread.join(_PATIENCE_S)

    def _work(self) -> None:
        while (line := self._lines.get()) is not None:
            self._write(line)
