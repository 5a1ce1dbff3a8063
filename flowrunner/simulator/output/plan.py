"""Which of the tools of a request the simulated model uses in a turn, and whether it then speaks.

Each tool is used once for each time that the user speaks; a forced choice is obeyed every time.
What a use looks like is left to `hosted` and `calls`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from flowrunner.simulator.state.items import Item, item_id
from flowrunner.simulator.turn import Turn

Tool: TypeAlias = dict[str, Any]

_WEB_KINDS = (
    *("web_search", "web_search_2025_08_26"),
    *("web_search_preview", "web_search_preview_2025_03_11"),
)
_CALLS_OF = {
    **dict.fromkeys(_WEB_KINDS, "web_search_call"),
    "file_search": "file_search_call",
    "code_interpreter": "code_interpreter_call",
    "image_generation": "image_generation_call",
    "tool_search": "tool_search_call",
    "function": "function_call",
    "custom": "custom_tool_call",
    "computer": "computer_call",
    "computer_use_preview": "computer_call",
    "local_shell": "local_shell_call",
    "shell": "shell_call",
    "apply_patch": "apply_patch_call",
    "mcp": "mcp_call",
}
_OF_CLIENTS = frozenset(
    {"function", "custom", "computer", "computer_use_preview", "local_shell", "apply_patch"}
)


@dataclass(frozen=True, slots=True)
class Using:
    """One use of a tool in a turn; `place` tells it from the others."""

    turn: Turn
    tool: Tool
    place: int

    @property
    def about(self) -> str:
        """What it is about, which is never nothing."""
        return self.turn.subject.quote or "nothing"

    def item(self, kind: str, **fields: Any) -> Item:
        """A new item of a type that is completed."""
        name = item_id(kind, self.turn.names, str(self.place))
        return {"id": name, "type": kind, "status": "completed", **fields}

    def name(self, prefix: str, length: int) -> str:
        """A new id of another kind: of a call, a container, a file."""
        return f"{prefix}_{self.turn.names.hexadecimal(f'{prefix} {self.place}', length)}"


@dataclass(frozen=True, slots=True)
class Plan:
    """The tools that the server runs itself, and those that wait for the client's answer."""

    hosted: tuple[Tool, ...]
    calls: tuple[Tool, ...]


def plan_of(turn: Turn) -> Plan:
    """What is used in a turn."""
    choice = turn.body.get("tool_choice") or "auto"
    tools = [tool for tool in flat(turn.body.get("tools") or ()) if tool["type"] in _CALLS_OF]
    if choice == "none":
        tools = []
    chosen = list(filter(_chooser(choice), tools))
    used = [tool for tool in chosen if not _is_used(tool, turn.since_user)]
    if not used and _is_forced(choice):
        used = chosen[:1]
    hosted = [tool for tool in used if not _is_of_client(tool)]
    calls = [tool for tool in used if _is_of_client(tool)]
    if turn.body.get("parallel_tool_calls") is False:
        calls = calls[:1]
    return Plan(tuple(hosted[: turn.body.get("max_tool_calls")]), tuple(calls))


def flat(tools: Iterable[Tool]) -> Iterator[Tool]:
    """The tools, those of a namespace one by one and with its name."""
    for tool in tools:
        if tool["type"] == "namespace":
            yield from ({**inner, "namespace": tool["name"]} for inner in tool["tools"])
        else:
            yield tool


def _chooser(choice: Any) -> Callable[[Tool], bool]:
    if isinstance(choice, str):
        return lambda _: True
    if choice["type"] == "allowed_tools":
        return lambda tool: any(is_chosen(tool, entry) for entry in choice["tools"])
    return lambda tool: is_chosen(tool, choice)


def is_chosen(tool: Tool, choice: dict[str, Any]) -> bool:
    """Whether a choice such as `{type: function, name: f}` means a tool."""
    wanted, kind = choice.get("type"), tool["type"]
    same = bool(wanted == kind) or (wanted in _WEB_KINDS and kind in _WEB_KINDS)
    named = kind in ("function", "custom") and "name" in choice
    if named and choice["name"] != tool.get("name"):
        return False
    if kind == "mcp" and choice.get("server_label") not in (None, tool["server_label"]):
        return False
    return same or (wanted == "computer_use" and kind.startswith("computer"))


def _is_forced(choice: Any) -> bool:
    if isinstance(choice, str):
        return choice == "required"
    return bool(choice["type"] != "allowed_tools" or choice["mode"] == "required")


def _is_of_client(tool: Tool) -> bool:
    if tool["type"] == "shell":
        return bool((tool.get("environment") or {}).get("type") == "local")
    if tool["type"] == "tool_search":
        return bool(tool.get("execution") == "client")
    return tool["type"] in _OF_CLIENTS


def _is_used(tool: Tool, since_user: Iterable[Item]) -> bool:
    wanted = _CALLS_OF[tool["type"]]
    for item in since_user:
        if tool["type"] == "mcp":
            refused = item["type"] == "mcp_approval_response" and not item.get("approve")
            if refused or (_is_call(item, wanted) and item["server_label"] == tool["server_label"]):
                return True
        elif _is_call(item, wanted) and tool.get("name") == item.get("name"):
            return True
    return False


def _is_call(item: Item, wanted: str) -> bool:
    return bool(item["type"] == wanted)
