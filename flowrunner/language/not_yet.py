"""What belongs to the language but is not run by this version: one table, and its sentences.

A refused key is taken out before anything else looks at the file, so that it brings no second
errors. Work that builds a key deletes its line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from flowrunner.diagnostics import Finding, Route
from flowrunner.events import JSON

Where: TypeAlias = Literal["file", "defaults", "step"]


@dataclass(frozen=True, slots=True)
class NotYet:
    """A key that is refused: `called` in its sentence, `with_it` go the keys that only serve it.

    `when` says for which values; None means all.
    """

    where: tuple[Where, ...]
    key: str
    called: str
    with_it: tuple[str, ...] = ()
    when: Callable[[JSON], bool] | None = None


def _is(wanted: JSON) -> Callable[[JSON], bool]:
    return lambda value: value is wanted if isinstance(wanted, bool) else value == wanted


_ALL_STEPS: tuple[Where, ...] = ("step", "defaults")

TABLE = (
    *(NotYet(_ALL_STEPS, "delivery", f"`delivery: {way}`", (), _is(way)) for way in ("batch",)),
)


@dataclass(frozen=True, slots=True)
class Built:
    """A file without what is refused. `value` has the same routes as the file."""

    value: JSON
    refusals: tuple[Finding, ...]


def take_out(value: JSON) -> Built:
    """Split a file's value into what this version runs and the findings for what it does not."""
    if not isinstance(value, Mapping):
        return Built(value, ())
    refusals: list[Finding] = []
    kept = _strip(value, "file", (), refusals)
    if isinstance(value.get("defaults"), Mapping):
        kept["defaults"] = _strip(value["defaults"], "defaults", ("defaults",), refusals)
    kept["steps"] = _strip_steps(value.get("steps"), ("steps",), refusals)
    return Built(kept, tuple(refusals))


def _strip_steps(steps: JSON, route: Route, refusals: list[Finding]) -> JSON:
    """The steps of a list, and those inside them, without what is refused."""
    if not isinstance(steps, list):
        return steps
    return [
        _strip_step(step, (*route, position), refusals) if isinstance(step, Mapping) else step
        for position, step in enumerate(steps)
    ]


def _strip_step(step: Mapping[str, Any], route: Route, refusals: list[Finding]) -> dict[str, Any]:
    kept = _strip(step, "step", route, refusals)
    for key in ("steps", "otherwise"):
        if key in kept:
            kept[key] = _strip_steps(kept[key], (*route, key), refusals)
    if isinstance(kept.get("cases"), Mapping):
        kept["cases"] = {
            case: _strip_steps(below, (*route, "cases", case), refusals)
            for case, below in kept["cases"].items()
        }
    return kept


def _strip(
    value: Mapping[str, Any], where: Where, route: Route, refusals: list[Finding]
) -> dict[str, Any]:
    gone: set[str] = set()
    for line in TABLE:
        if where not in line.where or line.key not in value or line.key in gone:
            continue
        if line.when is None or line.when(value[line.key]):
            refusals.append(refusal(line.called, (*route, line.key)))
            gone |= {line.key, *line.with_it}
    return {key: below for key, below in value.items() if key not in gone}


def refusal(called: str, route: Route) -> Finding:
    """The finding for something that no line of the table can describe."""
    return Finding(
        "not-yet",
        f"{called} is part of the language, but this version of flowrunner does not run it yet",
        route,
        aim="key",
    )
