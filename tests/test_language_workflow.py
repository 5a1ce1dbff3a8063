"""From a document to a workflow: the parts, the request bodies, what steps wait for."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry

from flowrunner.catalog import load_schema
from flowrunner.diagnostics import Finding
from flowrunner.language.document import parse
from flowrunner.language.request import Prompt
from flowrunner.language.shapes import MISSING
from flowrunner.language.templates import TemplateFault
from flowrunner.language.workflow import (
    DEFAULT_RETRY_ON,
    SetValues,
    Step,
    Workflow,
    Write,
    build,
    read_duration,
)

CREATE = jsonschema.Draft202012Validator(load_schema("openai/response-create"), registry=Registry())
SCOPE: dict[str, Any] = {
    "inputs": {"ticket": "No card {{ 7*7 }}", "city": "Bern"},
    "steps": {"a": {"text": "first", "output": {"n": 3, "tags": ["x", "y"]}}},
}


def built_with(text: str) -> tuple[Workflow | None, list[Finding]]:
    document, diagnostics = parse(textwrap.dedent(text), "flow.yaml")
    assert diagnostics == []
    assert document is not None
    return build(document, Path("/project"))


def built(text: str) -> Workflow:
    workflow, findings = built_with(text)
    assert findings == []
    assert workflow is not None
    return workflow


def only_step(text: str, top: str = "") -> Step:
    """The one step of a file; `text` holds its keys, `top` further keys of the file."""
    keys = textwrap.indent(textwrap.dedent(text).strip("\n"), "    ")
    return built(f"{textwrap.dedent(top)}\nsteps:\n  - id: ask\n{keys}\n").steps[0]


def body_of(text: str, top: str = "", **ranks: Any) -> dict[str, Any]:
    """The request body of a step, which the create schema must take."""
    step = only_step(text, top)
    assert isinstance(step.verb, Prompt)
    body = step.verb.body(SCOPE, **ranks)
    assert [error.message for error in CREATE.iter_errors(body)] == []
    return body


WHOLE = """\
    flowrunner: 1
    name: Triage
    description: Sorts.
    inputs:
      ticket: { type: text, describe: What they wrote }
      max: { type: integer, default: 3 }
      key: { type: text, secret: true, optional: true }
    defaults:
      model: gpt-6-luna
      reasoning: { effort: low }
      timeout: 2m
      retry: 2
    limits: { at_once: 8, timeout: 10m }
    steps:
      - id: a
        prompt: "Sort {{ inputs.ticket }}"
        output: { team: [x, y] }
      - id: b
        if: steps.a.output.team == 'x'
        needs: [a]
        write: "{{ steps.a.text }}"
        save_to: out/b.md
      - id: c
        set: { team: "{{ steps.a.output.team }}", text: "Team {{ steps.a.output.team }}", n: 3 }
    result: "{{ first(steps.b.text, 'none') }}"
    """


def test_a_whole_file_is_built() -> None:
    flow = built(WHOLE)
    assert (flow.name, flow.description, flow.shown) == ("Triage", "Sorts.", "flow.yaml")
    assert (flow.limits.at_once, flow.limits.timeout_s) == (8, 600)
    assert [type(step.verb) for step in flow.steps] == [Prompt, Write, SetValues]
    assert [step.verb_name for step in flow.steps] == ["prompt", "write", "set"]
    assert len(flow.sha256) == 64
    assert flow.step("b") is flow.steps[1]
    assert flow.step("z") is None


def test_inputs_know_whether_they_are_required() -> None:
    ticket, most, key = built(WHOLE).inputs
    assert (ticket.required, ticket.describe, ticket.default) == (True, "What they wrote", MISSING)
    assert (most.required, most.default) == (False, 3)
    assert (key.required, key.secret) == (False, True)


def test_set_keeps_the_type_of_a_whole_expression() -> None:
    step = built(WHOLE).steps[2]
    assert isinstance(step.verb, SetValues)
    scope = {"steps": {"a": {"output": {"team": ["x"]}}}}
    assert step.verb.evaluate(scope) == {"team": ["x"], "text": 'Team ["x"]', "n": 3}


def test_the_result_is_filled_from_a_scope() -> None:
    assert built(WHOLE).fill_result({"steps": {"b": {"text": "done"}}}) == "done"


def test_a_step_waits_for_what_it_mentions_and_needs() -> None:
    flow = built(
        """\
        steps:
          - { id: a, write: x }
          - { id: b, write: x }
          - { id: c, write: x }
          - id: d
            if: steps.c.text == 'x'
            needs: [a]
            write: "{{ default(steps.b.text, '') }}{% if false %}{{ steps['c'].text }}{% endif %}"
        """
    )
    assert flow.steps[3].waits_for == ("b", "c", "a")
    assert flow.steps[3].unguarded == {"c"}
    assert flow.steps[0].waits_for == ()


def test_defaults_serve_prompt_steps_and_steps_overrule_them() -> None:
    flow = built(
        """\
        defaults: { timeout: 2m, retry: { attempts: 3, on: [refusal] }, on_unknown: hold }
        steps:
          - { id: a, prompt: x }
          - { id: b, prompt: x, timeout: 5s, retry: 4, on_unknown: retry_once, on_error: continue }
          - { id: c, write: x }
        """
    )
    a, b, c = flow.steps
    assert (a.timeout_s, a.retry.attempts, a.retry.on, a.on_unknown, a.on_error) == (
        120,
        3,
        {"refusal"},
        "hold",
        "stop",
    )
    assert (b.timeout_s, b.retry.attempts, b.retry.on, b.on_unknown, b.on_error) == (
        5,
        4,
        DEFAULT_RETRY_ON,
        "retry_once",
        "continue",
    )
    assert (c.timeout_s, c.retry.attempts, c.on_unknown) == (None, 1, "retry_once")


MCP = "{ type: mcp, server_label: s, server_url: 'https://x.example', require_approval: never"


@pytest.mark.parametrize(
    ("tools", "expected"),
    [
        ("[web_search]", "retry_once"),
        (f"[{MCP} }}]", "hold"),
        (f"[{MCP}, allowed_tools: {{ read_only: true }} }}]", "retry_once"),
        (f"[{MCP}, allowed_tools: [a] }}]", "hold"),
    ],
    ids=["hosted", "mcp", "read only", "named tools"],
)
def test_a_lost_answer_is_held_where_the_model_may_change_things(tools: str, expected: str) -> None:
    assert only_step(f"prompt: x\ntools: {tools}").on_unknown == expected


def test_a_stored_prompt_may_bring_tools_that_change_things() -> None:
    assert only_step("prompt: { id: pmpt_1 }").on_unknown == "hold"
    assert only_step("prompt: { id: pmpt_1 }\non_unknown: retry_once").on_unknown == "retry_once"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("5m", 300), ("2h", 7200), ("1d", 86_400), ("1.5s", 1.5), ("366d", 31_622_400)],
)
def test_durations_are_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert read_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "5", "5 minutes", "-1s", "1000d", "1e12s", "5M"])
def test_other_texts_are_no_durations(text: str) -> None:
    assert read_duration(text) is None


# Request bodies.


def test_a_prompt_is_one_user_message_and_nothing_else_is_sent() -> None:
    assert body_of('prompt: "Say {{ inputs.city }}"') == {"input": "Say Bern"}


def test_what_comes_out_of_data_is_never_a_template() -> None:
    assert body_of('prompt: "{{ inputs.ticket }}"')["input"] == "No card {{ 7*7 }}"


def test_the_spelling_of_numbers_is_kept_where_text_is_meant() -> None:
    body = body_of(
        """
        prompt: 3.10
        metadata: { version: 3.10, final: true }
        prompt_cache_key: 12
        temperature: 0.50
        """
    )
    assert body["input"] == "3.10"
    assert body["metadata"] == {"version": "3.10", "final": "true"}
    assert body["prompt_cache_key"] == "12"
    assert body["temperature"] == 0.5
    assert type(body["temperature"]) is float


def test_input_takes_messages_and_api_items() -> None:
    body = body_of(
        """
        instructions: Be kind to {{ inputs.city }}.
        input:
          - developer: Be brief.
          - user: "In {{ inputs.city }}?"
          - assistant: 42
          - { role: user, content: [{ type: input_text, text: "{{ steps.a.text }}" }] }
          - { type: item_reference, id: msg_1 }
        """
    )
    assert body["instructions"] == "Be kind to Bern."
    assert body["input"] == [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "In Bern?"},
        {"role": "assistant", "content": "42"},
        {"role": "user", "content": [{"type": "input_text", "text": "first"}]},
        {"type": "item_reference", "id": "msg_1"},
    ]


def test_tools_come_by_name_with_settings_or_as_api_objects() -> None:
    body = body_of(
        """
        prompt: x
        tools:
          - web_search
          - code_interpreter
          - file_search: { vector_store_ids: [vs_1] }
          - { type: image_generation, size: 1024x1024 }
        tool_choice: auto
        """
    )
    assert body["tools"] == [
        {"type": "web_search"},
        {"type": "code_interpreter", "container": {"type": "auto"}},
        {"type": "file_search", "vector_store_ids": ["vs_1"]},
        {"type": "image_generation", "size": "1024x1024"},
    ]
    assert body["tool_choice"] == "auto"


def test_output_becomes_a_strict_format_beside_other_text_settings() -> None:
    body = body_of("prompt: x\noutput: { team: [a, b] }\ntext: { verbosity: low }")
    assert body["text"] == {
        "verbosity": "low",
        "format": {
            "type": "json_schema",
            "name": "ask",
            "strict": True,
            "schema": {
                "type": "object",
                "properties": {"team": {"type": "string", "enum": ["a", "b"]}},
                "required": ["team"],
                "additionalProperties": False,
            },
        },
    }


def test_output_replaces_a_format_of_the_defaults() -> None:
    body = body_of(
        "prompt: x\noutput: { team: [a, b] }",
        "defaults: { text: { verbosity: low, format: { type: json_object } } }",
    )
    assert body["text"]["verbosity"] == "low"
    assert body["text"]["format"]["type"] == "json_schema"


def test_a_schema_is_sent_as_it_stands() -> None:
    schema = (
        "{ type: object, properties: { a: { type: string, description: 'In {{ braces }}' } }, "
        "required: [a], additionalProperties: false }"
    )
    text = body_of(f"prompt: x\nschema: {schema}")["text"]
    assert text["format"]["schema"]["properties"]["a"]["description"] == "In {{ braces }}"
    other = f"prompt: x\ntext: {{ format: {{ type: json_schema, name: n, schema: {schema} }} }}"
    assert body_of(other)["text"]["format"]["schema"] == text["format"]["schema"]


def test_defaults_merge_by_key_lists_replace_and_null_removes() -> None:
    top = """\
        defaults:
          model: gpt-6-luna
          temperature: 1
          reasoning: { effort: low, summary: auto }
          include: [reasoning.encrypted_content]
          metadata: { a: x }
        """
    body = body_of(
        """
        prompt: x
        temperature: null
        reasoning: { effort: high, summary: null }
        include: [message.output_text.logprobs]
        metadata: { b: y }
        """,
        top,
    )
    assert body == {
        "model": "gpt-6-luna",
        "input": "x",
        "reasoning": {"effort": "high"},
        "include": ["message.output_text.logprobs"],
        "metadata": {"a": "x", "b": "y"},
    }


def test_the_project_stands_below_the_file_and_the_command_line_above() -> None:
    body = body_of(
        "prompt: x\nmodel: from-file\ntemperature: null",
        below={"model": "from-project", "temperature": 1, "store": False},
        above={"model": "from-command-line"},
    )
    assert body == {"model": "from-command-line", "input": "x", "store": False}


STORED = {"background": True, "store": True}


@pytest.mark.parametrize(
    ("step", "defaults", "sent"),
    [
        ("delivery: background", "", STORED),
        ("background: true", "", STORED),
        ("background: true\ndelivery: background", "", STORED),
        ("background: true\nstore: true", "", STORED),
        ("background: true\nstore: null", "", STORED),
        ("describe: x", "delivery: background", STORED),
        ("describe: x", "background: true", STORED),
        ("delivery: background", "background: false", STORED),
        ("background: true", "delivery: direct", STORED),
        ("background: true", "delivery: direct, store: true", STORED),
        ("delivery: direct", "delivery: background", {}),
        ("delivery: direct", "background: true", {}),
        ("background: false", "delivery: background", {"background": False}),
        ("background: null", "delivery: background", {}),
        ("delivery: direct", "", {}),
    ],
)
def test_an_answer_in_the_background_is_asked_for_and_stored(
    step: str, defaults: str, sent: dict[str, Any]
) -> None:
    body = body_of(f"prompt: x\n{step}", f"defaults: {{ model: m, {defaults} }}")
    assert {key: body[key] for key in body if key in ("background", "store")} == sent


def test_options_of_the_background_go_with_it_alone() -> None:
    top = "defaults: { model: m, background_options: { completion_window: 2h } }"
    assert "background_options" not in body_of("prompt: x", top)
    body = body_of("prompt: x\ndelivery: background", top)
    assert body["background_options"] == {"completion_window": "2h"}


def test_templates_in_defaults_are_filled_for_each_step() -> None:
    body = body_of("prompt: x", "defaults: { instructions: 'Live in {{ inputs.city }}' }")
    assert body["instructions"] == "Live in Bern"


def test_request_is_merged_last() -> None:
    body = body_of("prompt: x\nrequest: { new_field: { a: '{{ inputs.city }}' } }")
    assert body["new_field"] == {"a": "Bern"}


def test_a_stored_prompt_may_stand_with_input() -> None:
    body = body_of("prompt: { id: pmpt_1, variables: { city: '{{ inputs.city }}' } }\ninput: x")
    assert body == {"input": "x", "prompt": {"id": "pmpt_1", "variables": {"city": "Bern"}}}


def test_every_parameter_goes_under_its_own_name() -> None:
    body = body_of(
        """
        prompt: x
        previous_response_id: resp_1
        context_management: [{ type: compaction, compact_threshold: 2000 }]
        max_output_tokens: 100
        parallel_tool_calls: false
        service_tier: auto
        store: true
        stream: false
        truncation: auto
        """
    )
    assert "stream" not in body
    assert body["previous_response_id"] == "resp_1"
    assert body["context_management"] == [{"type": "compaction", "compact_threshold": 2000}]
    assert body["parallel_tool_calls"] is False


def test_reading_sources_adds_the_include_that_fills_them() -> None:
    flow = built(
        """\
        steps:
          - { id: a, prompt: x, tools: [web_search], include: [reasoning.encrypted_content] }
          - { id: b, prompt: x, tools: [file_search: { vector_store_ids: [vs] }] }
          - { id: c, prompt: x, tools: [web_search] }
          - { id: d, write: "{{ steps.a.sources }}" }
        result: "{{ steps.b.sources }}"
        """
    )
    bodies = [step.verb.body({}) for step in flow.steps if isinstance(step.verb, Prompt)]
    assert [body.get("include") for body in bodies] == [
        ["reasoning.encrypted_content", "web_search_call.action.sources"],
        ["file_search_call.results"],
        None,
    ]


@pytest.mark.parametrize(
    "step", ["prompt: '{{ inputs.ticket }}'", "input: [{ user: '{{ inputs.ticket }}' }]"]
)
def test_a_message_that_comes_out_empty_is_not_sent(step: str) -> None:
    verb = only_step(step).verb
    assert isinstance(verb, Prompt)
    with pytest.raises(TemplateFault) as raised:
        verb.body({"inputs": {"ticket": " \n"}})
    assert raised.value.code == "empty-prompt"


def test_the_condition_is_kept_as_it_was_written() -> None:
    assert only_step("if: inputs.a\nprompt: x").condition_text == "inputs.a"
    assert only_step("if: false\nprompt: x").condition_text == "false"
    assert only_step("prompt: x").condition_text is None


# Answers.


def test_an_answer_is_checked_and_unwrapped() -> None:
    verb = only_step("prompt: x\noutput: { list: integer }").verb
    assert isinstance(verb, Prompt)
    assert verb.read_output({"value": [1, 2]}) == ([1, 2], [])
    output, faults = verb.read_output({"value": ["x"]})
    assert output is None
    assert faults == ["`value[0]` must be a whole number, found the text `x`"]


def test_an_answer_to_a_schema_is_checked_by_it() -> None:
    verb = only_step(
        "prompt: x\nschema: { type: object, properties: { a: { type: string } }, required: [a], "
        "additionalProperties: false }"
    ).verb
    assert isinstance(verb, Prompt)
    assert verb.read_output({"a": "x"}) == ({"a": "x"}, [])
    assert verb.read_output({"a": 1})[1] == ["`a` must be of type `string`, found the number `1`"]


# What is wrong with single parts.


def test_every_template_that_cannot_be_read_is_found() -> None:
    _, findings = built_with(
        """\
        steps:
          - { id: a, prompt: "{{ inputs.x", metadata: { k: "{% if %}" } }
          - { id: b, if: "inputs.x ==", write: "{% nope %}" }
        result: { a: "{{ 1 + }}" }
        """
    )
    assert {finding.route for finding in findings} == {
        ("steps", 0, "prompt"),
        ("steps", 0, "metadata", "k"),
        ("steps", 1, "if"),
        ("steps", 1, "write"),
        ("result", "a"),
    }


def test_what_is_not_run_yet_is_taken_out() -> None:
    flow = built(
        """\
        defaults: { delivery: batch }
        steps:
          - id: outer
            steps:
              - { id: asks, prompt: x, delivery: direct }
              - { id: scan, prompt: x, delivery: batch }
        """
    )
    assert [finding.route for finding in flow.refusals] == [
        ("defaults", "delivery"),
        ("steps", 0, "steps", 1, "delivery"),
    ]
    asks = flow.step("asks")
    assert asks is not None
    assert asks.leaves[0].source == "x"


def test_steps_inside_what_cannot_be_built_are_known_by_name() -> None:
    flow, _ = built_with(
        """\
        steps:
          - { id: one, prompt: x, steps: [{ id: inner, write: y }] }
          - id: two
            branch: "inputs.a =="
            cases: { x: [{ id: outer, steps: [{ id: deep, prompt: y }] }] }
            otherwise: [{ id: other, write: x }]
        """
    )
    assert flow is not None
    assert flow.hidden == {"inner", "outer", "deep", "other"}


@pytest.mark.parametrize(
    "text",
    [
        "steps: x",
        "steps: [1, null, [], {id: [1]}]",
        "steps: [{id: a, prompt: [1], needs: b, retry: {attempts: x}, tools: 3, text: 4}]",
        "steps: [{id: a, input: [{user: null}, 3], output: 7, schema: [], request: x}]",
        "{inputs: [1], defaults: 3, limits: [], result: [1, {a: null}], steps: [{set: 3}]}",
    ],
)
def test_wrong_types_are_left_to_the_schema(text: str) -> None:
    built_with(text)
