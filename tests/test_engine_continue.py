"""A step that continues another: by the id of a kept response, else with all its items."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from flowrunner.engine.servers import Server
from flowrunner.errors import ExitStatus
from flowrunner.events import Usage
from flowrunner.journal.journal import Journal
from flowrunner.responses.outcome import Answered, Outcome, Refused
from tests.engine_world import Ended, Script, World, answered, in_turn, lost, refused

THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
SAID = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "phase": "final_answer",
    "content": [{"type": "output_text", "text": "an answer", "annotations": []}],
}
NOT_FOUND = refused(400, "previous_response_not_found")
UNREADABLE = refused(400, "invalid_encrypted_content")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def named(unit: str, body: dict[str, Any]) -> Answered:
    """Every answer has an id of its own."""
    return answered(f"answer of {unit}", id=f"resp_{unit}")


def thinking(unit: str, body: dict[str, Any]) -> Answered:
    return answered(id=f"resp_{unit}", output=[THOUGHT, SAID])


def refusing(code: Refused, *units: str, rest: Script = named) -> Script:
    """The first requests of these units are refused, everything else is answered."""
    left = list(units)

    def script(unit: str, body: dict[str, Any]) -> Outcome:
        if unit in left:
            left.remove(unit)
            return code
        return rest(unit, body)

    return script


def bodies(ended: Ended, unit: str) -> list[dict[str, Any]]:
    """Every request of a unit, in order."""
    sent = ended.sender.bodies.items()
    return [body for name, body in sent if name.split("/", 1)[1].rsplit("/", 1)[0] == unit]


def body(ended: Ended, unit: str) -> dict[str, Any]:
    """The only request of a unit."""
    (only,) = bodies(ended, unit)
    return only


def kinds(asked: Iterable[Any]) -> list[str]:
    return [item.get("type") or item["role"] for item in asked]


TWO = """
steps:
  - { id: draft, prompt: Write., PARENT }
  - { id: more, continue: draft, prompt: Go on., CHILD }
result: "{{ steps.more.text }}"
"""


def two(parent: str = "describe: first", child: str = "describe: second") -> str:
    return TWO.replace("PARENT", parent).replace("CHILD", child)


def test_a_kept_response_is_named_and_nothing_is_sent_twice(world: World) -> None:
    ended = world.run(two(), named)
    assert body(ended, "more")["previous_response_id"] == "resp_draft"
    assert body(ended, "more")["input"] == "Go on."
    assert ended.sender.units() == ["draft", "more"], "it waits for what it continues"
    assert ended.end.result == "answer of more"


def test_instructions_and_tools_carry_over(world: World) -> None:
    steps = two("instructions: 'Be {{ run.id }}.', tools: [web_search]")
    ended = world.run(steps, named)
    assert body(ended, "more")["instructions"] == "Be run-1."
    assert body(ended, "more")["tools"] == [{"type": "web_search"}]


def test_what_is_written_again_counts(world: World) -> None:
    parent = "instructions: Be brief., tools: [web_search]"
    ended = world.run(two(parent, "instructions: null, tools: [code_interpreter]"), named)
    sent = body(ended, "more")
    assert "instructions" not in sent
    assert [tool["type"] for tool in sent["tools"]] == ["code_interpreter"]


def test_nothing_else_carries_over(world: World) -> None:
    parent = "output: { a: text }, temperature: 1, max_output_tokens: 99, metadata: { a: b }"

    def script(unit: str, asked: dict[str, Any]) -> Outcome:
        return answered('{"a": "x"}', id="resp_1") if unit == "draft" else named(unit, asked)

    sent = body(world.run(two(parent), script), "more")
    assert sent.keys() == {"model", "input", "previous_response_id"}


def test_what_carries_over_outranks_the_defaults(world: World) -> None:
    head = "flowrunner: 1\nname: T\ndefaults: { model: gpt-6-luna, instructions: Default. }\n"
    ended = world.run(two("instructions: Own."), named, head=head)
    assert body(ended, "more")["instructions"] == "Own."


def test_chains_and_two_that_continue_one(world: World) -> None:
    steps = """
steps:
  - { id: a, prompt: one }
  - { id: b, continue: a, prompt: two }
  - { id: c, continue: b, prompt: three }
  - { id: d, continue: a, prompt: other }
"""
    ended = world.run(steps, named)
    sent = {unit: body(ended, unit).get("previous_response_id") for unit in "abcd"}
    assert sent == {"a": None, "b": "resp_a", "c": "resp_b", "d": "resp_a"}


def test_every_entry_may_continue_one_step_outside(world: World) -> None:
    steps = """
steps:
  - { id: read, prompt: Read this. }
  - { id: ask, continue: read, for_each: [x, y], prompt: "{{ item }}?" }
"""
    ended = world.run(steps, named)
    assert [body(ended, f"ask[{n}]")["previous_response_id"] for n in (1, 2)] == ["resp_read"] * 2


def test_inside_groups_each_entry_and_round_has_its_own_parent(world: World) -> None:
    steps = """
steps:
  - id: each
    for_each: [x, y]
    steps:
      - { id: a, prompt: "{{ item }}" }
      - { id: b, continue: a, prompt: more }
  - id: again
    repeat: { until: false, at_most: 2 }
    steps:
      - { id: c, prompt: one }
      - { id: d, continue: c, prompt: more }
"""
    ended = world.run(steps, named)
    for of in ("each[1]", "each[2]"):
        assert body(ended, f"{of}/b")["previous_response_id"] == f"resp_{of}/a"
    for of in ("again#1", "again#2"):
        assert body(ended, f"{of}/d")["previous_response_id"] == f"resp_{of}/c"


def test_the_last_round_of_a_repeated_step_is_continued(world: World) -> None:
    ended = world.run(two("repeat: { until: false, at_most: 2 }"), named)
    assert body(ended, "more")["previous_response_id"] == "resp_draft#2"


def test_a_parent_asked_again_for_a_bad_shape_is_continued_from_its_good_answer(
    world: World,
) -> None:
    good = answered('{"a": "x"}', id="resp_good")
    script = in_turn(draft=[answered("no JSON", id="resp_bad"), good])
    ended = world.run(two("output: { a: text }, retry: 2"), script)
    assert body(ended, "more")["previous_response_id"] == "resp_good"


def test_a_correction_goes_on_from_the_same_parent(world: World) -> None:
    answers = [answered("no JSON", id="resp_bad"), answered('{"a": "x"}', id="resp_good")]
    script = in_turn(draft=[answered(id="resp_draft")], more=answers)
    ended = world.run(two(child="output: { a: text }, retry: 2"), script)
    first, second = bodies(ended, "more")
    assert first["previous_response_id"] == second["previous_response_id"] == "resp_draft"
    assert [item["content"] for item in second["input"]][:2] == ["Go on.", "no JSON"]


@pytest.mark.parametrize("on_error", ["stop", "continue"])
def test_without_its_parent_a_step_does_not_run(world: World, on_error: str) -> None:
    steps = two(f"on_error: {on_error}")
    ended = world.run(steps.partition("result")[0], in_turn(draft=[refused(400)]))
    assert ended.sender.units() == ["draft"]
    skipped = world.run_folder.exists() and ended.status("more")
    assert skipped == ("skipped" if on_error == "continue" else None)


def test_a_skipped_parent_skips_what_continues_it(world: World) -> None:
    ended = world.run(two("if: \"run.id == 'x'\"").partition("result")[0], named)
    assert (ended.status("draft"), ended.status("more")) == ("skipped", "skipped")
    assert "`draft` was skipped" in (ended.state.steps["more"].message or "")


# Responses that the server does not keep.


def test_a_response_that_is_not_stored_is_sent_again_whole(world: World) -> None:
    ended = world.run(two("store: false"), thinking)
    sent = body(ended, "more")
    assert "previous_response_id" not in sent
    assert kinds(sent["input"]) == ["user", "reasoning", "message", "user"]
    asked, thought, said, new = sent["input"]
    assert (asked["content"], new["content"]) == ("Write.", "Go on.")
    assert thought == {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}
    assert said == {key: value for key, value in SAID.items() if key != "id"}
    assert "store" not in sent, "whether this one is stored is its own affair"


@pytest.mark.parametrize("field", ["store", "previous_response_id"])
def test_a_server_that_keeps_nothing_is_sent_everything(world: World, field: str) -> None:
    steps = """
steps:
  - { id: a, prompt: one }
  - { id: b, continue: a, prompt: two }
  - { id: c, continue: b, prompt: three }
"""
    ended = world.run(steps, thinking, supports={field: False})
    history = ["user", "reasoning", "message", "user", "reasoning", "message", "user"]
    assert kinds(body(ended, "c")["input"]) == history
    assert "previous_response_id" not in body(ended, "c")


def test_another_provider_is_sent_everything_but_the_thoughts(world: World) -> None:
    """It keeps no response of the first, and can read nothing that was sealed there."""
    steps = """
steps:
  - { id: a, prompt: one }
  - { id: b, continue: a, prompt: two }
  - { id: c, provider: other, continue: b, prompt: three }
  - { id: d, provider: other, continue: c, prompt: four }
"""
    others = {"other": Server("other", "http://other/v1", None)}
    ended = world.run(steps, thinking, others=others)
    assert body(ended, "b")["previous_response_id"] == "resp_a"
    assert kinds(body(ended, "c")["input"]) == ["user", "message", "user", "message", "user"]
    assert "previous_response_id" not in body(ended, "c")
    assert body(ended, "d")["previous_response_id"] == "resp_c"
    assert body(ended, "d")["input"] == "four"


def test_a_response_that_says_that_it_is_not_stored_is_sent_again(world: World) -> None:
    """An account whose data is never kept stores nothing, whatever was asked for."""

    def script(unit: str, asked: dict[str, Any]) -> Outcome:
        return answered(id=f"resp_{unit}", store=False) if unit == "draft" else named(unit, asked)

    assert kinds(body(world.run(two(), script), "more")["input"]) == ["user", "message", "user"]


def test_what_an_unstored_parent_goes_on_from_is_named_again(world: World) -> None:
    steps = """
steps:
  - { id: a, prompt: one }
  - { id: b, continue: a, prompt: two, store: false }
  - { id: c, continue: b, prompt: three }
"""
    sent = body(world.run(steps, thinking), "c")
    assert sent["previous_response_id"] == "resp_a"
    assert kinds(sent["input"]) == ["user", "reasoning", "message", "user"]
    assert sent["input"][0]["content"] == "two"


def test_a_stored_prompt_is_named_again_when_its_answer_is_not_stored(world: World) -> None:
    steps = """
steps:
  - { id: a, prompt: { id: pmpt_1 }, store: false }
  - { id: b, continue: a, prompt: two }
"""
    sent = body(world.run(steps, named), "b")
    assert sent["prompt"] == {"id": "pmpt_1"}
    assert kinds(sent["input"]) == ["message", "user"]


THINKS, ASKS = "reasoning.encrypted_content", "web_search_call.action.sources"


@pytest.mark.parametrize(
    ("parent", "supports", "include"),
    [
        ("store: false", {}, [THINKS]),
        ("describe: x", {"store": False}, [THINKS]),
        (f"store: false, include: [{ASKS}], tools: [web_search]", {}, [ASKS, THINKS]),
        (f"store: false, include: [{THINKS}]", {}, [THINKS]),
        ("describe: x", {}, None),
        ("store: false, model: gpt-4.1", {}, None),
        ("store: false, model: nobody-knows", {}, None),
        ("store: false, model: gpt-6-luna-2026-09-01", {}, [THINKS]),
    ],
)
def test_thoughts_are_asked_for_where_they_will_be_sent_again(
    world: World, parent: str, supports: dict[str, bool], include: list[str] | None
) -> None:
    ended = world.run(two(parent), named, supports=supports)
    assert body(ended, "draft").get("include") == include
    assert "include" not in body(ended, "more"), "nobody continues it"


def test_history_begins_with_the_latest_compaction(world: World) -> None:
    shorter = [{"type": "compaction", "id": "cmp_1", "encrypted_content": "short"}, SAID]

    def script(unit: str, asked: dict[str, Any]) -> Outcome:
        return answered(output=[THOUGHT, *shorter]) if unit == "draft" else named(unit, asked)

    sent = body(world.run(two("store: false"), script), "more")
    assert kinds(sent["input"]) == ["compaction", "message", "user"]
    assert sent["input"][0] == {"type": "compaction", "encrypted_content": "short"}


def test_a_kept_history_is_never_cut_by_us(world: World) -> None:
    def script(unit: str, asked: dict[str, Any]) -> Outcome:
        items = [{"type": "compaction", "encrypted_content": "x"}, SAID]
        return answered(output=items, id=f"resp_{unit}") if unit == "b" else named(unit, asked)

    steps = """
steps:
  - { id: a, prompt: one }
  - { id: b, continue: a, prompt: two, store: false }
  - { id: c, continue: b, prompt: three }
"""
    sent = body(world.run(steps, script), "c")
    assert sent["previous_response_id"] == "resp_a"
    assert kinds(sent["input"]) == ["user", "compaction", "message", "user"]


# What the API refuses.


def test_a_response_that_is_gone_is_sent_again_whole(world: World) -> None:
    steps = """
steps:
  - { id: a, prompt: one }
  - { id: b, continue: a, prompt: two }
  - { id: c, continue: b, prompt: three }
"""
    ended = world.run(steps, refusing(NOT_FOUND, "c", rest=thinking))
    first, second = bodies(ended, "c")
    assert first["previous_response_id"] == "resp_b"
    assert "previous_response_id" not in second
    history = ["user", "reasoning", "message", "user", "reasoning", "message", "user"]
    assert kinds(second["input"]) == history
    assert [item["content"] for item in second["input"] if item.get("role") == "user"] == [
        "one",
        "two",
        "three",
    ]
    assert ended.end.exit_status is ExitStatus.DONE


def test_what_is_gone_twice_is_given_up(world: World) -> None:
    ended = world.run(two(), refusing(NOT_FOUND, "more", "more", "more"))
    assert len(bodies(ended, "more")) == 2
    assert ended.reason("more") == "api-error"


def test_thoughts_that_cannot_be_read_are_left_out_once(world: World) -> None:
    script = refusing(UNREADABLE, "more", rest=thinking)
    ended = world.run(two("store: false"), script)
    first, second = bodies(ended, "more")
    assert kinds(first["input"]) == ["user", "reasoning", "message", "user"]
    assert kinds(second["input"]) == ["user", "message", "user"]
    assert ended.end.exit_status is ExitStatus.DONE


def test_without_thoughts_there_is_nothing_to_leave_out(world: World) -> None:
    ended = world.run(two("store: false"), refusing(UNREADABLE, "more", "more"))
    assert len(bodies(ended, "more")) == 1
    assert ended.reason("more") == "api-error"


def test_code_whose_container_is_gone_is_left_out_once(world: World) -> None:
    code = {"type": "code_interpreter_call", "id": "ci_1", "container_id": "cntr_1", "code": "1"}
    gone = refused(400, message="Container is expired.")
    script = refusing(gone, "more", rest=lambda *_: answered(output=[code, SAID]))
    first, second = bodies(world.run(two("store: false"), script), "more")
    assert kinds(first["input"]) == ["user", "code_interpreter_call", "message", "user"]
    assert kinds(second["input"]) == ["user", "message", "user"]


def test_without_code_a_missing_container_is_given_up(world: World) -> None:
    gone = refused(404, message="Container with id 'cntr_1' not found.")
    ended = world.run(two("store: false"), refusing(gone, "more", "more"))
    assert len(bodies(ended, "more")) == 1
    assert ended.reason("more") == "api-error"


def test_thoughts_of_an_authors_own_input_are_left_out_too(world: World) -> None:
    steps = """
steps:
  - id: a
    input:
      - { type: reasoning, summary: [], encrypted_content: gAAA }
      - user: Go on.
"""
    ended = world.run(steps, refusing(UNREADABLE, "a"))
    assert [kinds(sent["input"]) for sent in bodies(ended, "a")] == [
        ["reasoning", "user"],
        ["user"],
    ]


def test_every_request_is_counted_and_named_apart(world: World) -> None:
    ended = world.run(two(), refusing(NOT_FOUND, "more"))
    calls = ended.state.steps["more"].calls
    assert [(call.attempt, call.turn, call.post, call.state) for call in calls] == [
        (1, 1, 1, "refused"),
        (1, 1, 2, "answered"),
    ]


# Resumes, edits, reuse.


def test_a_resume_goes_on_from_the_answer_on_disk(world: World) -> None:
    world.run(two(), refusing(refused(400), "more"))
    again = world.resume(named)
    assert again.sender.units() == ["more"]
    assert body(again, "more")["previous_response_id"] == "resp_draft"


def test_a_resume_sends_again_what_is_on_disk(world: World) -> None:
    world.run(two("store: false"), refusing(refused(400), "more", rest=thinking))
    again = world.resume(thinking)
    assert kinds(body(again, "more")["input"]) == ["user", "reasoning", "message", "user"]


@pytest.mark.parametrize("store", ["true", "false"])
def test_an_edit_above_asks_everything_that_goes_on_from_it_again(world: World, store: str) -> None:
    steps = """
steps:
  - { id: a, prompt: one, store: STORE }
  - { id: b, continue: a, prompt: two, store: STORE }
  - { id: c, continue: b, prompt: three }
  - { id: d, prompt: apart }
""".replace("STORE", store)
    number = iter(range(100))

    def script(unit: str, asked: dict[str, Any]) -> Outcome:
        return answered("the same", id=f"resp_{next(number)}")

    world.run(steps, script)
    again = world.resume(script, edited=steps.replace("prompt: one", "prompt: uno"))
    asked = again.sender.units()
    assert asked == ["a", "b", "c"]
    other = world.resume(script, edited=steps.replace("prompt: three", "prompt: tre"))
    assert "c" in other.sender.units()
    assert "d" not in other.sender.units()


def test_an_edit_below_keeps_what_is_above(world: World) -> None:
    world.run(two(), named)
    again = world.resume(named, edited=two().replace("Go on.", "Stop."))
    assert again.sender.units() == ["more"]
    assert body(again, "more")["previous_response_id"] == "resp_draft"


class Shelf:
    """One earlier run: its results by what was asked, its exchanges by unit."""

    def __init__(self, first: Ended, *, is_there: bool = True) -> None:
        self.first, self.is_there = first, is_there

    def look_up(self, fingerprint: str, *, nth: int = 1, newer_than: float | None = None) -> Any:
        del nth, newer_than
        for unit, step in self.first.state.steps.items():
            if step.fingerprint == fingerprint:
                return _Found(unit, self.first.result(unit))
        return None

    def exchange(self, run: str, unit: str) -> tuple[Any, Any] | None:
        assert run == "run-0"
        sent = body(self.first, unit)
        return (sent, thinking(unit, sent).response) if self.is_there else None


class _Found:
    run = "run-0"

    def __init__(self, unit: str, result: Any) -> None:
        self.unit, self.result = unit, result


@pytest.fixture
def second(tmp_path: Path) -> World:
    (tmp_path / "second").mkdir()
    return World(tmp_path / "second")


def test_a_reused_parent_is_continued_by_its_id(world: World, second: World) -> None:
    first = world.run(two("reuse: true"), thinking)
    second.shelf = Shelf(first)
    ended = second.run(two("reuse: true"), thinking)
    assert ended.sender.units() == ["more"]
    assert body(ended, "more")["previous_response_id"] == "resp_draft"


def test_what_continues_a_reused_answer_is_the_same_question(world: World, second: World) -> None:
    first = world.run(two(), thinking)
    second.shelf = Shelf(first)
    assert second.run(two(), thinking, reuse=True).sender.units() == []


def test_a_reused_parent_that_was_not_stored_is_sent_again(world: World, second: World) -> None:
    steps = two("reuse: true, store: false")
    second.shelf = Shelf(world.run(steps, thinking))
    ended = second.run(steps, thinking)
    history = ["user", "reasoning", "message", "user"]
    assert kinds(body(ended, "more")["input"]) == history
    again = second.resume(thinking, edited=steps.replace("Go on.", "Stop."))
    assert kinds(body(again, "more")["input"]) == history


def test_a_reused_parent_whose_run_is_gone(world: World, second: World) -> None:
    steps = two("reuse: true, store: false")
    second.shelf = Shelf(world.run(steps, thinking), is_there=False)
    ended = second.run(steps, thinking)
    assert ended.sender.units() == []
    assert ended.reason("more") == "continue"
    assert "an earlier run, which is gone" in (ended.end.message or "")


def test_a_reused_parent_that_is_kept_needs_no_run(world: World, second: World) -> None:
    second.shelf = Shelf(world.run(two("reuse: true"), thinking), is_there=False)
    ended = second.run(two("reuse: true"), refusing(NOT_FOUND, "more"))
    assert body(ended, "more")["previous_response_id"] == "resp_draft"
    assert ended.reason("more") == "api-error", "there is nothing to send again"


# Secrets, money.


def test_a_secret_is_in_its_place_when_its_question_is_sent_again(world: World) -> None:
    world.secrets = ("hunter2-hunter2",)
    head = (
        "flowrunner: 1\nname: T\ninputs: { s: { type: text, secret: true } }\n"
        "defaults: { model: gpt-6-luna, store: false }\n"
    )
    steps = """
steps:
  - { id: a, prompt: "Keep {{ inputs.s }}." }
  - { id: b, continue: a, prompt: two }
  - { id: c, continue: b, prompt: "{{ inputs.s }} three" }
"""
    ended = world.run(steps, named, head=head, inputs={"s": "hunter2-hunter2"})
    asked = [item["content"] for item in body(ended, "c")["input"] if item.get("role") == "user"]
    assert asked == ["Keep hunter2-hunter2.", "two", "hunter2-hunter2 three"]
    with Journal.open(world.run_folder) as journal:
        kept = [journal.body(call.sent_seq, "request") for call in journal.calls("c")]
    assert kept[0]["input"][0]["content"] == "Keep ***."


ATTACHED = """
steps:
  - { id: a, prompt: "Read {{ inputs.s }}.", attach: [notes.txt], store: false }
  - { id: b, continue: a, prompt: two, store: false }
  - { id: c, continue: { step: b, compact: COMPACT }, prompt: three }
"""
SECRET = "flowrunner: 1\nname: T\ninputs: { s: text }\ndefaults: { model: gpt-6-luna }\n"


@pytest.fixture
def with_notes(world: World) -> World:
    (world.folder / ".git").mkdir()
    (world.folder / "notes.txt").write_text("Some notes.\n", encoding="utf-8")
    world.secrets = ("hunter2-hunter2",)
    return world


def _first_question(sent: dict[str, Any]) -> tuple[str, str]:
    """The text and the file of the first item of a request."""
    text, file = sent["input"][0]["content"]
    return text["text"], file["file_data"]


NOTES = ("Read hunter2-hunter2.", "data:text/plain;base64,U29tZSBub3Rlcy4K")


@pytest.mark.parametrize("compact", ["true", "false"])
def test_a_file_is_sent_again_with_its_question(with_notes: World, compact: str) -> None:
    steps = ATTACHED.replace("COMPACT", compact)
    given = {"s": "hunter2-hunter2"}
    ended = with_notes.run(steps, thinking, head=SECRET, inputs=given)
    assert _first_question(body(ended, "b")) == NOTES
    assert _first_question(body(ended, "c/compact" if compact == "true" else "c")) == NOTES


@pytest.mark.parametrize("compact", ["true", "false"])
def test_a_file_is_at_hand_again_in_a_resume(with_notes: World, compact: str) -> None:
    steps = ATTACHED.replace("COMPACT", compact)
    last = "c/compact" if compact == "true" else "c"
    given = {"s": "hunter2-hunter2"}
    script = refusing(refused(400), last, rest=thinking)
    first = with_notes.run(steps, script, head=SECRET, inputs=given)
    assert first.end.exit_status is ExitStatus.FAILED
    again = with_notes.resume(thinking)
    assert _first_question(body(again, last)) == NOTES
    assert again.end.exit_status is ExitStatus.DONE


def test_a_file_of_a_response_that_is_gone_is_at_hand_again(with_notes: World) -> None:
    steps = ATTACHED.replace(", store: false", "").replace("COMPACT", "false")
    given = {"s": "hunter2-hunter2"}
    with_notes.run(steps, refusing(refused(400), "c"), head=SECRET, inputs=given)
    again = with_notes.resume(refusing(NOT_FOUND, "c", rest=thinking))
    assert _first_question(bodies(again, "c")[1]) == NOTES


def test_a_file_that_is_another_now_is_not_sent_in_its_place(with_notes: World) -> None:
    steps = ATTACHED.replace("COMPACT", "false")
    given = {"s": "hunter2-hunter2"}
    with_notes.run(steps, refusing(refused(400), "c", rest=thinking), head=SECRET, inputs=given)
    (with_notes.folder / "notes.txt").write_text("Other notes.\n", encoding="utf-8")
    again = with_notes.resume(thinking)
    assert again.sender.units() == []
    assert again.reason("c") == "file"
    assert "`notes.txt` is not at hand any more" in (again.state.steps["c"].message or "")


def test_a_budget_counts_what_was_said_before(world: World) -> None:
    """500,000 tokens of history at 0.1 USD a million do not fit into a cent."""

    def script(unit: str, asked: dict[str, Any]) -> Outcome:
        if unit != "draft":
            return named(unit, asked)
        long = answered(id="resp_draft")
        usage = {"input_tokens": 250_000, "output_tokens": 20, "total_tokens": 250_020}
        return Answered(
            **{
                name: getattr(long, name)
                for name in ("http_status", "request_id", "response_id", "status", "model")
            },
            service_tier=None,
            response=long.response | {"usage": usage},
            usage=Usage(250_000, 20, cached=250_000),
            elapsed_s=0.1,
        )

    head = "flowrunner: 1\nname: T\ndefaults: { model: gpt-6-luna }\nbudget: 0.02 USD\n"
    ended = world.run(two("max_output_tokens: 20", "max_output_tokens: 20"), script, head=head)
    assert ended.end.exit_status is ExitStatus.BUDGET
    assert ended.sender.units() == ["draft"]


def test_a_known_history_costs_less_than_a_whole_window(world: World) -> None:
    head = "flowrunner: 1\nname: T\ndefaults: { model: gpt-6-luna }\nbudget: 0.02 USD\n"
    ended = world.run(two("max_output_tokens: 99", "max_output_tokens: 99"), named, head=head)
    assert ended.end.exit_status is ExitStatus.DONE


def test_a_lost_request_counts_with_its_history_and_no_more(world: World) -> None:
    head = "flowrunner: 1\nname: T\ndefaults: { model: gpt-6-luna }\nbudget: 0.02 USD\n"
    steps = two("max_output_tokens: 99", "max_output_tokens: 99, on_unknown: hold")
    script = in_turn(draft=[answered(id="resp_draft")], more=[lost()])
    assert world.run(steps, script, head=head).end.exit_status is ExitStatus.HELD
    again = world.resume(named, head=head, asks_held=True)
    assert again.end.exit_status is ExitStatus.DONE
