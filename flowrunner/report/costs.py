"""What all runs of a project cost together: by step, by model or by day.

The sums come from the journals; nothing is priced here. The caller opens them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from flowrunner.events import JSON
from flowrunner.journal.state import CallState, RunState
from flowrunner.report.figures import count, counted, iso_utc, money
from flowrunner.report.survey import Spend, served, tokens
from flowrunner.report.terminal import Style
from flowrunner.report.units import place_of

By: TypeAlias = Literal["step", "model", "day"]

_KEYS: Mapping[By, Callable[[RunState, CallState], str]] = {
    "step": lambda run, call: f"{run.path}: {place_of(call.unit)}",
    "model": lambda _, call: served(call),
    "day": lambda _, call: iso_utc(call.sent_at)[:10],
}


@dataclass(slots=True)
class Costs:
    """Sums over runs. `simulated` counts runs that cost nothing and are left out."""

    by: By
    runs: int = 0
    simulated: int = 0
    whole: Spend = field(default_factory=Spend)
    parts: dict[str, Spend] = field(default_factory=dict)

    def add(self, run: RunState) -> None:
        """Count the requests of a run."""
        if run.simulated:
            self.simulated += 1
            return
        self.runs += 1
        for step in run.steps.values():
            for call in step.calls:
                part = self.parts.setdefault(_KEYS[self.by](run, call), Spend())
                part.add(call)
                self.whole.add(call)

    def sorted(self) -> list[tuple[str, Spend]]:
        """The parts: days in their order, else the most expensive first."""
        if self.by == "day":
            return sorted(self.parts.items())
        return sorted(self.parts.items(), key=lambda part: (-part[1].cost_usd, part[0]))

    def as_json(self) -> dict[str, JSON]:
        """The sums as JSON; amounts are US dollars."""
        parts = [{self.by: name, **_told(spend)} for name, spend in self.sorted()]
        left_out = {"simulated_runs": self.simulated}
        return {"runs": self.runs, **left_out, "total": _told(self.whole), "parts": parts}


def _told(spend: Spend) -> dict[str, JSON]:
    return {
        "cost_usd": spend.rounded_usd,
        "cost_is_complete": spend.is_complete,
        "requests": spend.calls,
        "tokens": tokens(spend.usage),
        "possibly_billed": spend.possibly_billed,
        "unpriced": spend.unpriced,
    }


def cost_lines(costs: Costs, style: Style) -> list[str]:
    """The sums as a table."""
    head = [costs.by, "cost", "requests", "tokens"]
    parts = [[style.line(name), *_cells(spend)] for name, spend in costs.sorted()]
    rows = [*parts, ["in all", *_cells(costs.whole)]] if parts else []
    widths = [max(len(row[n]) for row in [head, *rows]) for n in range(len(head))]
    lines = [style.paint(_line(head, widths), "dim"), *(_line(row, widths) for row in rows)]
    return [*(lines if rows else []), *_notes(costs)]


def _cells(spend: Spend) -> list[str]:
    cost = money(spend.cost_usd) if spend.is_complete else f"{money(spend.cost_usd)} + unknown"
    return [cost, count(spend.calls), count(spend.usage.input + spend.usage.output)]


def _line(cells: Iterable[str], widths: Iterable[int]) -> str:
    return f" {'  '.join(c.ljust(w) for c, w in zip(cells, widths, strict=True))}".rstrip()


def _notes(costs: Costs) -> list[str]:
    said = f" {counted(costs.runs, 'run')}"
    if costs.simulated:
        said += f"; {counted(costs.simulated, 'simulated run')} left out"
    billed = costs.whole.possibly_billed
    lost = counted(billed, "request")
    more = [f" {lost} left and may have been billed, although no answer came"] if billed else []
    return [said, *more]
