"""What a report reads of a journal beyond the state: large fields, frozen texts, idle gaps.

What happened is in `flowrunner.journal.state`; how it is told is left to the other modules.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from flowrunner.events import JSON, Event, RunResumed
from flowrunner.journal.state import RunState
from flowrunner.journal.tool_calls import ToolRecord


class Record(Protocol):
    """The part of a journal that a report needs; `flowrunner.journal.journal.Journal` is one."""

    def body(self, seq: int, field: str) -> JSON:
        """One large field of the record with that number."""

    def frozen(self, name: str) -> bytes:
        """What was frozen under a name at the start of the run."""

    def frozen_names(self) -> list[str]:
        """The names that something was frozen under."""

    def event(self, seq: int) -> Event:
        """The record with that number as a whole event."""

    def tool_record(self, unit: str) -> ToolRecord:
        """The calls of tools of a unit."""

    def events(self) -> Iterable[tuple[int, Event]]:
        """Every event in order with its number; large fields may be left out."""


@dataclass(frozen=True, slots=True)
class ActiveClock:
    """Counts the seconds that processes worked on a run; idle time before a resume counts nothing.

    `sessions` are the first and last moment of each process, in Unix seconds, in order.
    """

    sessions: tuple[tuple[float, float], ...]

    @property
    def end(self) -> float:
        """The last moment on record."""
        return self.sessions[-1][1]

    @property
    def length_s(self) -> float:
        """All the work together."""
        return self.seconds(self.end)

    @property
    def resumes(self) -> tuple[float, ...]:
        """The moments at which a later process began."""
        return tuple(first for first, _ in self.sessions[1:])

    def seconds(self, at: float) -> float:
        """Seconds of work from the start of the run to a moment."""
        worked = 0.0
        for first, last in self.sessions:
            if at <= last:
                return worked + max(0.0, at - first)
            worked += max(0.0, last - first)
        return worked


def frozen_json(record: Record, name: str) -> JSON:
    """A JSON value that was frozen at the start of the run; None where none was."""
    return json.loads(record.frozen(name)) if name in record.frozen_names() else None


def body_of(record: Record, seq: int | None, field: str | None) -> JSON:
    """One large field of a record; None where there is no record."""
    return None if seq is None or field is None else record.body(seq, field)


def active_clock(state: RunState, record: Record, last_moment: float) -> ActiveClock:
    """The clock of a run. The events are read only where a resume left a gap to find."""
    start = state.started_at or 0.0
    if not state.resumes:
        return ActiveClock(((start, max(start, last_moment)),))
    sessions: list[tuple[float, float]] = []
    for _, event in record.events():
        if not sessions or isinstance(event, RunResumed):
            sessions.append((event.at, event.at))
        else:
            first, last = sessions[-1]
            sessions[-1] = (first, max(last, event.at))
    return ActiveClock(tuple(sessions))
