"""Which run of a project has a result for a fingerprint already: pointers into its run folders.

A result always comes from the journal of a run in this project's own `.flowrunner`, folders that
only their owner may enter and that git ignores, and is checked there like all that is read of a
journal. The index only finds it: without one, or with a wrong one, nothing is lost but the finding.
What a fingerprint covers, and whether a result may be reused, is left to the engine.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeAlias, TypeVar

from flowrunner.errors import EnvironmentFault, JournalUnusable
from flowrunner.events import JSON
from flowrunner.journal.faults import storage_fault
from flowrunner.journal.index_file import (
    FILE_NAME,
    identity,
    index_fault,
    is_private,
    is_worn_out,
    keeps_permissions,
    open_index,
)
from flowrunner.journal.journal import Journal
from flowrunner.journal.mark import read_mark
from flowrunner.journal.opening import is_alive
from flowrunner.journal.runs import HOME, is_run_id, list_runs, make_home, runs_folder
from flowrunner.journal.state import StepState
from flowrunner.journal.tables import FILE_NAME as JOURNAL_NAME

_OPEN_AT_ONCE = 8
_NEWEST_FIRST = (
    "SELECT id, run, unit, at FROM entries WHERE fingerprint = ? AND id <= ? AND at > ?"
    " ORDER BY at DESC, id DESC"
)

Entry: TypeAlias = tuple[str, str, float]
"""The unit, fingerprint and time of a result within one run."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Found:
    """A result of an earlier run: where it is from, when it was had, and what it then cost.

    `result` is that of its `StepFinished`; `at` is Unix time; `cost_usd` is None where unknown.
    """

    run: str
    unit: str
    at: float
    result: dict[str, JSON]
    cost_usd: float | None


class Index:
    """Finds results of a project's runs by fingerprint, as they were when it was opened.

    Several programs may have it open at once. Every method raises EnvironmentFault where the disk
    or another program is in the way, and nothing else.
    """

    def __init__(self, project: Path, within: str | None = None) -> None:
        """For `open`."""
        self._within = within
        self._origins: frozenset[str] | None = None
        self._project = project
        self._home = make_home(project)
        self._shelf = _Shelf(runs_folder(project), careful=keeps_permissions(self._home))
        self._connection = open_index(self._home)
        self._file = identity(self._home / FILE_NAME)
        self._last_id = 0

    @classmethod
    def open(cls, project: Path, within: str | None = None) -> Index:
        """The index of a project, brought up to date with its run folders. `within` is the only run
        whose results are found: its own, and those that it took from others."""
        try:
            index = cls(project, within)
        except (OSError, sqlite3.Error) as error:
            raise index_fault(error, project / HOME) from error
        try:
            index._guarded(index._catch_up)
        except BaseException:
            index.close()
            raise
        return index

    def look_up(
        self, fingerprint: str, *, nth: int = 1, newer_than: float | None = None
    ) -> Found | None:
        """The newest result for a fingerprint, or the `nth` newest; None when there is none.

        Each `nth` is a result of its own. Only what is newer than a Unix time, where one is given.
        Entries whose run or result is gone or damaged are dropped on the way.
        """
        return self._guarded(lambda: self._look_up(fingerprint, nth, newer_than))

    def exchange(self, run: str, unit: str) -> tuple[dict[str, JSON], dict[str, JSON]] | None:
        """The last request of a unit that was answered, and its response; None where the run is
        gone or damaged."""
        try:
            return self._guarded(lambda: self._shelf.journal(run).exchange(unit))
        except JournalUnusable:
            return None

    def add_run(self, folder: Path) -> None:
        """Note the results of a run that has ended; harmless when repeated.

        Prompts that succeeded by themselves: what a run took from another is found there. Nothing
        of a run that was simulated, or that cannot be read.
        """
        if folder.resolve().parent == runs_folder(self._project).resolve():
            self._guarded(lambda: self._add_where_it_stands(folder))

    def close(self) -> None:
        """Let go of the index and of the runs looked into. Harmless when repeated."""
        self._shelf.close()
        with suppress(sqlite3.Error):
            self._connection.close()

    def __enter__(self) -> Index:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _guarded(self, action: Callable[[], _T]) -> _T:
        """Do something, and once more with an index made anew where this one is damaged."""
        try:
            try:
                return action()
            except (sqlite3.Error, UnicodeDecodeError) as error:
                if not is_worn_out(error):
                    raise
            self._reopen()
            return action()
        except sqlite3.ProgrammingError:
            raise
        except (OSError, sqlite3.Error, UnicodeDecodeError) as error:
            raise index_fault(error, self._home) from error

    def _add_where_it_stands(self, folder: Path) -> None:
        if identity(self._home / FILE_NAME) != self._file:
            self._reopen()  # what is added to a file that was removed, nobody finds
        self._add(folder)

    def _reopen(self) -> None:
        with suppress(sqlite3.Error):
            self._connection.close()
        self._connection = open_index(self._home, worn_out=self._file)
        self._file = identity(self._home / FILE_NAME)
        self._catch_up()

    def _catch_up(self) -> None:
        """Bring the index up to date with the run folders; runs that go on are left for later."""
        known = dict(self._connection.execute("SELECT run, mark FROM runs").fetchall())
        folders = list_runs(self._project)
        for run in set(known) - {folder.name for folder in folders}:
            self._forget(run)
        for folder in reversed(folders):
            if known.get(folder.name) != read_mark(folder) and not is_alive(folder):
                with suppress(EnvironmentFault):  # in the way for now
                    self._add(folder)
        (self._last_id,) = self._connection.execute(
            "SELECT coalesce(max(id), 0) FROM entries"
        ).fetchone()

    def _add(self, folder: Path) -> None:
        mark = read_mark(folder)  # first: what comes in meanwhile is added the next time
        try:
            entries = set(self._shelf.entries(folder.name))
        except JournalUnusable:
            entries = set()
        finally:
            self._shelf.put_back(folder.name)
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO runs VALUES (?, ?)", (folder.name, mark))
            query = "SELECT unit, fingerprint, at FROM entries WHERE run = ?"
            known: set[Entry] = set(connection.execute(query, (folder.name,)).fetchall())
            connection.executemany(
                "DELETE FROM entries WHERE run = ? AND unit = ?",
                [(folder.name, unit) for unit, _, _ in known - entries],
            )
            connection.executemany(
                "INSERT INTO entries (run, unit, fingerprint, at) VALUES (?, ?, ?, ?)",
                [(folder.name, *entry) for entry in sorted(entries - known, key=_by_time)],
            )

    def _forget(self, run: str) -> None:
        with self._transaction() as connection:
            connection.execute("DELETE FROM entries WHERE run = ?", (run,))
            connection.execute("DELETE FROM runs WHERE run = ?", (run,))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
            self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                with suppress(sqlite3.Error):
                    self._connection.rollback()

    def _look_up(self, fingerprint: str, nth: int, newer_than: float | None) -> Found | None:
        earliest = float("-inf") if newer_than is None else newer_than
        gone, left = [], nth
        cursor = self._connection.execute(_NEWEST_FIRST, (fingerprint, self._last_id, earliest))
        found = None
        for number, run, unit, at in cursor:
            if not self._is_within(run, unit):
                continue
            try:
                found = self._shelf.read(run, (unit, fingerprint, at))
            except EnvironmentFault:
                continue  # in the way for now
            except JournalUnusable:
                gone.append((number,))
                continue
            left -= 1
            if not left:
                break
        cursor.close()
        if gone:
            self._connection.executemany("DELETE FROM entries WHERE id = ?", gone)
        return None if left else found

    def _is_within(self, run: str, unit: str) -> bool:
        if self._within in (None, run):
            return True
        if self._origins is None:
            self._origins = self._shelf.origins(self._within)
        return f"{run}/{unit}" in self._origins


def _by_time(entry: Entry) -> tuple[float, str]:
    return (entry[2], entry[0])


class _Shelf:
    """The journals of a project's runs, a few of them kept open.

    Reading raises JournalUnusable for a run or a result that is gone, damaged or not to be reused,
    EnvironmentFault where the disk is in the way.
    """

    def __init__(self, runs: Path, *, careful: bool) -> None:
        """`careful`: believe only folders that are as private as runs are made."""
        self._runs = runs
        self._careful = careful
        self._open: dict[str, Journal] = {}

    def entries(self, run: str) -> Iterator[Entry]:
        """Every result of a run that may be reused."""
        for step in self.journal(run).steps():
            if _is_reusable(step) and step.fingerprint and step.ended_at is not None:
                yield (step.unit, step.fingerprint, step.ended_at)

    def origins(self, run: str | None) -> frozenset[str]:
        """The results that a run took from others, each as `RUN/unit`."""
        try:
            steps = self.journal(run or "").steps()
            return frozenset(step.reused_from for step in steps if step.reused_from)
        except JournalUnusable:
            return frozenset()

    def read(self, run: str, entry: Entry) -> Found:
        """The result behind an entry, as its run has it."""
        unit, fingerprint, at = entry
        journal = self.journal(run)
        step = journal.step(unit)
        if step is None or not _is_reusable(step) or step.fingerprint != fingerprint:
            raise _nothing_there(run, unit)
        result = journal.result(unit)
        if step.ended_at != at or not isinstance(result, dict):
            raise _nothing_there(run, unit)
        return Found(run, unit, at, result, step.cost_usd)

    def journal(self, run: str) -> Journal:
        """The journal of a run, open until it is put back."""
        if not isinstance(run, str) or not is_run_id(run):  # a damaged index may say anything
            raise _nothing_there(run)
        folder = self._runs / run
        try:
            if not (folder / JOURNAL_NAME).is_file():
                self.put_back(run)
                raise _nothing_there(run)
            if run not in self._open:
                while len(self._open) >= _OPEN_AT_ONCE:
                    self.put_back(next(iter(self._open)))
                self._open[run] = self._opened(folder)
        except OSError as error:
            raise storage_fault(error, folder) from error
        return self._open[run]

    def _opened(self, folder: Path) -> Journal:
        if self._careful and not all(map(is_private, (folder, folder / JOURNAL_NAME))):
            raise _nothing_there(folder.name)
        journal = Journal.open(folder)
        try:
            if journal.summary().simulated:
                raise _nothing_there(folder.name)
        except BaseException:
            journal.close()
            raise
        return journal

    def put_back(self, run: str) -> None:
        """Let go of the journal of a run; harmless when it is not open."""
        journal = self._open.pop(run, None)
        if journal is not None:
            journal.close()

    def close(self) -> None:
        """Let go of every journal."""
        for run in list(self._open):
            self.put_back(run)


def _is_reusable(step: StepState) -> bool:
    own = step.reused_from is None and step.verb == "prompt"
    return own and step.status == "succeeded" and step.result_seq is not None


def _nothing_there(run: str, unit: str | None = None) -> JournalUnusable:
    where = f"the run `{run}`" if unit is None else f"`{unit}` of the run `{run}`"
    return JournalUnusable(f"There is no result to reuse in {where}.")
