"""The API without its socket: a request in, what is to be delivered out, and the way in between.

Every request goes the same way: to its route, past the faults and the key, to its endpoint, into
the ledger. What an endpoint does is left to `endpoints`, bytes and sockets to `connection`.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, NoReturn

from flowrunner.simulator.backend import Backend, Behaviour
from flowrunner.simulator.dice import Dice, dice_for
from flowrunner.simulator.endpoints import ROUTES
from flowrunner.simulator.envelope import Refusal, invalid_type
from flowrunner.simulator.exchange import Delivery, Exchange, Reply, Request
from flowrunner.simulator.faults import Effect, FaultPlan, Incoming, Striking, error_of
from flowrunner.simulator.ledger import Call, Ledger
from flowrunner.simulator.rates import RateLimits
from flowrunner.simulator.routes import Route, find_way

_NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header "
    "using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
)
_NO_JSON = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using "
    "your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not "
    "valid JSON.)"
)
_STREAMING = frozenset({"stream", "stream_options"})


class Api:
    """The API of one simulator. Not for several threads at once; the ledger is."""

    def __init__(self, behaviour: Behaviour, ledger: Ledger) -> None:
        self._behaviour = behaviour
        self._ledger = ledger
        self._backend = Backend(behaviour)
        self._striking = Striking(behaviour.faults or FaultPlan(), behaviour.seed)
        self._rates = RateLimits(behaviour.clock, behaviour.requests_a_minute)
        self._calls = 0

    def receive(self, request: Request) -> Delivery:
        """Do what a request asks and note it in the ledger; what to deliver, and how."""
        self._calls += 1
        exchange = Exchange(self._calls, request, self._names(request, request.content))
        try:
            self._follow(exchange)
        except Refusal as refusal:
            exchange.answer(refusal.status, refusal.envelope())
            exchange.headers = (*exchange.headers, *refusal.headers)
        if exchange.effect is not None and exchange.effect.replaces_answer:
            _replace_answer(exchange, exchange.effect)
        self._note(exchange)
        return self._delivery(exchange)

    def refuse(self, refusal: Refusal) -> Reply:
        """The reply to what is not even a request of HTTP."""
        content = json.dumps(refusal.envelope()).encode()
        return Reply(refusal.status, _fixed_headers("application/json", content), content)

    def _follow(self, exchange: Exchange) -> None:
        """Follow a request to its endpoint; a fault may strike before the key is looked at."""
        request = exchange.request
        way = find_way(ROUTES, request.method, request.path)
        if way.route is None:
            _check_key(request)
            raise _no_way(exchange, way.allowed)
        exchange.ids = way.ids
        exchange.response_id = way.ids.get("response_id")
        malformed = _read(exchange, way.route)
        if isinstance(exchange.body, dict):
            # The same request is to get the same answer, streamed or not.
            asked = {name: value for name, value in exchange.body.items() if name not in _STREAMING}
            exchange.names = self._names(request, json.dumps(asked).encode())
        self._strike(exchange, way.route)
        _check_key(request)
        if way.route.endpoint == "create":
            self._rates.admit()
        if malformed is not None:
            raise malformed
        if exchange.effect is None or exchange.effect.is_processed:
            way.route.handle(self._backend, exchange)

    def _names(self, request: Request, content: bytes) -> Dice:
        client_id = request.headers.get("x-client-request-id")
        digest = hashlib.blake2b(content).hexdigest()
        return dice_for(self._behaviour.seed, self._calls, client_id, digest)

    def _strike(self, exchange: Exchange, route: Route) -> None:
        incoming = Incoming(route.endpoint, exchange.body, exchange.client_request_id or "")
        struck = self._striking.pick(incoming)
        if struck is not None:
            exchange.fault, exchange.effect = struck

    def _note(self, exchange: Exchange) -> None:
        self._ledger.add(
            Call(
                number=exchange.number,
                method=exchange.request.method,
                path=exchange.request.path,
                request_id=exchange.request_id,
                client_request_id=exchange.client_request_id,
                body=exchange.body,
                usage=exchange.usage,
                cost_usd=exchange.cost_usd,
                response_id=exchange.response_id,
                fault=exchange.fault,
            )
        )

    def _delivery(self, exchange: Exchange) -> Delivery:
        effect = exchange.effect or Effect()
        delay_s = self._behaviour.latency_s + effect.delay_s
        reply = self._reply(exchange, effect, delay_s) if effect.reply_starts else None
        delivery = Delivery(exchange.number, reply, delay_s, effect, exchange.settle)
        if delay_s <= 0 and exchange.pieces is None:
            delivery.settle()
        return delivery

    def _reply(self, exchange: Exchange, effect: Effect, delay_s: float) -> Reply:
        tokens = exchange.usage.input + exchange.usage.output if exchange.usage else 0
        usual = {
            "x-request-id": exchange.request_id,
            "openai-processing-ms": str(round(delay_s * 1000)),
            "openai-version": "2020-10-01",
            "openai-organization": "flowrunner-simulator",
            **self._rates.told(tokens),
        }
        extra = (*exchange.headers, *effect.headers)
        named = {name.lower() for name, _ in extra}
        kept = tuple((name, value) for name, value in usual.items() if name not in named)
        content = None if exchange.pieces is not None else exchange.content
        fixed = _fixed_headers(exchange.content_type, content)
        fixed = tuple((name, value) for name, value in fixed if name not in named)
        headers = (*fixed, *kept, *extra)
        return Reply(exchange.status, headers, exchange.content, exchange.pieces)


def _fixed_headers(content_type: str, content: bytes | None) -> tuple[tuple[str, str], ...]:
    """The headers that say what is sent; a stream, whose content is None, has no known length."""
    length = () if content is None else (("content-length", str(len(content))),)
    return (("content-type", content_type), *length, ("server", "flowrunner-simulator"))


def _no_way(exchange: Exchange, allowed: tuple[str, ...]) -> Refusal:
    method, path = exchange.request.method, exchange.request.path
    if not allowed:
        return Refusal(f"Invalid URL ({method} {path})", status=404)
    exchange.headers = (("allow", ", ".join(allowed)),)
    message = f"Not allowed to {method} on {path}."
    return Refusal(message, code="method_not_supported", status=405)


def _check_key(request: Request) -> None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if (scheme.lower() == "bearer" and key.strip()) or request.headers.get("api-key", "").strip():
        return
    raise Refusal(_NO_KEY, status=401)


def _read(exchange: Exchange, route: Route) -> Refusal | None:
    """Read the body into the exchange; what is wrong with it waits until a fault has struck."""
    if route.reads != "json":
        return None
    try:
        exchange.body = _parse(exchange.request.content)
    except Refusal as refusal:
        return refusal
    return None


def _parse(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise Refusal(_NO_JSON) from None
    if not isinstance(body, dict):
        raise invalid_type(None, ["object"], body)
    return body


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _replace_answer(exchange: Exchange, effect: Effect) -> None:
    exchange.status = effect.status or 200
    exchange.headers = ()
    exchange.pieces = None
    if effect.content is not None:
        exchange.content = effect.content
        exchange.content_type = effect.content_type
    elif effect.status is not None:
        exchange.answer(effect.status, error_of(effect.status, effect.error))
    if exchange.status in (204, 304):
        exchange.content = b""
