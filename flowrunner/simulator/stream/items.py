"""The events that tell of one output item, from the moment it is added until it is done.

Lists of events before them, numbers and obfuscation are left to `events`. An item is added without
what its events will bring; what they bring adds up to the item as it is in the Response.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Event: TypeAlias = dict[str, Any]
Item: TypeAlias = Mapping[str, Any]

# A piece is about a token; a long text comes in longer pieces.
_PIECE = re.compile(r"\s?\S{1,8}|\s")
_MOST_PIECES = 200


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item stands: what all events of an item say."""

    output_index: int
    item_id: str
    partial_images: int = 0

    def event(self, name: str, /, **fields: Any) -> Event:
        """An event of this item."""
        where = {"output_index": self.output_index, "item_id": self.item_id}
        return {"type": f"response.{name}", **where, **fields}


Telling: TypeAlias = Callable[[Place, Item], Iterator[Event]]
"""The events between the addition of an item of one type and its end."""


def item_events(place: Place, item: Item) -> Iterator[Event]:
    """All events of an item (Responses API: streaming events)."""
    kind = str(item.get("type"))
    index = place.output_index
    added = {**item, **_opening(item)}
    yield {"type": "response.output_item.added", "output_index": index, "item": added}
    yield from _TELLINGS.get(kind, _nothing)(place, item)
    yield {"type": "response.output_item.done", "output_index": index, "item": dict(item)}


def pieces(text: str) -> list[str]:
    """A text in the pieces that its deltas bring."""
    found = _PIECE.findall(text[: 10 * _MOST_PIECES])
    if len(text) <= 10 * _MOST_PIECES and len(found) <= _MOST_PIECES:
        return found
    size = -(-len(text) // _MOST_PIECES)
    return [text[start : start + size] for start in range(0, len(text), size)]


_EMPTY: Mapping[str, Any] = {
    "arguments": "",
    "input": "",
    "code": "",
    "content": [],
    "summary": [],
    "results": None,
    "outputs": None,
    "result": None,
    "output": None,
    "error": None,
}
_OPENS_WITHOUT: Mapping[str, tuple[str, ...]] = {
    "message": ("content",),
    "reasoning": ("summary", "content"),
    "function_call": ("arguments",),
    "custom_tool_call": ("input",),
    "mcp_call": ("arguments", "output", "error"),
    "code_interpreter_call": ("code", "outputs"),
    "file_search_call": ("results",),
    "image_generation_call": ("result",),
}
# Results of the server are never seen before they are done.
_NEVER_OPEN = frozenset({"program_output", "tool_search_output", "apply_patch_call_output"})


def _opening(item: Item) -> dict[str, Any]:
    """What an item has in place of what its events will bring."""
    kind = str(item.get("type"))
    opening = {name: _EMPTY[name] for name in _OPENS_WITHOUT.get(kind, ()) if name in item}
    if "status" in item and kind not in _NEVER_OPEN:
        opening["status"] = "in_progress"
    if kind == "shell_call" and "commands" in item.get("action", ()):
        opening["action"] = {**item["action"], "commands": []}
    if kind == "shell_call_output":
        opening["output"] = []
    if kind == "mcp_list_tools":
        opening |= {"tools": []} | ({"error": None} if "error" in item else {})
    if kind == "reasoning" and item.get("encrypted_content"):
        # Only that of the finished item is whole (Responses API: ReasoningItem.encrypted_content).
        opening["encrypted_content"] = item["encrypted_content"][:16]
    return opening


def _nothing(_: Place, __: Item) -> Iterator[Event]:
    yield from ()


def _message(place: Place, item: Item) -> Iterator[Event]:
    for index, part in enumerate(item.get("content") or ()):
        yield from _part(place, index, part)


def _part(place: Place, index: int, part: Item) -> Iterator[Event]:
    field = "refusal" if part.get("type") == "refusal" else "text"
    name = {"refusal": "refusal", "reasoning_text": "reasoning_text"}.get(
        str(part.get("type")), "output_text"
    )
    empty = {**part, field: ""} | ({"annotations": []} if "annotations" in part else {})
    if "logprobs" in part:
        empty["logprobs"] = []
    yield place.event("content_part.added", content_index=index, part=empty)
    plain: dict[str, Any] = {"logprobs": []} if name == "output_text" else {}
    for piece in pieces(part.get(field, "")):
        yield place.event(f"{name}.delta", content_index=index, delta=piece, **plain)
    for number, annotation in enumerate(part.get("annotations") or ()):
        yield place.event(
            "output_text.annotation.added",
            content_index=index,
            annotation_index=number,
            annotation=annotation,
        )
    whole = {"logprobs": part.get("logprobs") or []} if name == "output_text" else {}
    text = {field: part.get(field, "")}
    yield place.event(f"{name}.done", content_index=index, **text, **whole)
    yield place.event("content_part.done", content_index=index, part=dict(part))


def _reasoning(place: Place, item: Item) -> Iterator[Event]:
    for index, part in enumerate(item.get("summary") or ()):
        empty = {**part, "text": ""}
        yield place.event("reasoning_summary_part.added", summary_index=index, part=empty)
        for piece in pieces(part["text"]):
            yield place.event("reasoning_summary_text.delta", summary_index=index, delta=piece)
        yield place.event("reasoning_summary_text.done", summary_index=index, text=part["text"])
        yield place.event("reasoning_summary_part.done", summary_index=index, part=dict(part))
    for index, part in enumerate(item.get("content") or ()):
        yield from _part(place, index, part)


def _spoken(name: str, field: str) -> Telling:
    """Of an item whose text in one field is written piece by piece."""

    def tell(place: Place, item: Item) -> Iterator[Event]:
        text = str(item.get(field) or "")
        for piece in pieces(text):
            yield place.event(f"{name}.delta", delta=piece)
        named = {"name": item.get("name", "")} if name.startswith("function_call") else {}
        yield place.event(f"{name}.done", **{field: text}, **named)

    return tell


def _steps(*names: str) -> Telling:
    """Of an item that only goes from one state to the next."""

    def tell(place: Place, _: Item) -> Iterator[Event]:
        for name in names:
            yield place.event(name)

    return tell


def _mcp_call(place: Place, item: Item) -> Iterator[Event]:
    yield place.event("mcp_call.in_progress")
    yield from _spoken("mcp_call_arguments", "arguments")(place, item)
    yield place.event("mcp_call.failed" if item.get("error") else "mcp_call.completed")


def _mcp_list_tools(place: Place, item: Item) -> Iterator[Event]:
    yield place.event("mcp_list_tools.in_progress")
    end = "failed" if item.get("error") else "completed"
    yield place.event(f"mcp_list_tools.{end}")


def _code_interpreter(place: Place, item: Item) -> Iterator[Event]:
    yield place.event("code_interpreter_call.in_progress")
    yield from _spoken("code_interpreter_call_code", "code")(place, item)
    yield place.event("code_interpreter_call.interpreting")
    yield place.event("code_interpreter_call.completed")


def _image_generation(place: Place, item: Item) -> Iterator[Event]:
    yield place.event("image_generation_call.in_progress")
    yield place.event("image_generation_call.generating")
    told = ("size", "quality", "background", "output_format")
    fields = {name: item[name] for name in told if isinstance(item.get(name), str)}
    for index in range(place.partial_images if item.get("result") else 0):
        yield place.event(
            "image_generation_call.partial_image",
            partial_image_index=index,
            partial_image_b64=item["result"],
            **fields,
        )
    yield place.event("image_generation_call.completed")


def _shell_call(place: Place, item: Item) -> Iterator[Event]:
    where = {"output_index": place.output_index}
    for index, command in enumerate((item.get("action") or {}).get("commands") or ()):
        of = {**where, "command_index": index}
        yield {"type": "response.shell_call_command.added", **of, "command": ""}
        for piece in pieces(command):
            yield {"type": "response.shell_call_command.delta", **of, "delta": piece}
        yield {"type": "response.shell_call_command.done", **of, "command": command}


def _shell_call_output(place: Place, item: Item) -> Iterator[Event]:
    for index, part in enumerate(item.get("output") or ()):
        delta = {name: part[name] for name in ("stdout", "stderr") if part.get(name)}
        yield place.event("shell_call_output_content.delta", command_index=index, delta=delta)
        yield place.event("shell_call_output_content.done", command_index=index, output=[part])


_TELLINGS: dict[str, Telling] = {
    "message": _message,
    "reasoning": _reasoning,
    "function_call": _spoken("function_call_arguments", "arguments"),
    "custom_tool_call": _spoken("custom_tool_call_input", "input"),
    "mcp_call": _mcp_call,
    "mcp_list_tools": _mcp_list_tools,
    "web_search_call": _steps(
        "web_search_call.in_progress", "web_search_call.searching", "web_search_call.completed"
    ),
    "file_search_call": _steps(
        "file_search_call.in_progress", "file_search_call.searching", "file_search_call.completed"
    ),
    "code_interpreter_call": _code_interpreter,
    "image_generation_call": _image_generation,
    "shell_call": _shell_call,
    "shell_call_output": _shell_call_output,
    "compaction": _steps("compaction.compacting"),
}
