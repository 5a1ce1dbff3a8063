"""What a name in a file of tests means: a step of the workflow or of one that it calls, a tool.

A step is named by its id, or by its address with or without items and rounds: `read`, `read[2]`,
`translate/checked`, `translate[2]/checked`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from flowrunner.language.tools import McpTool, Tool, WorkflowTool, call_names, callable_tools
from flowrunner.language.workflow import CallWorkflow, Step, Workflow

_COUNTED = re.compile(r"\[\d+\]|#\d+")
_UNIT = re.compile(r"[a-z][a-z0-9_]*(\[\d+\])?(#\d+)?(/[a-z][a-z0-9_]*(\[\d+\])?(#\d+)?)*")


def bare(unit: str) -> str:
    """An address without its items and rounds."""
    return _COUNTED.sub("", unit)


def names_of(workflow: Workflow, unit: str) -> tuple[str, ...]:
    """All that a unit may be called, the closest first: with items, without, and by its step alone
    where that is one of the file itself, and not of a workflow that it calls."""
    plain = bare(unit)
    *around, own = plain.split("/")
    is_called = any(not _is_of(workflow, name) for name in around)
    return (unit, plain) if is_called else (unit, plain, own)


def _is_of(workflow: Workflow, name: str) -> bool:
    """Whether what is inside a step stands in the file too."""
    step = workflow.step(name)
    return step is not None and not isinstance(step.verb, CallWorkflow)


def step_at(workflow: Workflow, unit: str) -> Step | None:
    """The step that a name means; None where there is none."""
    if not _UNIT.fullmatch(unit):
        return None
    step: Step | None = None
    for name in bare(unit).split("/"):
        if step is not None and isinstance(step.verb, CallWorkflow):
            workflow = step.verb.workflow
        step = workflow.step(name)
        if step is None:
            return None
    return step


def step_names(workflow: Workflow) -> list[str]:
    """The steps of a workflow by their ids, then those of the workflows that it calls."""
    own = list(workflow.all_steps())
    return [step.id for step in own] + [
        f"{step.id}/{name}"
        for step in own
        if isinstance(step.verb, CallWorkflow)
        for name in step_names(step.verb.workflow)
    ]


def tools_of(workflow: Workflow) -> dict[str, Tool]:
    """The tools that may be answered for, by the names of their calls; those of the workflows that
    it calls with them."""
    found = dict(callable_tools(workflow.tools))
    for called in _called(workflow):
        found = {**tools_of(called), **found}
    return found


def mcp_tools(workflow: Workflow, name: str) -> list[str]:
    """The names of the calls of a server of tools; none where that is no name of one."""
    tool = workflow.tools.get(name)
    return list(call_names(tool)) if tool is not None and isinstance(tool.kind, McpTool) else []


def _called(workflow: Workflow) -> Iterator[Workflow]:
    for tool in workflow.tools.values():
        if isinstance(tool.kind, WorkflowTool):
            yield tool.kind.workflow
    for step in workflow.all_steps():
        if isinstance(step.verb, CallWorkflow):
            yield step.verb.workflow


def silent_tools(workflow: Workflow, said: Sequence[str]) -> set[str]:
    """The other tools of servers of which some are answered for: no server is there to ask."""
    tools: Mapping[str, Tool] = tools_of(workflow)
    servers = [tools[name] for name in said if isinstance(tools[name].kind, McpTool)]
    return {name for server in servers for name in call_names(server)} - set(said)
