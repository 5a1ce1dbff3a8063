"""What people decide about a run, written by any process and read by the one that owns the run.

A decision answers one question that was asked on record, and each question takes one answer. When
it is taken up, and what follows from it, is left to the engine.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from flowrunner.diagnostics import did_you_mean
from flowrunner.errors import UsageError
from flowrunner.journal import rows
from flowrunner.journal.faults import damaged, storage_fault
from flowrunner.journal.opening import open_to_add
from flowrunner.journal.reader import Reader
from flowrunner.journal.state import Approval, StepState

_SHOWN = 8
_DECISION = "SELECT unit, asked, content, checksum FROM decisions"
_THE_RUN = ("", 0)
"""Stands for the run itself, which nobody was asked about."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided about a unit that waits; `at` is Unix time."""

    unit: str
    granted: bool
    by: str
    why: str | None
    at: float


def decide(folder: Path, unit: str, *, granted: bool, by: str, why: str | None, at: float) -> None:
    """Answer for a unit that waits in the run of a folder, whether the run lives or not.

    On disk when this returns. Needs no ownership and leaves the records of the run as they are.
    Raises UsageError where nothing of that name waits or it was answered before, JournalUnusable,
    or EnvironmentFault.
    """
    decision = Decision(unit, granted, by, why, at)
    with ExitStack() as closing:
        reader = open_to_add(folder, closing)
        try:
            with _transaction(reader.connection):
                added = _add(reader, decision)
        except sqlite3.Error as error:
            raise storage_fault(error, folder) from error
        if not added:
            raise _does_not_wait(reader, unit)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.rollback()


def give_up(folder: Path, *, by: str, why: str | None, at: float) -> None:
    """Say that nothing more of the run in a folder is wanted, whether it lives or not.

    On disk when this returns; said twice, the first time counts. The owner of the run, or whoever
    owns it next, puts it on record as its end. Raises JournalUnusable or EnvironmentFault.
    """
    content = json.dumps([False, by, why, at])
    row = (*_THE_RUN, content)
    with ExitStack() as closing:
        reader = open_to_add(folder, closing)
        try:
            with _transaction(reader.connection):
                insert = "INSERT OR IGNORE INTO decisions VALUES (?, ?, ?, ?)"
                reader.connection.execute(insert, (*row, rows.checksum(*row)))
        except sqlite3.Error as error:
            raise storage_fault(error, folder) from error


def given_up(reader: Reader) -> Decision | None:
    """Who said that nothing more of the run is wanted; None while nobody did."""
    found = reader.query(f"{_DECISION} WHERE (unit, asked) = (?, ?)", *_THE_RUN)
    return _unpack(reader, found[0]) if found else None


def _add(reader: Reader, decision: Decision) -> bool:
    """Whether the unit waits, with the decision added if it does. Raises UsageError for a second
    answer."""
    step = reader.step(decision.unit)
    if step is None or step.approval is None:
        return False
    _refuse_second(reader, step.approval, answer_to(reader, step), decision.unit)
    if not step.waits_for_decision:
        return False
    content = json.dumps([decision.granted, decision.by, decision.why, decision.at])
    row = (decision.unit, step.approval.asked_seq, content)
    insert = "INSERT INTO decisions VALUES (?, ?, ?, ?)"
    reader.connection.execute(insert, (*row, rows.checksum(*row)))
    return True


def answer_to(reader: Reader, step: StepState) -> Decision | None:
    """The decision about the question that a step asks and that is open on record, if there is one.

    Raises JournalUnusable where it is not as it was written.
    """
    if step.approval is None or step.approval.granted is not None:
        return None
    asked = (step.unit, step.approval.asked_seq)
    found = reader.query(f"{_DECISION} WHERE (unit, asked) = (?, ?)", *asked)
    return _unpack(reader, found[0]) if found else None


def check_all(reader: Reader) -> None:
    """Refuse a journal with a decision in it that is not as it was written."""
    for row in reader.query(_DECISION):
        _unpack(reader, row)


def _unpack(reader: Reader, row: tuple[str, int, str, int]) -> Decision:
    unit, asked, content, expected = row
    if rows.checksum(unit, asked, content) != expected:
        raise damaged(reader.path, what=f"a decision about `{unit}` is not what was written")
    return Decision(unit, *json.loads(content))


def _refuse_second(reader: Reader, approval: Approval, answer: Decision | None, unit: str) -> None:
    said: Approval | Decision | None = approval if approval.granted is not None else answer
    if said is not None:
        what = "approved" if said.granted else "denied"
        because = f" ({said.why})" if said.why else ""
        raise UsageError(
            f"`{unit}` was already {what} by `{said.by}`{because}.",
            help=f"`flowrunner show {reader.path.parent.name}` says how the run stands.",
        )


def _does_not_wait(reader: Reader, unit: str) -> UsageError:
    run = reader.path.parent.name
    open_units = [
        step.unit
        for step in reader.steps()
        if step.waits_for_decision and answer_to(reader, step) is None
    ]
    if not open_units:
        return UsageError(
            f"Nothing in the run `{run}` waits for a decision.",
            help=f"`flowrunner show {run}` says how it stands.",
        )
    shown = ", ".join(f"`{name}`" for name in open_units[:_SHOWN])
    more = f" and {len(open_units) - _SHOWN} more" if len(open_units) > _SHOWN else ""
    near = did_you_mean(unit, open_units)
    return UsageError(
        f"`{unit}` does not wait for a decision in the run `{run}`; these do: {shown}{more}.",
        help=f"Did you mean `{near}`?" if near else None,
    )
