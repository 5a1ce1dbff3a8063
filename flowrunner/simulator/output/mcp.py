"""What the use of an MCP server leaves in the output: its tools, a call, or a request for approval.

Whether it is used at all is decided in `plan`.
"""

from __future__ import annotations

import json
from typing import Any

from flowrunner.simulator.output.plan import Tool, Using
from flowrunner.simulator.state.items import Item

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"query": {"type": "string"}},
    "required": ["query"],
    "additionalProperties": False,
}


def mcp_items(using: Using) -> tuple[Item, ...]:
    """What a turn has of one server: listed once in a chain, then called when that is approved."""
    label, names = using.tool["server_label"], _names(using.tool)
    listed = any(_is_of(item, "mcp_list_tools", label) for item in using.turn.context.items)
    items = () if listed else (_list(using, names),)
    if not names:
        return items
    asked = [item for item in using.turn.since_user if _is_of(item, "mcp_approval_request", label)]
    if asked:
        return (*items, _call(using, names[0], asked[-1]["id"]))
    if _needs_approval(using.tool, names[0]):
        return (*items, _request(using, names[0]))
    return (*items, _call(using, names[0], None))


def _needs_approval(tool: Tool, name: str) -> bool:
    """Whether a tool of a server waits for approval, which it does when nothing else is said."""
    rule = tool.get("require_approval") or "always"
    if isinstance(rule, str):
        return rule == "always"
    never, always = rule.get("never"), rule.get("always")
    if always is not None and _fits(always, name):
        return True
    return never is None or not _fits(never, name)


def _fits(chosen: dict[str, Any], name: str) -> bool:
    """Whether a filter picks a tool. Every simulated one only reads."""
    names = chosen.get("tool_names")
    return (names is None or name in names) and chosen.get("read_only") is not False


def _names(tool: Tool) -> list[str]:
    allowed = tool.get("allowed_tools")
    if isinstance(allowed, dict):
        allowed = allowed.get("tool_names")
    return ["simulated_search"] if allowed is None else list(allowed)


def _is_of(item: Item, kind: str, label: str) -> bool:
    return bool(item["type"] == kind and item.get("server_label") == label)


def _list(using: Using, names: list[str]) -> Item:
    tools = [
        {
            "name": name,
            "description": f"The tool {name} of a simulated server.",
            "input_schema": _SCHEMA,
            "annotations": {"read_only": True},
        }
        for name in names
    ]
    return _of_server(using, "mcp_list_tools", tools=tools, error=None)


def _call(using: Using, name: str, approved: str | None) -> Item:
    return _of_server(
        using,
        "mcp_call",
        status="completed",
        name=name,
        arguments=_arguments(using),
        output=f"[simulated] {name} found nothing about “{using.about}”.",
        error=None,
        approval_request_id=approved,
    )


def _request(using: Using, name: str) -> Item:
    return _of_server(using, "mcp_approval_request", name=name, arguments=_arguments(using))


def _of_server(using: Using, kind: str, **fields: Any) -> Item:
    item = using.item(kind, server_label=using.tool["server_label"])
    del item["status"]
    return item | fields


def _arguments(using: Using) -> str:
    return json.dumps({"query": using.about}, ensure_ascii=False)
