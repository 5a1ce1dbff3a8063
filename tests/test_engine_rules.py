"""What becomes of a step because of those that it mentions or needs: the language's table row by
row, from beside and from outside of branches, groups and loops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flowrunner.errors import ExitStatus
from tests.engine_world import HEAD, Script, World, answered, in_turn, lost, refused


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


BELOW = """
  - { id: plain, prompt: "{{ steps.a.text }}" }
  - { id: guarded, prompt: "{{ default(steps.a.text, 'nothing') }} {{ steps.a.status }}" }
  - { id: first, prompt: "{{ first(steps.a.text, 'else') }}" }
  - { id: under_if, prompt: "x{% if steps.a.text %}{{ steps.a.text }}{% endif %}" }
  - { id: own_if, if: "steps.a.status == 'succeeded'", prompt: "got {{ steps.a.text }}" }
  - { id: needing, prompt: p, needs: [a] }
  - { id: apart, prompt: p }
"""
BAD = refused(400, "bad")

ROWS: dict[str, tuple[str, Script | None, dict[str, str | None], dict[str, str], ExitStatus]] = {
    "succeeded": (
        "{ id: a, prompt: one }",
        in_turn(a=[answered("A")]),
        dict.fromkeys(("plain", "guarded", "first", "under_if", "own_if", "needing"), "succeeded"),
        {
            "plain": "A",
            "guarded": "A succeeded",
            "first": "A",
            "under_if": "xA",
            "own_if": "got A",
        },
        ExitStatus.DONE,
    ),
    "skipped": (
        "{ id: a, prompt: one, if: false }",
        None,
        {
            "plain": "skipped",
            "guarded": "succeeded",
            "first": "succeeded",
            "under_if": "succeeded",
            "own_if": "skipped",
            "needing": "succeeded",
        },
        {"guarded": "nothing skipped", "first": "else", "under_if": "x"},
        ExitStatus.DONE,
    ),
    "failed and gone on": (
        "{ id: a, prompt: one, on_error: continue }",
        in_turn(a=[BAD]),
        {
            "plain": "skipped",
            "guarded": "succeeded",
            "first": "succeeded",
            "under_if": "succeeded",
            "own_if": "skipped",
            "needing": "skipped",
        },
        {"guarded": "nothing failed", "first": "else", "under_if": "x"},
        ExitStatus.ITEMS_FAILED,
    ),
    "failed": (
        "{ id: a, prompt: one }",
        in_turn(a=[BAD]),
        dict.fromkeys(("plain", "guarded", "first", "under_if", "own_if", "needing")),
        {},
        ExitStatus.FAILED,
    ),
    "unknown": (
        "{ id: a, prompt: one, on_unknown: hold }",
        in_turn(a=[lost()]),
        dict.fromkeys(("plain", "guarded", "first", "under_if", "own_if", "needing")),
        {},
        ExitStatus.HELD,
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_the_table_of_skipped_and_failed(world: World, row: str) -> None:
    step, script, statuses, asked, exit_status = ROWS[row]
    ended = world.run(f"steps:\n  - {step}\n{BELOW}", script)
    assert {name: ended.status(name) for name in statuses} == statuses
    found = ended.asked()
    assert {name: found.get(name) for name in asked} == asked
    assert ended.end.exit_status is exit_status
    assert ended.status("apart") == "succeeded" or row == "failed"


GATES = """
  - id: beside
    steps:
      - { id: ask, approve: "Go on?" }
      - { id: behind, prompt: p }
  - { id: plain, prompt: "{{ steps.behind.text }}" }
  - { id: guarded, prompt: "{{ default(steps.behind.text, 'x') }}" }
  - { id: status, prompt: "{{ steps.beside.status }}" }
  - { id: needing, prompt: p, needs: [beside] }
  - { id: apart, prompt: p }
"""


@pytest.mark.parametrize(
    ("answers", "status", "exit_status"),
    [
        pytest.param({"beside/ask": False}, "cancelled", ExitStatus.BUDGET, id="denied"),
        pytest.param(None, "waiting", ExitStatus.WAITING, id="waiting"),
    ],
)
def test_what_hangs_on_a_person_does_not_start(
    world: World, answers: dict[str, bool] | None, status: str, exit_status: ExitStatus
) -> None:
    world.answers = answers
    ended = world.run(f"steps:{GATES}")
    assert ended.status("beside/ask") == ended.status("beside") == status
    for name in ("plain", "guarded", "status", "needing", "beside/behind"):
        assert ended.status(name) is None
    assert ended.sender.units() == ["apart"]
    assert ended.end.exit_status is exit_status
    assert ended.end.message
    assert ended.end.help


SORTED = """
  - { id: sort, prompt: s, output: { team: [billing, bug, other] } }
  - id: answer
    branch: steps.sort.output.team
    cases:
      billing:
        - { id: invoice, prompt: i }
        - { id: billing_reply, prompt: "about {{ steps.invoice.text }}" }
      bug:
        - { id: bug_reply, prompt: b }
    otherwise:
      - { id: other_reply, prompt: o }
  - { id: joined, prompt: "{{ steps.answer.text }}" }
  - id: named
    prompt: >-
      {{ first(steps.billing_reply.text, steps.bug_reply.text, steps.other_reply.text) }}
      {{ steps.invoice.status }} {{ steps.bug_reply.status }}
  - { id: only_billing, prompt: "{{ steps.billing_reply.text }}" }
  - { id: after_bug, prompt: p, needs: [bug_reply] }
"""


@pytest.mark.parametrize(
    ("team", "reply", "statuses", "only_billing"),
    [
        ("billing", "billing_reply", "succeeded skipped", "succeeded"),
        ("bug", "bug_reply", "skipped succeeded", "skipped"),
        ("other", "other_reply", "skipped skipped", "skipped"),
    ],
)
def test_the_steps_of_a_branch_as_seen_from_below(
    world: World, team: str, reply: str, statuses: str, only_billing: str
) -> None:
    ended = world.run(f"steps:{SORTED}", in_turn(sort=[answered(f'{{"team": "{team}"}}')]))
    assert ended.end.exit_status is ExitStatus.DONE
    text = f"answer of answer/{reply}"
    assert ended.asked()["joined"] == text
    assert ended.asked()["named"] == f"{text} {statuses}"
    assert ended.status("only_billing") == only_billing
    assert ended.status("after_bug") == "succeeded", "what was not run keeps nobody"


ENDS: dict[str, tuple[str, dict[str, Any], dict[str, str | None]]] = {
    "group, all well": (
        "",
        {},
        {"g": "succeeded", "plain": "succeeded", "through": "succeeded", "needing": "succeeded"},
    ),
    "group, its `if` false": (
        "if: false",
        {},
        {"g": "skipped", "plain": "skipped", "through": "skipped", "needing": "succeeded"},
    ),
    "group, its last step failed, continue": (
        "on_error: continue",
        {"g/last": [BAD]},
        {"g": "failed", "plain": "skipped", "through": "skipped", "needing": "skipped"},
    ),
    "group, its first step failed, stop": (
        "",
        {"g/one": [BAD]},
        {"g": "failed", "plain": None, "through": None, "needing": None},
    ),
}


@pytest.mark.parametrize("case", ENDS)
def test_the_steps_of_a_group_as_seen_from_below(world: World, case: str) -> None:
    keys, outcomes, statuses = ENDS[case]
    written = f"\n    {keys}" if keys else ""
    ended = world.run(
        f"""
steps:
  - id: g{written}
    steps:
      - {{ id: one, prompt: p }}
      - {{ id: last, prompt: "{{{{ steps.one.text }}}}" }}
  - {{ id: plain, prompt: "{{{{ steps.last.text }}}}" }}
  - {{ id: through, prompt: "{{{{ steps.g.text }}}}" }}
  - {{ id: needing, prompt: p, needs: [last] }}
""",
        in_turn(**outcomes),
    )
    assert {name: ended.status(name) for name in statuses} == statuses


def test_an_inner_failure_that_is_gone_on_from_skips_only_what_mentions_it(world: World) -> None:
    ended = world.run(
        """
steps:
  - id: g
    steps:
      - { id: one, prompt: p, on_error: continue }
      - { id: below, prompt: "{{ steps.one.text }}" }
      - { id: other, prompt: "{{ first(steps.one.text, steps.one.error.kind, '?') }}" }
  - { id: outside, prompt: "{{ default(steps.one.text, 'none') }} {{ steps.other.text }}" }
""",
        in_turn(**{"g/one": [BAD]}),
    )
    assert ended.end.exit_status is ExitStatus.ITEMS_FAILED
    assert ended.status("g/below") == "skipped"
    assert ended.asked()["g/other"] == "api-error"
    assert ended.asked()["outside"] == "none answer of g/other"


def test_a_skipped_step_of_an_outer_list_skips_only_the_inner_one(world: World) -> None:
    ended = world.run(
        """
steps:
  - { id: a, prompt: p, if: false }
  - id: g
    steps:
      - { id: inner, prompt: "{{ steps.a.text }}" }
      - { id: last, prompt: p }
"""
    )
    assert ended.status("g/inner") == "skipped"
    assert ended.status("g/last") == ended.status("g") == "succeeded"


def test_first_joins_single_ifs(world: World) -> None:
    steps = """
steps:
  - { id: sort, prompt: s, output: { urgent: yes_no } }
  - { id: quick, if: steps.sort.output.urgent, prompt: q }
  - { id: slow, if: not steps.sort.output.urgent, prompt: s }
result: "{{ first(steps.quick.text, steps.slow.text) }}"
"""
    ended = world.run(steps, in_turn(sort=[answered('{"urgent": false}')]))
    assert ended.end.result == "answer of slow"


BRANCH_HEAD = (
    "flowrunner: 1\nname: T\ndefaults: {{ model: gpt-6-luna }}\ninputs: {{ v: {shape} }}\n"
)


@pytest.mark.parametrize(
    ("shape", "value", "cases", "taken"),
    [
        ("yes_no", True, ("true", "false"), "true"),
        ("yes_no", False, ("true", "false"), "false"),
        ("number", 3, ("3", "4"), "3"),
        ("number", 3.0, ("3", "4"), "3"),
        ("number", 2.5, ("2.5",), "2.5"),
        ("number", 1e-7, ("0.0000001",), "0.0000001"),
        ("integer", -1, ("-1", "1"), "-1"),
        ("[red, blue]", "blue", ("red", "blue"), "blue"),
        ("text", "x y", ("x", "x y"), "x y"),
        ("text", "z", ("x", "otherwise"), "otherwise"),
        ("{ type: [red, blue], optional: true }", None, ("red", "otherwise"), "otherwise"),
    ],
)
def test_a_branch_compares_as_text(
    world: World, shape: str, value: object, cases: tuple[str, ...], taken: str
) -> None:
    named = {case: f"c{at}" for at, case in enumerate(cases)}
    written = "".join(
        f"      '{case}': [{{ id: {name}, write: x }}]\n"
        for case, name in named.items()
        if case != "otherwise"
    )
    name = named.get("otherwise")
    rest = f"    otherwise: [{{ id: {name}, write: x }}]\n" if name else ""
    steps = f"steps:\n  - id: b\n    branch: inputs.v\n    cases:\n{written}{rest}"
    ended = world.run(steps, head=BRANCH_HEAD.format(shape=shape), inputs={"v": value})
    ran = {unit for unit in ended.state.steps if "/" in unit}
    assert ran == {f"b/{named[taken]}"}


@pytest.mark.parametrize(
    ("shape", "value", "reason"),
    [
        ("text", "z", "no-case"),
        ("{ type: text, optional: true }", None, "empty"),
    ],
)
def test_a_branch_without_a_case_is_skipped(
    world: World, shape: str, value: object, reason: str
) -> None:
    steps = """
steps:
  - id: b
    branch: inputs.v
    cases: { x: [{ id: c, write: x }] }
  - { id: below, write: "{{ default(steps.b.text, 'none') }} {{ default(steps.c.text, 'none') }}" }
result: "{{ steps.below.text }}"
"""
    ended = world.run(steps, head=BRANCH_HEAD.format(shape=shape), inputs={"v": value})
    assert ended.status("b") == "skipped"
    assert ended.reason("b") == reason
    assert ended.end.result == "none none"


def test_branches_nest(world: World) -> None:
    steps = """
steps:
  - id: outer
    branch: inputs.v
    cases:
      a:
        - id: inner
          branch: inputs.w
          cases:
            b: [{ id: ab, prompt: p }]
          otherwise: [{ id: ax, prompt: p }]
    otherwise: [{ id: x, prompt: p }]
  - { id: joined, write: "{{ steps.outer.text }}|{{ steps.ab.status }}|{{ steps.ax.status }}" }
result: "{{ steps.joined.text }}"
"""
    head = HEAD + "inputs: { v: text, w: text }\n"
    ended = world.run(steps, head=head, inputs={"v": "a", "w": "b"})
    assert ended.end.result == "answer of outer/inner/ab|succeeded|skipped"


def test_a_group_costs_what_its_steps_cost(world: World) -> None:
    steps = """
steps:
  - id: g
    steps:
      - { id: one, prompt: p }
      - { id: two, prompt: p }
  - { id: many, for_each: ["a", "b", "c"], prompt: "{{ item }}" }
  - { id: again, repeat: { until: false, at_most: 2 }, prompt: p }
result:
  group: ["{{ steps.g.usage.input_tokens }}", "{{ steps.g.cost_usd }}"]
  many: ["{{ steps.many.usage.total_tokens }}", "{{ steps.many.cost_usd }}"]
  each: "{{ steps.many.results[1].cost_usd }}"
  again: "{{ steps.again.usage.output_tokens }}"
"""
    ended = world.run(steps)
    result = ended.end.result
    assert isinstance(result, dict)
    each = result["each"]
    assert result["group"] == [2000, 2 * each]
    assert result["many"] == [3300, pytest.approx(3 * each)]
    assert result["again"] == 200
    assert each > 0


ON_ERROR = [
    ("", "", "failed", ExitStatus.FAILED),
    ("on_error: continue", "", "succeeded", ExitStatus.ITEMS_FAILED),
    ("", "on_error: continue", "failed", ExitStatus.ITEMS_FAILED),
    ("on_error: stop", "on_error: stop", "failed", ExitStatus.FAILED),
]


@pytest.mark.parametrize(("inner", "outer", "status", "exit_status"), ON_ERROR)
def test_on_error_of_inner_and_outer_steps(
    world: World, inner: str, outer: str, status: str, exit_status: ExitStatus
) -> None:
    def keys(text: str, indent: int) -> str:
        return f"\n{' ' * indent}{text}" if text else ""

    steps = f"""
steps:
  - id: g{keys(outer, 4)}
    steps:
      - id: bad{keys(inner, 8)}
        prompt: p
      - {{ id: next, prompt: p, needs: [bad] }}
  - {{ id: after, prompt: "{{{{ steps.g.status }}}}" }}
"""
    ended = world.run(steps, in_turn(**{"g/bad": [BAD]}))
    assert ended.status("g") == status
    assert ended.end.exit_status is exit_status
    assert ended.status("g/next") == ("skipped" if "continue" in inner else None)
    assert ended.status("after") == (None if exit_status is ExitStatus.FAILED else "succeeded")
