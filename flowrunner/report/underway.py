"""A run as it stands at a moment: what is at work and since when, what waits and for what, and how
far it all is.

Fed with events by the run, looked at by the thread that draws; both only ever wait for the other to
copy a few lines. Memory follows what is in flight. What a moment looks like is left to `live`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

from flowrunner.events import (
    ApprovalAsked,
    ApprovalGiven,
    CallAccepted,
    CallAnswered,
    CallLost,
    CallNotSent,
    CallPolled,
    CallRefused,
    CallSent,
    Event,
    ForEachBegan,
    RunFinished,
    RunResumed,
    RunStarted,
    Slowed,
    StepFinished,
    StepStarted,
    ToolCallBegan,
    ToolCallEnded,
)
from flowrunner.journal.state import RunState
from flowrunner.report.going import Items
from flowrunner.report.units import is_item, parent_of
from flowrunner.report.words import awaited, pending

_REMEMBERED = 200
"""How many ends of items tell the pace of a list: it follows a change within so many."""
_FEWEST = 3
"""So many items have ended before anything is said about those that are left."""
_ENDED = ("succeeded", "failed", "skipped", "cancelled")
_TURN = "waiting for its turn"


@dataclass(frozen=True, slots=True)
class Outline:
    """What is known of a run beforehand: `needs` has the wanted steps of the file, each with those
    that it waits for, `budget_usd` what the whole may cost."""

    needs: Mapping[str, tuple[str, ...]]
    budget_usd: float | None = None
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a list is. `total` is None where that is not known; `per_s` and `left_s` are None
    where too few items have ended to tell."""

    ended: int
    total: int | None
    failed: int = 0
    per_s: float | None = None
    left_s: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One unit at work: `kind` is its model or verb, `said` what it does or waits for; `wait_s`
    is what is left of a wait."""

    unit: str
    kind: str
    elapsed_s: float
    said: str = ""
    wait_s: float | None = None
    progress: Progress | None = None
    is_waiting: bool = False


@dataclass(frozen=True, slots=True)
class Moment:
    """What there is to see at a moment: the first of the units at work and of those that have not
    begun, and how many more there are. `pauses` are seconds left for which a model is not asked."""

    rows: tuple[Row, ...] = ()
    more_rows: int = 0
    waiting: tuple[tuple[str, tuple[str, ...]], ...] = ()
    more_waiting: int = 0
    pauses: tuple[tuple[str, float], ...] = ()
    steps: tuple[str, ...] = ()
    done: int = 0
    failed: int = 0
    elapsed_s: float = 0.0
    cost_usd: float = 0.0
    cost_is_complete: bool = True
    budget_usd: float | None = None
    simulated: bool = False
    is_stopping: bool = False


@dataclass(slots=True)
class _Work:
    """A unit at work; `inside` are the units in it that are."""

    since: float
    kind: str = ""
    said: str = ""
    waits_until: float = 0.0
    asks: bool = False
    tools: dict[str, str] = field(default_factory=dict)
    items: Items | None = None
    ends: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    inside: dict[str, None] = field(default_factory=dict)

    @property
    def hides(self) -> bool:
        """Whether what stands in it is counted, not listed."""
        return self.items is not None and self.items.are_many

    def progress(self, now: float) -> Progress | None:
        """How far its list is, and how long the rest takes at the pace of the last items."""
        items = self.items
        if items is None:
            return None
        told = Progress(items.ended, items.total, items.failed)
        # Of a list that is longer the last ends count, from the one that is as far back as known.
        is_long = len(self.ends) == _REMEMBERED
        span_s = now - (self.ends[0] if is_long else self.since)
        if len(self.ends) < _FEWEST or span_s <= 0:
            return told
        per_s = (len(self.ends) - is_long) / span_s
        left = None if items.total is None else max(items.total - items.ended, 0) / per_s
        return replace(told, per_s=per_s, left_s=left)


class Underway:
    """The run at work. `before` is what its journal held when this process took it up."""

    def __init__(self, outline: Outline, before: RunState | None = None) -> None:
        self._outline = outline
        self._lock = threading.Lock()
        self._works: dict[str, _Work] = {}
        self._tops: dict[str, None] = {}
        self._ended: dict[str, str] = {}
        self._held: set[str] = set()
        self._pauses: dict[str, float] = {}
        self._since: float | None = None
        self._cost_usd = 0.0
        self._unpriced = 0
        self._is_stopping = False
        self._lists: dict[str, Items] = {}
        if before is not None:
            self._take_up(before)

    def feed(self, event: Event) -> None:
        """What the journal was told, in its order."""
        with self._lock:
            self._take(event)

    def stop(self) -> None:
        """Somebody asked the run to end."""
        with self._lock:
            self._is_stopping = True

    def moment(self, now: float, most: int) -> Moment | None:
        """What there is to see now, at most so many lines of it; None before and after the run."""
        with self._lock:
            return None if self._since is None else self._moment(now, self._since, most)

    def _moment(self, now: float, since: float, most: int) -> Moment:
        units = list(self._seen(self._tops))
        rows = tuple(self._row(unit, now) for unit in units[:most])
        unbegun = [
            step
            for step in self._outline.needs
            if step not in self._ended and step not in self._works and step not in self._held
        ]
        pauses = ((model, until - now) for model, until in self._pauses.items() if until > now)
        return Moment(
            rows=rows,
            more_rows=len(units) - len(rows),
            waiting=tuple((step, self._missing(step)) for step in unbegun[:most]),
            more_waiting=max(len(unbegun) - most, 0),
            pauses=tuple(islice(pauses, most)),
            steps=tuple(self._outline.needs),
            done=len(self._ended),
            failed=sum(status == "failed" for status in self._ended.values()),
            elapsed_s=now - since,
            cost_usd=self._cost_usd,
            cost_is_complete=not self._unpriced,
            budget_usd=self._outline.budget_usd,
            simulated=self._outline.simulated,
            is_stopping=self._is_stopping,
        )

    def _missing(self, step: str) -> tuple[str, ...]:
        return tuple(name for name in self._outline.needs[step] if name not in self._ended)

    def _seen(self, units: Mapping[str, None]) -> Iterator[str]:
        """The units that have a line: what others stand in has none of its own, but a list."""
        for unit in units:
            work = self._works[unit]
            if work.items is not None or not work.inside:
                yield unit
            if not work.hides:
                yield from self._seen(work.inside)

    def _row(self, unit: str, now: float) -> Row:
        work = self._works[unit]
        row = Row(unit, work.kind, max(now - work.since, 0.0), progress=work.progress(now))
        if work.asks:
            return replace(row, said="somebody must agree", is_waiting=True)
        if work.tools:
            names = list(dict.fromkeys(work.tools.values()))
            return replace(row, said=f"{'tool' if len(names) == 1 else 'tools'} {', '.join(names)}")
        if work.waits_until > now:
            return replace(row, said=work.said, wait_s=work.waits_until - now, is_waiting=True)
        return replace(row, said=_TURN if work.waits_until else work.said)

    def _take(self, event: Event) -> None:
        if isinstance(event, StepFinished):
            self._finish(event)
        elif isinstance(event, StepStarted | ForEachBegan):
            self._begin(event)
        elif isinstance(event, CallSent | CallAccepted | CallPolled | CallAnswered):
            self._go_on(event)
        elif isinstance(event, CallRefused | CallNotSent | CallLost):
            work = self._work(event.address.unit, event.at)
            work.said = awaited(event)
            work.waits_until = event.at + (event.retry_in_s or 0.0)
        elif isinstance(event, ApprovalAsked | ApprovalGiven):
            self._work(event.address.unit, event.at).asks = isinstance(event, ApprovalAsked)
        elif isinstance(event, ToolCallBegan):
            self._work(event.address.unit, event.at).tools[event.call_id] = event.name
        elif isinstance(event, ToolCallEnded):
            self._work(event.address.unit, event.at).tools.pop(event.call_id, None)
        else:
            self._turn(event)

    def _turn(self, event: Event) -> None:
        if isinstance(event, RunStarted | RunResumed):
            self._since = event.at
        elif isinstance(event, RunFinished):
            self._since = None
            self._works.clear()
            self._tops.clear()
        elif isinstance(event, Slowed):
            self._pauses[event.model] = event.at + event.wait_s

    def _begin(self, event: StepStarted | ForEachBegan) -> None:
        unit = event.address.unit
        work = self._work(unit, event.at)
        if isinstance(event, ForEachBegan):
            work.items = Items(event.items, ended=0 if work.items is None else work.items.ended)
            return
        work.kind = event.verb
        work.said = _TURN if event.verb == "prompt" else ""
        self._ended.pop(unit, None)
        self._held.discard(unit)

    def _go_on(self, event: CallSent | CallAccepted | CallPolled | CallAnswered) -> None:
        work = self._work(event.address.unit, event.at)
        work.waits_until = 0.0
        if isinstance(event, CallPolled | CallAccepted):
            work.said = pending(event)
            return
        work.kind = event.model or work.kind
        work.said = "waiting for the answer" if isinstance(event, CallSent) else ""
        if isinstance(event, CallAnswered):
            self._cost_usd += event.cost_usd or 0.0
            self._unpriced += event.cost_usd is None

    def _finish(self, event: StepFinished) -> None:
        unit = event.address.unit
        self._forget(unit)
        above = parent_of(unit)
        if above is None:
            self._settle(unit, event.status)
        elif is_item(unit):
            work = self._work(above, event.at)
            if work.items is None:
                work.items = Items(None)
            work.items.ended += 1
            work.items.failed += event.status == "failed"
            work.ends.append(event.at)

    def _settle(self, step: str, status: str) -> None:
        if step not in self._outline.needs:
            return
        if status in _ENDED:
            self._ended[step] = status
        else:
            self._held.add(step)

    def _work(self, unit: str, at: float) -> _Work:
        """A unit at work, and all that it stands in: a resume does not tell what goes on anew."""
        work = self._works.get(unit)
        if work is None:
            work = self._works[unit] = _Work(at, items=self._lists.pop(unit, None))
            above = parent_of(unit)
            inside = self._tops if above is None else self._work(above, at).inside
            inside[unit] = None
        return work

    def _forget(self, unit: str) -> None:
        """A unit that has ended, with whatever in it has not told its end."""
        above = parent_of(unit)
        around = None if above is None else self._works.get(above)
        inside = self._tops if above is None else around.inside if around else {}
        inside.pop(unit, None)
        leaving = [unit]
        while leaving:
            work = self._works.pop(leaving.pop(), None)
            leaving += work.inside if work else ()

    def _take_up(self, before: RunState) -> None:
        self._cost_usd = before.totals.cost_usd
        self._unpriced = before.totals.unknown_cost_calls
        for unit, step in before.steps.items():
            above = parent_of(unit)
            if above is None and step.status in ("succeeded", "skipped"):
                self._settle(unit, step.status)
            elif step.items is not None:
                self._lists[unit] = Items(step.items)
            if above in self._lists and is_item(unit) and step.status in _ENDED:
                self._lists[above].ended += 1
                self._lists[above].failed += step.status == "failed"
