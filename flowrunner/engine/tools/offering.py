"""The tools that a prompt step offers a model: declared ones by name, those of servers once asked.

How a tool is described to the API is left to `language.tools`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flowrunner.engine.endings import Ending, failed
from flowrunner.engine.tools.pinning import pinned
from flowrunner.engine.units import Unit
from flowrunner.events import JSON
from flowrunner.language.request import Prompt
from flowrunner.language.tools import (
    HttpTool,
    McpTool,
    PythonTool,
    Tool,
    WorkflowTool,
    call_names,
    mcp_function,
)
from flowrunner.language.workflow import Step

LISTING_TIMEOUT_S = 60.0
_ANYTHING: Mapping[str, JSON] = {"inputSchema": {"type": "object"}}
"""What is known of the arguments of a tool whose server was not asked."""


@dataclass(frozen=True, slots=True)
class Offered:
    """What a model may call. `tools` are by the names of their calls; `functions` are the objects
    of tools of servers, `schemas` what those servers say of the arguments, by the same names."""

    tools: Mapping[str, Tool] = field(default_factory=dict)
    functions: tuple[dict[str, JSON], ...] = ()
    schemas: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def joined(self, body: Mapping[str, JSON]) -> dict[str, JSON]:
        """A request with the tools of servers among its own."""
        if not self.functions:
            return dict(body)
        return {**body, "tools": [*(body.get("tools") or ()), *self.functions]}

    @property
    def has_servers(self) -> bool:
        """Whether some of the tools are known only once a server was asked."""
        return any(isinstance(tool.kind, McpTool) for tool in self.tools.values())

    def declarations(self) -> list[JSON]:
        """What the tools are, for telling whether they are still the same."""
        tools = {tool.name: tool for tool in self.tools.values()}
        return [declaration(tool) for _, tool in sorted(tools.items())]

    def may_be_reused(self, step: Step) -> bool:
        """Whether an earlier run may stand in: not for what changes things, and for what others
        tell only where the file says how old it may be."""
        return all(may_be_reused(tool, step) for tool in self.tools.values())


def may_be_reused(tool: Tool, step: Step) -> bool:
    """Whether what a tool gave in an earlier run may serve a step."""
    if tool.changes_things:
        return False
    has_period = step.reuse is not None and not isinstance(step.reuse, bool)
    return has_period or not isinstance(tool.kind, HttpTool | McpTool)


def declaration(tool: Tool) -> JSON:
    """What a declared tool is, beyond what a model is told of it."""
    kind: Any = tool.kind
    if isinstance(kind, WorkflowTool):
        what: JSON = [kind.path, kind.workflow.sha256, dict(kind.workflow.files)]
    elif isinstance(kind, PythonTool):
        what = [kind.file, kind.module, kind.function, list(kind.env)]
    else:
        what = repr(kind)
    arguments = None if tool.arguments is None else dict(tool.arguments)
    return [tool.name, type(kind).__name__, what, arguments, tool.changes_things]


async def offered_by(unit: Unit, prompt: Prompt) -> Offered | Ending:
    """What a step offers; its end where a server is not to be had. Raises Stopped."""
    if not prompt.tools:
        return Offered()
    by_name = {tool.name: tool for tool in prompt.tools.values()}
    servers = [tool for tool in by_name.values() if isinstance(tool.kind, McpTool)]
    found = await listed(unit, servers)
    return found if isinstance(found, Ending) else replace(found, tools=prompt.tools)


async def listed(unit: Unit, servers: Sequence[Tool]) -> Offered | Ending:
    """The tools of servers, asked of them; the end of the unit where one does not say, or says
    what it did not say before and nobody agrees to. Raises Stopped."""
    functions: list[dict[str, JSON]] = []
    folder = unit.place.file.workflow.folder
    for tool in servers:
        if _is_stood_in(unit, tool):
            functions += [mcp_function(tool, {"name": name, **_ANYTHING}) for name in _own(tool)]
            continue
        server = unit.shared.toolbox.server(tool, folder)
        listing = await server.list_tools(min(LISTING_TIMEOUT_S, max(unit.left_s(), 0.0)))
        if listing.fault is not None:
            return failed("mcp", f"`{tool.name}`: {listing.fault}")
        ending = await pinned(unit, tool, listing)
        if ending is not None:
            return ending
        server.trust(listing)
        functions += [mcp_function(tool, each) for each in listing.tools]
    schemas = {str(each["name"]): each["parameters"] for each in functions}
    return Offered(functions=tuple(functions), schemas=schemas)


def _is_stood_in(unit: Unit, server: Tool) -> bool:
    """Whether a test answers for a server, which is not even started then."""
    stand_ins = unit.shared.ports.stand_ins
    return stand_ins is not None and any(map(stand_ins.has_tool, call_names(server)))


def _own(server: Tool) -> tuple[str, ...]:
    """What a server calls its tools."""
    return server.kind.allowed_tools if isinstance(server.kind, McpTool) else ()
