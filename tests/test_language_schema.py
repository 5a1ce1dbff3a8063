"""The published schema, and what a document that breaks it is told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from flowrunner.catalog import hosted_tools, load_schema, parameters, table
from flowrunner.diagnostics import RULES, Diagnostic, Finding
from flowrunner.language.document import parse
from flowrunner.language.schema import check_shape

TOP = Path(__file__).resolve().parent.parent
SCHEMA = load_schema("workflow")
HEAD = "flowrunner: 1\nname: Case\n"


def findings(text: str) -> list[Finding]:
    document, diagnostics = parse(text, "a.yaml")
    assert document is not None
    assert not [each for each in diagnostics if each.severity == "error"], diagnostics
    return check_shape(document)


def in_step(lines: str, verb: str = "prompt: Hello") -> list[Finding]:
    """What is said of one step with these lines in it."""
    body = "".join(f"    {line}\n" for line in (verb, *lines.split("\n")) if line)
    return findings(f"{HEAD}steps:\n  - id: a\n{body}")


def pointed_at(text: str) -> list[str]:
    document, _ = parse(text, "a.yaml")
    assert document is not None
    shown = [document.diagnose(finding) for finding in check_shape(document)]
    return [_marked(each) for each in shown]


def _marked(diagnostic: Diagnostic) -> str:
    start = diagnostic.place.column - 1
    return str(diagnostic.source_line)[start : start + diagnostic.place.length]


# The schema itself


def _properties(part: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(part, list):
        for position, below in enumerate(part):
            yield from _properties(below, f"{path}/{position}")
    if not isinstance(part, dict):
        return
    for name, described in part.get("properties", {}).items():
        if isinstance(described, dict):
            yield f"{path}/{name}", described
    for key, below in part.items():
        if key not in ("examples", "enum", "const", "required", "if"):
            yield from _properties(below, f"{path}/{key}")


def _behind(part: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in part:
        target = SCHEMA["$defs"][part["$ref"].removeprefix("#/$defs/")]
        part = {**target, **{key: part[key] for key in part if key != "$ref"}}
        if "$ref" not in target:
            break
        part["$ref"] = target["$ref"]
    return part


def test_the_schema_is_a_schema_with_an_address_that_nobody_fetches() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["$id"] == "https://flowrunner.invalid/workflow.schema.json"


def test_every_property_is_described_and_shown() -> None:
    bare = [
        path
        for path, part in _properties(SCHEMA)
        if not (_behind(part).get("description") and _behind(part).get("examples"))
    ]
    assert bare == []


def test_every_name_leads_somewhere_and_is_used() -> None:
    text = str(SCHEMA)
    used = set(re.findall(r"#/\$defs/(\w+)", text))
    assert used <= set(SCHEMA["$defs"])
    assert set(SCHEMA["$defs"]) - used == {"step_name"} - used


def test_the_style_keeps_errors_one_a_cause() -> None:
    text = str(SCHEMA)
    assert "'oneOf'" not in text
    assert "unevaluatedProperties" not in text


def test_every_api_parameter_stands_under_its_own_name() -> None:
    step = SCHEMA["$defs"]["prompt_step"]["properties"]
    defaults = SCHEMA["properties"]["defaults"]["properties"]
    assert parameters() <= set(step)
    assert parameters() <= set(defaults)


def test_the_hosted_tools_and_their_fields_are_those_of_the_api() -> None:
    known = SCHEMA["$defs"]["tool_entry"]["else"]["properties"]
    dated = {name for name in hosted_tools() if "preview" in name or re.search(r"_\d{4}", name)}
    assert hosted_tools() - dated <= set(known)
    for tool in table("tools"):
        if tool["type"] in known:
            assert set(known[tool["type"]]["properties"]) == set(tool["fields"])


KEYS = {
    "": "flowrunner name description inputs defaults env tools budget limits steps result",
    "prompt_step": "prompt prompt_file input attach within output schema continue conversation"
    " delivery max_turns provider request",
    "call_step": "call with",
    "run_step": "run stdin changes_things output",
    "workflow_step": "workflow with",
    "write_step": "write",
    "set_step": "set",
    "approve_step": "approve",
    "branch_step": "branch cases otherwise",
    "group_step": "steps",
    "stop_step": "stop",
    "fail_step": "fail",
}
MODIFIERS = (
    "id describe if needs for_each as at_once repeat timeout retry on_error on_unknown reuse"
    " save_to budget accept_risk"
)


@pytest.mark.parametrize("name", KEYS)
def test_the_keys_of_the_language_are_known(name: str) -> None:
    part = SCHEMA["$defs"][name] if name else SCHEMA
    wanted = set(KEYS[name].split()) | (set(MODIFIERS.split()) if name else set())
    assert wanted <= set(part["properties"])
    assert part["additionalProperties"] is False


SOUND_FILES = [
    *sorted((TOP / "workflows").glob("*.yaml")),
    *sorted(TOP.glob("tests/cases/ok/*.yaml")),
]
WHOLE_LANGUAGE = """
flowrunner: 1
name: Everything
description: Each key of the language once.
env: [SHOP_TOKEN]
budget: { stop_at: 3 USD, warn_at: 2 USD, tokens: 200000 }
limits: { at_once: 8, timeout: 10m }
inputs: { ticket: text, invoices: { type: files }, rows: { type: table, columns: { n: number } } }
defaults: { model: gpt-6-luna, retry: 2, timeout: 5m, delivery: direct, provider: azure }
tools:
  find_order:
    { describe: d, run: [python3, f.py], arguments: { n: text }, env: [SHOP_TOKEN], timeout: 5s }
  refund: { python: "tools/shop.py:refund", changes_things: true, ask: always }
  rate:
    describe: d
    http: { method: GET, url: "https://x.example", headers: { Authorization: { env: SHOP_TOKEN } } }
    arguments: { currency: text }
  sub: { describe: d, workflow: summarise.yaml }
  clock: { mcp: { command: [uvx, mcp-server-time] }, allowed_tools: [get_current_time] }
  desk: { computer: { command: [python3, tools/desk.py] } }
  sandbox: { shell: { in: work } }
  patches: { apply_patch: { in: work } }
steps:
  - { id: a, prompt: Hi, temperature: null, tools: [web_search, find_order], accept_risk: ours }
  - { id: b, prompt_file: p.md, attach: ["x.png", { file: y.png, detail: low }], within: scans }
  - id: c
    input:
      - developer: Be brief.
      - user: [{ type: input_text, text: Hi }]
      - { type: item_reference, id: msg_1 }
    conversation: { name: thread, keep: true }
    continue: a
    reuse: 7d
    budget: 0.50 USD
    max_turns: 3
  - { id: d, prompt: { id: pmpt_1, variables: { a: b } }, input: Hi, conversation: conv_1 }
  - { id: e, call: find_order, with: { n: "7" } }
  - { id: f, run: [ls, "{{ inputs.ticket }}"], stdin: x, changes_things: false, output: text }
  - { id: g, workflow: other.yaml, with: { a: [1, 2] }, on_error: continue }
  - { id: h, write: "# {{ steps.a.text }}", save_to: out/h.md, if: false }
  - { id: i, set: { n: 3.10, m: "{{ 1 }}", l: [a], o: { p: q } }, needs: [a, b] }
  - { id: j, approve: "Send it?", timeout: 1d }
  - id: k
    branch: steps.a.output.team
    cases: { yes: [{ id: l, prompt: Hi }], 1: [{ id: m, stop: Done. }] }
    otherwise: [{ id: n, fail: Wrong. }]
  - id: o
    for_each: inputs.invoices
    as: invoice
    at_once: 6
    retry: { attempts: 3, on: [refusal, incomplete] }
    on_unknown: hold
    steps:
      - { id: p, prompt: Hi, repeat: { until: "x >= 8", at_most: 4, or_fail: true } }
      - { id: q, prompt: Hi, for_each: [1, 2], request: { anything: { goes: [1] } } }
result: { team: "{{ steps.a.output.team }}", list: [1] }
"""


@pytest.mark.parametrize("path", SOUND_FILES, ids=lambda path: path.stem)
def test_sound_files_are_sound(path: Path) -> None:
    assert findings(path.read_text(encoding="utf-8")) == []


def test_the_whole_language_is_sound() -> None:
    assert findings(WHOLE_LANGUAGE) == []


def test_any_json_schema_validator_takes_the_whole_language() -> None:
    # PyYAML reads `on` and `yes` as true, which no editor does.
    plain = yaml.safe_load(WHOLE_LANGUAGE.replace(" on: [", ' "on": ['))
    plain["steps"][10]["cases"] = {"one": [{"id": "l", "prompt": "Hi"}]}
    assert [error.message for error in Draft202012Validator(SCHEMA).iter_errors(plain)] == []


@pytest.mark.parametrize(
    "step",
    [
        {"id": "a"},
        {"id": "a", "prompt": "x", "write": "y"},
        {"id": "a", "prompt": "x", "input": "y"},
        {"id": "a", "promt": "x"},
        {"id": "a", "write": "x", "model": "y"},
        {"id": "A b", "prompt": "x"},
        {"prompt": "x"},
        {"id": "a", "prompt": ""},
    ],
    ids="no-verb two-verbs text-and-input misspelt other-verb id no-id empty".split(),  # noqa: SIM905
)
def test_editors_refuse_what_we_refuse(step: dict[str, Any]) -> None:
    validator = Draft202012Validator(SCHEMA)
    assert not validator.is_valid({"flowrunner": 1, "name": "x", "steps": [step]})


# What is said

DELIVERY = "one of `direct`, `stream`, `background` or `batch`"
VERBOSITY = "one of `low`, `medium` or `high`"
BUDGET = "an amount such as `0.50 USD`, or `{ stop_at: 3 USD, warn_at: 2 USD }`"
DURATION = "a duration such as `30s`, `5m`, `2h` or `1d`"


@pytest.mark.parametrize(
    ("lines", "code", "must_be", "found"),
    [
        ("needs: draft", "wrong-type", "a list of step ids", "the text `draft`"),
        ("temperature: 3", "range", "a number from 0 to 2", "the number `3`"),
        ("temperature: '0.5'", "wrong-type", "a number from 0 to 2", "the text `0.5`"),
        ("max_tool_calls: 1.0", "wrong-type", "a whole number of at least 1", "the number `1.0`"),
        ("save_to: [a]", "wrong-type", "a path", "a list"),
        ("on_error: stop it", "choice", "`stop` or `continue`", "the text `stop it`"),
        ("delivery: {}", "wrong-type", DELIVERY, "an empty mapping"),
        ("budget: $5", "budget", BUDGET, "the text `$5`"),
        ("budget: -5 USD", "budget", BUDGET, "the text `-5 USD`"),
        ("timeout: 5 minutes", "duration", DURATION, "the text `5 minutes`"),
    ],
    ids=lambda value: value.split(":")[0] if isinstance(value, str) and ":" in value else None,
)
def test_a_mistake_is_one_sentence(lines: str, code: str, must_be: str, found: str) -> None:
    (said,) = in_step(lines)
    key = lines.partition(":")[0]
    assert said.code == code
    assert said.message.startswith(f"`{key}` must be {must_be}, found {found}")


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("save_to:", "`save_to` has no value; it must be a path"),
        ("needs: [a, [b]]", "entry 2 of `needs` must be a step id, found a list"),
        ("reasoning: low", "`reasoning` must be a mapping, found the text `low`"),
        ("text: { verbosity: [] }", f"`text.verbosity` must be {VERBOSITY}, found an empty list"),
        ("promt: x", "unknown key `promt` in step `a`"),
        ("temprature: 1", "unknown key `temprature` in step `a`: did you mean `temperature`?"),
    ],
)
def test_sentences_name_the_thing(lines: str, sentence: str) -> None:
    assert [each.message for each in in_step(lines)] == [sentence]


@pytest.mark.parametrize(
    ("lines", "code", "fix"),
    [
        ("top_p: 012", "ambiguous-scalar", "write `top_p: 12`"),
        ("top_p: 1e-1", "ambiguous-scalar", "write `top_p: 0.1`"),
        ("top_p: .5", "ambiguous-scalar", None),
        ("top_p: 1.", "ambiguous-scalar", "write `top_p: 1`"),
        ("top_p: +1", "ambiguous-scalar", "write `top_p: 1`"),
        ("max_output_tokens: 1_000", "ambiguous-scalar", "write `max_output_tokens: 1000`"),
        ("max_output_tokens: 0x1F", "ambiguous-scalar", "write `max_output_tokens: 31`"),
        ("max_output_tokens: 1:30", "ambiguous-scalar", "write the number in plain digits"),
        ("max_output_tokens: 1e400", "ambiguous-scalar", None),
        ("store: yes", "ambiguous-scalar", "write `store: true`"),
        ("store: Off", "ambiguous-scalar", "write `store: false`"),
        ("store: True", "ambiguous-scalar", "write `store: true`"),
        ("store: 'no'", "wrong-type", "write `store: false` without quotes"),
        ("store: 1", "wrong-type", None),
        ("temperature: .nan", "number", "write a finite number"),
        ("temperature: -.INF", "number", "write a finite number"),
        ("temperature: " + "9" * 5000, "number", "use 40 digits at most"),
        ("temperature: warm", "wrong-type", None),
        ("temperature: '{{ 1 }}'", "wrong-type", "write the number itself"),
        ("timeout: 30", "duration", "write `timeout: 30s`"),
        ("timeout: 5 min", "duration", "write `timeout: 5m`"),
        ("timeout: 0", "duration", "write a number and `s`, `m`, `h` or `d`, such as `5m`"),
        ("timeout: soon", "duration", "write a number and `s`, `m`, `h` or `d`, such as `5m`"),
        ("needs: draft", "wrong-type", "write `needs: [draft]`"),
        ("include: reasoning.encrypted_content", "wrong-type", None),
        ("retry: -1", "range", None),
        ("retry: { attempts: 2, on: [never] }", "choice", None),
        ("metadata: { a: " + "v" * 513 + " }", "metadata", None),
        ("metadata: { " + "k" * 65 + ": v }", "metadata", None),
        ("metadata: [a]", "wrong-type", None),
        ("safety_identifier: " + "x" * 129, "range", None),
        ("as: inputs", "id", "choose another name, for example `my_inputs`"),
        ("context_management: []", "empty", None),
        ("text: { format: { name: x } }", "missing", None),
        ("base_url: https://evil.example", "unknown-key", None),
        ("tools: [file_search: { vector_store_ids: [] }]", "empty", None),
        ("input: Hi", "two-verbs", "give each a step of its own"),
    ],
    ids=lambda value: value.partition("{")[0][:40] if isinstance(value, str) else None,
)
def test_the_fix_is_in_the_help(lines: str, code: str, fix: str | None) -> None:
    found = in_step(lines)
    assert [each.code for each in found] == [code]
    if fix is not None:
        assert found[0].help == fix


@pytest.mark.parametrize(
    "lines",
    [
        "describe: 3.10",
        "describe: no",
        "describe: 12:30",
        "instructions: 2026-01-31",
        "metadata: { version: 3.10, on: yes, n: 012 }",
        "service_tier: '{{ inputs.tier }}'",
        "reasoning: { effort: '{{ inputs.effort }}' }",
        "safety_identifier: '{{ " + "x" * 200 + " }}'",
        "temperature: null",
        "retry: 3",
        "if: true",
        "reuse: true",
        "reuse: 7d",
        "prompt_cache_key: 42",
    ],
)
def test_text_keeps_its_spelling_and_templates_are_text(lines: str) -> None:
    assert in_step(lines) == []


@pytest.mark.parametrize(
    ("written", "fix"),
    [
        ("bug report", "write `bug_report`"),
        ("first-draft", "write `first_draft`"),
        ("a.b", "write `a_b`"),
        ("Summary", "write `summary`"),
        ("2nd", "write `n2nd`"),
        ("__class__", "write `class`"),
        ("übersicht", "write `ubersicht`"),
        ("日本", None),
        ("''", None),
        ("items", "choose another name, for example `my_items`"),
        ("inputs", None),
        ("steps", None),
        ("true", None),
        ("x" * 65, "choose a shorter name"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else None,
)
def test_a_bad_id_gets_a_good_one(written: str, fix: str | None) -> None:
    found = findings(f"{HEAD}steps:\n  - {{ id: {written}, prompt: Hi }}\n")
    assert [each.code for each in found] == ["id"]
    if fix is not None:
        assert found[0].help == fix


# One cause, one error


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("{ id: a, promt: Hi }", ["unknown-key"]),
        ("{ id: a, messages: [{ user: Hi }] }", ["unknown-key"]),
        ("{ id: a, promt: Hi, model: gpt-6-luna, needs: [] }", ["unknown-key"]),
        ("{ id: a, describe: nothing }", ["no-verb"]),
        ("{ id: a, describe: nothing, temprature: 1 }", ["no-verb", "unknown-key"]),
        ("{ id: a, prompt: Hi, write: Ho, model: x, set: { a: b } }", ["two-verbs"]),
        ("{ id: a, write: Hi, cases: {} }", ["unknown-key"]),
        ("{ prompt: Hi }", ["missing"]),
        ("{}", ["no-verb", "missing"]),
        ("text", ["wrong-type"]),
        ("null", ["null"]),
        ("{ id: a, branch: x }", ["missing"]),
        ("{ id: a, branch: x, cases: { b: text } }", ["wrong-type"]),
        ("{ id: a, steps: [] }", ["empty"]),
        ("{ id: a, steps: [{ id: b, promt: Hi }] }", ["unknown-key"]),
        ("{ id: a, tools: [5], prompt: Hi }", []),
    ],
)
def test_one_cause_is_one_error(step: str, expected: list[str]) -> None:
    assert [each.code for each in findings(f"{HEAD}steps:\n  - {step}\n")] == expected


def test_a_key_of_another_verb_says_whose_it_is() -> None:
    (found,) = in_step("cases: { a: [] }", "write: Hi")
    assert found.message == "`cases` belongs to a `branch` step; step `a` is a `write` step"
    (found,) = in_step("stdin: x")
    assert found.message == "`stdin` belongs to a `run` step; step `a` is a `prompt` step"


def test_a_key_at_the_wrong_height_says_where_it_belongs() -> None:
    text = f"{HEAD}model: gpt-6-luna\nsteps:\n  - {{ id: a, prompt: Hi, inputs: {{}} }}\n"
    step, top = sorted(findings(text), key=lambda each: -len(each.route))
    assert top.help == "write it under `defaults`, or in a step"
    assert step.message == "`inputs` belongs at the top of the file, not in a step"


def test_all_that_is_missing_at_the_top_is_said() -> None:
    found = findings("desription: x\n")
    assert sorted(each.route for each in found) == [
        ("desription",),
        ("flowrunner",),
        ("name",),
        ("steps",),
    ]


@pytest.mark.parametrize("written", ["99", "2", "1.0", "'1'", "one", "true"])
def test_only_version_one_is_read(written: str) -> None:
    (found,) = findings(f"flowrunner: {written}\nname: x\nsteps: [{{ id: a, prompt: Hi }}]\n")
    assert found.code in ("version", "wrong-type")
    assert "`1`" in found.message or "flowrunner: 1" in found.message


def test_the_guilty_token_is_underlined() -> None:
    text = (
        f"{HEAD}steps:\n  - id: a\n    promt: Hi\n    needs: b\n  - id: c\n  - prompt: Hi\n"
        "    text: { format: {} }\n"
    )
    assert sorted(pointed_at(text)) == ["b", "c", "format", "prompt", "promt"]


def test_shapes_are_left_to_who_reads_them() -> None:
    assert findings(f"{HEAD}inputs: {{ a: txt, b: 5 }}\nsteps: [{{ id: a, prompt: Hi }}]\n") == []
    assert in_step("output: { list: [] , x: 5 }") == []


def test_deep_groups_are_read_to_the_bottom() -> None:
    text = HEAD + "steps:\n"
    for depth in range(28):
        text += "  " * depth + f"- id: s{depth}\n" + "  " * depth + "  steps:\n"
    text += "  " * 28 + "- { id: z, promt: 1 }\n"
    assert [each.code for each in findings(text)] == ["unknown-key"]


def test_countless_mistakes_end() -> None:
    many = "".join(f"k{number}: v\n" for number in range(20_000))
    assert 0 < len(findings(many)) <= 200
    steps = "".join("  - { id: A, temperature: 9 }\n" for _ in range(3000))
    assert len(findings(f"{HEAD}steps:\n{steps}")) == 200


def test_a_thousand_steps_are_checked() -> None:
    steps = "".join(f"  - {{ id: s{n}, prompt: Hi, temperature: 1 }}\n" for n in range(1000))
    assert findings(f"{HEAD}steps:\n{steps}") == []


# Anything at all

WORDS = st.sampled_from(
    [*SCHEMA["$defs"]["prompt_step"]["properties"], *SCHEMA["properties"], "promt", "x y", "1"]
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 10**6), st.floats(), st.text(max_size=5), WORDS
)
VALUES = st.recursive(
    SCALARS,
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(WORDS, below, max_size=4)),
    max_leaves=8,
)
RAW = re.compile(
    r"\$ref|\$defs|additionalProperties|is not of type|does not match|\^\[|dict|NoneType"
)


@settings(deadline=None, max_examples=300)
@given(
    steps=st.one_of(VALUES, st.lists(st.dictionaries(WORDS, VALUES, max_size=6), max_size=3)),
    rest=st.dictionaries(WORDS, VALUES, max_size=4),
)
def test_no_value_raises_or_shows_the_machinery(steps: object, rest: dict[str, object]) -> None:
    text = yaml.dump({**rest, "steps": steps}, allow_unicode=True)
    document, _ = parse(text, "a.yaml")
    if document is None:
        return
    for finding in check_shape(document):
        assert finding.code in RULES
        assert not RAW.search(finding.message), finding.message
        document.diagnose(finding)
