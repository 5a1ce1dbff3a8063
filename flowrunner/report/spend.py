"""What a run cost: by step, by model, what has no price, what was possibly billed.

Prices were looked up when each answer came and are in the journal; nothing is priced here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from flowrunner.catalog import prices_date
from flowrunner.events import JSON, Usage
from flowrunner.journal.state import CallState, RunState, StepState
from flowrunner.report.attempts import is_possibly_billed, sentence


@dataclass(slots=True)
class Spend:
    """A sum over requests. `cost_usd` adds up the known prices only."""

    calls: int = 0
    answers: int = 0
    usage: Usage = field(default_factory=Usage)
    cost_usd: float = 0.0
    unpriced: int = 0
    possibly_billed: int = 0

    def add(self, call: CallState) -> None:
        """Count one request."""
        self.calls += 1
        self.possibly_billed += is_possibly_billed(call)
        if call.state == "answered":
            self.answers += 1
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


def spend_of(calls: Iterable[CallState]) -> Spend:
    """The sum over some requests."""
    spend = Spend()
    for call in calls:
        spend.add(call)
    return spend


def money(state: RunState, whole: Spend) -> dict[str, JSON]:
    """The `money` of a report."""
    calls = [call for unit in state.steps.values() for call in unit.calls]
    answers = [call for call in calls if call.state == "answered"]
    read = whole.usage.input
    return {
        "cost_usd": whole.rounded_usd,
        "is_simulated": state.simulated,
        "prices_date": prices_date(),
        "cached_share": round(whole.usage.cached / read, 4) if read else None,
        "by_step": _lines((call.unit, call) for call in calls),
        "by_model": _lines((_served(call), call) for call in answers),
        "unknown": [_unpriced(call) for call in answers if call.cost_usd is None],
        "possibly_billed": [_possibly_billed(call) for call in calls if is_possibly_billed(call)],
    }


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


def spend_of_step(step: StepState) -> Spend:
    """The sum over the requests of one step."""
    return spend_of(step.calls)


def _served(call: CallState) -> str:
    return call.served_model or call.model or "a model without a name"


def _lines(calls: Iterable[tuple[str, CallState]]) -> list[dict[str, JSON]]:
    spends: dict[str, Spend] = {}
    for name, call in calls:
        spends.setdefault(name, Spend()).add(call)
    lines = [
        {
            "name": name,
            "calls": spend.answers,
            "tokens": tokens(spend.usage),
            "cost_usd": spend.rounded_usd,
            "cost_is_complete": spend.is_complete,
        }
        for name, spend in spends.items()
    ]
    return sorted(lines, key=lambda line: -float(line["cost_usd"]))


def _unpriced(call: CallState) -> dict[str, JSON]:
    why = "the answer says nothing about its tokens"
    if call.usage is not None:
        tier = call.service_tier
        served = f" on the tier `{tier}`" if tier and tier != "default" else ""
        why = f"no price is known for `{_served(call)}`{served}"
    return {"unit": call.unit, "model": call.served_model, "why": why}


def _possibly_billed(call: CallState) -> dict[str, JSON]:
    return {
        "unit": call.unit,
        "sentence": sentence(call),
        "request_id": call.request_id,
        "client_request_id": call.client_request_id,
    }
