"""Streams as bytes and as events: cut anywhere, ended anyhow, told twice."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner import catalog
from flowrunner.events import ApiError
from flowrunner.responses.stream import (
    Assembly,
    Broken,
    Delta,
    Ended,
    Left,
    SseParser,
    TooBig,
)
from flowrunner.responses.stream.sse import ServerSent

TEXT = "Grüße, 世界! 🙂"
RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "output": [{"type": "message", "content": [{"type": "output_text", "text": TEXT}]}],
}


def events(text: str = TEXT, end: str = "response.completed") -> list[dict[str, Any]]:
    """What a server tells of one message, numbered."""
    at = {"output_index": 0, "content_index": 0, "item_id": "msg_1"}
    begun = RESPONSE | {"status": "in_progress", "output": []}
    listed: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        {"type": "response.output_item.added", "item": {"type": "message"}, "output_index": 0},
        {"type": "response.content_part.added", **at, "part": {"type": "output_text", "text": ""}},
        *({"type": "response.output_text.delta", **at, "delta": letter} for letter in text),
        {"type": "response.output_text.done", **at, "text": text},
        {"type": "response.output_item.done", "item": {"type": "message"}, "output_index": 0},
        {"type": end, "response": RESPONSE},
    ]
    return [event | {"sequence_number": number} for number, event in enumerate(listed)]


def wire(listed: Iterable[dict[str, Any]], line_end: str = "\n", *, named: bool = True) -> bytes:
    """Events as they stand on the wire."""
    lines: list[str] = []
    for event in listed:
        lines += [f"event: {event['type']}"] if named else []
        lines += [f"data: {json.dumps(event, ensure_ascii=False)}", ""]
    return line_end.join([*lines, ""]).encode()


def parsed(*pieces: bytes) -> list[ServerSent]:
    parser = SseParser()
    return [sent for piece in pieces for sent in parser.feed(piece)] + [*parser.end()]


def assembled(*pieces: bytes) -> Assembly:
    assembly = Assembly()
    for piece in pieces:
        assembly.feed(piece)
    assembly.finish()
    return assembly


def in_pieces(content: bytes, cuts: Iterable[int]) -> list[bytes]:
    at = [0, *sorted(cut % (len(content) + 1) for cut in cuts), len(content)]
    return [content[start:end] for start, end in itertools.pairwise(at)]


WIRES: dict[str, tuple[bytes, list[ServerSent]]] = {
    "lf": (b"data: a\n\ndata: b\n\n", [ServerSent("", "a"), ServerSent("", "b")]),
    "cr": (b"data: a\r\rdata: b\r\r", [ServerSent("", "a"), ServerSent("", "b")]),
    "crlf": (b"data: a\r\n\r\ndata: b\r\n\r\n", [ServerSent("", "a"), ServerSent("", "b")]),
    "mixed-ends": (b"data: a\r\n\ndata: b\n\r\n", [ServerSent("", "a"), ServerSent("", "b")]),
    "byte-order-mark": (b"\xef\xbb\xbfdata: a\n\n", [ServerSent("", "a")]),
    "second-mark-is-no-mark": (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", []),
    "comments": (b": hi\ndata: a\n:\n: data: no\n\n:\n\n", [ServerSent("", "a")]),
    "several-lines": (b"data: a\ndata:\ndata: b\n\n", [ServerSent("", "a\n\nb")]),
    "one-space-goes": (b"data:  a\ndata:b\n\n", [ServerSent("", " a\nb")]),
    "names": (b"event: x\ndata: a\n\ndata: b\n\n", [ServerSent("x", "a"), ServerSent("", "b")]),
    "name-alone-is-nothing": (b"event: x\n\ndata: b\n\n", [ServerSent("", "b")]),
    "id-and-retry": (b"id: 7\nretry: 10\nretry: x\ndata: a\n\n", [ServerSent("", "a")]),
    "unknown-fields": (b"datum: 1\ndata\xc3\xa9: 2\ndata: a\n\n", [ServerSent("", "a")]),
    "field-without-colon": (b"data\ndata: a\n\n", [ServerSent("", "\na")]),
    "no-blank-line-at-the-end": (b"data: a\n\ndata: b\n", [*map(ServerSent, ("", ""), "ab")]),
    "no-line-end-at-the-end": (b"data: a\n\ndata: b", [*map(ServerSent, ("", ""), "ab")]),
    "cr-at-the-end": (b"data: a\r", [ServerSent("", "a")]),
    "not-utf8": (b"data: \xff\xe2\x82 \xc3\n\n", [ServerSent("", "\ufffd\ufffd \ufffd")]),
    "utf8": ("data: ü世🙂\n\n".encode(), [ServerSent("", "ü世🙂")]),
    "no-line-of-its-own": (
        "data: a\u2028b\x85\x0b\n\n".encode(),
        [ServerSent("", "a\u2028b\x85\x0b")],
    ),
    "nothing": (b"", []),
    "blank": (b"\n\r\n\r", []),
}


@pytest.mark.parametrize(("content", "expected"), WIRES.values(), ids=WIRES)
def test_events_are_read_wherever_the_bytes_are_cut(
    content: bytes, expected: list[ServerSent]
) -> None:
    assert parsed(content) == expected
    assert parsed(*(content[at : at + 1] for at in range(len(content)))) == expected
    for cut in range(len(content) + 1):
        assert parsed(content[:cut], b"", content[cut:]) == expected


@given(st.lists(st.sampled_from([b"\r", b"\n", b"data: x", b":", b"\xe2", b"\x82\xac", b"event"])),
       st.lists(st.integers(0)))  # fmt: skip
def test_no_cut_changes_what_is_read(parts: list[bytes], cuts: list[int]) -> None:
    content = b"".join(parts)
    assert parsed(*in_pieces(content, cuts)) == parsed(content)


def test_one_event_of_ten_megabytes() -> None:
    text = "x" * 10_000_000
    content = b"data: " + text.encode() + b"\n\n"
    pieces = [content[at : at + 16_384] for at in range(0, len(content), 16_384)]
    assert parsed(*pieces) == [ServerSent("", text)]


TOO_BIG = {
    "line": b"data: " + b"x" * 200,
    "lines": b"data: xxxxxxxxxx\n" * 20,
    "no-field": b"y" * 200,
    "empty-lines": b"data:\n" * 200,
}


def feed_slowly(parser: SseParser, content: bytes) -> None:
    for at in range(len(content)):
        list(parser.feed(content[at : at + 1]))


@pytest.mark.parametrize("content", TOO_BIG.values(), ids=TOO_BIG)
def test_an_event_over_its_cap(content: bytes) -> None:
    with pytest.raises(TooBig, match="an event of the stream"):
        feed_slowly(SseParser(event_cap=100), content)


def test_a_stream_over_its_cap_of_events_that_are_small() -> None:
    with pytest.raises(TooBig, match="the stream"):
        feed_slowly(SseParser(stream_cap=1000), b"data: x\n\n" * 200)


@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n"], ids=["lf", "cr", "crlf"])
@pytest.mark.parametrize("named", [True, False], ids=["named", "unnamed"])
def test_an_answer_is_the_response_of_the_last_event(line_end: str, named: bool) -> None:
    content = wire(events(), line_end, named=named)
    for whole in (
        content,
        content.rstrip(),
        content + b"data: [DONE]\n\n",
        b"\xef\xbb\xbf" + content,
    ):
        assembly = assembled(whole)
        assert assembly.verdict == Ended(RESPONSE)
        assert (assembly.response_id, assembly.text) == ("resp_1", TEXT)
        assert assembly.unknown == {}
        assert not assembly.has_gap


@given(st.lists(st.integers(0)), st.sampled_from(["\n", "\r", "\r\n"]))
def test_an_answer_does_not_depend_on_where_the_bytes_are_cut(cuts: list[int], end: str) -> None:
    content = wire(events(), end)
    whole, cut = Assembly(), Assembly()
    told = whole.feed(content)
    assert [d for piece in in_pieces(content, cuts) for d in cut.feed(piece)] == told
    assert cut.verdict == whole.verdict == Ended(RESPONSE)
    assert cut.raw == content


@pytest.mark.parametrize("end", ["response.completed", "response.incomplete", "response.failed"])
def test_a_stream_that_is_cut_off_anywhere_is_never_an_answer(end: str) -> None:
    content = wire(events("Grüße 🙂", end))
    told_whole = len(content.rstrip())
    for cut in range(told_whole):
        assembly = assembled(content[:cut])
        assert isinstance(assembly.verdict, Left), cut
        assert "Grüße 🙂".startswith(assembly.text)
    assert assembled(content[:told_whole]).verdict == Ended(RESPONSE)


def test_what_came_before_the_cut_is_kept() -> None:
    content = wire(events()[:8])
    assembly = assembled(content)
    assert assembly.verdict == Left(heard=True)
    assert (assembly.text, assembly.response_id, assembly.last_number) == ("Grüß", "resp_1", 7)
    assert assembly.raw == content
    assert assembled(b": ping\n\n").verdict == Left(heard=False)


def test_texts_of_several_parts_stand_in_their_order() -> None:
    def delta(item: Any, part: Any, text: Any) -> dict[str, Any]:
        at = {"output_index": item, "content_index": part}
        return {"type": "response.output_text.delta", **at, "delta": text}

    listed = [delta(1, 0, "C"), delta(0, 1, "B"), delta(0, 0, "A"), delta(None, "x", None)]
    assert assembled(wire([*listed, delta(0, 0, "a")])).text == "AaBC"


def test_the_text_that_is_kept_has_a_bound() -> None:
    big = {"type": "response.output_text.delta", "delta": "x" * 600_000}
    done = {"type": "response.output_text.done", "text": "y" * 2_000_000}
    assert len(assembled(wire([big, big, big])).text) == 1_000_000
    assert assembled(wire([big, big, done])).text == "y" * 1_000_000
    assert len(assembled(wire([big, big, big])).raw) == 1_000_000


def test_what_watchers_are_told() -> None:
    call = {"type": "function_call", "name": "look_up"}
    search = {"type": "web_search_call"}
    listed: list[dict[str, Any]] = [
        {"type": "response.created", "response": {"id": "resp_1"}},
        {"type": "response.output_item.added", "item": search},
        {"type": "response.output_item.done", "item": search},
        {"type": "response.output_item.added", "item": call},
        {"type": "response.output_text.delta", "delta": "yes"},
        {"type": "response.refusal.delta", "delta": "no"},
        {"type": "response.function_call_arguments.delta", "delta": "{"},
        {"type": "response.output_text.delta", "delta": 7},
        {"type": "response.output_item.added", "item": "odd"},
    ]
    assert Assembly().feed(wire(listed)) == [
        Delta("response", "resp_1"),
        Delta("began", "web_search_call"),
        Delta("ended", "web_search_call"),
        Delta("began", "look_up"),
        Delta("text", "yes"),
        Delta("refusal", "no"),
    ]


def test_events_that_come_twice_count_once_and_missing_ones_do_no_harm() -> None:
    listed = events("abcdef")
    twice = [event for event in listed for _ in "12"]
    replayed = [*listed[:8], *listed[2:]]
    for told in (twice, replayed):
        assembly = Assembly()
        pieces = [d.text for d in assembly.feed(wire(told)) if d.news == "text"]
        assert "".join(pieces) == "abcdef"
        assert assembly.verdict == Ended(RESPONSE)
        assert not assembly.has_gap
    gap = assembled(wire([*listed[:5], *listed[7:]]))
    assert gap.has_gap
    assert gap.verdict == Ended(RESPONSE)


@given(st.permutations(events("ab")))
def test_in_whatever_order_events_come_the_last_one_is_the_answer(listed: list[Any]) -> None:
    assert assembled(wire(listed)).verdict == Ended(RESPONSE)


def test_a_server_that_numbers_nothing_or_everything_alike() -> None:
    for number in ({}, {"sequence_number": 0}, {"sequence_number": "x"}, {"sequence_number": True}):
        unnumbered = [
            {key: value for key, value in event.items() if key != "sequence_number"} | number
            for event in events()
        ]
        assembly = assembled(wire(unnumbered[:-2]))
        assert assembly.text == TEXT
        assert assembled(wire(unnumbered)).verdict == Ended(RESPONSE)
    same = [event | {"sequence_number": 3} for event in events()]
    assert assembled(wire(same)).verdict == Ended(RESPONSE)


OVERLOADED = ApiError("overloaded", None, None, "server_error")
ERRORS: dict[str, tuple[bytes, ApiError]] = {
    "flat": (
        wire([{"type": "error", "code": "server_error", "message": "overloaded", "param": None}]),
        OVERLOADED,
    ),
    "nested": (
        wire([{"type": "error", "error": {"type": "t", "code": 1, "message": "m", "param": "p"}}]),
        ApiError("m", "t", "p", "1"),
    ),
    "text": (wire([{"type": "error", "error": "overloaded"}]), ApiError("overloaded")),
    "by-name": (b'event: error\ndata: {"message": "m"}\n\n', ApiError("m")),
    "by-content": (b'data: {"error": {"message": "m", "code": "c"}}\n\n', ApiError("m", code="c")),
    "silent": (wire([{"type": "error"}]), ApiError("the server did not say why")),
    "odd": (wire([{"type": "error", "error": [1], "message": {"a": 1}}]), ApiError('{"a": 1}')),
}


@pytest.mark.parametrize(("content", "error"), ERRORS.values(), ids=ERRORS)
def test_errors_inside_a_stream(content: bytes, error: ApiError) -> None:
    began = wire(events()[:2])
    assert assembled(content).verdict == Broken(error, produced=False)
    assert assembled(began + content + content).verdict == Broken(error, produced=False)
    assert assembled(wire(events()[:3]) + content).verdict == Broken(error, produced=True)


def test_an_end_after_an_error_says_more_and_an_error_after_the_end_says_nothing() -> None:
    error, end = ERRORS["flat"][0], wire(events()[-1:])
    assert assembled(error + end).verdict == Ended(RESPONSE)
    assembly = assembled(end + error + wire(events("later")))
    assert assembly.verdict == Ended(RESPONSE)
    assert (assembly.is_broken, assembly.text) == (False, "")


def test_an_end_without_a_response_is_left_to_the_judge() -> None:
    assert assembled(wire([{"type": "response.completed"}])).verdict == Ended(None)
    assert assembled(b'event: response.failed\ndata: {"response": 3}\n\n').verdict == Ended(3)


def test_a_response_that_says_nothing_of_its_output_has_what_was_told_of_it() -> None:
    call = {"type": "mcp_call", "id": "mcp_1", "output": "sent"}
    told = [
        *events("abcdef")[:7],
        {"type": "response.output_item.added", "output_index": 1, "item": {"type": "mcp_call"}},
        {"type": "response.output_item.done", "output_index": 1, "item": call},
        {"type": "response.output_item.done", "output_index": 2, "item": None},
    ]
    message = {"type": "message", "content": [{"type": "output_text", "text": "abc"}]}
    for output in ({}, {"output": []}, {"output": None}):
        failed = {"id": "resp_1", "status": "failed", **output}
        verdict = assembled(wire([*told, {"type": "response.failed", "response": failed}])).verdict
        assert verdict == Ended(failed | {"output": [message, call]})
    full = {"output": [{"type": "reasoning"}]}
    end = {"type": "response.completed", "response": full}
    assert assembled(wire([*told, end])).verdict == Ended(full)
    nothing = {"output": []}
    end = {"type": "response.completed", "response": nothing}
    assert assembled(wire([end])).verdict == Ended(nothing)


def test_what_is_unknown_is_passed_over_and_counted() -> None:
    listed = [
        {"type": "keepalive", "sequence_number": 1},
        {"type": "acme:dance"},
        {"type": "acme:dance"},
    ]
    odd = b'data: [1]\n\ndata: {"type": "response.comp\n\ndata: {"type": 3}\n\ndata: NaN\n\n'
    assembly = assembled(wire(listed) + odd + ERRORS["flat"][0])
    assert assembly.unknown == {"keepalive": 1, "acme:dance": 2, "": 1}
    assert assembly.verdict == Broken(OVERLOADED, produced=False)
    many = assembled(wire({"type": f"new.{number}"} for number in range(1000)))
    assert len(many.unknown) == 50


def test_every_type_of_the_catalogue_is_known() -> None:
    types = [event["type"] for event in catalog.table("events")]
    assert len(types) > 50
    assert assembled(wire({"type": kind} for kind in types)).unknown == {}


def test_a_stream_that_is_taken_up_again_goes_on_where_it_stood() -> None:
    listed = events()
    assembly = Assembly()
    assembly.feed(wire(listed[:6]) + wire(listed[6:7])[:40])
    assembly.go_on()
    assembly.feed(wire(listed[6:]))
    assert (assembly.verdict, assembly.text, assembly.has_gap) == (Ended(RESPONSE), TEXT, False)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda below: st.lists(below) | st.dictionaries(st.text() | st.sampled_from(
            ["type", "response", "item", "error", "delta", "output_index", "sequence_number"]
        ), below),
        max_leaves=8,
    ),
    st.sampled_from([event["type"] for event in catalog.table("events")]),
)  # fmt: skip
def test_no_json_makes_an_assembly_raise(value: Any, kind: str) -> None:
    told = {**value, "type": kind} if isinstance(value, dict) else value
    assembled(f"event: {kind}\ndata: {json.dumps(told)}\n\ndata: {json.dumps(value)}".encode())
