"""Streams of the simulator: the events of the API, adding up to the Response, and spoiled ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import referencing
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from simulator_items import ITEMS, TEXT, item

from flowrunner import catalog
from flowrunner.simulator.api import Api
from flowrunner.simulator.backend import Behaviour
from flowrunner.simulator.exchange import Delivery, Request
from flowrunner.simulator.faults import FaultPlan
from flowrunner.simulator.ledger import Ledger
from flowrunner.simulator.stream import Piece

SAMPLES = json.loads((Path(__file__).parent / "test_simulator_samples.json").read_text("utf-8"))
KEY = {"authorization": "Bearer sk-test"}
ASKED = {"model": "gpt-4o", "input": "Say hi"}
TERMINAL = ("response.completed", "response.incomplete", "response.failed")
Event = dict[str, Any]


@cache
def event_validator() -> Any:
    return Draft202012Validator(
        catalog.load_schema("openai/stream-event"), registry=referencing.Registry()
    )


class Bench:
    """An API on a bench, whose streams are read whole."""

    def __init__(self, do: dict[str, Any] | None = None, **behaviour: Any) -> None:
        self.ledger = Ledger()
        plan = FaultPlan.parse([] if do is None else [{"do": do, "times": 1}])
        behaviour.setdefault("clock", lambda: 1_800_000_000.0)
        self.api = Api(Behaviour(faults=plan, **behaviour), self.ledger)

    def deliver(self, body: dict[str, Any]) -> Delivery:
        return self.api.receive(Request("POST", "/v1/responses", KEY, json.dumps(body).encode()))

    def post(self, **fields: Any) -> bytes:
        reply = self.deliver({**ASKED, **fields}).reply
        assert reply is not None
        assert reply.status == 200, reply.content
        return reply.content

    def pieces(self, **fields: Any) -> list[Piece]:
        reply = self.deliver({**ASKED, **fields, "stream": True}).reply
        assert reply is not None
        assert (reply.status, reply.content) == (200, b"")
        assert dict(reply.headers)["content-type"].startswith("text/event-stream")
        assert "content-length" not in dict(reply.headers)
        assert reply.pieces is not None
        return list(reply.pieces)

    def raw(self, **fields: Any) -> bytes:
        return b"".join(piece.content for piece in self.pieces(**fields))

    def stream(self, **fields: Any) -> list[Event]:
        return [data for _, data in read_events(self.raw(**fields))]

    def get(self, response_id: str) -> int:
        reply = self.api.receive(Request("GET", f"/v1/responses/{response_id}", KEY)).reply
        assert reply is not None
        return reply.status


def read_events(content: bytes) -> Iterator[tuple[str, Event]]:
    for block in content.decode().split("\n\n")[:-1]:
        name, data = block.split("\n")
        yield name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def types(events: list[Event]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def told(output: list[dict[str, Any]], **fields: Any) -> list[Event]:
    """The events of a Response with this output."""
    return Bench(replies=lambda _: {"output": output}).stream(**fields)


def check(events: list[Event]) -> None:
    """What is true of every whole stream."""
    for event in events:
        assert list(event_validator().iter_errors(event)) == [], event
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[0]["type"] == "response.created"
    ends = [event["type"] for event in events if event["type"] in TERMINAL]
    assert ends == [events[-1]["type"]]
    assert added_up(events) == events[-1]["response"]["output"]


DELTAS = {
    "output_text": "text",
    "refusal": "refusal",
    "reasoning_text": "text",
    "function_call_arguments": "arguments",
    "mcp_call_arguments": "arguments",
    "custom_tool_call_input": "input",
    "code_interpreter_call_code": "code",
}


def added_up(events: list[Event]) -> list[dict[str, Any]]:
    """The output as somebody sees it who believes the deltas until an item is done."""
    items: dict[int, dict[str, Any]] = {}
    for event in events:
        name, _, what = event["type"].removeprefix("response.").rpartition(".")
        where = items.get(event.get("output_index", -1), {})
        if event["type"] == "response.output_item.added":
            assert event["output_index"] == len(items)
            items[event["output_index"]] = json.loads(json.dumps(event["item"]))
        elif event["type"] == "response.output_item.done":
            done = event["item"]
            spoken = ("content", "summary", "arguments", "input", "code")
            for field in (field for field in spoken if where.get(field)):
                assert without_logprobs(where[field]) == without_logprobs(done[field])
            items[event["output_index"]] = done
        elif event["type"] == "response.content_part.added":
            where.setdefault("content", []).append(event["part"])
        elif event["type"] == "response.reasoning_summary_part.added":
            where["summary"].append(event["part"])
        elif event["type"] == "response.output_text.annotation.added":
            where["content"][event["content_index"]]["annotations"].append(event["annotation"])
        elif name == "reasoning_summary_text" and what == "delta":
            where["summary"][event["summary_index"]]["text"] += event["delta"]
        elif name in DELTAS and what == "delta":
            part = where["content"][event["content_index"]] if "content_index" in event else where
            part[DELTAS[name]] += event["delta"]
        elif name in DELTAS and what == "done":
            part = where["content"][event["content_index"]] if "content_index" in event else where
            assert part[DELTAS[name]] == event[DELTAS[name]]
    return [items[index] for index in sorted(items)]


def without_logprobs(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return [{name: part[name] for name in part if name != "logprobs"} for part in value]


# ---- the events of the API ----------------------------------------------------------------------


def test_a_text_is_told_in_the_order_of_the_api() -> None:
    events = Bench().stream()
    check(events)
    names = types(events)
    deltas = names.count("output_text.delta")
    assert names == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        *["output_text.delta"] * deltas,
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert deltas > 5
    started = events[0]["response"]
    assert (started["status"], started["output"], started["usage"]) == ("in_progress", [], None)
    assert started["id"] == events[-1]["response"]["id"]


def test_the_name_of_an_event_is_its_type() -> None:
    for name, event in read_events(Bench().raw()):
        assert name == event["type"]


BETWEEN = {
    "message": "content_part.added output_text.delta output_text.annotation.added "
    "output_text.done content_part.done content_part.added output_text.delta output_text.done "
    "content_part.done",
    "reasoning": "reasoning_summary_part.added reasoning_summary_text.delta "
    "reasoning_summary_text.done reasoning_summary_part.done reasoning_summary_part.added "
    "reasoning_summary_text.delta reasoning_summary_text.done reasoning_summary_part.done "
    "content_part.added reasoning_text.delta reasoning_text.done content_part.done",
    "function_call": "function_call_arguments.delta function_call_arguments.done",
    "custom_tool_call": "custom_tool_call_input.delta custom_tool_call_input.done",
    "mcp_call": "mcp_call.in_progress mcp_call_arguments.delta mcp_call_arguments.done "
    "mcp_call.completed",
    "mcp_list_tools": "mcp_list_tools.in_progress mcp_list_tools.completed",
    "web_search_call": "web_search_call.in_progress web_search_call.searching "
    "web_search_call.completed",
    "file_search_call": "file_search_call.in_progress file_search_call.searching "
    "file_search_call.completed",
    "code_interpreter_call": "code_interpreter_call.in_progress code_interpreter_call_code.delta "
    "code_interpreter_call_code.done code_interpreter_call.interpreting "
    "code_interpreter_call.completed",
    "image_generation_call": "image_generation_call.in_progress image_generation_call.generating "
    "image_generation_call.completed",
    "shell_call": "shell_call_command.added shell_call_command.delta shell_call_command.done "
    "shell_call_command.added shell_call_command.delta shell_call_command.done",
    "shell_call_output": "shell_call_output_content.delta shell_call_output_content.done "
    "shell_call_output_content.delta shell_call_output_content.done",
    "compaction": "compaction.compacting",
}


@pytest.mark.parametrize("kind", ITEMS)
def test_an_item_of_each_type_is_told(kind: str) -> None:
    events = told([item(kind), item("message", id="msg_2", content=[TEXT])])
    check(events)
    names = types(events)
    between = names[names.index("output_item.added") + 1 : names.index("output_item.done")]
    once = [name for place, name in enumerate(between) if name not in between[:place][-1:]]
    assert " ".join(once) == BETWEEN.get(kind, "")
    assert events[-1]["response"]["output"][0] == item(kind)


@pytest.mark.parametrize("kind", ITEMS)
def test_an_item_is_added_before_anything_is_known_of_it(kind: str) -> None:
    added = next(event for event in told([item(kind)]) if "item" in event)["item"]
    finished = item(kind)
    never_open = ("program_output", "tool_search_output")
    if "status" in finished and kind not in never_open:
        assert added["status"] == "in_progress"
    for name in ("arguments", "input", "code"):
        if name in finished and kind not in ("mcp_approval_request", "tool_search_call", "program"):
            assert added[name] == ""
    if kind == "reasoning":
        assert finished["encrypted_content"].startswith(added["encrypted_content"])
        assert finished["encrypted_content"] != added["encrypted_content"]


@pytest.mark.parametrize("kind", ["mcp_call", "mcp_list_tools"])
def test_what_fails_at_a_server_is_told_as_failed(kind: str) -> None:
    error: Any = "no" if kind == "mcp_list_tools" else {"type": "mcp_tool_execution_error"}
    error = error if isinstance(error, str) else {**error, "content": []}
    events = told([item(kind, error=error)])
    check(events)
    assert f"{kind}.failed" in types(events)
    assert f"{kind}.completed" not in types(events)


def test_images_come_in_parts_where_that_is_asked_for() -> None:
    tool = {"type": "image_generation", "partial_images": 2}
    events = told([item("image_generation_call")], tools=[tool])
    check(events)
    partial = [event for event in events if event["type"].endswith("partial_image")]
    assert [event["partial_image_index"] for event in partial] == [0, 1]
    assert {event["output_format"] for event in partial} == {"png"}


def test_a_refusal_is_told() -> None:
    events = Bench({"refusal": "I will not do that."}).stream()
    check(events)
    assert {"refusal.delta", "refusal.done", "completed"} < set(types(events))
    assert "output_text.delta" not in types(events)


@pytest.mark.parametrize(
    ("do", "end"),
    [
        ({"response_status": "failed", "code": "server_error"}, "response.failed"),
        ({"response_status": "incomplete"}, "response.incomplete"),
    ],
)
def test_other_ends_are_told(do: dict[str, Any], end: str) -> None:
    events = Bench(do).stream()
    check(events)
    assert events[-1]["type"] == end


@pytest.mark.parametrize("status", ["cancelled", "in_progress"])
def test_a_status_that_ends_no_stream_has_no_terminal_event(status: str) -> None:
    assert types(Bench({"response_status": status}).stream()) == ["created", "in_progress"]


def test_deltas_are_padded_unless_that_is_turned_off() -> None:
    padded = [event for event in Bench().stream() if "obfuscation" in event]
    assert len({(len(e["delta"]) + len(e["obfuscation"])) % 16 for e in padded}) == 1
    plain = Bench().stream(stream_options={"include_obfuscation": False})
    assert not any("obfuscation" in event for event in plain)
    assert len(padded) == types(plain).count("output_text.delta")


@given(text=st.text(max_size=500), more=st.text(max_size=30))
@settings(max_examples=30, deadline=None)
def test_any_text_is_told_whole(text: str, more: str) -> None:
    parts = [{**TEXT, "text": text}, {"type": "refusal", "refusal": more}]
    summary = [{"type": "summary_text", "text": more}]
    call = item("function_call", arguments=json.dumps({"a": text}))
    output = [item("reasoning", summary=summary), item("message", content=parts), call]
    events = told(output)
    check(events)
    assert len(events) < 1_500


@pytest.mark.parametrize("length", [0, 1, 2_000, 2_001, 1_000_000])
def test_a_long_text_has_no_more_deltas_than_a_client_can_take(length: int) -> None:
    events = told([item("message", content=[{**TEXT, "text": "x" * length}])])
    assert types(events).count("output_text.delta") <= 401


# ---- the same answer, streamed or not -----------------------------------------------------------


UNREADABLE = {
    *("messages dev+user", "function tools + choice"),
    *("stateless replay", "compaction item replay"),
}
"""Samples that only their schema is content with: what they name is not there, or not ours."""


@pytest.mark.parametrize("case", SAMPLES["valid"], ids=lambda case: case["name"])
def test_each_valid_sample_ends_in_what_would_have_been_answered(case: dict[str, Any]) -> None:
    body = {name: value for name, value in case["body"].items() if name != "background_options"}
    if {"previous_response_id", "conversation"} & body.keys() or case["name"] in UNREADABLE:
        reply = Bench().deliver({**body, "stream": True}).reply
        assert reply is not None
        assert (reply.status, reply.pieces) in [(400, None), (404, None)]
        return
    bench = Bench()
    events = [data for _, data in read_events(bench.raw(**body))]
    check(events)
    plain = {**body, "background": None}
    whole = json.loads(Bench().post(**plain))
    assert {**events[-1]["response"], "id": 0, "background": 0, "output": 0} == {
        **whole,
        "id": 0,
        "background": 0,
        "output": 0,
    }


@pytest.mark.parametrize("case", SAMPLES["invalid"], ids=lambda case: case["name"])
def test_each_invalid_sample_is_refused_before_a_stream_begins(case: dict[str, Any]) -> None:
    reply = Bench().deliver({**case["body"], "stream": True}).reply
    assert reply is not None
    assert (reply.status, reply.pieces) == (400, None)
    assert json.loads(reply.content)["error"]["type"] == "invalid_request_error"


@given(
    text=st.text(max_size=200),
    limit=st.none() | st.integers(16, 80),
    effort=st.sampled_from([None, "low", "high"]),
)
@settings(max_examples=50, deadline=None)
def test_the_last_event_holds_the_bytes_of_the_reply(
    text: str, limit: int | None, effort: str | None
) -> None:
    body = {"input": text, "max_output_tokens": limit, "reasoning": {"effort": effort}}
    whole = Bench().post(**body)
    *_, last, _ = Bench().raw(**body, stream_options=None).split(b"\n\n")
    assert whole in last


def test_what_was_streamed_is_retrieved_and_paid_once() -> None:
    bench = Bench()
    response = bench.stream()[-1]["response"]
    found = bench.api.receive(Request("GET", f"/v1/responses/{response['id']}", KEY)).reply
    assert found is not None
    assert json.loads(found.content) == response
    (call,) = bench.ledger.paid()
    assert call.response_id == response["id"]
    assert call.usage is not None
    assert call.usage.output == response["usage"]["output_tokens"]


def test_a_stream_that_nobody_reads_to_its_end_is_not_stored_but_paid() -> None:
    bench = Bench()
    reply = bench.deliver({**ASKED, "stream": True}).reply
    assert reply is not None
    assert reply.pieces is not None
    (_, created), *_ = read_events(next(reply.pieces).content)
    assert bench.get(created["response"]["id"]) == 404
    assert len(bench.ledger.paid()) == 1


def test_a_stream_that_is_not_to_be_stored_is_not() -> None:
    bench = Bench()
    assert bench.get(bench.stream(store=False)[-1]["response"]["id"]) == 404


def test_events_keep_their_distance() -> None:
    waits = [piece.wait_s for piece in Bench(event_delay_s=0.5).pieces()]
    assert (waits[0], set(waits[1:])) == (0.0, {0.5})


# ---- spoiled streams ----------------------------------------------------------------------------


def spoiled(**stream: Any) -> Bench:
    return Bench({"stream": stream})


def test_a_cut_before_the_end_is_a_close_without_it() -> None:
    bench = spoiled(cut="before_terminal")
    delivery = bench.deliver({**ASKED, "stream": True})
    assert delivery.effect.ending == "close"
    assert delivery.reply is not None
    assert delivery.reply.pieces is not None
    content = b"".join(piece.content for piece in delivery.reply.pieces)
    events = [data for _, data in read_events(content)]
    assert types(events)[-1] == "output_item.done"
    assert bench.get(events[0]["response"]["id"]) == 404


def test_what_was_cut_off_is_stored_where_the_server_did_the_work() -> None:
    bench = Bench({"stream": {"cut": {"after_event": 1}}, "after_processing": True})
    (created,) = bench.stream()
    assert bench.get(created["response"]["id"]) == 200


def test_a_cut_after_so_many_events() -> None:
    assert types(spoiled(cut={"after_event": 3}).stream())[-1] == "output_item.added"
    assert spoiled(cut={"after_event": 0}).raw() == b""


@pytest.mark.parametrize("count", [0, 1, 500, 10**9])
def test_a_cut_after_so_many_bytes(count: int) -> None:
    whole = Bench().raw()
    assert spoiled(cut={"after_byte": count}).raw() == whole[:count]


def test_a_cut_in_the_middle_of_a_delta() -> None:
    content = spoiled(cut="mid_delta").raw()
    last = content.rpartition(b"\n\n")[2]
    assert b"output_text.delta" in last
    assert b'"sequence_number"' not in last
    assert Bench().raw().startswith(content)


@pytest.mark.parametrize("then", ["finish", "close", "reset", "hang"])
def test_a_cut_ends_as_it_says(then: str) -> None:
    delivery = spoiled(cut="before_terminal", then=then).deliver({**ASKED, "stream": True})
    assert delivery.effect.ending == then


def test_what_is_about_streams_strikes_streams_only() -> None:
    bench = spoiled(cut="before_terminal", error="server_error")
    assert bench.deliver(ASKED).effect.ending == "finish"
    assert len(bench.ledger.paid()) == 1


@pytest.mark.parametrize(("name", "end"), [("lf", b"\n"), ("cr", b"\r"), ("crlf", b"\r\n")])
def test_lines_end_in_any_way(name: str, end: bytes) -> None:
    assert spoiled(line_end=name).raw() == Bench().raw().replace(b"\n", end)


def test_other_writings_say_the_same() -> None:
    plain = Bench().raw()
    comments = spoiled(comments=True).raw()
    assert comments.startswith(b": keep-alive\n\nevent: response.created\n")
    assert comments.replace(b": keep-alive\n\n", b"") == plain
    assert spoiled(byte_order_mark=True).raw() == b"\xef\xbb\xbf" + plain
    assert spoiled(done=True).raw() == plain + b"data: [DONE]\n\n"
    assert spoiled(last_blank_line=False).raw() == plain[:-1]
    assert spoiled(last_blank_line=False, done=True).raw() == plain + b"data: [DONE]\n"
    nameless = spoiled(event_lines=False).raw()
    assert b"event:" not in nameless
    assert nameless.count(b"data: ") == plain.count(b"data: ")
    split = spoiled(split_data=True).raw().decode()
    first = split.split("\n\n")[0].split("\n")[1:]
    assert len(first) > 20
    data = "\n".join(line.removeprefix("data: ") for line in first)
    assert json.loads(data) == Bench().stream()[0]


def numbers(**stream: Any) -> list[int | None]:
    return [event.get("sequence_number") for event in spoiled(**stream).stream()]


def test_numbers_go_wrong() -> None:
    count = len(Bench().stream())
    assert numbers(numbers="missing") == [None] * count
    assert numbers(numbers="repeated")[:5] == [0, 0, 1, 1, 2]
    assert numbers(numbers="gaps") == list(range(0, 3 * count, 3))
    assert numbers(order="doubled")[:5] == [0, 0, 1, 1, 2]
    assert numbers(order="swapped")[:8] == [0, 1, 2, 3, 5, 4, 7, 6]
    assert sorted(filter(None, numbers(order="swapped"))) == list(range(1, count))


def test_one_event_is_huge() -> None:
    events = spoiled(huge=1_000_000).stream()
    check(events)
    assert [len(e["obfuscation"]) > 100 for e in events if "obfuscation" in e].count(True) == 1
    empty = Bench({"stream": {"huge": 99}, "response_status": "failed"}).stream()
    assert len(empty[0]["obfuscation"]) == 99


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("rate_limit_exceeded", "rate_limit_error"),
        ("server_is_overloaded", "server_error"),
        ("insufficient_quota", "insufficient_quota"),
        ("context_length_exceeded", "invalid_request_error"),
    ],
)
def test_an_error_inside_a_stream_costs_nothing(code: str, kind: str) -> None:
    bench = spoiled(error=code, failed=True)
    events = bench.stream()
    assert types(events) == ["created", "in_progress", "error", "failed"]
    assert [event["sequence_number"] for event in events] == [0, 1, 2, 3]
    # Codes of failures are listed in the schema, and others are seen (`context_length_exceeded`).
    for event in events if code == "rate_limit_exceeded" else events[:3]:
        assert list(event_validator().iter_errors(event)) == [], event
    assert events[2].keys() == {"type", "code", "message", "param", "sequence_number"}
    assert events[2]["code"] == events[3]["response"]["error"]["code"] == code
    nested = spoiled(error=code, error_form="nested").stream()[-1]
    assert list(event_validator().iter_errors(nested)) == []
    assert nested.keys() == {"type", "error", "sequence_number"}
    assert (nested["error"]["type"], nested["error"]["code"]) == (kind, code)
    assert bench.ledger.paid() == ()
    response = events[3]["response"]
    found = bench.api.receive(Request("GET", f"/v1/responses/{response['id']}", KEY)).reply
    assert found is not None
    assert json.loads(found.content) == response


def test_an_error_may_come_late_and_then_cost() -> None:
    order = {"stream": {"error": "server_error", "error_after": 6}, "after_processing": True}
    bench = Bench(order)
    names = types(bench.stream())
    assert names[-3:] == ["output_text.delta", "output_text.delta", "error"]
    assert len(names) == 7
    assert len(bench.ledger.paid()) == 1
    assert types(spoiled(error="server_error", error_after=10**6).stream())[-2:] == [
        "output_item.done",
        "error",
    ]


def test_a_pause_and_a_pace_are_ordered() -> None:
    pieces = spoiled(pause={"after_event": 3, "seconds": 60}, every=0.25).pieces()
    assert [piece.wait_s for piece in pieces[:5]] == [0.0, 0.25, 0.25, 60.25, 0.25]


def test_an_answer_of_its_own_is_no_stream() -> None:
    for do in ({"status": 500}, {"html": True}, {"reset": True, "after_processing": True}):
        reply = Bench(do).deliver({**ASKED, "stream": True}).reply
        assert reply is None or reply.pieces is None
