"""One streamed POST over a real socket, and what is made of every way its reply can go."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from test_responses_client import KEY, RESPONSE
from test_responses_stream import ERRORS, events, wire
from test_wire_stream import END, HEAD, chunk
from wire_server import Peer, RawServer, Received, Script, reply

from flowrunner.events import ApiError
from flowrunner.responses.client import ResponsesClient
from flowrunner.responses.outcome import Answered, Lost, NotSent, Outcome, Refused
from flowrunner.responses.retry import Accept, Hold, Retry, RetryPolicy, Tries, decide
from flowrunner.responses.stream import Delta
from flowrunner.wire import Endpoint, Progress, Secret, Wire

TOLD = [
    {**event, "response": RESPONSE} if event["type"] == "response.completed" else event
    for event in events("Hello")
]


def stream(
    script: Script,
    *,
    timeout_s: float = 5.0,
    watch: Callable[[Delta], None] | None = None,
    background: bool = False,
) -> tuple[Outcome, list[Received]]:
    """One streamed request to a server that does as the script says."""

    async def once(server: RawServer) -> Outcome:
        carrier = Wire()
        endpoint = Endpoint("test", f"{server.url}/v1", Secret(KEY))
        try:
            return await ResponsesClient(carrier, endpoint).send(
                {"model": "gpt-6-luna", "input": "hi", "stream": True, "background": background},
                client_request_id="run-1/a/1.1.1",
                timeout_s=timeout_s,
                watch=watch,
            )
        finally:
            await carrier.aclose()

    with RawServer(script) as server:
        outcome = asyncio.run(once(server))
        return outcome, server.requests


def says(*parts: bytes, then: Callable[[Peer], None] | None = None) -> Script:
    """Stream these parts, each in a chunk; then the end, or what `then` does instead."""

    def script(peer: Peer, _: Received) -> None:
        peer.send(HEAD, *map(chunk, parts))
        if then is None:
            peer.send(END)
        else:
            then(peer)

    return script


def after(outcome: Outcome, **policy: Any) -> object:
    return decide(outcome, Tries().counting(outcome), RetryPolicy(**policy), 0.5)


def test_a_streamed_request_and_its_answer() -> None:
    deltas: list[Delta] = []
    outcome, (request,) = stream(says(wire(TOLD)), watch=deltas.append)
    assert isinstance(outcome, Answered)
    assert outcome.response == RESPONSE
    assert (outcome.response_id, outcome.status) == ("resp_1", "completed")
    assert (outcome.request_id, outcome.http_status) == ("req_1", 200)
    assert json.loads(request.body)["stream"] is True
    assert request.headers["accept"] == "text/event-stream, application/json"
    assert request.headers["x-client-request-id"] == "run-1/a/1.1.1"
    told = [Delta("text", letter) for letter in "Hello"]
    item = [Delta("began", "message"), *told, Delta("ended", "message")]
    assert deltas == [Delta("response", "resp_1"), *item]


def test_what_is_written_is_seen_while_it_is_written() -> None:
    seen = threading.Event()

    def script(peer: Peer, _: Received) -> None:
        peer.send(HEAD, chunk(wire(TOLD[:5])))
        assert seen.wait(10)
        peer.send(chunk(wire(TOLD[5:])), END)

    outcome, _ = stream(script, watch=lambda delta: seen.set() if delta.news == "text" else None)
    assert isinstance(outcome, Answered)


def test_who_watches_cannot_harm_the_answer() -> None:
    number = 0

    def fails(delta: Delta) -> None:
        nonlocal number
        number += 1
        raise ZeroDivisionError

    outcome, _ = stream(says(wire(TOLD)), watch=fails)
    assert isinstance(outcome, Answered)
    assert number == 1


WHOLE: dict[str, bytes] = {
    "json": reply(RESPONSE, "200 OK", "x-request-id: req_1"),
    "json-said-to-be-a-stream": b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    b"Content-Length: %d\r\n\r\n%b"
    % (len(json.dumps(RESPONSE)) + 5, b" \r\n\t " + json.dumps(RESPONSE).encode()),
    "packed-json": reply(
        gzip.compress(json.dumps(RESPONSE).encode()), "200 OK", "Content-Encoding: gzip"
    ),
    "stream-said-to-be-json": reply(wire(TOLD)),
    "stream-without-type": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b"
    % (len(wire(TOLD)), wire(TOLD)),
    "stream-after-a-comment": HEAD + chunk(b": hello\n\n" + wire(TOLD)) + END,
}


@pytest.mark.parametrize("raw", WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize("slowly", [False, True], ids=["at-once", "bytewise"])
def test_an_answer_is_one_however_it_is_delivered(raw: bytes, slowly: bool) -> None:
    def script(peer: Peer, _: Received) -> None:
        peer.drip(raw, every_s=0) if slowly else peer.send(raw)

    outcome, requests = stream(script)
    assert isinstance(outcome, Answered)
    assert (outcome.response, len(requests)) == (RESPONSE, 1)


REFUSALS: dict[str, tuple[bytes, int, str]] = {
    "json": (reply({"error": {"message": "slow down"}}, "429 No"), 429, "slow down"),
    "packed": (
        reply(gzip.compress(b'{"error": "no"}'), "400 No", "Content-Encoding: gzip"),
        400,
        "no",
    ),
    "html": (reply(b"<h1>502</h1>", "502 Bad"), 502, "the server gave no reason; its reply begins"),
    "under-200": (reply({"error": {"message": "overloaded"}}), 200, "overloaded"),
}


@pytest.mark.parametrize(("raw", "status", "said"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_is_one_as_without_a_stream(raw: bytes, status: int, said: str) -> None:
    outcome, requests = stream(lambda peer, _: peer.send(raw))
    assert isinstance(outcome, Refused)
    assert (outcome.http_status, len(requests)) == (status, 1)
    assert outcome.error.message.startswith(said)


@pytest.mark.parametrize(
    "raw",
    [reply(b"<html>hi</html>"), reply(b"null"), reply(b""), reply(b"Welcome"), reply(b"d")],
    ids=["html", "null", "empty", "text", "letter"],
)
def test_what_is_neither_a_stream_nor_a_response_is_lost(raw: bytes) -> None:
    outcome, _ = stream(lambda peer, _: peer.send(raw))
    assert isinstance(outcome, Lost)
    assert outcome.kind in ("not-a-response", "closed")


def test_a_stream_that_is_packed_is_lost() -> None:
    head = HEAD.replace(b"Transfer", b"Content-Encoding: gzip\r\nTransfer")
    outcome, _ = stream(lambda peer, _: peer.send(head, chunk(gzip.compress(wire(TOLD))), END))
    assert isinstance(outcome, Lost)
    assert outcome.kind == "protocol"


# Streams that end too early


@pytest.mark.parametrize("number", range(len(TOLD)))
@pytest.mark.parametrize("end", [None, Peer.close, Peer.reset], ids=["end", "close", "reset"])
def test_a_stream_without_its_last_event_is_lost_with_what_had_come(
    number: int, end: Callable[[Peer], None] | None
) -> None:
    begun = wire(TOLD[:number]) + wire(TOLD[number:])[:20]
    seen = threading.Event()

    def script(peer: Peer, _: Received) -> None:
        peer.send(HEAD, chunk(begun))
        assert number < 5 or seen.wait(10)
        (end or (lambda peer: peer.send(END)))(peer)

    outcome, requests = stream(script, watch=lambda d: seen.set() if d.news == "text" else None)
    assert isinstance(outcome, Lost)
    assert len(requests) == 1
    if end is Peer.reset and number < 5:
        return  # What had not been read yet went with the connection.
    kinds = {None: "truncated" if number else "closed", Peer.close: "truncated"}
    assert outcome.kind == kinds.get(end, "reset")
    assert (outcome.http_status, outcome.request_id) == (200, "req_1")
    assert outcome.response_id == ("resp_1" if number else None)
    assert outcome.partial == "Hello"[: max(0, number - 4)]
    assert outcome.raw == begun.decode()
    assert isinstance(after(outcome), Hold)
    assert isinstance(after(outcome, on_unknown="retry_once"), Retry)


@pytest.mark.parametrize("end", [Peer.close, Peer.reset], ids=["close", "reset"])
def test_a_stream_that_breaks_off_after_its_last_event_is_answered(
    end: Callable[[Peer], None],
) -> None:
    over = threading.Event()

    def script(peer: Peer, _: Received) -> None:
        peer.send(HEAD, chunk(wire(TOLD)))
        assert over.wait(10)
        end(peer)

    outcome, _ = stream(script, watch=lambda d: over.set() if d.news == "ended" else None)
    assert isinstance(outcome, Answered)


def test_a_last_event_without_its_blank_line_is_an_answer() -> None:
    for end in (None, Peer.close):
        outcome, _ = stream(says(wire(TOLD).rstrip(), then=end))
        assert isinstance(outcome, Answered)


def test_a_server_that_does_not_end_after_the_last_event_is_not_waited_for() -> None:
    outcome, _ = stream(says(wire(TOLD), then=Peer.hang), timeout_s=60)
    assert isinstance(outcome, Answered)
    assert outcome.elapsed_s < 5


def test_a_stream_that_falls_silent_ends_at_the_deadline_with_what_had_come() -> None:
    outcome, _ = stream(says(wire(TOLD[:6]), then=Peer.hang), timeout_s=0.3)
    assert isinstance(outcome, Lost)
    assert (outcome.kind, outcome.partial, outcome.response_id) == ("timeout", "He", "resp_1")
    assert outcome.message.endswith("within 0.3 s")


def test_nothing_but_comments_ends_at_the_deadline() -> None:
    def script(peer: Peer, _: Received) -> None:
        peer.send(HEAD)
        peer.drip(chunk(b":\n\n") * 1000, every_s=0.01)

    outcome, _ = stream(script, timeout_s=0.3)
    assert isinstance(outcome, Lost)
    assert (outcome.kind, outcome.partial) == ("timeout", "")


def test_a_stream_over_its_cap_is_lost() -> None:
    def script(peer: Peer, _: Received) -> None:
        peer.send(HEAD, chunk(wire(TOLD[:6])), chunk(b"data: "))
        for _ in range(80):
            peer.send(chunk(b"x" * 1024 * 1024))

    outcome, _ = stream(script, timeout_s=60)
    assert isinstance(outcome, Lost)
    assert (outcome.kind, outcome.partial) == ("too-big", "He")
    assert "an event of the stream is bigger than 64 MiB" in outcome.message
    assert len(outcome.raw) == 1_000_000


def test_who_is_not_there_was_not_asked() -> None:
    async def once() -> Outcome:
        carrier, progress = Wire(), Progress()
        try:
            return await ResponsesClient(carrier, Endpoint("test", dead)).send(
                {"stream": True}, client_request_id="x", timeout_s=5, progress=progress
            )
        finally:
            await carrier.aclose()
            assert not progress.left

    with RawServer() as server:
        dead = server.url
    assert isinstance(asyncio.run(once()), NotSent)


# Errors inside the stream


def error(code: str | None, kind: str | None = None, message: str = "no") -> bytes:
    inside = {"type": kind, "code": code, "message": message, "param": None}
    return wire([{"type": "error", "error": inside}])


@pytest.mark.parametrize(
    ("code", "kind", "retried"),
    [
        ("rate_limit_exceeded", None, True),
        (None, "rate_limit_error", True),
        ("server_error", None, True),
        ("server_is_overloaded", None, True),
        (None, "overloaded_error", True),
        ("503", None, True),
        ("429", None, True),
        ("conversation_locked", "invalid_request_error", True),
        ("insufficient_quota", "insufficient_quota", False),
        ("context_length_exceeded", "invalid_request_error", False),
        ("invalid_api_key", None, False),
        ("400", None, False),
        (None, None, False),
    ],
)
def test_an_error_before_anything_was_made_is_a_refusal_and_judged_as_one(
    code: str | None, kind: str | None, retried: bool
) -> None:
    outcome, requests = stream(says(wire(TOLD[:2]) + error(code, kind)))
    assert isinstance(outcome, Refused)
    assert (outcome.http_status, outcome.request_id, len(requests)) == (200, "req_1", 1)
    assert outcome.error == ApiError("no", kind, None, code)
    assert isinstance(after(outcome), Retry) is retried


def test_an_error_that_nothing_follows_is_not_waited_after() -> None:
    outcome, _ = stream(says(error("server_error"), then=Peer.hang), timeout_s=60)
    assert isinstance(outcome, Refused)
    assert outcome.elapsed_s < 10


def test_an_error_amid_the_answer_leaves_open_what_was_done_and_paid() -> None:
    outcome, _ = stream(says(wire(TOLD[:6]) + error("server_error", message=f"boom {KEY}")))
    assert isinstance(outcome, Lost)
    assert (outcome.kind, outcome.partial, outcome.response_id) == ("broken-off", "He", "resp_1")
    said = "the server gave up amid the answer of `resp_1`: boom *** (code `server_error`)"
    assert outcome.message == said
    assert isinstance(after(outcome), Hold)
    assert isinstance(after(outcome, on_unknown="retry_once"), Retry)


@pytest.mark.parametrize("content", [content for content, _ in ERRORS.values()], ids=ERRORS)
def test_a_response_that_failed_is_an_answer_whatever_stands_before_it(content: bytes) -> None:
    failed = RESPONSE | {"status": "failed", "error": {"code": "server_error", "message": "boom"}}
    end = wire([{"type": "response.failed", "response": failed}])
    outcome, _ = stream(says(wire(TOLD[:6]) + content + end))
    assert isinstance(outcome, Answered)
    assert (outcome.status, outcome.response) == ("failed", failed)
    assert isinstance(after(outcome), Retry)


def test_an_incomplete_response_is_an_answer() -> None:
    end = {"type": "response.incomplete", "response": RESPONSE | {"status": "incomplete"}}
    outcome, _ = stream(says(wire([*TOLD[:6], end])))
    assert isinstance(outcome, Answered)
    assert outcome.status == "incomplete"
    assert isinstance(after(outcome), Accept)


def test_an_end_without_a_response_is_no_answer() -> None:
    outcome, _ = stream(says(wire([*TOLD[:6], {"type": "response.completed"}])))
    assert isinstance(outcome, Lost)
    assert outcome.kind == "not-a-response"
    assert outcome.raw.startswith("event: response.created")
    assert (outcome.response_id, outcome.partial) == ("resp_1", "He")


def test_a_server_that_streams_the_key_does_not_spread_it() -> None:
    letters = [
        {"type": "response.output_text.delta", "delta": KEY[:9]},
        {"type": "response.output_text.delta", "delta": KEY[9:]},
    ]
    outcome, _ = stream(says(wire([*letters, {"type": "x", "y": KEY}])))
    assert isinstance(outcome, Lost)
    assert outcome.partial == "***"
    assert KEY not in repr(outcome)


def test_streams_one_after_another_share_a_connection() -> None:
    async def use() -> int:
        carrier = Wire()
        client = ResponsesClient(carrier, Endpoint("test", server.url))
        for _ in range(3):
            outcome = await client.send({"stream": True}, client_request_id="x", timeout_s=5)
            assert isinstance(outcome, Answered)
        await carrier.aclose()
        return server.connections

    with RawServer(says(wire(TOLD))) as server:
        assert asyncio.run(use()) == 1


# In the background: what breaks off is taken up again.

CREATED = {"type": "response.created", "response": {"id": RESPONSE["id"]}}
BEHIND = [CREATED, *TOLD[1:]]
HALF = wire(BEHIND[:6])


def breaks_off_then(*replies: Script) -> Script:
    """Break off after six events and a half, then do as these say, one for each request."""
    left = list(replies)

    def script(peer: Peer, request: Received) -> None:
        if request.method == "POST":
            says(HALF + b"data: {", then=Peer.close)(peer, request)
        else:
            left.pop(0)(peer, request)

    return script


def behind(*replies: Script, **more: Any) -> tuple[Outcome, list[str]]:
    """What becomes of a request in the background that breaks off; where was asked for the rest."""
    outcome, (first, *rest) = stream(breaks_off_then(*replies), background=True, **more)
    assert first.method == "POST"
    assert all(request.method == "GET" for request in rest)
    assert all(request.headers["authorization"] == f"Bearer {KEY}" for request in rest)
    assert not any(request.body for request in rest)
    return outcome, [request.path for request in rest]


def test_a_stream_in_the_background_is_taken_up_after_the_last_event_that_came() -> None:
    seen: list[Delta] = []
    outcome, paths = behind(says(wire(BEHIND[6:])), watch=seen.append)
    assert isinstance(outcome, Answered)
    assert outcome.response == RESPONSE
    assert paths == [f"/v1/responses/{RESPONSE['id']}?stream=true&starting_after=5"]
    assert "".join(delta.text for delta in seen if delta.news == "text") == "Hello"


def test_a_server_that_tells_everything_again_is_not_heard_twice() -> None:
    seen: list[Delta] = []
    outcome, _ = behind(says(wire(BEHIND)), watch=seen.append)
    assert isinstance(outcome, Answered)
    assert "".join(delta.text for delta in seen if delta.news == "text") == "Hello"


def test_what_breaks_off_again_is_taken_up_again_and_not_for_ever() -> None:
    more, nothing = says(wire(BEHIND[6:7]), then=Peer.close), says(then=Peer.reset)
    outcome, paths = behind(more, nothing, says(wire(BEHIND[7:])))
    assert isinstance(outcome, Answered)
    assert [path[-2:] for path in paths] == ["=5", "=6", "=6"]
    outcome, paths = behind(nothing, nothing, nothing, says(wire(BEHIND[6:])))
    assert isinstance(outcome, Lost)
    assert outcome.response_id == RESPONSE["id"]
    assert len(paths) == 3


def test_where_nobody_can_tell_the_rest_the_response_is_named() -> None:
    old = {"error": {"message": "It is more than 5 minutes old.", "type": "invalid_request_error"}}
    outcome, paths = behind(lambda peer, _: peer.send(reply(old, "400 Bad Request")))
    assert isinstance(outcome, Lost)
    assert (outcome.response_id, len(paths)) == (RESPONSE["id"], 1)


def test_a_stream_that_is_not_in_the_background_is_gone_when_it_breaks_off() -> None:
    outcome, requests = stream(breaks_off_then())
    assert isinstance(outcome, Lost)
    assert len(requests) == 1


def test_without_numbers_nobody_knows_where_to_go_on() -> None:
    bare = [{k: v for k, v in event.items() if k != "sequence_number"} for event in BEHIND[:4]]
    outcome, requests = stream(says(wire(bare), then=Peer.close), background=True)
    assert isinstance(outcome, Lost)
    assert len(requests) == 1
