"""Responses: created, which is the only thing that costs, and retrieved.

What the model answers is left to `answers`, what may be asked to `validation` and `rules`, and how
a Response is handed over, at once or by and by, to `progress`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flowrunner.simulator import answers
from flowrunner.simulator.backend import Backend
from flowrunner.simulator.background import Run
from flowrunner.simulator.endpoints.billing import bill
from flowrunner.simulator.endpoints.progress import Handover, find_stored, hand_over, resume, show
from flowrunner.simulator.endpoints.remembering import Remembering, as_shown, items_by_id
from flowrunner.simulator.envelope import Refusal, invalid_type
from flowrunner.simulator.exchange import Exchange, json_bytes
from flowrunner.simulator.faults import Effect
from flowrunner.simulator.routes import Route
from flowrunner.simulator.rules import check_together
from flowrunner.simulator.state.attachments import check_attachments
from flowrunner.simulator.state.context import check_items, gather
from flowrunner.simulator.state.sealed import check_sealed
from flowrunner.simulator.store import Stored
from flowrunner.simulator.strict import BadSchema
from flowrunner.simulator.turn import Turn


def _create(backend: Backend, exchange: Exchange) -> None:
    turn = _turn(backend, exchange)
    scripted = _script(backend, exchange.client_request_id, turn.body)
    response = _answer(turn, scripted)
    effect = _fit_effect(exchange)
    _change_answer(response, turn, effect)
    is_scripted = isinstance(scripted, dict) and "output" in scripted
    made = {} if is_scripted else items_by_id(response)
    if effect.is_paid:
        bill(exchange, response)
    answers.patch(response, effect.fields)
    exchange.response_id = response.get("id")
    memory = Remembering(backend, exchange, turn, made)
    memory.begin()

    def keep(outcome: dict[str, Any], run: Run | None) -> None:
        memory.keep(outcome, run)
        if exchange.body.get("store") is not False:
            stored = Stored(json_bytes(outcome), run, made)
            backend.store.put(str(exchange.response_id), stored)

    hand_over(backend, exchange, Handover(as_shown(response, turn.include, made), keep))


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


def _turn(backend: Backend, exchange: Exchange) -> Turn:
    """What a request asks, when the API would answer it. Raises Refusal."""
    body, behaviour = exchange.body, backend.behaviour
    backend.validator.check(body)
    check_together(body)
    check_attachments(body, backend.files)
    backend.containers.check_alive((body.get("tools") or ()), body.get("input"))
    context = gather(body, backend.memory, exchange.names)
    turn = Turn(body, exchange.names, behaviour.seed, behaviour.clock(), context)
    check_sealed(context.given, behaviour.seed, turn.model)
    check_items(context, backend.histories)
    return turn


def _answer(turn: Turn, scripted: dict[str, Any] | str | None) -> dict[str, Any]:
    try:
        return answers.build_response(turn, scripted)
    except BadSchema as fault:
        raise fault.refusal(turn.body["text"]["format"]["name"]) from fault


def _script(
    backend: Backend, request_id: str | None, body: dict[str, Any]
) -> dict[str, Any] | str | None:
    behaviour = backend.behaviour
    try:
        if behaviour.scripts is not None:
            return behaviour.scripts(request_id, body)
        return None if behaviour.replies is None else behaviour.replies(body)
    except Refusal:
        raise
    except Exception as fault:
        # The script is code of a test; its mistake must be seen by the one who wrote it.
        message = f"The scripted reply raised {type(fault).__name__}: {fault}"
        raise Refusal(message, code="server_error", status=500) from fault


def _change_answer(response: dict[str, Any], turn: Turn, effect: Effect) -> None:
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
