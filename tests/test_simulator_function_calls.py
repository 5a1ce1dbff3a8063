"""Functions and other tools of the client: called once, with arguments that fit, and answered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.simulator_talk import Talk, kinds, only, text_of

ORDER = {
    "type": "object",
    "properties": {
        "number": {"type": "integer", "minimum": 1},
        "state": {"type": "string", "enum": ["open", "closed"]},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["number", "state", "tags"],
    "additionalProperties": False,
}


def function(name: str = "find_order", **more: Any) -> dict[str, Any]:
    return {"type": "function", "name": name, "parameters": ORDER, "strict": True, **more}


def answered(call: dict[str, Any], output: str = "42") -> dict[str, Any]:
    return {"type": f"{call['type']}_output", "call_id": call["call_id"], "output": output}


def test_a_function_is_called_with_arguments_that_fit_and_nothing_is_said() -> None:
    response = Talk().create(input="Where is my closed order?", tools=[function()])
    assert kinds(response["output"]) == ["reasoning", "function_call"]
    call = only(response, "function_call")
    assert (call["name"], call["status"]) == ("find_order", "completed")
    assert call["id"].startswith("fc_")
    assert call["call_id"].startswith("call_")
    arguments = json.loads(call["arguments"])
    Draft202012Validator(ORDER).validate(arguments)
    assert arguments["state"] == "closed"
    assert response["status"] == "completed"
    assert response["usage"]["output_tokens"] > 32


def test_the_same_request_calls_with_the_same_arguments() -> None:
    calls = [only(Talk().create(tools=[function()]), "function_call") for _ in range(2)]
    assert calls[0] == calls[1]
    other = only(Talk(seed=1).create(tools=[function()]), "function_call")
    assert other["arguments"] != calls[0]["arguments"]


def test_the_answered_call_is_not_made_again() -> None:
    talk = Talk()
    first = talk.create(input="Where is it?", tools=[function()])
    call = only(first, "function_call")
    second = talk.create(
        previous_response_id=first["id"], input=[answered(call, "in Graz")], tools=[function()]
    )
    assert kinds(second["output"]) == ["reasoning", "message"]
    assert "“Where is it?”" in text_of(second)
    assert "“in Graz”" in text_of(second)
    third = talk.create(previous_response_id=second["id"], input="And now?", tools=[function()])
    assert "function_call" in kinds(third["output"])


def test_a_stateless_client_sends_everything_again() -> None:
    talk = Talk()
    asked = {"role": "user", "content": "Where is it?"}
    first = talk.create(input=[asked], tools=[function()], store=False)
    history = [asked, *first["output"]]
    call = only(first, "function_call")
    second = talk.create(input=[*history, answered(call)], tools=[function()], store=False)
    assert "message" in kinds(second["output"])


def test_several_functions_are_called_at_once_or_one_by_one() -> None:
    tools = [function("a"), function("b"), {"type": "custom", "name": "c"}]
    at_once = Talk().create(tools=tools)
    assert [item.get("name") for item in at_once["output"][1:]] == ["a", "b", "c"]
    assert len({item["call_id"] for item in at_once["output"][1:]}) == 3
    talk = Talk()
    response = talk.create(tools=tools, parallel_tool_calls=False)
    made = []
    while "message" not in kinds(response["output"]):
        (call,) = response["output"][1:]
        made.append(call["name"])
        response = talk.create(
            previous_response_id=response["id"],
            input=[answered(call)],
            tools=tools,
            parallel_tool_calls=False,
        )
    assert made == ["a", "b", "c"]


def test_a_custom_tool_gets_a_text_of_its_grammar() -> None:
    grammar = {"type": "grammar", "syntax": "regex", "definition": "^[a-c]{3}$"}
    tools = [{"type": "custom", "name": "say"}, {"type": "custom", "name": "spell"}]
    tools[1] |= {"format": grammar}
    said, spelled = Talk().create(input="Tell me", tools=tools)["output"][1:]
    assert "Tell me" in said["input"]
    assert len(spelled["input"]) == 3
    assert set(spelled["input"]) <= set("abc")
    grammar["definition"] = "(?=x)"
    beyond = Talk().create(input="Tell me", tools=[{**tools[1], "format": grammar}])
    assert "cannot keep to this grammar" in only(beyond, "custom_tool_call")["input"]


def test_a_namespace_is_named_in_the_call() -> None:
    space = {"type": "namespace", "name": "crm", "description": "d", "tools": [function()]}
    assert only(Talk().create(tools=[space]), "function_call")["namespace"] == "crm"


def test_a_function_without_parameters_is_called_with_none() -> None:
    response = Talk().create(tools=[{"type": "function", "name": "ping"}])
    assert only(response, "function_call")["arguments"] == "{}"


@pytest.mark.parametrize(
    ("tool", "kind", "field"),
    [
        ({"type": "local_shell"}, "local_shell_call", "action"),
        ({"type": "shell", "environment": {"type": "local"}}, "shell_call", "action"),
        ({"type": "apply_patch"}, "apply_patch_call", "operation"),
        ({"type": "computer"}, "computer_call", "actions"),
        (
            {"type": "computer_use_preview", "environment": "linux"}
            | {"display_width": 800, "display_height": 600},
            "computer_call",
            "action",
        ),
        ({"type": "tool_search", "execution": "client"}, "tool_search_call", "arguments"),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_other_tools_of_the_client_are_called_too(
    tool: dict[str, Any], kind: str, field: str
) -> None:
    response = Talk().create(tools=[tool])
    assert kinds(response["output"]) == ["reasoning", kind]
    assert only(response, kind)[field]


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("auto", ["a", "b"]),
        ("none", []),
        ("required", ["a", "b"]),
        ({"type": "function", "name": "b"}, ["b"]),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "a"}]},
            ["a"],
        ),
    ],
    ids=["auto", "none", "required", "forced", "allowed"],
)
def test_the_tool_choice_is_kept_to(choice: Any, called: list[str]) -> None:
    response = Talk().create(tools=[function("a"), function("b")], tool_choice=choice)
    calls = [item for item in response["output"] if item["type"] == "function_call"]
    assert [call["name"] for call in calls] == called
    assert ("message" in kinds(response["output"])) == (not called)


@pytest.mark.parametrize(
    ("choice", "again"),
    [
        ("auto", False),
        ("required", True),
        ({"type": "function", "name": "a"}, True),
        (
            {"type": "allowed_tools", "mode": "required"}
            | {"tools": [{"type": "function", "name": "a"}]},
            True,
        ),
    ],
    ids=["auto", "required", "forced", "allowed"],
)
def test_a_forced_choice_stays_forced(choice: Any, again: bool) -> None:
    talk = Talk()
    first = talk.create(tools=[function("a")], tool_choice=choice)
    call = only(first, "function_call")
    second = talk.create(
        previous_response_id=first["id"],
        input=[answered(call)],
        tools=[function("a")],
        tool_choice=choice,
    )
    assert ("function_call" in kinds(second["output"])) is again


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tool_choice": "required"}, "'required' must be specified with 'tools'"),
        (
            {"tools": [function()], "tool_choice": {"type": "function", "name": "g"}},
            "'g' not found",
        ),
        (
            {"tools": [function()], "tool_choice": {"type": "file_search"}},
            "'file_search' not found",
        ),
        (
            {
                "tools": [function()],
                "tool_choice": {"type": "allowed_tools", "mode": "auto"}
                | {"tools": [{"type": "mcp", "server_label": "s"}]},
            },
            "'s' not found",
        ),
    ],
    ids=["nothing", "function", "hosted", "allowed"],
)
def test_a_choice_of_what_is_not_there_is_refused(fields: dict[str, Any], message: str) -> None:
    status, error = Talk().refused(**fields)
    assert (status, error["param"]) == (400, "tool_choice")
    assert message in error["message"]


def test_parameters_that_are_not_strict_are_refused_when_they_say_so() -> None:
    loose = {"type": "object", "properties": {"a": {"type": "string"}}}
    tool = {"type": "function", "name": "f", "parameters": loose}
    status, error = Talk().refused(tools=[{**tool, "strict": True}])
    assert (status, error["code"]) == (400, "invalid_function_parameters")
    assert "Invalid schema for function 'f'" in error["message"]
    assert "function_call" in kinds(Talk().create(tools=[{**tool, "strict": False}])["output"])


def test_parameters_that_nothing_fits_are_refused() -> None:
    endless = {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}
    tool = {"type": "function", "name": "f", "parameters": endless, "strict": False}
    status, error = Talk().refused(tools=[tool])
    assert (status, error["code"]) == (400, "invalid_function_parameters")


def test_no_call_is_made_past_the_limit_of_tokens() -> None:
    response = Talk().create(tools=[function()], max_output_tokens=16)
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert kinds(response["output"]) == ["reasoning"]
    assert response["usage"]["output_tokens"] == 16


# ---- calls and their outputs --------------------------------------------------------------------


def test_a_chain_with_an_open_call_goes_on_with_its_output_only() -> None:
    talk = Talk()
    first = talk.create(tools=[function("a"), function("b")])
    one, two = first["output"][1:]
    for given in ("never mind", [answered(one)], []):
        status, error = talk.refused(previous_response_id=first["id"], input=given)
        assert (status, error["param"], error["code"]) == (400, "input", None)
        assert error["message"].startswith("No tool output found for function call call_")
    talk.create(previous_response_id=first["id"], input=[answered(one), answered(two)])


def test_an_open_call_in_the_input_is_refused() -> None:
    call = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
    _, error = Talk().refused(input=[call])
    assert error["message"] == "No tool output found for function call call_1."


def test_an_output_without_its_call_is_refused() -> None:
    reply = {"type": "function_call_output", "call_id": "call_9", "output": "x"}
    _, error = Talk().refused(input=[reply])
    assert error["message"] == ("No tool call found for function call output with call_id call_9.")


def test_the_id_of_a_call_is_not_that_of_its_item() -> None:
    talk = Talk()
    first = talk.create(tools=[function()])
    call = only(first, "function_call")
    wrong = {"type": "function_call_output", "call_id": call["id"], "output": "x"}
    _, error = talk.refused(previous_response_id=first["id"], input=[wrong])
    assert call["id"] in error["message"]
    mixed = {**call, "id": call["call_id"]}
    _, error = talk.refused(input=[mixed, answered(call)])
    assert error["param"] == "input[0].id"
    assert "begins with 'fc'" in error["message"]


def test_safety_checks_must_be_acknowledged() -> None:
    check = {"id": "cu_sc_1", "code": "malicious", "message": "Look out"}
    call = {
        "type": "computer_call",
        "id": "cu_1",
        "call_id": "call_1",
        "status": "completed",
        "action": {"type": "screenshot"},
        "pending_safety_checks": [check],
    }
    reply = {
        "type": "computer_call_output",
        "call_id": "call_1",
        "output": {"type": "computer_screenshot", "image_url": "data:image/png;base64,AAAA"},
    }
    talk = Talk(
        replies=lambda body: None if body.get("previous_response_id") else {"output": [call]}
    )
    first = talk.create()
    _, error = talk.refused(previous_response_id=first["id"], input=[reply])
    assert "unacknowledged safety check(s): cu_sc_1" in error["message"]
    accepted = {**reply, "acknowledged_safety_checks": [check]}
    talk.create(previous_response_id=first["id"], input=[accepted])


def test_scripted_calls_are_remembered_as_those_of_the_generator() -> None:
    call = {"type": "function_call", "call_id": "call_7", "name": "f", "arguments": "{}"}
    script = iter([{"output": [call]}, "done"])
    talk = Talk(replies=lambda _: next(script))
    first = talk.post("responses", model="gpt-5.4", input="x")
    assert first["output"] == [call]
    talk.refused(previous_response_id=first["id"], input="y")
    assert text_of(talk.create(previous_response_id=first["id"], input=[answered(call)])) == "done"
