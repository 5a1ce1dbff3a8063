"""What one call of a model asks for: of which tool, with which arguments, and why it is not done.

Pure: a call goes in, an order comes out. What people say about it is left to `questions`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from flowrunner import json_text
from flowrunner.engine.tools.offering import Offered
from flowrunner.events import JSON
from flowrunner.language.shapes import check_by_schema
from flowrunner.language.tools import (
    ComputerTool,
    CustomTool,
    McpTool,
    PatchTool,
    ShellTool,
    Tool,
    call_name,
)
from flowrunner.responses.items import OpenCall

MOST_CALLS = 128
"""Calls of one turn that are done; a model that asks for more is told so."""
LONGEST_ARGUMENTS = 1024 * 1024
"""Characters of the arguments of one call."""
_KEPT = 10_000

APPROVAL = "mcp_approval_request"
_TYPES: Mapping[type, str] = {
    CustomTool: "custom_tool_call",
    ComputerTool: "computer_call",
    ShellTool: "shell_call",
    PatchTool: "apply_patch_call",
}


@dataclass(frozen=True, slots=True)
class Order:
    """One call, read. `given` is what it came with, for the record; `arguments` is what the tool is
    run with: an object, a text (custom), or the actions of a computer. `not_run` and `fault` say in
    a word and in a sentence why it is not run."""

    call: OpenCall
    name: str
    tool: Tool | None = None
    given: JSON = None
    arguments: Any = field(default_factory=dict)
    not_run: str | None = None
    fault: str | None = None

    @property
    def call_id(self) -> str:
        return self.call.call_id or ""

    @property
    def changes_things(self) -> bool:
        return self.tool is not None and self.tool.changes_things

    @property
    def safety_checks(self) -> list[Mapping[str, Any]]:
        """What the API warns of (Responses API: `pending_safety_checks`)."""
        checks = self.call.item.get("pending_safety_checks")
        listed = checks if isinstance(checks, list) else []
        return [check for check in listed if isinstance(check, Mapping)]

    @property
    def needs_a_person(self) -> bool:
        """Whether somebody must agree first; what the API asks about is never agreed to here."""
        if self.not_run is not None:
            return False
        if self.call.type == APPROVAL or self.safety_checks:
            return True
        return self.tool is not None and self.tool.ask == "always"


def read_orders(calls: tuple[OpenCall, ...], offered: Offered) -> list[Order]:
    """The orders of one turn, in the order of its calls."""
    orders = [_read(call, offered) for call in calls]
    told = f"one turn may have {MOST_CALLS} calls at most; this one was not done"
    return [
        order if at < MOST_CALLS or order.not_run else _refused(order, "too-many", told)
        for at, order in enumerate(orders)
    ]


def _refused(order: Order, not_run: str, fault: str) -> Order:
    return Order(order.call, order.name, order.tool, order.given, {}, not_run, fault)


def _read(call: OpenCall, offered: Offered) -> Order:
    item = call.item
    if call.type == APPROVAL:
        label = item.get("server_label")
        name = ".".join(str(part) for part in (label, item.get("name")) if part)
        return Order(call, name, given=_shown_arguments(item.get("arguments")))
    name = call_name(item) or call.name or call.type
    tool = None if item.get("namespace") else offered.tools.get(name)
    if tool is None or call.type != _TYPES.get(type(tool.kind), "function_call"):
        return _without_tool(call, name)
    read = _READERS.get(type(tool.kind))
    return _with_object(call, name, tool, offered) if read is None else read(call, name, tool)


def _without_tool(call: OpenCall, name: str) -> Order:
    item = call.item
    given = next((item[key] for key in ("arguments", "input", "action") if key in item), None)
    order = Order(call, name, None, _shown_arguments(given))
    if call.type in ("function_call", "custom_tool_call"):
        shown = name[:100]
        return _refused(order, "undeclared", f"there is no tool `{shown}` that may be called here")
    return _refused(order, "no-executor", f"nothing here can answer a `{call.type}`")


def _with_field(key: str, call: OpenCall, name: str, tool: Tool) -> Order:
    given = call.item.get(key)
    order = Order(call, name, tool, given, given)
    if isinstance(given, Mapping):
        return order
    return _refused(order, "arguments", f"the call has no `{key}`")


def _with_actions(call: OpenCall, name: str, tool: Tool) -> Order:
    one, many = call.item.get("action"), call.item.get("actions")
    actions = many if isinstance(many, list) else [one]
    order = Order(call, name, tool, actions, actions)
    if actions and all(isinstance(action, Mapping) for action in actions):
        return order
    return _refused(order, "arguments", "the call has no `action`")


def _with_text(call: OpenCall, name: str, tool: Tool) -> Order:
    text = call.item.get("input")
    order = Order(call, name, tool, text, text)
    if not isinstance(text, str):
        return _refused(order, "arguments", "the call has no `input`")
    if len(text) > LONGEST_ARGUMENTS:
        cut = Order(call, name, tool, text[:_KEPT])
        return _refused(cut, "arguments", _too_long())
    return order


_READERS: Mapping[type, Callable[[OpenCall, str, Tool], Order]] = {
    ComputerTool: _with_actions,
    CustomTool: _with_text,
    ShellTool: partial(_with_field, "action"),
    PatchTool: partial(_with_field, "operation"),
}


def _with_object(call: OpenCall, name: str, tool: Tool, offered: Offered) -> Order:
    """Arguments as JSON in a text (Responses API: `function_call.arguments`), read strictly."""
    text = call.item.get("arguments")
    order = Order(call, name, tool, _shown_arguments(text))
    if not isinstance(text, str):
        return _refused(order, "arguments", "the call has no `arguments`")
    if len(text) > LONGEST_ARGUMENTS:
        return _refused(order, "arguments", _too_long())
    try:
        given = json_text.parse(text) if text.strip() else {}
    except json_text.NotJson as fault:
        return _refused(order, "arguments", f"the arguments are not JSON: {fault}")
    arguments, faults = tool.read_arguments(given)
    if not faults and isinstance(tool.kind, McpTool):
        faults = check_by_schema(offered.schemas.get(name, {}), given)
    order = Order(call, name, tool, given, arguments)
    if not faults:
        return order
    return _refused(order, "arguments", f"the arguments do not fit: {'; '.join(faults)}")


def _too_long() -> str:
    return f"the arguments are longer than {LONGEST_ARGUMENTS:,} characters"


def _shown_arguments(text: JSON) -> JSON:
    """What a call came with where it is not run: parsed where that is safe, else its beginning."""
    if not isinstance(text, str):
        return text
    try:
        parsed = json_text.parse(text) if len(text) <= LONGEST_ARGUMENTS else None
    except json_text.NotJson:
        parsed = None
    return parsed if isinstance(parsed, Mapping) else text[:_KEPT]


def shown(value: JSON) -> str:
    """A value as people read it in a question: JSON, so that texts and numbers are told apart."""
    return json.dumps(value, ensure_ascii=False)
