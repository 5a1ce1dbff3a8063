"""Calls that wait for the client's answer: of functions, custom tools, computers and shells.

Which are made is decided in `plan`; calls that the server answers itself are left to `hosted`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from flowrunner.simulator.dice import Rolls, dice_for
from flowrunner.simulator.generate import generate
from flowrunner.simulator.output.plan import Using
from flowrunner.simulator.patterns import UnknownPattern, maker_of
from flowrunner.simulator.state.items import Item
from flowrunner.simulator.strict import BadSchema

_ECHO = "echo simulated"


def call_item(using: Using) -> Item:
    """The call of one tool. Raises Refusal where no arguments fit its parameters."""
    tool = using.tool
    item = _MAKERS[tool["type"]](using)
    item["call_id"] = using.name("call", 24)
    item |= {name: tool[name] for name in ("name", "namespace") if name in tool}
    if tool.get("async"):
        item["async"] = True
    return item


def _function(using: Using) -> Item:
    try:
        arguments = _arguments(using, using.tool.get("parameters"))
    except BadSchema as fault:
        raise fault.refusal_of_function(using.tool["name"]) from fault
    return using.item("function_call", arguments=arguments)


def _arguments(using: Using, schema: Any) -> str:
    if not schema:
        return "{}"
    dice = dice_for(using.turn.asked.seed.hex(), using.place)
    value = generate({"type": "object", **schema}, dice, using.turn.subject)
    return json.dumps(value, ensure_ascii=False)


def _custom(using: Using) -> Item:
    form = using.tool.get("format") or {}
    text = f"[simulated] {using.tool['name']}: {using.about}"
    if form.get("type") == "grammar" and form.get("syntax") == "regex":
        try:
            text = maker_of(form["definition"])(Rolls(using.turn.asked, f"custom {using.place}"))
        except UnknownPattern:
            text = f"{text} (the simulator cannot keep to this grammar)"
    return using.item("custom_tool_call", input=text)


def _computer(using: Using) -> Item:
    action = {"type": "screenshot"}
    many = using.tool["type"] == "computer"
    given: dict[str, Any] = {"actions": [action]} if many else {"action": action}
    return using.item("computer_call", pending_safety_checks=[], **given)


def _local_shell(using: Using) -> Item:
    action = {"type": "exec", "command": _ECHO.split(), "env": {}, "timeout_ms": 10_000}
    return using.item("local_shell_call", action=action)


def _shell(using: Using) -> Item:
    action = {"commands": [_ECHO], "timeout_ms": 10_000, "max_output_length": 4096}
    return using.item("shell_call", action=action, environment={"type": "local"})


def _apply_patch(using: Using) -> Item:
    diff = f"+[simulated] {using.about}\n"
    operation = {"type": "create_file", "path": "simulated.txt", "diff": diff}
    return using.item("apply_patch_call", operation=operation)


def _tool_search(using: Using) -> Item:
    arguments = {"query": using.about}
    return using.item("tool_search_call", execution="client", arguments=arguments)


_MAKERS: dict[str, Callable[[Using], Item]] = {
    "function": _function,
    "custom": _custom,
    "computer": _computer,
    "computer_use_preview": _computer,
    "local_shell": _local_shell,
    "shell": _shell,
    "apply_patch": _apply_patch,
    "tool_search": _tool_search,
}
