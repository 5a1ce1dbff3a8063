"""A run taken up again: what is done is kept, what failed is asked again, what was edited is done
again and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flowrunner.engine.ports import Stop
from flowrunner.errors import ExitStatus
from flowrunner.journal.decisions import decide
from flowrunner.responses.outcome import Outcome
from tests.engine_world import Script, World, answered, in_turn, lost, refused

BAD = refused(400, "bad")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def failing(*units: str) -> Script:
    """These units are refused, the rest answered with what they were asked."""

    def script(unit: str, body: dict[str, Any]) -> Outcome:
        return BAD if unit in units else answered(f"({body['input']})")

    return script


ITEMS = """
steps:
  - { id: each, for_each: [a, b, c, d], prompt: "{{ item }}" }
  - { id: sum, prompt: "{{ steps.each.texts | join(' ') }}" }
  - { id: apart, prompt: p }
result: "{{ steps.sum.text }}"
"""


def test_only_failed_items_are_asked_again_and_what_hangs_on_them(world: World) -> None:
    first = world.run(ITEMS, failing("each[2]", "each[4]"))
    assert first.end.exit_status is ExitStatus.ITEMS_FAILED
    assert first.end.result == "((a) (c))"
    again = world.resume(failing())
    assert again.sender.units() == ["each[2]", "each[4]", "sum"]
    assert again.end.exit_status is ExitStatus.DONE
    assert again.end.result == "((a) (b) (c) (d))"


def test_what_fails_again_changes_nothing_else(world: World) -> None:
    world.run(ITEMS, failing("each[2]"))
    again = world.resume(failing("each[2]"))
    assert again.sender.units() == ["each[2]"], "the request of `sum` is the same"
    assert again.end.exit_status is ExitStatus.ITEMS_FAILED
    assert again.end.result == "((a) (c) (d))"


DEEP = {
    "group": """
  - id: g
    steps:
      - { id: each, for_each: [a, b], prompt: "{{ item }}" }
      - { id: last, write: "{{ steps.each.texts | join }}" }
""",
    "branch": """
  - id: g
    branch: "'x'"
    cases:
      x:
        - { id: each, for_each: [a, b], prompt: "{{ item }}" }
        - { id: last, write: "{{ steps.each.texts | join }}" }
""",
    "loop": """
  - id: g
    repeat: { until: true, at_most: 2 }
    steps:
      - { id: each, for_each: [a, b], prompt: "{{ item }}" }
      - { id: last, write: "{{ steps.each.texts | join }}" }
""",
    "items": """
  - id: g
    for_each: [x]
    steps:
      - { id: each, for_each: [a, b], as: y, prompt: "{{ y }}" }
      - { id: last, write: "{{ steps.each.texts | join }}" }
""",
}


@pytest.mark.parametrize("where", DEEP)
def test_items_that_failed_inside_other_steps_are_asked_again(world: World, where: str) -> None:
    unit = {"loop": "g#1/each[2]", "items": "g[1]/each[2]"}.get(where, "g/each[2]")
    text = "steps.g.texts | join" if where == "items" else "steps.g.text"
    steps = f"steps:{DEEP[where]}  - {{ id: below, prompt: '{{{{ {text} }}}}' }}\n"
    first = world.run(steps, failing(unit))
    assert first.end.exit_status is ExitStatus.ITEMS_FAILED
    assert first.asked()["below"] == "(a)"
    again = world.resume(failing())
    assert again.sender.units() == [unit, "below"]
    assert again.asked()["below"] == "(a)(b)"
    assert again.end.exit_status is ExitStatus.DONE
    assert world.run_folder.exists()


def test_a_failed_step_that_was_gone_on_from_is_asked_again(world: World) -> None:
    steps = """
steps:
  - { id: a, prompt: a, on_error: continue }
  - { id: plain, prompt: "{{ steps.a.text }}" }
  - { id: guarded, prompt: "{{ default(steps.a.text, 'none') }}" }
  - { id: apart, prompt: p }
"""
    first = world.run(steps, failing("a"))
    assert first.status("plain") == "skipped"
    again = world.resume(failing())
    assert sorted(again.sender.units()) == ["a", "guarded", "plain"]
    assert again.asked()["guarded"] == "(a)"


def test_a_long_chain_of_finished_steps_is_taken_up(world: World) -> None:
    world.inline = False
    links = "".join(
        f'  - {{ id: s{n}, write: "{{{{ steps.s{n - 1}.text }}}}" }}\n' for n in range(1, 1100)
    )
    steps = (
        f"steps:\n  - {{ id: s0, write: x }}\n{links}  - {{ id: end, prompt: p, needs: [s1099] }}"
    )
    world.run(steps, failing("end"))
    assert world.resume().end.exit_status is ExitStatus.DONE


def test_a_held_item_is_asked_again_only_when_a_person_says_so(world: World) -> None:
    steps = """
steps:
  - { id: each, for_each: [a, b], on_unknown: hold, prompt: "{{ item }}" }
  - { id: below, prompt: "{{ steps.each.texts | length }}" }
"""
    first = world.run(steps, in_turn(**{"each[1]": [lost()]}))
    assert first.end.exit_status is ExitStatus.HELD
    assert "`each[1]` is unknown" in (first.end.message or "")
    assert "`each`" not in (first.end.message or "")
    again = world.resume()
    assert again.end.exit_status is ExitStatus.HELD
    assert again.sender.units() == []
    asked = world.resume(asks_held=True)
    assert asked.sender.units() == ["each[1]", "below"]
    assert asked.end.exit_status is ExitStatus.DONE


FOUR = """
steps:
  - {{ id: a, prompt: {a} }}
  - {{ id: b, prompt: "{b} {{{{ steps.a.text }}}}" }}
  - {{ id: c, prompt: "c {{{{ steps.b.text | length }}}}" }}
  - {{ id: d, prompt: d }}
  - id: g
    steps:
      - {{ id: inner, prompt: "{g}" }}
      - {{ id: other, prompt: "o {{{{ steps.a.text | length }}}}" }}
  - {{ id: each, for_each: ["x", "y"], prompt: "{e} {{{{ item }}}}" }}
  - id: again
    repeat: {{ until: false, at_most: 2 }}
    steps:
      - {{ id: round, prompt: "{r}" }}
  - {{ id: note, write: "{{{{ steps.inner.text }}}} {{{{ steps.each.texts | length }}}}" }}
result: {{ note: "{{{{ steps.note.text }}}}", round: "{{{{ steps.round.text }}}}" }}
"""
TEXTS = {"a": "one", "b": "two", "g": "three", "e": "four", "r": "five"}


@pytest.mark.parametrize(
    ("edit", "asked"),
    [
        ({}, []),
        ({"a": "uno"}, ["a", "b"]),
        ({"a": "longer"}, ["a", "b", "c", "g/other"]),
        ({"b": "dos"}, ["b"]),
        ({"g": "tres"}, ["g/inner"]),
        ({"e": "quatro"}, ["each[1]", "each[2]"]),
        ({"r": "cinco"}, ["again#1/round", "again#2/round"]),
    ],
    ids=lambda value: "-".join(value) or "nothing" if isinstance(value, dict) else "",
)
def test_an_edit_does_again_exactly_what_it_touches(
    world: World, edit: dict[str, str], asked: list[str]
) -> None:
    first = world.run(FOUR.format(**TEXTS), failing())
    assert first.end.exit_status is ExitStatus.DONE
    again = world.resume(failing(), edited=FOUR.format(**TEXTS | edit))
    assert sorted(again.sender.units()) == asked
    assert again.end.exit_status is ExitStatus.DONE
    texts = TEXTS | edit
    assert again.end.result == {"note": f"({texts['g']}) 2", "round": f"({texts['r']})"}
    assert {step.status for step in again.state.steps.values()} == {"succeeded"}
    assert again.result("each")["items"] == 2, "what is kept still has its result"


def test_an_edit_that_takes_another_case_forgets_the_first(world: World) -> None:
    steps = """
steps:
  - {{ id: sort, set: {{ team: "{team}" }} }}
  - id: answer
    branch: steps.sort.output.team
    cases:
      bug: [{{ id: bug, prompt: b }}]
    otherwise: [{{ id: other, prompt: o }}]
  - id: extra
    if: steps.sort.output.team == 'bug'
    steps:
      - {{ id: inner, prompt: i }}
result:
  first: "{{{{ first(steps.bug.text, steps.other.text) }}}}"
  inner: "{{{{ default(steps.inner.text, 'none') }}}}"
  joined: "{{{{ steps.answer.text }}}}"
"""
    first = world.run(steps.format(team="bug"), failing())
    assert first.end.result == {"first": "(b)", "inner": "(i)", "joined": "(b)"}
    again = world.resume(failing(), edited=steps.format(team="else"))
    assert again.sender.units() == ["answer/other"]
    assert again.end.result == {"first": "(o)", "inner": "none", "joined": "(o)"}


def test_an_edit_that_shortens_a_list(world: World) -> None:
    steps = 'steps:\n  - { id: each, for_each: LIST, prompt: "{{ item }}" }\n'
    steps += 'result: "{{ steps.each.texts }}"\n'
    world.run(steps.replace("LIST", "[a, b, c]"), failing())
    again = world.resume(failing(), edited=steps.replace("LIST", "[a, x]"))
    assert again.sender.units() == ["each[2]"]
    assert again.end.result == ["(a)", "(x)"]


def test_an_edit_of_a_question_asks_a_person_again(world: World) -> None:
    world.answers = {"ask": True}
    steps = 'steps:\n  - { id: ask, approve: "TEXT" }\n  - { id: send, prompt: p }\n'
    world.run(steps.replace("TEXT", "Send?"), failing())
    same = world.resume(
        failing(), edited=steps.replace("prompt: p", "prompt: q").replace("TEXT", "Send?")
    )
    assert same.sender.units() == ["send"]
    world.answers = None
    other = world.resume(failing(), edited=steps.replace("TEXT", "Send all?"))
    assert other.end.exit_status is ExitStatus.WAITING


def test_commands_run_again_only_when_their_words_change(world: World) -> None:
    steps = """
steps:
  - {{ id: a, run: [sh, -c, "echo {word} >> log; echo {word}"] }}
  - {{ id: b, run: [sh, -c, "echo {word} > log2"], changes_things: false }}
"""
    world.run(steps.format(word="one"))
    world.resume(edited=steps.format(word="one") + "  - { id: c, write: x }\n")
    assert (world.folder / "log").read_text(encoding="utf-8") == "one\n"
    world.resume(edited=steps.format(word="two"))
    assert (world.folder / "log").read_text(encoding="utf-8") == "one\ntwo\n"


ONLY = """
steps:
  - { id: bad, prompt: bad, on_error: continue }
  - { id: below, prompt: "{{ steps.bad.text }}" }
  - { id: apart, prompt: apart }
  - { id: last, prompt: last, needs: [apart] }
"""


def test_only_what_failed_and_what_hangs_on_it(world: World) -> None:
    first = world.run(ONLY, failing("bad"))
    assert first.end.exit_status is ExitStatus.ITEMS_FAILED
    again = world.resume(failing(), failed_only=True)
    assert again.sender.units() == ["bad", "below"]
    assert again.end.exit_status is ExitStatus.DONE


def ending_at(stop: Stop, unit: str, *failed: str) -> Script:
    """As `failing`; the answer of one unit is the last before the run is ended."""

    def script(asked: str, body: dict[str, Any]) -> Outcome:
        if asked == unit:
            stop.ask("interrupt")
        return failing(*failed)(asked, body)

    return script


def test_what_never_began_is_left_and_said(world: World) -> None:
    stop = Stop()
    first = world.run(ONLY, ending_at(stop, "apart", "bad"), stop=stop, at_once=1)
    assert first.end.exit_status is ExitStatus.INTERRUPTED
    assert first.status("last") is None
    only = world.resume(failing(), failed_only=True)
    assert only.sender.units() == ["bad", "below"]
    assert only.end.exit_status is ExitStatus.BUDGET
    assert only.end.message == "`last` had not ended and was left"
    assert only.end.help == "`flowrunner resume run-1` goes on with the rest"
    rest = world.resume(failing())
    assert rest.sender.units() == ["last"]
    assert rest.end.exit_status is ExitStatus.DONE


def test_what_fails_again_is_said_before_what_is_left(world: World) -> None:
    stop = Stop()
    world.run(ONLY, ending_at(stop, "apart", "bad"), stop=stop, at_once=1)
    again = world.resume(failing("bad"), failed_only=True)
    assert again.sender.units() == ["bad"]
    assert again.end.exit_status is ExitStatus.BUDGET
    assert again.status("below") == "skipped"


STOPPING = """
steps:
  - { id: slow, prompt: slow }
  - { id: bad, prompt: bad }
  - { id: below, prompt: "{{ steps.bad.text }}" }
  - { id: apart, prompt: apart, needs: [slow] }
"""


def test_after_a_failure_that_ended_the_run_the_rest_is_left(world: World) -> None:
    first = world.run(STOPPING, failing("bad"), at_once=1)
    assert first.end.exit_status is ExitStatus.FAILED
    assert first.status("apart") is None
    only = world.resume(failing(), failed_only=True)
    assert only.sender.units() == ["bad", "below"]
    assert only.end.message == "`apart` had not ended and was left"
    still = world.resume(failing("apart"))
    assert still.sender.units() == ["apart"]
    same = world.resume(failing("apart"), failed_only=True)
    assert same.end.exit_status is ExitStatus.FAILED


def test_items_that_never_began_are_left(world: World) -> None:
    stop = Stop()
    first = world.run(ITEMS, ending_at(stop, "each[3]", "each[2]"), stop=stop, at_once=1)
    assert first.end.exit_status is ExitStatus.INTERRUPTED
    only = world.resume(failing(), failed_only=True)
    assert only.sender.units() == ["each[2]"], "`sum` waits for the whole list"
    assert only.end.message == "`each[4]` had not ended and was left"
    rest = world.resume(failing())
    assert rest.sender.units() == ["each[4]", "sum"]
    assert rest.end.result == "((a) (b) (c) (d))"


@pytest.mark.parametrize("where", DEEP)
def test_nested_items_that_failed_are_done_and_no_others(world: World, where: str) -> None:
    inner = {"loop": "g#1/", "items": "g[1]/"}.get(where, "g/")
    steps = f"steps:{DEEP[where].replace('[a, b]', '[a, b, c]')}"
    stop = Stop()
    script = ending_at(stop, f"{inner}each[2]", f"{inner}each[1]")
    first = world.run(steps, script, stop=stop, at_once=1)
    assert first.end.exit_status is ExitStatus.INTERRUPTED
    only = world.resume(failing(), failed_only=True)
    assert only.sender.units() == [f"{inner}each[1]"]
    assert only.end.exit_status is ExitStatus.BUDGET
    assert only.end.message == f"`{inner}each[3]` had not ended and was left"
    rest = world.resume(failing())
    assert rest.sender.units() == [f"{inner}each[3]"]
    assert rest.end.exit_status is ExitStatus.DONE


ROUNDS = """
steps:
  - id: polish
    repeat: { until: false, at_most: 3 }
    steps:
      - { id: draft, prompt: "{{ default(previous.judge.text, 'none') }}" }
      - { id: judge, prompt: "judge {{ default(steps.draft.text, 'nothing') }}" }
  - { id: apart, prompt: apart }
"""


def test_rounds_after_one_that_failed_hang_on_it(world: World) -> None:
    first = world.run(ROUNDS, failing("polish#2/judge"))
    assert first.end.exit_status is ExitStatus.FAILED
    only = world.resume(failing(), failed_only=True)
    assert only.sender.units() == ["polish#2/judge", "polish#3/draft", "polish#3/judge"]
    assert only.end.exit_status is ExitStatus.DONE


def test_rounds_that_never_began_are_left(world: World) -> None:
    steps = ROUNDS.replace("prompt: apart", "prompt: apart, on_error: continue")
    stop = Stop()
    script = ending_at(stop, "polish#2/draft", "apart")
    assert world.run(steps, script, stop=stop, at_once=2).status("apart") == "failed"
    only = world.resume(failing(), failed_only=True)
    assert only.sender.units() == ["apart"]
    assert only.end.message == "`polish` had not ended and was left"


def test_what_waits_and_what_is_held_is_left(world: World) -> None:
    steps = """
steps:
  - { id: bad, prompt: bad, on_error: continue }
  - { id: each, for_each: [a, b, c], on_unknown: hold, prompt: "{{ item }}" }
  - { id: ask, approve: "Go on?" }
  - { id: below, prompt: below }
"""

    def losing(unit: str, body: dict[str, Any]) -> Outcome:
        return lost() if unit == "each[1]" else failing("bad")(unit, body)

    first = world.run(steps, losing)
    assert first.end.exit_status is ExitStatus.HELD
    decide(world.run_folder, "ask", granted=True, by="ada", why=None, at=0.0)
    only = world.resume(failing(), failed_only=True)
    assert only.sender.units() == ["bad"]
    assert only.end.exit_status is ExitStatus.HELD
    assert only.status("ask") == "waiting"
    assert only.status("each[1]") == "unknown"
    rest = world.resume(failing(), asks_held=True)
    assert sorted(rest.sender.units()) == ["below", "each[1]"]
    assert rest.end.exit_status is ExitStatus.DONE


def test_an_edit_of_what_failed_is_taken_and_nothing_begun(world: World) -> None:
    stop = Stop()
    world.run(ONLY, ending_at(stop, "apart", "bad"), stop=stop, at_once=1)
    edited = ONLY.replace("prompt: bad,", "prompt: better,").replace("prompt: apart", "prompt: new")
    only = world.resume(failing(), edited=edited, failed_only=True)
    assert sorted(only.sender.units()) == ["apart", "bad", "below", "last"]
    assert only.asked()["below"] == "(better)"


LIST = """
steps:
  - {{ id: each, for_each: {items}, prompt: "{{{{ item }}}}" }}
  - {{ id: group, for_each: {items}, steps: [{{ id: inner, prompt: "in {{{{ item }}}}" }}] }}
result: "{{{{ steps.each.texts | join }}}}"
"""


@pytest.mark.parametrize(
    ("new", "asked"),
    [
        ("[n, a, b]", ["each[1]", "group[1]/inner"]),
        ("[b, a]", []),
        ("[b]", []),
        ("[a, a, b]", ["each[2]", "group[2]/inner"]),
    ],
)
def test_items_that_moved_are_not_done_again(world: World, new: str, asked: list[str]) -> None:
    world.run(LIST.format(items="[a, b]"), failing())
    again = world.resume(failing(), edited=LIST.format(items=new))
    assert sorted(again.sender.units()) == asked
    names = new.strip("[]").split(", ")
    assert again.end.result == "".join(f"({name})" for name in names)
    assert again.end.exit_status is ExitStatus.DONE
