"""Talking to the simulated API without a socket: requests in, checked Responses and errors out."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import referencing
from jsonschema import Draft202012Validator

from flowrunner import catalog
from flowrunner.simulator.api import Api
from flowrunner.simulator.backend import Behaviour
from flowrunner.simulator.exchange import Delivery, Request
from flowrunner.simulator.faults import FaultPlan
from flowrunner.simulator.ledger import Ledger

KEY = {"authorization": "Bearer sk-test"}
NOW = 1_800_000_000.0


@cache
def response_validator() -> Any:
    schema = catalog.load_schema("openai/response")
    return Draft202012Validator(schema, registry=referencing.Registry())


class Talk:
    """A client's side of the API; `now` is the time that it has."""

    def __init__(self, faults: list[dict[str, Any]] | None = None, **behaviour: Any) -> None:
        self.now = NOW
        self.ledger = Ledger()
        plan = FaultPlan.parse(faults or [])
        self.api = Api(Behaviour(faults=plan, clock=lambda: self.now, **behaviour), self.ledger)

    def deliver(self, method: str, path: str, content: bytes = b"", **headers: str) -> Delivery:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.api.receive(Request(method, f"/v1/{path}", KEY | named, content))

    def send(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        content = b"" if body is None else json.dumps(body).encode()
        reply = self.deliver(method, path, content).reply
        assert reply is not None
        return reply.status, json.loads(reply.content)

    def get(self, path: str) -> dict[str, Any]:
        status, value = self.send("GET", path)
        assert status == 200, value
        return value

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        status, value = self.send("POST", path, body)
        assert status == 200, value
        return value

    def create(self, **fields: Any) -> dict[str, Any]:
        """A Response that the API's own schema accepts."""
        response = self.post("responses", **{"model": "gpt-5.4", "input": "Say hi", **fields})
        assert list(response_validator().iter_errors(response)) == []
        return response

    def refused(self, **fields: Any) -> tuple[int, dict[str, Any]]:
        """The status and the error of a request for a Response that is not answered."""
        status, value = self.send("POST", "responses", {"model": "gpt-5.4", "input": "x", **fields})
        assert status >= 400, value
        return status, value["error"]


def kinds(items: list[dict[str, Any]]) -> list[str]:
    return [str(item["type"]) for item in items]


def only(response: dict[str, Any], kind: str) -> dict[str, Any]:
    """The one item of a type."""
    (item,) = [item for item in response["output"] if item["type"] == kind]
    return dict(item)


def text_of(response: dict[str, Any]) -> str:
    return str(only(response, "message")["content"][0]["text"])
