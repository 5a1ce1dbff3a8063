"""Steps that a command line names: `--force STEP`, `--until STEP`.

What follows from them is left to `plan` and `reuse`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowrunner.diagnostics import did_you_mean
from flowrunner.engine.reuse import ALL
from flowrunner.errors import UsageError
from flowrunner.language.workflow import CallWorkflow, Step, Workflow


def forced(workflow: Workflow, names: Sequence[str]) -> tuple[str, ...]:
    """The places of the steps that `--force` names: ids of this file, or `sub/step` for those of a
    file that it calls. Raises UsageError."""
    places = list(_places(workflow.steps))
    own = {place.rpartition("/")[2]: place for place in _own(workflow.steps)}
    found = []
    for name in names:
        place = name if name in (ALL, *places) else own.get(name)
        if place is None:
            raise _unknown("--force", name, workflow, [ALL, *own, *places])
        found.append(place)
    return tuple(found)


def check_until(workflow: Workflow, name: str | None) -> None:
    """Raises UsageError where `--until` names no step that stands by itself in the file."""
    top = [step.id for step in workflow.steps]
    if name is None or name in top:
        return
    around = next((place for place in _own(workflow.steps) if place.endswith(f"/{name}")), None)
    if around is None:
        raise _unknown("--until", name, workflow, top)
    outer = around.split("/")[0]
    raise UsageError(
        f"`--until {name}`: `{name}` stands inside `{outer}`", help=f"write `--until {outer}`"
    )


def _unknown(option: str, name: str, workflow: Workflow, known: Sequence[str]) -> UsageError:
    near = did_you_mean(name, known)
    there = ", ".join(f"`{step.id}`" for step in workflow.steps[:8])
    return UsageError(
        f"`{option} {name}`: {workflow.shown} has no step `{name}`",
        help=f"did you mean `{near}`?" if near else f"its steps are {there}",
    )


def _own(steps: Sequence[Step], above: str = "") -> Iterator[str]:
    """The places of the steps of one file."""
    for step in steps:
        yield above + step.id
        for _, inner in step.lists:
            yield from _own(inner, f"{above}{step.id}/")


def _places(steps: Sequence[Step], above: str = "") -> Iterator[str]:
    """The places of all steps, those of the files that are called included."""
    for step in steps:
        yield above + step.id
        for _, inner in step.lists:
            yield from _places(inner, f"{above}{step.id}/")
        if isinstance(step.verb, CallWorkflow):
            yield from _places(step.verb.workflow.steps, f"{above}{step.id}/")
