"""What steps offer to those below them while a plan is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flowrunner.engine.forecast import standins
from flowrunner.engine.forecast.sight import Sight
from flowrunner.language.templates import Record, TemplateFault
from flowrunner.language.workflow import Command, SetValues, Step, Write


def both(sight: Sight) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two scopes of a sight."""
    return sight.worst, sight.likely


def offer_nothing(step: Step, sight: Sight) -> None:
    """What a step offers that is skipped."""
    nothing = standins.of_nothing(f"steps.{step.id}")
    sight.keep(step.id, nothing, nothing, size=0, known=True)


def offer_last(step: Step, steps: Sequence[Step], sight: Sight, *, is_sure: bool) -> None:
    """A group offers what its last step does; known beforehand where it `is_sure` to."""
    if not steps:
        nothing = standins.of_nothing(f"steps.{step.id}", "unset")
        sight.keep(step.id, nothing, nothing, size=0, known=False)
        return
    last = steps[-1].id
    worst, likely = (scope["steps"][last] for scope in both(sight))
    known = is_sure and ("steps", last) not in sight.unknown and sight.fate.get(last) == "run"
    sight.keep(step.id, worst, likely, size=sight.sizes.get(last), known=known)


def offer_free(step: Step, sight: Sight) -> None:
    """What a step that asks no model offers: what its templates make, or nobody knows what."""
    name = f"steps.{step.id}"
    known = all(sight.is_known(leaf) for leaf in step.leaves)
    made, is_made = [], isinstance(step.verb, Write | SetValues)
    for scope in both(sight):
        try:
            made.append(_made(step, name, scope))
        except TemplateFault:
            made.append(standins.of_answer(name, standins.Answer(None)))
            is_made = False
    size = _size(made[0]) if is_made else None
    sight.keep(step.id, made[0], made[1], size=size, known=known and size is not None)


def _size(made: Record) -> int | None:
    """The bytes of what a template makes; None where nobody knows."""
    try:
        return len(str(made.get("text") or made.get("output") or "").encode())
    except TemplateFault:
        return None


def _made(step: Step, name: str, scope: Mapping[str, Any]) -> Record:
    match step.verb:
        case Write() as write:
            return standins.of_value(name, text=write.template.render(scope))
        case SetValues() as values:
            return standins.of_value(name, output=values.evaluate(scope))
        case Command() as command:
            shape = standins.declared(command.output, command.schema)
            return standins.of_answer(name, standins.Answer(None, shape))
        case _:
            return standins.of_value(name)
