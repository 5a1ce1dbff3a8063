"""Why a step ran or did not: its condition, the values that decided it, what it waited for.

The condition was answered when the run happened; here it is only told, never answered again.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from flowrunner.events import JSON
from flowrunner.journal.state import StepState
from flowrunner.report.conversation import Holder
from flowrunner.report.units import is_item, is_round, parent_of

_PATH = re.compile(r"\b(?P<root>steps|inputs)((?:\.[A-Za-z_]\w*|\[\d+\]|\['[^']*'\])+)")
_PART = re.compile(r"\.(\w+)|\[(\d+)\]|\['([^']*)'\]")
_STRING = re.compile(r"((?<=[\w\]]\[)'[^']*'(?=\]))|'[^']*'|\"[^\"]*\"")

LookUp = Callable[[str, str], JSON]
"""Finds a value by its root and name: `("steps", "triage")` or `("inputs", "ticket")`."""


def why(
    step: StepState, drawn: dict[str, JSON], look_up: LookUp, holder: Holder
) -> dict[str, JSON]:
    """The `why` of a step in the report; `drawn` is its entry in the graph."""
    condition = drawn["condition"]
    held = _held(step, condition)
    return {
        "sentence": _sentence(step, condition, held, drawn["waits_for"]),
        "condition": condition,
        "held": held,
        "values": [] if held is None else _values(condition, look_up, holder),
        "waited_for": drawn["waits_for"],
    }


def _held(step: StepState, condition: str | None) -> bool | None:
    if condition is None:
        return None
    if step.status == "skipped":
        return False if step.reason == "if" else None
    return True if _has_run(step) else None


def _sentence(
    step: StepState, condition: str | None, held: bool | None, waits_for: list[str]
) -> str:
    if step.status is None:
        return "It never started: the run ended, or stopped, before its turn came."
    if held is False:
        return f"It was skipped because `{condition}` was not true."
    if step.reused_from or not _has_run(step):
        return _not_started(step)
    if held:
        return f"It ran because `{condition}` was true."
    return _unconditional(step.unit, waits_for)


def _unconditional(unit: str, waits_for: list[str]) -> str:
    if is_item(unit) or is_round(unit):
        return f"It is one {'item' if is_item(unit) else 'round'} of `{parent_of(unit)}`."
    if waits_for:
        names = ", ".join(f"`{name}`" for name in waits_for)
        return f"It ran as soon as {names} had ended."
    return "It ran at once: it waits for no other step."


def _has_run(step: StepState) -> bool:
    # A loop has no beginning of its own on record: its rounds have.
    return step.started_at is not None or step.status in ("succeeded", "failed")


def _not_started(step: StepState) -> str:
    if step.reused_from:
        return f"It did not have to run: the same had been done as `{step.reused_from}`."
    return step.message or f"It did not start ({step.reason or 'no reason is recorded'})."


def _values(condition: str | None, look_up: LookUp, holder: Holder) -> list[dict[str, JSON]]:
    found: dict[str, JSON] = {}
    for match in _PATH.finditer(_without_strings(condition or "")):
        parts = [int(n) if n else a or b for a, n, b in _PART.findall(match.group(2))]
        value, is_there = _descend(look_up(match["root"], str(parts[0])), parts[1:])
        if is_there:
            found[match.group()] = value
    return [{"name": name, "value": holder.hold(value)} for name, value in found.items()]


def _without_strings(condition: str) -> str:
    # A text in quotes may look like a path; that of steps['name'] belongs to one.
    return _STRING.sub(lambda found: found.group(1) or "''", condition)


def _descend(value: JSON, parts: list[str | int]) -> tuple[JSON, bool]:
    for part in parts:
        if not _has(value, part):
            return None, False
        value = value[part]
    return value, value is not None


def _has(value: JSON, part: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, dict) and part in value
