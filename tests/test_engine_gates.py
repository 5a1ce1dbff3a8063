"""Gates: a person who must agree, and the early ends of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flowrunner.engine.ports import Stop
from flowrunner.errors import ExitStatus
from flowrunner.journal.decisions import decide
from flowrunner.language.load import load_text
from flowrunner.responses.outcome import Outcome
from tests.engine_world import HEAD, TODAY, World, answered, in_turn, refused


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def decided(world: World, unit: str, granted: bool = True, why: str | None = None) -> None:
    """Somebody decides in another shell."""
    decide(world.run_folder, unit, granted=granted, by="bob", why=why, at=world.clock.now())


STEPS = """
steps:
  - { id: draft, prompt: d }
  - { id: agree, approve: "Send {{ steps.draft.text }}?" }
  - { id: send, prompt: s }
  - id: later
    steps:
      - { id: inner, write: i }
result: "{{ steps.send.text }}"
"""


def test_who_agrees_lets_the_steps_below_go_on(world: World) -> None:
    world.answers = {"agree": True}
    ended = world.run(STEPS)
    assert ended.end.exit_status is ExitStatus.DONE
    assert ended.sender.units() == ["draft", "send"]
    approval = ended.state.steps["agree"].approval
    assert approval is not None
    assert (approval.text, approval.granted, approval.by) == (
        "Send answer of draft?",
        True,
        "ada",
    )


def test_an_approval_offers_how_it_ended_and_nothing_else(world: World) -> None:
    steps = """
steps:
  - { id: each, for_each: [a, b], approve: "{{ item }}?" }
  - { id: told, write: "{{ steps.each.results | map(attribute='status') | join(' ') }}" }
"""
    text = HEAD + steps.replace("steps.each.results", "steps.each.outputs")
    _, found = load_text(text, "flow.yaml", world.folder, today=TODAY)
    assert "has no field `outputs`" in found[0].message
    world.answers = {"each[1]": True, "each[2]": True}
    ended = world.run(steps)
    assert ended.result("told")["text"] == "succeeded succeeded"
    result = ended.result("each[1]")
    assert (result["output"], result["has_output"], result["text"]) == (None, False, None)


def test_who_denies_blocks_all_below(world: World) -> None:
    world.answers = {"agree": False}
    ended = world.run(STEPS)
    assert ended.end.exit_status is ExitStatus.BUDGET
    assert ended.end.status == "stopped"
    assert "ada did not agree" in (ended.end.message or "")
    assert ended.status("agree") == "cancelled"
    assert ended.status("send") is ended.status("later") is None
    assert ended.end.result is None


def test_a_run_waits_for_a_person_and_goes_on_after_the_decision(world: World) -> None:
    ended = world.run(STEPS)
    assert ended.end.exit_status is ExitStatus.WAITING
    assert ended.end.status == "waiting"
    assert "Send answer of draft?" in (ended.end.message or "")
    assert "flowrunner approve run-1 agree" in (ended.end.help or "")
    still = world.resume()
    assert still.end.exit_status is ExitStatus.WAITING
    assert still.sender.units() == []
    decided(world, "agree")
    again = world.resume()
    assert again.end.exit_status is ExitStatus.DONE
    assert again.sender.units() == ["send"]
    assert again.end.result == "answer of send"


def test_a_denial_after_the_run_ended(world: World) -> None:
    world.run(STEPS)
    decided(world, "agree", granted=False, why="too long")
    ended = world.resume()
    assert ended.end.exit_status is ExitStatus.BUDGET
    assert "bob did not agree: too long" in (ended.end.message or "")


def test_a_decision_while_the_run_lives(world: World) -> None:
    world.pauses = lambda: 200
    steps = """
steps:
  - { id: slow, prompt: s }
  - { id: agree, approve: "Go on?" }
  - { id: send, prompt: p }
"""

    def script(unit: str, body: dict[str, Any]) -> Outcome:
        if unit == "slow":
            decided(world, "agree")
        return answered()

    ended = world.run(steps, script)
    assert ended.end.exit_status is ExitStatus.DONE
    assert ended.sender.units() == ["slow", "send"]


NESTED = {
    "in a group": """
  - id: g
    steps:
      - { id: agree, approve: "Go on?" }
      - { id: send, prompt: p }
""",
    "in a case": """
  - id: g
    branch: "'x'"
    cases:
      x:
        - { id: agree, approve: "Go on?" }
        - { id: send, prompt: p }
""",
    "in a loop": """
  - id: g
    repeat: { until: true, at_most: 2 }
    steps:
      - { id: agree, approve: "Go on?" }
      - { id: send, prompt: p }
""",
    "in a group in a group": """
  - id: g
    steps:
      - id: h
        steps:
          - { id: agree, approve: "Go on?" }
          - { id: send, prompt: p }
""",
}


@pytest.mark.parametrize("where", NESTED)
def test_a_gate_inside_holds_what_is_inside(world: World, where: str) -> None:
    steps = f"steps:{NESTED[where]}  - {{ id: other, prompt: o }}\n"
    ended = world.run(steps)
    assert ended.end.exit_status is ExitStatus.WAITING
    assert ended.sender.units() == ["other"], "what does not hang on it goes on"
    (waiting,) = (u for u in ended.state.waiting_units() if u.endswith("agree"))
    assert f"approve run-1 {waiting}`" in (ended.end.help or "")
    decided(world, waiting)
    again = world.resume()
    assert again.end.exit_status is ExitStatus.DONE
    assert again.sender.units() == [waiting.replace("agree", "send")]


ITEMS = """
steps:
  - id: each
    for_each: [a, b, c]
    as: x
    steps:
      - { id: agree, approve: "Send {{ x }}?" }
      - { id: send, prompt: "{{ x }}" }
  - { id: below, write: "{{ steps.each.texts | length }}" }
"""


@pytest.mark.parametrize("at_once", [1, 2, 16])
def test_a_gate_per_item_asks_for_every_item(world: World, at_once: int) -> None:
    ended = world.run(ITEMS, at_once=at_once)
    assert ended.end.exit_status is ExitStatus.WAITING
    units = [f"each[{n}]/agree" for n in (1, 2, 3)]
    assert [u for u in ended.state.waiting_units() if "agree" in u] == units
    decided(world, units[0])
    some = world.resume(at_once=at_once)
    assert some.end.exit_status is ExitStatus.WAITING
    assert some.sender.units() == ["each[1]/send"]
    decided(world, units[1])
    decided(world, units[2])
    done = world.resume(at_once=at_once)
    assert done.end.exit_status is ExitStatus.DONE
    assert sorted(done.sender.units()) == ["each[2]/send", "each[3]/send"]


def test_an_item_that_is_denied_holds_what_hangs_on_all_of_them(world: World) -> None:
    world.answers = {f"each[{n}]/agree": n != 2 for n in (1, 2, 3)}
    ended = world.run(ITEMS)
    assert ended.end.exit_status is ExitStatus.BUDGET
    assert sorted(ended.sender.units()) == ["each[1]/send", "each[3]/send"]
    assert ended.status("below") is None


def test_approve_itself_per_item(world: World) -> None:
    steps = """
steps:
  - { id: ask, for_each: [a, b], approve: "{{ item }}?" }
  - { id: send, prompt: p }
"""
    assert world.run(steps).end.exit_status is ExitStatus.WAITING
    decided(world, "ask[1]")
    decided(world, "ask[2]")
    assert world.resume().sender.units() == ["send"]


@pytest.mark.parametrize("gate", ['approve: "Sure?"', "stop: enough", "fail: wrong"])
def test_a_gate_whose_if_is_false_is_open(world: World, gate: str) -> None:
    steps = f"""
steps:
  - {{ id: gate, if: false, {gate} }}
  - {{ id: below, prompt: p }}
"""
    ended = world.run(steps)
    assert ended.end.exit_status is ExitStatus.DONE
    assert ended.sender.units() == ["below"]


def test_stop_ends_the_run_as_a_success(world: World) -> None:
    steps = """
steps:
  - { id: a, prompt: a }
  - { id: enough, if: "steps.a.status == 'succeeded'", stop: "done with {{ steps.a.text }}" }
  - { id: below, prompt: b }
  - id: group
    steps:
      - { id: inner, prompt: i }
result: { a: "{{ steps.a.text }}", below: "{{ default(steps.below.text, 'none') }}" }
"""
    ended = world.run(steps)
    assert ended.end.exit_status is ExitStatus.DONE
    assert ended.sender.units() == ["a"]
    assert ended.end.result == {"a": "answer of a", "below": "none"}


def test_stop_inside_a_group_ends_the_file(world: World) -> None:
    steps = """
steps:
  - id: g
    steps:
      - { id: one, prompt: p }
      - { id: enough, needs: [one], stop: enough }
      - { id: two, prompt: p }
  - { id: below, prompt: b, needs: [g] }
"""
    ended = world.run(steps)
    assert ended.end.exit_status is ExitStatus.DONE
    assert ended.sender.units() == ["g/one"]


def test_what_a_stop_ended_stays_ended_in_a_resume(world: World) -> None:
    steps = """
steps:
  - { id: bad, prompt: p, on_error: continue }
  - id: g
    steps:
      - { id: enough, stop: enough }
  - { id: below, prompt: b, needs: [g] }
"""
    ended = world.run(steps, in_turn(bad=[refused(400)]))
    assert ended.end.exit_status is ExitStatus.ITEMS_FAILED
    again = world.resume()
    assert again.end.exit_status is ExitStatus.DONE
    assert again.sender.units() == ["bad"]


def test_fail_ends_the_run_as_a_failure(world: World) -> None:
    steps = """
steps:
  - { id: a, prompt: a }
  - { id: wrong, needs: [a], fail: "no good: {{ steps.a.text }}" }
  - { id: below, prompt: b }
"""
    ended = world.run(steps)
    assert ended.end.exit_status is ExitStatus.FAILED
    assert ended.end.message == "no good: answer of a"
    assert ended.sender.units() == ["a"]


def test_fail_inside_for_each_fails_the_item(world: World) -> None:
    steps = """
steps:
  - id: each
    for_each: [a, b]
    as: x
    steps:
      - { id: wrong, if: "x == 'a'", fail: "not {{ x }}" }
      - { id: send, prompt: "{{ x }}" }
result: "{{ steps.each.failed | map(attribute='error.message') }}"
"""
    ended = world.run(steps)
    assert ended.end.exit_status is ExitStatus.ITEMS_FAILED
    assert ended.sender.units() == ["each[2]/send"]
    assert ended.end.result == ["not a"]


def test_the_end_of_a_run_ends_the_wait_for_a_person(world: World) -> None:
    stop = Stop()

    def script(unit: str, body: dict[str, Any]) -> Outcome:
        stop.ask("interrupt")
        return answered()

    steps = """
steps:
  - { id: a, prompt: p }
  - { id: agree, approve: "Go on?" }
"""
    ended = world.run(steps, script, stop=stop, head=HEAD)
    assert ended.end.exit_status is ExitStatus.INTERRUPTED
    decided(world, "agree")
    assert world.resume().end.exit_status is ExitStatus.DONE
