"""When a save counts: once the files hold still, and only where what stands in them is new.

Editors write a file in pieces, or another one that takes its place: what differs is looked at a
second time before anything follows from it. Pure but for `read_mark`; the clock is the caller's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

Mark: TypeAlias = "tuple[int, int, str] | None"
"""What a file is: modified when (ns), of what size, with what hash; None where there is none."""

_PATIENCE = 3
"""So many looks a file may be gone or empty, as amid a save, before that is what it is."""


def read_mark(path: Path, known: Mark) -> Mark:
    """What a file is now; it is read only where it does not look as it did."""
    try:
        status = path.stat()
        if known is not None and (status.st_mtime_ns, status.st_size) == known[:2]:
            return known
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, digest)


def _content(mark: Mark) -> str | None:
    return None if mark is None else mark[2]


@dataclass(slots=True)
class Saves:
    """Compares what stands in files with what stood there when they were last read.

    `look` says which files count now. `changed` is asked again and again, by whoever has a clock.
    """

    look: Callable[[], Iterable[Path]]
    mark: Callable[[Path, Mark], Mark] = read_mark
    _base: dict[Path, Mark] = field(default_factory=dict)
    _seen: Mapping[Path, Mark] | None = None
    _looks: int = 0

    def begin(self) -> None:
        """From now on changes count against what stands in the files."""
        self._base = self._marks(self._base)
        self._seen = None
        self._looks = 0

    def widen(self) -> None:
        """Other files count now. What counted before still counts against what it was."""
        now = self._marks(self._base)
        self._base = {path: self._base.get(path, mark) for path, mark in now.items()}

    @property
    def there(self) -> int:
        """How many of the files that count are there."""
        return sum(mark is not None for mark in self._base.values())

    def changed(self) -> tuple[Path, ...]:
        """The files that were saved with something new in them, once they hold still; else none."""
        now = self._marks(self._seen or self._base)
        paths = {*now, *self._base}
        other = sorted(
            path for path in paths if _content(now.get(path)) != _content(self._base.get(path))
        )
        is_still = self._seen is not None and all(
            _content(now.get(path)) == _content(self._seen.get(path)) for path in paths
        )
        self._looks = self._looks + 1 if is_still else 0
        self._seen = now
        if not other or not is_still:
            return ()
        is_amid = any(not (mark := now.get(path)) or not mark[1] for path in other)
        return () if is_amid and self._looks < _PATIENCE else tuple(other)

    def _marks(self, known: Mapping[Path, Mark]) -> dict[Path, Mark]:
        return {path: self.mark(path, known.get(path)) for path in self.look()}
