"""When what happened in a run, as bars on one line of time, and what the end had to wait for.

Idle time between an end and a resume is left out; drawing is left to the page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowrunner.events import JSON
from flowrunner.journal.state import CallState, StepState
from flowrunner.report.figures import duration
from flowrunner.report.record import ActiveClock
from flowrunner.report.survey import Survey
from flowrunner.report.units import parent_of

_KINDS = {
    "answered": ("answered", "answered"),
    "refused": ("failed", "refused by the API"),
    "not-sent": ("failed", "never left"),
    "lost": ("lost", "answer lost"),
    "sent": ("open", "no outcome recorded"),
    "accepted": ("pending", "in the background"),
}


def timeline(
    told: Survey, listed: Sequence[StepState], clock: ActiveClock, graph: list[dict[str, JSON]]
) -> dict[str, JSON]:
    """The `timeline` of a report; bars stand for the `listed` units only."""
    with_others = _with_others(listed)
    bars = [bar for step in listed for bar in _bars(step, clock, with_others)]
    return {
        "length_s": _rounded(max([clock.length_s, *(bar["to_s"] for bar in bars)])),
        "most_at_once": _most_at_once(told, clock),
        "critical_path": _critical_path(listed, graph),
        "resumed_s": [_rounded(clock.seconds(at)) for at in clock.resumes],
        "bars": bars,
    }


def _with_others(listed: Sequence[StepState]) -> frozenset[str]:
    """The units that others stand in."""
    return frozenset(filter(None, (parent_of(step.unit) for step in listed)))


def _bars(
    step: StepState, clock: ActiveClock, with_others: frozenset[str]
) -> Iterator[dict[str, JSON]]:
    calls = step.calls
    for position, call in enumerate(calls):
        following = calls[position + 1] if position + 1 < len(calls) else None
        yield from _call_bars(call, following, clock)
    if not calls and step.started_at is not None:
        span = (step.started_at, clock.end if step.ended_at is None else step.ended_at)
        kind = "inside" if step.unit in with_others else "local"
        yield _bar(step.unit, kind, span, step.verb or "work", clock)


def _call_bars(
    call: CallState, following: CallState | None, clock: ActiveClock
) -> Iterator[dict[str, JSON]]:
    kind, word = _KINDS[call.state]
    end = clock.end if call.ended_at is None else call.ended_at
    yield _bar(call.unit, kind, (call.sent_at, end), word, clock)
    if call.retry_in_s:
        until = end + call.retry_in_s
        if following is not None:
            until = min(until, following.sent_at)
        yield _bar(call.unit, "waiting", (end, until), "waits for the next attempt", clock)


def _bar(
    unit: str, kind: str, span: tuple[float, float], word: str, clock: ActiveClock
) -> dict[str, JSON]:
    start = clock.seconds(span[0])
    end = max(start, clock.seconds(span[1]))
    return {
        "unit": unit,
        "kind": kind,
        "from_s": _rounded(start),
        "to_s": _rounded(end),
        "label": f"{word}, {duration(end - start)}",
    }


def _rounded(seconds: float) -> float:
    return round(seconds, 3)


def _most_at_once(told: Survey, clock: ActiveClock) -> int:
    # Ends sort before beginnings of the same moment: one after the other is not at once.
    changes = [(_rounded(clock.seconds(sent)), 1) for sent, _ in told.spans]
    changes += [
        (_rounded(clock.seconds(clock.end if end is None else max(sent, end))), -1)
        for sent, end in told.spans
    ]
    most = now = 0
    for _, change in sorted(changes):
        now += change
        most = max(most, now)
    return most


def _critical_path(listed: Sequence[StepState], graph: list[dict[str, JSON]]) -> list[str]:
    waits_for = {step["id"]: step["waits_for"] for step in graph}
    ended = {
        step.unit: step.ended_at
        for step in listed
        if step.unit in waits_for and step.ended_at is not None and step.started_at is not None
    }
    path: list[str] = []
    candidates = list(ended)
    while candidates:
        last = max(candidates, key=lambda unit: (ended[unit], unit))
        path.append(last)
        candidates = [n for n in waits_for.get(last, ()) if n in ended and n not in path]
    return path[::-1]
