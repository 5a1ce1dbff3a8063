"""The journal of one run: append what happens, replay it, look it up.

Appending returns when the record is on disk. Who asks, and what follows from the answers, is left
to the engine; where run folders stand is left to `runs`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from flowrunner.errors import EnvironmentFault, JournalUnusable
from flowrunner.events import JSON, Event
from flowrunner.journal import audit, tables
from flowrunner.journal.appender import Appender, Observer
from flowrunner.journal.decisions import Decision, answer_to, given_up
from flowrunner.journal.faults import storage_fault
from flowrunner.journal.opening import check_readable, open_reader, take_lock
from flowrunner.journal.reader import Reader
from flowrunner.journal.state import CallState, RunState, StepState, Totals
from flowrunner.journal.store import create_file
from flowrunner.journal.tool_calls import ToolRecord
from flowrunner.platform import make_private_dir, sync_dir

# A larger journal is not read whole before a resume: every row is checked when it is used.
_VERIFIED_BYTES = 32 * 2**20


class Journal:
    """All that happened in one run, on disk.

    A journal opened for writing is owned: no other process may append, and one that takes the
    run over makes every further append of this one fail. Reading needs no ownership and works
    while another process writes. Look-ups raise JournalUnusable for what is not as it was written.
    """

    def __init__(self, reader: Reader, closing: ExitStack, appender: Appender | None) -> None:
        """For `create` and `open`."""
        self.folder = reader.path.parent
        self._reader = reader
        self._closing = closing
        self._appender = appender

    @classmethod
    def create(
        cls,
        folder: Path,
        frozen: Mapping[str, bytes | str],
        clock: Callable[[], float],
        *,
        inline: bool = False,
    ) -> Journal:
        """Begin the journal of a new run in a folder, and own it.

        `frozen` is what the run depends on, by name: workflow text, sub-files, inputs, settings.
        `clock` gives Unix time. `inline` commits in the caller's thread, for simulated time.
        Raises EnvironmentFault, or RunBusy.
        """
        with ExitStack() as undo:
            try:
                make_private_dir(folder)
                lock = take_lock(folder)
                undo.callback(lock.release)
                create_file(folder / tables.FILE_NAME, frozen, clock())
                sync_dir(folder.parent)
            except FileExistsError:
                raise EnvironmentFault(f"`{folder}` holds the journal of another run.") from None
            except (OSError, sqlite3.Error) as error:
                raise storage_fault(error, folder) from error
            reader = open_reader(folder, undo)
            appender = Appender(reader.path, lock, inline=inline)
            return cls(reader, undo.pop_all(), appender)

    @classmethod
    def open(cls, folder: Path, *, writable: bool = False, inline: bool = False) -> Journal:
        """Open the journal in a run folder, to read it or (`writable`) to own it.

        Raises JournalUnusable for what is damaged, foreign or of another version, RunBusy when
        another process owns the run, EnvironmentFault where the disk is in the way.
        """
        with ExitStack() as undo:
            try:
                check_readable(folder / tables.FILE_NAME)
                if writable:
                    return cls._take_over(folder, undo, inline=inline)
                return cls(open_reader(folder, undo), undo.pop_all(), None)
            except JournalUnusable as error:
                sentence = error.message.removesuffix(".")
                raise JournalUnusable(f"{sentence}; nothing was sent.", help=error.help) from error

    @classmethod
    def _take_over(cls, folder: Path, undo: ExitStack, *, inline: bool) -> Journal:
        lock = take_lock(folder)
        undo.callback(lock.release)
        reader = open_reader(folder, undo)
        if tables.storage_bytes(reader.path) <= _VERIFIED_BYTES:
            audit.verify(reader)
        appender = Appender(reader.path, lock, inline=inline)
        return cls(reader, undo.pop_all(), appender)

    async def append(self, event: Event) -> int:
        """Store an event; its number, once it is on disk.

        Records that wait at the same time share one sync. Cancelling the wait does not take the
        event back. Raises EnvironmentFault (disk full or failing, folder gone) or JournalUnusable
        (taken over); after the first such failure every append raises it.
        """
        return await self._owner.append((event,))

    async def append_many(self, events: Sequence[Event]) -> list[int]:
        """Store events as neighbours in one transaction; their numbers, once they are on disk."""
        if not events:
            return []
        first = await self._owner.append(tuple(events))
        return list(range(first, first + len(events)))

    def subscribe(self, observer: Observer) -> Callable[[], None]:
        """Feed an observer with every record from now on; the result ends it.

        Observers are called in the loop, after those who wait for the record were woken. What
        they raise is kept in `observer_failures` and harms nobody.
        """
        return self._owner.subscribe(observer)

    @property
    def observer_failures(self) -> list[Exception]:
        """What observers raised, the first of each class."""
        return self._owner.failures

    @property
    def epoch(self) -> int:
        """How many times the run has been taken over, this process included; 1 for the creator."""
        return self._owner.store.epoch

    @property
    def last_seq(self) -> int:
        """The number of the last record on disk; 0 when there is none."""
        return self._reader.last_seq()

    @property
    def created_at(self) -> float:
        """When the journal was created, in Unix time."""
        return float(self._reader.meta("created_at"))

    def replay(self) -> RunState:
        """The run with its steps, calls and totals, without reading a body."""
        return self._reader.replay()

    def summary(self) -> RunState:
        """The run as a whole with its totals: `replay` without the steps, for lists of runs."""
        return self._reader.run()

    def result(self, unit: str) -> JSON:
        """What the last end of a unit gave (`StepFinished.result`); None while it has not ended."""
        return self._reader.result(unit)

    def calls(self, unit: str) -> list[CallState]:
        """The calls of a unit in the order of attempt, turn and post."""
        return self._reader.calls(unit)

    def exchange(self, unit: str) -> tuple[dict[str, JSON], dict[str, JSON]] | None:
        """The last request of a unit that was answered, and its response; None where none was."""
        answered = [call for call in self.calls(unit) if call.state == "answered"]
        if not answered or answered[-1].end_seq is None:
            return None
        last, end = answered[-1], answered[-1].end_seq
        return self.body(last.sent_seq, "request"), self.body(end, "response")

    def decisions(self, unit: str) -> Decision | None:
        """What a person decided, in any process, about the question that a unit asks now.

        None while nobody did, and once the answer is on record as `ApprovalGiven`.
        """
        step = self._reader.step(unit)
        return None if step is None else answer_to(self._reader, step)

    def given_up(self) -> Decision | None:
        """Who said, in any process, that no more of the run is wanted; None while nobody did."""
        return given_up(self._reader)

    def conversations(self) -> dict[str, str]:
        """The ids of the conversations that the run calls by names, by their keys."""
        return {event.key: event.id for event in self._reader.conversations()}

    def listings(self) -> dict[str, str]:
        """The hashes of what servers of tools last said and were trusted with, by their keys."""
        return {event.key: event.digest for event in self._reader.listings()}

    def tool_record(self, unit: str) -> ToolRecord:
        """The calls of tools of a unit, and what people were asked about them."""
        return self._reader.tool_record(unit)

    def spent_below(self, unit: str) -> Totals:
        """The sums over the calls of a unit, of its items and rounds, and of what is below them.

        Carried over every resume; `steps` counts the unit itself and what is below it.
        """
        return self._reader.spent_below(unit)

    def step(self, unit: str) -> StepState | None:
        """A unit as it stands now, with its calls; None when it never began or ended."""
        return self._reader.step_with_calls(unit)

    def steps(self) -> Iterator[StepState]:
        """All steps that ever began or ended, in the order of their units, without their calls."""
        return self._reader.steps()

    def body(self, seq: int, field: str) -> JSON:
        """A body of record `seq`, by the name of the event's field."""
        return self._reader.body(seq, field)

    def event(self, seq: int) -> Event:
        """Record `seq` as a whole event."""
        return self._reader.event(seq)

    def events(self, after_seq: int = 0, *, bodies: bool = False) -> Iterator[tuple[int, Event]]:
        """The numbers and events after a number; bodies are left empty unless asked for."""
        return self._reader.events(after_seq, bodies=bodies)

    def frozen(self, name: str) -> bytes:
        """What was frozen under a name when the run was created."""
        return self._reader.frozen(name)

    def frozen_names(self) -> list[str]:
        """The names of everything frozen, sorted."""
        return self._reader.frozen_names()

    def refreeze(self, contents: Mapping[str, bytes | str]) -> None:
        """Put other contents in the place of frozen ones, by name: all of them or none.

        What was there stays as `NAME@EPOCH`, by the epoch that replaced it; a name that was not
        there is added, and what is equal stays as it is. For the owner, while nothing waits to be
        appended. Raises what `append` raises.
        """
        self._owner.refreeze(contents)

    def verify(self) -> None:
        """Read everything. Raises JournalUnusable with the first record that is damaged."""
        audit.verify(self._reader)

    def rebuild_projection(self) -> None:
        """Compute the rows of steps, calls and totals anew, while nothing waits to be appended."""
        self._owner.store.rebuild()

    def close(self) -> None:
        """Commit what waits and let go of the run. Harmless when repeated."""
        if self._appender is not None:
            self._appender.close(self._closing.close)
        self._closing.close()

    @property
    def _owner(self) -> Appender:
        if self._appender is None:
            raise RuntimeError("the journal was opened for reading only")
        return self._appender

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
