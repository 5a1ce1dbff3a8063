"""All requests of a run, walked through once: sums, moments, what has no price.

Nothing of a request is kept but what is added up, so that a run of 100,000 items is told in the
memory of its file. How the sums are told is left to `spend` and `timeline`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field

from flowrunner.events import Usage
from flowrunner.journal.state import CallState, RunState, StepState
from flowrunner.report.attempts import is_possibly_billed
from flowrunner.report.units import ancestors, place_of

NAMED = 200
"""How many requests without a price, or possibly billed, are named one by one."""


@dataclass(slots=True)
class Spend:
    """A sum over requests. `cost_usd` adds up the known prices only, `usage` the known tokens."""

    calls: int = 0
    answers: int = 0
    usage: Usage = field(default_factory=Usage)
    cost_usd: float = 0.0
    unpriced: int = 0
    uncounted: int = 0
    possibly_billed: int = 0

    def add(self, call: CallState) -> None:
        """Count one request."""
        self.calls += 1
        self.possibly_billed += is_possibly_billed(call)
        if call.state == "answered":
            self.answers += 1
            self.uncounted += call.usage is None
            self.usage += call.usage or Usage()
            self.cost_usd += call.cost_usd or 0.0
            self.unpriced += call.cost_usd is None

    @property
    def is_complete(self) -> bool:
        """Whether the sum is all there is to pay."""
        return not (self.unpriced or self.possibly_billed)

    @property
    def rounded_usd(self) -> float:
        """The sum without the dust of binary fractions."""
        return round(self.cost_usd, 10)


@dataclass(slots=True)
class Survey:
    """What the requests of a run add up to.

    `by_unit` holds the sums of the units asked for, with all that is inside of them; `by_place`
    those of the places in the file. `spans` are the beginning and end of each request, the end
    None where none is on record. `unpriced` and `possibly_billed` name the first of them. `began`
    is when anything inside of one of these units began.
    """

    whole: Spend = field(default_factory=Spend)
    by_unit: dict[str, Spend] = field(default_factory=dict)
    by_place: dict[str, Spend] = field(default_factory=dict)
    by_model: dict[str, Spend] = field(default_factory=dict)
    spans: list[tuple[float, float | None]] = field(default_factory=list)
    unpriced: list[CallState] = field(default_factory=list)
    possibly_billed: list[CallState] = field(default_factory=list)
    last_moment: float = 0.0
    began: dict[str, float] = field(default_factory=dict)

    def spend(self, unit: str) -> Spend:
        """The sum over a unit and all that is inside of it."""
        return self.by_unit.get(unit) or Spend()


def survey(state: RunState, units: Iterable[str]) -> Survey:
    """Walk through the requests of a run once; `units` are those whose own sums are wanted."""
    told = Survey(by_unit={unit: Spend() for unit in units})
    told.last_moment = max(state.started_at or 0.0, state.ended_at or 0.0)
    for step in state.steps.values():
        _add_step(told, step)
    return told


def calls_of(step: StepState) -> list[CallState]:
    """The requests of a step, read without leaving them in the state."""
    return copy.copy(step).calls


def _add_step(told: Survey, step: StepState) -> None:
    moments = [step.started_at, step.ended_at]
    sums = [told.by_unit[one] for one in (step.unit, *ancestors(step.unit)) if one in told.by_unit]
    if step.started_at is not None:
        for above in (one for one in ancestors(step.unit) if one in told.by_unit):
            told.began[above] = min(told.began.get(above, step.started_at), step.started_at)
    for call in calls_of(step):
        for spend in (told.whole, told.by_place.setdefault(place_of(step.unit), Spend()), *sums):
            spend.add(call)
        moments += [call.sent_at, call.ended_at]
        _add_call(told, call)
    told.last_moment = max(told.last_moment, *(at for at in moments if at is not None), 0.0)


def _add_call(told: Survey, call: CallState) -> None:
    told.spans.append((call.sent_at, call.ended_at))
    if call.state == "answered":
        told.by_model.setdefault(served(call), Spend()).add(call)
        if call.cost_usd is None and len(told.unpriced) < NAMED:
            told.unpriced.append(call)
    if is_possibly_billed(call) and len(told.possibly_billed) < NAMED:
        told.possibly_billed.append(call)


def tokens(usage: Usage) -> dict[str, int]:
    """Tokens as a report names them."""
    # Written out: `asdict` copies deeply and is felt in a run of a thousand steps.
    return {
        "input": usage.input,
        "cached": usage.cached,
        "cache_write": usage.cache_write,
        "output": usage.output,
        "reasoning": usage.reasoning,
    }


def served(call: CallState) -> str:
    """The model that a request went to, as well as it is known."""
    return call.served_model or call.model or "a model without a name"
