"""Servers that are almost the API, through the whole program: nothing is lost or guessed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from wire_server import Peer, RawServer, Received, reply

from flowrunner.errors import ExitStatus
from flowrunner.events import CallRefused
from tests.cli_world import KEY, Done, Project

LONG_ID = "resp_" + "x" * 495
MESSAGE = {
    "type": "message",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "hello"}],
}
ANSWER: dict[str, Any] = {
    "id": LONG_ID,
    "object": "response",
    "created_at": 1_790_000_000.25,
    "completed_at": 1_790_000_001.5,
    "status": "completed",
    "model": "some-model",
    "output": [MESSAGE],
}
CHAIN = """\
flowrunner: 1
name: Strange
defaults: { model: gpt-6-luna, on_unknown: hold }
steps:
  - { id: a, prompt: one, DELIVERY }
  - { id: b, continue: a, prompt: two, DELIVERY }
result: { a: "{{ steps.a.text }}", b: "{{ steps.b.text }}" }
"""


@contextmanager
def serving(project: Project, script: Callable[[Peer, Received], None]) -> Iterator[RawServer]:
    with RawServer(script) as server:
        project.environ |= {"OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": KEY}
        yield server


def run(project: Project, delivery: str, *words: str) -> Done:
    project.write("flow.yaml", CHAIN.replace("DELIVERY", delivery))
    done = project.run("run", "flow.yaml", *words)
    assert "Traceback" not in done.err
    return done


def one_of_many(number: int) -> dict[str, Any]:
    """Each answer has an id of its own, of 500 characters."""
    return {**ANSWER, "id": LONG_ID[: -len(str(number))] + str(number)}


def test_long_ids_missing_usage_and_times_as_fractions(project: Project) -> None:
    def script(peer: Peer, request: Received) -> None:
        previous = json.loads(request.body).get("previous_response_id")
        assert previous in (None, one_of_many(1)["id"])
        peer.send(reply(one_of_many(2 if previous else 1)))

    with serving(project, script) as server:
        done = run(project, "delivery: direct")
        assert done.status == ExitStatus.DONE, done.err
        assert done.result == {"a": "hello", "b": "hello"}
        assert "COST=unknown" in done.err
        assert json.loads(server.requests[1].body)["previous_response_id"] == one_of_many(1)["id"]
        shown = project.run("show", "latest", "b")
        assert one_of_many(2)["id"] in shown.out.replace("\n", "").replace(" ", "")


def test_a_long_id_in_the_background_is_looked_for(project: Project) -> None:
    def script(peer: Peer, request: Received) -> None:
        if request.method == "GET":
            peer.send(reply({**ANSWER, "id": request.path.rpartition("/")[2]}))
            return
        number = 2 if json.loads(request.body).get("previous_response_id") else 1
        peer.send(reply({**one_of_many(number), "status": "queued", "output": []}))

    with serving(project, script):
        done = run(project, "delivery: background", "--wait")
        assert done.status == ExitStatus.DONE, done.err
        assert done.result == {"a": "hello", "b": "hello"}


@pytest.mark.parametrize("end", [b"", b"data: [DONE]\n\n"], ids=["closed", "done"])
def test_a_stream_of_nothing_but_data(project: Project, end: bytes) -> None:
    """No names of events, no numbers, no usage, a closing connection."""
    events = [
        {"type": "response.created", "response": {"id": LONG_ID}},
        {"type": "response.output_text.delta", "delta": "hel"},
        {"type": "response.output_text.delta", "delta": "lo"},
        {"type": "response.completed", "response": ANSWER},
    ]
    content = b"".join(b"data:%s\n\n" % json.dumps(event).encode() for event in events)

    def script(peer: Peer, _: Received) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", content, end)
        peer.close()

    with serving(project, script) as server:
        done = run(project, "delivery: stream")
        assert done.status == ExitStatus.DONE, done.err
        assert done.result == {"a": "hello", "b": "hello"}
        assert len(server.requests) == 2


ERRORS: dict[str, tuple[str, Any, str]] = {
    "a code that is a number": (
        "400 Bad Request",
        {"error": {"message": "too long", "code": 400}},
        "too long",
    ),
    "an error that is a text": ("404 Not Found", {"error": "no such model"}, "no such model"),
    "a detail": ("401 Unauthorized", {"detail": "Not authenticated"}, "`OPENAI_API_KEY`"),
    "details": ("422 Unprocessable", {"detail": [{"msg": "Field required"}]}, "Field required"),
    "plain text": ("400 Bad Request", b"store must be false", "store must be false"),
    "nothing": ("400 Bad Request", b"", "the server gave no reason"),
    "a page": ("403 Forbidden", b"<html><h1>No</h1></html>", "<h1>No</h1>"),
}


@pytest.mark.parametrize(("status", "content", "said"), ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("delivery", ["direct", "stream", "background"])
def test_errors_of_any_form_are_one_sentence_with_their_status(
    project: Project, delivery: str, status: str, content: Any, said: str
) -> None:
    with serving(project, lambda peer, _: peer.send(reply(content, status))) as server:
        done = run(project, f"delivery: {delivery}", "--wait")
        assert done.status == (4 if status[:3] == "401" else 1), done.err
        told = " ".join(done.err.split())
        assert said in told
        assert f"HTTP {status[:3]}" in told
        assert len(server.requests) == 1, "what is final is asked once"
    (refused,) = [event for event in project.latest.events if isinstance(event, CallRefused)]
    sent = content if isinstance(content, bytes) else json.dumps(content).encode()
    assert refused.raw == sent.decode(), "it is kept as it came"


def test_what_a_server_repeats_of_a_key_is_kept_nowhere(project: Project) -> None:
    content = f"<html>You sent the key {KEY} to us.</html>".encode()
    with serving(project, lambda peer, _: peer.send(reply(content, "400 Bad Request"))):
        done = run(project, "delivery: direct")
    assert "You sent the key" in " ".join(done.err.split())
    kept = [path for path in project.latest.folder.rglob("*") if path.is_file()]
    assert kept
    for path in kept:
        assert KEY.encode() not in path.read_bytes(), path.name
    assert KEY not in done.err
