"""The API without its socket: a request in, what is to be delivered out, all state in between.

Bytes and sockets are left to `connection`; the thread and the loop to `server`.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from flowrunner import catalog
from flowrunner.events import Usage
from flowrunner.simulator import answers
from flowrunner.simulator.dice import Dice, dice_for
from flowrunner.simulator.envelope import Refusal, invalid_type
from flowrunner.simulator.faults import Effect, FaultPlan, Incoming, Striking, error_of
from flowrunner.simulator.ledger import Call, Ledger
from flowrunner.simulator.rates import RateLimits
from flowrunner.simulator.rules import check_together
from flowrunner.simulator.store import Store, Stored
from flowrunner.simulator.strict import BadSchema
from flowrunner.simulator.validation import BodyValidator

_RESPONSES = "/v1/responses"
_NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header "
    "using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
)
_NO_JSON = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using "
    "your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not "
    "valid JSON.)"
)


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, whole. Header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    content: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP reply, whole."""

    status: int
    headers: tuple[tuple[str, str], ...]
    content: bytes


@dataclass(frozen=True, slots=True)
class Delivery:
    """A reply and what becomes of it on its way; `reply` is None where none is even begun.

    `call` is its number in the ledger; `delay_s` passes first, then the effect's ending comes true.
    """

    call: int
    reply: Reply | None
    delay_s: float
    effect: Effect

    @property
    def is_immediate(self) -> bool:
        """Whether nothing stands in the way of the reply."""
        whole = self.effect.ending == "finish" and self.effect.drip is None
        return self.reply is not None and whole and self.delay_s <= 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How a simulator behaves. `clock` gives Unix time in seconds."""

    faults: FaultPlan | None = None
    seed: int = 0
    replies: answers.Replies | None = None
    latency_s: float = 0.0
    clock: Callable[[], float] = time.time


@dataclass(slots=True)
class _Exchange:
    """One request on its way through the API: what is known of it so far."""

    number: int
    request: Request
    names: Dice
    body: Any = None
    effect: Effect | None = None
    fault: str | None = None
    usage: Usage | None = None
    cost_usd: float | None = None
    response_id: str | None = None
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes = b""

    @property
    def client_request_id(self) -> str | None:
        return self.request.headers.get("x-client-request-id")

    @property
    def request_id(self) -> str:
        return f"req_{self.names.hexadecimal('request', 32)}"

    def answer(self, status: int, content: dict[str, Any]) -> None:
        self.status = status
        self.content = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")


class Api:
    """The API of one simulator. Not for several threads at once; the ledger is."""

    def __init__(self, behaviour: Behaviour, ledger: Ledger) -> None:
        self._behaviour = behaviour
        self._ledger = ledger
        self._validator = BodyValidator()
        self._striking = Striking(behaviour.faults or FaultPlan(), behaviour.seed)
        self._rates = RateLimits(behaviour.clock)
        self._store = Store()
        self._calls = 0

    def receive(self, request: Request) -> Delivery:
        """Do what a request asks and note it in the ledger; what to deliver, and how."""
        self._calls += 1
        names = dice_for(
            self._behaviour.seed,
            self._calls,
            request.headers.get("x-client-request-id"),
            hashlib.blake2b(request.content).hexdigest(),
        )
        exchange = _Exchange(self._calls, request, names)
        try:
            self._route(exchange)
        except Refusal as refusal:
            exchange.answer(refusal.status, refusal.envelope())
        if exchange.effect is not None and exchange.effect.replaces_answer:
            _replace_answer(exchange, exchange.effect)
        self._note(exchange)
        return self._delivery(exchange)

    def refuse(self, refusal: Refusal) -> Reply:
        """The reply to what is not even a request of HTTP."""
        content = json.dumps(refusal.envelope()).encode()
        return Reply(refusal.status, _fixed_headers("application/json", content), content)

    def _route(self, exchange: _Exchange) -> None:
        method, path = exchange.request.method, exchange.request.path
        response_id = path.removeprefix(f"{_RESPONSES}/")
        if path == _RESPONSES:
            routes = {"POST": self._create}
        elif path.startswith(f"{_RESPONSES}/") and "/" not in response_id and response_id:
            exchange.response_id = response_id
            routes = {"GET": self._retrieve, "HEAD": self._retrieve}
        else:
            _check_key(exchange.request)
            raise Refusal(f"Invalid URL ({method} {path})", status=404)
        if method not in routes:
            _check_key(exchange.request)
            message = f"Not allowed to {method} on {path}."
            exchange.headers = (("allow", ", ".join(routes)),)
            raise Refusal(message, code="method_not_supported", status=405)
        routes[method](exchange)

    def _create(self, exchange: _Exchange) -> None:
        parsed: dict[str, Any] | Refusal
        try:
            parsed = _parse(exchange.request.content)
        except Refusal as refusal:
            parsed = refusal
        else:
            exchange.body = parsed
        effect = self._strike(exchange, "create")
        _check_key(exchange.request)
        if isinstance(parsed, Refusal):
            raise parsed
        try:
            self._validator.check(parsed)
        except RecursionError:
            raise Refusal("Invalid body: it is nested too deeply.", code="invalid_value") from None
        check_together(parsed, self._store)
        if effect is not None and effect.replaces_answer and not effect.is_paid:
            return
        self._respond(exchange, parsed)

    def _strike(
        self, exchange: _Exchange, endpoint: Literal["create", "retrieve"]
    ) -> Effect | None:
        body = exchange.body if isinstance(exchange.body, dict) else None
        incoming = Incoming(endpoint, body, exchange.client_request_id or "")
        struck = self._striking.pick(incoming)
        if struck is not None:
            exchange.fault, exchange.effect = struck
        return exchange.effect

    def _respond(self, exchange: _Exchange, body: dict[str, Any]) -> None:
        previous = self._store.get(body.get("previous_response_id") or "")
        turn = answers.Turn(
            body=body,
            names=exchange.names,
            seed=self._behaviour.seed,
            at=self._behaviour.clock(),
            earlier_tokens=previous.tokens if previous else 0,
        )
        response = self._answer(turn)
        effect = exchange.effect or Effect()
        _change_answer(response, turn, effect)
        _bill(exchange, response)
        answers.patch(response, effect.fields)
        exchange.answer(200, response)
        exchange.response_id = response.get("id")
        if body.get("store") is not False:
            self._keep(exchange, response)

    def _answer(self, turn: answers.Turn) -> dict[str, Any]:
        scripted = self._script(turn.body)
        try:
            return answers.build_response(turn, scripted)
        except BadSchema as fault:
            raise fault.refusal(turn.body["text"]["format"]["name"]) from fault

    def _script(self, body: dict[str, Any]) -> dict[str, Any] | str | None:
        if self._behaviour.replies is None:
            return None
        try:
            return self._behaviour.replies(body)
        except Exception as fault:
            # The script is code of a test; its mistake must be seen by the one who wrote it.
            message = f"The scripted reply raised {type(fault).__name__}: {fault}"
            raise Refusal(message, code="server_error", status=500) from fault

    def _keep(self, exchange: _Exchange, response: dict[str, Any]) -> None:
        usage = exchange.usage or Usage()
        items = response.get("output") or ()
        item_ids = tuple(str(item["id"]) for item in items if "id" in item)
        stored = Stored(exchange.content, usage.input + usage.output, item_ids)
        self._store.put(str(exchange.response_id), stored)

    def _retrieve(self, exchange: _Exchange) -> None:
        self._strike(exchange, "retrieve")
        _check_key(exchange.request)
        stored = self._store.get(exchange.response_id or "")
        if stored is None:
            raise Refusal(f"Response with id '{exchange.response_id}' not found.", status=404)
        exchange.content = stored.content

    def _note(self, exchange: _Exchange) -> None:
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

    def _delivery(self, exchange: _Exchange) -> Delivery:
        effect = exchange.effect or Effect()
        delay_s = self._behaviour.latency_s + effect.delay_s
        reply = self._reply(exchange, effect, delay_s) if effect.reply_starts else None
        return Delivery(exchange.number, reply, delay_s, effect)

    def _reply(self, exchange: _Exchange, effect: Effect, delay_s: float) -> Reply:
        tokens = exchange.usage.input + exchange.usage.output if exchange.usage else 0
        usual = {
            "x-request-id": exchange.request_id,
            "openai-processing-ms": str(round(delay_s * 1000)),
            "openai-version": "2020-10-01",
            "openai-organization": "flowrunner-simulator",
            **self._rates.take(tokens),
        }
        extra = (*exchange.headers, *effect.headers)
        named = {name.lower() for name, _ in extra}
        kept = tuple((name, value) for name, value in usual.items() if name not in named)
        replaced = effect.content_type if effect.content is not None else "application/json"
        fixed = _fixed_headers(replaced, exchange.content)
        fixed = tuple((name, value) for name, value in fixed if name not in named)
        return Reply(exchange.status, (*fixed, *kept, *extra), exchange.content)


def _fixed_headers(content_type: str, content: bytes) -> tuple[tuple[str, str], ...]:
    return (
        ("content-type", content_type),
        ("content-length", str(len(content))),
        ("server", "flowrunner-simulator"),
    )


def _check_key(request: Request) -> None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if (scheme.lower() == "bearer" and key.strip()) or request.headers.get("api-key", "").strip():
        return
    raise Refusal(_NO_KEY, status=401)


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


def _replace_answer(exchange: _Exchange, effect: Effect) -> None:
    exchange.status = effect.status or 200
    exchange.headers = ()
    if effect.content is not None:
        exchange.content = effect.content
    elif effect.status is not None:
        exchange.answer(effect.status, error_of(effect.status, effect.error))
    if exchange.status in (204, 304):
        exchange.content = b""


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


def _bill(exchange: _Exchange, response: dict[str, Any]) -> None:
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
