"""A whole workflow in plain English: what it asks for, each step, what it gives, what it may touch.

Which words a step is told in is left to `step_words`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flowrunner.commands.explaining.step_words import (
    brief,
    budget_words,
    sentences,
    shape_words,
)
from flowrunner.commands.explaining.touching import touches
from flowrunner.events import JSON
from flowrunner.language.forms import Form, Leaf, text_of
from flowrunner.language.shapes import MISSING, Missing
from flowrunner.language.tools import WorkflowTool
from flowrunner.language.workflow import Branch, CallWorkflow, Input, Step, Workflow
from flowrunner.report.figures import count, duration

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def workflow_lines(workflow: Workflow) -> list[str]:
    """The workflow and those that it calls, unwrapped. The same file gives the same lines."""
    lines = _one(workflow)
    for path, called in _called(workflow):
        inside = (f"  {line}" if line else "" for line in _one(called))
        lines += ["", f"The workflow {path}", *inside]
    found = touches(workflow)
    lines += ["", "It may touch"]
    width = max((len(kind) for kind in found), default=0)
    for kind, things in found.items():
        lines += [f"  {kind if not n else '':<{width}}  {thing}" for n, thing in enumerate(things)]
    return lines if found else [*lines[:-1], "It touches nothing outside."]


def _called(workflow: Workflow) -> Iterator[tuple[str, Workflow]]:
    """Every workflow that is called, at any depth, each file once."""
    seen = {workflow.shown}
    waiting = [workflow]
    while waiting:
        for path, called in _calls(waiting.pop(0)):
            if called.shown not in seen:
                seen.add(called.shown)
                waiting.append(called)
                yield path, called


def _calls(workflow: Workflow) -> Iterator[tuple[str, Workflow]]:
    for tool in workflow.tools.values():
        if isinstance(tool.kind, WorkflowTool):
            yield tool.kind.path, tool.kind.workflow
    for step in workflow.all_steps():
        if isinstance(step.verb, CallWorkflow):
            yield step.verb.path, step.verb.workflow


def _one(workflow: Workflow) -> list[str]:
    lines = [workflow.name]
    if workflow.description:
        lines.append(f"  {' '.join(workflow.description.split())}")
    if workflow.inputs:
        lines += ["", "It asks for", *map(_input, workflow.inputs)]
    lines += ["", "It does", *_steps(workflow.steps, "", 1)]
    gives = list(_result(workflow.result))
    if gives:
        lines += ["", "It gives", *gives]
    bounds = list(_bounds(workflow))
    return [*lines, "", *bounds] if bounds else lines


def _input(known: Input) -> str:
    told = f": {known.describe}" if known.describe else ""
    kind = f"{shape_words(known.shape)}{', a secret' if known.secret else ''}"
    return f"  {known.name} ({kind}){told}{'' if known.required else _unless_given(known.default)}"


def _unless_given(default: JSON | Missing) -> str:
    if default is MISSING or default is None:
        return " (may be left out)"
    plain = ", ".join(map(str, default)) if isinstance(default, list) else text_of(default)
    return f" (if not given: {plain})" if plain else " (has a default)"


def _steps(steps: tuple[Step, ...], number: str, depth: int) -> Iterator[str]:
    """Each step with its number, and behind it those inside."""
    gap = "  " * depth
    for position, step in enumerate(steps, start=1):
        own = f"{number}{position}"
        first, *rest = sentences(step)
        head = f"{gap}{own}. "
        yield f"{head}{step.id}: {first}{''.join(f' {each}' for each in rest)}"
        if step.describe:
            yield f"{gap}{' ' * len(own)}  {step.describe}"
        if isinstance(step.verb, Branch):
            yield from _ways(step, own, depth + 1)
        else:
            for _, below in step.lists:
                yield from _steps(below, f"{own}.", depth + 1)


def _ways(step: Step, number: str, depth: int) -> Iterator[str]:
    """The cases of a branch, their steps numbered `2a.1`, `2b.1`."""
    for position, (case, below) in enumerate(step.lists):
        yield f"{'  ' * depth}{'for any other value' if case is None else f'for {case}'}:"
        letter = _LETTERS[position] if position < len(_LETTERS) else f"-{position}"
        yield from _steps(below, f"{number}{letter}.", depth + 1)


def _result(result: Form) -> Iterator[str]:
    if isinstance(result, Mapping):
        yield from (f"  {name}: {_value(below)}" for name, below in result.items())
    elif result is not None:
        yield f"  {_value(result)}"


def _value(form: Form) -> str:
    if isinstance(form, Leaf):
        return f"`{' '.join(form.source.split())}`"
    if isinstance(form, Mapping | list):
        return "a list" if isinstance(form, list) else "values by name"
    return brief(text_of(form) or "nothing")


def _bounds(workflow: Workflow) -> Iterator[str]:
    if workflow.budget is not None:
        yield f"It may spend {budget_words(workflow.budget)}."
    if workflow.limits.timeout_s is not None:
        yield f"It may take {duration(workflow.limits.timeout_s)}."
    if workflow.limits.at_once is not None:
        yield f"It has {count(workflow.limits.at_once)} requests under way at most."
