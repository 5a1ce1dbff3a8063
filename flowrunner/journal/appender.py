"""The owner's side of a journal: events in, numbers out after the commit, then the observers.

Joins the loop that waits to the writer that commits. The transaction is left to `store`, the
thread to `writer`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from flowrunner.errors import FlowrunnerError
from flowrunner.events import Event
from flowrunner.journal.codec import Record, encode
from flowrunner.journal.faults import is_storage_error, storage_fault
from flowrunner.journal.store import Store
from flowrunner.journal.writer import Entry, InlineWriter, ThreadWriter, Writer, again
from flowrunner.platform import FileLock

Observer: TypeAlias = Callable[[int, Event], None]
"""Called in the loop with the number and the event of each record after it is on disk."""


class Appender:
    """Appends to a journal that this process owns."""

    def __init__(self, path: Path, lock: FileLock, *, inline: bool) -> None:
        """Take the journal over. Raises EnvironmentFault or JournalUnusable.

        The lock is released by `close`; if this raises, it is left to the caller.
        """
        self.failures: list[Exception] = []
        self._folder = path.parent
        self._lock = lock
        self._observers: list[Observer] = []
        self._closed = False
        try:
            self.store = Store(path)
        except (OSError, sqlite3.Error) as error:
            raise storage_fault(error, path.parent) from error
        writer = InlineWriter if inline else ThreadWriter
        self._writer: Writer = writer(self._commit, self._deliver)

    async def append(self, events: Sequence[Event]) -> int:
        """Store events as neighbours in one transaction; the number of the first, once on disk.

        Cancelling the wait does not take the events back. Raises the sentence of the first
        failure, then and for ever after.
        """
        if self._closed:
            raise RuntimeError("the journal is closed")
        if self._writer.failure is not None:
            raise again(self._writer.failure)
        waiter: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._writer.submit(Entry([(event, encode(event)) for event in events], waiter))
        return await waiter

    def subscribe(self, observer: Observer) -> Callable[[], None]:
        """Feed an observer from now on; the result ends it.

        It is called after those who wait for the record were woken. What it raises is kept in
        `failures` (once for each observer) and harms nobody.
        """
        self._observers.append(observer)

        def unsubscribe() -> None:
            with suppress(ValueError):
                self._observers.remove(observer)

        return unsubscribe

    def refreeze(self, contents: Mapping[str, bytes | str]) -> None:
        """Put other contents in the place of frozen ones, while nothing waits to be appended.

        Raises what `append` raises, which then raises it too.
        """
        if self._closed:
            raise RuntimeError("the journal is closed")
        if self._writer.failure is not None:
            raise again(self._writer.failure)
        try:
            with self._sentences():
                self.store.refreeze(contents)
        except FlowrunnerError as error:
            self._writer.failure = error
            raise

    def _commit(self, entries: Sequence[tuple[Event, Record]]) -> int:
        with self._sentences():
            return self.store.commit(entries)

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        """What the disk or the database refuses is told in a sentence."""
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            if not is_storage_error(error):
                raise
            raise storage_fault(error, self._folder) from error

    def _deliver(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            entry.settle()
        if self._observers:
            asyncio.get_running_loop().call_soon(self._tell, entries)

    def _tell(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.first is None:
                continue
            for seq, (event, _) in enumerate(entry.events, start=entry.first):
                for observer in tuple(self._observers):
                    self._tell_one(observer, seq, event)

    def _tell_one(self, observer: Observer, seq: int, event: Event) -> None:
        try:
            observer(seq, event)
        except Exception as error:  # an observer never holds the run up
            if all(error.__class__ is not known.__class__ for known in self.failures):
                self.failures.append(error)

    def close(self, close_reader: Callable[[], None]) -> None:
        """Commit what waits, fold the log into the one file, give the run free."""
        if self._closed:
            return
        self._closed = True
        self._writer.close()
        spent = self._writer.failure is not None
        with ExitStack() as last:
            last.callback(self._lock.release)
            # Whoever closes last folds the log in. After a failed sync nobody may touch it again.
            if spent:
                last.callback(close_reader)
                self.store.close(spent=True)
            else:
                close_reader()
                self.store.close()
