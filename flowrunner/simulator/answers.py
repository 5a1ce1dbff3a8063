"""What the simulated model answers, and the Response object around it.

The same request gets the same answer under the same seed. Values of a declared shape are left to
`generate`; whether the request may be asked at all was decided before.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from flowrunner.simulator.dice import Dice, dice_for
from flowrunner.simulator.generate import generate
from flowrunner.simulator.subject import Subject
from flowrunner.simulator.tokens import (
    cut_to_tokens,
    input_tokens,
    reasoning_tokens,
    text_tokens,
)

Replies: TypeAlias = Callable[[dict[str, Any]], "dict[str, Any] | str | None"]
"""Scripted answers: from a request body to the text of the message, to fields of the Response that
replace those made here, or to None for the generator's answer. Called on the simulator's thread."""

# A stored prompt brings its own model, which nobody outside the dashboard knows.
_MODEL_OF_PROMPTS = "gpt-5.4"
# What does not change what a model is asked does not change its answer either.
_NOT_ASKED = frozenset(
    {"stream", "stream_options", "background", "background_options", "store", "include"}
    | {"metadata", "safety_identifier", "user", "service_tier", "previous_response_id"}
    | {"prompt_cache_key", "prompt_cache_retention", "prompt_cache_options"}
)
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


@dataclass(frozen=True, slots=True)
class Turn:
    """One request on its way to an answer. `names` is unique to the call and makes its ids."""

    body: dict[str, Any]
    names: Dice
    seed: int
    at: float
    earlier_tokens: int = 0

    @property
    def model(self) -> str:
        return self.body.get("model") or _MODEL_OF_PROMPTS


def build_response(turn: Turn, scripted: dict[str, Any] | str | None) -> dict[str, Any]:
    """The Response to a request that was accepted (Responses API: the Response object).

    `scripted` is what a script gave for it. Raises BadSchema where no value fits the schema of its
    structured output.
    """
    text = scripted if isinstance(scripted, str) else _text(turn)
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


def message_item(turn: Turn, content: dict[str, Any], status: str) -> dict[str, Any]:
    """A `message` item with one part."""
    item_id = f"msg_{turn.names.hexadecimal('message', 48)}"
    return {
        "id": item_id,
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": [content],
    }


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
        item["status"] = "incomplete"
        for part in item.get("content", ()):
            if "text" in part:
                part["text"] = part["text"][: len(part["text"]) // 2]


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


def _text(turn: Turn) -> str:
    subject = Subject.of(turn.body)
    text_format = (turn.body.get("text") or {}).get("format") or {"type": "text"}
    if text_format["type"] == "json_schema":
        value = generate(text_format["schema"], _asked(turn), subject)
        return json.dumps(value, ensure_ascii=False)
    if text_format["type"] == "json_object":
        return json.dumps({"simulated": True, "about": subject.quote}, ensure_ascii=False)
    about = f"It was asked: “{subject.quote}”" if subject.quote else "It was asked nothing."
    return f"[simulated] No model wrote this answer. {about}"


def _asked(turn: Turn) -> Dice:
    asked = {name: value for name, value in turn.body.items() if name not in _NOT_ASKED}
    return dice_for(turn.seed, json.dumps(asked, sort_keys=True))


def _answer(turn: Turn, text: str) -> dict[str, Any]:
    """Status, output and usage, within `max_output_tokens`, which counts reasoning too."""
    effort = (turn.body.get("reasoning") or {}).get("effort")
    thought = reasoning_tokens(turn.model, effort)
    written = text_tokens(text)
    limit = turn.body.get("max_output_tokens")
    is_whole = True
    if limit is not None and thought + written > limit:
        is_whole = False
        thought = min(thought, limit // 2)
        written = min(written, limit - thought)
        text = cut_to_tokens(text, written)
    status = "completed" if is_whole else "incomplete"
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    given = turn.earlier_tokens + input_tokens(turn.body)
    return {
        "status": status,
        "completed_at": int(turn.at) if is_whole else None,
        "incomplete_details": None if is_whole else {"reason": "max_output_tokens"},
        "output": [message_item(turn, part, status)],
        "usage": usage_of(given, written, thought),
    }


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


def _without_secrets(tool: dict[str, Any]) -> dict[str, Any]:
    # What opens an MCP server is never sent back (Responses API: tools of type mcp).
    return {name: value for name, value in tool.items() if name not in ("authorization", "headers")}
