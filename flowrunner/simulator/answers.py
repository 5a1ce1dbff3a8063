"""What the simulated model answers, and the Response object around it.

The same request gets the same answer under the same seed. Values of a declared shape are left to
`generate`; whether the request may be asked at all was decided before.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from flowrunner.simulator.output import make_output, message_item, tool_usage
from flowrunner.simulator.tokens import input_tokens, text_tokens
from flowrunner.simulator.turn import Turn

Replies: TypeAlias = Callable[[dict[str, Any]], "dict[str, Any] | str | None"]
"""Scripted answers: from a request body to the text of the message, to fields of the Response that
replace those made here, or to None for the generator's answer. Called on the simulator's thread."""

# What the server's tools did is done, wherever the text after it ends.
_ALWAYS_WHOLE = frozenset(
    {"reasoning", "compaction", "image_generation_call", "mcp_list_tools", "mcp_approval_request"}
)
_MODERATED = ("harassment", "hate", "illicit", "self-harm", "sexual", "violence")
_ECHOED: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "temperature": 1.0,
    "tool_choice": "auto",
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
    "metadata": {},
}

Scripts: TypeAlias = Callable[[str | None, dict[str, Any]], "dict[str, Any] | str | None"]
"""The same, told of the client request id too. It may raise Refusal."""


def build_response(turn: Turn, scripted: dict[str, Any] | str | None) -> dict[str, Any]:
    """The Response to a request that was accepted (Responses API: the Response object).

    `scripted` is what a script gave for it. Raises BadSchema where no value fits the schema of its
    structured output.
    """
    text = scripted if isinstance(scripted, str) else None
    response = _frame(turn) | _answer(turn, text)
    if isinstance(scripted, dict):
        patch(response, scripted)
    return response


def patch(response: dict[str, Any], fields: Mapping[str, Any]) -> None:
    """Replace fields of a Response; output that is replaced is counted again."""
    response.update(fields)
    if "output" in fields and "usage" not in fields and response["usage"] is not None:
        written = text_tokens(json.dumps(response["output"], ensure_ascii=False))
        response["usage"] = usage_of(response["usage"]["input_tokens"], written, 0)


def refuse(response: dict[str, Any], turn: Turn, text: str) -> None:
    """Turn a Response into one that refuses: completed, without any text of the model."""
    part = {"type": "refusal", "refusal": text}
    patch(response, {"output": [message_item(turn, part, "completed")]})


def cut(response: dict[str, Any], reason: str) -> None:
    """Turn a Response into one that ended before its text did."""
    response |= {
        "status": "incomplete",
        "completed_at": None,
        "incomplete_details": {"reason": reason},
    }
    for item in response["output"]:
        if item.get("type") not in _ALWAYS_WHOLE:
            item["status"] = "incomplete"
        for part in item.get("content", ()):
            if "text" in part:
                part["text"] = part["text"][: len(part["text"]) // 2]
                part.update((name, []) for name in ("annotations", "logprobs") if name in part)


def fail(response: dict[str, Any], status: str, error: dict[str, Any] | None) -> None:
    """Turn a Response into one without an answer: failed, cancelled or not yet begun."""
    response |= {"status": status, "completed_at": None, "error": error, "output": []}


def usage_of(given: int, written: int, thought: int) -> dict[str, Any]:
    """`usage`: what was read, what was written, and what was thought before that."""
    return {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": written + thought,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": given + written + thought,
    }


def _answer(turn: Turn, text: str | None) -> dict[str, Any]:
    """Status, output and usage, within `max_output_tokens`, which counts reasoning too."""
    made = make_output(turn, text)
    given = turn.context.tokens + input_tokens(turn.body)
    answer = {
        "status": "completed" if made.is_whole else "incomplete",
        "completed_at": int(turn.at) if made.is_whole else None,
        "incomplete_details": None if made.is_whole else {"reason": "max_output_tokens"},
        "output": list(made.items),
        "usage": usage_of(given, made.written, made.thought),
    }
    if turn.body.get("tools"):
        answer["tool_usage"] = tool_usage(made.items)
    return answer


def _frame(turn: Turn) -> dict[str, Any]:
    body = turn.body
    given = {name: value for name, value in body.items() if value is not None}
    reasoning = given.get("reasoning", {})
    text = given.get("text", {})
    tier = given.get("service_tier", "auto")
    return {
        "id": f"resp_{turn.names.hexadecimal('response', 48)}",
        "object": "response",
        "created_at": int(turn.at),
        **_moderation(turn),
        "conversation": {"id": turn.context.conversation.id} if turn.context.conversation else None,
        "background": bool(given.get("background")),
        "error": None,
        "model": turn.model,
        **{name: given.get(name, usual) for name, usual in _ECHOED.items()},
        "reasoning": {"effort": None, "summary": None, **reasoning},
        "service_tier": "default" if tier == "auto" else tier,
        "store": given.get("store", True),
        "text": {"format": {"type": "text"}, "verbosity": "medium", **text},
        "tools": [_without_secrets(tool) for tool in given.get("tools", ())],
    }


def _moderation(turn: Turn) -> dict[str, Any]:
    """What a moderation model found, when one is asked: nothing, of every category."""
    asked = turn.body.get("moderation")
    if not asked:
        return {}
    result = {
        "type": "moderation_result",
        "model": asked["model"],
        "flagged": False,
        "categories": dict.fromkeys(_MODERATED, False),
        "category_scores": dict.fromkeys(_MODERATED, 0.0),
        "category_applied_input_types": {name: ["text"] for name in _MODERATED},
    }
    return {"moderation": {"input": result, "output": result}}


def _without_secrets(tool: dict[str, Any]) -> dict[str, Any]:
    # What opens an MCP server is never sent back (Responses API: tools of type mcp).
    return {name: value for name, value in tool.items() if name not in ("authorization", "headers")}
