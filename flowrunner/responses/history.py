"""What was said before, as items that can be sent again: whole, in order, from the last compaction.

Pure. From which response a step goes on, and whether the server keeps it, is left to `engine`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowrunner.events import JSON

_NAMED_BY_CALL = frozenset(
    {"message", "reasoning", "compaction", "function_call", "custom_tool_call"}
    | {"shell_call", "shell_call_output", "apply_patch_call", "apply_patch_call_output"}
    | {"tool_search_call", "tool_search_output", "function_call_output"}
    | {"custom_tool_call_output", "additional_tools", "configuration_update"}
)
"""Items that the API takes without their `id`: what answers them names a `call_id`, or nothing."""


def as_items(asked: JSON) -> list[JSON]:
    """The items of an `input`: a text is one message of the user (Responses API: `input`)."""
    if isinstance(asked, list):
        return list(asked)
    return [] if asked is None else [{"role": "user", "content": asked}]


def replayed(response: Mapping[str, JSON]) -> list[JSON]:
    """All output items of a response that is not stored, as the next request sends them again.

    Nothing is left out or moved: reasoning stands in front of what it led to, empty lists stay, and
    so does what this version does not know. Only ids go that the API would look up among stored
    items, and not find ("Items are not persisted when `store` is set to false").
    """
    output = response.get("output")
    return [_without_id(item) for item in output] if isinstance(output, list) else []


def _without_id(item: JSON) -> JSON:
    if not isinstance(item, Mapping) or item.get("type") not in _NAMED_BY_CALL:
        return item
    return {key: value for key, value in item.items() if key != "id"}


def since_compaction(items: Sequence[JSON]) -> list[JSON]:
    """The items from the latest compaction on, which stands for all before it."""
    kinds = [item.get("type") if isinstance(item, Mapping) else None for item in items]
    last = max((at for at, kind in enumerate(kinds) if kind == "compaction"), default=0)
    return list(items[last:])


def without_reasoning(items: Sequence[JSON]) -> list[JSON]:
    """The items without reasoning, whose encrypted content the server cannot read."""
    return [item for item in items if not is_reasoning(item)]


def without_code(items: Sequence[JSON]) -> list[JSON]:
    """The items without code that ran in a container, and without the reasoning that led to it,
    which may not stand alone. What was said of it stays."""
    kept: list[JSON] = []
    for item in items:
        if not is_code(item):
            kept.append(item)
        elif kept and is_reasoning(kept[-1]):
            kept.pop()
    return kept


def is_code(item: JSON) -> bool:
    """Whether an item is code that ran in a container (Responses API: `code_interpreter_call`)."""
    return isinstance(item, Mapping) and item.get("type") == "code_interpreter_call"


def is_reasoning(item: JSON) -> bool:
    """Whether an item is what a model thought (Responses API: `reasoning`)."""
    return isinstance(item, Mapping) and item.get("type") == "reasoning"
