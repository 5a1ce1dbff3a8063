"""Which items belong together: a call and its output, reasoning and what followed from it.

Each rule raises the Refusal that the API answers with. Where items come from is left to `context`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flowrunner.simulator.envelope import Refusal
from flowrunner.simulator.state.items import Item, kind_of, prefix_of

_REPLIES = {
    "function_call": "function_call_output",
    "custom_tool_call": "custom_tool_call_output",
    "computer_call": "computer_call_output",
    "shell_call": "shell_call_output",
    "apply_patch_call": "apply_patch_call_output",
    "local_shell_call": "local_shell_call_output",
    "tool_search_call": "tool_search_output",
}
_CALLS = {reply: call for call, reply in _REPLIES.items()}
_WITH_KNOWN_IDS = ("message", "function_call", "reasoning")
_NOT_MADE_BY_MODELS = frozenset(_CALLS) | {"mcp_approval_response", "configuration_update"}


def check_ids(given: Sequence[Item]) -> None:
    """An item's id begins as those of its type do: a `call_…` is no id of an item."""
    for index, item in enumerate(given):
        kind, name = kind_of(item), item.get("id")
        prefix = prefix_of(kind)
        if kind in _WITH_KNOWN_IDS and name is not None and not name.startswith(str(prefix)):
            message = f"Invalid 'input[{index}].id': '{name}'. "
            message += f"Expected an ID that begins with '{prefix}'."
            raise Refusal(message, f"input[{index}].id", "invalid_value")


def check_duplicates(items: Sequence[Item]) -> None:
    """No item is there twice, also not once in the conversation and once in the input."""
    seen: set[str] = set()
    for item in items:
        if item["id"] in seen:
            message = f"Duplicate item found with id {item['id']}. "
            raise _wrong(f"{message}Remove duplicate items from your input and try again.")
        seen.add(item["id"])


def check_calls(items: Sequence[Item]) -> None:
    """Each call that the client is to answer is answered, and each answer has its call."""
    calls = {
        (item["type"], item.get("call_id")): item for item in items if item["type"] in _REPLIES
    }
    answered = set()
    for item in items:
        call = _CALLS.get(item["type"])
        if call is None or _is_hosted(item):
            continue
        key = (call, item.get("call_id") or item["id"])
        if key not in calls:
            message = f"No tool call found for {_spoken(call)} output with call_id {key[1]}."
            raise _wrong(message)
        _check_acknowledged(calls[key], item)
        answered.add(key)
    for key, item in calls.items():
        if key not in answered and not _is_hosted(item) and not item.get("async"):
            raise _wrong(f"No tool output found for {_spoken(key[0])} {key[1]}.")


def check_reasoning(
    items: Sequence[Item], given: int, reasoning_of: Callable[[str], str | None]
) -> None:
    """In the last `given` items, reasoning stands before what followed from it, and that after it.

    `reasoning_of` names the reasoning that a known item came from.
    """
    ids = {item["id"] for item in items}
    first = len(items) - given
    for place, item in enumerate(items[first:], first):
        if item["type"] == "reasoning":
            follower = items[place + 1] if place + 1 < len(items) else None
            if follower is None or not _is_made(follower):
                message = f"Item '{item['id']}' of type 'reasoning' was provided without its "
                raise _wrong(f"{message}required following item.")
            continue
        reasoning = reasoning_of(item["id"])
        before = items[place - 1] if place else None
        if reasoning and reasoning not in ids and (before is None or before["type"] != "reasoning"):
            message = f"Item '{item['id']}' of type '{item['type']}' was provided without its "
            raise _wrong(f"{message}required 'reasoning' item: '{reasoning}'.")


def since_compaction(items: Sequence[Item]) -> Sequence[Item]:
    """The items from the latest compaction on: what was before it is settled."""
    for place in range(len(items) - 1, -1, -1):
        if items[place]["type"] == "compaction":
            return items[place:]
    return items


def _is_made(item: Item) -> bool:
    if item["type"] == "message":
        return bool(item.get("role") == "assistant")
    return item["type"] not in _NOT_MADE_BY_MODELS


def _is_hosted(item: Item) -> bool:
    """Whether the server itself answers a call that a client may have to answer elsewhere."""
    if item["type"] in ("tool_search_call", "tool_search_output"):
        return item.get("execution") != "client"
    return (item.get("environment") or {}).get("type") == "container_reference"


def _check_acknowledged(call: Item, reply: Item) -> None:
    pending = {check["id"] for check in call.get("pending_safety_checks") or ()}
    accepted = {check["id"] for check in reply.get("acknowledged_safety_checks") or ()}
    if pending - accepted:
        named = ", ".join(sorted(pending - accepted))
        message = f"Computer call {call['call_id']} has unacknowledged safety check(s): {named}."
        raise _wrong(message)


def _spoken(call: str) -> str:
    return call.replace("_", " ")


def _wrong(message: str) -> Refusal:
    return Refusal(message, "input")
