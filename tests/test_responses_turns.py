"""The next request of a loop and the reply to each type of call, held to the API's own rules."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner import catalog
from flowrunner.responses.items import OpenCall, read_answer
from flowrunner.responses.replies import Given, replies_to
from flowrunner.responses.turns import Turn, freed, next_request, unanswerable

TYPES = [reply["item"] for reply in catalog.table("replies")]


def an_item(kind: str, number: int) -> dict[str, Any]:
    """An output item that waits for the client's answer."""
    item: dict[str, Any] = {"type": kind, "id": f"item_{number}", "call_id": f"call_{number}"}
    if kind == "mcp_approval_request":
        del item["call_id"]
        return {**item, "server_label": "shop", "name": "buy", "arguments": "{}"}
    more: dict[str, dict[str, Any]] = {
        "function_call": {"name": "f", "arguments": "{}"},
        "custom_tool_call": {"name": "k", "input": "x"},
        "shell_call": {
            "environment": {"type": "local"},
            "action": {"commands": ["ls"], "max_output_length": 100},
        },
        "tool_search_call": {"execution": "client"},
        "computer_call": {"pending_safety_checks": [{"id": "sc_1", "code": "x", "message": "y"}]},
    }
    return item | more.get(kind, {})


def a_response(items: list[dict[str, Any]], name: str = "resp_1") -> dict[str, Any]:
    return {"id": name, "object": "response", "status": "completed", "output": items}


REQUEST = {
    "model": "gpt-6-luna",
    "instructions": "Be kind.",
    "input": "Where is my order?",
    "text": {"format": {"type": "json_schema", "name": "x", "schema": {}}},
    "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": True}],
    "metadata": {"run": "1"},
}

KINDS = st.lists(st.sampled_from(TYPES), min_size=1, max_size=4)
GIVEN = st.builds(
    Given,
    ok=st.booleans(),
    output=st.none() | st.text() | st.dictionaries(st.text(), st.integers()),
    error=st.none() | st.text(),
    acknowledged=st.booleans(),
)


def a_dialogue(turns: list[list[str]], reply: Given, request: dict[str, Any]) -> list[Turn]:
    """Turns in which a model calls tools of these types, each answered."""
    made: list[Turn] = []
    for place, kinds in enumerate(turns):
        items = [{"type": "reasoning", "id": f"rs_{place}", "summary": []}]
        items += [an_item(kind, 10 * place + at) for at, kind in enumerate(kinds)]
        response = a_response(items, f"resp_{place}")
        calls = read_answer(response).open_calls
        replies = [item for call in calls for item in replies_to(call, reply)]
        made.append(Turn(request, response, tuple(replies)))
    return made


@given(st.lists(KINDS, min_size=1, max_size=4), GIVEN)
def test_every_call_is_answered_and_nothing_else_is(turns: list[list[str]], reply: Given) -> None:
    """Pitfall 14.4: an unanswered call bricks what comes after it."""
    made = a_dialogue(turns, reply, REQUEST)
    replayed = next_request(made, by_id=False)["input"]
    assert read_answer(a_response(replayed)).open_calls == ()
    last = next_request(made, by_id=True)["input"]
    assert last == list(made[-1].replies)


@given(st.lists(KINDS, min_size=1, max_size=4), GIVEN)
def test_what_is_replayed_keeps_its_order_and_its_reasoning(
    turns: list[list[str]], reply: Given
) -> None:
    """Pitfalls 14.1 to 14.3: reasoning stands before what it led to, an empty summary stays."""
    said = next_request(a_dialogue(turns, reply, REQUEST), by_id=False)["input"]
    kinds = [item.get("type") for item in said]
    places = [at for at, kind in enumerate(kinds) if kind == "reasoning"]
    assert len(places) == len(turns)
    for at, expected in zip(places, turns, strict=True):
        assert said[at]["summary"] == []
        assert kinds[at + 1 : at + 1 + len(expected)] == expected
    assert said[0] == {"role": "user", "content": REQUEST["input"]}


@given(KINDS, GIVEN)
def test_replies_name_the_call_and_never_the_item(kinds: list[str], reply: Given) -> None:
    """Pitfall 14.5: an item's own id where a call_id is due is a 400."""
    [turn] = a_dialogue([kinds], reply, REQUEST)
    for item in turn.replies:
        if not isinstance(item, dict) or "type" not in item:
            continue  # what is said about an action beside its reply
        if item["type"] == "mcp_approval_response":
            assert item["approval_request_id"].startswith("item_")
        else:
            assert item["call_id"].startswith("call_")
            assert item.get("id", item["call_id"]) == item["call_id"]


@given(st.booleans(), st.lists(KINDS, min_size=1, max_size=3))
def test_all_that_the_server_does_not_carry_over_is_sent_again(
    by_id: bool, turns: list[list[str]]
) -> None:
    body = next_request(a_dialogue(turns, Given(ok=True), REQUEST), by_id=by_id)
    for key in ("model", "instructions", "text", "tools", "metadata"):
        assert body[key] == REQUEST[key]
    assert body.get("previous_response_id") == (f"resp_{len(turns) - 1}" if by_id else None)


def test_in_a_conversation_only_the_replies_are_sent() -> None:
    """Pitfall 14.7: what a conversation holds is a duplicate when it is sent again."""
    request = {**REQUEST, "conversation": "conv_1"}
    made = a_dialogue([["function_call"], ["function_call"]], Given(ok=True, output="x"), request)
    for by_id in (True, False):
        body = next_request(made, by_id=by_id)
        assert body["conversation"] == "conv_1"
        assert "previous_response_id" not in body
        assert body["input"] == list(made[-1].replies)


def test_what_goes_on_from_a_kept_response_is_replayed_behind_it() -> None:
    request = {**REQUEST, "previous_response_id": "resp_before", "store": False}
    [turn] = a_dialogue([["function_call"]], Given(ok=True, output="x"), request)
    body = next_request([turn], by_id=False)
    assert body["previous_response_id"] == "resp_before"
    kinds = [item.get("type") for item in body["input"]]
    assert kinds == [None, "reasoning", "function_call", "function_call_output"]


def test_a_compaction_stands_for_all_before_it() -> None:
    compaction = {"type": "compaction", "encrypted_content": "…"}
    call = an_item("function_call", 1)
    response = a_response([compaction, call])
    [open_call] = read_answer(response).open_calls
    replies = replies_to(open_call, Given(ok=True, output="x"))
    said = next_request([Turn(REQUEST, response, replies)], by_id=False)["input"]
    assert [item["type"] for item in said] == [
        "compaction",
        "function_call",
        "function_call_output",
    ]


@pytest.mark.parametrize(
    ("choice", "then"),
    [
        (None, None),
        ("none", "none"),
        ("auto", "auto"),
        ("required", "auto"),
        ({"type": "function", "name": "f"}, "auto"),
        ({"type": "mcp", "server_label": "shop"}, "auto"),
        ({"type": "file_search"}, "auto"),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function"}]},
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function"}]},
        ),
    ],
    ids=str,
)
def test_a_choice_is_free_after_the_first_turn(choice: Any, then: Any) -> None:
    """A forced choice stays forced on every follow-up: the loop would never end."""
    assert freed(choice) == then


def reply_of(kind: str, reply: Given) -> list[dict[str, Any]]:
    [call] = read_answer(a_response([an_item(kind, 1)])).open_calls
    return list(replies_to(call, reply))


PARTS = [{"type": "input_image", "image_url": "data:image/png;base64,aa"}]


@pytest.mark.parametrize(
    ("reply", "output"),
    [
        (Given(ok=True, output="text"), "text"),
        (Given(ok=True, output={"n": "ü"}), '{"n": "ü"}'),
        (Given(ok=True, output=None), "null"),
        (Given(ok=True, output=PARTS, is_parts=True), PARTS),
        (Given(ok=True, output=PARTS), json.dumps(PARTS)),
        (Given(ok=True, output="\ud800"), "?"),
        (Given(ok=False, error="no such order"), "Error: no such order"),
        (Given(ok=False, output=PARTS, is_parts=True, error="no"), "Error: no"),
    ],
    ids=["text", "json", "null", "parts", "a-list", "surrogate", "error", "error-beside-parts"],
)
@pytest.mark.parametrize("kind", ["function_call", "custom_tool_call"])
def test_functions_and_custom_tools_are_answered_by_text_or_parts(
    kind: str, reply: Given, output: Any
) -> None:
    assert reply_of(kind, reply) == [
        {"type": f"{kind}_output", "call_id": "call_1", "output": output}
    ]


def test_safety_checks_are_acknowledged_only_where_a_person_did() -> None:
    """Pitfall 14.12: unacknowledged is a 400, and nothing here acknowledges by itself."""
    screen = {"type": "computer_screenshot", "image_url": "data:image/png;base64,aa"}
    [plain] = reply_of("computer_call", Given(ok=True, output=screen))
    assert plain["output"] == screen
    assert "acknowledged_safety_checks" not in plain
    [said] = reply_of("computer_call", Given(ok=True, output=screen, acknowledged=True))
    assert said["acknowledged_safety_checks"] == [{"id": "sc_1", "code": "x", "message": "y"}]


def test_an_action_that_was_not_done_is_said_beside_an_empty_screenshot() -> None:
    reply, said = reply_of("computer_call", Given(ok=False, error="a person denied this call"))
    assert reply["output"]["type"] == "computer_screenshot"
    assert reply["output"]["image_url"].startswith("data:image/png;base64,")
    assert said == {
        "role": "developer",
        "content": "That action was not done: a person denied this call",
    }


def test_a_shell_echoes_the_length_that_it_was_asked_for() -> None:
    chunk = {"stdout": "a", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}
    [reply] = reply_of("shell_call", Given(ok=True, output=[chunk]))
    assert (reply["output"], reply["max_output_length"]) == ([chunk], 100)
    [reply] = reply_of("shell_call", Given(ok=False, error="denied"))
    assert reply["output"] == [
        {
            "stdout": "",
            "stderr": "Error: denied",
            "outcome": {"type": "exit", "exit_code": 1},
        }
    ]


def test_the_old_shell_is_answered_under_both_names() -> None:
    [reply] = reply_of("local_shell_call", Given(ok=False, error="no"))
    assert (reply["id"], reply["call_id"]) == ("call_1", "call_1")
    assert json.loads(reply["output"])["stderr"] == "Error: no"


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Given(ok=True, output="Done."), {"status": "completed", "output": "Done."}),
        (Given(ok=True), {"status": "completed"}),
        (Given(ok=False, error="no"), {"status": "failed", "output": "Error: no"}),
    ],
    ids=["done", "silent", "failed"],
)
def test_a_patch_is_completed_or_failed(reply: Given, expected: dict[str, Any]) -> None:
    [item] = reply_of("apply_patch_call", reply)
    assert item == {"type": "apply_patch_call_output", "call_id": "call_1", **expected}


@pytest.mark.parametrize("granted", [True, False])
def test_an_approval_names_the_request_itself(granted: bool) -> None:
    error = None if granted else "a person denied this call"
    [item] = reply_of("mcp_approval_request", Given(ok=granted, error=error))
    expected: dict[str, Any] = {"approval_request_id": "item_1", "approve": granted}
    reason = {} if granted else {"reason": error}
    assert item == {"type": "mcp_approval_response", **expected, **reason}


def test_a_search_for_tools_finds_none() -> None:
    [item] = reply_of("tool_search_call", Given(ok=False, error="no"))
    assert (item["tools"], item["execution"]) == ([], "client")


def test_calls_that_nothing_can_be_linked_to_are_told() -> None:
    call = OpenCall("function_call", "f", "c")
    assert unanswerable([call]) is None
    assert "no id" in (unanswerable([OpenCall("function_call", "f", None)]) or "")
    assert "the same `call_id`" in (unanswerable([call, call]) or "")
