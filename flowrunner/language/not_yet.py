"""What belongs to the language but is not run by this version: one table, and its sentences.

A refused key is taken out before anything else looks at the file, so that it brings no second
errors. Work that builds a key deletes its line here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from flowrunner.diagnostics import Finding, Route
from flowrunner.events import JSON

Where: TypeAlias = Literal["file", "defaults", "step", "input"]


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


def _key(where: tuple[Where, ...], key: str, *with_it: str) -> NotYet:
    return NotYet(where, key, f"`{key}`", with_it)


def _is(wanted: JSON) -> Callable[[JSON], bool]:
    return lambda value: value is wanted if isinstance(wanted, bool) else value == wanted


def _is_kind(kind: str) -> Callable[[JSON], bool]:
    return lambda value: (value.get("type") if isinstance(value, Mapping) else value) == kind


_ALL_STEPS: tuple[Where, ...] = ("step", "defaults")

TABLE = (
    _key(("file", "step"), "budget"),
    _key(("file",), "tools"),
    _key(("file",), "env"),
    _key(("step",), "for_each", "as", "at_once"),
    _key(("step",), "repeat"),
    _key(("step",), "branch", "cases", "otherwise"),
    _key(("step",), "steps"),
    _key(("step",), "run", "stdin", "changes_things", "output", "env"),
    _key(("step",), "call", "with"),
    _key(("step",), "workflow", "with"),
    _key(("step",), "approve"),
    _key(("step",), "stop"),
    _key(("step",), "fail"),
    _key(("step",), "prompt_file"),
    _key(("step",), "attach", "within"),
    _key(("step",), "reuse"),
    _key(("step",), "continue"),
    _key(("step",), "accept_risk"),
    _key(_ALL_STEPS, "conversation"),
    _key(_ALL_STEPS, "max_turns"),
    _key(_ALL_STEPS, "provider"),
    *(
        NotYet(_ALL_STEPS, "delivery", f"`delivery: {way}`", (), _is(way))
        for way in ("stream", "background", "batch")
    ),
    NotYet(
        _ALL_STEPS,
        "background",
        "`background: true`",
        ("background_options",),
        _is(True),
    ),
    NotYet(_ALL_STEPS, "stream", "`stream: true`", ("stream_options",), _is(True)),
    NotYet(
        ("step",),
        "schema",
        "a `schema` in a file of its own",
        (),
        lambda value: isinstance(value, str),
    ),
    *(
        NotYet(("input",), kind, f"an input of type `{kind}`", (), _is_kind(kind))
        for kind in ("table", "files")
    ),
)


@dataclass(frozen=True, slots=True)
class Built:
    """A file without what is refused. `value` has the same routes as the file.

    `hidden` are the ids of steps inside refused groups; `names` are, for the position of a step,
    the variables that its refused keys would have brought.
    """

    value: JSON
    refusals: tuple[Finding, ...]
    hidden: frozenset[str]
    names: Mapping[int, frozenset[str]]


def take_out(value: JSON) -> Built:
    """Split a file's value into what this version runs and the findings for what it does not."""
    if not isinstance(value, Mapping):
        return Built(value, (), frozenset(), {})
    refusals: list[Finding] = []
    kept = _strip(value, "file", (), refusals)
    if isinstance(value.get("defaults"), Mapping):
        kept["defaults"] = _strip(value["defaults"], "defaults", ("defaults",), refusals)
    if isinstance(value.get("inputs"), Mapping):
        kept["inputs"] = _strip_inputs(value["inputs"], refusals)
    steps = value.get("steps")
    if isinstance(steps, list):
        kept["steps"] = [
            _strip(step, "step", ("steps", position), refusals)
            if isinstance(step, Mapping)
            else step
            for position, step in enumerate(steps)
        ]
    return Built(kept, tuple(refusals), frozenset(_hidden_ids(steps)), _loop_names(steps))


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


def _strip_inputs(inputs: Mapping[str, Any], refusals: list[Finding]) -> dict[str, Any]:
    kept = dict(inputs)
    for name, declared in inputs.items():
        for line in TABLE:
            if "input" in line.where and line.when is not None and line.when(declared):
                refusals.append(refusal(line.called, ("inputs", name)))
                kept[name] = None
    return kept


def refusal(called: str, route: Route) -> Finding:
    """The finding for something that no line of the table can describe."""
    return Finding(
        "not-yet",
        f"{called} is part of the language, but this version of flowrunner does not run it yet",
        route,
        aim="key",
    )


def _hidden_ids(steps: JSON) -> Iterator[str]:
    """Ids of the steps inside groups and cases, at any depth."""
    for step in steps if isinstance(steps, list) else []:
        if not isinstance(step, Mapping):
            continue
        cases = step.get("cases")
        groups = [step.get("steps"), step.get("otherwise")]
        groups += cases.values() if isinstance(cases, Mapping) else []
        for group in groups:
            for inner in group if isinstance(group, list) else []:
                if isinstance(inner, Mapping) and isinstance(inner.get("id"), str):
                    yield inner["id"]
            yield from _hidden_ids(group)


def _loop_names(steps: JSON) -> dict[int, frozenset[str]]:
    names = {}
    for position, step in enumerate(steps if isinstance(steps, list) else []):
        if isinstance(step, Mapping) and ("for_each" in step or "repeat" in step):
            named = step.get("as", "item")
            own = {named} if isinstance(named, str) else set()
            names[position] = frozenset({"position", "previous", *own})
    return names
