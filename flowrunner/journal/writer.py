"""Who commits and when: a thread that commits whatever waits, or the caller itself, inline.

Both keep the promise that an append returns after its commit, and refuse everything after the
first failure. What a commit is, is left to `store`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from queue import SimpleQueue
from typing import Protocol, TypeAlias

from flowrunner.errors import FlowrunnerError
from flowrunner.events import Event
from flowrunner.journal.codec import Record

# Bounds how long the first of a crowd waits for the last; more at once gains nothing measurable.
_MOST_AT_ONCE = 1000

Commit: TypeAlias = Callable[[Sequence[tuple[Event, Record]]], int]
Deliver: TypeAlias = Callable[[Sequence["Entry"]], None]


@dataclass(slots=True, eq=False)
class Entry:
    """Events that wait to be committed together, and who waits for them.

    `first` is the number of the first record once they are on disk.
    """

    events: Sequence[tuple[Event, Record]]
    waiter: asyncio.Future[int]
    first: int | None = None
    failure: BaseException | None = None

    def settle(self) -> None:
        """Tell the waiter, in its own loop; one that was cancelled does not hear it."""
        if self.waiter.done():
            return
        if self.failure is not None:
            self.waiter.set_exception(self.failure)
        else:
            assert self.first is not None
            self.waiter.set_result(self.first)


class Writer(Protocol):
    """The port: hands entries to the store and reports them to `deliver` in the waiter's loop."""

    failure: BaseException | None

    def submit(self, entry: Entry) -> None: ...
    def close(self) -> None: ...


def again(failure: BaseException) -> BaseException:
    """The same failure for another waiter: one exception raised in many places mixes tracebacks."""
    if isinstance(failure, FlowrunnerError):
        return type(failure)(failure.message, help=failure.help)
    return failure


class InlineWriter:
    """Commits in the caller's own thread: one order of things, for simulated time and for tests."""

    def __init__(self, commit: Commit, deliver: Deliver) -> None:
        self.failure: BaseException | None = None
        self._commit = commit
        self._deliver = deliver

    def submit(self, entry: Entry) -> None:
        """Commit an entry now."""
        try:
            entry.first = self._commit(entry.events)
        except Exception as error:  # whatever it is, it ends this writer
            entry.failure = self.failure = error
        self._deliver([entry])

    def close(self) -> None:
        """Nothing waits."""


class ThreadWriter:
    """A thread that commits whatever waits as one transaction, without a timer.

    While one commit syncs, the next ones gather: alone a record pays a whole sync, a crowd shares.
    What is submitted in one turn of the loop reaches the thread together; else the first of a
    crowd that was woken together would be committed alone.
    """

    def __init__(self, commit: Commit, deliver: Deliver) -> None:
        self.failure: BaseException | None = None
        self._commit = commit
        self._deliver = deliver
        self._of_this_turn: list[Entry] = []
        self._waiting: SimpleQueue[list[Entry] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def submit(self, entry: Entry) -> None:
        """Queue an entry for the next commit; called in the loop that waits."""
        self._of_this_turn.append(entry)
        if len(self._of_this_turn) == 1:
            entry.waiter.get_loop().call_soon(self._pass_on)

    def _pass_on(self) -> None:
        entries, self._of_this_turn = self._of_this_turn, []
        if entries:
            self._waiting.put(entries)

    def close(self) -> None:
        """Commit what waits, then end the thread."""
        self._pass_on()
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while entries := self._gather():
            self._commit_all(entries)
            self._hand_over(entries)

    def _gather(self) -> list[Entry]:
        """Whatever waits; nothing once the writer is closed."""
        entries: list[Entry] = []
        more = self._waiting.get()
        while more is not None:
            entries += more
            if len(entries) >= _MOST_AT_ONCE or self._waiting.empty():
                return entries
            more = self._waiting.get()
        self._waiting.put(None)  # for the next time
        return entries

    def _commit_all(self, entries: list[Entry]) -> None:
        try:
            if self.failure is None:
                first = self._commit([pair for entry in entries for pair in entry.events])
                for entry in entries:
                    entry.first = first
                    first += len(entry.events)
                return
        except Exception as error:  # whatever it is, it ends this writer
            self.failure = error
        for entry in entries:
            entry.failure = again(self.failure) if self.failure else None

    def _hand_over(self, entries: list[Entry]) -> None:
        for loop, group in groupby(entries, key=lambda entry: entry.waiter.get_loop()):
            # A loop that has ended waits for nothing; the records are on disk all the same.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._deliver, list(group))
