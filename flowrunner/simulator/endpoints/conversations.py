"""Conversations and their items: made, shown, changed, removed.

How a response uses one is left to `state.context`.
"""

from __future__ import annotations

from typing import Any

from flowrunner import catalog
from flowrunner.simulator.backend import Backend
from flowrunner.simulator.envelope import Refusal, missing_parameter
from flowrunner.simulator.exchange import Exchange
from flowrunner.simulator.routes import Route
from flowrunner.simulator.state.context import gather_items
from flowrunner.simulator.state.conversations import Conversation
from flowrunner.simulator.state.items import Item, shown
from flowrunner.simulator.state.pages import Paging, include_of, page
from flowrunner.simulator.validation import BodyValidator, fields_of

_ITEMS = {"type": "array", "items": {"$ref": "#/$defs/InputItem"}, "maxItems": 20}
_CREATED = BodyValidator(
    {**fields_of(["metadata"]), "items": {"anyOf": [_ITEMS, {"type": "null"}]}}
)
_CHANGED = BodyValidator(fields_of(["metadata"]))
_ADDED = BodyValidator({"items": _ITEMS})


def _create(backend: Backend, exchange: Exchange) -> None:
    body = _CREATED.check(exchange.body)
    conversation = Conversation(
        id=f"conv_{exchange.names.hexadecimal('conversation', 48)}",
        created_at=int(backend.behaviour.clock()),
        metadata=body.get("metadata") or {},
    )
    _add(backend, exchange, conversation, body.get("items") or [])
    backend.conversations.add(conversation)
    exchange.answer(200, conversation.resource())


def _retrieve(backend: Backend, exchange: Exchange) -> None:
    exchange.answer(200, _named(backend, exchange).resource())


def _update(backend: Backend, exchange: Exchange) -> None:
    conversation = _named(backend, exchange)
    body = _CHANGED.check(exchange.body)
    if "metadata" not in body:
        raise missing_parameter("metadata")
    conversation.metadata = body["metadata"] or {}
    exchange.answer(200, conversation.resource())


def _delete(backend: Backend, exchange: Exchange) -> None:
    conversation = _named(backend, exchange)
    conversation.check_free()
    backend.conversations.remove(conversation.id)
    deleted = {"id": conversation.id, "object": "conversation.deleted", "deleted": True}
    exchange.answer(200, deleted)


def _add_items(backend: Backend, exchange: Exchange) -> None:
    conversation = _named(backend, exchange)
    body = _ADDED.check(exchange.body)
    if "items" not in body:
        raise missing_parameter("items")
    conversation.check_free()
    added = _add(backend, exchange, conversation, body["items"])
    data = shown(added, include_of(exchange.request.query, catalog.include_keys))
    paging = Paging(limit=len(data) or 1, order="asc")
    exchange.answer(200, page(data, {}, paging))


def _list_items(backend: Backend, exchange: Exchange) -> None:
    conversation = _named(backend, exchange)
    query = exchange.request.query
    items = shown(conversation.items, include_of(query, catalog.include_keys))
    exchange.answer(200, page(items, query, Paging()))


def _retrieve_item(backend: Backend, exchange: Exchange) -> None:
    conversation = _named(backend, exchange)
    item = _item(conversation, exchange.ids["item_id"])
    include = include_of(exchange.request.query, catalog.include_keys)
    exchange.answer(200, shown([item], include)[0])


def _delete_item(backend: Backend, exchange: Exchange) -> None:
    conversation = _named(backend, exchange)
    conversation.items.remove(_item(conversation, exchange.ids["item_id"]))
    exchange.answer(200, conversation.resource())


def _named(backend: Backend, exchange: Exchange) -> Conversation:
    return backend.conversations.get(exchange.ids["conversation_id"])


def _item(conversation: Conversation, name: str) -> Item:
    for item in conversation.items:
        if item["id"] == name:
            return item
    message = f"Item with id '{name}' not found in conversation '{conversation.id}'."
    raise Refusal(message, status=404)


def _add(
    backend: Backend, exchange: Exchange, conversation: Conversation, given: list[Any]
) -> tuple[Item, ...]:
    items = gather_items(given, conversation, backend.histories, exchange.names)
    conversation.items.extend(items)
    backend.histories.keep_items(items)
    return items


_ONE = "/v1/conversations/{conversation_id}"
ROUTES = (
    Route("POST", "/v1/conversations", _create, "conversations", reads="json"),
    Route("GET", _ONE, _retrieve, "conversations"),
    Route("POST", _ONE, _update, "conversations", reads="json"),
    Route("DELETE", _ONE, _delete, "conversations"),
    Route("POST", f"{_ONE}/items", _add_items, "conversations", reads="json"),
    Route("GET", f"{_ONE}/items", _list_items, "conversations"),
    Route("GET", f"{_ONE}/items/{{item_id}}", _retrieve_item, "conversations"),
    Route("DELETE", f"{_ONE}/items/{{item_id}}", _delete_item, "conversations"),
)
