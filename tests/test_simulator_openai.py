"""The `openai` package, which nobody here wrote, takes the simulator for the API."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Literal

import openai
import pytest
from openai.types.conversations import ConversationItem
from openai.types.responses import ResponseItem, ResponseOutputItem
from pydantic import BaseModel, TypeAdapter
from simulator_items import ITEMS, item

from flowrunner.simulator import FaultPlan, Simulator


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


@pytest.fixture
def client(simulator: Simulator) -> Iterator[openai.OpenAI]:
    with client_of(simulator) as speaking:
        yield speaking


def client_of(simulator: Simulator) -> openai.OpenAI:
    return openai.OpenAI(base_url=simulator.base_url, api_key="sk-test", max_retries=0)


def test_create_and_retrieve(client: openai.OpenAI, simulator: Simulator) -> None:
    created = client.responses.create(
        model="gpt-5.4",
        input="Say hi",
        instructions="Be brief.",
        metadata={"run": "r1"},
        extra_headers={"X-Client-Request-Id": "run/hello#1"},
    )
    assert created.status == "completed"
    assert "Say hi" in created.output_text
    assert created.usage is not None
    (call,) = simulator.ledger
    assert created._request_id == call.request_id
    assert call.client_request_id == "run/hello#1"
    assert call.usage is not None
    assert created.usage.total_tokens == call.usage.input + call.usage.output
    retrieved = client.responses.retrieve(created.id)
    assert retrieved.to_dict() == created.to_dict()


class Triage(BaseModel):
    team: Literal["billing", "bug", "other"]
    urgent: bool
    reasons: list[str]
    score: float
    parent: Triage | None


def test_parse_a_structured_answer(client: openai.OpenAI) -> None:
    parsed = client.responses.parse(
        model="gpt-6-luna", input="This bug is in the app", text_format=Triage
    )
    assert isinstance(parsed.output_parsed, Triage)
    assert parsed.output_parsed.team == "bug"


def test_an_incomplete_answer(client: openai.OpenAI) -> None:
    response = client.responses.create(model="gpt-5.4", input="Say hi", max_output_tokens=16)
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"


def test_errors_arrive_as_the_package_names_them(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="gpt-5.4", input="x", temperature=3)
    assert (refused.value.param, refused.value.code) == ("temperature", "decimal_above_max_value")
    assert refused.value.request_id
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve("resp_none")
    with pytest.raises(openai.BadRequestError, match=r"Previous response with id 'resp_none'"):
        client.responses.create(model="m", input="x", previous_response_id="resp_none")


@pytest.mark.parametrize(
    ("do", "error"),
    [
        ({"status": 401, "error": "invalid_api_key"}, openai.AuthenticationError),
        ({"status": 403}, openai.PermissionDeniedError),
        ({"status": 409}, openai.ConflictError),
        ({"status": 429, "retry_after": 1}, openai.RateLimitError),
        ({"status": 429, "error": "insufficient_quota"}, openai.RateLimitError),
        ({"status": 500}, openai.InternalServerError),
        ({"status": 502, "html": True}, openai.InternalServerError),
        ({"reset": "before"}, openai.APIConnectionError),
        ({"close": True}, openai.APIConnectionError),
        ({"truncate": 20}, openai.APIConnectionError),
    ],
    ids=str,
)
def test_faults_arrive_as_the_package_names_them(do: dict[str, Any], error: type) -> None:
    plan = FaultPlan.parse([{"times": 1, "do": do}])
    with Simulator(faults=plan) as simulator, client_of(simulator) as client:
        with pytest.raises(error):
            client.responses.create(model="gpt-5.4", input="x")
        assert client.responses.create(model="gpt-5.4", input="x").status == "completed"
        assert len(simulator.ledger) == 2


def test_a_refusal_arrives_as_one() -> None:
    plan = FaultPlan.parse([{"do": {"refusal": "I will not."}}])
    with Simulator(faults=plan) as simulator, client_of(simulator) as client:
        response = client.responses.create(model="gpt-5.4", input="x")
        assert response.output_text == ""
        assert response.output[0].to_dict()["content"] == [
            {"type": "refusal", "refusal": "I will not."}
        ]


def test_the_package_pays_again_for_an_answer_that_was_lost() -> None:
    """Its own retries are why flowrunner sends for itself: the ledger shows the second bill."""
    plan = FaultPlan.parse([{"times": 1, "do": {"reset": "before", "after_processing": True}}])
    with Simulator(faults=plan) as simulator:
        client = openai.OpenAI(base_url=simulator.base_url, api_key="sk-test", max_retries=1)
        with client:
            client.responses.create(model="gpt-5.4", input="x")
        assert len(simulator.ledger.paid()) == 2


def test_without_a_key_the_package_is_refused(client: openai.OpenAI) -> None:
    nobody = client.with_options(default_headers={"Authorization": "Basic x"})
    with pytest.raises(openai.AuthenticationError, match="didn't provide an API key"):
        nobody.responses.create(model="gpt-5.4", input="x")


def test_a_stream_is_read_event_by_event(client: openai.OpenAI, simulator: Simulator) -> None:
    text, number, last = "", -1, None
    for event in client.responses.create(model="gpt-5.4", input="Say hi", stream=True):
        assert event.sequence_number == number + 1
        number = event.sequence_number
        if event.type == "response.output_text.delta":
            text += event.delta
        last = event
    assert last is not None
    assert last.type == "response.completed"
    assert last.response.output_text == text
    assert "Say hi" in text
    assert client.responses.retrieve(last.response.id).to_dict() == last.response.to_dict()
    assert len(simulator.ledger.paid()) == 1


def test_the_package_adds_a_structured_stream_up(client: openai.OpenAI) -> None:
    asked = {"model": "gpt-6-luna", "input": "This bug is in the app"}
    with client.responses.stream(**asked, text_format=Triage) as stream:
        snapshots = [e.snapshot for e in stream if e.type == "response.output_text.delta"]
        response = stream.get_final_response()
    assert isinstance(response.output_parsed, Triage)
    assert snapshots[-1] == response.output_text


@pytest.mark.parametrize("kind", ITEMS)
def test_the_package_adds_items_of_each_type_up(kind: str) -> None:
    output = [item(kind), item("message", id="msg_2")]
    with (
        Simulator(replies=lambda _: {"output": output}) as simulator,
        client_of(simulator) as client,
        client.responses.stream(model="gpt-5.4", input="x") as stream,
    ):
        response = stream.get_final_response()
    assert [found.type for found in response.output] == [kind, "message"]


def test_a_background_stream_is_taken_up_again() -> None:
    plan = FaultPlan.parse([{"times": 1, "do": {"stream": {"cut": {"after_event": 6}}}}])
    with Simulator(faults=plan) as simulator, client_of(simulator) as client:
        asked = {"model": "gpt-5.4", "input": "Say hi", "background": True}
        stream = client.responses.create(**asked, stream=True)
        seen: list[Any] = []
        with pytest.raises(openai.APIConnectionError):
            seen.extend(stream)
        response_id = seen[0].response.id
        rest = client.responses.retrieve(
            response_id, stream=True, starting_after=seen[-1].sequence_number
        )
        seen += rest
        assert [event.sequence_number for event in seen] == list(range(len(seen)))
        assert seen[-1].type == "response.completed"
        assert len(simulator.ledger.paid()) == 1


def test_the_background_is_polled_cancelled_and_deleted(client: openai.OpenAI) -> None:
    asked = {"model": "gpt-5.4", "input": "Say hi", "background": True}
    first, second = (client.responses.create(**asked) for _ in range(2))
    assert first.status == second.status == "queued"
    seen = [client.responses.retrieve(first.id).status for _ in range(2)]
    assert seen == ["in_progress", "completed"]
    assert client.responses.cancel(second.id).status == "cancelled"
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)


@pytest.mark.parametrize(
    "stream",
    [
        {"line_end": "crlf"},
        {"line_end": "cr"},
        {"comments": True},
        {"event_lines": False},
        {"split_data": True},
        {"done": True},
        {"huge": 200_000},
        {"numbers": "gaps"},
    ],
    ids=str,
)
def test_streams_that_are_written_otherwise_are_read(stream: dict[str, Any]) -> None:
    plan = FaultPlan.parse([{"do": {"stream": stream}}])
    with Simulator(faults=plan) as simulator, client_of(simulator) as client:
        events = list(client.responses.create(model="gpt-5.4", input="x", stream=True))
        assert events[-1].type == "response.completed"


def test_an_error_inside_a_stream_arrives_as_an_error() -> None:
    order = {"stream": {"error": "rate_limit_exceeded", "error_form": "nested"}}
    with Simulator(faults=FaultPlan.parse([{"do": order}])) as simulator:
        with client_of(simulator) as client, pytest.raises(openai.APIError, match="Rate limit"):
            list(client.responses.create(model="gpt-5.4", input="x", stream=True))
        assert simulator.ledger[0].status == 200
        assert simulator.ledger.paid() == ()


WEATHER = {
    "type": "function",
    "name": "weather",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
HOSTED: list[Any] = [
    {"type": "web_search"},
    {"type": "file_search", "vector_store_ids": ["vs_1"]},
    {"type": "code_interpreter", "container": {"type": "auto"}},
    {"type": "image_generation"},
    {"type": "shell", "environment": {"type": "container_auto"}},
    {
        "type": "mcp",
        "server_label": "notes",
        "server_url": "https://mcp.example.org",
        "require_approval": "never",
    },
]
ALL: list[Any] = [
    "web_search_call.action.sources",
    "file_search_call.results",
    "code_interpreter_call.outputs",
    "message.output_text.logprobs",
    "reasoning.encrypted_content",
]


def strictly(value: Any, kind: Any) -> Any:
    """The value again, when the package's own types take it without any leniency."""
    return TypeAdapter(kind).validate_python(value.to_dict())


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_hosted_tools_arrive_as_the_package_names_them(client: openai.OpenAI, stream: bool) -> None:
    asked: dict[str, Any] = {
        "model": "gpt-5.4",
        "input": "Look it up",
        "tools": HOSTED,
        "include": ALL,
        "top_logprobs": 1,
        "reasoning": {"summary": "auto"},
    }
    if stream:
        with client.responses.stream(**asked) as events:
            response = events.get_final_response()
    else:
        response = client.responses.create(**asked)
    for found in response.output:
        strictly(found, ResponseOutputItem)
    assert [item.type for item in response.output] == [
        "reasoning",
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "image_generation_call",
        "shell_call",
        "shell_call_output",
        "mcp_list_tools",
        "mcp_call",
        "message",
    ]
    assert response.tool_usage is not None
    assert response.tool_usage.web_search.num_requests == 1


def test_a_function_is_called_answered_and_spoken_of(client: openai.OpenAI) -> None:
    tools: Any = [WEATHER]
    first = client.responses.create(model="gpt-5.4", input="Graz?", tools=tools)
    (call,) = [item for item in first.output if item.type == "function_call"]
    strictly(call, ResponseOutputItem)
    reply: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    second = client.responses.create(
        model="gpt-5.4", input=[reply], previous_response_id=first.id, tools=tools
    )
    assert "sunny" in second.output_text
    items = list(client.responses.input_items.list(second.id, order="asc", limit=1))
    for found in items:
        strictly(found, ResponseItem)
    assert [item.type for item in items] == [
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
    ]
    counted = client.responses.input_tokens.count(
        model="gpt-5.4", input=[reply], previous_response_id=first.id, tools=tools
    )
    assert second.usage is not None
    assert counted.input_tokens == second.usage.input_tokens


def test_a_conversation_lives_as_the_package_expects(client: openai.OpenAI) -> None:
    hello: Any = {"type": "message", "role": "user", "content": "Hello!"}
    conversation = client.conversations.create(metadata={"topic": "demo"}, items=[hello])
    response = client.responses.create(
        model="gpt-5.4", input="And?", conversation=conversation.id, tools=HOSTED
    )
    assert response.conversation is not None
    assert response.conversation.id == conversation.id
    items = list(client.conversations.items.list(conversation.id, order="asc", limit=3))
    for found in items:
        strictly(found, ConversationItem)
    assert len(items) == 2 + len(response.output)
    client.conversations.items.create(conversation.id, items=[hello])
    client.conversations.items.delete(items[0].id, conversation_id=conversation.id)
    changed = client.conversations.update(conversation.id, metadata={"topic": "other"})
    assert client.conversations.retrieve(conversation.id) == changed
    assert client.conversations.delete(conversation.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.conversations.retrieve(conversation.id)


def test_a_conversation_in_use_is_locked_until_its_client_goes_away() -> None:
    arrived = threading.Event()
    plan = FaultPlan.parse([{"match": {"call": 1}, "do": {"delay": 600}}])
    with Simulator(faults=plan, replies=lambda _: arrived.set()) as simulator:
        client = client_of(simulator)
        conversation = client.conversations.create()
        asked: Any = {"model": "gpt-5.4", "input": "x", "conversation": conversation.id}
        with socket.create_connection(("127.0.0.1", simulator.port)) as slow:
            content = json.dumps(asked).encode()
            head = f"POST /v1/responses HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n"
            slow.sendall(head.encode() + b"Authorization: Bearer k\r\n\r\n" + content)
            assert arrived.wait(30)
            with pytest.raises(openai.BadRequestError) as locked:
                client.responses.create(**asked)
            assert locked.value.code == "conversation_locked"
        for _ in range(1_000):
            with suppress(openai.BadRequestError):
                assert client.responses.create(**asked).status == "completed"
                break
        else:
            pytest.fail("the conversation stayed locked")
        client.close()


def test_files_are_handled_as_the_package_handles_them(client: openai.OpenAI) -> None:
    content = bytes(range(256))
    file = client.files.create(
        file=("naïve name.bin", content),
        purpose="user_data",
        expires_after={"anchor": "created_at", "seconds": 3600},
    )
    assert file.filename == "naïve name.bin"
    assert file.expires_at is not None
    assert client.files.content(file.id).read() == content
    assert [one.id for one in client.files.list(purpose="user_data")] == [file.id]
    given: Any = [{"role": "user", "content": [{"type": "input_file", "file_id": file.id}]}]
    client.responses.create(model="gpt-5.4", input=given)
    assert client.files.delete(file.id).deleted
    with pytest.raises(openai.BadRequestError, match="not found"):
        client.responses.create(model="gpt-5.4", input=given)


def test_what_code_made_is_downloaded(client: openai.OpenAI) -> None:
    response = client.responses.create(model="gpt-5.4", input="Plot it", tools=HOSTED[2:3])
    message = response.output[-1]
    assert message.type == "message"
    part = message.content[0]
    assert part.type == "output_text"
    note = part.annotations[0]
    assert note.type == "container_file_citation"
    files = client.containers.files
    content = files.content.retrieve(note.file_id, container_id=note.container_id).read()
    assert [file.bytes for file in files.list(note.container_id)] == [len(content)]


def test_a_window_is_compacted_and_passed_on(client: openai.OpenAI) -> None:
    first = client.responses.create(model="gpt-5.4", input="Remember this")
    raw = client.responses.with_raw_response.compact(model="gpt-5.4", previous_response_id=first.id)
    assert raw.parse().object == "response.compaction"
    window = json.loads(raw.http_response.text)["output"]
    assert [item["type"] for item in window] == ["message", "compaction"]
    again = client.responses.create(
        model="gpt-5.4", input=[*window, {"role": "user", "content": "Go on"}]
    )
    assert again.status == "completed"
