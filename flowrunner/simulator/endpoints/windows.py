"""What a response was made from, how many tokens that is, and how it is made shorter.

Items of conversations are left to `conversations`, answers to `responses`.
"""

from __future__ import annotations

from typing import Any

from flowrunner import catalog
from flowrunner.simulator.answers import usage_of
from flowrunner.simulator.backend import Backend
from flowrunner.simulator.endpoints.billing import bill
from flowrunner.simulator.envelope import Refusal, missing_parameter
from flowrunner.simulator.exchange import Exchange
from flowrunner.simulator.output.messages import compaction_item
from flowrunner.simulator.routes import Route
from flowrunner.simulator.state.attachments import check_attachments
from flowrunner.simulator.state.context import Context, gather
from flowrunner.simulator.state.items import shown
from flowrunner.simulator.state.pages import Paging, include_of, page
from flowrunner.simulator.state.sealed import check_sealed
from flowrunner.simulator.tokens import input_tokens, reasoning_tokens, text_tokens
from flowrunner.simulator.turn import Turn
from flowrunner.simulator.validation import BodyValidator, fields_of

_SHARED = ("model", "input", "instructions", "previous_response_id")
_COUNTED = BodyValidator(
    {
        **fields_of((*_SHARED, "tools", "text", "reasoning", "truncation", "conversation")),
        **fields_of(("tool_choice", "parallel_tool_calls")),
        "personality": {"type": "string"},
    }
)
_COMPACTED = BodyValidator(
    fields_of((*_SHARED, "prompt_cache_key", "prompt_cache_retention"))
    | fields_of(("prompt_cache_options", "service_tier", "image"))
)


def _list_input(backend: Backend, exchange: Exchange) -> None:
    said = backend.histories.get(exchange.ids["response_id"])
    if said is None:
        message = f"Response with id '{exchange.ids['response_id']}' not found."
        raise Refusal(message, status=404)
    query = exchange.request.query
    items = shown(said.asked, include_of(query, catalog.include_keys))
    exchange.answer(200, page(items, query, Paging()))


def _count(backend: Backend, exchange: Exchange) -> None:
    body = _COUNTED.check(exchange.body)
    context = _context(backend, exchange, body)
    tokens = context.tokens + input_tokens(body)
    exchange.answer(200, {"object": "response.input_tokens", "input_tokens": tokens})


def _compact(backend: Backend, exchange: Exchange) -> None:
    body = _COMPACTED.check(exchange.body)
    if not body.get("model"):
        raise missing_parameter("model")
    if body.get("input") is None and not body.get("previous_response_id"):
        raise missing_parameter("input")
    context = _context(backend, exchange, body)
    seed, now = backend.behaviour.seed, backend.behaviour.clock()
    item = compaction_item(Turn(body, exchange.names, seed, now, context))
    said = [one for one in context.items if one["type"] == "message" and one["role"] == "user"]
    thought = reasoning_tokens(body["model"], None)
    written = text_tokens(item["encrypted_content"])
    usage = usage_of(context.tokens + input_tokens(body), written, thought)
    tier = body.get("service_tier") or "default"
    bill(exchange, {"model": body["model"], "usage": usage, "service_tier": tier})
    exchange.response_id = f"resp_{exchange.names.hexadecimal('compaction', 48)}"
    compacted: dict[str, Any] = {
        "id": exchange.response_id,
        "object": "response.compaction",
        "created_at": int(now),
        "output": [*said, item],
        "usage": usage,
    }
    exchange.answer(200, compacted)


def _context(backend: Backend, exchange: Exchange, body: dict[str, Any]) -> Context:
    check_attachments(body, backend.files)
    context = gather(body, backend.memory, exchange.names)
    check_sealed(context.given, backend.behaviour.seed, body.get("model"))
    return context


ROUTES = (
    Route("GET", "/v1/responses/{response_id}/input_items", _list_input, "input_items"),
    Route("POST", "/v1/responses/input_tokens", _count, "input_tokens", reads="json"),
    Route("POST", "/v1/responses/compact", _compact, "compact", reads="json"),
)
