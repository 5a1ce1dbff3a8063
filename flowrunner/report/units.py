"""The addresses of units as a tree: what stands in what, and which of many are told one by one.

An item `extract[3]` stands in `extract`, `extract[3]/read` in the item, a round `polish#2` in
`polish`. What became of a unit is left to the other modules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from flowrunner.events import StepStatus

LISTED = 2_000
"""How many units inside of steps a report tells one by one; all others are counted."""

_NUMBERS = re.compile(r"\[\d+\]|#\d+")
_LAST_NUMBER = re.compile(r"(\d+)\]?$")
_WORST_FIRST = ("failed", "unknown", "waiting", "cancelled", "running")


def parent_of(unit: str) -> str | None:
    """The unit around a unit; None for a step of the file itself."""
    cut = max(unit.rfind(mark) for mark in "/[#")
    return unit[:cut] if cut > 0 else None


def ancestors(unit: str) -> Iterator[str]:
    """The units around a unit, the nearest first."""
    above = parent_of(unit)
    while above is not None:
        yield above
        above = parent_of(above)


def place_of(unit: str) -> str:
    """Where a unit stands in the file, whichever item or round it is: `extract/read`."""
    return _NUMBERS.sub("", unit)


def is_item(unit: str) -> bool:
    """Whether a unit is one item of a `for_each` as a whole."""
    return unit.endswith("]")


def is_round(unit: str) -> bool:
    """Whether a unit is one round of a `repeat` as a whole."""
    return unit.rfind("#") > max(unit.rfind("/"), unit.rfind("["))


def depth_of(unit: str) -> int:
    """How many units stand around it."""
    return sum(1 for _ in ancestors(unit))


def listed_units(statuses: Mapping[str, StepStatus | None], most: int = LISTED) -> list[str]:
    """The units to tell one by one, each behind the one it stands in; `statuses` are all.

    All steps of the file, and of what is inside of them at most so many: first what failed, then
    what nobody knows the outcome of, what waits, and the rest in order, each with what is around.
    """
    nested = [unit for unit in statuses if parent_of(unit) is not None]
    chosen = dict.fromkeys(unit for unit in statuses if parent_of(unit) is None)
    if len(nested) > most:
        nested = sorted(nested, key=lambda unit: _rank(statuses[unit]))
    left = most
    for unit in nested:
        wanted = [one for one in (unit, *ancestors(unit)) if one in statuses and one not in chosen]
        if len(wanted) > left:
            break
        left -= len(wanted)
        chosen.update(dict.fromkeys(wanted))
    return list(_in_order(chosen))


def _rank(status: StepStatus | None) -> int:
    return _WORST_FIRST.index(status) if status in _WORST_FIRST else len(_WORST_FIRST)


def _in_order(units: Mapping[str, None]) -> Iterator[str]:
    inside: dict[str | None, list[str]] = {}
    for unit in units:
        around = next((above for above in ancestors(unit) if above in units), None)
        inside.setdefault(around, []).append(unit)
    waiting = inside.get(None, [])[::-1]
    while waiting:
        unit = waiting.pop()
        yield unit
        waiting += _sorted(inside.get(unit, ()))[::-1]


def _sorted(units: Iterable[str]) -> list[str]:
    # Items and rounds end in any order; steps of one list stay as they came.
    listed = list(units)
    if all(is_item(unit) or is_round(unit) for unit in listed):
        return sorted(listed, key=_number)
    return listed


def _number(unit: str) -> int:
    found = _LAST_NUMBER.search(unit)
    return int(found.group(1)) if found else 0
