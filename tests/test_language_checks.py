"""What the parts of a workflow mean together: every check, through a whole file."""

from __future__ import annotations

import datetime
import json
import random
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.language.checks import check_meaning
from flowrunner.language.checks.order import Places
from flowrunner.language.checks.reach import may_be_empty
from flowrunner.language.document import parse
from flowrunner.language.forms import plain
from flowrunner.language.load import load, load_text
from flowrunner.language.not_yet import TABLE
from flowrunner.language.paths import path_fault, project_root
from flowrunner.language.workflow import build

TODAY = datetime.date(2026, 11, 22)
TOP = "flowrunner: 1\nname: Test\n"


class Told(NamedTuple):
    """One diagnostic, as a test reads it."""

    code: str
    line: int
    message: str


def told(text: str, today: datetime.date = TODAY) -> list[Told]:
    """What is said about a file; its first line is line 3, below the head that all files have."""
    workflow, diagnostics = load_text(
        TOP + textwrap.dedent(text), "flow.yaml", Path("/project"), today=today
    )
    assert (workflow is None) == any(each.severity == "error" for each in diagnostics)
    doubts = [each for each in diagnostics if each.severity != "hint"]
    return [Told(each.code, each.place.line, each.message) for each in doubts]


def codes(text: str) -> list[str]:
    return [each.code for each in told(text)]


# Ids, needs, mentions.


def test_the_first_of_two_steps_with_one_id_counts() -> None:
    said = told(
        """\
        steps:
          - { id: a, write: x }
          - { id: b, write: "{{ steps.a.text }}" }
          - { id: a, write: x }
        """
    )
    assert said == [Told("duplicate-id", 6, "the id `a` is given twice, here and on line 4")]


def test_a_mention_from_below_names_both_places() -> None:
    said = told(
        """\
        steps:
          - { id: a, write: "{{ steps.b.text }}" }
          - { id: b, write: x }
        """
    )
    assert said == [Told("order", 4, "`a` mentions `b`, which stands below it on line 5")]


@pytest.mark.parametrize(
    "mention",
    [
        "{{ steps.b.text }}",
        "{{ first(steps.b.text, 'x') }}",
        "{% if false %}{{ steps.b.text }}{% endif %}",
        "{{ steps['b'].text }}",
        "{{ steps.b.status }}",
    ],
)
def test_every_kind_of_mention_counts_for_the_order(mention: str) -> None:
    assert codes(f'steps: [{{ id: a, write: "{mention}" }}, {{ id: b, write: x }}]\n') == ["order"]


def test_a_step_cannot_mention_or_need_itself() -> None:
    said = told('steps: [{ id: a, needs: [a], write: "{{ steps.a.text }}" }]\n')
    assert {each.message for each in said} == {"`a` needs itself", "`a` mentions itself"}


def test_an_unknown_need_has_a_suggestion() -> None:
    said = told("steps: [{ id: summary, write: x }, { id: b, needs: [sumary], write: x }]\n")
    assert [each.message for each in said] == ["there is no step `sumary`: did you mean `summary`?"]


def test_a_need_below_says_to_move_it_up() -> None:
    said = told("steps:\n  - { id: a, needs: [b], write: x }\n  - { id: b, write: x }\n")
    assert [each.message for each in said] == ["`a` needs `b`, which stands below it on line 5"]


def test_what_may_be_empty_follows_from_ifs_and_failures() -> None:
    document, _ = parse(
        textwrap.dedent(
            """\
            steps:
              - { id: sure, write: x }
              - { id: maybe, if: "inputs.a", write: x }
              - { id: off, if: false, write: x }
              - { id: always, if: true, write: x }
              - { id: after, write: "{{ steps.maybe.text }}" }
              - { id: joined, write: "{{ first(steps.maybe.text, 'x') }}" }
              - { id: risky, on_error: continue, prompt: x }
              - { id: needing, needs: [risky], write: x }
            """
        ),
        "flow.yaml",
    )
    assert document is not None
    workflow, _ = build(document, Path())
    assert workflow is not None
    assert may_be_empty(Places(workflow), frozenset()) == {
        "maybe",
        "off",
        "after",
        "risky",
        "needing",
    }


# Templates against shapes.

TRIAGE = """\
inputs:
  ticket: text
  note: { type: text, optional: true }
  kind: [bug, praise]
steps:
  - id: plain
    prompt: x
  - id: triage
    prompt: x
    output: { team: [billing, bug], urgent: yes_no, reason: text, tags: { list: text } }
  - id: maybe
    if: steps.triage.output.urgent
    prompt: x
  - id: last
"""

TEMPLATES: dict[str, tuple[str, list[str]]] = {
    "good": ("write: '{{ inputs.ticket }} {{ steps.triage.output.team }}'", []),
    "good condition": ("if: steps.triage.output.team == 'bug'\nwrite: x", []),
    "unguarded mention of a step that may be skipped": ("write: '{{ steps.maybe.text }}'", []),
    "misspelt input": ("write: '{{ inputs.tiket }}'", ["undefined"]),
    "misspelt step": ("write: '{{ steps.triag.text }}'", ["undefined"]),
    "misspelt field": ("write: '{{ steps.triage.output.tem }}'", ["undefined"]),
    "output of a step without": ("write: '{{ steps.plain.output.x }}'", ["undefined"]),
    "free text": ("if: steps.plain.text == 'bug'\nwrite: x", ["free-text"]),
    "unknown choice": ("if: steps.triage.output.team == 'bgu'\nwrite: x", ["unknown-choice"]),
    "unknown choice of an input": ("if: inputs.kind == 'bgu'\nwrite: x", ["unknown-choice"]),
    "yes_no and text": ("if: steps.triage.output.urgent == 'yes'\nwrite: x", ["wrong-type"]),
    "optional printed": ("write: '{{ inputs.note }}'", ["maybe-empty"]),
    "optional guarded": ("write: '{{ default(inputs.note, 1) }}'", []),
    "in set": ("set: { a: '{{ inputs.tiket }}' }", ["undefined"]),
    "in a parameter": ("prompt: x\nmetadata: { a: '{{ inputs.tiket }}' }", ["undefined"]),
    "in request": ("prompt: x\nrequest: { new: '{{ inputs.tiket }}' }", ["undefined"]),
    "in save_to": ("write: x\nsave_to: '{{ inputs.tiket }}.md'", ["undefined"]),
    "in a message": ("input: [{ user: '{{ inputs.tiket }}' }]", ["undefined"]),
}


@pytest.mark.parametrize(("step", "expected"), TEMPLATES.values(), ids=TEMPLATES)
def test_templates_are_checked_against_what_is_declared(step: str, expected: list[str]) -> None:
    said = codes(TRIAGE + textwrap.indent(step, "    ") + "\n")
    assert [code for code in said if code != "unknown-parameter"] == expected


RESULTS: dict[str, tuple[str, list[str]]] = {
    "sure": ("'{{ steps.triage.output.team }}'", []),
    "whole value that may be null": ("{ a: '{{ steps.maybe.text }}' }", []),
    "printed that may be skipped": ("{ a: 'It said {{ steps.maybe.text }}' }", ["maybe-empty"]),
    "joined": ("{ a: 'It said {{ first(steps.maybe.text, 1) }}' }", []),
    "status": ("{ a: 'It {{ steps.maybe.status }}' }", []),
    "misspelt": ("['{{ steps.triag.text }}']", ["undefined"]),
}


@pytest.mark.parametrize(("result", "expected"), RESULTS.values(), ids=RESULTS)
def test_the_result_is_checked_too(result: str, expected: list[str]) -> None:
    assert codes(TRIAGE + "    write: x\nresult: " + result + "\n") == expected


def test_the_missing_output_names_its_fix_once() -> None:
    _, diagnostics = load_text(
        TOP + TRIAGE + "    write: '{{ steps.plain.output.x }}'\n",
        "flow.yaml",
        Path("/project"),
        today=TODAY,
    )
    assert [(each.message, each.help) for each in diagnostics] == [
        (
            "the step `plain` has no `output`",
            "declare `output:` in the step `plain`, or use `steps.plain.text`",
        )
    ]


def test_a_template_in_defaults_is_reported_once() -> None:
    said = told(
        """\
        defaults: { instructions: "{{ inputs.role }}" }
        steps:
          - { id: a, prompt: x }
          - { id: b, prompt: x }
        """
    )
    assert [(each.code, each.line) for each in said] == [("undefined", 3)]


def test_a_broken_part_brings_no_second_error() -> None:
    said = told(
        """\
        inputs: { a: txt }
        steps:
          - { id: x, prompt: "{{ inputs.a.b }}", output: { c: txt } }
          - { id: y, promt: hello }
          - { id: z, write: "{{ steps.x.output.c.d }} {{ steps.y.output.e }}" }
        """
    )
    assert [(each.code, each.line) for each in said] == [
        ("shape", 3),
        ("shape", 5),
        ("unknown-key", 6),
    ]


# Models, include, tools.

MODELS: dict[str, tuple[str, list[str]]] = {
    "known": ("gpt-6-luna", []),
    "snapshot": ("gpt-6-luna-2026-09-01", []),
    "fine-tuned": ("ft:gpt-4.1:x", []),
    "unknown": (
        "gpt-6-lunar",
        ["`gpt-6-lunar` is not a model that flowrunner knows: did you mean `gpt-6-luna`?"],
    ),
    "stopped": ("o1", ["the model `o1` stopped on 2026-10-23"]),
    "stops soon": ("gpt-5", ["the model `gpt-5` stops on 2026-12-11"]),
    "stops later": ("gpt-5.1", []),
    "never served": ("gpt-5.1-mini", ["the API does not serve the model `gpt-5.1-mini`"]),
}


@pytest.mark.parametrize(("model", "messages"), MODELS.values(), ids=MODELS)
def test_models_are_compared_with_the_catalogue(model: str, messages: list[str]) -> None:
    said = told(f"steps: [{{ id: a, prompt: x, model: '{model}' }}]\n")
    assert [each.message for each in said] == messages


@pytest.mark.parametrize(
    ("today", "count"), [("2026-10-11", 0), ("2026-10-12", 1), ("2026-12-11", 1)]
)
def test_a_model_is_retired_by_the_day_passed_in(today: str, count: int) -> None:
    said = told("steps: [{ id: a, prompt: x, model: gpt-5 }]\n", datetime.date.fromisoformat(today))
    assert len(said) == count


def test_doubts_are_warnings_and_leave_the_workflow_usable() -> None:
    workflow, diagnostics = load_text(
        TOP + "steps: [{ id: a, prompt: x, model: llama3, include: [new.key] }]\n",
        "flow.yaml",
        Path("/project"),
        today=TODAY,
    )
    assert workflow is not None
    assert [(each.severity, each.code) for each in diagnostics] == [
        ("warning", "unknown-model"),
        ("warning", "unknown-include"),
    ]


INCLUDES: dict[str, tuple[str, list[str]]] = {
    "filled": ("tools: [web_search], include: [web_search_call.results]", []),
    "needs no tool": ("include: [reasoning.encrypted_content]", []),
    "no tool": ("include: [web_search_call.results]", ["unused-include"]),
    "other tool": (
        "tools: [web_search], include: [file_search_call.results]",
        ["unused-include"],
    ),
    "unknown": ("include: [web_search_call.result]", ["unknown-include"]),
}


@pytest.mark.parametrize(("keys", "expected"), INCLUDES.values(), ids=INCLUDES)
def test_include_is_compared_with_the_catalogue_and_the_tools(
    keys: str, expected: list[str]
) -> None:
    assert codes(f"steps: [{{ id: a, prompt: x, {keys} }}]\n") == expected


def test_a_stored_prompt_may_bring_its_own_tools() -> None:
    assert (
        codes("steps: [{ id: a, prompt: { id: p }, include: [web_search_call.results] }]\n") == []
    )


def test_tools_of_the_defaults_fill_an_include() -> None:
    text = """\
    defaults: { tools: [web_search] }
    steps: [{ id: a, prompt: x, include: [web_search_call.results] }]
    """
    assert codes(text) == []


URL = "server_url: 'https://x.example'"
ALLOWED = "allowed_tools: [a]"
TOOLS: dict[str, tuple[str, str | None]] = {
    "hosted": ("web_search", None),
    "hosted with settings": ("file_search: { vector_store_ids: [v] }", None),
    "code interpreter": ("code_interpreter", None),
    "verbatim": ("{ type: image_generation }", None),
    "container shell": ("{ type: shell, environment: { type: container_auto } }", None),
    "server side tool search": ("{ type: tool_search }", None),
    "misspelt": ("web_serch", "there is no tool `web_serch`: did you mean `web_search`?"),
    "needs settings": ("file_search", "the tool `file_search` needs `vector_store_ids`"),
    "verbatim without a container": (
        "{ type: code_interpreter }",
        "the tool `code_interpreter` needs `container`",
    ),
    "local shell": ("shell", "calls of the tool `shell` come back to be answered"),
    "function": (
        "{ type: function, name: f, parameters: {} }",
        "calls of the function `f` come back to be answered",
    ),
    "client tool search": (
        "{ type: tool_search, execution: client }",
        "calls of the tool `tool_search` come back to be answered",
    ),
    "mcp": (f"{{ type: mcp, server_label: s, {URL}, {ALLOWED}, require_approval: never }}", None),
    "mcp without a server": (
        f"{{ type: mcp, server_label: s, {ALLOWED}, require_approval: never }}",
        "the MCP server `s` needs exactly one of",
    ),
    "mcp with two servers": (
        f"{{ type: mcp, server_label: s, {URL}, connector_id: c, {ALLOWED} }}",
        "the MCP server `s` needs exactly one of",
    ),
    "mcp with approvals": (f"{{ type: mcp, server_label: s, {URL}, {ALLOWED} }}", None),
    "mcp with all its tools": (
        f"{{ type: mcp, server_label: s, {URL} }}",
        "the MCP server `s` does not say which of its tools may be called",
    ),
    "mcp with a misspelt approval": (
        f"{{ type: mcp, server_label: s, {URL}, {ALLOWED}, require_approval: nver }}",
        "`require_approval` must be `always` or `never`, found the text `nver`",
    ),
}


@pytest.mark.parametrize(("tool", "message"), TOOLS.values(), ids=TOOLS)
def test_tools_are_known_complete_and_answerable(tool: str, message: str | None) -> None:
    said = told(f"steps:\n  - id: a\n    prompt: x\n    tools:\n      - {tool}\n")
    assert [each.code for each in said] == ([] if message is None else ["tool"])
    assert message is None or said[0].message.startswith(message)


def test_two_tools_of_one_name_are_refused() -> None:
    said = told("steps: [{ id: a, prompt: x, tools: [web_search, { type: web_search }] }]\n")
    assert [each.message for each in said] == ["the tool `web_search` stands in this list twice"]
    two = f"{{ type: mcp, server_label: s, {URL}, {ALLOWED}, require_approval: never }}"
    assert codes(f"steps: [{{ id: a, prompt: x, tools: [{two}, {two}] }}]\n") == ["tool"]


def test_secrets_by_name_are_of_variables_that_the_file_names() -> None:
    said = told(
        f"""\
        env: [TOKEN]
        steps:
          - id: a
            prompt: x
            tools:
              - type: mcp
                server_label: s
                {URL}
                {ALLOWED}
                authorization: {{ env: TOKEN }}
                headers: {{ X-Key: {{ env: KEY }}, X-Plain: y }}
        """
    )
    assert [(each.code, each.line) for each in said] == [("env", 13)]


# Conflicts, request, files, empties.


def test_keys_at_odds_are_one_error_even_where_one_is_not_run_yet() -> None:
    said = told(
        "steps: [{ id: a, prompt: x, conversation: c, previous_response_id: r },\n"
        "  { id: b, prompt: x, background: true, store: false }]\n"
    )
    assert [each.code for each in said] == ["conflict", "conflict"]


WINDOW = "background_options: { completion_window: 8h }"
BACKGROUND = {
    "agreed": ("", "delivery: background, background: true", []),
    "said no twice": ("", "delivery: direct, background: false", []),
    "in parts too": ("", "background: true, stream: true", []),
    "background off": ("", "delivery: background, background: false", ["conflict 4"]),
    "direct": ("", "delivery: direct, background: true", ["conflict 4"]),
    "in defaults": ("delivery: direct, background: true", "", ["conflict 3"]),
    "overruled": ("delivery: background", "background: false", []),
    "unstored": ("", "delivery: background, store: false", ["conflict 4"]),
    "unstored by defaults": ("store: false", "background: true", ["conflict 4"]),
    "unstored under defaults": ("delivery: background", "store: false", ["conflict 4"]),
    "unstored in defaults": ("delivery: background, store: false", "", ["conflict 3"]),
    "stored after all": ("store: false", "background: true, store: true", []),
    "not background": ("store: false, delivery: background", "delivery: direct", []),
    "options alone": ("", WINDOW, ["conflict 4"]),
    "options below": (WINDOW, "", []),
    "no window": ("", "background: true, background_options: {}, service_tier: flex", []),
    "window": (WINDOW, "background: true, service_tier: flex", ["conflict 4"]),
    "window below": (f"service_tier: flex, {WINDOW}", "background: true", ["conflict 3"]),
    "standard": (WINDOW, "background: true, service_tier: default", []),
    "streamed": (WINDOW, "background: true, stream: true", ["conflict 4"]),
}


@pytest.mark.parametrize(("defaults", "keys", "found"), BACKGROUND.values(), ids=BACKGROUND)
def test_what_goes_with_the_background(defaults: str, keys: str, found: list[str]) -> None:
    below = f", {defaults}" if defaults else ""
    more = f", {keys}" if keys else ""
    said = told(
        f"defaults: {{ model: gpt-6-luna{below} }}\nsteps: [{{ id: a, prompt: x{more} }}]\n"
    )
    assert sorted(f"{each.code} {each.line}" for each in said) == found


def test_one_fault_in_defaults_is_told_once() -> None:
    said = told(
        "defaults: { delivery: background, store: false }\n"
        "steps: [{ id: a, prompt: x }, { id: b, prompt: x }]\n"
    )
    assert [each.code for each in said] == ["conflict"]


@pytest.mark.parametrize(
    ("written", "inside"),
    [
        ("out/a.md", True),
        ("a.md", True),
        ("../beside.md", True),
        ("../../outside.md", False),
        ("/etc/motd", False),
        ("C:\\a.md", False),
        ("~/a.md", False),
        ("out/", False),
        (" ", False),
    ],
)
def test_steps_write_inside_their_project(tmp_path: Path, written: str, inside: bool) -> None:
    (tmp_path / "project" / ".git").mkdir(parents=True)
    folder = tmp_path / "project" / "workflows"
    folder.mkdir()
    assert project_root(folder) == tmp_path / "project"
    assert (path_fault(folder, written) is None) is inside


@pytest.mark.parametrize(
    ("written", "why"),
    [
        (".env", "is hidden"),
        (".git/hooks/pre-commit", "is hidden"),
        ("../.flowrunner/runs/x", "is hidden"),
        ("out/.hidden.md", "is hidden"),
        ("out\\.git\\config", "is hidden"),
        ("GIT~1/config", "is hidden"),
        ("\u200c.git/config", "is hidden"),
        ("flowrunner.yaml", "holds the settings"),
        ("../FlowRunner.YAML", "holds the settings"),
        ("flowrunner.yaml::$DATA", "holds the settings"),
        ("out/a.", "ends in a dot or a space"),
        ("out /a.md", "ends in a dot or a space"),
        ("out/CON", "is the name of a device"),
        ("nul.txt", "is the name of a device"),
        ("com¹.md", "is the name of a device"),
        ("a\x00b.md", "holds a character"),
        ("a.md\n", "holds a character"),
    ],
)
def test_what_is_no_place_for_results(tmp_path: Path, written: str, why: str) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "workflows").mkdir()
    assert why in (path_fault(tmp_path / "workflows", written) or "")


def test_a_path_below_a_hidden_folder_is_judged_inside_its_project(tmp_path: Path) -> None:
    folder = tmp_path / ".config" / "mine"
    (folder / ".git").mkdir(parents=True)
    assert path_fault(folder, "out/console.md") is None


@pytest.mark.parametrize("written", ["flow.yaml", "FLOW.yaml", "out/../flow.yaml", "rows.csv"])
def test_a_step_saves_over_nothing_that_the_workflow_is_made_of(written: str) -> None:
    said = told(
        "inputs: { rows: { type: table, default: rows.csv } }\n"
        f"steps: [{{ id: a, write: '{{{{ inputs.rows[0].x }}}}', save_to: {written} }}]\n"
    )
    assert [each.code for each in said] == ["path-outside"]
    assert "it would be lost" in said[0].message


def test_the_folders_in_front_of_a_template_are_known() -> None:
    said = codes("steps: [{ id: a, write: x, save_to: '.git/{{ run.id }}.md' }]\n")
    assert said == ["path-outside"]


@pytest.mark.parametrize("mark", [".git", ".flowrunner", "flowrunner.yaml"])
def test_a_mark_where_everybody_may_write_counts_for_nothing(tmp_path: Path, mark: str) -> None:
    shared, mine = tmp_path / "shared", tmp_path / "shared" / "mine"
    mine.mkdir(parents=True)
    (shared / mark).touch()
    assert project_root(mine) == shared
    shared.chmod(0o1777)
    assert project_root(mine) == mine
    assert project_root(shared) == shared


def test_a_folder_without_a_project_is_its_own(tmp_path: Path) -> None:
    lonely = Path(tmp_path.anchor) / "nowhere-at-all"
    assert project_root(lonely) == lonely


@pytest.mark.parametrize(
    ("step_", "found"),
    [
        ("prompt: x", ["no-model"]),
        ("prompt: x, model: gpt-6-luna", []),
        ("prompt: { id: pmpt_1 }", []),
        ("write: x", []),
    ],
)
def test_steps_without_a_model_are_a_hint(step_: str, found: list[str]) -> None:
    text = f"{TOP}steps: [{{ id: a, {step_} }}]\n"
    workflow, diagnostics = load_text(text, "flow.yaml", Path("/project"), today=TODAY)
    assert workflow is not None
    assert [each.code for each in diagnostics] == found
    assert all(each.severity == "hint" for each in diagnostics)


def test_a_missing_model_is_no_error_of_the_file() -> None:
    assert codes("steps: [{ id: a, prompt: x }]\n") == []


# What this version does not run.

NOT_YET = {
    "delivery": ("steps: [{ id: a, prompt: x, delivery: batch }]", "`delivery: batch`"),
    "in a group": (
        "steps: [{ id: g, steps: [{ id: a, prompt: x, delivery: batch }] }]",
        "`delivery: batch`",
    ),
    "in a case": (
        (
            "inputs: { k: [x] }\n"
            "steps: [{ id: g, branch: inputs.k, cases: "
            "{ x: [{ id: a, prompt: y, delivery: batch }] } }]"
        ),
        "`delivery: batch`",
    ),
    "in otherwise": (
        (
            "inputs: { k: [x, y] }\n"
            "steps: [{ id: g, branch: inputs.k, cases: { x: [{ id: b, write: x }] }, "
            "otherwise: [{ id: a, prompt: x, delivery: batch }] }]"
        ),
        "`delivery: batch`",
    ),
}


@pytest.mark.parametrize(("text", "called"), NOT_YET.values(), ids=NOT_YET)
def test_what_is_not_run_yet_is_refused_with_one_sentence(text: str, called: str) -> None:
    said = told(text + "\n")
    assert [each.code for each in said] == ["not-yet"]
    assert said[0].message.startswith(called)
    assert said[0].message.endswith("this version of flowrunner does not run it yet")


def test_values_that_ask_for_nothing_new_pass() -> None:
    step = "{ id: a, prompt: x, delivery: direct, background: false, stream: false }"
    assert codes(f"steps: [{step}]\n") == []


def test_each_line_of_the_table_names_its_key() -> None:
    assert all(line.key in line.called for line in TABLE)


# Loading.


def test_a_file_is_loaded_with_everything_that_is_wrong_sorted(tmp_path: Path) -> None:
    path = tmp_path / "flow.yaml"
    path.write_text(
        TOP + "steps:\n  - id: a\n    promt: x\n  - id: b\n    write: '{{ inputs.x }}'\n"
        "    timeout: 5 minutes\n    needs: [c]\n",
        encoding="utf-8",
    )
    workflow, diagnostics = load(path, "flow.yaml", today=TODAY)
    assert workflow is None
    assert [(each.code, each.place.line) for each in diagnostics] == [
        ("unknown-key", 5),
        ("undefined", 7),
        ("duration", 8),
        ("unknown-step", 9),
    ]


def test_a_sound_file_is_a_workflow(tmp_path: Path) -> None:
    path = tmp_path / "flow.yaml"
    path.write_text(TOP + "steps: [{ id: a, write: x }]\n", encoding="utf-8")
    workflow, diagnostics = load(path, "shown.yaml", today=TODAY)
    assert diagnostics == []
    assert workflow is not None
    assert (workflow.shown, workflow.folder) == ("shown.yaml", tmp_path)


def test_a_file_that_is_not_there_is_one_diagnostic(tmp_path: Path) -> None:
    workflow, diagnostics = load(tmp_path / "none.yaml", "none.yaml", today=TODAY)
    assert workflow is None
    assert len(diagnostics) == 1


@pytest.mark.parametrize("name", ["hello", "ticket_triage", "release_digest"])
def test_the_gallery_has_nothing_to_say(name: str) -> None:
    path = Path(__file__).parent.parent / "workflows" / f"{name}.yaml"
    workflow, diagnostics = load(path, path.name, today=TODAY)
    assert diagnostics == []
    assert workflow is not None


SEEDS = sorted((Path(__file__).parent / "cases").glob("*/*.yaml"))


def _json_of(path: Path) -> Any:
    document, _ = parse(path.read_bytes(), path.name)
    return None if document is None else plain(document.value)


def _mutated(value: Any, dice: random.Random) -> Any:
    """The value with one part of it, anywhere, taken out or replaced by something else."""
    if isinstance(value, dict) and value and dice.random() < 0.9:
        key = dice.choice(sorted(value))
        changed = {**value, key: _mutated(value[key], dice)}
        return changed if dice.random() < 0.8 else {k: v for k, v in value.items() if k != key}
    if isinstance(value, list) and value and dice.random() < 0.9:
        place = dice.randrange(len(value))
        return [*value[:place], _mutated(value[place], dice), *value[place + 1 :]]
    odd = [None, True, 3, 1.5, "", "x", "{{ steps.a.text }}", "{{", [], {}, ["x", None], {"a": 1}]
    return dice.choice([*odd, {"type": "text"}, [{"id": "a"}]])


@given(st.sampled_from(SEEDS), st.integers(min_value=0, max_value=2**32))
def test_whatever_stands_in_a_file_is_said_in_sentences(path: Path, seed: int) -> None:
    dice = random.Random(seed)
    value = _json_of(path)
    for _ in range(dice.randint(1, 3)):
        value = _mutated(value, dice)
    workflow, diagnostics = load_text(json.dumps(value), "flow.yaml", Path("/p"), today=TODAY)
    assert workflow is not None or diagnostics
    for each in diagnostics:
        assert each.message[-1] != "."
        assert "Traceback" not in each.message


def test_checking_the_same_file_twice_says_the_same() -> None:
    document, _ = parse(TOP + TRIAGE + "    write: '{{ steps.triag.text }}'\n", "flow.yaml")
    assert document is not None
    said = []
    for _ in range(2):
        workflow, findings = build(document, Path())
        assert workflow is not None
        said.append([*findings, *check_meaning(workflow, today=TODAY)])
    assert said[0] == said[1]
