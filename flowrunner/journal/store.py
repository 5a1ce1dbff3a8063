"""The writing side of a journal: one transaction for records, their bodies and the rows kept.

Knows nothing of threads or waiters (`writer`), and stops for good at the first failure.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice, starmap
from pathlib import Path

from flowrunner.errors import JournalUnusable
from flowrunner.events import Event
from flowrunner.journal import rows, tables
from flowrunner.journal.codec import LAYOUTS, Record
from flowrunner.journal.faults import damaged, folder_is_gone
from flowrunner.journal.mark import Mark
from flowrunner.journal.projection import Projection
from flowrunner.journal.reader import Reader
from flowrunner.journal.state import Totals
from flowrunner.platform import sync_dir

_EVENT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_BODY = "INSERT INTO bodies VALUES (?, ?, ?, ?, ?)"
_STEP = "INSERT OR REPLACE INTO steps VALUES (?, ?, ?)"
_CALL = "INSERT OR REPLACE INTO calls VALUES (?, ?, ?, ?, ?, ?)"
_FROZEN = "INSERT INTO frozen VALUES (?, ?, ?, ?)"
_SPEND = "INSERT OR REPLACE INTO spend VALUES (1, ?, ?, ?)"
_STANDING = (
    "SELECT (SELECT value FROM meta WHERE name = 'epoch'),"
    " (SELECT coalesce(max(seq), 0) FROM events)"
)
_REBUILD_PAGE = 10_000


def create_file(path: Path, frozen: Mapping[str, bytes | str], created_at: float) -> None:
    """Write a new, empty journal, whole or not at all; the caller holds the lock of the folder.

    Nobody owns it yet: the first `Store` takes it over. Raises OSError or sqlite3.Error, and
    FileExistsError where a journal stands already.
    """
    if path.exists():
        raise FileExistsError(path)
    growing = path.with_name(f"{path.name}.new")
    growing.unlink(missing_ok=True)
    os.close(os.open(growing, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    try:
        _fill(growing, frozen, created_at)
        growing.replace(path)
    except BaseException:
        with suppress(OSError):
            growing.unlink(missing_ok=True)
        raise
    sync_dir(path.parent)


def _fill(path: Path, frozen: Mapping[str, bytes | str], created_at: float) -> None:
    connection = tables.connect(path)
    try:
        connection.execute("BEGIN IMMEDIATE")
        tables.create_tables(connection)
        facts = [("created_at", created_at), ("epoch", 0)]
        connection.executemany("INSERT INTO meta VALUES (?, ?)", facts)
        connection.executemany(_FROZEN, starmap(_frozen_row, frozen.items()))
        _write_totals(connection, 0, Totals())
        connection.execute("COMMIT")
    finally:
        connection.close()


def _frozen_row(name: str, content: bytes | str) -> tuple[str, int, bytes, int]:
    plain = content.encode() if isinstance(content, str) else content
    zipped, stored = rows.deflate(plain)
    return (name, zipped, stored, rows.frozen_checksum(name, zipped, stored))


def _write_totals(connection: sqlite3.Connection, seq: int, totals: Totals) -> None:
    content = rows.pack_totals(totals)
    connection.execute(_SPEND, (seq, content, rows.checksum(seq, content)))


class Store:
    """The one writer of a journal file; taking it over fences every earlier one.

    After an exception from `commit` the store is spent: what had been acknowledged is on disk,
    and nothing may be tried again on this file (a failed sync is not repeated).
    """

    def __init__(self, path: Path) -> None:
        """Take the journal over. Raises OSError, sqlite3.Error or JournalUnusable."""
        self.path = path
        self._connection = tables.connect_writer(path)
        try:
            self._reader = Reader(self._connection, path)
            self.epoch = self._take_over()
            self.last_seq, totals = self._reader.totals()
            self._projection = Projection(self._reader, totals)
            self._mark = Mark(path.parent)
            self._files = _identities(path)
        except BaseException:
            self._connection.close()
            raise

    def _take_over(self) -> int:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'epoch'")
        epoch = int(self._reader.meta("epoch"))
        self._connection.execute("COMMIT")
        return epoch

    def commit(self, entries: Sequence[tuple[Event, Record]]) -> int:
        """Store records in order as one transaction; the number of the first of them.

        When it returns they are on disk.
        """
        first = self.last_seq + 1
        with self._transaction():
            self._insert(first, entries)
            self._keep_rows(first + len(entries) - 1)
        self.last_seq += len(entries)
        self._projection.settle()
        if _identities(self.path) != self._files:
            raise folder_is_gone(self.path.parent)
        self._mark.move(self.last_seq)
        return first

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of it or nothing, on disk at the end, and only while the run is still ours."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._check_standing()
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._connection.rollback()
            raise

    def _check_standing(self) -> None:
        epoch, last_seq = self._connection.execute(_STANDING).fetchone()
        if epoch != self.epoch:
            raise JournalUnusable(
                f"Another flowrunner has taken over the run in `{self.path.parent}`.",
                help="This one has stopped and sends nothing more.",
            )
        if last_seq != self.last_seq:
            raise damaged(self.path, last_seq)

    def _insert(self, first: int, entries: Sequence[tuple[Event, Record]]) -> None:
        events, bodies = [], []
        for seq, (event, record) in enumerate(entries, start=first):
            events.append(rows.pack_event(seq, record))
            fields = LAYOUTS[record.kind].bodies
            for position, (field, text) in enumerate(zip(fields, record.bodies, strict=True)):
                bodies.append(rows.pack_body(seq, position, field, text))
            self._projection.apply(seq, event)
        self._connection.executemany(_EVENT, events)
        self._connection.executemany(_BODY, bodies)

    def _keep_rows(self, last_seq: int) -> None:
        projection = self._projection
        self._connection.executemany(_STEP, map(rows.pack_step, projection.changed_steps.values()))
        self._connection.executemany(_CALL, map(rows.pack_call, projection.changed_calls.values()))
        _write_totals(self._connection, last_seq, projection.totals)

    def refreeze(self, contents: Mapping[str, bytes | str]) -> None:
        """Put other contents in the place of frozen ones, all or none; the old stay as
        `name@EPOCH`."""
        with self._transaction():
            known = set(self._reader.frozen_names())
            for name, content in contents.items():
                row = _frozen_row(name, content)
                if name in known and not self._keep_old(name, row):
                    continue
                self._connection.execute(_FROZEN, row)

    def _keep_old(self, name: str, row: tuple[str, int, bytes, int]) -> bool:
        """Make room for a frozen content; False where it is what is there already."""
        old = self._reader.frozen(name)
        if old == rows.inflate(row[1], row[2]):
            return False
        # What an owner froze twice was never used in between: the first is what counts.
        kept = _FROZEN.replace("INSERT", "INSERT OR IGNORE")
        self._connection.execute(kept, _frozen_row(f"{name}@{self.epoch}", old))
        self._connection.execute("DELETE FROM frozen WHERE name = ?", (name,))
        return True

    def rebuild(self) -> None:
        """Compute the kept rows of steps, calls and totals anew from the records."""
        with self._transaction():
            for table in ("steps", "calls"):
                self._connection.execute(f"DELETE FROM {table}")  # noqa: S608
            self._projection = Projection(self._reader, Totals())
            self._fold(self._reader.events())

    def _fold(self, events: Iterable[tuple[int, Event]]) -> None:
        remaining = iter(events)
        while page := list(islice(remaining, _REBUILD_PAGE)):
            for seq, event in page:
                self._projection.apply(seq, event)
            self._keep_rows(page[-1][0])
            self._projection.settle()

    def close(self, *, spent: bool = False) -> None:
        """Let go of the file. Unless the store is `spent`, fold the log into one file first."""
        if not spent:
            # One file that opens anywhere, also where none may be created beside it. A reader
            # that looks at it now keeps it in two files, which does no harm.
            with suppress(sqlite3.Error):
                self._connection.execute("PRAGMA busy_timeout = 0")
                self._connection.execute("PRAGMA journal_mode = DELETE")
        self._mark.close()
        with suppress(sqlite3.Error):
            self._connection.close()


def _identities(path: Path) -> list[tuple[int, int] | None]:
    """Which files stand under the names of the journal and its log; None where none does."""
    identities: list[tuple[int, int] | None] = []
    for name in (path, tables.write_ahead_log(path)):
        try:
            found = os.stat(name)  # noqa: PTH116  # once a commit: Path.stat costs three times that
        except FileNotFoundError:
            identities.append(None)
        else:
            identities.append((found.st_dev, found.st_ino))
    return identities
