"""The reply to one call of a model, as an item of the next request: a shape of its own for each
type of call.

Pure. What is replied is left to `engine`, to which call to `items`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flowrunner.events import JSON
from flowrunner.responses.items import OpenCall

LONGEST_TEXT = 10_000_000
"""Characters of one text in a reply (Responses API: `output`, at most 10,485,760)."""

# A screenshot that shows nothing: an action that was not done leaves none, and the API takes
# nothing else as the answer to it.
_BLANK = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEA"
    "sTj2FAAAAABJRU5ErkJggg=="
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a call is replied with.

    `output` is a text, a JSON value, or with `is_parts` a list of content parts of the API. `error`
    is a sentence for the model where the call did not succeed. `acknowledged` says that a person
    accepted what the API warns of (Responses API: `pending_safety_checks`).
    """

    ok: bool
    output: JSON = None
    is_parts: bool = False
    error: str | None = None
    acknowledged: bool = False


def replies_to(call: OpenCall, given: Given) -> tuple[dict[str, JSON], ...]:
    """The items that answer a call; `unanswerable` ones have none."""
    return _REPLIES[call.type](call, given)


def _named(call: OpenCall, kind: str) -> dict[str, JSON]:
    """A reply is linked by the `call_id`, never by the id of the item."""
    return {"type": kind, "call_id": call.call_id}


def _function(call: OpenCall, given: Given) -> tuple[dict[str, JSON], ...]:
    return ({**_named(call, "function_call_output"), "output": _content(given)},)


def _custom(call: OpenCall, given: Given) -> tuple[dict[str, JSON], ...]:
    return ({**_named(call, "custom_tool_call_output"), "output": _content(given)},)


def _content(given: Given) -> JSON:
    """A text, or content parts (Responses API: `function_call_output.output`)."""
    if given.ok and given.is_parts:
        return given.output
    return _text(given)


def _text(given: Given) -> str:
    if not given.ok:
        text = f"Error: {given.error or 'the call failed'}"
    elif isinstance(given.output, str):
        text = given.output
    else:
        text = json.dumps(given.output, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode()[:LONGEST_TEXT]


def _computer(call: OpenCall, given: Given) -> tuple[dict[str, JSON], ...]:
    screenshot = _screenshot(given.output) if given.ok or given.output is not None else None
    reply = {
        **_named(call, "computer_call_output"),
        "output": {"type": "computer_screenshot", **(screenshot or {"image_url": _BLANK})},
    }
    checks = call.item.get("pending_safety_checks")
    if given.acknowledged and isinstance(checks, list) and checks:
        reply["acknowledged_safety_checks"] = [
            {name: check[name] for name in ("id", "code", "message") if name in check}
            for check in checks
            if isinstance(check, Mapping)
        ]
    if given.ok and screenshot is not None:
        return (reply,)
    # No field of the reply says that the action was not done.
    said = given.error or "it left no screenshot"
    return reply, {"role": "developer", "content": f"That action was not done: {said}"}


def _screenshot(output: JSON) -> dict[str, JSON] | None:
    """The picture in what an action gave: an object of the API, or a content part."""
    for each in output if isinstance(output, list) else [output]:
        if isinstance(each, Mapping):
            found = {name: each[name] for name in ("image_url", "file_id") if each.get(name)}
            if found:
                return found
    return None


def _shell(call: OpenCall, given: Given) -> tuple[dict[str, JSON], ...]:
    reply = {**_named(call, "shell_call_output"), "output": _chunks(given)}
    action = call.item.get("action")
    longest = action.get("max_output_length") if isinstance(action, Mapping) else None
    if longest is not None:
        reply["max_output_length"] = longest
    return (reply,)


def _chunks(given: Given) -> list[JSON]:
    """What each command wrote and how it ended (Responses API: `shell_call_output.output`)."""
    if given.ok and isinstance(given.output, list) and not given.is_parts:
        return list(given.output)
    written, error = ("", _text(given)) if not given.ok else (_text(given), "")
    outcome = {"type": "exit", "exit_code": 0 if given.ok else 1}
    return [{"stdout": written, "stderr": error, "outcome": outcome}]


def _local_shell(call: OpenCall, given: Given) -> tuple[dict[str, JSON], ...]:
    # The documents ask for the one, the service for the other: both are sent.
    reply = {**_named(call, "local_shell_call_output"), "id": call.call_id}
    chunk = _chunks(given)[0]
    return ({**reply, "output": json.dumps(chunk, ensure_ascii=False)},)


def _patch(call: OpenCall, given: Given) -> tuple[dict[str, JSON], ...]:
    status = "completed" if given.ok else "failed"
    reply = {**_named(call, "apply_patch_call_output"), "status": status}
    if given.error or given.output is not None:
        reply["output"] = _text(given)
    return (reply,)


def _tool_search(call: OpenCall, given: Given) -> tuple[dict[str, JSON], ...]:
    found = given.output if given.ok and isinstance(given.output, list) else []
    reply = {**_named(call, "tool_search_output"), "execution": "client"}
    return ({**reply, "tools": list(found)},)


def _approval(call: OpenCall, given: Given) -> tuple[dict[str, JSON], ...]:
    # It names the request for approval itself: there is no `call_id`.
    reply: dict[str, Any] = {
        "type": "mcp_approval_response",
        "approval_request_id": call.call_id,
        "approve": given.ok,
    }
    if given.error:
        reply["reason"] = given.error
    return (reply,)


_REPLIES: Mapping[str, Callable[[OpenCall, Given], tuple[dict[str, JSON], ...]]] = {
    "function_call": _function,
    "custom_tool_call": _custom,
    "computer_call": _computer,
    "shell_call": _shell,
    "local_shell_call": _local_shell,
    "apply_patch_call": _patch,
    "tool_search_call": _tool_search,
    "mcp_approval_request": _approval,
}
