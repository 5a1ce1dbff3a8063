"""A plan as a table in the terminal: what each step would do, why, and what it may cost.

Made from the plan as JSON, which `plan --json` prints as it is; nothing is computed here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from flowrunner.events import JSON
from flowrunner.report.figures import about_money, count, money
from flowrunner.report.terminal import Style

_HEAD = ("order", "step", "will", "because", "about", "between")
_NARROWEST = 16
_CENT_OF_A_CENT = 0.0001
_NAMES = 3


def plan_lines(plan: dict[str, JSON], style: Style) -> list[str]:
    """The table, what is unknown or assumed, and the sum with the budget it is held against."""
    rows = [[style.line(cell) for cell in _cells(step)] for step in plan["steps"]]
    widths = _widths(rows, style.width)
    lines = [style.paint(_line(_HEAD, widths), "dim")]
    for step, cells in zip(plan["steps"], rows, strict=True):
        line = _line([_cut(cell, width) for cell, width in zip(cells, widths, strict=True)], widths)
        lines.append(style.paint(line, "dim") if step["will"] == "skip" else line)
    lines += [f" {style.line(note)}" for note in _notes(plan)]
    return [*lines, f" {style.line(_sum(plan))}"]


def _cells(step: dict[str, JSON]) -> list[str]:
    name = "  " * step["depth"] + step["unit"].rpartition("/")[2]
    if step["items"] is not None:
        name += f" ×{count(step['items'])}"
    return [
        str(step["order"]),
        name,
        _will(step),
        step["because"],
        _about(step),
        _between(step),
    ]


def _will(step: dict[str, JSON]) -> str:
    """`run`, `run 3`, `run 1–4`, `maybe`, `maybe, up to 4`, `reuse`, `skip`."""
    fewest, most = step["fewest"], step["most"]
    if step["will"] in ("skip", "reuse") or most is None:
        return str(step["will"])
    if step["will"] == "maybe":
        return f"maybe, up to {count(most)}" if most > 1 else "maybe"
    if fewest < most:
        return f"run {count(fewest)}–{count(most)}"
    return "run" if most == (step["items"] or 1) else f"run {count(most)}"


def _about(step: dict[str, JSON]) -> str:
    if step["will"] == "skip":
        return ""
    saved = f" (saves {about_money(step['saved_usd'])})" if step["saved_usd"] else ""
    return about_money(step["about_usd"]) + saved


def _between(step: dict[str, JSON]) -> str:
    if step["will"] == "skip" or step["high_usd"] == 0:
        return ""
    return f"{_down(step['low_usd'])} – {_up(step['high_usd'])}"


def _down(usd: float) -> str:
    """A lower bound in two figures, never more than it is."""
    if usd < _CENT_OF_A_CENT:
        return "$0"
    scale = 10.0 ** (1 - math.floor(math.log10(usd)))
    return money(math.floor(usd * scale + 1e-9) / scale)


def _up(usd: float | None) -> str:
    """An upper bound in two figures, never less than it is."""
    if usd is None or usd <= 0:
        return money(usd)
    scale = 10.0 ** (1 - math.floor(math.log10(usd)))
    return money(math.ceil(usd * scale - 1e-9) / scale)


def _widths(rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Columns as wide as what is in them; the reasons take what is left of the line."""
    widths = [max(len(line[n]) for line in [_HEAD, *rows]) for n in range(len(_HEAD))]
    reasons = _HEAD.index("because")
    left = width - 1 - 2 * (len(_HEAD) - 1) - sum(widths) + widths[reasons]
    widths[reasons] = max(_NARROWEST, min(widths[reasons], left))
    return widths


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return f" {'  '.join(padded)}".rstrip()


def _cut(cell: str, width: int) -> str:
    return cell if len(cell) <= width else f"{cell[: width - 3]}..."


def _notes(plan: dict[str, JSON]) -> Iterable[str]:
    going = [step for step in plan["steps"] if step["will"] != "skip"]
    for step in going:
        if step["unknown"]:
            yield f"unknown: `{step['unit']}`: {step['unknown']}"
    for provider in sorted({step["provider"] for step in going} - {None}):
        names = [step["unit"] for step in going if step["provider"] == provider]
        yield f"asked of the provider `{provider}`: {_named(names)}"
    for limit in sorted({step["max_output_tokens"] for step in going} - {None}):
        names = [step["unit"] for step in going if step["max_output_tokens"] == limit]
        yield f"the budget sets `max_output_tokens: {limit}` for {_named(names)}"
    for assumed in dict.fromkeys(said for step in going for said in step["assumes"]):
        names = [step["unit"] for step in going if assumed in step["assumes"]]
        yield f"counted for {_named(names)}: {assumed}"


def _named(units: Sequence[str]) -> str:
    shown = ", ".join(f"`{unit}`" for unit in units[:_NAMES])
    more = len(units) - _NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def _sum(plan: dict[str, JSON]) -> str:
    low, high = plan["low_usd"], plan["high_usd"]
    if high == 0:
        facts = ["It costs nothing"]
    elif high is None:
        facts = [f"At least {_down(low)}, at most unknown"]
    else:
        facts = [f"Between {_down(low)} and {_up(high)}"]
    if plan["simulated"]:
        facts.append("with --simulate it costs nothing")
    if plan["saved_usd"]:
        facts.append(f"saves {about_money(plan['saved_usd'])}")
    facts += _budget(plan, high)
    counted = plan["counted_requests"]
    sent = "nothing was sent"
    if counted is not None:
        sent = f"{count(counted)} request{'s' * (counted != 1)} counted by the server, at no charge"
    return " · ".join([*facts, f"prices of {plan['prices_date']}", sent])


def _budget(plan: dict[str, JSON], high: float | None) -> list[str]:
    budget = plan["budget"]
    if budget is None:
        return []
    stop_at, tokens = budget["stop_at_usd"], budget["tokens"]
    said = [] if tokens is None else [f"budget {count(tokens)} tokens"]
    if stop_at is None:
        return said
    if plan["low_usd"] > stop_at:
        verdict = ", which is surely too little"
    else:
        verdict = "" if high is not None and high <= stop_at else ", which may end the run early"
    return [f"budget {money(stop_at)}{verdict}", *said]
