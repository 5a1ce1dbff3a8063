"""The `openai` package, which nobody here wrote, takes the simulator for the API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import openai
import pytest
from pydantic import BaseModel
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
