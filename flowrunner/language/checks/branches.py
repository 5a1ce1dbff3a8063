"""The cases of a `branch` against the values that its expression can have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flowrunner.diagnostics import Finding, did_you_mean
from flowrunner.language.checks.sights import Sights
from flowrunner.language.forms import Leaf
from flowrunner.language.shapes import Shape, alternatives
from flowrunner.language.workflow import Branch, Step, Workflow

_YES_NO = ("true", "false")
_KINDS: Mapping[str, str] = {
    "list": "a list",
    "files": "a list of files",
    "table": "a list of rows",
    "object": "an object",
    "file": "a file",
}


def check_branches(workflow: Workflow, sights: Sights) -> Iterator[Finding]:
    """Cases that cannot occur, values without a case, and values that decide nothing."""
    for step in workflow.all_steps():
        leaf = _leaf(step)
        if isinstance(step.verb, Branch) and leaf is not None:
            shape = sights.of(step).round_.shape_of(leaf)
            yield from _check(step, step.verb, leaf, shape)


def complete_branches(workflow: Workflow, sights: Sights) -> frozenset[str]:
    """The ids of the branches that take one of their cases whatever the value is."""
    complete = set()
    for step in workflow.all_steps():
        leaf = _leaf(step)
        if not isinstance(step.verb, Branch) or leaf is None:
            continue
        shape = sights.of(step).round_.shape_of(leaf)
        known = _values(shape)
        written = {case for case, _ in step.verb.cases}
        covered = known is not None and written >= {*known} and not shape.optional
        if step.verb.otherwise is not None or covered:
            complete.add(step.id)
    return frozenset(complete)


def _leaf(step: Step) -> Leaf | None:
    return next((leaf for leaf in step.leaves if leaf.used_as == "branch"), None)


def _values(shape: Shape) -> tuple[str, ...] | None:
    """The values that a shape can have as text, where they can be counted."""
    if shape.kind == "choice":
        return shape.choices
    return _YES_NO if shape.kind == "yes_no" else None


def _check(step: Step, verb: Branch, leaf: Leaf, shape: Shape) -> Iterator[Finding]:
    name = leaf.source.strip().removeprefix("{{").removesuffix("}}").strip()
    if shape.free:
        yield _free_text(name, leaf)
    elif shape.kind in _KINDS:
        message = f"`{name}` is {_KINDS[shape.kind]}, by which no case can be chosen"
        yield Finding("wrong-type", message, leaf.route, "branch on a choice, a text or a number")
    elif (known := _values(shape)) is not None:
        yield from _impossible(step, verb, name, known)
        yield from _left_over(step, verb, name, known, shape.optional)
    elif shape.kind in ("number", "integer"):
        yield from _no_numbers(step, verb, name)


def _free_text(name: str, leaf: Leaf) -> Finding:
    parts = name.split(".")
    there = f" in the step `{parts[1]}`" if parts[0] == "steps" and len(parts) > 1 else ""
    return Finding(
        "free-text",
        f"`{name}` is free text, which a model never words the same twice: choosing a case by it "
        "is left to chance",
        leaf.route,
        f"declare `output:`{there} with the possible answers, such as "
        "`output: { answer: [one, two] }`, and branch on that",
    )


def _impossible(step: Step, verb: Branch, name: str, known: tuple[str, ...]) -> Iterator[Finding]:
    for case, _ in verb.cases:
        if case not in known:
            near = did_you_mean(case, known)
            meant = f": did you mean `{near}`?" if near else ""
            route = (*step.route, "cases", case)
            message = f"`{name}` is never `{case}`{meant}"
            fix = f"it is {alternatives(known)}"
            yield Finding("unknown-choice", message, route, fix, aim="key")


def _left_over(
    step: Step, verb: Branch, name: str, known: tuple[str, ...], optional: bool
) -> Iterator[Finding]:
    written = {case for case, _ in verb.cases}
    missing = [value for value in known if value not in written]
    if missing and verb.otherwise is None and len(written & {*known}) == len(written):
        yield Finding(
            "missing-case",
            f"`{name}` may be {alternatives(missing)}, for which `{step.id}` has no case",
            (*step.route, "cases"),
            "add the case, or `otherwise:` for all that is left; without it nothing runs then",
            severity="warning",
            aim="key",
        )
    elif not missing and verb.otherwise is not None and not optional:
        yield Finding(
            "never-runs",
            f"`otherwise` of `{step.id}` never runs: each value of `{name}` has a case",
            (*step.route, "otherwise"),
            "take it out",
            severity="warning",
            aim="key",
        )


def _no_numbers(step: Step, verb: Branch, name: str) -> Iterator[Finding]:
    for case, _ in verb.cases:
        try:
            float(case)
        except ValueError:
            route = (*step.route, "cases", case)
            message = f"`{name}` is a number, never `{case}`"
            yield Finding("unknown-choice", message, route, "write a number", aim="key")
