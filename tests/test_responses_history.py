"""What is sent again, and what the API would refuse in it (FACTS of the API: its pitfalls)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.catalog import load_schema
from flowrunner.responses.history import (
    as_items,
    replayed,
    since_compaction,
    without_code,
    without_reasoning,
)

ITEMS = {
    "message": {"role": "assistant", "status": "completed", "content": []},
    "reasoning": {"summary": [], "encrypted_content": "gA"},
    "function_call": {"call_id": "call_1", "name": "f", "arguments": "{}"},
    "custom_tool_call": {"call_id": "call_1", "name": "f", "input": "x"},
    "compaction": {"encrypted_content": "gA"},
    "shell_call": {"call_id": "call_1", "action": {"commands": ["ls"]}},
    "shell_call_output": {"call_id": "call_1", "output": []},
    "apply_patch_call": {"call_id": "call_1", "status": "completed", "operation": {}},
    "tool_search_call": {"call_id": "call_1", "arguments": {}},
    "tool_search_output": {"call_id": "call_1", "tools": []},
    "web_search_call": {"status": "completed"},
    "file_search_call": {"status": "completed", "queries": []},
    "code_interpreter_call": {"container_id": "cntr_1", "code": "1", "outputs": None},
    "image_generation_call": {"status": "completed", "result": "iVBO"},
    "mcp_list_tools": {"server_label": "s", "tools": []},
    "mcp_call": {"server_label": "s", "name": "n", "arguments": "{}"},
    "mcp_approval_request": {"server_label": "s", "name": "n", "arguments": "{}"},
    "computer_call": {"call_id": "call_1", "pending_safety_checks": []},
    "local_shell_call": {"call_id": "call_1", "action": {}},
    "program": {"call_id": "call_1", "code": "x", "fingerprint": "f"},
    "program_output": {"call_id": "call_1", "result": "x"},
    "slug:unheard_of": {"anything": [None]},
}


def output(*kinds: str) -> dict[str, Any]:
    return {"output": [{"type": kind, "id": f"id_{kind}", **ITEMS[kind]} for kind in kinds]}


def _needs_id(kind: str) -> bool:
    """Whether the API's own schema takes an item of this kind only with its id."""
    for name, found in load_schema("openai/response-create")["$defs"].items():
        of_kind = found.get("properties", {}).get("type", {}).get("enum") == [kind]
        if of_kind and not name.endswith(("Tool", "ToolParam")):
            return "id" in found.get("required", ())
    return True


@pytest.mark.parametrize("kind", ITEMS)
def test_ids_go_where_the_api_can_do_without(kind: str) -> None:
    """With an id that it does not find it answers "Items are not persisted"."""
    (sent,) = replayed(output(kind))
    assert ("id" in sent) == _needs_id(kind)
    assert sent == {"type": kind, **({"id": f"id_{kind}"} if "id" in sent else {}), **ITEMS[kind]}


@given(st.lists(st.sampled_from(sorted(ITEMS))))
def test_nothing_is_left_out_or_moved(kinds: list[str]) -> None:
    """Reasoning without what follows it, and what follows without its reasoning, are refused."""
    assert [item["type"] for item in replayed(output(*kinds))] == kinds


def test_empty_lists_and_the_phase_of_a_message_stay() -> None:
    said = {"type": "message", "id": "m", "phase": "commentary", "content": []}
    thought = {"type": "reasoning", "id": "r", "summary": [], "content": []}
    sent = replayed({"output": [thought, said]})
    assert sent == [
        {"type": "reasoning", "summary": [], "content": []},
        {"type": "message", "phase": "commentary", "content": []},
    ]


def test_a_call_keeps_the_id_that_its_answer_names() -> None:
    (call,) = replayed(output("function_call"))
    assert call["call_id"] == "call_1"


@pytest.mark.parametrize("odd", [{}, {"output": None}, {"output": "text"}])
def test_a_response_without_items_gives_none(odd: dict[str, Any]) -> None:
    assert replayed(odd) == []


def test_items_that_are_no_objects_are_passed_on() -> None:
    assert replayed({"output": ["x", None]}) == ["x", None]


def test_a_text_is_one_message_of_the_user() -> None:
    assert as_items("Hi") == [{"role": "user", "content": "Hi"}]
    assert as_items(None) == []
    given_items = [{"role": "user", "content": "Hi"}]
    assert as_items(given_items) == given_items
    assert as_items(given_items) is not given_items


@pytest.mark.parametrize(
    ("kinds", "kept"),
    [
        (["message", "message"], ["message", "message"]),
        (["message", "compaction", "message"], ["compaction", "message"]),
        (["compaction", "message", "compaction"], ["compaction"]),
        ([], []),
    ],
)
def test_the_latest_compaction_stands_for_all_before_it(kinds: list[str], kept: list[str]) -> None:
    assert [item["type"] for item in since_compaction(output(*kinds)["output"])] == kept


def test_leaving_out_thoughts_leaves_everything_else() -> None:
    items = output("message", "reasoning", "function_call", "reasoning", "compaction")["output"]
    left = [item["type"] for item in without_reasoning([*items, "odd"]) if item != "odd"]
    assert left == ["message", "function_call", "compaction"]


@pytest.mark.parametrize(
    ("kinds", "kept"),
    [
        (["reasoning", "code_interpreter_call", "message"], ["message"]),
        (
            ["reasoning", "web_search_call", "code_interpreter_call", "reasoning", "message"],
            ["reasoning", "web_search_call", "reasoning", "message"],
        ),
        (["code_interpreter_call"], []),
    ],
)
def test_code_goes_with_the_thought_that_led_to_it(kinds: list[str], kept: list[str]) -> None:
    assert [item["type"] for item in without_code(output(*kinds)["output"])] == kept
