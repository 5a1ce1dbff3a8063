"""Responses: created, which is the only thing that costs, and retrieved.

What the model answers is left to `answers`, what may be asked to `validation` and `rules`, and how
a Response is handed over, at once or by and by, to `progress`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flowrunner import catalog
from flowrunner.events import Usage
from flowrunner.simulator import answers
from flowrunner.simulator.backend import Backend
from flowrunner.simulator.background import Run
from flowrunner.simulator.endpoints.progress import Handover, find_stored, hand_over, resume, show
from flowrunner.simulator.envelope import Refusal, invalid_type
from flowrunner.simulator.exchange import Exchange, json_bytes
from flowrunner.simulator.faults import Effect
from flowrunner.simulator.routes import Route
from flowrunner.simulator.rules import check_together
from flowrunner.simulator.store import Stored
from flowrunner.simulator.strict import BadSchema


def _create(backend: Backend, exchange: Exchange) -> None:
    body = exchange.body
    try:
        backend.validator.check(body)
    except RecursionError:
        raise Refusal("Invalid body: it is nested too deeply.", code="invalid_value") from None
    check_together(body, backend.store)
    previous = backend.store.get(body.get("previous_response_id") or "")
    turn = answers.Turn(
        body=body,
        names=exchange.names,
        seed=backend.behaviour.seed,
        at=backend.behaviour.clock(),
        earlier_tokens=previous.tokens if previous else 0,
    )
    response = _answer(backend, turn)
    effect = _fit_effect(exchange)
    _change_answer(response, turn, effect)
    if effect.is_paid:
        _bill(exchange, response)
    answers.patch(response, effect.fields)
    exchange.response_id = response.get("id")

    def keep(outcome: dict[str, Any], run: Run | None) -> None:
        if body.get("store") is not False:
            _keep(backend, exchange, outcome, run)

    hand_over(backend, exchange, Handover(response, keep))


def _fit_effect(exchange: Exchange) -> Effect:
    """What strikes, without what is about ways of delivery that the request does not ask for."""
    effect = exchange.effect or Effect()
    if not exchange.body.get("stream"):
        effect = replace(effect, stream=None)
    if not exchange.body.get("background"):
        effect = replace(effect, pace=None)
    if exchange.effect is not None:
        exchange.effect = effect
    return effect


def _answer(backend: Backend, turn: answers.Turn) -> dict[str, Any]:
    scripted = _script(backend, turn.body)
    try:
        return answers.build_response(turn, scripted)
    except BadSchema as fault:
        raise fault.refusal(turn.body["text"]["format"]["name"]) from fault


def _script(backend: Backend, body: dict[str, Any]) -> dict[str, Any] | str | None:
    if backend.behaviour.replies is None:
        return None
    try:
        return backend.behaviour.replies(body)
    except Exception as fault:
        # The script is code of a test; its mistake must be seen by the one who wrote it.
        message = f"The scripted reply raised {type(fault).__name__}: {fault}"
        raise Refusal(message, code="server_error", status=500) from fault


def _keep(backend: Backend, exchange: Exchange, response: dict[str, Any], run: Run | None) -> None:
    usage = exchange.usage or Usage()
    items = response.get("output") or ()
    item_ids = tuple(str(item["id"]) for item in items if "id" in item)
    stored = Stored(json_bytes(response), usage.input + usage.output, item_ids, run)
    backend.store.put(str(exchange.response_id), stored)


def _change_answer(response: dict[str, Any], turn: answers.Turn, effect: Effect) -> None:
    if effect.refusal is not None:
        answers.refuse(response, turn, effect.refusal)
    if effect.response_status == "incomplete":
        answers.cut(response, effect.code or "max_output_tokens")
    elif effect.response_status is not None:
        answers.fail(response, effect.response_status, _failure(effect))
        if not effect.is_paid:
            response["usage"] = None


def _failure(effect: Effect) -> dict[str, Any] | None:
    if effect.response_status != "failed":
        return None
    message = "The model produced an error while it answered."
    return {"code": effect.code or "server_error", "message": message}


def _bill(exchange: Exchange, response: dict[str, Any]) -> None:
    """What the server is paid: what `usage` says, before a fault hides it from the client."""
    usage = response.get("usage")
    if usage is None:
        return
    exchange.usage = Usage(
        input=usage["input_tokens"],
        output=usage["output_tokens"],
        cached=usage.get("input_tokens_details", {}).get("cached_tokens", 0),
        cache_write=usage.get("input_tokens_details", {}).get("cache_write_tokens", 0),
        reasoning=usage.get("output_tokens_details", {}).get("reasoning_tokens", 0),
    )
    tier = response["service_tier"]
    exchange.cost_usd = catalog.cost_usd(
        response["model"], exchange.usage, service_tier=None if tier == "default" else tier
    )


def _retrieve(backend: Backend, exchange: Exchange) -> None:
    query = exchange.request.query
    include = [*query.get("include[]", ()), *query.get("include", ())]
    backend.validator.check({"include": include})
    stored = find_stored(backend, exchange)
    match query.get("stream", ["false"]):
        case ["true"]:
            resume(backend, exchange, stored)
        case ["false"]:
            show(backend, exchange, stored)
        case [text, *_]:
            raise invalid_type("stream", ["boolean"], text)


ROUTES = (
    Route("POST", "/v1/responses", _create, "create", reads="json"),
    Route("GET", "/v1/responses/{response_id}", _retrieve, "retrieve"),
)
