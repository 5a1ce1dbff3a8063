"""What a step with others inside of it shows of itself: items, rounds, the case taken, who agreed.

The units inside are told one by one by `steps`, as far as there is room.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from flowrunner.events import JSON
from flowrunner.journal.state import Approval, RunState, StepState
from flowrunner.report.figures import counted, iso_utc, money
from flowrunner.report.units import is_item, parent_of


def item_tallies(state: RunState) -> dict[str, dict[str, int]]:
    """For each step with a `for_each` that has begun: how many of its items have which status."""
    counts: dict[str, Counter[str | None]] = {}
    for unit, step in state.steps.items():
        if step.items is not None:
            counts.setdefault(unit, Counter())
        if is_item(unit):
            counts.setdefault(parent_of(unit) or "", Counter())[step.status] += 1
    return {
        unit: _tally(state.steps[unit].items if unit in state.steps else None, counted)
        for unit, counted in counts.items()
    }


def _tally(declared: int | None, counted: Counter[str | None]) -> dict[str, int]:
    total = max(declared or 0, counted.total())
    told = {
        "ok": counted["succeeded"],
        "failed": counted["failed"],
        "unknown": counted["unknown"],
        "waiting": counted["waiting"],
        "skipped": counted["skipped"],
        "cancelled": counted["cancelled"],
    }
    return {"total": total, **told, "left": total - sum(told.values())}


def approval(given: Approval | None) -> dict[str, JSON] | None:
    """The `approval` of a step: what was asked, who answered, when and why; None without one."""
    if given is None:
        return None
    return {
        "text": given.text,
        "asked_at": iso_utc(given.asked_at),
        "granted": given.granted,
        "by": given.by,
        "why": given.why,
        "way": given.way,
        "decided_at": None if given.decided_at is None else iso_utc(given.decided_at),
    }


def rounds(result: JSON) -> dict[str, JSON] | None:
    """How many rounds a `repeat` took, and whether it reached its goal; None without one."""
    number = result.get("rounds") if isinstance(result, dict) else None
    if not isinstance(number, int):
        return None
    return {"count": number, "reached": bool(result.get("reached"))}


def case(result: JSON) -> str | None:
    """The case that a branch took."""
    taken = result.get("case") if isinstance(result, dict) else None
    return None if taken is None else str(taken)


def waiting_for_people(steps: Iterable[StepState]) -> list[StepState]:
    """The units that somebody must agree to before the run can go on."""
    return [step for step in steps if step.waits_for_decision]


def inside_facts(step: JSON) -> list[str]:
    """What a step with others inside of it came to, and where a reused result is from."""
    facts = []
    if step["items"]:
        tally = {key: n for key, n in step["items"].items() if n and key not in ("total", "ok")}
        failed = "".join(f", {n:,} {key}" for key, n in tally.items())
        facts.append(counted(step["items"]["total"], "item") + failed)
    if step["rounds"]:
        reached = "" if step["rounds"]["reached"] else ", its goal not reached"
        facts.append(counted(step["rounds"]["count"], "round") + reached)
    if step["case"] is not None:
        facts.append(f"case {step['case']}")
    if step["reused_from"]:
        saved = f", saved {money(step['saved_usd'])}" if step["saved_usd"] else ""
        facts.append(f"reused from {step['reused_from']}{saved}")
    return facts
