"""What a tool is to the API, what it takes, and where its secrets come from: plain values."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from referencing import Registry

from flowrunner.catalog import load_schema
from flowrunner.language.shapes import Shape, is_strict, to_json_schema
from flowrunner.language.tools import (
    CommandTool,
    ComputerTool,
    CustomTool,
    EnvName,
    HttpTool,
    Kind,
    McpTool,
    MissingSecret,
    PatchTool,
    PythonTool,
    ShellTool,
    Tool,
    api_object,
    call_name,
    call_names,
    callable_tools,
    env_names,
    mcp_function,
    stands_for,
    with_secrets,
)

CREATE = jsonschema.Draft202012Validator(load_schema("openai/response-create"), registry=Registry())
ORDER = Shape(
    "object",
    fields=(
        ("number", Shape("text", describe="On the invoice")),
        ("exact", Shape("yes_no", default=True)),
        ("note", Shape("text", optional=True)),
    ),
)
RUN = CommandTool(("find",))
CLOCK = McpTool(("get_time", "set_time"), command=("clock",))


def tool(kind: Kind, takes: Shape | None = None, name: str = "find_order", **more: Any) -> Tool:
    schema = None if takes is None else to_json_schema(takes)
    strict = takes is None or is_strict(takes)
    return Tool(name, kind, arguments=schema, takes=takes, is_strict=strict, **more)


OBJECTS: dict[str, tuple[Tool, dict[str, Any]]] = {
    "function": (
        tool(RUN, ORDER, describe="Look it up"),
        {
            "type": "function",
            "name": "find_order",
            "description": "Look it up",
            "parameters": {
                "type": "object",
                "properties": {
                    "number": {"type": "string", "description": "On the invoice"},
                    "exact": {"type": ["boolean", "null"]},
                    "note": {"type": ["string", "null"]},
                },
                "required": ["number", "exact", "note"],
                "additionalProperties": False,
            },
            "strict": True,
        },
    ),
    "without arguments": (
        tool(RUN, Shape("object")),
        {
            "type": "function",
            "name": "find_order",
            "parameters": {
                "type": "object",
                "properties": {},
                "required": [],
                "additionalProperties": False,
            },
            "strict": True,
        },
    ),
    "any object": (
        tool(RUN, Shape("object", fields=(("a", Shape("object", free=True)),))),
        {
            "type": "function",
            "name": "find_order",
            "parameters": {
                "type": "object",
                "properties": {"a": {"type": "object", "additionalProperties": True}},
                "required": ["a"],
                "additionalProperties": False,
            },
            "strict": False,
        },
    ),
    "custom": (tool(CustomTool(RUN)), {"type": "custom", "name": "find_order"}),
    "grammar": (
        tool(CustomTool(RUN, {"type": "grammar", "syntax": "regex", "definition": "a+"})),
        {
            "type": "custom",
            "name": "find_order",
            "format": {"type": "grammar", "syntax": "regex", "definition": "a+"},
        },
    ),
    "computer": (tool(ComputerTool(("desk",))), {"type": "computer"}),
    "shell": (tool(ShellTool("work")), {"type": "shell", "environment": {"type": "local"}}),
    "patch": (tool(PatchTool("work")), {"type": "apply_patch"}),
}


@pytest.mark.parametrize(("declared", "expected"), OBJECTS.values(), ids=OBJECTS)
def test_a_tool_is_offered_as_the_api_takes_it(declared: Tool, expected: dict[str, Any]) -> None:
    offered = api_object(declared)
    assert offered == expected
    assert [error.message for error in CREATE.iter_errors({"tools": [offered]})] == []


def test_a_server_is_offered_tool_by_tool_once_it_was_asked() -> None:
    server = tool(CLOCK, name="clock")
    assert api_object(server) is None
    schema = {"type": "object", "properties": {"zone": {"type": "string"}}}
    listed = {"name": "get_time", "description": "The time", "inputSchema": schema}
    offered = mcp_function(server, listed)
    assert offered["name"] in call_names(server)
    assert (offered["parameters"], offered["strict"]) == (schema, False)
    assert [error.message for error in CREATE.iter_errors({"tools": [offered]})] == []
    assert mcp_function(server, {"name": "bare"})["parameters"]["type"] == "object"


@pytest.mark.parametrize(
    ("item", "name"),
    [
        ({"type": "function_call", "name": "find_order"}, "find_order"),
        ({"type": "custom_tool_call", "name": "query"}, "query"),
        ({"type": "computer_call"}, "computer"),
        ({"type": "shell_call"}, "shell"),
        ({"type": "apply_patch_call"}, "apply_patch"),
        ({"type": "message"}, None),
        ({"type": "function_call", "name": 3}, None),
        ({"type": "web_search_call"}, None),
    ],
)
def test_a_call_finds_its_tool_by_name(item: dict[str, Any], name: str | None) -> None:
    assert call_name(item) == name


def test_every_object_is_answered_under_the_name_of_its_calls() -> None:
    calls = {
        "function": {"type": "function_call", "name": "find_order"},
        "custom": {"type": "custom_tool_call", "name": "find_order"},
        "computer": {"type": "computer_call"},
        "shell": {"type": "shell_call"},
        "apply_patch": {"type": "apply_patch_call"},
    }
    for declared, offered in OBJECTS.values():
        assert call_names(declared) == (call_name(calls[offered["type"]]),)


def test_what_only_a_model_can_use_is_not_called_by_a_step() -> None:
    declared = {
        "find": tool(RUN, ORDER, name="find"),
        "clock": tool(CLOCK, name="clock"),
        "desk": tool(ComputerTool(("desk",)), name="desk"),
        "work": tool(ShellTool("work"), name="work"),
        "patches": tool(PatchTool("work"), name="patches"),
    }
    assert list(callable_tools(declared)) == ["find", "clock__get_time", "clock__set_time"]


def test_an_object_that_is_written_out_stands_for_the_tool_of_its_name() -> None:
    declared = tool(RUN, ORDER)
    assert stands_for({"type": "function", "name": "find_order", "async": True}, declared)
    assert not stands_for({"type": "custom", "name": "find_order"}, declared)
    assert not stands_for({"type": "function", "name": "other"}, declared)


# Arguments and answers.


def test_defaults_stand_in_for_what_is_null_or_missing() -> None:
    declared = tool(RUN, ORDER)
    expected = {"number": "7", "exact": True, "note": None}
    assert declared.read_arguments({"number": "7"}) == (expected, [])
    assert declared.read_arguments({"number": "7", "exact": None, "note": None}) == (expected, [])


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"number": 7}, "`number` must be text, found the number `7`"),
        ({}, "`number` is missing"),
        ({"number": "7", "x": 1}, "`x` is not a declared field"),
        ([], "the arguments must be an object"),
        ("7", "the arguments must be an object"),
        (None, "the arguments must be an object"),
    ],
)
def test_arguments_outside_the_shape_are_never_used(given: Any, fault: str) -> None:
    read, faults = tool(RUN, ORDER).read_arguments(given)
    assert (read, faults) == ({}, [fault])


def test_a_function_gets_no_null_where_it_has_a_default_of_its_own() -> None:
    kind = PythonTool("shop.py", None, "find", defaulted=frozenset({"note"}))
    takes = Shape("object", fields=(*ORDER.fields, ("mood", Shape("text", optional=True))))
    read, faults = tool(kind, takes).read_arguments({"number": "7", "note": None})
    assert (read, faults) == ({"number": "7", "exact": True, "mood": None}, [])


def test_any_object_is_taken_as_it_is() -> None:
    takes = Shape("object", fields=(("a", Shape("object", free=True)), ("b", Shape("json"))))
    declared = tool(RUN, takes)
    given = {"a": {"x": [1, {"y": None}]}, "b": 3}
    assert declared.read_arguments(given) == (given, [])
    assert declared.read_arguments({"a": [], "b": 3})[1] == [
        "`a` must be an object, found an empty list"
    ]


def test_arguments_of_a_server_are_left_to_the_server() -> None:
    assert tool(CLOCK).read_arguments({"zone": 3}) == ({"zone": 3}, [])


def test_an_answer_is_read_by_the_declared_output() -> None:
    declared = tool(RUN, ORDER, output=Shape("object", fields=(("total", Shape("number")),)))
    assert declared.read_output({"total": 3}) == ({"total": 3}, [])
    assert declared.read_output({"total": "x"})[1] == [
        "`total` must be a number, found the text `x`"
    ]
    assert tool(RUN, ORDER).read_output(["as it is"]) == (["as it is"], [])


# Secrets.

SERVER: dict[str, Any] = {
    "type": "mcp",
    "server_label": "docs",
    "server_url": {"env": "URL"},
    "authorization": {"env": "TOKEN"},
    "headers": {"X-Key": {"env": "KEY"}, "X-Team": "a"},
}
ENVIRON = {"URL": "https://mcp.example.com", "TOKEN": "t0ken", "KEY": "k3y", "OTHER": "no"}


def test_secrets_come_in_when_a_request_leaves_and_only_then() -> None:
    body = {"model": "m", "tools": [SERVER, {"type": "web_search"}]}
    filled = with_secrets(body, ENVIRON)
    assert filled["tools"] == [
        {
            "type": "mcp",
            "server_label": "docs",
            "server_url": "https://mcp.example.com",
            "authorization": "t0ken",
            "headers": {"X-Key": "k3y", "X-Team": "a"},
        },
        {"type": "web_search"},
    ]
    assert body["tools"] == [SERVER, {"type": "web_search"}]
    assert SERVER["headers"]["X-Key"] == {"env": "KEY"}


@pytest.mark.parametrize("missing", ["URL", "TOKEN", "KEY"])
def test_a_secret_that_is_not_set_is_named(missing: str) -> None:
    environ = {name: value for name, value in ENVIRON.items() if name != missing}
    with pytest.raises(MissingSecret, match=f"`{missing}` is not set"):
        with_secrets({"tools": [SERVER]}, environ)


def test_only_servers_of_the_api_hold_secrets() -> None:
    body = {"tools": [{"type": "function", "authorization": {"env": "TOKEN"}}], "input": "x"}
    assert with_secrets(body, ENVIRON) == body
    assert with_secrets({"input": "x"}, {}) == {"input": "x"}


def test_a_tool_knows_every_variable_that_it_needs() -> None:
    http = HttpTool("GET", EnvName("URL"), {"A": EnvName("KEY"), "B": "plain"})
    mcp = McpTool(("a",), url="https://x.example", authorization=EnvName("TOKEN"))
    assert env_names(tool(http)) == {"URL", "KEY"}
    assert env_names(tool(mcp)) == {"TOKEN"}
    assert env_names(tool(CommandTool(("x",), ("A", "B")))) == {"A", "B"}
    assert env_names(tool(CustomTool(CommandTool(("x",), ("A",))))) == {"A"}
    assert env_names(tool(PatchTool("work"))) == frozenset()
