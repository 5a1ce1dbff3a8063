"""Looking things up in a journal: every row is checked against its checksum when it is read.

Reads on any connection, also inside the writer's own transaction; what a whole journal must
satisfy is left to `audit`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flowrunner.events import JSON, ConversationBegan, Event, ToolsListed
from flowrunner.journal import rows
from flowrunner.journal.codec import Record, decode, kind_of
from flowrunner.journal.faults import damaged, reading_fault
from flowrunner.journal.projection import CallKey, fold_run
from flowrunner.journal.state import CallState, RunState, StepState, Totals
from flowrunner.journal.tables import OF_THE_RUN, OF_TOOLS
from flowrunner.journal.tool_calls import ToolRecord, record_of

_PAGE = 1000
# What follows the address of a unit in the addresses of its items, its rounds and its inner steps.
_MARKS_OF_BELOW = "[#/"
_EVENT = "SELECT seq, at, kind, unit, attempt, turn, post, header, checksum FROM events"
_BODY = "SELECT id, field, zipped, content, checksum FROM bodies"
_STEP = "SELECT unit, content, checksum FROM steps"
_CALL = "SELECT unit, attempt, turn, post, content, checksum FROM calls"


class Reader:
    """Look-ups on one connection. All raise JournalUnusable for what is not as it was written."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection = connection
        self.path = path

    def query(self, sql: str, *values: Any) -> list[Any]:
        """The rows of a query; the database's errors become sentences."""
        try:
            return self.connection.execute(sql, values).fetchall()
        except sqlite3.ProgrammingError:
            raise
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise reading_fault(error, self.path) from error

    def last_seq(self) -> int:
        """The number of the last record, 0 when there is none."""
        return int(self.query("SELECT coalesce(max(seq), 0) FROM events")[0][0])

    def meta(self, name: str) -> Any:
        """A fact about the file; None when it is not there."""
        found = self.query("SELECT value FROM meta WHERE name = ?", name)
        return found[0][0] if found else None

    def frozen(self, name: str) -> bytes:
        """The content that was frozen under a name when the run was created."""
        found = self.query("SELECT zipped, content, checksum FROM frozen WHERE name = ?", name)
        if not found:
            raise damaged(self.path, what=f"`{name}` is not in it")
        zipped, content, expected = found[0]
        if rows.frozen_checksum(name, zipped, content) != expected:
            raise damaged(self.path, what=f"`{name}` in it is not what was written")
        return rows.inflate(zipped, content)

    def frozen_names(self) -> list[str]:
        """The names of all frozen contents, sorted."""
        return [name for (name,) in self.query("SELECT name FROM frozen ORDER BY name")]

    def step(self, unit: str) -> StepState | None:
        """The step of a unit without its calls; None when it never began or ended."""
        found = self.query(f"{_STEP} WHERE unit = ?", unit)
        return self._step(found[0]) if found else None

    def steps(self) -> Iterator[StepState]:
        """All steps that ever began or ended, without their calls, in the order of units."""
        last = ""
        while found := self.query(f"{_STEP} WHERE unit > ? ORDER BY unit LIMIT {_PAGE}", last):
            for row in found:
                yield self._step(row)
            last = found[-1][0]

    def _step(self, row: rows.StepRow) -> StepState:
        unit, content, expected = row
        if rows.step_checksum(unit, content) != expected:
            raise damaged(self.path, what=f"what it keeps of step `{unit}` is not what was written")
        return rows.unpack_step(unit, content)

    def call(self, key: CallKey) -> CallState | None:
        """The call at an address; None when it was never announced."""
        found = self.query(f"{_CALL} WHERE (unit, attempt, turn, post) = (?, ?, ?, ?)", *key)
        return rows.unpack_call(self._checked_call(found[0])) if found else None

    def calls(self, unit: str) -> list[CallState]:
        """The calls of a unit in the order of attempt, turn and post."""
        found = self.query(f"{_CALL} WHERE unit = ? ORDER BY attempt, turn, post", unit)
        return [rows.unpack_call(self._checked_call(row)) for row in found]

    def _checked_call(self, row: rows.CallRow) -> rows.CallRow:
        unit, attempt, turn, post, content, expected = row
        if rows.call_checksum(unit, attempt, turn, post, content) != expected:
            what = f"what it keeps of a call of `{unit}` is not what was written"
            raise damaged(self.path, what=what)
        return row

    def spent_below(self, unit: str) -> Totals:
        """The sums over the calls of a unit, of its items and rounds, and of what is below them."""
        found = self._below(unit, _CALL, ", attempt, turn, post")
        totals = Totals(steps=len(self._below(unit, _STEP)))
        for row in found:
            totals.count(rows.unpack_call(self._checked_call(row)))
        return totals

    def step_with_calls(self, unit: str) -> StepState | None:
        """The step of a unit with its calls; None when it never began or ended."""
        step = self.step(unit)
        if step is not None:
            step.calls.extend(self.calls(unit))
        return step

    def _below(self, unit: str, select: str, then_by: str = "") -> list[Any]:
        values = [unit]
        for mark in _MARKS_OF_BELOW:
            # What begins with the mark ends before the character behind it.
            values += [unit + mark, unit + chr(ord(mark) + 1)]
        where = "unit = ?" + " OR (unit >= ? AND unit < ?)" * len(_MARKS_OF_BELOW)
        return self.query(f"{select} WHERE {where} ORDER BY unit{then_by}", *values)

    def body(self, seq: int, field: str) -> JSON:
        """A body of record `seq`. Raises KeyError when records of its kind have no such field."""
        bodies = self.bodies(seq, seq).get(seq, {})
        if field not in bodies:
            record = self._record(seq)
            if field in rows.bodies_of(record.kind):
                raise damaged(self.path, seq)
            raise KeyError(field)
        return json.loads(bodies[field])

    def result(self, unit: str) -> JSON:
        """What the unit's last end gave (`StepFinished.result`); None when it has not ended."""
        step = self.step(unit)
        if step is None or step.result_seq is None:
            return None
        return self.body(step.result_seq, "result")

    def event(self, seq: int) -> Event:
        """Record `seq` as a whole event, its bodies included."""
        record = self._record(seq)
        return decode(record, self._json_bodies(seq, record, self.bodies(seq, seq)))

    def events(self, after_seq: int = 0, *, bodies: bool = False) -> Iterator[tuple[int, Event]]:
        """The records after a number with their events; without `bodies` those are left empty.

        Read page by page: records that come in meanwhile are seen, and a writer is never held up.
        """
        for page in self.pages(after_seq):
            texts = self.bodies(page[0][0], page[-1][0]) if bodies else {}
            for seq, record in page:
                yield seq, decode(record, self._json_bodies(seq, record, texts) if bodies else None)

    def conversations(self) -> Iterator[ConversationBegan]:
        """What was recorded of named conversations, in order."""
        kind = kind_of(ConversationBegan)
        for row in self.query(f"{_EVENT} WHERE kind = ? ORDER BY seq", kind):
            event = decode(self._checked(row))
            assert isinstance(event, ConversationBegan)
            yield event

    def listings(self) -> Iterator[ToolsListed]:
        """What was recorded of servers of tools, in order."""
        for row in self.query(f"{_EVENT} WHERE kind = ? ORDER BY seq", kind_of(ToolsListed)):
            event = decode(self._checked(row))
            assert isinstance(event, ToolsListed)
            yield event

    def tool_record(self, unit: str) -> ToolRecord:
        """What is on record of the tools of a unit."""
        found = self.query(f"{_EVENT} WHERE unit = ? AND {OF_TOOLS} ORDER BY seq", unit)
        return record_of(unit, ((row[0], decode(self._checked(row))) for row in found))

    def pages(self, after_seq: int = 0) -> Iterator[list[tuple[int, Record]]]:
        """The checked records after a number in pages, none of them empty."""
        while found := self.query(f"{_EVENT} WHERE seq > ? ORDER BY seq LIMIT {_PAGE}", after_seq):
            page = []
            for row in found:
                after_seq += 1
                if row[0] != after_seq:
                    raise damaged(self.path, after_seq)
                page.append((after_seq, self._checked(row)))
            yield page

    def _record(self, seq: int) -> Record:
        found = self.query(f"{_EVENT} WHERE seq = ?", seq)
        if not found:
            raise damaged(self.path, seq)
        return self._checked(found[0])

    def _checked(self, row: rows.EventRow) -> Record:
        record = rows.unpack_event(row)
        if record is None:
            raise damaged(self.path, row[0])
        return record

    def bodies(self, first: int, last: int) -> dict[int, dict[str, bytes]]:
        """The checked bodies of the records from `first` to `last`, by record and field."""
        each = rows.BODIES_PER_EVENT
        found = self.query(
            f"{_BODY} WHERE id BETWEEN ? AND ? ORDER BY id", first * each, last * each + each - 1
        )
        bodies: dict[int, dict[str, bytes]] = {}
        for row in found:
            seq = row[0] // each
            text = rows.unpack_body(row)
            if text is None:
                raise damaged(self.path, seq)
            bodies.setdefault(seq, {})[row[1]] = text
        return bodies

    def _json_bodies(
        self, seq: int, record: Record, texts: dict[int, dict[str, bytes]]
    ) -> dict[str, JSON]:
        mine = texts.get(seq, {})
        if tuple(mine) != rows.bodies_of(record.kind):
            raise damaged(self.path, seq)
        return {field: json.loads(text) for field, text in mine.items()}

    def totals(self) -> tuple[int, Totals]:
        """The record up to which the rows of steps and calls are kept, and the totals there."""
        found = self.query("SELECT seq, content, checksum FROM spend WHERE id = 1")
        if not found or rows.checksum(*found[0][:2]) != found[0][2]:
            raise damaged(self.path, what="its totals are not what was written")
        return found[0][0], rows.unpack_totals(found[0][1])

    def run(self) -> RunState:
        """The run as a whole with its totals, without its steps but for the declared ones."""
        with self._snapshot():
            return self._run()

    def _run(self) -> RunState:
        run = RunState()
        for row in self.query(f"{_EVENT} WHERE {OF_THE_RUN} ORDER BY seq"):
            fold_run(run, row[0], decode(self._checked(row)))
        run.run = run.run or self.path.parent.name
        kept_to, run.totals = self.totals()
        if kept_to != (last_seq := self.last_seq()):
            raise damaged(self.path, min(kept_to, last_seq) + 1)
        return run

    def replay(self) -> RunState:
        """The run with all its steps and calls, from their rows and without a body."""
        with self._snapshot():
            run = self._run()
            self._read_steps(run)
            self._read_calls(run)
        return run

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        """What is read inside is of one moment, while another program may be writing."""
        self.query("BEGIN")
        try:
            yield
        finally:
            if self.connection.in_transaction:
                self.connection.rollback()

    def _read_steps(self, run: RunState) -> None:
        steps = [self._step(row) for row in self.query(_STEP)]
        if len(steps) != run.totals.steps:
            raise damaged(self.path, what="steps are missing from it")
        for step in sorted(steps, key=lambda step: step.seq or 0):
            run.steps[step.unit] = step

    def _read_calls(self, run: RunState) -> None:
        found = self.query(f"{_CALL} ORDER BY unit, attempt, turn, post")
        if len(found) != run.totals.calls:
            raise damaged(self.path, what="calls are missing from it")
        for row in found:
            step = run.steps.get(row[0])
            if step is None:
                step = run.steps[row[0]] = StepState(row[0])
            step.read_later(rows.unpack_call, self._checked_call(row))
