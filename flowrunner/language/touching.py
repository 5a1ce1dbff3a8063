"""What a workflow may touch outside itself: commands, files, folders, hosts, variables.

Read from the file alone; nothing is started, opened or asked. Showing it is left to `commands`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

from flowrunner.language.attachments import scheme_of
from flowrunner.language.forms import Leaf
from flowrunner.language.request import Prompt
from flowrunner.language.tools import (
    CommandTool,
    ComputerTool,
    CustomTool,
    EnvName,
    HttpTool,
    McpTool,
    PatchTool,
    PythonTool,
    ShellTool,
    Tool,
    WorkflowTool,
    env_names,
)
from flowrunner.language.tools.kinds import Placed
from flowrunner.language.tools.secrets import env_name, env_places
from flowrunner.language.workflow import CallWorkflow, Command, Step, Workflow
from flowrunner.language.workflow.reader import mapping

What: TypeAlias = Literal["command", "file", "folder", "host", "variable"]

_ORDER: tuple[What, ...] = ("command", "file", "folder", "host", "variable")


@dataclass(frozen=True, slots=True)
class Touch:
    """One thing that may be touched, and by which tool or step; `how` says what is done with it.

    `by` has the names of the workflows around in front: `sub/find_order`. `name` is as the file
    spells it, templates included; a host that a variable holds is `the host in NAME`.
    """

    what: What
    name: str
    by: str
    how: Literal["runs", "reads", "writes", "asks", "receives", "needs"]


def touched(workflow: Workflow) -> tuple[Touch, ...]:
    """All that a workflow and those that it calls may touch, sorted by what it is; each once."""
    found = dict.fromkeys(_of_workflow(workflow))
    return tuple(sorted(found, key=lambda each: _ORDER.index(each.what)))


def _of_workflow(workflow: Workflow) -> Iterator[Touch]:
    for tool in workflow.tools.values():
        yield from _of_tool(tool)
    for step in workflow.all_steps():
        yield from _of_step(workflow, step)


def _of_step(workflow: Workflow, step: Step) -> Iterator[Touch]:
    for route, file in workflow.texts.items():
        if route[: len(step.route)] == step.route:
            yield Touch("file", file.shown, step.id, "reads")
    saved = step.source_of("save_to")
    if saved is not None:
        yield Touch("file", saved, step.id, "writes")
    verb = step.verb
    if isinstance(verb, Command):
        words = [word.source if isinstance(word, Leaf) else word for word in verb.argv]
        yield Touch("command", " ".join(words), step.id, "runs")
        yield from _variables(verb.env, step.id)
    elif isinstance(verb, CallWorkflow):
        yield Touch("file", verb.path, step.id, "reads")
        yield from _inside(verb.workflow, step.id)
    elif isinstance(verb, Prompt):
        listed = verb.parameters.get("tools")
        for each in listed if isinstance(listed, list) else []:
            yield from _of_object(mapping(each), step.id)
        for attached in verb.attach:
            yield from _of_attachment(attached.file.source.strip(), step.id)


def _of_attachment(written: str, by: str) -> Iterator[Touch]:
    if scheme_of(written) is None:
        yield Touch("file", written, by, "reads")
    else:
        yield from _host(written, by)


def _of_object(tool: Any, by: str) -> Iterator[Touch]:
    """A server that the API asks on the step's behalf."""
    url = tool.get("server_url")
    if tool.get("type") == "mcp" and url is not None:
        said = env_name(url) or (url.source if isinstance(url, Leaf) else str(url))
        yield from _host(said, by)
    yield from (Touch("variable", name.name, by, "needs") for _, name in env_places(tool))


def _of_tool(tool: Tool) -> Iterator[Touch]:
    kind = tool.kind.runs if isinstance(tool.kind, CustomTool) else tool.kind
    given = set(getattr(kind, "env", ()))
    yield from _variables(sorted(given), tool.name)
    placed = sorted(env_names(tool) - given)
    yield from (Touch("variable", name, tool.name, "needs") for name in placed)
    match kind:
        case CommandTool(argv=words) | ComputerTool(command=words):
            yield Touch("command", " ".join(words), tool.name, "runs")
        case PythonTool():
            name = f"{kind.file or kind.module}:{kind.function}"
            yield Touch("file" if kind.file else "command", name, tool.name, "runs")
        case HttpTool():
            yield from _host(kind.url, tool.name)
        case McpTool(command=words):
            if words is not None:
                yield Touch("command", " ".join(words), tool.name, "runs")
            yield from () if kind.url is None else _host(kind.url, tool.name)
        case ShellTool():
            yield Touch("command", "any command, in a shell", tool.name, "runs")
            yield Touch("folder", kind.folder, tool.name, "writes")
        case PatchTool():
            yield Touch("folder", kind.folder, tool.name, "writes")
        case WorkflowTool():
            yield Touch("file", kind.path, tool.name, "reads")
            yield from _inside(kind.workflow, tool.name)
    if isinstance(kind, HttpTool | McpTool):
        yield from (Touch("host", host, tool.name, "asks") for host in kind.hosts)


def _host(url: Placed, by: str) -> Iterator[Touch]:
    if isinstance(url, EnvName):
        yield Touch("host", f"the host in {url.name}", by, "asks")
        return
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    yield Touch("host", host or url, by, "asks")


def _variables(names: Any, by: str) -> Iterator[Touch]:
    yield from (Touch("variable", name, by, "receives") for name in names)


def _inside(workflow: Workflow, by: str) -> Iterator[Touch]:
    for each in _of_workflow(workflow):
        yield replace(each, by=f"{by}/{each.by}")
