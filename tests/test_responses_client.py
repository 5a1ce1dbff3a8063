"""One POST over a real socket, and what is made of every kind of reply."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_server import Peer, RawServer, Received, reply

from flowrunner import __version__
from flowrunner.events import ApiError, Usage
from flowrunner.responses.client import ResponsesClient, encode
from flowrunner.responses.envelope import read_error, what_is_missing
from flowrunner.responses.outcome import (
    Accepted,
    Answered,
    Lost,
    NotSent,
    Outcome,
    Refused,
    Reply,
    Told,
)
from flowrunner.wire import Endpoint, Progress, Secret, Wire, WireReply, WireRequest

KEY = "sk-CANARY-0123456789abcdef"
RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "model": "gpt-6-luna",
    "service_tier": "default",
    "output": [{"type": "acme:dance", "steps": 3}],
    "usage": {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9},
    "brand_new_field": {"kept": True},
}
REQUEST_ID = "x-request-id: req_abc"


def exchange(
    script: Callable[[Peer, Received], None],
    body: dict[str, Any] | None = None,
    *,
    client_request_id: str = "run-1/a/1.1.1",
    timeout_s: float = 5.0,
    compacts: bool = False,
    **endpoint: Any,
) -> tuple[Outcome, list[Received]]:
    async def once(server: RawServer) -> Outcome:
        wire = Wire()
        known = {"name": "test", "base_url": f"{server.url}/v1", "key": Secret(KEY)} | endpoint
        client = ResponsesClient(wire, Endpoint(**known))
        try:
            return await (client.compact if compacts else client.send)(
                body or {"model": "gpt-6-luna", "input": "hi"},
                client_request_id=client_request_id,
                timeout_s=timeout_s,
            )
        finally:
            await wire.aclose()

    with RawServer(script) as server:
        outcome = asyncio.run(once(server))
        return outcome, server.requests


def answer(content: Any, status: str = "200 OK", *headers: str) -> Callable[..., None]:
    return lambda peer, _: peer.send(reply(content, status, REQUEST_ID, *headers))


def test_a_request_as_it_stands_on_the_wire() -> None:
    outcome, (request,) = exchange(answer(RESPONSE), {"model": "m", "input": "grüße", "x": None})
    assert isinstance(outcome, Answered)
    assert (request.method, request.path) == ("POST", "/v1/responses")
    assert json.loads(request.body) == {"model": "m", "input": "grüße", "x": None, "stream": False}
    assert "grüße".encode() in request.body
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept"] == "application/json"
    assert request.headers["user-agent"] == f"flowrunner/{__version__}"
    assert request.headers["x-client-request-id"] == "run-1/a/1.1.1"


def test_an_azure_key_and_further_headers() -> None:
    _, (request,) = exchange(answer(RESPONSE), auth="api-key", headers={"OpenAI-Project": "proj_1"})
    assert request.headers["api-key"] == KEY
    assert request.headers["openai-project"] == "proj_1"
    assert "authorization" not in request.headers


def test_a_provider_without_a_key() -> None:
    _, (request,) = exchange(answer(RESPONSE), key=None)
    assert "authorization" not in request.headers


@pytest.mark.parametrize(
    ("given", "sent"), [("a\r\nb: ü", "a--b:--"), ("x" * 600, "x" * 512)], ids=["odd", "long"]
)
def test_a_client_request_id_fits_into_a_header(given: str, sent: str) -> None:
    _, (request,) = exchange(answer(RESPONSE), client_request_id=given)
    assert request.headers["x-client-request-id"] == sent


def test_what_is_sent_says_whether_it_is_streamed_and_is_always_utf8() -> None:
    assert encode({"stream": True, "a": "\ud800é"}) == '{"stream":true,"a":"\ufffdé"}'.encode()
    for odd in ({}, {"stream": False}, {"stream": None}, {"stream": 1}, {"stream": "true"}):
        assert encode(odd) == b'{"stream":false}'


def test_an_answer_is_kept_as_it_came() -> None:
    headers = ("x-ratelimit-limit-requests: 10", "x-ratelimit-remaining-requests: 9")
    outcome, _ = exchange(answer(RESPONSE, "200 OK", *headers))
    assert isinstance(outcome, Answered)
    assert outcome.response == RESPONSE
    assert (outcome.http_status, outcome.request_id) == (200, "req_abc")
    assert (outcome.response_id, outcome.status) == ("resp_1", "completed")
    assert (outcome.model, outcome.service_tier) == ("gpt-6-luna", "default")
    assert outcome.usage == Usage(7, 2)
    assert outcome.rate.remaining_requests == 9
    assert outcome.elapsed_s > 0


def test_a_byte_order_mark_and_a_wrong_content_type_do_no_harm() -> None:
    content = b"\xef\xbb\xbf" + json.dumps(RESPONSE).encode()
    raw = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(content)
    outcome, _ = exchange(lambda peer, _: peer.send(raw + content))
    assert isinstance(outcome, Answered)


def _without(name: str) -> dict[str, Any]:
    return {key: value for key, value in RESPONSE.items() if key != name}


NO_RESPONSES: dict[str, Any] = {
    "html": b"<html><body>Welcome to our   proxy</body></html>",
    "empty": b"",
    "blank": b" \n ",
    "null": b"null",
    "list": b"[]",
    "text": b'"fine"',
    "empty-object": b"{}",
    "truncated": json.dumps(RESPONSE).encode()[:-20],
    "nan": b'{"id": NaN}',
    "duplicate-keys": b'{"id": "a", "id": "b"}',
    "huge-integer": b'{"id": ' + b"9" * 5000 + b"}",
    "deep": b"[" * 100_000,
    "latin-1": '{"id": "ü"}'.encode("latin-1"),
    "no-id": _without("id"),
    "empty-id": RESPONSE | {"id": ""},
    "no-status": _without("status"),
    "no-output": _without("output"),
    "output-null": RESPONSE | {"output": None},
    "other-object": RESPONSE | {"object": "chat.completion"},
}


@pytest.mark.parametrize("content", NO_RESPONSES.values(), ids=NO_RESPONSES)
def test_a_success_that_is_no_response_is_a_lost_answer(content: Any) -> None:
    outcome, requests = exchange(answer(content))
    assert isinstance(outcome, Lost)
    assert len(requests) == 1
    assert outcome.kind == "not-a-response"
    assert (outcome.http_status, outcome.request_id) == (200, "req_abc")
    assert "not in the Responses format" in outcome.message
    assert "req_abc" not in outcome.message  # whoever tells the loss names it once
    assert "\n" not in outcome.message
    assert len(outcome.message) < 400
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    assert outcome.raw == raw.decode("utf-8", "replace")


def test_the_beginning_of_a_strange_reply_is_quoted() -> None:
    outcome, _ = exchange(answer(NO_RESPONSES["html"]))
    assert isinstance(outcome, Lost)
    assert "<html><body>Welcome to our proxy</body></html>" in outcome.message


def test_an_error_under_200_says_that_it_failed() -> None:
    outcome, _ = exchange(answer({"error": {"message": "overloaded", "code": "server_error"}}))
    assert isinstance(outcome, Refused)
    assert (outcome.http_status, outcome.error.code) == (200, "server_error")


def test_a_refusal_keeps_all_that_waiting_needs() -> None:
    error = {
        "message": "slow down",
        "type": "requests",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    outcome, requests = exchange(
        answer({"error": error}, "429 Too Many", "Retry-After: 7", "X-Should-Retry: true")
    )
    assert isinstance(outcome, Refused)
    assert len(requests) == 1
    assert outcome.error == ApiError("slow down", "requests", None, "rate_limit_exceeded")
    assert (outcome.http_status, outcome.request_id) == (429, "req_abc")
    assert (outcome.asked_wait_s, outcome.should_retry) == (7.0, True)
    assert json.loads(outcome.raw) == {"error": error}


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
def test_a_redirect_is_refused_and_not_followed(status: str) -> None:
    with RawServer() as other:
        outcome, _ = exchange(answer(b"", status, f"Location: {other.url}/v1/responses"))
        assert other.connections == 0
    assert isinstance(outcome, Refused)
    assert "not followed" in outcome.error.message


ERRORS: dict[str, tuple[bytes, ApiError]] = {
    "envelope": (
        b'{"error": {"message": "m", "type": "t", "param": "p", "code": "c"}}',
        ApiError("m", "t", "p", "c"),
    ),
    "code-is-a-number": (b'{"error": {"message": "m", "code": 42}}', ApiError("m", code="42")),
    "error-is-text": (b'{"error": "model not loaded"}', ApiError("model not loaded")),
    "text-with-type": (b'{"error": "m", "type": "t", "code": 1}', ApiError("m", "t", None, "1")),
    "detail": (b'{"detail": "Not Found"}', ApiError("Not Found")),
    "detail-is-a-list": (b'{"detail": [{"loc": 1}]}', ApiError('[{"loc": 1}]')),
    "message": (b'{"message": "no route"}', ApiError("no route")),
    "nothing": (b"", ApiError("the server gave no reason: its reply was empty")),
    "html": (
        b"<h1>502</h1>",
        ApiError("the server gave no reason; its reply begins with: <h1>502</h1>"),
    ),
    "null": (b"null", ApiError("the server gave no reason; its reply begins with: null")),
    "no-message": (
        b'{"error": {"code": "c"}}',
        ApiError(
            'the server gave no reason; its reply begins with: {"error": {"code": "c"}}', code="c"
        ),
    ),
}


@pytest.mark.parametrize(("content", "error"), ERRORS.values(), ids=ERRORS)
def test_error_bodies(content: bytes, error: ApiError) -> None:
    assert read_error(content, 502) == error
    outcome, _ = exchange(answer(content, "502 Bad Gateway"))
    assert isinstance(outcome, Refused)
    assert outcome.error == error


@given(st.binary() | st.text().map(lambda text: json.dumps({"error": {"message": text}}).encode()))
def test_no_body_makes_reading_an_error_raise(content: bytes) -> None:
    for status in (307, 400, 500):
        assert read_error(content, status).message


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda below: st.lists(below) | st.dictionaries(st.sampled_from([*RESPONSE]), below),
    )
)
def test_no_json_is_taken_for_a_response_by_mistake(value: Any) -> None:
    if what_is_missing(value) is None:
        assert {"id", "status", "output", "object"} <= value.keys()


def test_a_server_that_repeats_the_key_does_not_spread_it() -> None:
    said = {"error": {"message": f"bad key {KEY}", "param": KEY, "code": None}}
    outcome, _ = exchange(answer(said, "401 Unauthorized"))
    assert isinstance(outcome, Refused)
    assert outcome.error.message == "bad key ***"
    assert KEY not in repr(outcome)
    outcome, _ = exchange(answer(f"you sent {KEY}".encode()))
    assert isinstance(outcome, Lost)
    assert KEY not in repr(outcome)


def test_what_was_lost_keeps_what_was_seen() -> None:
    def cut(peer: Peer, _: Received) -> None:
        peer.send(reply(b'{"id": "resp_1"', "200 OK", REQUEST_ID, length=400))
        peer.close()

    outcome, requests = exchange(cut)
    assert isinstance(outcome, Lost)
    assert len(requests) == 1
    assert (outcome.kind, outcome.http_status, outcome.request_id) == ("truncated", 200, "req_abc")
    assert outcome.raw == '{"id": "resp_1"'


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (lambda peer, _: peer.reset(), "reset"),
        (lambda peer, _: peer.close(), "closed"),
        (lambda peer, _: peer.hang(), "timeout"),
        (lambda peer, _: peer.send(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "protocol"),
    ],
    ids=["reset", "closed", "hang", "no-http"],
)
def test_losses(script: Callable[[Peer, Received], None], kind: str) -> None:
    outcome, requests = exchange(script, timeout_s=0.3 if kind == "timeout" else 5.0)
    assert isinstance(outcome, Lost)
    assert (outcome.kind, len(requests)) == (kind, 1)
    assert outcome.http_status is None


def test_a_request_that_found_nobody_was_not_sent() -> None:
    with RawServer() as server:
        dead = server.url
    outcome, _ = exchange(answer(RESPONSE), base_url=dead)
    assert isinstance(outcome, NotSent)
    assert outcome.kind == "refused"


def test_a_key_that_no_header_can_hold_is_not_sent_and_not_shown() -> None:
    outcome, requests = exchange(answer(RESPONSE), key=Secret(f"{KEY}\n"))
    assert isinstance(outcome, NotSent)
    assert outcome.kind == "unsendable"
    assert KEY not in repr(outcome)
    assert requests == []


class _Recorded:
    """A wire that answers at once and keeps what it was asked."""

    def __init__(self, response_id: str = "resp_1") -> None:
        self.requests: list[WireRequest] = []
        self.response_id = response_id

    async def exchange(self, request: WireRequest, progress: Progress | None) -> WireReply:
        self.requests.append(request)
        response = RESPONSE | {"id": self.response_id}
        return WireReply(200, {}, json.dumps(response).encode(), 0.1)


def _retrieve(response_id: str) -> tuple[Outcome, list[WireRequest]]:
    wire = _Recorded(response_id)
    client = ResponsesClient(wire, Endpoint("test", "https://api.example/v1/"))
    return asyncio.run(client.retrieve(response_id, timeout_s=3.0)), wire.requests


@pytest.mark.parametrize(
    ("response_id", "path"),
    [("resp_1", "resp_1"), ("../files", "..%2Ffiles"), ("acme:1?x#y", "acme%3A1%3Fx%23y")],
)
def test_retrieving_quotes_the_id(response_id: str, path: str) -> None:
    outcome, (request,) = _retrieve(response_id)
    assert isinstance(outcome, Answered)
    assert (request.method, request.content) == ("GET", b"")
    assert request.url == f"https://api.example/v1/responses/{path}"


@pytest.mark.parametrize("response_id", ["", ".", "..", "a b", "a\nb", "ü", "x" * 513])
def test_what_is_no_id_is_not_asked_for(response_id: str) -> None:
    outcome, requests = _retrieve(response_id)
    assert isinstance(outcome, NotSent)
    assert requests == []


def test_an_order_for_a_new_connection_reaches_the_wire() -> None:
    wire = _Recorded()
    client = ResponsesClient(wire, Endpoint("test", "https://api.example/v1"))
    asyncio.run(client.send({}, client_request_id="r", timeout_s=9.0, fresh=True))
    assert (wire.requests[0].fresh, wire.requests[0].timeout_s) == (True, 9.0)


def _ask(script: Callable[..., None], **request: Any) -> tuple[Reply, Received]:
    async def once(server: RawServer) -> Reply:
        wire = Wire()
        try:
            endpoint = Endpoint("openai", f"{server.url}/v1", Secret(KEY))
            client = ResponsesClient(wire, endpoint)
            return await client.ask(path="conversations?limit=2", timeout_s=5, **request)
        finally:
            await wire.aclose()

    with RawServer(script) as server:
        reply = asyncio.run(once(server))
    return reply, server.requests[0]


def test_a_free_request_is_told_as_it_is_answered() -> None:
    reply, received = _ask(answer({"id": "conv_1"}), method="POST", content=b'{"metadata":{}}')
    assert isinstance(reply, Told)
    assert (reply.value, reply.content) == ({"id": "conv_1"}, b'{"id": "conv_1"}')
    assert (received.method, received.path) == ("POST", "/v1/conversations?limit=2")
    assert received.headers["content-type"] == "application/json"
    assert received.body == b'{"metadata":{}}'


def test_bytes_that_are_no_json_are_told_too() -> None:
    reply, received = _ask(answer(b"\x89PNG"), method="GET")
    assert isinstance(reply, Told)
    assert (reply.value, reply.content) == (None, b"\x89PNG")
    assert "content-type" not in received.headers


def test_a_free_request_that_is_refused_says_why() -> None:
    said = {"error": {"message": f"no {KEY}", "code": "nope"}}
    reply, _ = _ask(answer(said, "404 Not Found"), method="DELETE")
    assert isinstance(reply, Refused)
    assert (reply.http_status, reply.error.code) == (404, "nope")
    assert KEY not in reply.error.message


COMPACTED = {
    "id": "resp_c",
    "object": "response.compaction",
    "created_at": 1,
    "output": [{"type": "compaction", "id": "cmp_1", "encrypted_content": "gA"}],
    "usage": {"input_tokens": 70, "output_tokens": 2, "total_tokens": 72},
}


def test_a_shorter_history_is_asked_for_and_told() -> None:
    body = {"model": "m", "previous_response_id": "resp_1"}
    outcome, (request,) = exchange(answer(COMPACTED), body, compacts=True)
    assert (request.method, request.path) == ("POST", "/v1/responses/compact")
    assert json.loads(request.body) == body, "nothing is added"
    assert request.headers["x-client-request-id"] == "run-1/a/1.1.1"
    assert isinstance(outcome, Answered)
    assert outcome.response == COMPACTED
    assert (outcome.response_id, outcome.status, outcome.model) == ("resp_c", "completed", None)
    assert outcome.usage == Usage(70, 2)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (RESPONSE, "its `object` is not `response.compaction`"),
        ({**COMPACTED, "output": None}, "it has no `output`"),
        ({**COMPACTED, "id": ""}, "it has no `id`"),
        ([], "it is no JSON object"),
    ],
)
def test_what_is_no_shorter_history_is_lost(content: Any, said: str) -> None:
    outcome, _ = exchange(answer(content), compacts=True)
    assert isinstance(outcome, Lost)
    assert said in outcome.message


def test_a_server_that_cannot_make_a_history_shorter_says_so() -> None:
    envelope = {"error": {"message": "no", "code": "unsupported_model"}}
    outcome, _ = exchange(answer(envelope, "400 Bad Request"), compacts=True)
    assert isinstance(outcome, Refused)
    assert outcome.error.code == "unsupported_model"


def test_no_response_is_taken_for_a_shorter_history_nor_the_other_way() -> None:
    outcome, _ = exchange(answer(COMPACTED))
    assert isinstance(outcome, Lost)


def test_a_shorter_history_that_never_left() -> None:
    outcome, _ = exchange(answer(COMPACTED), compacts=True, base_url="http://127.0.0.1:1/v1")
    assert isinstance(outcome, NotSent)


# Responses in the background.

QUEUED = RESPONSE | {"status": "queued", "output": [], "usage": None}
IN_BACKGROUND = {"model": "gpt-6-luna", "input": "hi", "background": True, "store": True}


@pytest.mark.parametrize("status", ["queued", "in_progress"])
def test_what_is_answered_later_is_accepted(status: str) -> None:
    headers = ("openai-poll-after-ms: 2500", "retry-after: 9")
    outcome, (request,) = exchange(
        answer(QUEUED | {"status": status}, "200 OK", *headers), IN_BACKGROUND
    )
    assert isinstance(outcome, Accepted)
    assert (outcome.response_id, outcome.status) == ("resp_1", status)
    assert (outcome.request_id, outcome.model) == ("req_abc", "gpt-6-luna")
    assert outcome.asked_wait_s == 2.5
    assert json.loads(request.body)["background"] is True


def test_without_an_order_of_its_own_retry_after_counts() -> None:
    outcome, _ = exchange(answer(QUEUED, "200 OK", "retry-after: 9"), IN_BACKGROUND)
    assert isinstance(outcome, Accepted)
    assert outcome.asked_wait_s == 9.0


def test_only_who_asks_for_the_background_is_answered_later() -> None:
    outcome, _ = exchange(answer(QUEUED))
    assert isinstance(outcome, Answered)
    assert outcome.status == "queued"


def test_an_answer_at_once_is_one_in_the_background_too() -> None:
    outcome, _ = exchange(answer(RESPONSE), IN_BACKGROUND)
    assert isinstance(outcome, Answered)


@pytest.mark.parametrize("response_id", ["a b", "..", "x" * 513, "ü"])
def test_an_id_that_nobody_can_ask_for_is_a_loss(response_id: str) -> None:
    outcome, _ = exchange(answer(QUEUED | {"id": response_id}), IN_BACKGROUND)
    assert isinstance(outcome, Lost)
    assert outcome.kind == "not-a-response"


def _free(
    content: dict[str, Any], ask: Callable[[ResponsesClient], Any]
) -> tuple[Outcome, list[Received]]:
    async def once(server: RawServer) -> Outcome:
        wire = Wire()
        endpoint = Endpoint(name="test", base_url=f"{server.url}/v1", key=Secret(KEY))
        try:
            found: Outcome = await ask(ResponsesClient(wire, endpoint))
            return found
        finally:
            await wire.aclose()

    with RawServer(answer(content)) as server:
        return asyncio.run(once(server)), server.requests


def test_a_look_says_how_a_response_stands() -> None:
    outcome, (request,) = _free(QUEUED, lambda client: client.retrieve("resp_1", timeout_s=5.0))
    assert isinstance(outcome, Accepted)
    assert (request.method, request.path) == ("GET", "/v1/responses/resp_1")


def test_a_response_is_cancelled() -> None:
    ended = RESPONSE | {"status": "cancelled", "usage": None}
    outcome, (request,) = _free(ended, lambda client: client.cancel("resp_1", timeout_s=5.0))
    assert isinstance(outcome, Answered)
    assert outcome.status == "cancelled"
    assert (request.method, request.path) == ("POST", "/v1/responses/resp_1/cancel")
    assert request.body == b""
    assert request.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("content", [RESPONSE, QUEUED], ids=["done", "queued"])
def test_an_answer_about_another_response_is_none(content: dict[str, Any]) -> None:
    for ask in ("retrieve", "cancel"):
        outcome, _ = _free(content, lambda client, ask=ask: getattr(client, ask)("r2", timeout_s=5))
        assert isinstance(outcome, Lost)
        assert outcome.kind == "not-a-response"
