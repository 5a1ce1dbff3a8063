"""Responses in the background: polled, resumed, cancelled, deleted, and what goes wrong there."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
import referencing
from jsonschema import Draft202012Validator

from flowrunner import catalog
from flowrunner.simulator import Pace
from flowrunner.simulator.api import Api
from flowrunner.simulator.backend import Behaviour
from flowrunner.simulator.exchange import Reply, Request
from flowrunner.simulator.faults import FaultPlan
from flowrunner.simulator.ledger import Ledger

KEY = {"authorization": "Bearer sk-test"}
ASKED = {"model": "gpt-4o", "input": "Say hi", "background": True}
START = 1_800_000_000.0


@cache
def response_validator() -> Any:
    return Draft202012Validator(
        catalog.load_schema("openai/response"), registry=referencing.Registry()
    )


class Bench:
    """An API on a bench, at a time that stands until it is moved."""

    def __init__(self, *rules: dict[str, Any], pace: Pace | None = None, **behaviour: Any) -> None:
        self.now = START
        self.ledger = Ledger()
        plan = FaultPlan.parse(list(rules))
        behaviour |= {"clock": lambda: self.now, "pace": pace or Pace()}
        self.api = Api(Behaviour(faults=plan, **behaviour), self.ledger)

    def reply(self, method: str, target: str, body: Any = None) -> Reply:
        content = b"" if body is None else json.dumps(body).encode()
        reply = self.api.receive(Request(method, f"/v1/responses{target}", KEY, content)).reply
        assert reply is not None
        return reply

    def ask(self, method: str, target: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        reply = self.reply(method, target, body)
        assert reply.pieces is None
        answer = json.loads(reply.content)
        if reply.status == 200 and "status" in answer:
            assert list(response_validator().iter_errors(answer)) == []
        return reply.status, answer

    def create(self, **fields: Any) -> str:
        status, response = self.ask("POST", "", {**ASKED, **fields})
        assert (status, response["status"], response["background"]) == (200, "queued", True)
        assert (response["output"], response["usage"]) == ([], None)
        return f"/{response['id']}"

    def poll(self, target: str, times: int = 1) -> str:
        """What so many polls see, in a word each; the error's status where there is one."""
        seen = (self.ask("GET", target) for _ in range(times))
        return " ".join(str(answer.get("status", status)) for status, answer in seen)

    def stream(self, method: str, target: str, body: Any = None) -> list[dict[str, Any]]:
        reply = self.reply(method, target, body)
        assert reply.pieces is not None, reply.content
        content = b"".join(piece.content for piece in reply.pieces).decode()
        lines = [line for line in content.splitlines() if line.startswith("data: ")]
        return [json.loads(line.removeprefix("data: ")) for line in lines]


def with_pace(**background: Any) -> Bench:
    return Bench({"do": {"background": background}})


# ---- polling ------------------------------------------------------------------------------------


def test_a_response_is_queued_then_in_progress_then_done() -> None:
    bench = Bench()
    target = bench.create()
    assert bench.poll(target, 4) == "in_progress completed completed completed"


def test_it_ends_in_what_would_have_been_answered() -> None:
    bench = Bench()
    target = bench.create()
    bench.now += 60
    bench.poll(target)
    response = bench.ask("GET", target)[1]
    other = Bench().ask("POST", "", {**ASKED, "background": False})[1]
    told = response["output"][0]["content"]
    assert told == other["output"][0]["content"]
    assert response["usage"] == other["usage"]
    assert (response["created_at"], response["completed_at"]) == (START, START + 60)


@pytest.mark.parametrize(
    ("pace", "seen"),
    [
        ({"polls_until_done": 1}, "completed completed completed completed"),
        ({"polls_until_done": 3}, "in_progress in_progress completed completed"),
        ({"queued_forever": True}, "queued queued queued queued"),
        ({"cancelled_at_poll": 1}, "cancelled cancelled cancelled cancelled"),
        (
            {"polls_until_done": 9, "cancelled_at_poll": 3},
            "in_progress in_progress cancelled cancelled",
        ),
        ({"gone_at_poll": 2}, "in_progress 404 404 404"),
        ({"flickers": True}, "in_progress completed in_progress completed"),
        ({"flickers": True, "polls_until_done": 1}, "completed in_progress completed completed"),
    ],
    ids=str,
)
def test_its_pace_can_be_ordered_and_set(pace: dict[str, Any], seen: str) -> None:
    ordered, usual = with_pace(**pace), Bench(pace=Pace(**pace))
    assert ordered.poll(ordered.create(), 4) == usual.poll(usual.create(), 4) == seen


def test_its_pace_may_follow_the_clock() -> None:
    bench = with_pace(seconds_until_done=30)
    target = bench.create()
    assert bench.poll(target, 5) == "in_progress " * 4 + "in_progress"
    bench.now += 29
    assert bench.poll(target) == "in_progress"
    bench.now += 1
    assert bench.poll(target) == "completed"


@pytest.mark.parametrize("status", ["failed", "incomplete", "cancelled"])
def test_it_may_end_otherwise(status: str) -> None:
    bench = Bench({"do": {"response_status": status}})
    assert bench.poll(bench.create(), 3) == f"in_progress {status} {status}"


def test_the_server_says_when_to_poll_again() -> None:
    bench = with_pace(poll_after_ms=250, polls_until_done=2)
    replies = [bench.reply("POST", "", ASKED)]
    target = f"/{json.loads(replies[0].content)['id']}"
    replies += [bench.reply("GET", target) for _ in range(2)]
    waits = [dict(reply.headers).get("openai-poll-after-ms") for reply in replies]
    assert waits == ["250", "250", None]


def test_polls_go_wrong_and_recover() -> None:
    poll = {"endpoint": "retrieve"}
    bench = Bench(
        {"match": poll, "times": 2, "do": {"status": 503}},
        {"match": poll, "times": 1, "do": {"status": 404}},
        {"match": poll, "times": 1, "do": {"status": 200, "wrong_json": True}},
    )
    target = bench.create()
    statuses = [bench.reply("GET", target).status for _ in range(4)]
    assert statuses == [503, 503, 404, 200]
    assert bench.poll(target, 2) == "in_progress completed"


def test_it_is_paid_once_and_looking_is_free() -> None:
    bench = Bench()
    target = bench.create()
    bench.poll(target, 3)
    bench.ask("POST", f"{target}/cancel")
    (call,) = bench.ledger.paid()
    assert (call.number, len(bench.ledger)) == (1, 5)
    assert call.usage is not None
    response = bench.ask("GET", target)[1]
    assert call.usage.output == response["usage"]["output_tokens"]


def test_what_never_begins_costs_nothing() -> None:
    bench = with_pace(queued_forever=True)
    bench.create()
    assert bench.ledger.paid() == ()
    bench = with_pace(queued_forever=True)
    bench.ask("POST", "", {**ASKED, "background": False})
    assert len(bench.ledger.paid()) == 1


def test_it_must_be_stored() -> None:
    status, reply = Bench().ask("POST", "", {**ASKED, "store": False})
    assert (status, reply["error"]["param"]) == (400, "store")


def test_it_works_on_where_its_creation_was_lost() -> None:
    bench = Bench({"do": {"status": 500, "after_processing": True}})
    assert bench.reply("POST", "", ASKED).status == 500
    target = f"/{bench.ledger[0].response_id}"
    assert bench.poll(target, 2) == "in_progress completed"


# ---- cancelling and deleting --------------------------------------------------------------------


def test_cancelling_ends_it_as_often_as_one_likes() -> None:
    bench = Bench()
    target = bench.create()
    bench.poll(target)
    first, second = (bench.ask("POST", f"{target}/cancel") for _ in range(2))
    assert first == second
    assert (first[0], first[1]["status"], first[1]["usage"]) == (200, "cancelled", None)
    assert bench.poll(target, 2) == "cancelled cancelled"


def test_cancelling_what_is_done_changes_nothing() -> None:
    bench = Bench(pace=Pace(polls_until_done=1))
    target = bench.create()
    done = bench.ask("GET", target)
    assert bench.ask("POST", f"{target}/cancel") == done == bench.ask("GET", target)


def test_cancelling_frees_what_is_queued_for_ever() -> None:
    bench = with_pace(queued_forever=True)
    target = bench.create()
    assert bench.ask("POST", f"{target}/cancel")[1]["status"] == "cancelled"
    assert bench.poll(target) == "cancelled"


def test_only_what_is_in_the_background_is_cancelled() -> None:
    bench = Bench()
    response = bench.ask("POST", "", {**ASKED, "background": False})[1]
    status, reply = bench.ask("POST", f"/{response['id']}/cancel")
    assert (status, reply["error"]["message"]) == (400, "Cannot cancel a synchronous response.")
    assert bench.ask("POST", "/resp_none/cancel")[0] == 404


def test_what_is_deleted_is_gone() -> None:
    bench = Bench()
    target = bench.create()
    deleted = {"id": target[1:], "object": "response", "deleted": True}
    assert bench.ask("DELETE", target) == (200, deleted)
    assert bench.poll(target) == "404"
    assert bench.ask("DELETE", target)[0] == 404
    assert bench.ask("POST", f"{target}/cancel")[0] == 404
    body = {**ASKED, "previous_response_id": target[1:]}
    assert bench.ask("POST", "", body)[1]["error"]["code"] == "previous_response_not_found"


def test_the_items_of_what_is_deleted_are_gone() -> None:
    bench = Bench()
    response = bench.ask("POST", "", {**ASKED, "background": False})[1]
    named = [{"type": "item_reference", "id": response["output"][0]["id"]}]
    assert bench.ask("POST", "", {**ASKED, "input": named})[0] == 200
    bench.ask("DELETE", f"/{response['id']}")
    assert bench.ask("POST", "", {**ASKED, "input": named})[0] == 404


@pytest.mark.parametrize(
    ("endpoint", "method", "more"), [("cancel", "POST", "/cancel"), ("delete", "DELETE", "")]
)
def test_cancelling_and_deleting_can_be_struck(endpoint: str, method: str, more: str) -> None:
    rule = {"match": {"endpoint": endpoint}, "times": 1, "do": {"status": 500}}
    bench = Bench(rule)
    target = bench.create()
    assert [bench.ask(method, target + more)[0] for _ in range(2)] == [500, 200]


# ---- streams of the background ------------------------------------------------------------------


def names(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def test_its_stream_tells_of_the_queue_and_ends_it() -> None:
    bench = Bench()
    events = bench.stream("POST", "", {**ASKED, "stream": True})
    assert names(events)[:4] == ["created", "queued", "in_progress", "output_item.added"]
    assert [event["response"]["status"] for event in events[:3]] == [
        "queued",
        "queued",
        "in_progress",
    ]
    assert names(events)[-1] == "completed"
    response = events[-1]["response"]
    assert bench.ask("GET", f"/{response['id']}") == (200, response)
    assert len(bench.ledger.paid()) == 1


def cut_off(*rules: dict[str, Any], **pace: Any) -> tuple[Bench, str]:
    """A bench on which a stream was cut off after its fifth event, and where to resume it."""
    do: dict[str, Any] = {"stream": {"cut": {"after_event": 5}}, "background": pace}
    bench = Bench({"match": {"call": 1}, "do": do}, *rules)
    events = bench.stream("POST", "", {**ASKED, "stream": True})
    assert len(events) == 5
    return bench, f"/{events[0]['response']['id']}?stream=true"


def test_a_stream_is_taken_up_after_the_last_event_that_was_seen() -> None:
    bench, target = cut_off()
    rest = bench.stream("GET", f"{target}&starting_after=4")
    assert [event["sequence_number"] for event in rest] == list(range(5, 5 + len(rest)))
    whole = bench.stream("GET", target)
    assert whole[5:] == rest
    assert whole == Bench().stream("POST", "", {**ASKED, "stream": True})
    assert bench.stream("GET", f"{target}&starting_after={whole[-1]['sequence_number']}") == []
    assert len(bench.ledger.paid()) == 1


def test_what_was_cut_off_goes_on_and_can_be_polled() -> None:
    bench, target = cut_off(polls_until_done=2)
    assert bench.poll(target.partition("?")[0], 2) == "in_progress completed"
    bench, target = cut_off(polls_until_done=99)
    bench.stream("GET", target)
    assert bench.poll(target.partition("?")[0]) == "completed"


def test_padding_is_left_out_where_that_is_asked_for() -> None:
    bench, target = cut_off()
    assert any("obfuscation" in event for event in bench.stream("GET", target))
    plain = bench.stream("GET", f"{target}&include_obfuscation=false")
    assert not any("obfuscation" in event for event in plain)


def test_after_five_minutes_only_polling_is_left() -> None:
    bench, target = cut_off(polls_until_done=1)
    bench.now += 300
    assert bench.stream("GET", target)
    bench.now += 1
    status, reply = bench.ask("GET", target)
    assert status == 400
    assert "can no longer be streamed because it is more than 5" in reply["error"]["message"]
    assert bench.poll(target.partition("?")[0]) == "completed"


@pytest.mark.parametrize("fields", [{"stream": True, "background": False}, {"stream": False}])
def test_other_responses_cannot_be_streamed_again(fields: dict[str, Any]) -> None:
    bench = Bench()
    if fields["stream"]:
        target = f"/{bench.stream('POST', '', {**ASKED, **fields})[0]['response']['id']}"
    else:
        target = bench.create()
    status, reply = bench.ask("GET", f"{target}?stream=true")
    assert status == 404
    assert "cannot be streamed" in reply["error"]["message"]
    assert bench.ask("GET", "/resp_none?stream=true")[0] == 404


@pytest.mark.parametrize("query", ["stream=true&starting_after=x", "stream=perhaps", "stream="])
def test_a_query_that_means_nothing_is_refused(query: str) -> None:
    bench, target = cut_off()
    status, reply = bench.ask("GET", f"{target.partition('?')[0]}?{query}")
    assert status == 400
    assert reply["error"]["code"] == "invalid_type"


def test_a_resumed_stream_can_be_spoiled_too() -> None:
    rule = {"match": {"endpoint": "retrieve"}, "times": 1, "do": {"stream": {"numbers": "missing"}}}
    bench, target = cut_off(rule)
    assert "sequence_number" not in bench.stream("GET", target)[0]
    assert "sequence_number" in bench.stream("GET", target)[0]


def test_cancelling_ends_its_stream() -> None:
    bench = Bench()
    reply = bench.reply("POST", "", {**ASKED, "stream": True})
    assert reply.pieces is not None
    for _ in range(5):
        next(reply.pieces)
    target = f"/{bench.ledger[0].response_id}"
    assert bench.ask("POST", f"{target}/cancel")[1]["status"] == "cancelled"
    assert list(reply.pieces) == []
    assert names(bench.stream("GET", f"{target}?stream=true")) == [
        "created",
        "queued",
        "in_progress",
    ]


def test_the_stream_of_what_is_queued_for_ever_falls_silent() -> None:
    bench = with_pace(queued_forever=True)
    reply = bench.reply("POST", "", {**ASKED, "stream": True})
    assert reply.pieces is not None
    pieces = list(reply.pieces)
    assert [piece.wait_s for piece in pieces] == [0, 0, None]
    assert b"response.queued" in pieces[1].content


@pytest.mark.parametrize("then", ["finish", "close", "reset", "hang"])
def test_a_cut_of_its_stream_ends_as_it_says(then: str) -> None:
    bench = Bench({"do": {"stream": {"cut": "mid_delta", "then": then}}})
    content = json.dumps({**ASKED, "stream": True}).encode()
    delivery = bench.api.receive(Request("POST", "/v1/responses", KEY, content))
    assert delivery.effect.ending == then


def test_what_a_stream_told_last_is_what_is_found_later() -> None:
    bench = Bench()
    reply = bench.reply("POST", "", {**ASKED, "stream": True})
    assert reply.pieces is not None
    bench.now += 60
    *_, last = reply.pieces
    response = bench.ask("GET", f"/{bench.ledger[0].response_id}")[1]
    assert json.dumps(response, ensure_ascii=False).encode() in last.content


def test_an_error_in_its_stream_makes_it_fail() -> None:
    bench = Bench({"do": {"stream": {"error": "server_error", "failed": True}}})
    events = bench.stream("POST", "", {**ASKED, "stream": True})
    assert names(events) == ["created", "queued", "in_progress", "error", "failed"]
    target = f"/{events[0]['response']['id']}"
    status, response = bench.ask("GET", target)
    assert (status, response["status"]) == (200, "failed")
    assert response["error"]["code"] == "server_error"
    assert bench.ledger.paid() == ()
