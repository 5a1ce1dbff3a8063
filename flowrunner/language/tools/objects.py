"""How declared tools are offered to a model, and under which name its calls come back.

Which tools a step offers is left to `workflow.prompts`; the tools of an MCP server are known only
once it was asked, so their objects are made here from what it says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowrunner.events import JSON
from flowrunner.language.tools.kinds import (
    ComputerTool,
    CustomTool,
    McpTool,
    PatchTool,
    ShellTool,
    Tool,
)

LONGEST_NAME = 64
"""Responses API: the longest name of a function."""

# Calls without a name of their own (Responses API: output items), by the type of the tool.
_OF_ITEMS = {
    "computer_call": "computer",
    "shell_call": "shell",
    "apply_patch_call": "apply_patch",
}
_NO_ARGUMENTS: Mapping[str, JSON] = {
    "type": "object",
    "properties": {},
    "required": [],
    "additionalProperties": False,
}


def api_object(tool: Tool) -> dict[str, JSON] | None:
    """The tool as the API knows it; None for a server, whose tools are offered one by one."""
    match tool.kind:
        case McpTool():
            return None
        case ComputerTool():
            return {"type": "computer"}
        case ShellTool():
            return {"type": "shell", "environment": {"type": "local"}}
        case PatchTool():
            return {"type": "apply_patch"}
        case CustomTool(grammar=grammar):
            shaped = {} if grammar is None else {"format": dict(grammar)}
            return {"type": "custom", "name": tool.name, **_described(tool.describe), **shaped}
    return {
        "type": "function",
        "name": tool.name,
        **_described(tool.describe),
        "parameters": dict(tool.arguments or _NO_ARGUMENTS),
        "strict": tool.is_strict,
    }


def mcp_name(server: str, tool: str) -> str:
    """The name under which a tool of a declared MCP server is offered and called."""
    return f"{server}__{tool}"


def mcp_function(server: Tool, listed: Mapping[str, Any]) -> dict[str, JSON]:
    """A tool of a server, as `tools/list` describes it, as a function of the API.

    Its schema is the server's own, so strict mode is not asked for.
    """
    schema = listed.get("inputSchema")
    return {
        "type": "function",
        "name": mcp_name(server.name, str(listed.get("name", ""))),
        **_described(listed.get("description")),
        "parameters": dict(schema) if isinstance(schema, Mapping) else dict(_NO_ARGUMENTS),
        "strict": False,
    }


def call_names(tool: Tool) -> tuple[str, ...]:
    """The names under which calls of a tool come back, as `call_name` reads them."""
    match tool.kind:
        case McpTool(allowed_tools=allowed):
            return tuple(mcp_name(tool.name, name) for name in allowed)
        case ComputerTool():
            return ("computer",)
        case ShellTool():
            return ("shell",)
        case PatchTool():
            return ("apply_patch",)
    return (tool.name,)


def callable_tools(declared: Mapping[str, Tool]) -> dict[str, Tool]:
    """The tools that a `call` step may name: all but those that only a model can use."""
    found: dict[str, Tool] = {}
    for tool in declared.values():
        if not isinstance(tool.kind, ComputerTool | ShellTool | PatchTool):
            found |= dict.fromkeys(call_names(tool), tool)
    return found


def stands_for(written: Mapping[str, Any], tool: Tool) -> bool:
    """Whether an object of the API is that of a declared tool, written out by the author."""
    own = api_object(tool)
    return (
        own is not None
        and written.get("type") == own["type"]
        and written.get("name") == own.get("name")
    )


def call_name(item: Mapping[str, Any]) -> str | None:
    """Under which name an output item calls a tool; None for an item that calls none of ours."""
    kind = item.get("type")
    if kind in ("function_call", "custom_tool_call"):
        name = item.get("name")
        return name if isinstance(name, str) else None
    return _OF_ITEMS.get(str(kind))


def _described(text: object) -> dict[str, JSON]:
    return {"description": text} if isinstance(text, str) and text.strip() else {}
