"""Ids, `needs` and mentions: each step stands for itself and leans only on steps above it."""

from __future__ import annotations

from collections.abc import Iterator

from flowrunner.diagnostics import Finding, Route, did_you_mean
from flowrunner.language.forms import Leaf
from flowrunner.language.shapes import alternatives
from flowrunner.language.workflow import Step, Workflow


def check_ids(workflow: Workflow) -> Iterator[Finding]:
    """Every id once, without regard to case."""
    seen: dict[str, Step] = {}
    for step in workflow.steps:
        route = (*step.route, "id")
        earlier = seen.setdefault(step.id.casefold(), step)
        if step.id and earlier is not step:
            line = _line(workflow, (*earlier.route, "id"))
            same = earlier.id == step.id
            yield Finding(
                "duplicate-id",
                f"the id `{step.id}` is given twice, here and on line {line}"
                if same
                else f"the id `{step.id}` differs from `{earlier.id}` on line {line} only in case",
                route,
                "choose another id",
            )


def check_needs(workflow: Workflow) -> Iterator[Finding]:
    """Every need is a step above."""
    above: set[str] = set()
    for step in workflow.steps:
        for position, needed in enumerate(step.needs):
            if needed not in above and needed not in workflow.hidden:
                yield _bad_need(workflow, step, needed, position)
        above.add(step.id)


def _bad_need(workflow: Workflow, step: Step, needed: str, position: int) -> Finding:
    route = (*step.route, "needs", position)
    if needed == step.id:
        return Finding("order", f"`{step.id}` needs itself", route, "take it out")
    target = workflow.step(needed)
    if target is not None:
        message, fix = _too_low(workflow, step, target, "needs")
        return Finding("order", message, route, fix)
    above = [other.id for other in workflow.steps[: workflow.steps.index(step)] if other.id]
    near = did_you_mean(needed, above)
    meant = f": did you mean `{near}`?" if near else ""
    fix = f"`needs` may name {alternatives(above)} here" if above else "no step stands above it"
    return Finding(
        "unknown-step", f"there is no step `{needed}`{meant}", route, None if near else fix
    )


def check_mentions(workflow: Workflow) -> Iterator[Finding]:
    """Templates mention only steps above theirs; those of `defaults` mention none."""
    # Of two steps with one id the first counts: the second has an error of its own.
    last_first = reversed(list(enumerate(workflow.steps)))
    places = {step.id: place for place, step in last_first if step.id}
    for place, step in enumerate(workflow.steps):
        for leaf in step.leaves:
            for start, length, name in _mentioned_steps(leaf):
                if leaf.route[0] == "defaults":
                    message = f"`defaults` stand above all steps, so they cannot mention `{name}`"
                    fix = "write it in the steps that go on from it"
                    yield Finding("order", message, leaf.route, fix, start=start, length=length)
                elif places.get(name, -1) >= place:
                    message, fix = _too_low(workflow, step, workflow.steps[places[name]])
                    yield Finding("order", message, leaf.route, fix, start=start, length=length)


def _mentioned_steps(leaf: Leaf) -> Iterator[tuple[int, int, str]]:
    for mention in leaf.parsed.mentions:
        if len(mention.path) > 1 and mention.path[0] == "steps":
            yield mention.start, mention.length, str(mention.path[1])


def _too_low(
    workflow: Workflow, step: Step, target: Step, does: str = "mentions"
) -> tuple[str, str]:
    """The sentence about a step that leans on itself or on one below, and the fix."""
    if step is target:
        return f"`{step.id}` {does} itself", "mention a step above it"
    line = _line(workflow, (*target.route, "id"))
    return (
        f"`{step.id}` {does} `{target.id}`, which stands below it on line {line}",
        f"move `{target.id}` up, above `{step.id}`",
    )


def check_reach(workflow: Workflow) -> Iterator[Finding]:
    """Steps that can never run because they lean on one that is switched off."""
    off = {step.id for step in workflow.steps if step.condition is False}
    for step in workflow.steps:
        dead = sorted(step.unguarded & off - {step.id})
        if dead and step.condition is not False:
            off.add(step.id)
            names = alternatives(dead, "and")
            yield Finding(
                "never-runs",
                f"`{step.id}` never runs: it mentions {names}, which never runs",
                (*step.route, "id"),
                f"write `first(…)` or `default(…)` around the mention, or switch `{step.id}` off "
                "too",
                severity="warning",
            )


def may_be_empty(workflow: Workflow) -> frozenset[str]:
    """The steps that may be skipped, or fail while the run goes on."""
    empty: set[str] = set()
    risky = {step.id for step in workflow.steps if step.on_error == "continue"}
    for step in workflow.steps:
        conditional = step.condition not in {None, True}
        if conditional or step.id in risky or empty & step.unguarded or risky & {*step.needs}:
            empty.add(step.id)
    return frozenset(empty)


def _line(workflow: Workflow, route: Route) -> int:
    return workflow.document.place(route).line
