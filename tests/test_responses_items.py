"""What a Response amounts to, over the API's own examples, every status and arbitrary JSON."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.events import Usage
from flowrunner.json_text import NotJson
from flowrunner.responses.items import (
    OpenCall,
    count_web_searches,
    read_answer,
    read_output,
    read_usage,
)


def message(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": list(parts)} | more


def text(words: str, *annotations: dict[str, Any]) -> dict[str, Any]:
    return {"type": "output_text", "text": words, "annotations": list(annotations)}


def response(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    usage = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
    return {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "model": "gpt-6-luna",
        "service_tier": "default",
        "output": list(items),
        "usage": usage,
    } | more


def test_all_texts_of_all_messages_are_joined() -> None:
    answer = read_answer(response(message(text("a"), text("b")), message(text("c"))))
    assert (answer.kind, answer.text, answer.message) == ("completed", "abc", None)
    assert (answer.response_id, answer.model, answer.service_tier) == (
        "resp_1",
        "gpt-6-luna",
        "default",
    )
    assert answer.usage == Usage(10, 5)


def test_commentary_is_no_part_of_the_answer() -> None:
    thinking = message(text("let me see"), phase="commentary")
    assert read_answer(response(thinking, message(text("42"), phase="final_answer"))).text == "42"
    assert read_answer(response(thinking)).text == "let me see"


def test_a_refusal_is_no_answer_although_it_says_completed() -> None:
    part = {"type": "refusal", "refusal": "I cannot help with that."}
    answer = read_answer(response(message(part)))
    assert (answer.kind, answer.refusal) == ("refused", "I cannot help with that.")
    assert "I cannot help" in (answer.message or "")


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("max_output_tokens", "`max_output_tokens`"),
        ("content_filter", "content filter"),
        ("steered", "steered"),
        ("brand_new", "`brand_new`"),
        (None, "did not say why"),
    ],
)
def test_an_incomplete_answer_keeps_its_text_and_reason(reason: str | None, said: str) -> None:
    details = {"reason": reason} if reason else None
    part = response(message(text("half")), status="incomplete", incomplete_details=details)
    answer = read_answer(part)
    assert (answer.kind, answer.reason, answer.text) == ("incomplete", reason, "half")
    assert said in (answer.message or "")


def test_a_failure_keeps_its_code_and_message() -> None:
    error = {"code": "invalid_prompt", "message": "not allowed"}
    answer = read_answer(response(status="failed", error=error))
    assert (answer.kind, answer.reason) == ("failed", "invalid_prompt")
    assert "`invalid_prompt`" in (answer.message or "")
    assert "not allowed" in (answer.message or "")
    assert "did not say why" in (read_answer(response(status="failed", error=None)).message or "")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("cancelled", "cancelled"),
        ("queued", "pending"),
        ("in_progress", "pending"),
        ("dreaming", "failed"),
        ("", "failed"),
    ],
)
def test_other_statuses(status: str, kind: str) -> None:
    answer = read_answer(response(message(text("x")), status=status))
    assert answer.kind == kind
    assert answer.message


@pytest.mark.parametrize(
    ("items", "usage"),
    [
        ([], {"input_tokens": 0, "output_tokens": 0}),
        ([], None),
        ([], {"input_tokens": 5, "output_tokens": 9}),
        ([{"type": "reasoning", "summary": []}], {"input_tokens": 5, "output_tokens": 9}),
        ([message(text(""))], {"input_tokens": 0, "output_tokens": 0}),
        ([message()], None),
        ([message()], {"input_tokens": 5, "output_tokens": 9}),
        ([{"type": "message", "role": "assistant", "content": None}], {"output_tokens": 9}),
        (
            [{"type": "message", "content": None}],
            {"input_tokens": 5, "output_tokens": 9},
        ),
        ([{"type": "hologram", "light": "x"}], {"input_tokens": 5, "output_tokens": 9}),
        (
            [{"type": "hologram"}, {"type": "reasoning", "summary": []}, {"type": "message"}],
            {"input_tokens": 5, "output_tokens": 9},
        ),
    ],
)
def test_nothing_at_all_is_no_answer(items: list[Any], usage: Any) -> None:
    assert read_answer(response(*items, usage=usage)).kind == "empty"


def test_an_empty_text_that_was_paid_for_is_an_answer() -> None:
    assert read_answer(response(message(text("")))).kind == "completed"


def test_items_of_unknown_types_alone_are_named() -> None:
    answer = read_answer(response({"type": "hologram"}, usage=None))
    assert "only `hologram`" in (answer.message or "")
    assert answer.unknown_items == ("hologram",)


def test_a_text_beside_an_item_of_an_unknown_type_is_an_answer() -> None:
    assert read_answer(response({"type": "hologram"}, message(text("hi")))).kind == "completed"


def test_a_picture_alone_is_an_answer() -> None:
    picture = {"type": "image_generation_call", "result": "aGk=", "status": "completed"}
    assert read_answer(response(picture, usage=None)).kind == "completed"


@pytest.mark.parametrize(
    ("item", "call"),
    [
        (
            {"type": "function_call", "call_id": "call_1", "id": "fc_1", "name": "find_order"},
            OpenCall("function_call", "find_order", "call_1"),
        ),
        (
            {"type": "mcp_approval_request", "id": "mcpr_1", "name": "buy", "server_label": "shop"},
            OpenCall("mcp_approval_request", "buy", "mcpr_1"),
        ),
        (
            {"type": "computer_call", "call_id": "call_2"},
            OpenCall("computer_call", None, "call_2"),
        ),
        (
            {"type": "shell_call", "call_id": "call_3", "environment": {"type": "local"}},
            OpenCall("shell_call", None, "call_3"),
        ),
    ],
    ids=lambda value: value.type if isinstance(value, OpenCall) else "",
)
def test_calls_that_nobody_answers_are_named(item: dict[str, Any], call: OpenCall) -> None:
    answer = read_answer(response(message(text("wait")), item))
    assert (answer.kind, answer.open_calls) == ("open-calls", (replace(call, item=item),))
    assert f"`{call.name or call.type}`" in (answer.message or "")


@pytest.mark.parametrize(
    "items",
    [
        [
            {"type": "shell_call", "call_id": "c", "environment": {"type": "local"}},
            {"type": "shell_call_output", "call_id": "c"},
        ],
        [{"type": "shell_call", "call_id": "c", "environment": {"type": "container"}}],
        [{"type": "tool_search_call", "call_id": "c", "execution": "server"}],
        [{"type": "web_search_call", "id": "ws_1", "action": {"type": "search"}}],
        [{"type": "mcp_call", "id": "mcp_1", "output": "…"}],
        [
            {"type": "mcp_approval_request", "id": "r"},
            {"type": "mcp_approval_response", "approval_request_id": "r", "approve": True},
        ],
    ],
    ids=["answered", "container", "server-search", "web-search", "mcp-call", "approved"],
)
def test_calls_that_the_server_answers_are_not_open(items: list[dict[str, Any]]) -> None:
    assert read_answer(response(*items, message(text("done")))).kind == "completed"


def test_sources_are_told_once_the_cited_first() -> None:
    note = {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 0}
    search = {
        "type": "web_search_call",
        "action": {
            "type": "search",
            "sources": [
                {"type": "url", "url": "https://b.example"},
                {"type": "url", "url": "https://a.example"},
            ],
        },
    }
    answer = read_answer(response(search, message(text("x", note, {"type": "file_citation"}))))
    assert answer.sources == (
        {"title": "A", "url": "https://a.example", "kind": "cited"},
        {"title": None, "url": "https://b.example", "kind": "consulted"},
    )
    assert count_web_searches(response(search, message(text("x")))) == 1


def test_reasoning_and_unknown_items_are_listed() -> None:
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}
    answer = read_answer(response(thought, {"type": "acme:dance"}, {}, message(text("x"))))
    assert answer.reasoning == ("hm",)
    assert answer.unknown_items == ("(no type)", "acme:dance")
    assert answer.kind == "completed"


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        (None, None),
        ([], None),
        ({}, None),
        ({"input_tokens": 3}, None),
        ({"input_tokens": -3, "output_tokens": 1}, None),
        ({"input_tokens": True, "output_tokens": 1}, None),
        ({"input_tokens": "3", "output_tokens": 1}, None),
        ({"input_tokens": 1.5, "output_tokens": 1}, None),
        ({"input_tokens": 10**20, "output_tokens": 1}, None),
        ({"input_tokens": 3, "output_tokens": 4}, Usage(3, 4)),
        ({"input_tokens": 3.0, "output_tokens": 4, "input_tokens_details": None}, Usage(3, 4)),
        (
            {
                "input_tokens": 100,
                "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
                "output_tokens": 50,
                "output_tokens_details": {"reasoning_tokens": 40},
            },
            Usage(100, 50, 60, 10, 40),
        ),
        (
            {"input_tokens": 3, "output_tokens": 4, "input_tokens_details": {"cached_tokens": 9}},
            None,
        ),
        (
            {
                "input_tokens": 3,
                "output_tokens": 4,
                "output_tokens_details": {"reasoning_tokens": 9},
            },
            Usage(3, 4, reasoning=4),
        ),
    ],
)
def test_usage(usage: Any, read: Usage | None) -> None:
    assert read_usage(usage) == read


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below),
    max_leaves=10,
)
_ITEM = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(
            ["message", "reasoning", "function_call", "shell_call", "web_search_call"]
        )
        | _JSON,
        "content": _JSON | st.lists(st.fixed_dictionaries({"type": st.just("output_text")})),
        "action": _JSON,
        "call_id": _JSON,
        "summary": _JSON,
        "phase": _JSON,
    },
)


@given(
    st.fixed_dictionaries(
        {"status": st.sampled_from(["completed", "failed", "incomplete"]) | _JSON},
        optional={
            "output": st.lists(_ITEM) | _JSON,
            "usage": _JSON,
            "error": _JSON,
            "incomplete_details": _JSON,
            "model": _JSON,
        },
    )
)
def test_no_json_makes_reading_raise(value: dict[str, Any]) -> None:
    answer = read_answer(value)
    assert (answer.kind == "completed") == (answer.message is None)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ('```json\n{"a": 1}\n```', "Markdown fence"),
        ("{'a': 1}", "single quotes"),
        ("[{'a': 1}]", "single quotes"),
        ('{"a": 1} I hope this helps', "more text follows"),
        ('{"a": NaN}', "`NaN`"),
        ('{"a": 1, "a": 2}', "`a` is given twice"),
        ('{"a": "cut', "never closed"),
        ("", "the answer is empty"),
        ("Sure! Here it is", "not JSON"),
    ],
)
def test_an_answer_that_is_not_json_is_not_repaired(answer: str, said: str) -> None:
    with pytest.raises(NotJson) as fault:
        read_output(answer)
    assert said in str(fault.value)


def test_an_answer_that_is_json() -> None:
    assert read_output('\ufeff {"a": [1]} ') == {"a": [1]}
    assert read_output("null") is None
