"""The API's rules that its schema cannot say: in one field, and between fields.

Each raises the Refusal that the API would answer with. The schema itself is held by `validation`,
what a request says of things that are stored by `state`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from flowrunner.simulator import envelope
from flowrunner.simulator.envelope import Bound, Refusal
from flowrunner.simulator.output import plan
from flowrunner.simulator.strict import BadSchema, check_schema
from flowrunner.simulator.tokens import is_reasoning

_NAME = "^[a-zA-Z0-9_-]+$"
_LONGEST_NAME = 64
_MOST_PAIRS = 16
_LONGEST_KEY = 64
_LONGEST_VALUE = 512
_MCP_SERVERS = ("server_url", "connector_id", "tunnel_id")


def check_metadata(metadata: dict[str, str] | None) -> None:
    """At most 16 pairs, keys of at most 64 and values of at most 512 characters."""
    pairs = metadata or {}
    if len(pairs) > _MOST_PAIRS:
        bound = Bound("maximum", _MOST_PAIRS, len(pairs))
        raise envelope.too_many_properties("metadata", bound)
    for key, value in pairs.items():
        for text, limit in ((key, _LONGEST_KEY), (value, _LONGEST_VALUE)):
            if len(text) > limit:
                bound = Bound("maximum", limit, len(text))
                raise envelope.wrong_length(f"metadata.{key[:_LONGEST_KEY]}", "string", bound)


def check_text(text: dict[str, Any]) -> None:
    """A structured output has a plain name and a schema that the API can hold a model to."""
    wanted = text.get("format") or {}
    if wanted.get("type") != "json_schema":
        return
    _check_name(wanted["name"], "text.format.name")
    try:
        check_schema(wanted["schema"], strict=bool(wanted.get("strict")))
    except BadSchema as fault:
        raise fault.refusal(wanted["name"]) from fault


def check_tools(tools: list[dict[str, Any]]) -> None:
    """Names of functions are plain; an MCP server is reached in exactly one way."""
    for index, tool in enumerate(tools):
        if tool["type"] in ("function", "custom"):
            _check_name(tool["name"], f"tools[{index}].name")
        if tool["type"] == "mcp":
            ways = [way for way in _MCP_SERVERS if tool.get(way)]
            if len(ways) != 1:
                raise Refusal(
                    "Exactly one of 'server_url', 'connector_id', or 'tunnel_id' must be provided "
                    f"for an MCP tool, but got {len(ways)}.",
                    f"tools[{index}].{ways[1] if ways else 'server_url'}",
                    "mutually_exclusive_parameters" if ways else "missing_required_parameter",
                )


FIELD_RULES: dict[str, Callable[[Any], None]] = {
    "metadata": check_metadata,
    "text": check_text,
    "tools": check_tools,
}
"""Rules about the value of one field, after the schema accepted it."""


def check_together(body: dict[str, Any]) -> None:
    """Raise Refusal where fields contradict one another."""
    for rule in (_check_delivery, _check_model, _check_input, _check_json_word, _check_choice):
        rule(body)
    for rule in (_check_functions, _check_sealed):
        rule(body)


def _check_delivery(body: dict[str, Any]) -> None:
    """What belongs to streams is for streams only, and so for the background."""
    if body.get("stream_options") and not body.get("stream"):
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise Refusal(message, "stream_options")
    if not body.get("background"):
        if body.get("background_options"):
            message = (
                "The 'background_options' parameter is only allowed when 'background' is true."
            )
            raise Refusal(message, "background_options")
        return
    if body.get("store") is False:
        message = "Background responses must be stored: 'store' cannot be false when 'background' "
        raise Refusal(f"{message}is true.", "store", "invalid_value")
    _check_window(body)


def _check_window(body: dict[str, Any]) -> None:
    """Discounted windows are neither streamed nor of another tier (Responses API: 2h, 8h)."""
    window = (body.get("background_options") or {}).get("completion_window") or "soonest"
    if window == "soonest":
        return
    param = "background_options.completion_window"
    if body.get("stream"):
        message = f"A completion window of '{window}' cannot be combined with 'stream'."
        raise Refusal(message, param, "invalid_value")
    if (body.get("service_tier") or "auto") not in ("auto", "default"):
        message = f"A completion window of '{window}' needs the standard service tier."
        raise Refusal(message, param, "invalid_value")


def _check_model(body: dict[str, Any]) -> None:
    if not body.get("model") and not body.get("prompt"):
        raise envelope.missing_parameter("model")


def _check_input(body: dict[str, Any]) -> None:
    if body.get("previous_response_id") and body.get("conversation"):
        message = "Mutually exclusive parameters. Ensure you are only providing one of: "
        message += "'previous_response_id' or 'conversation'."
        raise Refusal(message, "previous_response_id", "mutually_exclusive_parameters")
    if body.get("input") is None and not body.get("prompt"):
        if body.get("previous_response_id") or body.get("conversation"):
            return
        message = 'One of "input" or "previous_response_id" or "prompt" or "conversation" '
        raise Refusal(f"{message}must be provided.", "input", "missing_required_parameter")


def _check_json_word(body: dict[str, Any]) -> None:
    text_format = (body.get("text") or {}).get("format") or {}
    if text_format.get("type") != "json_object":
        return
    if "json" not in json.dumps([body.get("input"), body.get("instructions")]).lower():
        message = "Response input messages must contain the word 'json' in some form to use "
        raise Refusal(f"{message}'text.format' of type 'json_object'.", "input")


def _check_choice(body: dict[str, Any]) -> None:
    choice, tools = body.get("tool_choice"), body.get("tools") or []
    if choice == "required" and not tools:
        message = "Tool choice 'required' must be specified with 'tools' parameter."
        raise Refusal(message, "tool_choice", "invalid_value")
    if not isinstance(choice, dict):
        return
    wanted = choice["tools"] if choice["type"] == "allowed_tools" else [choice]
    there = list(plan.flat(tools))
    for one in wanted:
        if not any(plan.is_chosen(tool, one) for tool in there):
            name = one.get("name") or one.get("server_label") or one.get("type")
            message = f"Tool choice '{name}' not found in 'tools' parameter."
            raise Refusal(message, "tool_choice", "invalid_value")


def _check_functions(body: dict[str, Any]) -> None:
    """The parameters of a strict function are those that the API can hold a model to."""
    for tool in plan.flat(body.get("tools") or ()):
        if tool["type"] != "function" or not tool.get("strict") or not tool.get("parameters"):
            continue
        try:
            check_schema(tool["parameters"], strict=True)
        except BadSchema as fault:
            raise fault.refusal_of_function(tool["name"]) from fault


def _check_sealed(body: dict[str, Any]) -> None:
    asked = "reasoning.encrypted_content" in (body.get("include") or ())
    if asked and not is_reasoning(body.get("model") or ""):
        message = "Encrypted content is not supported with this model."
        raise Refusal(message, "include", "invalid_value")


def _check_name(name: str, param: str) -> None:
    if len(name) > _LONGEST_NAME:
        bound = Bound("maximum", _LONGEST_NAME, len(name))
        raise envelope.wrong_length(param, "string", bound)
    if not re.fullmatch(_NAME, name):
        raise envelope.wrong_pattern(param, _NAME)
