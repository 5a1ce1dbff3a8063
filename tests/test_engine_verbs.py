"""Commands, called workflows and saved files as steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flowrunner.errors import ExitStatus
from flowrunner.journal.journal import Journal
from flowrunner.responses.outcome import Outcome
from tests.engine_world import HEAD, World, answered, in_turn, refused

BAD = refused(400, "bad")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


RUNS: dict[str, tuple[str, str, Any]] = {
    "text of stdout": ('run: [printf, "a\\n"]', "steps.s.text", "a"),
    "words are filled in": ('run: [echo, "{{ 1 + 1 }} x; y"]', "steps.s.text", "2 x; y"),
    "stdin as text": ('run: [cat], stdin: "in {{ 1 }}"', "steps.s.text", "in 1"),
    "stdin as JSON": (
        "run: [cat], stdin: \"{{ ['a', 1] }}\"",
        "steps.s.text",
        '["a", 1]',
    ),
    "output": (
        "run: [echo, '{\"n\": 3}'], output: { n: integer }",
        "steps.s.output.n",
        3,
    ),
    "environment": (
        "run: [sh, -c, 'echo ${SEEN:-none} ${UNSEEN:-none}'], env: [SEEN]",
        "steps.s.text",
        "yes none",
    ),
}


@pytest.mark.parametrize("case", RUNS)
def test_what_a_command_gives(world: World, case: str) -> None:
    step, read, value = RUNS[case]
    head = HEAD + "env: [SEEN]\n"
    ended = world.run(f"steps:\n  - {{ id: s, {step} }}\nresult: '{{{{ {read} }}}}'\n", head=head)
    assert ended.end.exit_status is ExitStatus.DONE, ended.end.message
    assert ended.end.result == value


FAULTS = [
    ("run: [sh, -c, 'echo bad >&2; exit 3']", "exit", "3"),
    ("run: [sh, -c, 'kill -9 $$']", "exit", ""),
    ("run: [no-such-program-here]", "no-program", "no-such-program-here"),
    ("run: [sleep, '5'], timeout: 1s", "timeout", ""),
    ("run: [echo, hello], output: { n: integer }", "not-json", "not JSON"),
    ("run: [echo, '{\"n\": true}'], output: { n: integer }", "wrong-shape", "n"),
    ("run: [printf, '\\377']", "not-text", ""),
]


@pytest.mark.parametrize(("step", "reason", "said"), FAULTS)
def test_how_a_command_fails(world: World, step: str, reason: str, said: str) -> None:
    ended = world.run(f"steps:\n  - {{ id: s, {step} }}\n")
    assert ended.end.exit_status is ExitStatus.FAILED
    assert ended.reason("s") == reason
    assert said in (ended.end.message or "")


@pytest.mark.parametrize(("more", "times"), [("changes_things: false, ", 3), ("", 1)])
def test_a_command_is_tried_again_only_where_it_changes_nothing(
    world: World, more: str, times: int
) -> None:
    world.run(f"steps:\n  - {{ id: s, {more}retry: 3, run: [sh, -c, 'echo x >> log; exit 1'] }}\n")
    assert (world.folder / "log").read_text(encoding="utf-8") == "x\n" * times


def test_commands_with_effects_keep_the_order_of_the_file(world: World) -> None:
    steps = """
steps:
  - { id: slow, prompt: p }
  - { id: one, run: [sh, -c, "echo one $0 >> log", "{{ steps.slow.text }}"] }
  - { id: two, run: [sh, -c, "echo two >> log"] }
  - id: g
    steps:
      - { id: three, run: [sh, -c, "echo three >> log"] }
  - { id: free, run: [sh, -c, "echo free >> log2"], changes_things: false }
"""
    assert world.run(steps).end.exit_status is ExitStatus.DONE
    log = (world.folder / "log").read_text(encoding="utf-8").split("\n")
    assert log[:3] == ["one answer of slow", "two", "three"]


@pytest.mark.parametrize(
    ("more", "status"), [("", "unknown"), (", changes_things: false", "succeeded")]
)
def test_a_command_that_was_begun_by_a_process_that_died(
    world: World, more: str, status: str
) -> None:
    steps = f"steps:\n  - {{ id: s, run: [sh, -c, 'echo x >> log']{more} }}\n"

    class Died(Exception):
        pass

    append = Journal.append

    async def dying(journal: Journal, event: Any) -> int:
        if type(event).__name__ == "StepFinished":
            raise Died
        return await append(journal, event)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "append", dying)
        with pytest.raises(Died):
            world.run(steps)
    again = world.resume()
    assert again.status("s") == status
    held = status == "unknown"
    assert again.end.exit_status is (ExitStatus.HELD if held else ExitStatus.DONE)
    log = (world.folder / "log").read_text(encoding="utf-8")
    assert log == "x\n" * (1 if held else 2)
    if held:
        assert world.resume(asks_held=True).end.exit_status is ExitStatus.DONE


CALLED = """\
flowrunner: 1
name: Called
inputs:
  name: text
  count: { type: integer, default: 2 }
  rows: { type: table, optional: true }
  page: { type: file, optional: true }
defaults: { model: gpt-6-luna }
steps:
  - { id: ask, prompt: "{{ inputs.name }} {{ inputs.count }}" }
  - { id: early, if: inputs.count == 0, stop: "nothing to do" }
  - { id: more, prompt: "more {{ steps.ask.text }}" }
result:
  text: "{{ default(steps.more.text, 'stopped') }}"
  rows: "{{ default(inputs.rows, []) | length }}"
  page: "{{ default(inputs.page.text, 'none') }}"
"""


@pytest.fixture
def calling(world: World) -> World:
    (world.folder / "sub").mkdir()
    (world.folder / "sub" / "called.yaml").write_text(CALLED, encoding="utf-8")
    (world.folder / "rows.csv").write_text("a,b\n1,2\n3,4\n", encoding="utf-8")
    (world.folder / "page.txt").write_text("the page", encoding="utf-8")
    return world


def test_a_called_workflow_gives_its_result(calling: World) -> None:
    steps = """
steps:
  - { id: sub, workflow: sub/called.yaml, with: { name: x } }
  - { id: below, prompt: "{{ steps.sub.output.text }}" }
result: { sub: "{{ steps.sub.output }}", cost: "{{ steps.sub.cost_usd > 0 }}" }
"""
    ended = calling.run(steps)
    assert ended.end.exit_status is ExitStatus.DONE, ended.end.message
    assert ended.sender.units() == ["sub/ask", "sub/more", "below"]
    assert ended.asked()["sub/ask"] == "x 2"
    assert ended.end.result == {
        "sub": {"text": "answer of sub/more", "rows": 0, "page": "none"},
        "cost": True,
    }


def test_paths_of_a_call_start_at_the_calling_file(calling: World) -> None:
    steps = """
steps:
  - { id: sub, workflow: sub/called.yaml, with: { name: x, rows: rows.csv, page: page.txt } }
result: "{{ steps.sub.output }}"
"""
    ended = calling.run(steps)
    assert ended.end.result == {"text": "answer of sub/more", "rows": 2, "page": "the page"}


def test_an_argument_that_does_not_fit_fails_the_step(calling: World) -> None:
    head = HEAD + "inputs: { n: json }\n"
    steps = """
steps:
  - { id: sub, workflow: sub/called.yaml, with: { name: x, count: "{{ inputs.n }}" } }
"""
    ended = calling.run(steps, head=head, inputs={"n": "many"})
    assert ended.reason("sub") == "arguments"
    assert "`count`" in (ended.end.message or "")
    assert ended.sender.units() == []


def test_stop_ends_the_called_file_only(calling: World) -> None:
    steps = """
steps:
  - { id: sub, workflow: sub/called.yaml, with: { name: x, count: 0 } }
  - { id: below, prompt: "{{ steps.sub.output.text }}" }
"""
    ended = calling.run(steps)
    assert ended.end.exit_status is ExitStatus.DONE
    assert ended.sender.units() == ["sub/ask", "below"]
    assert ended.asked()["below"] == "stopped"


@pytest.mark.parametrize(
    ("more", "exit_status", "below"),
    [
        ("", ExitStatus.FAILED, None),
        (", on_error: continue", ExitStatus.ITEMS_FAILED, "failed"),
    ],
)
def test_a_failure_inside_a_called_file(
    calling: World, more: str, exit_status: ExitStatus, below: str | None
) -> None:
    steps = f"""
steps:
  - {{ id: sub, workflow: sub/called.yaml, with: {{ name: x }}{more} }}
  - {{ id: below, prompt: "{{{{ steps.sub.status }}}}" }}
"""
    ended = calling.run(steps, in_turn(**{"sub/more": [BAD]}))
    assert ended.end.exit_status is exit_status
    assert ended.status("sub") == "failed"
    assert ended.asked().get("below") == below
    again = calling.resume()
    assert again.end.exit_status is ExitStatus.DONE
    assert again.sender.units()[0] == "sub/more"
    assert "sub/ask" not in again.sender.units()


def test_a_called_file_per_item(calling: World) -> None:
    steps = """
steps:
  - { id: each, for_each: [a, b], workflow: sub/called.yaml, with: { name: "{{ item }}" } }
result: "{{ steps.each.outputs | map(attribute='text') }}"
"""

    def script(unit: str, body: dict[str, Any]) -> Outcome:
        return BAD if unit == "each[1]/more" else answered(f"answer of {unit}")

    ended = calling.run(steps, script)
    assert ended.end.exit_status is ExitStatus.ITEMS_FAILED
    assert ended.end.result == ["answer of each[2]/more"]
    assert calling.resume().sender.units() == ["each[1]/more"]


def test_the_budget_of_a_called_file_holds_for_it(calling: World) -> None:
    text = CALLED.replace("defaults:", "budget: 0.000001 USD\ndefaults:")
    (calling.folder / "sub" / "called.yaml").write_text(text, encoding="utf-8")
    steps = """
steps:
  - { id: sub, workflow: sub/called.yaml, with: { name: x } }
"""
    ended = calling.run(steps)
    assert ended.end.exit_status is ExitStatus.BUDGET
    assert ended.sender.units() == []


def test_items_are_saved_under_names_of_their_own(world: World) -> None:
    steps = """
steps:
  - { id: each, for_each: [a, b], prompt: "{{ item }}", save_to: "out/{{ item }}.txt" }
  - id: data
    set: { rows: "{{ [{'a': 1, 'b': '=x'}, {'a': 2}] }}" }
    save_to: out/data.json
  - id: list
    run: [echo, '[{"a": 1, "b": "=x"}, {"a": null, "b": null}]']
    output: { list: { a: { type: integer, optional: true }, b: { type: text, optional: true } } }
    save_to: out/list.csv
"""
    ended = world.run(steps)
    assert ended.end.exit_status is ExitStatus.DONE, ended.end.message
    out = world.folder / "out"
    assert (out / "a.txt").read_text(encoding="utf-8") == "answer of each[1]"
    assert (out / "b.txt").read_text(encoding="utf-8") == "answer of each[2]"
    rows = json.loads((out / "data.json").read_text(encoding="utf-8"))
    assert rows == {"rows": [{"a": 1, "b": "=x"}, {"a": 2}]}
    assert (out / "list.csv").read_text(encoding="utf-8") == "a,b\n1,'=x\n,\n"


def test_two_that_save_to_one_file_are_refused(world: World) -> None:
    head = HEAD + "inputs: { names: { list: text } }\n"
    steps = """
steps:
  - id: each
    for_each: inputs.names
    at_once: 1
    prompt: "{{ item }}"
    save_to: "{{ item }}.txt"
"""
    ended = world.run(steps, head=head, inputs={"names": ["Same", "same"]})
    assert ended.sender.units() == ["each[1]"], "the second asks nothing"
    assert ended.reason("each[2]") == "save"


def test_what_could_not_be_saved_is_kept_and_saved_by_a_resume(world: World) -> None:
    (world.folder / "out").write_text("a file where a folder should be", encoding="utf-8")
    steps = """
steps:
  - { id: a, prompt: p, save_to: out/a.txt }
  - { id: below, prompt: "{{ steps.a.text }}" }
result: { error: "{{ default(steps.a.error.kind, 'none') }}", text: "{{ steps.a.text }}" }
"""
    ended = world.run(steps)
    assert ended.end.exit_status is ExitStatus.FAILED
    assert ended.reason("a") == "save"
    (world.folder / "out").unlink()
    again = world.resume()
    assert again.sender.units() == ["below"], "what was paid for is not paid for again"
    assert again.end.exit_status is ExitStatus.DONE
    assert again.end.result == {"error": "none", "text": "answer of a"}
    assert (world.folder / "out" / "a.txt").read_text(encoding="utf-8") == "answer of a"
