"""Items as the server keeps them: what a client may leave out filled in, what it did not ask left.

Which items belong together is left to `pairs`, where they come from to `context`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from flowrunner.simulator.dice import Dice

Item: TypeAlias = dict[str, Any]

_PREFIXES = {
    "apply_patch_call": "apc",
    "apply_patch_call_output": "apco",
    "code_interpreter_call": "ci",
    "compaction": "cmp",
    "computer_call": "cu",
    "computer_call_output": "cuo",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "file_search_call": "fs",
    "function_call": "fc",
    "function_call_output": "fco",
    "image_generation_call": "ig",
    "local_shell_call": "lsh",
    "local_shell_call_output": "lsho",
    "mcp_approval_request": "mcpr",
    "mcp_approval_response": "mcprr",
    "mcp_call": "mcp",
    "mcp_list_tools": "mcpl",
    "message": "msg",
    "reasoning": "rs",
    "shell_call": "sh",
    "shell_call_output": "sho",
    "tool_search_call": "tsc",
    "tool_search_output": "tso",
    "web_search_call": "ws",
}
_WITH_STATUS = frozenset(
    {"message", "function_call", "function_call_output", "custom_tool_call"}
    | {"custom_tool_call_output", "computer_call_output", "shell_call", "shell_call_output"}
    | {"tool_search_call", "tool_search_output"}
)


def item_id(kind: str, dice: Dice, place: str) -> str:
    """A new id for an item of a type, with the letters that the API begins it with."""
    return f"{_PREFIXES.get(kind, 'item')}_{dice.hexadecimal(f'{kind} {place}', 48)}"


def prefix_of(kind: str) -> str | None:
    """The letters that ids of this type of item begin with."""
    return _PREFIXES.get(kind)


def kind_of(item: Mapping[str, Any]) -> str:
    """The `type` of an item; a message may leave it out."""
    return str(item.get("type") or "message")


def kept_items(given: Any, dice: Dice, place: str = "input") -> tuple[Item, ...]:
    """The items of `input`, where a text is one message of the user."""
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    items = given if isinstance(given, list) else []
    return tuple(_kept(item, dice, f"{place} {index}") for index, item in enumerate(items))


def _kept(item: Item, dice: Dice, place: str) -> Item:
    kind = kind_of(item)
    if kind in ("item_reference", "compaction_trigger"):
        return item
    kept = {name: value for name, value in item.items() if name != "id" or value is not None}
    kept["type"] = kind
    kept.setdefault("id", item_id(kind, dice, place))
    if kind in _WITH_STATUS and kept.get("status") is None:
        kept["status"] = "completed"
    if kind == "message":
        kept["content"] = _parts(kept["content"], kept["role"])
    return kept


def _parts(content: Any, role: str) -> list[Any]:
    if isinstance(content, str):
        kind = "output_text" if role == "assistant" else "input_text"
        content = [{"type": kind, "text": content}]
    return [_part(part) for part in content]


def _part(part: dict[str, Any]) -> dict[str, Any]:
    if part.get("type") == "output_text":
        return {"annotations": [], "logprobs": [], **part}
    if part.get("type") == "input_image":
        return {"detail": "auto", **part}
    return part


def shown(items: Iterable[Item], include: Iterable[str]) -> list[Item]:
    """Items as the API shows them: without what comes only when `include` asks for it."""
    asked = frozenset(include)
    return [_shown(item, asked) for item in items]


def _shown(item: Item, include: frozenset[str]) -> Item:
    kind = item.get("type")
    if kind == "web_search_call" and isinstance(item.get("action"), dict):
        return _without_web(item, include)
    if kind == "file_search_call" and "file_search_call.results" not in include:
        return {**item, "results": None}
    if kind == "code_interpreter_call" and "code_interpreter_call.outputs" not in include:
        return {**item, "outputs": None}
    if kind == "message":
        return _without_parts(item, include)
    if kind == "computer_call_output":
        return _without_screen(item, include)
    return item


def _without_web(item: Item, include: frozenset[str]) -> Item:
    kept = dict(item)
    if "web_search_call.results" not in include:
        kept.pop("results", None)
    if "web_search_call.action.sources" not in include and "sources" in item["action"]:
        kept["action"] = {name: it for name, it in item["action"].items() if name != "sources"}
    return kept


def _without_parts(item: Item, include: frozenset[str]) -> Item:
    content = [
        _without_part(part, include) if isinstance(part, dict) else part
        for part in item.get("content") or ()
    ]
    return {**item, "content": content} if "content" in item else item


def _without_part(part: dict[str, Any], include: frozenset[str]) -> dict[str, Any]:
    if part.get("logprobs") and "message.output_text.logprobs" not in include:
        return {**part, "logprobs": []}
    if part.get("type") == "input_image" and "message.input_image.image_url" not in include:
        return {**part, "image_url": None} if "image_url" in part else part
    return part


def _without_screen(item: Item, include: frozenset[str]) -> Item:
    output = item.get("output")
    if not isinstance(output, dict) or "computer_call_output.output.image_url" in include:
        return item
    return {**item, "output": {name: it for name, it in output.items() if name != "image_url"}}


def said_items(output: Iterable[Any], dice: Dice) -> tuple[Item, ...]:
    """Items that were put out, each with the type and id that a script may have left out."""
    items = [item for item in output if isinstance(item, dict)]
    return tuple(
        {"id": item_id(kind_of(item), dice, f"said {index}"), **item, "type": kind_of(item)}
        for index, item in enumerate(items)
    )
