"""What a workflow may touch outside itself, for people: by kind, with who does it.

Commands, files and hosts are found by `language.touching`; models and people are added here.
Nothing is opened and nothing is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowrunner.commands.explaining.step_words import listed
from flowrunner.language.forms import Leaf
from flowrunner.language.request import Prompt
from flowrunner.language.shapes import Shape
from flowrunner.language.tools import CallTool, Tool, WorkflowTool
from flowrunner.language.touching import Touch, touched
from flowrunner.language.workflow import Approve, CallWorkflow, Step, Workflow

_OF_PATHS = ("file", "files", "table")
_API = "the server of the Responses API (OPENAI_BASE_URL or `flowrunner.yaml` says which)"
_KINDS = ("Models", "Hosts", "Commands", "Variables", "Reads", "Saves", "People")
_BY_HOW = {"runs": "Commands", "reads": "Reads", "writes": "Saves", "asks": "Hosts"}


def touches(workflow: Workflow) -> dict[str, list[str]]:
    """By kind, everything that a run may reach; only kinds that there are, each thing once."""
    found: dict[str, dict[str, None]] = {}
    for kind, thing in (*_of_workflow(workflow), *map(_of_touch, touched(workflow))):
        found.setdefault(kind, {})[thing] = None
    return {kind: list(found[kind]) for kind in _KINDS if kind in found}


def _of_touch(touch: Touch) -> tuple[str, str]:
    name = touch.name if touch.what == "host" or " " in touch.name else f"`{touch.name}`"
    if touch.what == "command":
        name = f"`{touch.name}`"
    return _BY_HOW.get(touch.how, "Variables"), f"{name}, by {touch.by}"


def _of_workflow(workflow: Workflow) -> Iterator[tuple[str, str]]:
    for known in workflow.inputs:
        yield from (("Reads", text) for text in _input(known.name, known.shape))
    for tool in workflow.tools.values():
        yield from _of_tool(tool)
    for step in workflow.all_steps():
        yield from _of_step(step)


def _input(name: str, shape: Shape) -> Iterator[str]:
    kinds = {shape.kind, shape.item.kind if shape.item else ""}
    if kinds.isdisjoint(_OF_PATHS):
        return
    default = shape.default if isinstance(shape.default, str) else None
    yield f"what the input {name} names" + (f"; else `{default}`" if default else "")


def _of_tool(tool: Tool) -> Iterator[tuple[str, str]]:
    if tool.ask == "always":
        yield "People", f"somebody who agrees to each call of {tool.name} by a model"
    if isinstance(tool.kind, WorkflowTool):
        yield from _of_workflow(tool.kind.workflow)


def _of_step(step: Step) -> Iterator[tuple[str, str]]:
    match step.verb:
        case Prompt():
            yield from _of_prompt(step.verb)
        case Approve():
            yield "People", f"somebody who agrees to {step.id}"
        case CallTool(asks=True):
            yield "People", f"somebody who agrees to {step.id}"
        case CallWorkflow(workflow=called):
            yield from _of_workflow(called)


def _of_prompt(prompt: Prompt) -> Iterator[tuple[str, str]]:
    yield "Models", prompt.model or "the model that the project or the command line names"
    yield "Hosts", _API if prompt.provider is None else f"the server of `{prompt.provider}`"
    tools = prompt.parameters.get("tools")
    for tool in tools if isinstance(tools, list) else ():
        yield from _of_hosted(tool if isinstance(tool, Mapping) else {})


def _of_hosted(tool: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A search that the provider does: where it goes from there."""
    if str(tool.get("type", "")).startswith("web_search"):
        filters = tool.get("filters")
        domains = filters.get("allowed_domains") if isinstance(filters, Mapping) else None
        where = listed(map(_text, domains)) if isinstance(domains, list) else "the open web"
        yield "Hosts", f"{where}, searched by the provider"


def _text(value: Any) -> str:
    return value.source if isinstance(value, Leaf) else str(value)
