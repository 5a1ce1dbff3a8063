"""Bodies are refused as the API refuses them: with the field named, in the API's words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import referencing

from flowrunner import catalog
from flowrunner.simulator.envelope import Refusal
from flowrunner.simulator.rules import check_together
from flowrunner.simulator.store import Store, Stored
from flowrunner.simulator.validation import BodyValidator

SAMPLES = json.loads((Path(__file__).parent / "test_simulator_samples.json").read_text("utf-8"))
PARAMS = {
    "model a number": ("model", "invalid_type"),
    "input an object": ("input", "invalid_type"),
    "unknown include": ("include[0]", "invalid_value"),
    "bad role": ("input[0].role", "invalid_value"),
    "unknown tool type": ("tools[0].type", "invalid_value"),
    "chat-style function tool": ("tools[0].name", "missing_required_parameter"),
    "function_call_output without output": ("input[0].output", "missing_required_parameter"),
    "chat-style response_format in text": ("text.format.schema", "missing_required_parameter"),
    "temperature 3": ("temperature", "decimal_above_max_value"),
    "max_output_tokens 5": ("max_output_tokens", "integer_below_min_value"),
    "compact_threshold 10": (
        "context_management[0].compact_threshold",
        "integer_below_min_value",
    ),
    "context_management object": ("context_management", "invalid_type"),
    "metadata number": ("metadata.a", "invalid_type"),
    "tool_choice word": ("tool_choice", "invalid_value"),
    "bad service tier": ("service_tier", "invalid_value"),
    "mcp without label": ("tools[0].server_label", "missing_required_parameter"),
    "unknown input item": ("input[0].type", "invalid_value"),
    "chat content part text": ("input[0].content[0].type", "invalid_value"),
    "image_url object": ("input[0].content[0].image_url", "invalid_type"),
    "effort turbo": ("reasoning.effort", "invalid_value"),
    "background string": ("background", "invalid_type"),
    "file_search no store": ("tools[0].vector_store_ids", "missing_required_parameter"),
}


def named(kind: str) -> list[Any]:
    return [pytest.param(case["body"], case["name"], id=case["name"]) for case in SAMPLES[kind]]


def refusal_of(body: object) -> Refusal:
    with pytest.raises(Refusal) as caught:
        check_together(BodyValidator().check(body))
    return caught.value


@pytest.mark.parametrize(("body", "name"), named("valid"))
def test_a_valid_body_is_accepted(body: dict[str, Any], name: str) -> None:
    assert BodyValidator().check(body) is body


@pytest.mark.parametrize(("body", "name"), named("invalid"))
def test_an_invalid_body_is_refused_by_its_field(body: dict[str, Any], name: str) -> None:
    refusal = refusal_of(body)
    assert (refusal.param, refusal.code) == PARAMS[name]
    assert refusal.status == 400


@pytest.mark.parametrize(("body", "name"), named("valid") + named("invalid"))
def test_the_verdict_is_that_of_the_plain_schema(body: dict[str, Any], name: str) -> None:
    """The short way through `allOf` never changes what is valid."""
    plain = jsonschema.Draft202012Validator(
        catalog.load_schema("openai/response-create"), registry=referencing.Registry()
    )
    try:
        BodyValidator().check(body)
    except Refusal:
        assert not plain.is_valid(body)
    else:
        assert plain.is_valid(body)


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "gpt-5.4", "input": "hi", **fields}


def json_schema(schema: dict[str, Any], name: str = "out") -> dict[str, Any]:
    wanted = {"type": "json_schema", "name": name, "strict": True, "schema": schema}
    return body(text={"format": wanted})


@pytest.mark.parametrize(
    ("wrong", "param", "code", "message"),
    [
        ([], None, "invalid_type", "Invalid type: expected an object, but got an array instead."),
        (body(promt="x"), "promt", "unknown_parameter", "Unknown parameter: 'promt'."),
        ({"input": "x"}, "model", "missing_required_parameter", "required parameter: 'model'"),
        ({"model": "m"}, "input", "missing_required_parameter", 'One of "input"'),
        (body(temperature="hot"), "temperature", "invalid_type", "expected a decimal"),
        (body(context_management=[]), "context_management", "empty_array", "an empty array"),
        (body(safety_identifier="x" * 129), "safety_identifier", "string_above_max_length", "128"),
        (
            body(metadata={str(n): "v" for n in range(17)}),
            "metadata",
            "object_above_max_properties",
            "at most 16 properties, but got an object with 17",
        ),
        (
            body(metadata={"k": "v" * 513}),
            "metadata.k",
            "string_above_max_length",
            "maximum length 512, but got a string with length 513",
        ),
        (
            body(metadata={"k" * 65: "v"}),
            "metadata." + "k" * 64,
            "string_above_max_length",
            "64",
        ),
        (
            body(previous_response_id="resp_1", conversation="conv_1"),
            "previous_response_id",
            "mutually_exclusive_parameters",
            "only providing one of",
        ),
        (
            body(text={"format": {"type": "json_object"}}),
            "input",
            None,
            "must contain the word 'json'",
        ),
        (
            body(tool_choice={"type": "function", "name": "f"}),
            "tool_choice",
            "invalid_value",
            "Tool choice 'f' not found",
        ),
        (
            body(tools=[{"type": "function", "name": "no spaces"}]),
            "tools[0].name",
            "invalid_value",
            "does not match pattern",
        ),
        (
            body(tools=[{"type": "mcp", "server_label": "s"}]),
            "tools[0].server_url",
            "missing_required_parameter",
            "Exactly one of",
        ),
        (
            body(
                tools=[
                    {
                        "type": "mcp",
                        "server_label": "s",
                        "server_url": "https://x",
                        "connector_id": "connector_gmail",
                    }
                ]
            ),
            "tools[0].connector_id",
            "mutually_exclusive_parameters",
            "but got 2",
        ),
        (json_schema({}, name="ü"), "text.format.name", "invalid_value", "does not match"),
        (
            json_schema({"type": "object"}),
            "text.format.schema",
            "invalid_json_schema",
            "Invalid schema for response_format 'out': In context=(), 'additionalProperties'",
        ),
        (body(stream_options={"include_obfuscation": False}), "stream_options", None, "'stream'"),
        (body(background=True, store=False), "store", "invalid_value", "must be stored"),
        (
            body(background_options={"completion_window": "2h"}),
            "background_options",
            None,
            "only allowed when 'background' is true",
        ),
        (
            body(background=True, stream=True, background_options={"completion_window": "8h"}),
            "background_options.completion_window",
            "invalid_value",
            "window of '8h' cannot be combined with 'stream'",
        ),
        (
            body(
                background=True,
                service_tier="flex",
                background_options={"completion_window": "2h"},
            ),
            "background_options.completion_window",
            "invalid_value",
            "needs the standard service tier",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_fault_is_worded_as_the_api_does(
    wrong: Any, param: str | None, code: str | None, message: str
) -> None:
    refusal = refusal_of(wrong)
    assert (refusal.param, refusal.code) == (param, code)
    assert message in refusal.message


def test_the_store_keeps_the_newest() -> None:
    store = Store(kept=2)
    for number in range(3):
        store.put(f"resp_{number}", Stored(b"{}"))
    assert store.get("resp_0") is None
    assert store.get("resp_1") is not None


def test_what_was_found_is_remembered_but_not_its_frames() -> None:
    validator = BodyValidator()
    wrong = body(reasoning={"effort": "turbo"})
    found = []
    for _ in range(3):
        with pytest.raises(Refusal) as caught:
            validator.check(wrong)
        found.append((str(caught.value), len(caught.traceback)))
    assert len(set(found)) == 1


def test_many_different_fields_do_not_fill_the_memory() -> None:
    validator = BodyValidator()
    for number in range(1_100):
        validator.check(body(max_output_tokens=16 + number))
    assert len(validator._found) <= 1_000
