"""`for_each` and `repeat`: what goes round, how many at once, what fails, what later steps see."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from flowrunner.errors import ExitStatus
from flowrunner.responses.outcome import Outcome
from tests.engine_world import HEAD, Script, World, answered, in_turn, refused

BAD = refused(400, "bad")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def failing(*units: str) -> Script:
    """These units are refused, the rest answered."""

    def script(unit: str, body: dict[str, Any]) -> Outcome:
        return BAD if unit in units else answered(f"answer of {unit}")

    return script


SOURCES: dict[str, tuple[str, dict[str, Any], str, str, list[str]]] = {
    "a literal list": ("", {}, '["a", "b{{ 1 }}", "c"]', "{{ item }}", ["a", "b1", "c"]),
    "a list": (
        "inputs: { xs: { list: text } }\n",
        {"xs": ["x", "y"]},
        "inputs.xs",
        "{{ item }} {{ position }}",
        ["x 1", "y 2"],
    ),
    "a table": (
        "inputs: { t: table }\n",
        {"t": [{"n": "one", "v": "1"}, {"n": "two", "v": "2"}]},
        "inputs.t",
        "{{ item.n }}={{ item.v }}",
        ["one=1", "two=2"],
    ),
    "files": (
        "inputs: { fs: files }\n",
        {
            "fs": [
                {
                    "path": f"in/{name}.txt",
                    "name": f"{name}.txt",
                    "stem": name,
                    "ext": "txt",
                    "size": 2,
                    "sha256": "0",
                    "text": f"text of {name}",
                }
                for name in "ab"
            ]
        },
        "inputs.fs",
        "{{ item.stem }}: {{ item.text }}",
        ["a: text of a", "b: text of b"],
    ),
}


@pytest.mark.parametrize("case", SOURCES)
def test_what_for_each_goes_over(world: World, case: str) -> None:
    inputs, given, source, prompt, asked = SOURCES[case]
    steps = f"""
steps:
  - {{ id: each, for_each: {source}, prompt: "{prompt}" }}
result: "{{{{ steps.each.texts }}}}"
"""
    ended = world.run(steps, head=HEAD + inputs, inputs=given)
    assert [ended.asked()[f"each[{n}]"] for n in range(1, len(asked) + 1)] == asked
    assert ended.end.result == [f"answer of each[{n}]" for n in range(1, len(asked) + 1)]


def test_for_each_over_the_results_and_values_of_steps(world: World) -> None:
    steps = """
steps:
  - { id: names, set: { list: "{{ ['p', 'q'] }}" } }
  - { id: one, for_each: steps.names.output.list, as: name, prompt: "{{ name }}" }
  - { id: two, for_each: steps.one.results, as: r, prompt: "{{ r.position }} {{ r.text }}" }
  - { id: three, for_each: steps.two.texts, prompt: "{{ item }}" }
result: "{{ steps.three.results | map(attribute='position') }}"
"""
    ended = world.run(steps)
    assert ended.asked()["two[2]"] == "2 answer of one[2]"
    assert ended.asked()["three[1]"] == "answer of two[1]"
    assert ended.end.result == [1, 2]


def test_no_items_are_a_success_that_is_empty(world: World) -> None:
    steps = """
steps:
  - { id: each, for_each: [], prompt: "{{ item }}" }
  - { id: below, prompt: "{{ steps.each.texts | length }} {{ steps.each.results | length }}" }
result: { texts: "{{ steps.each.texts }}", cost: "{{ steps.each.cost_usd }}" }
"""
    ended = world.run(steps)
    assert ended.status("each") == "succeeded"
    assert ended.asked() == {"below": "0 0"}
    assert ended.end.result == {"texts": [], "cost": 0.0}


TALLY = """
steps:
  - {{ id: each, for_each: ["a", "b", "c"], prompt: "{{{{ item }}}}"{more} }}
  - {{ id: below, prompt: "{{{{ steps.each.texts | length }}}}" }}
result:
  texts: "{{{{ steps.each.texts }}}}"
  failed: "{{{{ steps.each.failed | length }}}}"
  which: "{{{{ steps.each.failed | map(attribute='input') }}}}"
  why: "{{{{ steps.each.failed | map(attribute='error.kind') }}}}"
  good: "{{{{ steps.each.results | map(attribute='position') }}}}"
  all: "{{{{ steps.each.results | length }}}}"
"""


def test_some_items_failed(world: World) -> None:
    ended = world.run(TALLY.format(more=""), failing("each[2]"))
    assert ended.end.exit_status is ExitStatus.ITEMS_FAILED
    assert ended.end.status == "succeeded"
    assert ended.status("each") == "succeeded"
    assert ended.asked()["below"] == "2"
    assert ended.end.result == {
        "texts": ["answer of each[1]", "answer of each[3]"],
        "failed": 1,
        "which": ["b"],
        "why": ["api-error"],
        "good": [1, 3],
        "all": 3,
    }


def test_all_items_failed_is_a_failure_that_is_gone_on_from(world: World) -> None:
    ended = world.run(TALLY.format(more=""), failing("each[1]", "each[2]", "each[3]"))
    assert ended.end.exit_status is ExitStatus.ITEMS_FAILED
    assert ended.status("each") == "failed"
    assert ended.status("below") == "skipped"
    result = ended.end.result
    assert isinstance(result, dict)
    assert (result["texts"], result["failed"], result["which"]) == ([], 3, ["a", "b", "c"])


def test_all_items_failed_under_stop(world: World) -> None:
    ended = world.run(TALLY.format(more=", on_error: stop, at_once: 1"), failing("each[1]"))
    assert ended.end.exit_status is ExitStatus.FAILED
    assert ended.sender.units() == ["each[1]"], "nothing new begins"
    assert ended.status("below") is None


def test_items_under_way_finish_when_one_fails_under_stop(world: World) -> None:
    ended = world.run(TALLY.format(more=", on_error: stop"), failing("each[1]"))
    assert ended.end.exit_status is ExitStatus.FAILED
    assert {ended.status(f"each[{n}]") for n in (2, 3)} == {"succeeded"}


def test_results_stand_in_the_order_of_the_items(world: World) -> None:
    chance = random.Random(7)
    world.pauses = lambda: chance.randint(0, 20)
    steps = f"""
steps:
  - {{ id: each, for_each: {[f"i{n}" for n in range(40)]}, prompt: "{{{{ item }}}}" }}
result: "{{{{ steps.each.texts }}}}"
"""
    ended = world.run(steps)
    assert ended.end.result == [f"answer of each[{n}]" for n in range(1, 41)]


@pytest.mark.parametrize(("of_step", "of_run", "most"), [(3, 8, 3), (8, 3, 3), (1, 8, 1)])
def test_never_more_at_once_than_allowed(
    world: World, of_step: int, of_run: int, most: int
) -> None:
    world.pauses = lambda: 3
    items = [f"i{n}" for n in range(20)]
    steps = f"""
steps:
  - {{ id: each, for_each: {items}, at_once: {of_step}, prompt: "{{{{ item }}}}" }}
"""
    ended = world.run(steps, at_once=of_run)
    assert ended.sender.most_at_once == most


@pytest.mark.parametrize(("at_once", "most"), [(16, 6), (4, 4)])
def test_nested_numbers_at_once_multiply_up_to_the_limit(
    world: World, at_once: int, most: int
) -> None:
    world.pauses = lambda: 5
    steps = """
steps:
  - id: outer
    for_each: [a, b, c, d]
    at_once: 2
    as: x
    steps:
      - { id: inner, for_each: [1, 2, 3, 4, 5, 6], at_once: 3, as: y, prompt: "{{ x }}{{ y }}" }
"""
    ended = world.run(steps, at_once=at_once)
    assert ended.sender.most_at_once == most
    assert len(ended.sender.bodies) == 24
    assert ended.asked()["outer[3]/inner[6]"] == "c6"


def test_an_if_counts_per_item(world: World) -> None:
    steps = """
steps:
  - { id: each, for_each: [1, 2, 3], as: n, if: n > 1, prompt: "{{ n }}" }
result: { texts: "{{ steps.each.texts }}", failed: "{{ steps.each.failed }}" }
"""
    ended = world.run(steps)
    assert ended.status("each[1]") == "skipped"
    assert ended.end.exit_status is ExitStatus.DONE
    assert ended.end.result == {"texts": ["answer of each[2]", "answer of each[3]"], "failed": []}


GROUPS = """
steps:
  - id: each
    for_each: [a, b, c]
    as: x
    steps:
      - { id: read, prompt: "read {{ x }}" }
      - { id: judge, prompt: "{{ position }} {{ steps.read.text }}", output: { good: yes_no } }
  - id: below
    for_each: steps.each.results
    as: r
    if: r.ok
    write: "{{ r.input }}: {{ r.steps.read.text }} {{ r.output.good }}"
result:
  below: "{{ steps.below.texts }}"
  outputs: "{{ steps.each.outputs }}"
  second: "{{ default(steps.each.results[1].steps.read.text, 'none') }}"
"""


def test_groups_inside_for_each(world: World) -> None:
    def script(unit: str, body: dict[str, Any]) -> Outcome:
        if unit == "each[2]/judge":
            return BAD
        return answered('{"good": true}' if unit.endswith("judge") else f"answer of {unit}")

    ended = world.run(GROUPS, script)
    assert ended.end.exit_status is ExitStatus.ITEMS_FAILED
    assert ended.end.result == {
        "below": ["a: answer of each[1]/read true", "c: answer of each[3]/read true"],
        "outputs": [{"good": True}, {"good": True}],
        "second": "answer of each[2]/read",
    }
    assert ended.asked()["each[3]/judge"] == "3 answer of each[3]/read"


def test_an_inner_loop_sees_the_outer_item(world: World) -> None:
    steps = """
steps:
  - id: outer
    for_each: [a, b]
    as: x
    steps:
      - { id: inner, for_each: [1, 2], as: y, prompt: "{{ x }}{{ y }}" }
      - { id: sum, write: "{{ steps.inner.texts | length }} of {{ x }}" }
result: "{{ steps.outer.texts }}"
"""
    assert world.run(steps).end.result == ["2 of a", "2 of b"]


def test_a_list_that_is_empty_or_none(world: World) -> None:
    head = HEAD + "inputs: { xs: { list: text, optional: true }, j: json }\n"
    steps = """
steps:
  - { id: empty, for_each: "default(inputs.xs, [])", prompt: "{{ item }}" }
  - { id: wrong, for_each: inputs.j, prompt: "{{ item }}" }
"""
    ended = world.run(steps, head=head, inputs={"xs": None, "j": 3})
    assert ended.status("empty") == "succeeded"
    assert ended.reason("wrong") == "not-a-list"


def test_many_items_are_begun_when_there_is_room(world: World) -> None:
    world.inline = False
    head = HEAD + "inputs: { xs: json }\n"
    steps = """
steps:
  - id: each
    for_each: inputs.xs
    steps:
      - { id: one, prompt: "{{ item }}" }
result: "{{ steps.each.texts | length }}"
"""
    ended = world.run(steps, head=head, inputs={"xs": list(range(2000))}, at_once=32)
    assert ended.end.result == 2000
    assert ended.sender.most_tasks < 32 * 4 + 10


COMMANDS = """
steps:
  - id: each
    for_each: [a, b, c, d]
    {keys}
    run: [sh, -c, "echo begin $0 >> log; sleep 0.02; echo end $0 >> log", "{{{{ item }}}}"]
"""


def test_items_with_effects_run_one_at_a_time_in_order(world: World) -> None:
    ended = world.run(COMMANDS.format(keys="at_once: 4"))
    assert ended.end.exit_status is ExitStatus.DONE
    log = (world.folder / "log").read_text(encoding="utf-8").split("\n")[:-1]
    assert log == [f"{what} {item}" for item in "abcd" for what in ("begin", "end")]


def test_items_without_effects_run_side_by_side(world: World) -> None:
    world.run(COMMANDS.format(keys="changes_things: false"))
    log = (world.folder / "log").read_text(encoding="utf-8")
    assert log.index("begin b") < log.index("end a")


REPEAT = """
steps:
  - id: polish
    repeat: {{ until: "steps.judge.output.score >= 8", at_most: 3{more} }}
    steps:
      - {{ id: draft, prompt: "write {{{{ default(previous.judge.output.advice, 'first') }}}}" }}
      - id: judge
        prompt: "judge {{{{ steps.draft.text }}}}"
        output: {{ score: integer, advice: text }}
  - id: below
    prompt: >-
      {{{{ steps.draft.text }}}} {{{{ steps.judge.output.score }}}} {{{{ steps.polish.reached }}}}
result:
  rounds: "{{{{ steps.polish.rounds }}}}"
  reached: "{{{{ steps.polish.reached }}}}"
  score: "{{{{ steps.polish.output.score }}}}"
"""


def judging(*scores: int) -> Script:
    """Judges by these scores in turn."""
    left = iter(scores)

    def script(unit: str, body: dict[str, Any]) -> Outcome:
        if unit.endswith("judge"):
            score = next(left)
            return answered(f'{{"score": {score}, "advice": "more than {score}"}}')
        return answered(f"answer of {unit}")

    return script


def test_rounds_until_the_goal(world: World) -> None:
    ended = world.run(REPEAT.format(more=""), judging(3, 9))
    assert ended.end.result == {"rounds": 2, "reached": True, "score": 9}
    assert ended.asked()["polish#1/draft"] == "write first"
    assert ended.asked()["polish#2/draft"] == "write more than 3"
    assert ended.asked()["below"] == "answer of polish#2/draft 9 true"
    assert ended.state.warnings == []


def test_rounds_that_do_not_reach_the_goal(world: World) -> None:
    ended = world.run(REPEAT.format(more=""), judging(1, 2, 3))
    assert ended.end.exit_status is ExitStatus.DONE
    assert ended.end.result == {"rounds": 3, "reached": False, "score": 3}
    assert [warning.code for warning in ended.state.warnings] == ["not-reached"]


def test_rounds_that_must_reach_the_goal(world: World) -> None:
    ended = world.run(REPEAT.format(more=", or_fail: true"), judging(1, 2, 3))
    assert ended.end.exit_status is ExitStatus.FAILED
    assert ended.reason("polish") == "not-reached"
    assert ended.status("below") is None


def test_a_round_of_one_step(world: World) -> None:
    steps = """
steps:
  - id: grow
    repeat: { until: "steps.grow.output.n >= 3", at_most: 5 }
    prompt: "after {{ default(previous.grow.output.n, 0) }}"
    output: { n: integer }
result: ["{{ steps.grow.output.n }}", "{{ steps.grow.rounds }}"]
"""
    replies = in_turn(**{f"grow#{n}": [answered(f'{{"n": {n}}}')] for n in (1, 2, 3)})
    ended = world.run(steps, replies)
    assert ended.end.result == [3, 3]
    assert ended.asked()["grow#3"] == "after 2"


def test_a_round_that_fails_ends_the_loop(world: World) -> None:
    ended = world.run(REPEAT.format(more=""), failing("polish#1/draft"))
    assert ended.status("polish") == "failed"
    assert ended.end.exit_status is ExitStatus.FAILED


def test_a_resume_goes_on_in_the_middle_of_a_loop(world: World) -> None:
    def broken(unit: str, body: dict[str, Any]) -> Outcome:
        if unit == "polish#2/judge":
            return BAD
        return judging(3)(unit, body)

    assert world.run(REPEAT.format(more=""), broken).end.exit_status is ExitStatus.FAILED
    again = world.resume(judging(9))
    assert again.sender.units() == ["polish#2/judge", "below"]
    assert again.end.result == {"rounds": 2, "reached": True, "score": 9}


def test_loops_of_items(world: World) -> None:
    steps = """
steps:
  - id: each
    for_each: [a, b]
    repeat: { until: "steps.judge.output.ok", at_most: 2 }
    steps:
      - { id: draft, prompt: "{{ item }}" }
      - { id: judge, prompt: j, output: { ok: yes_no } }
result:
  rounds: "{{ steps.each.results | map(attribute='rounds') }}"
  drafts: "{{ steps.each.results | map(attribute='steps.draft.text') }}"
"""

    def script(unit: str, body: dict[str, Any]) -> Outcome:
        if unit.endswith("judge"):
            return answered('{"ok": true}' if unit != "each[1]#1/judge" else '{"ok": false}')
        return answered(f"answer of {unit}")

    ended = world.run(steps, script)
    assert ended.end.result == {
        "rounds": [2, 1],
        "drafts": ["answer of each[1]#2/draft", "answer of each[2]#1/draft"],
    }
