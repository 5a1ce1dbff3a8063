"""What templates know of nested steps: shapes through branches, loops, rounds, groups and calls."""

from __future__ import annotations

import datetime
import textwrap
from pathlib import Path

import pytest

from flowrunner.language.load import load_text

TODAY = datetime.date(2026, 11, 22)
GREET = """\
flowrunner: 1
name: Greet
inputs: { name: text, kind: { type: [warm, cool], default: warm } }
steps:
  - id: line
    prompt: "{{ inputs.name }} {{ inputs.kind }}"
    output: { line: text, n: integer }
result: { line: "{{ steps.line.output.line }}", n: "{{ steps.line.output.n }}" }
"""

ABOVE = """\
flowrunner: 1
name: Test
inputs:
  rows: { type: table, columns: { amount: number } }
  plain_rows: table
  papers: { type: files }
  texts: { list: text }
  team: [billing, bug]
  flag: yes_no
steps:
  - id: answer
    branch: inputs.team
    cases:
      billing:
        - { id: bill, prompt: x, output: { kind: [paid, open], only: text, n: integer } }
      bug:
        - { id: sorry, prompt: x, output: { kind: [open, gone], n: integer } }
  - id: partial
    branch: inputs.team
    cases: { bug: [{ id: inner, write: x }] }
    otherwise: [{ id: asked, prompt: x }]
  - id: each
    for_each: inputs.rows
    as: row
    steps:
      - { id: read, prompt: "{{ row.amount }}", output: { total: number, tag: [a, b] } }
      - { id: kept, if: row.amount > 3, set: { t: "{{ steps.read.output.total }}", s: "x{{ 1 }}" } }
  - id: rounds
    repeat: { until: "steps.judge.output.score > 8", at_most: 3 }
    steps: [{ id: judge, prompt: x, output: { score: integer, advice: text } }]
  - { id: group, if: inputs.flag, steps: [{ id: inside, prompt: x, output: { list: text } }] }
  - { id: say, workflow: greet.yaml, with: { name: Ada } }
  - { id: says, for_each: inputs.texts, workflow: greet.yaml, with: { name: "{{ item }}" } }
  - { id: command, run: [x], output: { a: number } }
  - { id: quiet, approve: Go on? }
"""

LAST: dict[str, tuple[str, list[str]]] = {
    "what all cases offer": ("write: '{{ steps.answer.output.n + 1 }}'", []),
    "choices of all cases": ("if: steps.answer.output.kind == 'gone', write: x", []),
    "a choice of no case": ("if: steps.answer.output.kind == 'new', write: x", ["unknown-choice"]),
    "what one case offers": ("write: '{{ steps.answer.output.only }}'", ["maybe-empty"]),
    "what one case offers, guarded": (
        'write: "{{ default(steps.answer.output.only, 0) }}"',
        [],
    ),
    "text of a branch": ("write: '{{ steps.partial.text }}'", []),
    "a branch of which one case is free text": (
        "if: steps.partial.text == 'x', write: x",
        ["free-text"],
    ),
    "a field that no case offers": ("write: '{{ steps.partial.output.a }}'", ["undefined"]),
    "the results of a list": ("write: '{{ steps.each.results[0].steps.read.output.total }}'", []),
    "a misspelt field of a result": (
        "write: '{{ steps.each.results[0].steps.read.output.totl }}'",
        ["undefined"],
    ),
    "a misspelt step of a result": (
        "write: '{{ steps.each.results[0].steps.red }}'",
        ["undefined"],
    ),
    "the entry of a result": ("write: '{{ steps.each.results[0].input.amount + 1 }}'", []),
    "the text of a list": ("write: '{{ steps.each.text }}'", ["undefined"]),
    "the outputs of a list": ("write: '{{ steps.each.outputs[0].t }}'", ["maybe-empty"]),
    "a list over results": (
        "for_each: steps.each.results, write: '{{ item.steps.read.output.tag == \"c\" }}'",
        ["unknown-choice"],
    ),
    "a list over outputs": (
        "for_each: steps.inside.output, write: '{{ item + 1 }}'",
        ["wrong-type"],
    ),
    "a list over a whole step": ("for_each: steps.each, write: x", ["wrong-type"]),
    "a list over rows without columns": (
        "for_each: inputs.plain_rows, write: '{{ item.anything }}'",
        [],
    ),
    "a list over files": (
        "for_each: inputs.papers, write: '{{ item.stem }} {{ item.txt }}'",
        ["undefined"],
    ),
    "a list over an object": ("for_each: steps.command.output, write: x", ["wrong-type"]),
    "a list over a number": ("for_each: 3, write: x", ["wrong-type"]),
    "position": ("for_each: [a], write: '{{ position + 1 }}{{ item + 1 }}'", ["wrong-type"]),
    "position outside": ("write: '{{ position }}'", ["undefined"]),
    "the name of another list": ("write: '{{ row.amount }}'", ["undefined"]),
    "rounds": (
        "write: '{{ steps.rounds.rounds + 1 }} {{ steps.rounds.reached + 1 }}'",
        ["wrong-type"],
    ),
    "what the last round offers": ("write: '{{ steps.rounds.output.score + 1 }}'", []),
    "a step of the last round": ("write: '{{ steps.judge.output.scor }}'", ["undefined"]),
    "a step of a group": ("write: '{{ join(steps.inside.output) }}'", []),
    "what a group offers": ("write: '{{ join(steps.group.output) }}'", []),
    "the result of a call": ("write: '{{ steps.say.output.n + 1 }}'", []),
    "a misspelt field of a call": ("write: '{{ steps.say.output.lne }}'", ["undefined"]),
    "free text through a call": ("if: steps.say.output.line == 'x', write: x", []),
    "calls in a list": ("write: '{{ steps.says.outputs[0].line + 1 }}'", ["wrong-type"]),
    "a typed command": ("write: '{{ steps.command.output.a + 1 }} {{ steps.command.text }}'", []),
    "a misspelt field of a command": ("write: '{{ steps.command.output.b }}'", ["undefined"]),
    "an approval offers its status": ("write: '{{ steps.quiet.status }}'", []),
    "an approval has no text": ("write: '{{ steps.quiet.text }}'", ["undefined"]),
    "values that were set": (
        "for_each: steps.each.results, write: '{{ item.steps.kept.output.t == \"x\" }}'",
        ["wrong-type"],
    ),
}

RESULTS: dict[str, tuple[str, list[str]]] = {
    "a complete branch": ("{{ steps.answer.output.n }}", []),
    "a branch with otherwise": ("{{ steps.partial.text }}!", []),
    "a step of a case": ("{{ steps.bill.output.n }}!", ["maybe-empty"]),
    "steps of cases joined": ("{{ first(steps.bill.output.n, steps.sorry.output.n, 0) }}!", []),
    "a list": ("{{ steps.each.results }}!", []),
    "a group with if": ("{{ steps.inside.output }}!", ["maybe-empty"]),
    "rounds": ("{{ steps.judge.output.score }}!", []),
    "a step of entries": ("{{ steps.read.output.total }}", ["inside-for-each"]),
}


def codes(folder: Path, end: str) -> list[str]:
    (folder / "greet.yaml").write_text(GREET, encoding="utf-8")
    _, found = load_text(ABOVE + end, "flow.yaml", folder, today=TODAY)
    return [each.code for each in found if each.severity == "error"]


@pytest.mark.parametrize(("keys", "expected"), LAST.values(), ids=LAST)
def test_what_is_known_of_the_steps_above(tmp_path: Path, keys: str, expected: list[str]) -> None:
    key, _, rest = keys.partition(", write:")
    lines = f"    {key}\n    write:{rest}\n" if rest else f"    {keys}\n"
    assert codes(tmp_path, f"  - id: last\n{lines}") == expected


@pytest.mark.parametrize(("text", "expected"), RESULTS.values(), ids=RESULTS)
def test_the_result_sees_what_may_be_empty(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert codes(tmp_path, f'result: {{ a: "{text}" }}\n') == expected


def told(text: str) -> list[tuple[str, str]]:
    _, found = load_text(
        "flowrunner: 1\nname: Test\n" + textwrap.dedent(text), "f.yaml", Path("/p"), today=TODAY
    )
    return [(each.severity, each.code) for each in found]


def test_an_unused_input_is_a_hint_where_nothing_is_wrong() -> None:
    head = "inputs: { a: text, b: text }\nsteps:\n  - { id: x, write: '{{ inputs.a }}' }\n"
    assert told(head) == [("hint", "unused-input")]
    assert told(head + "  - { id: y, write: '{{ inputs.c }}' }\n") == [("error", "undefined")]


def test_ids_are_given_once_at_any_depth() -> None:
    said = told(
        """\
        steps:
          - { id: a, steps: [{ id: b, write: x }] }
          - { id: c, branch: run.id, cases: { x: [{ id: B, write: x }], y: [{ id: a, write: y }] } }
        """
    )
    assert {code for severity, code in said if severity == "error"} <= {"duplicate-id", "id"}
    assert ("error", "duplicate-id") in said


def test_a_step_inside_one_that_is_off_is_off() -> None:
    said = told(
        """\
        steps:
          - id: a
            if: false
            steps: [{ id: b, write: x }, { id: c, write: "{{ steps.b.text }}" }]
          - { id: d, write: "{{ steps.c.text }}" }
        """
    )
    assert said == [("warning", "never-runs")]


def test_a_step_of_the_same_case_may_be_mentioned_with_others_of_it() -> None:
    said = told(
        """\
        steps:
          - id: a
            branch: run.id
            cases:
              x:
                - { id: b, write: x }
                - { id: c, write: "{{ steps.b.text }}" }
                - id: deep
                  branch: run.date
                  cases: { "2026-01-01": [{ id: d, write: "{{ steps.c.text }}" }] }
          - { id: e, write: "{{ steps.b.text }} {{ steps.c.text }} {{ steps.d.text }}" }
        """
    )
    assert said == []


def test_a_tool_whose_type_is_no_word_is_told_not_stumbled_over() -> None:
    step = "{ id: a, prompt: x, tools: [{ type: { a: 1 } }], include: [web_search_call.results] }"
    assert ("error", "wrong-type") in told(f"steps: [{step}]\n")
