"""Two runs side by side: what was asked otherwise, what was answered otherwise, what it cost.

Made from the two journals alone; the caller opens them and prints.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from flowrunner.events import JSON
from flowrunner.journal.state import RunState, StepState
from flowrunner.report.figures import counted, money
from flowrunner.report.record import Record
from flowrunner.report.terminal import Style

Same: TypeAlias = Literal["same", "other", "none"]

MOST_LISTED = 200
_MOST_LINES = 200
_MOST_COMPARED = 4_000
_ANSWER = ("text", "output")


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two runs."""

    state: RunState
    journal: Record

    def step(self, unit: str) -> StepState | None:
        """A unit of the run; None where it never began."""
        found = self.state.steps.get(unit)
        return None if found is None or found.status is None else found

    def request(self, step: StepState | None) -> JSON:
        """What a unit asked last; None where it asked nothing."""
        if step is None or not step.calls:
            return None
        return self.journal.body(step.calls[-1].sent_seq, "request")

    def answer(self, step: StepState | None) -> JSON:
        """What a unit gave; None where it gave nothing."""
        if step is None or step.result_seq is None:
            return None
        result = self.journal.body(step.result_seq, "result")
        given = {key: result.get(key) for key in _ANSWER} if isinstance(result, dict) else {}
        return {key: value for key, value in given.items() if value is not None} or None

    def frozen(self, name: str) -> str:
        """What the run began with under a name."""
        return self.journal.frozen(name).decode()


def compare(one: Side, other: Side) -> dict[str, JSON]:
    """The comparison as JSON: the runs, and every unit that is not the same in both."""
    units = list(dict.fromkeys([*one.state.steps, *other.state.steps]))
    told = [_unit(unit, one, other) for unit in units]
    different = [unit for unit in told if unit is not None]
    return {
        "runs": [_run(side) for side in (one, other)],
        "workflow": same(one.frozen("workflow"), other.frozen("workflow")),
        "files": same(json.loads(one.frozen("files")), json.loads(other.frozen("files"))),
        "inputs": other_inputs(one, other),
        "units": len(units),
        "different": different[:MOST_LISTED],
        "not_listed": max(0, len(different) - MOST_LISTED),
    }


def _run(side: Side) -> dict[str, JSON]:
    state, totals = side.state, side.state.totals
    return {
        "run": state.run,
        "workflow": state.workflow,
        "status": state.status,
        "provider": state.provider,
        "simulated": state.simulated,
        "cost_usd": round(totals.cost_usd, 10),
        "cost_is_complete": not (totals.unknown_cost_calls or totals.lost_calls),
        "requests": totals.calls,
    }


def other_inputs(one: Side, other: Side) -> list[str]:
    """The names of inputs with other values."""
    values = [json.loads(side.frozen("inputs")) for side in (one, other)]
    names = dict.fromkeys([*values[0], *values[1]])
    return [name for name in names if values[0].get(name) != values[1].get(name)]


def _unit(unit: str, one: Side, other: Side) -> dict[str, JSON] | None:
    """What is not the same of a unit; None where all is, but its price."""
    steps = (one.step(unit), other.step(unit))
    status = [None if step is None else step.status for step in steps]
    asked = same(one.request(steps[0]), other.request(steps[1]))
    answer = same(one.answer(steps[0]), other.answer(steps[1]))
    is_reused = any(step is not None and step.reused_from for step in steps)
    if is_reused and answer != "other":
        asked = "same"  # what was reused asked nothing of its own
    if status[0] == status[1] and "other" not in (asked, answer):
        return None
    costs = [None if step is None else step.cost_usd for step in steps]
    return {"unit": unit, "status": status, "asked": asked, "answer": answer, "cost_usd": costs}


def same(one: JSON, other: JSON) -> Same:
    """Whether two values are equal; "none" where there is neither."""
    if one is None and other is None:
        return "none"
    return "same" if one == other else "other"


def comparison_lines(found: dict[str, JSON], style: Style) -> list[str]:
    """The comparison for people."""
    lines = [_head(run, sign, style) for run, sign in zip(found["runs"], "-+", strict=True)]
    for key, said in (("workflow", "the workflow"), ("files", "files beside the workflow")):
        if found[key] == "other":
            lines.append(f"   {said} changed")
    if found["inputs"]:
        lines.append(style.line(f"   other inputs: {', '.join(found['inputs'])}"))
    units = found["different"]
    width = max((len(style.line(unit["unit"])) for unit in units), default=0)
    lines += [_unit_line(unit, width, style) for unit in units]
    if found["not_listed"]:
        lines.append(f"   and {counted(found['not_listed'], 'more unit')}, with --json too")
    same = found["units"] - len(units) - found["not_listed"]
    return [*lines, f"   {counted(same, 'unit')} the same in both"]


def _head(run: JSON, sign: str, style: Style) -> str:
    cost = "simulated" if run["simulated"] else money(run["cost_usd"])
    more = "" if run["cost_is_complete"] or run["simulated"] else " + unknown"
    facts = [run["workflow"], run["status"], f"{cost}{more}"]
    return style.line(f" {sign} {run['run']}  {'  '.join(facts)}")


def _unit_line(unit: JSON, width: int, style: Style) -> str:
    said = []
    if unit["status"][0] != unit["status"][1]:
        said.append(" → ".join(status or "not begun" for status in unit["status"]))
    said += ["other request"] if unit["asked"] == "other" else []
    said += ["other answer"] if unit["answer"] == "other" else []
    costs = unit["cost_usd"]
    if None not in costs and costs[0] != costs[1]:
        said.append(f"{money(costs[0])} → {money(costs[1])}")
    name = style.line(unit["unit"]).ljust(width)
    return f" ~ {name}  {style.line(', '.join(said))}"


def step_difference(unit: str, one: Side, other: Side) -> dict[str, JSON]:
    """One unit in both runs: its requests and answers as unified differences."""
    steps = (one.step(unit), other.step(unit))
    names = (one.state.run, other.state.run)
    asked = (one.request(steps[0]), other.request(steps[1]))
    answer = (one.answer(steps[0]), other.answer(steps[1]))
    return {
        "unit": unit,
        "status": [None if step is None else step.status for step in steps],
        "asked": list(_lines_of(*asked, names)),
        "answer": list(_lines_of(*answer, names)),
    }


def difference_lines(found: dict[str, JSON], style: Style) -> list[str]:
    """One unit in both runs, for people."""
    first, second = (status or "not begun" for status in found["status"])
    status = first if first == second else f"{first} → {second}"
    lines = [f"{style.paint(style.line(found['unit']), 'bold')}  {status}"]
    for key, word in (("asked", "Asked"), ("answer", "Answered")):
        lines += ["", style.paint(word, "bold")]
        lines += [style.line(line) for line in found[key]] or ["the same in both"]
    return lines


def _lines_of(one: JSON, other: JSON, names: tuple[str, str]) -> Iterator[str]:
    if one == other:
        return
    old, new = (_text_of(value).splitlines() for value in (one, other))
    if len(old) + len(new) > _MOST_COMPARED:
        yield f"too long to compare: {len(old):,} lines and {len(new):,}"
        return
    found = list(difflib.unified_diff(old, new, *names, lineterm=""))
    yield from found[:_MOST_LINES]
    if len(found) > _MOST_LINES:
        yield f"and {len(found) - _MOST_LINES:,} more lines"


def _text_of(value: JSON) -> str:
    """A value as lines: JSON indented, long texts in it broken where they break; an answer that is
    nothing but a text as that text."""
    if isinstance(value, dict) and value.keys() == {"text"}:
        return str(value["text"])
    text = json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)
    return "" if value is None else text.replace("\\n", "\n")
