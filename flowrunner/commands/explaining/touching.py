"""What a workflow may touch outside itself: models, commands, files, hosts, people.

Read off the checked file and those that it calls; nothing is opened and nothing is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from flowrunner.commands.explaining.step_words import listed
from flowrunner.events import JSON
from flowrunner.language.attachments import scheme_of
from flowrunner.language.forms import Leaf
from flowrunner.language.request import Prompt
from flowrunner.language.shapes import Shape
from flowrunner.language.workflow import Approve, CallWorkflow, Command, Step, Workflow

_OF_PATHS = ("file", "files", "table")
_API = "the server of the Responses API (OPENAI_BASE_URL or `flowrunner.yaml` says which)"


def touches(workflow: Workflow) -> dict[str, list[str]]:
    """By kind, everything that a run may reach; only kinds that there are, each thing once."""
    found: dict[str, dict[str, None]] = {}
    for kind, thing in _things(workflow):
        found.setdefault(kind, {})[thing] = None
    return {kind: list(found[kind]) for kind in _KINDS if kind in found}


_KINDS = ("Models", "Hosts", "Commands", "Variables", "Reads", "Saves", "People")


def _things(workflow: Workflow) -> Iterator[tuple[str, str]]:
    for known in workflow.inputs:
        yield from (("Reads", text) for text in _inputs(known.name, known.shape))
    for name in workflow.env:
        yield "Variables", f"`{name}`, for the commands that name it"
    for step in workflow.all_steps():
        yield from _of_step(step)
        if isinstance(step.verb, CallWorkflow):
            yield "Reads", f"`{step.verb.path}`"
            yield from _things(step.verb.workflow)
    for file in workflow.texts.values():
        yield "Reads", f"`{file.shown}`"
    tools = workflow.document.value.get("tools")
    for name, tool in tools.items() if isinstance(tools, Mapping) else ():
        yield from _of_tool(name, tool if isinstance(tool, Mapping) else {})


def _inputs(name: str, shape: Shape) -> Iterator[str]:
    kinds = {shape.kind, shape.item.kind if shape.item else ""}
    if kinds.isdisjoint(_OF_PATHS):
        return
    default = shape.default if isinstance(shape.default, str) else None
    yield f"what the input {name} names" + (f"; else `{default}`" if default else "")


def _of_step(step: Step) -> Iterator[tuple[str, str]]:
    if isinstance(step.verb, Prompt):
        yield from _of_prompt(step.verb)
    if isinstance(step.verb, Command):
        words = (word.source if isinstance(word, Leaf) else word for word in step.verb.argv)
        yield "Commands", f"`{' '.join(words)}`, by {step.id}"
    if isinstance(step.verb, Approve):
        yield "People", f"somebody who agrees to {step.id}"
    if step.save_to is not None:
        yield "Saves", f"`{step.save_to.source.text}`"


def _of_prompt(prompt: Prompt) -> Iterator[tuple[str, str]]:
    yield "Models", prompt.model or "the model that the project or the command line names"
    yield "Hosts", _API
    for each in prompt.attach:
        source = each.file.source
        if each.is_written_out and scheme_of(source) is None:
            yield "Reads", f"`{source}`"
        elif each.is_written_out:
            yield "Hosts", f"{urlsplit(source).hostname}, opened by the provider"
        else:
            where = f" in `{prompt.within}`" if prompt.within else ""
            yield "Reads", f"what `{source}` names{where}"
    tools = prompt.parameters.get("tools")
    for tool in tools if isinstance(tools, list) else ():
        yield from _of_hosted(tool if isinstance(tool, Mapping) else {})


def _of_hosted(tool: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A tool that the provider runs: where it goes from there."""
    kind = str(tool.get("type", ""))
    if kind.startswith("web_search"):
        filters = tool.get("filters")
        domains = filters.get("allowed_domains") if isinstance(filters, Mapping) else None
        where = listed(map(_text, domains)) if isinstance(domains, list) else "the open web"
        yield "Hosts", f"{where}, searched by the provider"
    elif kind == "mcp":
        address = _text(tool.get("server_url") or tool.get("connector_id") or "a connector")
        server = urlsplit(address).hostname or address
        yield "Hosts", f"{server}, an MCP server asked by the provider"


def _text(value: Any) -> str:
    return value.source if isinstance(value, Leaf) else str(value)


def _of_tool(name: str, tool: Mapping[str, JSON]) -> Iterator[tuple[str, str]]:
    """A tool that the file declares: what is started or asked when the model calls it."""
    by = f", by the tool {name}"
    for kind in ("run", "mcp", "computer"):
        held = tool.get(kind)
        words = held if kind == "run" else _get(held, "command")
        if isinstance(words, list):
            yield "Commands", f"`{' '.join(map(str, words))}`{by}"
    if isinstance(tool.get("python"), str):
        yield "Commands", f"`{tool['python']}`{by}"
    for kind in ("http", "mcp"):
        address = _get(tool.get(kind), "url")
        if isinstance(address, str):
            yield "Hosts", f"{urlsplit(address).hostname or address}{by}"
        elif address is not None:
            yield "Hosts", f"a host out of the environment{by}"
    for kind in ("shell", "apply_patch"):
        folder = _get(tool.get(kind), "in")
        if isinstance(folder, str):
            yield "Saves", f"anything in `{PurePosixPath(folder)}/`{by}"
    if isinstance(tool.get("workflow"), str):
        yield "Reads", f"`{tool['workflow']}`"


def _get(value: JSON, key: str) -> JSON:
    return value.get(key) if isinstance(value, Mapping) else None
