"""What each verb does, without the modifiers around it: one function a verb.

The requests of a prompt step are made in `prompts`, what surrounds every verb in `steps`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from flowrunner.engine.approvals import approve
from flowrunner.engine.attaching import called_run, chosen_by_answers
from flowrunner.engine.commands import command
from flowrunner.engine.endings import Ending, failed, skipped, succeeded
from flowrunner.engine.place import Place, run_names
from flowrunner.engine.prompts import prompt
from flowrunner.engine.tools.verb import call
from flowrunner.engine.units import Unit
from flowrunner.events import StepResult
from flowrunner.language.request import Prompt
from flowrunner.language.shapes import found
from flowrunner.language.templates import Empty, TemplateFault
from flowrunner.language.templates.printing import scalar
from flowrunner.language.tools import CallTool
from flowrunner.language.workflow import (
    Approve,
    Branch,
    CallWorkflow,
    Command,
    Fail,
    SetValues,
    Step,
    Steps,
    Stop,
    Write,
)
from flowrunner.project.arguments import read_arguments, secret_values


async def write(unit: Unit) -> Ending:
    """Text without a call."""
    assert isinstance(unit.step.verb, Write)
    text = unit.step.verb.template.render(unit.scope())
    await unit.started()
    return succeeded(StepResult("succeeded", text=text))


async def set_values(unit: Unit) -> Ending:
    """Named values without a call."""
    assert isinstance(unit.step.verb, SetValues)
    values = unit.step.verb.evaluate(unit.scope())
    await unit.started()
    return succeeded(StepResult("succeeded", output=values, has_output=True))


async def group(unit: Unit) -> Ending:
    """Several steps as one."""
    assert isinstance(unit.step.verb, Steps)
    return await _inside(unit, unit.step.verb.steps)


async def branch(unit: Unit) -> Ending:
    """One of several groups, by the value of an expression as text."""
    assert isinstance(unit.step.verb, Branch)
    value = unit.step.verb.on.evaluate(unit.scope())
    is_empty = value is None or isinstance(value, Empty)
    key = None if is_empty else _as_text(value)
    steps = unit.step.verb.otherwise if key is None else unit.step.verb.case(key)
    if steps is None and key is None:
        what = value.what if isinstance(value, Empty) else "its value"
        return skipped("empty", f"`branch`: {what} is empty")
    if steps is None:
        return skipped("no-case", f"no case for `{key}`")
    ending = await _inside(unit, steps)
    return replace(ending, more={**ending.more, "case": key})


def _as_text(value: Any) -> str:
    """A value as it would be printed. Raises TemplateFault for one that is no plain value."""
    text = value if isinstance(value, str) else scalar(value)
    if text is None:
        raise TemplateFault("wrong-type", f"`branch` needs a plain value, found {found(value)}")
    return text


async def _inside(unit: Unit, steps: Sequence[Step]) -> Ending:
    """The end of a list of steps as the end of the unit around it."""
    await unit.started()
    place = replace(unit.place, path=unit.path, deadline=unit.inner_deadline())
    listed = await unit.run_list(steps, place, unit.recheck)
    ending = listed.ending
    if ending.status != "succeeded":
        return replace(ending, more={}, result=None if ending.status != "failed" else ending.result)
    kept = ending.is_kept and unit.is_done
    offers = f"{unit.name}/{steps[-1].id}"
    return Ending("succeeded", ending.reason, more={"offers": offers}, is_kept=kept)


async def call_workflow(unit: Unit) -> Ending:
    """Another workflow file as one step."""
    assert isinstance(unit.step.verb, CallWorkflow)
    called = unit.step.verb.workflow
    values = unit.step.verb.evaluate(unit.scope())
    chosen = chosen_by_answers(unit, unit.step.verb, values)
    if chosen is not None:
        return failed("arguments", f"{called.shown}: {chosen}")
    given, faults = read_arguments(
        called.inputs,
        values,
        folder=unit.place.file.workflow.folder,
        workflow_folder=called.folder,
    )
    # Wherever it came from, from here on nobody is to see it.
    unit.shared.ports.scrubber.learn(secret_values(called.inputs, given))
    if faults:
        return failed("arguments", f"{called.shown}: {'; '.join(faults)}")
    plan = unit.shared.plan
    names = run_names(given, plan.run, plan.moment)
    file = called_run(unit, unit.step.verb, given, names)
    await unit.started()
    budget = unit.shared.budget(called.budget, unit.place.budget, f"`{called.shown}`", unit.path)
    place = Place(
        file,
        path=unit.path,
        deadline=unit.inner_deadline(),
        budget=budget,
        is_touched=unit.place.is_touched,
    )
    listed = await unit.run_list(called.steps, place, unit.recheck)
    if listed.ending.status != "succeeded":
        return replace(listed.ending, more={}, result=None)
    try:
        output = called.fill_result(listed.place.scope())
    except TemplateFault as fault:
        return failed("template", f"{called.shown}: `result`: {fault.message}", fault.help)
    kept = listed.ending.is_kept and unit.is_done
    result = StepResult("succeeded", output=output, has_output=called.result is not None)
    more = {"called": called.shown}
    return Ending("succeeded", listed.ending.reason, result=result, more=more, is_kept=kept)


async def stop(unit: Unit) -> Ending:
    """The end of this file's run, as a success."""
    assert isinstance(unit.step.verb, Stop)
    text = unit.step.verb.text.render(unit.scope())
    await unit.started()
    unit.place.file.is_stopped = True
    unit.shared.limits.review()
    return Ending("succeeded", "stop", text, result=StepResult("succeeded", text=text))


async def fail(unit: Unit) -> Ending:
    """The end of this file's run, as a failure."""
    assert isinstance(unit.step.verb, Fail)
    text = unit.step.verb.text.render(unit.scope())
    await unit.started()
    return failed("fail", text)


VERBS: Mapping[type, Callable[[Unit], Awaitable[Ending]]] = {
    Prompt: prompt,
    Write: write,
    SetValues: set_values,
    Steps: group,
    Branch: branch,
    Command: command,
    CallWorkflow: call_workflow,
    CallTool: call,
    Approve: approve,
    Stop: stop,
    Fail: fail,
}
