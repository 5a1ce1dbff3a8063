"""Conversations: found or begun once, spoken in by one at a time and in order, taken up again."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from flowrunner.engine.ports import Stop
from flowrunner.errors import ExitStatus
from flowrunner.events import ConversationBegan
from flowrunner.journal.journal import Journal
from flowrunner.responses.outcome import Outcome, Reply
from tests.engine_world import (
    HEAD,
    Ended,
    World,
    answered,
    in_turn,
    lost,
    not_sent,
    refused,
    told,
)


@dataclass
class Desk:
    """The API's conversations; `gone` are those that it has no more."""

    numbers: Any = field(default_factory=lambda: itertools.count(1))
    gone: set[str] = field(default_factory=set)
    faults: list[Reply] = field(default_factory=list)

    def __call__(self, method: str, path: str, body: Any) -> Reply:
        if self.faults:
            return self.faults.pop(0)
        if (method, path) == ("POST", "conversations"):
            assert set(body) == {"metadata"}
            return told({"id": f"conv_{next(self.numbers)}", "object": "conversation"})
        assert method == "GET"
        name = path.removeprefix("conversations/")
        return refused(404) if name in self.gone else told({"id": name})


@dataclass
class Lasting:
    kept: dict[str, str] = field(default_factory=dict)
    notes: list[Mapping[str, str]] = field(default_factory=list)
    quicker: str | None = None

    def get(self, key: str) -> str | None:
        return self.kept.get(key)

    def put(self, key: str, value: str, note: Mapping[str, str], *, over: str | None = None) -> str:
        del over
        self.notes.append(note)
        self.kept[key] = self.quicker or value
        return self.kept[key]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, tell=Desk())


def spoken(ended: Ended) -> list[tuple[str, Any]]:
    """Which unit spoke in which conversation, in order."""
    sent = ended.sender.bodies.items()
    return [
        (name.split("/", 1)[1].rsplit("/", 1)[0], body.get("conversation")) for name, body in sent
    ]


def began(world: World) -> list[ConversationBegan]:
    with Journal.open(world.run_folder) as journal:
        found = [event for _, event in journal.events()]
    return [event for event in found if isinstance(event, ConversationBegan)]


TALK = "conversation: { name: thread }"


def test_a_name_is_one_conversation_of_the_run(world: World) -> None:
    steps = f"steps:\n  - {{ id: a, prompt: one, {TALK} }}\n  - {{ id: b, prompt: two, {TALK} }}\n"
    ended = world.run(steps)
    assert spoken(ended) == [("a", "conv_1"), ("b", "conv_1")]
    metadata = {"flowrunner_run": "run-1", "flowrunner_name": "thread"}
    assert ended.sender.errands == [("POST", "conversations", {"metadata": metadata})]
    (event,) = began(world)
    assert (event.name, event.id, event.is_new, event.address.unit) == (
        "thread",
        "conv_1",
        True,
        "a",
    )


def test_it_is_on_record_before_it_is_spoken_in(world: World) -> None:
    world.run(f"steps:\n  - {{ id: a, prompt: one, {TALK} }}\n")
    with Journal.open(world.run_folder) as journal:
        kinds = [type(event).__name__ for _, event in journal.events()]
    assert kinds.index("ConversationBegan") < kinds.index("CallSent")


@pytest.mark.parametrize(
    "form", ["conv_x", "{ id: conv_x }", "\"{{ 'conv_' ~ 'x' }}\"", "{ id: \"conv_{{ 'x' }}\" }"]
)
def test_an_id_is_sent_as_it_is(world: World, form: str) -> None:
    ended = world.run(f"steps:\n  - {{ id: a, prompt: one, conversation: {form} }}\n")
    assert spoken(ended) == [("a", "conv_x")]
    assert ended.sender.errands == []
    assert began(world) == []


def test_only_what_is_new_is_sent(world: World) -> None:
    steps = f"""
steps:
  - {{ id: a, prompt: one, {TALK} }}
  - {{ id: b, prompt: two, {TALK} }}
"""
    ended = world.run(steps)
    assert ended.asked() == {"a": "one", "b": "two"}


def test_defaults_may_name_it_and_null_takes_it_back(world: World) -> None:
    head = f"flowrunner: 1\nname: T\ndefaults: {{ model: gpt-6-luna, {TALK} }}\n"
    steps = """
steps:
  - { id: a, prompt: one }
  - { id: b, prompt: two, conversation: null }
  - { id: c, prompt: three, conversation: { id: conv_x } }
"""
    ended = world.run(steps, head=head)
    assert sorted(spoken(ended), key=str) == [("a", "conv_1"), ("b", None), ("c", "conv_x")]


@pytest.mark.parametrize("form", ["{ name: thread }", "conv_x", "{ id: conv_x }"])
def test_steps_of_one_conversation_keep_the_order_of_the_file(world: World, form: str) -> None:
    pauses = itertools.cycle([9, 1])
    world.pauses = lambda: next(pauses)
    steps = f"""
steps:
  - {{ id: a, prompt: one, conversation: {form} }}
  - id: group
    steps:
      - {{ id: b, prompt: two, conversation: {form} }}
      - {{ id: c, prompt: three, conversation: {form} }}
  - {{ id: d, prompt: four, conversation: {form} }}
  - {{ id: apart, prompt: five }}
"""
    ended = world.run(steps)
    order = [unit for unit, _ in spoken(ended) if unit != "apart"]
    assert order == ["a", "group/b", "group/c", "d"]
    assert [unit for unit, _ in spoken(ended)].index("apart") < 4, "others do not wait for it"


def test_two_conversations_go_on_at_the_same_time(world: World) -> None:
    world.pauses = lambda: 5
    steps = """
steps:
  - { id: a, prompt: one, conversation: { name: x } }
  - { id: b, prompt: two, conversation: { name: y } }
"""
    ended = world.run(steps)
    assert ended.sender.most_at_once == 2
    assert {name for _, name in spoken(ended)} == {"conv_1", "conv_2"}


def test_what_turns_out_to_be_one_conversation_is_used_by_one_at_a_time(world: World) -> None:
    world.pauses = lambda: 5
    steps = """
steps:
  - { id: a, prompt: one, conversation: conv_x }
  - { id: b, prompt: two, conversation: "{{ inputs.c }}" }
"""
    head = HEAD.replace("defaults", "inputs: { c: text }\ndefaults")
    ended = world.run(steps, head=head, inputs={"c": "conv_x"})
    assert ended.sender.most_at_once == 1
    assert {name for _, name in spoken(ended)} == {"conv_x"}


def test_each_item_has_its_own(world: World) -> None:
    world.pauses = lambda: 3
    steps = f"""
steps:
  - id: each
    for_each: [x, y]
    steps:
      - {{ id: a, prompt: "{{{{ item }}}}", {TALK} }}
      - {{ id: b, prompt: more, {TALK} }}
  - {{ id: single, for_each: [x, y], prompt: "{{{{ item }}}}", {TALK} }}
  - {{ id: outside, prompt: apart, {TALK} }}
"""
    ended = world.run(steps)
    of = dict(spoken(ended))
    assert of["each[1]/a"] == of["each[1]/b"]
    assert of["each[2]/a"] == of["each[2]/b"]
    ids = {of[unit] for unit in ("each[1]/a", "each[2]/a", "single[1]", "single[2]", "outside")}
    assert len(ids) == 5
    assert ended.sender.most_at_once > 2


def test_rounds_go_on_in_one(world: World) -> None:
    steps = f"""
steps:
  - id: again
    for_each: [x, y]
    repeat: {{ until: false, at_most: 2 }}
    steps:
      - {{ id: a, prompt: more, {TALK} }}
"""
    of = dict(spoken(world.run(steps)))
    assert of["again[1]#1/a"] == of["again[1]#2/a"] != of["again[2]#1/a"]


@pytest.mark.parametrize(
    ("form", "in_turn"),
    [
        ("conv_x", True),
        ("{ id: conv_x }", True),
        ('"{{ inputs.c }}"', True),
        ('"{{ item }}"', False),
        ('"conv_{{ position }}"', False),
        ("{ name: thread }", False),
    ],
)
@pytest.mark.parametrize("grouped", [False, True])
def test_items_that_share_a_conversation_take_turns(
    world: World, form: str, in_turn: bool, grouped: bool
) -> None:
    world.pauses = lambda: 5
    asks = f'prompt: "{{{{ item }}}}", conversation: {form} }}'
    step = f"  - {{ id: each, for_each: [x, y, z], {asks}\n"
    if grouped:
        step = f"  - id: each\n    for_each: [x, y, z]\n    steps:\n      - {{ id: a, {asks}\n"
    head = HEAD.replace("defaults", "inputs: { c: text }\ndefaults")
    ended = world.run(f"steps:\n{step}", head=head, inputs={"c": "conv_x"})
    assert (ended.sender.most_at_once == 1) == in_turn
    if in_turn:
        assert [body["input"] for body in ended.sender.bodies.values()] == ["x", "y", "z"]


def test_a_called_workflow_has_names_of_its_own(world: World) -> None:
    (world.folder / "sub.yaml").write_text(
        f"{HEAD}steps:\n  - {{ id: a, prompt: inside, {TALK} }}\n", encoding="utf-8"
    )
    steps = f"""
steps:
  - {{ id: a, prompt: one, {TALK} }}
  - {{ id: sub, workflow: sub.yaml }}
  - {{ id: again, workflow: sub.yaml }}
"""
    of = dict(spoken(world.run(steps)))
    assert len({of["a"], of["sub/a"], of["again/a"]}) == 3


def test_a_correction_adds_only_itself(world: World) -> None:
    steps = f"steps:\n  - {{ id: a, prompt: one, {TALK}, output: {{ x: text }}, retry: 2 }}\n"
    ended = world.run(steps, in_turn(a=[answered("no JSON"), answered('{"x": "y"}')]))
    first, second = ended.sender.bodies.values()
    assert first["input"] == "one"
    (correction,) = second["input"]
    assert correction["role"] == "user"
    assert "That answer cannot be used" in correction["content"]


# Trouble.


def test_a_beginning_is_tried_again(world: World) -> None:
    assert isinstance(world.tell, Desk)
    world.tell.faults = [lost(), not_sent(), refused(503), refused(429)]
    ended = world.run(f"steps:\n  - {{ id: a, prompt: one, {TALK} }}\n")
    assert ended.end.exit_status is ExitStatus.DONE
    assert len(ended.sender.errands) == 5
    assert world.clock.time > 1_790_000_001, "with patience"


@pytest.mark.parametrize(
    ("faults", "reason", "said", "exit_status"),
    [
        ([refused(401, "invalid_api_key")], "key", "refused the key", ExitStatus.ENVIRONMENT),
        ([refused(404)], "api-error", "the API knows no conversations", ExitStatus.FAILED),
        ([told({"no": "id"})], "api-error", "gave one without an id", ExitStatus.FAILED),
        ([told(None)], "api-error", "gave one without an id", ExitStatus.FAILED),
        ([refused(400)], "api-error", "(asking for a new conversation)", ExitStatus.FAILED),
        ([lost()] * 9, "network", "gave no answer: the conn", ExitStatus.ENVIRONMENT),
    ],
)
def test_without_a_conversation_nothing_is_asked(
    world: World, faults: list[Reply], reason: str, said: str, exit_status: ExitStatus
) -> None:
    assert isinstance(world.tell, Desk)
    world.tell.faults = faults
    ended = world.run(f"steps:\n  - {{ id: a, prompt: one, {TALK} }}\n")
    assert ended.sender.units() == []
    assert ended.reason("a") == reason
    assert said in (ended.state.steps["a"].message or "")
    assert ended.end.exit_status is exit_status
    world.tell.faults = []
    again = world.resume()
    assert spoken(again) == [("a", "conv_1")]


def test_a_server_without_conversations_is_not_asked(world: World) -> None:
    steps = f"steps:\n  - {{ id: a, prompt: one, {TALK} }}\n"
    ended = world.run(steps, supports={"conversation": False})
    assert (ended.sender.units(), ended.sender.errands) == ([], [])
    assert ended.reason("a") == "conversation"
    assert "`continue`" in (ended.state.steps["a"].help or "")


def test_the_end_of_the_run_ends_the_wait(world: World) -> None:
    stop = Stop()

    def tell(method: str, path: str, body: Any) -> Reply:
        stop.ask("interrupt")
        return refused(503)

    world.tell = tell
    ended = world.run(f"steps:\n  - {{ id: a, prompt: one, {TALK} }}\n", stop=stop)
    assert ended.end.exit_status is ExitStatus.INTERRUPTED
    assert len(ended.sender.errands) == 1


def test_a_locked_conversation_is_waited_for(world: World) -> None:
    script = in_turn(a=[refused(400, "conversation_locked"), answered()])
    ended = world.run("steps:\n  - { id: a, prompt: one, conversation: conv_x }\n", script)
    assert ended.end.exit_status is ExitStatus.DONE


# Resumes.

TWO = f"""
steps:
  - {{ id: a, prompt: one, {TALK} }}
  - {{ id: b, prompt: two, {TALK} }}
"""


def test_a_resume_speaks_in_the_same(world: World) -> None:
    world.run(TWO, in_turn(b=[refused(400)]))
    again = world.resume()
    assert spoken(again) == [("b", "conv_1")]
    assert again.sender.errands == []


def test_a_new_first_question_asks_the_second_again(world: World) -> None:
    world.run(TWO)
    again = world.resume(edited=TWO.replace("one", "uno"))
    assert spoken(again) == [("a", "conv_1"), ("b", "conv_1")]


def test_a_new_second_question_leaves_the_first(world: World) -> None:
    world.run(TWO)
    again = world.resume(edited=TWO.replace("two", "due"))
    assert spoken(again) == [("b", "conv_1")]


def test_an_edit_elsewhere_leaves_a_conversation(world: World) -> None:
    steps = TWO + "  - { id: c, prompt: three }\n"
    world.run(steps)
    again = world.resume(edited=steps.replace("three", "tre"))
    assert spoken(again) == [("c", None)]


def test_a_held_question_stays_held_when_an_earlier_one_is_new(world: World) -> None:
    steps = TWO.replace("prompt: two", "prompt: two, on_unknown: hold")
    world.run(steps, in_turn(b=[lost()]))
    again = world.resume(edited=steps.replace("one", "uno"))
    assert spoken(again) == [("a", "conv_1")]
    assert again.end.exit_status is ExitStatus.HELD


def test_every_item_is_taken_up_where_it_was(world: World) -> None:
    steps = f"""
steps:
  - id: each
    for_each: [x, y]
    steps:
      - {{ id: a, prompt: "{{{{ item }}}}", {TALK} }}
      - {{ id: b, prompt: more, {TALK} }}
"""
    first = world.run(steps, in_turn(**{"each[2]/b": [refused(400)]}))
    again = world.resume()
    assert spoken(again) == [("each[2]/b", dict(spoken(first))["each[2]/a"])]


# What lasts.

KEPT = "conversation: { name: desk, keep: true }"


@pytest.fixture
def later(tmp_path: Path, world: World) -> World:
    """Another run of the same project."""
    (tmp_path / "later").mkdir()
    other = World(tmp_path / "later", tell=world.tell)
    other.lasting = world.lasting = Lasting()
    return other


def kept_steps(name: str = "desk") -> str:
    return f"steps:\n  - {{ id: a, prompt: one, conversation: {{ name: {name}, keep: true }} }}\n"


def test_a_kept_name_is_the_same_in_every_run(world: World, later: World) -> None:
    assert spoken(world.run(kept_steps())) == [("a", "conv_1")]
    assert isinstance(world.lasting, Lasting)
    assert world.lasting.notes == [{"name": "desk", "workflow": "flow.yaml"}]
    ended = later.run(kept_steps())
    assert spoken(ended) == [("a", "conv_1")]
    assert ended.sender.errands == [("GET", "conversations/conv_1", None)]
    assert [(event.id, event.is_new) for event in began(later)] == [("conv_1", False)]


def test_another_name_is_another(world: World, later: World) -> None:
    world.run(kept_steps())
    assert spoken(later.run(kept_steps("other"))) == [("a", "conv_2")]


def test_a_name_that_is_not_kept_is_begun_in_each_run(world: World, later: World) -> None:
    steps = f"steps:\n  - {{ id: a, prompt: one, {TALK} }}\n"
    world.run(steps)
    assert spoken(later.run(steps)) == [("a", "conv_2")]
    assert isinstance(world.lasting, Lasting)
    assert world.lasting.kept == {}


def test_items_with_names_of_their_own_last(world: World, later: World) -> None:
    steps = """
steps:
  - id: each
    for_each: LIST
    prompt: hello
    conversation: { name: "{{ item }}", keep: true }
"""
    names = dict(spoken(world.run(steps.replace("LIST", "[ada, bob]"))))
    ended = later.run(steps.replace("LIST", "[bob, ada]"))
    assert dict(spoken(ended)) == {"each[1]": names["each[2]"], "each[2]": names["each[1]"]}


def test_one_that_is_gone_begins_anew_and_says_so(world: World, later: World) -> None:
    world.run(kept_steps())
    assert isinstance(world.tell, Desk)
    world.tell.gone = {"conv_1"}
    ended = later.run(kept_steps())
    assert spoken(ended) == [("a", "conv_2")]
    (warning,) = ended.state.warnings
    assert warning.message == "the conversation `desk` of earlier runs is gone; a new one begins"
    assert isinstance(world.lasting, Lasting)
    assert list(world.lasting.kept.values()) == ["conv_2"]


def test_of_two_runs_that_begin_it_the_quicker_is_right(world: World, later: World) -> None:
    del later
    assert isinstance(world.lasting, Lasting)
    world.lasting.quicker = "conv_other"
    assert spoken(world.run(kept_steps())) == [("a", "conv_other")]
    assert [event.is_new for event in began(world)] == [False]


def test_a_simulation_keeps_nothing(world: World, later: World) -> None:
    world.run(kept_steps(), simulated=True)
    assert spoken(later.run(kept_steps())) == [("a", "conv_2")]


def test_a_resume_does_not_ask_what_became_of_a_kept_one(world: World, later: World) -> None:
    del later
    world.run(kept_steps(), in_turn(a=[refused(400)]))
    again = world.resume()
    assert spoken(again) == [("a", "conv_1")]
    assert again.sender.errands == []


def test_secret_names_are_told_apart_and_not_written_down(world: World) -> None:
    world.secrets = ("ada-lovelace", "bob-the-boss")
    steps = """
steps:
  - id: each
    for_each: [ada-lovelace, bob-the-boss]
    prompt: hello
    conversation: { name: "{{ item }}" }
"""
    ended = world.run(steps)
    assert len({name for _, name in spoken(ended)}) == 2
    assert {event.name for event in began(world)} == {"***"}
    assert "lovelace" not in str(ended.sender.errands)


# Money.


def _long(unit: str, body: dict[str, Any]) -> Outcome:
    return answered(f"answer of {unit}")


def test_a_budget_knows_how_long_a_new_conversation_is(world: World) -> None:
    """A whole window of a million tokens would not fit."""
    head = HEAD + "budget: 0.02 USD\n"
    steps = TWO.replace("prompt: ", "max_output_tokens: 99, prompt: ")
    ended = world.run(steps, _long, head=head)
    assert ended.end.exit_status is ExitStatus.DONE


def test_a_budget_counts_a_conversation_of_unknown_length_as_a_window(world: World) -> None:
    head = HEAD + "budget: 0.02 USD\n"
    steps = "steps:\n  - { id: a, prompt: one, max_output_tokens: 99, conversation: conv_x }\n"
    ended = world.run(steps, _long, head=head)
    assert ended.end.exit_status is ExitStatus.BUDGET
    assert ended.sender.units() == []
