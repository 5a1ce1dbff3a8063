"""The number of the last record known to be on disk, in a small file beside the journal.

Written after each commit and never synced: on disk it may be behind the journal, never ahead of
it. A journal that ends before its mark has lost records that were acknowledged.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

FILE_NAME = "journal.mark"
_DIGITS = 20


def read_mark(folder: Path) -> int:
    """The mark of a run folder; 0 where there is none that can be read."""
    with suppress(OSError, ValueError):
        return int((folder / FILE_NAME).read_bytes()[:_DIGITS])
    return 0


class Mark:
    """The mark of a journal that this program writes."""

    def __init__(self, folder: Path) -> None:
        """Open or create the mark. Raises OSError."""
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        self._fd = os.open(folder / FILE_NAME, flags, 0o600)

    def move(self, seq: int) -> None:
        """Record `seq` is on disk. Where that cannot be noted the mark stays behind, harmlessly."""
        with suppress(OSError):
            os.lseek(self._fd, 0, os.SEEK_SET)
            os.write(self._fd, b"%0*d\n" % (_DIGITS, seq))

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)
