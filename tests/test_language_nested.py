"""Steps inside steps: every verb and modifier as parts, who waits for whom, files beside."""

from __future__ import annotations

import datetime
import textwrap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.diagnostics import Diagnostic, render
from flowrunner.language.forms import Leaf, fill
from flowrunner.language.load import load, load_text
from flowrunner.language.shapes import Shape
from flowrunner.language.templates import Empty, Expression
from flowrunner.language.workflow import (
    Approve,
    Branch,
    CallWorkflow,
    Command,
    Fail,
    Money,
    Step,
    Steps,
    Stop,
    Workflow,
)

TODAY = datetime.date(2026, 11, 22)
TOP = "flowrunner: 1\nname: Test\n"


def loaded(text: str, folder: Path = Path("/project")) -> Workflow:
    workflow, diagnostics = load_text(TOP + textwrap.dedent(text), "flow.yaml", folder, today=TODAY)
    assert workflow is not None, render(diagnostics)
    return workflow


def step(text: str, name: str = "a") -> Step:
    found = loaded(text).step(name)
    assert found is not None
    return found


def only(keys: str, top: str = "") -> Step:
    """The one step of a file with these keys."""
    return step(f"{top}\nsteps: [{{ id: a, {keys} }}]\n")


# The parts.


def test_a_group_holds_its_steps() -> None:
    group = step("steps: [{ id: a, steps: [{ id: b, write: x }, { id: c, write: y }] }]\n")
    assert isinstance(group.verb, Steps)
    assert [inner.id for inner in group.verb.steps] == ["b", "c"]
    assert [inner.route for inner in group.inside()] == [
        ("steps", 0, "steps", 0),
        ("steps", 0, "steps", 1),
    ]
    assert group.verb_name == "steps"


def test_a_branch_knows_its_cases_in_order() -> None:
    flow = loaded(
        """\
        inputs: { k: text }
        steps:
          - id: a
            branch: "{{ inputs.k }}"
            cases: { 3.10: [{ id: b, write: x }], true: [{ id: c, write: x }] }
            otherwise: [{ id: d, write: x }, { id: e, steps: [{ id: f, write: x }] }]
        """
    )
    branch = flow.steps[0].verb
    assert isinstance(branch, Branch)
    assert [case for case, _ in branch.cases] == ["3.10", "true"]
    assert branch.on.evaluate({"inputs": {"k": "x"}}) == "x"
    assert [[inner.id for inner in branch.case(value) or ()] for value in ("true", "other")] == [
        ["c"],
        ["d", "e"],
    ]
    assert [each.id for each in flow.all_steps()] == ["a", "b", "c", "d", "e", "f"]
    assert flow.steps[0].lists[-1][0] is None
    assert flow.step("f") is not None


def test_without_otherwise_a_value_may_have_no_case() -> None:
    branch = step("steps: [{ id: a, branch: run.id, cases: { x: [{ id: b, write: x }] } }]\n").verb
    assert isinstance(branch, Branch)
    assert branch.case("y") is None


def test_a_command_is_a_list_of_words_and_a_stdin() -> None:
    command = only(
        "run: [echo, 3.10, '{{ inputs.n }} {{ inputs.n }}', '-x'], stdin: { n: '{{ inputs.n }}' }, "
        "env: [B], output: { list: integer }",
        "inputs: { n: number }\nenv: [A, B]",
    )
    verb = command.verb
    assert isinstance(verb, Command)
    scope = {"inputs": {"n": 3}}
    assert verb.words(scope) == ("echo", "3.10", "3 3", "-x")
    assert fill(verb.stdin, scope) == {"n": 3}
    assert (verb.env, verb.changes_things, verb.has_output) == (("B",), True, True)
    assert verb.read_output([1, 2]) == ([1, 2], [])
    assert verb.read_output(["x"]) == (
        None,
        ["`[0]` must be a whole number, found the text `x`"],
    )
    assert command.verb_name == "run"


def test_a_command_may_declare_a_schema_and_harmlessness() -> None:
    schema = "{ type: object, properties: { a: { type: string } }, required: [a], "
    verb = only(
        f"run: [date], changes_things: false, schema: {schema}additionalProperties: false }}"
    )
    assert isinstance(verb.verb, Command)
    assert verb.verb.read_output({"a": 1})[1] == [
        "`a` must be of type `string`, found the number `1`"
    ]
    assert not verb.has_effects


@pytest.mark.parametrize(("key", "kind"), [("approve", Approve), ("stop", Stop), ("fail", Fail)])
def test_gates_hold_a_text(key: str, kind: type) -> None:
    gate = only(f"{key}: 'Because {{{{ inputs.x }}}}'", "inputs: { x: text }")
    assert isinstance(gate.verb, kind)
    assert isinstance(gate.verb, Approve | Stop | Fail)
    assert gate.verb.text.render({"inputs": {"x": "so"}}) == "Because so"
    assert (gate.is_gate, gate.has_effects, gate.verb_name) == (True, False, key)


def test_for_each_has_a_list_a_name_and_a_width() -> None:
    each = only(
        "for_each: inputs.rows, as: row, at_once: 6, write: '{{ row }}'", "inputs: { rows: table }"
    )
    assert each.for_each is not None
    assert (each.for_each.as_name, each.for_each.at_once, each.for_each.text) == (
        "row",
        6,
        "inputs.rows",
    )
    assert isinstance(each.for_each.over, Expression)
    assert each.for_each.entries({"inputs": {"rows": [{"a": 1}]}}) == [{"a": 1}]
    assert each.on_error == "continue"


def test_for_each_may_go_over_a_list_that_stands_there() -> None:
    each = only(
        "for_each: [a, 2, '{{ inputs.x }}'], on_error: stop, write: '{{ item }}'",
        "inputs: { x: number }",
    )
    assert each.for_each is not None
    assert each.for_each.entries({"inputs": {"x": 7}}) == ["a", 2, 7]
    assert (each.for_each.as_name, each.for_each.at_once, each.on_error) == ("item", None, "stop")


def test_repeat_has_an_end() -> None:
    rounds = only("repeat: { until: steps.a.text == 'x', at_most: 4 }, write: x")
    assert rounds.repeat is not None
    assert isinstance(rounds.repeat.until, Expression)
    assert (rounds.repeat.at_most, rounds.repeat.or_fail) == (4, False)
    forever = only("repeat: { until: false, at_most: 2, or_fail: true }, write: x")
    assert forever.repeat is not None
    assert (forever.repeat.until, forever.repeat.or_fail) == (False, True)


@pytest.mark.parametrize(
    ("written", "money"),
    [
        ("0.50 USD", Money(0.5)),
        ("3USD", Money(3.0)),
        ("{ stop_at: 3 USD, warn_at: 2 USD, tokens: 200000 }", Money(3.0, 2.0, 200_000)),
        ("{ tokens: 10 }", Money(tokens=10)),
    ],
)
def test_a_budget_is_money_or_tokens(written: str, money: Money) -> None:
    flow = loaded(f"budget: {written}\nsteps: [{{ id: a, prompt: x, budget: {written} }}]\n")
    assert (flow.budget, flow.steps[0].budget) == (money, money)


@pytest.mark.parametrize(
    ("written", "reuse"), [("true", True), ("false", False), ("7d", 604_800.0), ("90s", 90.0)]
)
def test_reuse_is_a_wish_or_an_age(written: str, reuse: bool | float) -> None:
    found = only(f"prompt: x, reuse: {written}").reuse
    assert (found, type(found)) == (reuse, type(reuse))
    assert only("prompt: x").reuse is None


def test_the_defaults_reach_prompt_steps_inside_others() -> None:
    inner = step(
        """\
        defaults: { model: gpt-6-luna, timeout: 2m }
        steps: [{ id: g, steps: [{ id: a, prompt: x }] }]
        """
    )
    assert inner.timeout_s == 120


def test_sources_are_asked_for_wherever_they_are_read() -> None:
    flow = loaded(
        """\
        steps:
          - { id: each, for_each: [1], prompt: x, tools: [web_search] }
          - { id: group, steps: [{ id: last, prompt: x, tools: [web_search] }] }
          - { id: quiet, prompt: x, tools: [web_search] }
          - id: page
            write: >-
              {% for r in steps.each.results %}{{ r.sources }}{% endfor %} {{ steps.group.sources }}
        """
    )
    asked = {each.id: getattr(each.verb, "include_also", None) for each in flow.all_steps()}
    key = ("web_search_call.action.sources",)
    assert (asked["each"], asked["last"], asked["quiet"]) == (key, key, ())


# Who waits for whom.

WAITING = """\
inputs: { k: [x, y], list: { list: text } }
steps:
  - { id: pre, write: x }
  - { id: side, write: x }
  - id: answer
    branch: inputs.k
    cases:
      x:
        - { id: bx, write: "{{ steps.pre.text }}" }
        - { id: by, write: "{{ steps.bx.text }}" }
      y: [{ id: bz, write: "{{ default(steps.side.text, '') }}" }]
  - id: each
    for_each: inputs.list
    steps:
      - { id: one, write: "{{ item }}" }
      - { id: two, needs: [bz, one], write: "{{ steps.by.text }}" }
  - id: rounds
    repeat: { until: steps.draft.text == 'x' and steps.side.text == 'y', at_most: 2 }
    steps: [{ id: draft, write: "{{ default(previous.draft.text, '') }}" }]
  - { id: last, write: "{{ steps.draft.text }} {{ steps.each.texts }}" }
"""

WAITS: dict[str, tuple[set[str], set[str]]] = {
    "answer": ({"pre", "side"}, set()),
    "bx": (set(), {"pre"}),
    "by": ({"bx"}, {"bx"}),
    "bz": (set(), set()),
    "each": ({"answer"}, set()),
    "one": (set(), set()),
    "two": ({"one"}, {"by", "answer"}),
    "rounds": ({"side"}, set()),
    "draft": (set(), set()),
    "last": ({"rounds", "each"}, {"draft", "rounds", "each"}),
}


@pytest.mark.parametrize(("name", "expected"), WAITS.items(), ids=WAITS)
def test_a_step_waits_in_its_own_list(name: str, expected: tuple[set[str], set[str]]) -> None:
    found = step(WAITING, name)
    assert (set(found.waits_for), set(found.unguarded)) == expected


# The table of "skipped and failed": what the file says of a mention, before anything runs.
MENTIONS: dict[str, tuple[str, bool, bool]] = {
    "printed": ("write: '{{ steps.m.text }}'", True, True),
    "in first": ("write: \"{{ first(steps.m.text, 'x') }}\"", True, False),
    "in default": ("write: \"{{ default(steps.m.text, 'x') }}\"", True, False),
    "its status": ("write: '{{ steps.m.status }}'", True, False),
    "its error": ("write: '{{ steps.m.error.kind if steps.m.error else 1 }}'", True, False),
    "in the if of the step": ("if: steps.m.text == 'x', write: y", True, False),
    "under an if": ("write: '{% if steps.m.text %}{{ steps.m.text }}{% endif %}'", True, False),
    "in a branch not taken": ("write: '{% if false %}{{ steps.m.text }}{% endif %}'", True, True),
    "by needs": ("needs: [m], write: x", True, False),
    "as the list": ("for_each: '[steps.m.text]', write: x", True, True),
    "as the value": ("branch: steps.m.text, cases: { x: [{ id: i, fail: x }] }", True, True),
    "in until": ("repeat: { until: steps.m.text == 'x', at_most: 2 }, write: x", True, False),
    "in stdin": ("run: [cat], stdin: '{{ steps.m.text }}'", True, True),
    "in a word of a command": ("run: [echo, '{{ steps.m.text }}']", True, True),
    "in a path": ("write: x, save_to: 'out/{{ steps.m.text }}.md'", True, True),
    "of an entry of a list": ("for_each: ['{{ steps.m.text }}'], write: x", True, True),
    "by a step inside": ("steps: [{ id: i, write: '{{ steps.m.text }}' }]", True, False),
    "not at all": ("write: x", False, False),
}  # fmt: skip


@pytest.mark.parametrize(("keys", "waits", "needs_it"), MENTIONS.values(), ids=MENTIONS)
def test_every_way_to_lean_on_a_step(keys: str, waits: bool, needs_it: bool) -> None:
    found = step(f"steps:\n  - {{ id: m, write: x }}\n  - {{ id: a, {keys} }}\n")
    assert found.waits_for == (("m",) if waits else ())
    assert set(found.unguarded) == ({"m"} if needs_it else set())


def test_everything_below_a_gate_waits_for_it() -> None:
    flow = loaded(
        """\
        steps:
          - { id: before, write: x }
          - { id: agree, approve: Go on? }
          - id: group
            steps:
              - { id: inner, write: x }
              - { id: enough, if: "false", stop: Enough. }
              - { id: rest, write: x }
          - { id: bad, if: "false", fail: Bad. }
          - { id: after, needs: [before], write: "{{ first(steps.before.text, 'x') }}" }
        """
    )
    waits = {each.id: each.waits_for for each in flow.all_steps()}
    assert waits == {
        "before": (),
        "agree": (),
        "group": ("agree",),
        "inner": (),
        "enough": (),
        "rest": ("enough",),
        "bad": ("agree",),
        "after": ("before", "agree", "bad"),
    }


def test_steps_with_effects_keep_the_order_of_the_file() -> None:
    flow = loaded(
        """\
        steps:
          - { id: a, run: [x] }
          - { id: looks, run: [x], changes_things: false }
          - id: group
            steps:
              - { id: b, run: [x] }
              - { id: free, write: x }
              - { id: c, run: [x] }
          - { id: free_too, write: x }
          - { id: each, for_each: [1], run: [x] }
        """
    )
    found = {each.id: (each.has_effects, each.waits_for) for each in flow.all_steps()}
    assert found == {
        "a": (True, ()),
        "looks": (False, ()),
        "group": (True, ("a",)),
        "b": (True, ()),
        "free": (False, ()),
        "c": (True, ("b",)),
        "free_too": (False, ()),
        "each": (True, ("group",)),
    }


# Files beside.


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text), encoding="utf-8")


FILES = {
    "flow.yaml": TOP
    + """\
inputs: { who: text }
steps:
  - { id: ask, model: gpt-6-luna, prompt_file: prompts/ask.md, schema: prompts/answer.json }
  - id: sub
    workflow: parts/sub.yaml
    with: { who: "{{ inputs.who }}", times: 3, version: 3.10 }
  - { id: again, workflow: parts/sub.yaml, with: { who: me, times: 1, version: "1" } }
result: "{{ steps.sub.output.line }}"
""",
    "prompts/ask.md": "Hello {{ inputs.who }}\n",
    "prompts/answer.json": '{ "type": "object", "properties": { "a": { "type": "string" } }, '
    '"required": ["a"], "additionalProperties": false }',
    "parts/sub.yaml": TOP
    + """\
inputs: { who: text, times: integer, version: text }
steps:
  - { id: line, model: gpt-6-luna, prompt_file: ../prompts/ask.md }
  - { id: send, run: [echo, "{{ inputs.times }}{{ inputs.version }}"] }
result: { line: "{{ steps.line.text }}", times: "{{ inputs.times }}" }
""",
}


def test_files_beside_are_read_once_and_kept(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    flow, diagnostics = load(tmp_path / "flow.yaml", "flow.yaml", today=TODAY)
    assert diagnostics == []
    assert flow is not None
    assert set(flow.files) == {"prompts/ask.md", "prompts/answer.json", "parts/sub.yaml"}
    ask, sub, again = flow.steps
    assert ask.leaves[0].fill({"inputs": {"who": "Ada"}}) == "Hello Ada\n"
    assert isinstance(sub.verb, CallWorkflow)
    assert isinstance(again.verb, CallWorkflow)
    assert sub.verb.workflow is again.verb.workflow
    assert sub.verb.evaluate({"inputs": {"who": "Ada"}}) == {
        "who": "Ada",
        "times": 3,
        "version": "3.10",
    }
    assert sub.verb.output == Shape(
        "object", fields=(("line", Shape("text", free=True)), ("times", Shape("integer")))
    )
    assert sub.verb.workflow.folder == tmp_path / "parts"
    assert sub.verb.workflow.shown == "parts/sub.yaml"
    assert (sub.has_effects, again.waits_for) == (True, ("sub",))


def test_what_was_kept_is_loaded_without_the_disk(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    flow, _ = load(tmp_path / "flow.yaml", "flow.yaml", today=TODAY)
    assert flow is not None
    again, diagnostics = load_text(
        flow.document.text, "flow.yaml", tmp_path / "elsewhere", today=TODAY, files=flow.files
    )
    assert diagnostics == []
    assert again is not None
    assert again.files == flow.files
    assert again.steps[0].leaves[0].source == "Hello {{ inputs.who }}\n"


def test_a_mistake_in_a_called_file_is_shown_there_once(tmp_path: Path) -> None:
    write(tmp_path, {**FILES, "parts/sub.yaml": FILES["parts/sub.yaml"].replace("run:", "rn:")})
    flow, diagnostics = load(tmp_path / "flow.yaml", "here/flow.yaml", today=TODAY)
    assert flow is None
    assert [(each.place.path, each.place.line, each.code) for each in diagnostics] == [
        ("here/parts/sub.yaml", 6, "unknown-key")
    ]


def test_a_link_to_a_file_outside_is_not_followed(tmp_path: Path) -> None:
    project = tmp_path / "project"
    write(project, {"flow.yaml": TOP + "steps: [{ id: a, prompt_file: ask.md }]\n"})
    (tmp_path / "secret.md").write_text("secret", encoding="utf-8")
    (project / "ask.md").symlink_to(tmp_path / "secret.md")
    _, diagnostics = load(project / "flow.yaml", "flow.yaml", today=TODAY)
    assert [each.code for each in diagnostics] == ["path-outside"]


@pytest.mark.parametrize("written", [".env", ".secret/a.md", "parts/../.env", "linked.md"])
def test_hidden_files_are_never_read(tmp_path: Path, written: str) -> None:
    step_ = f"steps: [{{ id: a, prompt_file: {written} }}]\n"
    write(tmp_path, {"flow.yaml": TOP + step_, ".env": "KEY=x", ".secret/a.md": "x"})
    (tmp_path / "linked.md").symlink_to(tmp_path / ".env")
    _, diagnostics = load(tmp_path / "flow.yaml", "flow.yaml", today=TODAY)
    assert [each.code for each in diagnostics] == ["path-outside"]
    assert "hidden" in diagnostics[0].message


def test_files_that_are_no_text_are_said_so(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "flow.yaml": TOP
            + "steps: [{ id: a, prompt_file: a.md }, { id: b, prompt_file: b.md }]\n"
        },
    )
    (tmp_path / "a.md").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "b.md").write_text(" \n", encoding="utf-8")
    _, diagnostics = load(tmp_path / "flow.yaml", "flow.yaml", today=TODAY)
    assert [(each.code, each.message) for each in diagnostics] == [
        ("missing-file", "`a.md` is no text in UTF-8"),
        ("empty-prompt", "`b.md` is empty"),
    ]


def test_a_long_chain_of_calls_is_refused(tmp_path: Path) -> None:
    for number in range(20):
        write(
            tmp_path,
            {f"f{number}.yaml": TOP + f"steps: [{{ id: a, workflow: f{number + 1}.yaml }}]\n"},
        )
    _, diagnostics = load(tmp_path / "f0.yaml", "f0.yaml", today=TODAY)
    assert [(each.code, each.place.path) for each in diagnostics] == [("recursion", "f15.yaml")]


# Any nesting.


class Writer:
    """Writes sound nested steps as drawn by hypothesis; `seen` are ids to mention."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.count = 0

    def steps(self, depth: int, seen: list[str]) -> list[dict[str, Any]]:
        here = list(seen)
        written = []
        for _ in range(self.draw(st.integers(1, 3))):
            fields, visible = self.step(depth, here)
            written.append(fields)
            here += visible
        seen += here[len(seen) :]
        return written

    def step(self, depth: int, seen: list[str]) -> tuple[dict[str, Any], list[str]]:
        self.count += 1
        name = f"s{self.count}"
        kinds = ["write", "run", "approve"] + ["group", "branch", "for_each", "repeat"] * (
            depth > 0
        )
        kind = self.draw(st.sampled_from(kinds))
        fields: dict[str, Any] = {"id": name}
        if seen and self.draw(st.booleans()):
            fields["needs"] = [self.draw(st.sampled_from(seen))]
        inner = list(seen)
        text = self.text(seen)
        if kind in ("write", "approve"):
            fields[kind] = text
        elif kind == "run":
            fields["run"] = ["echo", text]
        elif kind == "branch":
            first, second = list(seen), list(seen)
            fields |= {"branch": "run.id", "cases": {"x": self.steps(depth - 1, first)}}
            fields["otherwise"] = self.steps(depth - 1, second)
            inner = [*first, *second[len(seen) :]]
        else:
            fields["steps"] = self.steps(depth - 1, inner)
            if kind == "for_each":
                fields["for_each"] = "split(run.id, '-')"
                return fields, [name]
            if kind == "repeat":
                fields["repeat"] = {"until": f"steps.{inner[-1]}.status == 'failed'", "at_most": 2}
        return fields, [*inner[len(seen) :], name]

    def text(self, seen: list[str]) -> str:
        if not seen or self.draw(st.booleans()):
            return "x"
        return f"{{{{ steps.{self.draw(st.sampled_from(seen))}.status }}}}"


@st.composite
def files(draw: Any) -> dict[str, Any]:
    return {"flowrunner": 1, "name": "Any", "steps": Writer(draw).steps(3, [])}


def _as_yaml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key}: {_as_yaml(below)}" for key, below in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_as_yaml, value)) + "]"
    return str(value) if isinstance(value, int) else '"' + str(value) + '"'


def _check_list(steps: tuple[Step, ...]) -> None:
    above: list[str] = []
    effects: list[str] = []
    for each in steps:
        assert set(each.waits_for) <= set(above)
        assert len(set(each.waits_for)) == len(each.waits_for)
        gates = [other.id for other in steps if other.is_gate and other.id in above]
        assert set(gates) <= set(each.waits_for)
        if each.has_effects:
            assert effects[-1:] == [] or effects[-1] in each.waits_for
            effects.append(each.id)
        above.append(each.id)
        for _, below in each.lists:
            _check_list(below)


@given(files())
def test_sound_nested_files_have_no_findings_and_wait_in_their_lists(value: dict[str, Any]) -> None:
    workflow, diagnostics = load_text(_as_yaml(value), "any.yaml", Path("/p"), today=TODAY)
    assert workflow is not None, render(_errors(diagnostics))
    assert diagnostics == [], render(diagnostics)
    _check_list(workflow.steps)
    ids = [each.id for each in workflow.all_steps()]
    assert ids == sorted(ids, key=ids.index)
    assert len(ids) == len(set(ids))


def _errors(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    return [each for each in diagnostics if each.severity == "error"]


def test_a_leaf_knows_that_a_decision_is_no_constant() -> None:
    each = only("for_each: inputs.x, write: x", "inputs: { x: { list: text } }")
    leaf = each.leaves[0]
    assert isinstance(leaf, Leaf)
    assert not leaf.is_constant
    assert leaf.fill({"inputs": {"x": Empty("null", "inputs.x")}}) == Empty("null", "inputs.x")
