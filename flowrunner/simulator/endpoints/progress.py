"""Responses on their way: handed over whole, as a stream, or later; polled, resumed, cancelled.

What a Response says is left to `responses`, where one in the background stands to `background`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from flowrunner import catalog
from flowrunner.simulator.backend import Backend
from flowrunner.simulator.background import Run
from flowrunner.simulator.endpoints.remembering import as_shown
from flowrunner.simulator.envelope import Refusal, invalid_type
from flowrunner.simulator.exchange import Exchange
from flowrunner.simulator.faults import Effect
from flowrunner.simulator.routes import Route
from flowrunner.simulator.state.pages import include_of
from flowrunner.simulator.store import Stored
from flowrunner.simulator.stream import Piece, StreamFault, Telling, events_of, failed_by, pieces_of

_STREAMED_FOR_S = 300
_TOO_OLD = "This response can no longer be streamed because it is more than 5 minutes old."


@dataclass(frozen=True, slots=True)
class Handover:
    """A Response that is ready, and what stores it (with its Run where it has one)."""

    response: dict[str, Any]
    keep: Callable[[dict[str, Any], Run | None], None]


def hand_over(backend: Backend, exchange: Exchange, ready: Handover) -> None:
    """Answer with a Response in the way that its request asks for."""
    if exchange.body.get("background"):
        _hand_over_later(backend, exchange, ready)
    elif exchange.body.get("stream"):
        _hand_over_in_pieces(backend, exchange, ready)
    else:
        exchange.answer(200, ready.response)
        ready.keep(ready.response, None)


def find_stored(backend: Backend, exchange: Exchange) -> Stored:
    """The stored response that a path names. Raises Refusal where there is none."""
    stored = backend.store.get(exchange.ids["response_id"])
    if stored is None:
        raise _not_found(exchange)
    return stored


def show(backend: Backend, exchange: Exchange, stored: Stored) -> None:
    """Answer with a stored response as it is now: for one in the background, this is a poll."""
    response = json.loads(stored.content) if stored.run is None else stored.run.poll()
    if response is None:
        _forget(backend, exchange.ids["response_id"])
        raise _not_found(exchange)
    include = include_of(exchange.request.query, catalog.include_keys)
    response = as_shown(response, include, stored.made)
    if stored.run is None:
        exchange.answer(200, response)
    else:
        _answer_run(exchange, stored.run, response)


def _forget(backend: Backend, response_id: str) -> None:
    backend.store.remove(response_id)
    backend.histories.forget(response_id)


def resume(backend: Backend, exchange: Exchange, stored: Stored) -> None:
    """Stream a background response again, after the event that the client has seen last."""
    query = exchange.request.query
    run = stored.run
    if run is None or run.telling is None:
        raise Refusal(
            f"Response with id '{exchange.response_id}' cannot be streamed: it was not created "
            "with 'background' and 'stream' set to true.",
            status=404,
        )
    if run.age_s > _STREAMED_FOR_S:
        raise Refusal(_TOO_OLD)
    telling = run.telling
    if query.get("include_obfuscation") == ["false"]:
        telling = replace(telling, names=None)
    after = _starting_after(query.get("starting_after", ["-1"])[0])
    _stream_run(backend, exchange, run, _events(run.outcome, telling, after))


def _hand_over_later(backend: Backend, exchange: Exchange, ready: Handover) -> None:
    effect = exchange.effect or Effect()
    telling = Telling.of(exchange.body, exchange.names) if exchange.body.get("stream") else None
    pace = effect.pace or backend.behaviour.pace
    run = Run(_outcome(exchange, ready.response), pace, backend.behaviour.clock, telling)
    ready.keep(ready.response, run)
    run.at_end = exchange.settle_later()
    if telling is None:
        _answer_run(exchange, run, run.begin())
    else:
        told = run.outcome if pace.queued_forever else ready.response
        _stream_run(backend, exchange, run, _events(told, telling))


def _hand_over_in_pieces(backend: Backend, exchange: Exchange, ready: Handover) -> None:
    """Stream a Response that is stored when its end is told: a client that goes away ends it."""
    outcome = _outcome(exchange, ready.response)

    def keep() -> None:
        ready.keep(outcome, None)

    if exchange.effect is not None and exchange.effect.after_processing:
        keep()
    events = _events(ready.response, Telling.of(exchange.body, exchange.names))
    exchange.stream(_noticing_the_end(_pieces(backend, exchange, events), keep))


def _outcome(exchange: Exchange, response: dict[str, Any]) -> dict[str, Any]:
    """What becomes of a Response: an error that is ordered into its stream makes it fail."""
    fault = exchange.effect.stream if exchange.effect is not None else None
    if fault is None or fault.error is None:
        return response
    return failed_by(response, fault.error)


def _events(response: dict[str, Any], telling: Telling, after: int = -1) -> list[dict[str, Any]]:
    return [event for event in events_of(response, telling) if event["sequence_number"] > after]


def _stream_run(
    backend: Backend, exchange: Exchange, run: Run, events: list[dict[str, Any]]
) -> None:
    """Stream what a run tells, until its end or until it is cancelled meanwhile."""
    is_whole = run.is_cancelled
    told = _pieces(backend, exchange, events)

    def pieces() -> Iterator[Piece]:
        for piece in _noticing_the_end(told, run.finish):
            if run.is_cancelled and not is_whole:
                return
            yield piece
        if run.pace.queued_forever and not run.is_cancelled:
            yield Piece(b"", None)

    exchange.stream(pieces())


def _pieces(backend: Backend, exchange: Exchange, events: list[dict[str, Any]]) -> list[Piece]:
    """The pieces of a stream, with what its fault makes of them and of the connection."""
    fault = exchange.effect.stream if exchange.effect is not None else None
    if exchange.effect is not None and fault is not None and fault.cut is not None:
        exchange.effect = replace(exchange.effect, ending=fault.then)
    return pieces_of(events, fault or StreamFault(), backend.behaviour.event_delay_s)


def _noticing_the_end(pieces: Iterable[Piece], at_end: Callable[[], None]) -> Iterator[Piece]:
    for piece in pieces:
        if piece.ends:
            at_end()
        yield piece


def _answer_run(exchange: Exchange, run: Run, response: dict[str, Any]) -> None:
    exchange.answer(200, response)
    is_open = response.get("status") in ("queued", "in_progress")
    if is_open and run.pace.poll_after_ms is not None:
        exchange.headers = (("openai-poll-after-ms", str(run.pace.poll_after_ms)),)


def _starting_after(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise invalid_type("starting_after", ["integer"], text) from None


def _not_found(exchange: Exchange) -> Refusal:
    return Refusal(f"Response with id '{exchange.ids['response_id']}' not found.", status=404)


def _cancel(backend: Backend, exchange: Exchange) -> None:
    run = find_stored(backend, exchange).run
    if run is None:
        raise Refusal("Cannot cancel a synchronous response.", "response_id")
    exchange.answer(200, run.cancel())


def _delete(backend: Backend, exchange: Exchange) -> None:
    find_stored(backend, exchange)
    _forget(backend, exchange.ids["response_id"])
    deleted = {"id": exchange.ids["response_id"], "object": "response", "deleted": True}
    exchange.answer(200, deleted)


ROUTES = (
    Route("POST", "/v1/responses/{response_id}/cancel", _cancel, "cancel"),
    Route("DELETE", "/v1/responses/{response_id}", _delete, "delete"),
)
