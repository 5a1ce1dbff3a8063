"""Servers that are like OpenAI's but not it: replies shaped as each kind sends them, over a socket.

What they leave out is survived where nothing is lost by it, and said where something is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from wire_server import Peer, RawServer, Received, reply

from flowrunner import catalog
from flowrunner.events import ApiError, Usage
from flowrunner.responses.brought import read_brought
from flowrunner.responses.client import ResponsesClient
from flowrunner.responses.decisions import Asked, GiveUp, RetryPolicy, Tries
from flowrunner.responses.items import read_answer
from flowrunner.responses.outcome import Answered, Lost, Outcome, Refused
from flowrunner.responses.retry import decide
from flowrunner.wire import Endpoint, Wire

Script = Callable[[Peer, Received], None]


def message(text: Any = "hello", **more: Any) -> dict[str, Any]:
    """A message as most servers send it; without annotations and logprobs, which many leave out."""
    part = {"type": "output_text", "text": text}
    return {"type": "message", "role": "assistant", "content": [part], **more}


def body(*output: Any, **patch: Any) -> dict[str, Any]:
    whole = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_790_000_000,
        "status": "completed",
        "model": "some-model",
        "output": list(output),
        "usage": {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9},
    }
    return {key: value for key, value in (whole | patch).items() if value != "left out"}


def asked_of(content: Any, status: str = "200 OK", *headers: str) -> Outcome:
    """What becomes of one request to a server that answers with this."""

    def script(peer: Peer, _: Received) -> None:
        peer.send(reply(content, status, *headers))

    async def once(server: RawServer) -> Outcome:
        wire = Wire()
        endpoint = Endpoint("test", f"{server.url}/v1")
        asked = {"model": "some-model", "input": "hi"}
        try:
            client = ResponsesClient(wire, endpoint)
            return await client.send(asked, client_request_id="run/a/1.1.1", timeout_s=5)
        finally:
            await wire.aclose()

    with RawServer(script) as server:
        return asyncio.run(once(server))


@dataclass(frozen=True)
class Good:
    """A reply that is an answer: its text and what it says of tokens."""

    content: dict[str, Any]
    usage: Usage | None = Usage(7, 2)  # noqa: RUF009
    text: str = "hello"


LONG_ID = "resp_" + "x" * 495
ANSWERS: dict[str, Good] = {
    "openai": Good(body(message(phase="final_answer"))),
    "azure: what its filter thought": Good(
        body(message(), content_filters=[{"blocked": False, "source_type": "completion"}])
    ),
    "ollama: no usage details, text as a field": Good(
        body(message(), output_text="hello", completed_at=None)
    ),
    "vllm: ids of another form, reasoning with content": Good(
        body(
            {
                "type": "reasoning",
                "id": "rs_0a1b",
                "summary": [],
                "content": [{"type": "reasoning_text", "text": "hm"}],
            },
            message(id="msg_0a1b", status="completed"),
            id="resp_8d1e6c0bd0f84c5cbd4c1f3f0f0d2d8a",
            kv_transfer_params=None,
        )
    ),
    "llama.cpp: times as fractions, no usage": Good(
        body(message(), created_at=1_790_000_000.25, completed_at=1_790_000_001.75, usage=None),
        usage=None,
    ),
    "llama.cpp: usage left out": Good(body(message(), usage="left out"), usage=None),
    "lm studio: details that are null": Good(
        body(
            message(),
            usage={
                "input_tokens": 7,
                "output_tokens": 2,
                "input_tokens_details": None,
                "output_tokens_details": {"reasoning_tokens": None},
            },
        )
    ),
    "openrouter: costs beside tokens, no `store`": Good(
        body(
            message(),
            model="maker/some-model",
            usage={
                "input_tokens": 7,
                "output_tokens": 2,
                "total_tokens": 9,
                "cost": 0.0001,
                "is_byok": False,
                "input_tokens_details": {"cached_tokens": 0},
            },
        )
    ),
    "litellm: an id of 500 characters": Good(body(message(), id=LONG_ID)),
    "litellm: tokens as fractions": Good(
        body(message(), usage={"input_tokens": 7.0, "output_tokens": 2.0})
    ),
    "huggingface: no `object`": Good(body(message(), object="left out")),
    "together: no `created_at`, no `model`": Good(
        body(message(), created_at="left out", model="left out")
    ),
    "furiosa: an ignored `background`": Good(body(message(), background=False)),
    "mistral.rs: a plain text for the content": Good(
        body({"type": "message", "role": "assistant", "content": "hello"})
    ),
    "open responses: items of its own": Good(
        body({"type": "acme:search", "hits": 3}, message(annotations=None))
    ),
}


@pytest.mark.parametrize("good", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_as_this_server_sends_it(good: Good) -> None:
    outcome = asked_of(good.content)
    assert isinstance(outcome, Answered), outcome
    answer = read_answer(outcome.response)
    assert (answer.kind, answer.text) == ("completed", good.text)
    assert outcome.usage == good.usage
    assert outcome.response == good.content, "nothing of it is lost"
    read_brought(outcome.response)


def test_every_kind_of_server_is_tried() -> None:
    told = {name.partition(":")[0].replace(" ", "_").replace(".", "_") for name in ANSWERS}
    assert set(catalog.provider_kinds()) <= told


SILENT: dict[str, dict[str, Any]] = {
    "ollama: a forgotten `previous_response_id`": body(
        usage={"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    ),
    "vllm: an empty message": body(message(""), usage={"input_tokens": 7, "output_tokens": 0}),
    "llama.cpp: nothing, and no tokens told": body(usage=None),
    "open responses: nothing but an item of its own": body({"type": "acme:dance"}),
}


@pytest.mark.parametrize("content", SILENT.values(), ids=SILENT)
def test_completed_with_nothing_in_it_is_no_answer(content: dict[str, Any]) -> None:
    outcome = asked_of(content)
    assert isinstance(outcome, Answered)
    answer = read_answer(outcome.response)
    assert answer.kind == "empty"
    assert (answer.message or "").startswith("The server says that the response is completed, but")


STRANGE: dict[str, Any] = {
    "no id": body(message(), id="left out"),
    "an id that is a number": body(message(), id=17),
    "no status": body(message(), status="left out"),
    "no output": body(output="left out"),
    "a chat completion": {"id": "c", "object": "chat.completion", "choices": []},
    "a list": [body(message())],
}


@pytest.mark.parametrize("content", STRANGE.values(), ids=STRANGE)
def test_what_is_needed_is_not_guessed(content: Any) -> None:
    outcome = asked_of(content)
    assert isinstance(outcome, Lost)
    assert outcome.kind == "not-a-response"


ERRORS: dict[str, tuple[str, Any, ApiError, str]] = {
    "azure: a deployment that is not there": (
        "404 Not Found",
        {"error": {"code": "DeploymentNotFound", "message": "It does not exist."}},
        ApiError("It does not exist.", code="DeploymentNotFound"),
        "api-error",
    ),
    "azure: a key refused by the gateway": (
        "401 Unauthorized",
        {"statusCode": 401, "message": "Access denied due to invalid subscription key."},
        ApiError("Access denied due to invalid subscription key."),
        "key",
    ),
    "ollama: a plain word for the error": (
        "404 Not Found",
        {"error": "model 'some-model' not found"},
        ApiError("model 'some-model' not found"),
        "api-error",
    ),
    "vllm: a code that is a number": (
        "400 Bad Request",
        {"error": {"message": "too long", "type": "BadRequestError", "param": None, "code": 400}},
        ApiError("too long", type="BadRequestError", code="400"),
        "api-error",
    ),
    "vllm: faults as a list": (
        "422 Unprocessable Entity",
        {"detail": [{"loc": ["body", "input"], "msg": "Field required"}]},
        ApiError('[{"loc": ["body", "input"], "msg": "Field required"}]'),
        "api-error",
    ),
    "llama.cpp: not ready yet": (
        "503 Service Unavailable",
        {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}},
        ApiError("Loading model", type="unavailable_error", code="503"),
        "server-error",
    ),
    "lm studio: text without any form": (
        "500 Internal Server Error",
        b"Internal Server Error",
        ApiError(
            "the server gave no reason; its reply begins with: Internal Server Error",
        ),
        "server-error",
    ),
    "openrouter: few codes, a type of its own": (
        "400 Bad Request",
        {
            "error": {
                "code": "invalid_prompt",
                "message": "store must be false",
                "error_type": "invalid_request",
            },
        },
        ApiError("store must be false", type="invalid_request", code="invalid_prompt"),
        "api-error",
    ),
    "openrouter: no money left": (
        "402 Payment Required",
        {"error": {"code": 402, "message": "Insufficient credits"}},
        ApiError("Insufficient credits", code="402"),
        "quota",
    ),
    "litellm: a refusal under 200": (
        "200 OK",
        {"error": {"message": "budget exceeded", "type": "insufficient_quota", "code": "400"}},
        ApiError("budget exceeded", type="insufficient_quota", code="400"),
        "quota",
    ),
    "mistral.rs: a parameter that is an error": (
        "422 Unprocessable Entity",
        {"message": "`max_tool_calls` is not supported"},
        ApiError("`max_tool_calls` is not supported"),
        "api-error",
    ),
    "a proxy in front: a page": (
        "502 Bad Gateway",
        b"<html><h1>Bad gateway</h1></html>",
        ApiError(
            "the server gave no reason; its reply begins with: <html><h1>Bad gateway</h1></html>"
        ),
        "server-error",
    ),
}


@pytest.mark.parametrize(("status", "content", "error", "reason"), ERRORS.values(), ids=ERRORS)
def test_an_error_as_this_server_sends_it(
    status: str, content: Any, error: ApiError, reason: str
) -> None:
    outcome = asked_of(content, status, "apim-request-id: abc")
    assert isinstance(outcome, Refused)
    assert outcome.error == error
    assert outcome.request_id == "abc"
    decision = decide(outcome, Tries(sent=99, refused=99), RetryPolicy(), 0.5, Asked())
    assert isinstance(decision, GiveUp)
    assert decision.reason == reason
    assert "request id abc" in decision.message
    assert "\n" not in decision.message
