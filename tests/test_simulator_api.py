"""What the API answers, without a socket: responses, envelopes, headers, ledger and faults."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import referencing
from jsonschema import Draft202012Validator

from flowrunner import catalog
from flowrunner.events import Usage
from flowrunner.simulator.api import Api
from flowrunner.simulator.backend import Behaviour
from flowrunner.simulator.envelope import Refusal
from flowrunner.simulator.exchange import Delivery, Request
from flowrunner.simulator.faults import FaultPlan
from flowrunner.simulator.ledger import Call, Ledger
from flowrunner.simulator.rates import RateLimits, duration
from flowrunner.simulator.tokens import input_tokens, reasoning_tokens

SAMPLES = json.loads((Path(__file__).parent / "test_simulator_samples.json").read_text("utf-8"))
UNREADABLE = {
    "messages dev+user": "invalid_value",
    "function tools + choice": "invalid_function_parameters",
    "stateless replay": "invalid_encrypted_content",
    "compaction item replay": "invalid_encrypted_content",
}
"""Samples that only their schema is content with: what they name is not there, or not ours."""
KEY = {"authorization": "Bearer sk-test"}
NOW = 1_800_000_000.0


@cache
def response_validator() -> Any:
    return Draft202012Validator(
        catalog.load_schema("openai/response"), registry=referencing.Registry()
    )


class Bench:
    """An API on a bench: requests in, replies out, at a fixed time."""

    def __init__(self, faults: list[dict[str, Any]] | None = None, **behaviour: Any) -> None:
        self.ledger = Ledger()
        plan = FaultPlan.parse(faults or [])
        behaviour.setdefault("clock", lambda: NOW)
        self.api = Api(Behaviour(faults=plan, **behaviour), self.ledger)

    def deliver(self, body: Any, **headers: str) -> Delivery:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.api.receive(Request("POST", "/v1/responses", KEY | named, content))

    def post(self, body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
        reply = self.deliver(body, **headers).reply
        assert reply is not None
        return reply.status, json.loads(reply.content)

    def ask(self, **fields: Any) -> dict[str, Any]:
        status, response = self.post({"model": "gpt-5.4", "input": "Say hi", **fields})
        assert status == 200, response
        assert list(response_validator().iter_errors(response)) == []
        return response

    def get(self, target: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, Any]]:
        reply = self.api.receive(Request(method, target, KEY | headers)).reply
        assert reply is not None
        return reply.status, json.loads(reply.content)


def text_of(response: dict[str, Any]) -> str:
    return str(message_of(response)["content"][0]["text"])


def message_of(response: dict[str, Any]) -> dict[str, Any]:
    (message,) = [item for item in response["output"] if item["type"] == "message"]
    return message


# ---- responses ----------------------------------------------------------------------------------


def test_a_response_has_what_the_api_gives() -> None:
    response = Bench().ask(metadata={"run": "r1"}, temperature=0.5, instructions="Be brief.")
    assert response["status"] == "completed"
    assert response["created_at"] == response["completed_at"] == NOW
    assert response["id"].startswith("resp_")
    assert [item["id"].split("_")[0] for item in response["output"]] == ["rs", "msg"]
    assert response["model"] == "gpt-5.4"
    assert response["metadata"] == {"run": "r1"}
    assert response["temperature"] == 0.5
    assert response["instructions"] == "Be brief."
    assert response["service_tier"] == "default"
    assert response["error"] is response["incomplete_details"] is None
    usage = response["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert 0 < usage["output_tokens_details"]["reasoning_tokens"] < usage["output_tokens"]


@pytest.mark.parametrize("case", SAMPLES["valid"], ids=lambda case: case["name"])
def test_each_valid_sample_is_answered_or_names_what_is_not_there(case: dict[str, Any]) -> None:
    body = case["body"]
    status, reply = Bench().post(body)
    if "previous_response_id" in body:
        assert (status, reply["error"]["code"]) == (400, "previous_response_not_found")
    elif "conversation" in body:
        assert (status, reply["error"]["code"]) == (404, "conversation_not_found")
    elif case["name"] in UNREADABLE:
        assert (status, reply["error"]["code"]) == (400, UNREADABLE[case["name"]])
    else:
        assert (status, reply["status"]) == (
            200,
            "queued" if body.get("background") else "completed",
        )
        assert list(response_validator().iter_errors(reply)) == []


@pytest.mark.parametrize("case", SAMPLES["invalid"], ids=lambda case: case["name"])
def test_each_invalid_sample_gets_the_envelope(case: dict[str, Any]) -> None:
    status, reply = Bench().post(case["body"])
    assert status == 400
    assert set(reply["error"]) == {"message", "type", "param", "code"}
    assert reply["error"]["type"] == "invalid_request_error"
    assert reply["error"]["param"]


def test_the_same_request_gets_the_same_text_and_a_new_id() -> None:
    bench = Bench()
    first, second = bench.ask(), bench.ask(store=False, metadata={"a": "b"})
    assert text_of(first) == text_of(second)
    assert first["id"] != second["id"]
    assert Bench().ask()["id"] == first["id"]


def test_ids_differ_between_attempts_that_a_client_tells_apart() -> None:
    body = {"model": "m", "input": "x"}
    ids = {Bench().post(body, x_client_request_id=name)[1]["id"] for name in ("a#1", "a#2")}
    assert len(ids) == 2


def test_another_seed_gives_another_value() -> None:
    fields = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    schema = {**fields, "additionalProperties": False}
    text = {"format": {"type": "json_schema", "name": "o", "strict": True, "schema": schema}}
    values = {text_of(Bench(seed=seed).ask(text=text)) for seed in range(10)}
    assert len(values) > 5


@pytest.mark.parametrize(
    ("asked", "quote"),
    [
        ({"input": "Tell me\n a joke"}, "“Tell me a joke”"),
        (
            {"input": [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}]},
            "two",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_text", "text": "parts"}]}]},
            "“parts”",
        ),
        (
            {
                "input": [
                    {"role": "user", "content": "asked"},
                    {"role": "assistant", "content": "said"},
                ]
            },
            "“asked”",
        ),
        ({"input": [{"role": "developer", "content": "rules"}]}, "“rules”"),
        ({"input": [], "instructions": "only these"}, "“only these”"),
        ({"input": ""}, "asked nothing"),
        ({"input": "word " * 500}, "word…”"),
        ({"input": "\ud83d broken \u202e"}, "broken"),
    ],
    ids=["text", "last", "parts", "user", "developer", "instructions", "empty", "long", "odd"],
)
def test_the_text_says_it_is_simulated_and_quotes(asked: dict[str, Any], quote: str) -> None:
    text = text_of(Bench().ask(**asked))
    assert text.startswith("[simulated] ")
    assert quote in text
    assert len(text) < 300


def test_json_objects_are_objects_that_say_so() -> None:
    text = text_of(Bench().ask(input="json please", text={"format": {"type": "json_object"}}))
    assert json.loads(text) == {"simulated": True, "about": "json please"}


def test_an_answer_past_the_limit_is_incomplete_and_cut() -> None:
    whole = text_of(Bench().ask())
    response = Bench().ask(max_output_tokens=16)
    assert response["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert response["completed_at"] is None
    assert message_of(response)["status"] == "incomplete"
    assert response["usage"]["output_tokens"] == 16
    assert whole.startswith(text_of(response))
    assert len(text_of(response)) < len(whole)


def test_an_answer_within_the_limit_is_whole() -> None:
    enough = Bench().ask()["usage"]["output_tokens"]
    assert Bench().ask(max_output_tokens=enough)["status"] == "completed"


def test_what_opens_an_mcp_server_is_not_echoed() -> None:
    tool = {
        "type": "mcp",
        "server_label": "s",
        "server_url": "https://m/mcp",
        "authorization": "secret-1",
        "headers": {"x": "secret-2"},
    }
    assert "secret" not in json.dumps(Bench().ask(tools=[tool]))


def test_a_stored_prompt_needs_no_model_and_no_input() -> None:
    status, response = Bench().post({"prompt": {"id": "pmpt_1"}})
    assert status == 200
    assert response["model"]


def test_earlier_tokens_are_billed_again() -> None:
    bench = Bench()
    first = bench.ask()
    second = bench.ask(previous_response_id=first["id"])
    alone = bench.ask()["usage"]["input_tokens"]
    assert second["usage"]["input_tokens"] == alone + first["usage"]["total_tokens"]


def test_a_schema_that_nothing_fits_is_refused() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "name": "o", "strict": True, "schema": schema}
    status, reply = Bench().post({"model": "m", "input": "x", "text": {"format": wanted}})
    assert (status, reply["error"]["code"]) == (400, "invalid_json_schema")


# ---- tokens and rates ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ({"input": ""}, 0),
        ({"input": "abcd"}, 1),
        ({"input": "abcde"}, 2),
        ({"input": "abcd", "instructions": "abcd"}, 2),
        ({"input": "abcd", "metadata": {"a": "x" * 100}}, 1),
        ({"input": [{"type": "input_image", "image_url": "data:" + "A" * 9_999}]}, 1_007),
    ],
    ids=["nothing", "four", "five", "instructions", "metadata", "image"],
)
def test_input_is_counted(body: dict[str, Any], tokens: int) -> None:
    assert input_tokens(body) == tokens


@pytest.mark.parametrize(
    ("model", "effort", "tokens"),
    [("gpt-4o", "high", 0), ("gpt-5.4", None, 32), ("gpt-5.4", "none", 0), ("o3", "max", 256)],
)
def test_reasoning_is_counted(model: str, effort: str | None, tokens: int) -> None:
    assert reasoning_tokens(model, effort) == tokens


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.012, "12ms"), (1, "1s"), (1.5, "1.5s"), (360, "6m0s"), (3723, "1h2m3s")],
)
def test_durations_are_written_as_the_api_does(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_rate_limits_sink_with_each_request_and_fill_with_time() -> None:
    now = [100.0]
    rates = RateLimits(lambda: now[0])
    limit = int(rates.told(0)["x-ratelimit-limit-requests"])
    rates.admit()
    rates.admit()
    after = rates.told(1_000_000)
    assert int(after["x-ratelimit-remaining-requests"]) == limit - 2
    assert after["x-ratelimit-reset-tokens"] == "10ms"
    now[0] += 60
    rates.admit()
    assert int(rates.told(0)["x-ratelimit-remaining-requests"]) == limit - 1
    now[0] -= 1_000  # a clock that is put back takes nothing away
    rates.admit()
    assert int(rates.told(0)["x-ratelimit-remaining-requests"]) == limit - 2


def test_a_limit_that_is_held_to_refuses_what_goes_beyond_it_and_says_how_long() -> None:
    now = [100.0]
    rates = RateLimits(lambda: now[0], requests_a_minute=2)
    rates.admit()
    rates.admit()
    with pytest.raises(Refusal) as caught:
        rates.admit()
    assert (caught.value.status, caught.value.code) == (429, "rate_limit_exceeded")
    assert caught.value.headers == (("retry-after", "30"),)
    now[0] += 30
    rates.admit()


# ---- routes, keys, bodies -----------------------------------------------------------------------


def test_every_reply_has_the_headers_of_the_api() -> None:
    for body in ({"model": "m", "input": "x"}, {"model": 5}):
        reply = Bench().deliver(body).reply
        assert reply is not None
        headers = dict(reply.headers)
        assert headers["x-request-id"].startswith("req_")
        assert headers["content-type"] == "application/json"
        assert int(headers["content-length"]) == len(reply.content)
        assert {"openai-version", "openai-organization", "openai-processing-ms"} <= headers.keys()
        for what in ("requests", "tokens"):
            for which in ("limit", "remaining", "reset"):
                assert f"x-ratelimit-{which}-{what}" in headers


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": ""}, {"authorization": "Bearer "}, {"authorization": "Basic x"}],
    ids=str,
)
@pytest.mark.parametrize("target", ["/v1/responses", "/v1/responses/resp_1", "/v1/nothing"])
def test_without_a_key_nothing_is_told(headers: dict[str, str], target: str) -> None:
    method = "POST" if target.endswith("responses") else "GET"
    reply = Bench().api.receive(Request(method, target, headers, b"{}")).reply
    assert reply is not None
    assert reply.status == 401
    assert "API key" in json.loads(reply.content)["error"]["message"]


def test_the_key_of_azure_is_taken_too() -> None:
    request = Request("POST", "/v1/responses", {"api-key": "k"}, b'{"model": "m", "input": "x"}')
    reply = Bench().api.receive(request).reply
    assert reply is not None
    assert reply.status == 200


@pytest.mark.parametrize(
    ("method", "target", "status", "message"),
    [
        ("GET", "/v1/nothing", 404, "Invalid URL (GET /v1/nothing)"),
        ("POST", "/responses", 404, "Invalid URL"),
        ("GET", "/v1/responses/", 404, "Invalid URL"),
        ("GET", "/v1/responses/a/b", 404, "Invalid URL"),
        ("GET", "/v1/responses", 405, "Not allowed to GET on /v1/responses."),
        ("PUT", "/v1/responses/resp_1", 405, "Not allowed to PUT"),
        ("GET", "/v1/responses/resp_1", 404, "Response with id 'resp_1' not found."),
    ],
    ids=str,
)
def test_other_ways_are_refused(method: str, target: str, status: int, message: str) -> None:
    found, reply = Bench().get(target, method)
    assert found == status
    assert message in reply["error"]["message"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b'{"model": NaN}', b"[" * 100_000, b"{'a': 1}"],
    ids=["empty", "cut", "no text", "nan", "deep", "python"],
)
def test_what_is_no_json_is_refused(content: bytes) -> None:
    status, reply = Bench().post(content)
    assert status == 400
    assert "We could not parse the JSON body of your request" in reply["error"]["message"]


def test_a_body_nested_too_deeply_is_refused() -> None:
    nested: Any = {"type": "eq", "key": "a", "value": "b"}
    for _ in range(300):
        nested = {"type": "and", "filters": [nested]}
    tool = {"type": "file_search", "vector_store_ids": ["vs_1"], "filters": nested}
    status, reply = Bench().post({"model": "m", "input": "x", "tools": [tool]})
    assert (status, reply["error"]["message"]) == (400, "Invalid body: it is nested too deeply.")


def test_a_response_is_retrieved_as_it_was_answered() -> None:
    bench = Bench()
    response = bench.ask()
    target = f"/v1/responses/{response['id']}?include[]=reasoning.encrypted_content"
    assert bench.get(target) == (200, response)
    assert bench.get(target.replace("reasoning.", ""))[1]["error"]["param"] == "include[0]"


def test_a_response_that_was_not_to_be_stored_is_not_found() -> None:
    bench = Bench()
    assert bench.get(f"/v1/responses/{bench.ask(store=False)['id']}")[0] == 404


# ---- scripted replies ---------------------------------------------------------------------------


def test_a_scripted_text_is_the_message() -> None:
    bench = Bench(replies=lambda body: f"You said {body['input']}")
    assert text_of(bench.ask(input="hello")) == "You said hello"


def test_scripted_fields_replace_those_of_the_response() -> None:
    call = {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "call_1",
        "name": "f",
        "arguments": "{}",
        "status": "completed",
    }
    response = Bench(replies=lambda _: {"output": [call], "model": "gpt-5.4-mini"}).ask()
    assert response["output"] == [call]
    assert response["model"] == "gpt-5.4-mini"
    assert response["usage"]["output_tokens"] > 20


def test_without_a_scripted_reply_the_generator_answers() -> None:
    assert text_of(Bench(replies=lambda _: None).ask()).startswith("[simulated]")


def test_a_script_that_fails_is_named() -> None:
    def replies(body: dict[str, Any]) -> str:
        raise KeyError("nope")

    status, reply = Bench(replies=replies).post({"model": "m", "input": "x"})
    assert status == 500
    assert reply["error"]["message"] == "The scripted reply raised KeyError: 'nope'"


# ---- the ledger ---------------------------------------------------------------------------------


def test_the_ledger_knows_each_call_and_what_was_paid() -> None:
    bench = Bench()
    response = bench.ask(model="gpt-5.4-mini")
    bench.deliver({"model": 5}, x_client_request_id="run/step#1")
    bench.get(f"/v1/responses/{response['id']}")
    paid, refused, read = bench.ledger.calls()
    assert (paid.number, paid.method, paid.path) == (1, "POST", "/v1/responses")
    assert paid.body["model"] == "gpt-5.4-mini"
    assert paid.response_id == read.response_id == response["id"]
    usage = response["usage"]
    assert paid.usage == Usage(
        input=usage["input_tokens"],
        output=usage["output_tokens"],
        reasoning=usage["output_tokens_details"]["reasoning_tokens"],
    )
    assert paid.cost_usd == catalog.cost_usd("gpt-5.4-mini", paid.usage)
    assert (refused.client_request_id, refused.is_paid) == ("run/step#1", False)
    assert bench.ledger.paid() == (paid,)
    assert bench.ledger.usage() == paid.usage
    assert bench.ledger.cost_usd() == paid.cost_usd
    assert list(bench.ledger) == [paid, refused, read]
    assert (len(bench.ledger), bench.ledger[-1]) == (3, read)


def test_the_cost_of_an_unknown_model_is_unknown() -> None:
    bench = Bench()
    bench.ask(model="nobody-knows")
    assert bench.ledger[0].usage is not None
    assert bench.ledger[0].cost_usd is None


def test_the_ledger_lets_old_bodies_go() -> None:
    ledger = Ledger()
    for number in range(1, 10_003):
        ledger.add(Call(number=number, method="POST", path="/", request_id="r", body={"n": number}))
    calls = ledger.calls()
    assert [call.body for call in calls[:3]] == [None, None, {"n": 3}]
    assert calls[-1].body == {"n": 10_002}


# ---- faults -------------------------------------------------------------------------------------


def strike(do: dict[str, Any], **fields: Any) -> tuple[Bench, Delivery]:
    bench = Bench([{"do": do}])
    return bench, bench.deliver({"model": "gpt-5.4", "input": "x", **fields})


def test_an_ordered_status_costs_nothing() -> None:
    bench, delivery = strike({"status": 429, "retry_after": 2, "error": {"message": "Slow!"}})
    assert delivery.reply is not None
    assert delivery.reply.status == 429
    assert dict(delivery.reply.headers)["retry-after"] == "2"
    assert json.loads(delivery.reply.content)["error"]["message"] == "Slow!"
    assert not bench.ledger[0].is_paid
    assert bench.ledger[0].fault == "rule 1"


def test_an_ordered_status_after_the_work_is_paid_and_stored() -> None:
    bench, delivery = strike({"status": 500, "after_processing": True})
    assert delivery.reply is not None
    assert delivery.reply.status == 500
    assert bench.ledger[0].is_paid
    assert bench.get(f"/v1/responses/{bench.ledger[0].response_id}")[0] == 200


def test_a_lost_answer_after_the_work_is_paid() -> None:
    bench, delivery = strike({"reset": "before", "after_processing": True})
    assert delivery.reply is None
    assert delivery.effect.ending == "reset"
    assert bench.ledger[0].is_paid
    assert bench.ledger[0].status is None


def test_ordered_headers_replace_the_usual_ones() -> None:
    _, delivery = strike({"headers": {"X-RateLimit-Remaining-Requests": "0", "x-other": "1"}})
    assert delivery.reply is not None
    names = [name.lower() for name, _ in delivery.reply.headers]
    assert names.count("x-ratelimit-remaining-requests") == 1
    assert dict(delivery.reply.headers)["X-RateLimit-Remaining-Requests"] == "0"


@pytest.mark.parametrize("status", ["failed", "cancelled", "queued", "in_progress"])
def test_an_ordered_end_without_an_answer(status: str) -> None:
    bench, delivery = strike({"response_status": status})
    assert delivery.reply is not None
    response = json.loads(delivery.reply.content)
    assert list(response_validator().iter_errors(response)) == []
    assert (response["status"], response["output"], response["usage"]) == (status, [], None)
    assert (response["error"] is not None) == (status == "failed")
    assert not bench.ledger[0].is_paid


def test_an_ordered_failure_has_its_code() -> None:
    _, delivery = strike({"response_status": "failed", "code": "rate_limit_exceeded"})
    assert delivery.reply is not None
    assert json.loads(delivery.reply.content)["error"]["code"] == "rate_limit_exceeded"


def test_an_ordered_incomplete_answer_is_cut_and_paid() -> None:
    bench, delivery = strike({"response_status": "incomplete", "code": "content_filter"})
    assert delivery.reply is not None
    response = json.loads(delivery.reply.content)
    assert list(response_validator().iter_errors(response)) == []
    assert response["incomplete_details"] == {"reason": "content_filter"}
    assert bench.ledger[0].is_paid


def test_an_ordered_refusal_is_completed_without_text() -> None:
    bench, delivery = strike({"refusal": "I will not."})
    assert delivery.reply is not None
    response = json.loads(delivery.reply.content)
    assert list(response_validator().iter_errors(response)) == []
    assert response["status"] == "completed"
    assert response["output"][0]["content"] == [{"type": "refusal", "refusal": "I will not."}]
    assert bench.ledger[0].is_paid


def test_hidden_usage_is_paid_all_the_same() -> None:
    bench, delivery = strike({"response": {"usage": None, "id": "r" * 500}})
    assert delivery.reply is not None
    response = json.loads(delivery.reply.content)
    assert (response["usage"], response["id"]) == (None, "r" * 500)
    assert bench.ledger[0].is_paid


@pytest.mark.parametrize(
    ("do", "content_type", "start"),
    [
        ({"html": True}, "text/html; charset=utf-8", b"<html>"),
        ({"wrong_json": True}, "application/json", b'{"hello"'),
        ({"body": "plain", "content_type": "text/plain"}, "text/plain", b"plain"),
        ({"body": b"\x00\xff"}, "application/json", b"\x00\xff"),
    ],
    ids=["html", "json", "text", "bytes"],
)
def test_an_ordered_body_stands_as_it_is(
    do: dict[str, Any], content_type: str, start: bytes
) -> None:
    bench, delivery = strike(do)
    assert delivery.reply is not None
    assert delivery.reply.status == 200
    assert dict(delivery.reply.headers)["content-type"] == content_type
    assert delivery.reply.content.startswith(start)
    assert not bench.ledger[0].is_paid


def test_a_fault_strikes_before_the_key_is_looked_at() -> None:
    bench = Bench([{"match": {"call": 1}, "do": {"status": 503}}])
    replies = [
        bench.api.receive(Request("POST", "/v1/responses", {}, b"{}")).reply for _ in range(2)
    ]
    assert [reply.status for reply in replies if reply] == [503, 401]


def test_a_retrieve_can_be_struck() -> None:
    bench = Bench([{"match": {"endpoint": "retrieve"}, "times": 1, "do": {"status": 500}}])
    response = bench.ask()
    target = f"/v1/responses/{response['id']}"
    assert [bench.get(target)[0] for _ in range(2)] == [500, 200]


def test_latency_comes_before_each_reply() -> None:
    bench = Bench([{"match": {"call": 2}, "do": {"delay": 1}}], latency_s=0.5)
    delays = [bench.deliver({"model": "m", "input": "x"}).delay_s for _ in range(2)]
    assert delays == [0.5, 1.5]
