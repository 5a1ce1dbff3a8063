"""Tools at work: a model asks, people allow, what is done is on record, nothing is done twice."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from flowrunner.errors import ExitStatus
from flowrunner.journal.decisions import decide
from flowrunner.journal.journal import Journal
from flowrunner.journal.tool_calls import ToolCallState
from flowrunner.responses.outcome import Answered, Outcome
from tests.engine_world import HEAD, Ended, World, answered, in_turn, lost, refused

SHOP = """
import json, sys
given = json.load(sys.stdin)
with open("done.txt", "a") as done:
    done.write(sys.argv[1] + " " + json.dumps(given) + "\\n")
if given.get("order") == "hang":
    import time
    time.sleep(60)
if given.get("order") == "bad":
    sys.exit("no such order")
print(json.dumps({"order": given["order"], "state": "sent"}))
"""

TOOLS = f"""
tools:
  find:
    describe: Look up an order
    run: [{sys.executable}, shop.py, find]
    arguments: {{ order: text }}
    changes_things: false
  refund:
    describe: Refund an order
    run: [{sys.executable}, shop.py, refund]
    arguments: {{ order: text, amount: number }}
"""
ONE = """
steps:
  - id: help
    prompt: Where is my order?
    tools: [find, refund]
"""


def function(name: str, arguments: Any, call_id: str = "call_1") -> dict[str, Any]:
    """An output item in which a model calls a function."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {
        "type": "function_call",
        "id": f"fc_{call_id}",
        "call_id": call_id,
        "name": name,
        "arguments": text,
        "status": "completed",
    }


def asks(*items: dict[str, Any], **patch: Any) -> Answered:
    """A response in which a model calls tools."""
    thought = {"type": "reasoning", "id": "rs_1", "summary": []}
    return answered(output=[thought, *items], **patch)


class ToolWorld(World):
    """A world with a shop whose tools write down what they did."""

    def tools(self, steps: str = ONE, *outcomes: Outcome, tools: str = TOOLS, **more: Any) -> Ended:
        """A run of steps whose `help` is answered so."""
        (self.folder / "shop.py").write_text(SHOP)
        return self.run(steps, in_turn(help=outcomes), head=HEAD + tools, **more)

    def again(self, *outcomes: Outcome, **more: Any) -> Ended:
        """A resume whose `help` is answered so."""
        return self.resume(in_turn(help=outcomes), **more)

    @property
    def done(self) -> list[str]:
        """What the tools did, in order."""
        file = self.folder / "done.txt"
        return file.read_text().splitlines() if file.exists() else []

    def calls(self, unit: str = "help") -> tuple[ToolCallState, ...]:
        with Journal.open(self.run_folder) as journal:
            return journal.tool_record(unit).calls

    def agrees(self, granted: bool = True, why: str | None = None, unit: str = "help") -> None:
        """Somebody decides at another shell."""
        decide(self.run_folder, unit, granted=granted, by="Ada", why=why, at=self.clock.now())


@pytest.fixture
def world(tmp_path: Path) -> ToolWorld:
    return ToolWorld(tmp_path)


def inputs_of(ended: Ended, post: int) -> list[dict[str, Any]]:
    """The items that a POST of the process brought, counted from 0."""
    found: Any = list(ended.sender.bodies.values())[post]["input"]
    return list(found)


def outputs(ended: Ended, post: int = 1) -> dict[str, str]:
    """What calls were replied with, by their ids."""
    return {
        item["call_id"]: item["output"]
        for item in inputs_of(ended, post)
        if item.get("type") == "function_call_output"
    }


def test_a_call_is_answered_and_the_model_goes_on(world: ToolWorld) -> None:
    ended = world.tools(ONE, asks(function("find", {"order": "17"})), answered("It was sent."))
    assert ended.end.exit_status is ExitStatus.DONE
    result = ended.result("help")
    assert result["text"] == "It was sent."
    first, second = ended.sender.bodies.values()
    assert second["previous_response_id"] == "resp_1"
    assert second["tools"] == first["tools"]
    [reply] = second["input"]
    assert (reply["type"], reply["call_id"]) == ("function_call_output", "call_1")
    assert json.loads(reply["output"]) == {"order": "17", "state": "sent"}
    assert [(call["name"], call["arguments"]) for call in result["tool_calls"]] == [
        ("find", {"order": "17"})
    ]
    assert result["usage"]["input_tokens"] == 2000


def test_turns_are_counted_in_the_addresses(world: ToolWorld) -> None:
    ended = world.tools(ONE, asks(function("find", {"order": "1"})), answered())
    assert [call.turn for call in ended.state.steps["help"].calls] == [1, 2]
    assert list(ended.sender.bodies) == ["run-1/help/1.1.1", "run-1/help/1.2.1"]


def test_without_stored_responses_everything_is_sent_again_in_order(world: ToolWorld) -> None:
    steps = ONE + "    store: false\n"
    calls = [asks(function("find", {"order": n}, f"call_{n}")) for n in ("1", "2")]
    ended = world.tools(steps, *calls, answered())
    last = list(ended.sender.bodies.values())[-1]
    assert "previous_response_id" not in last
    kinds = [item.get("type", item.get("role")) for item in last["input"]]
    turn = ["reasoning", "function_call", "function_call_output"]
    assert kinds == ["user", *turn, *turn]
    assert not any("id" in item for item in last["input"])


def test_a_server_that_keeps_nothing_after_all_gets_everything_again(world: ToolWorld) -> None:
    gone = refused(400, "previous_response_not_found")
    ended = world.tools(ONE, asks(function("find", {"order": "1"})), gone, answered("ok"))
    assert ended.result("help")["text"] == "ok"
    last = list(ended.sender.bodies.values())[-1]
    assert [item.get("type", "message") for item in last["input"]] == [
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
    ]


REFUND = function("refund", {"order": "17", "amount": 5}, "call_r")
FIND = function("find", {"order": "17"}, "call_f")


def test_nobody_there_the_run_waits_and_a_person_elsewhere_agrees(world: ToolWorld) -> None:
    ended = world.tools(ONE, asks(FIND, REFUND))
    assert ended.end.exit_status is ExitStatus.WAITING
    assert (ended.status("help"), ended.reason("help")) == ("waiting", "approval")
    assert "`refund`" in (ended.end.message or "")
    assert "flowrunner approve run-1 help" in (ended.end.help or "")
    assert world.done == []
    approval = ended.state.steps["help"].approval
    assert approval is not None
    assert approval.text == 'call `refund`, which changes things\n  order: "17"\n  amount: 5'
    world.agrees()
    ended = world.again(answered("Done."))
    assert ended.end.exit_status is ExitStatus.DONE
    assert [line.split()[0] for line in world.done] == ["find", "refund"]
    assert set(outputs(ended, 0)) == {"call_f", "call_r"}
    told = {call["name"]: call["decided_by"] for call in ended.result("help")["tool_calls"]}
    assert told == {"find": None, "refund": "Ada"}


def test_a_run_that_waits_goes_on_waiting_until_somebody_decides(world: ToolWorld) -> None:
    world.tools(ONE, asks(REFUND))
    for _ in range(2):
        ended = world.again()
        assert ended.end.exit_status is ExitStatus.WAITING
        assert ended.sender.bodies == {}
    world.agrees()
    assert world.again(answered()).end.exit_status is ExitStatus.DONE
    assert len(world.done) == 1


def test_a_denial_goes_back_to_the_model(world: ToolWorld) -> None:
    world.tools(ONE, asks(FIND, REFUND))
    world.agrees(granted=False, why="too much")
    ended = world.again(answered("I may not."))
    assert ended.result("help")["text"] == "I may not."
    assert [line.split()[0] for line in world.done] == ["find"]
    assert outputs(ended, 0)["call_r"] == "Error: a person denied this call: too much"
    assert [(call.name, call.not_run) for call in world.calls()] == [
        ("find", None),
        ("refund", "denied"),
    ]


def test_somebody_at_the_terminal_is_asked_in_each_turn(world: ToolWorld) -> None:
    world.answers = {"help": True}
    turns = [asks(function("refund", {"order": n, "amount": 1}, f"call_{n}")) for n in "12"]
    ended = world.tools(ONE, *turns, answered("Done."))
    assert ended.end.exit_status is ExitStatus.DONE
    assert len(world.done) == 2
    assert {call.approval.way for call in world.calls() if call.approval} == {"terminal"}


def test_calls_that_change_things_are_asked_about_together_and_done_in_order(
    world: ToolWorld,
) -> None:
    first = function("refund", {"order": "1", "amount": 1}, "call_1")
    second = function("refund", {"order": "2", "amount": 2}, "call_2")
    ended = world.tools(ONE, asks(first, second))
    approval = ended.state.steps["help"].approval
    assert approval is not None
    assert approval.text.startswith("2 calls, all of them or none:\n\ncall `refund`")
    world.agrees()
    world.again(answered())
    assert [json.loads(line.split(" ", 1)[1])["order"] for line in world.done] == ["1", "2"]


@pytest.mark.parametrize(
    ("item", "told"),
    [
        (function("nuke", {}), "there is no tool `nuke` that may be called here"),
        (function("__class__", {}), "there is no tool `__class__`"),
        (function("find", "{"), "the arguments are not JSON"),
        (function("find", '{"order": "1", "order": "2"}'), "the arguments are not JSON"),
        (function("find", '{"order": NaN}'), "the arguments are not JSON"),
        (function("find", "[" * 100_000), "the arguments are not JSON"),
        (function("find", '["1"]'), "the arguments do not fit: the arguments must be an object"),
        (function("find", {"order": 1}), "the arguments do not fit"),
        (function("find", {}), "the arguments do not fit"),
        (function("find", {"order": "1", "more": 1}), "the arguments do not fit"),
        (function("find", "x" * 2_000_000), "longer than 1,048,576 characters"),
        ({**function("find", {"order": "1"}), "namespace": "other"}, "there is no tool `find`"),
    ],
    ids=[
        *("undeclared", "dunder", "broken", "twice", "nan", "deep", "list", "kind", "missing"),
        *("unknown", "long", "namespace"),
    ],
)
def test_what_does_not_fit_is_not_run_and_the_model_is_told(
    world: ToolWorld, item: dict[str, Any], told: str
) -> None:
    ended = world.tools(ONE, asks(item), answered("I see."))
    assert ended.end.exit_status is ExitStatus.DONE
    assert world.done == []
    assert outputs(ended)["call_1"].startswith("Error: ")
    assert told in outputs(ended)["call_1"]
    [call] = world.calls()
    assert call.not_run in ("undeclared", "arguments")


def test_a_tool_that_fails_tells_the_model_why(world: ToolWorld) -> None:
    ended = world.tools(ONE, asks(function("find", {"order": "bad"})), answered("Sorry."))
    assert ended.end.exit_status is ExitStatus.DONE
    assert outputs(ended)["call_1"].startswith("Error: ")
    assert "no such order" in outputs(ended)["call_1"]
    assert [(call.ok, call.has_run) for call in world.calls()] == [(False, True)]


def test_a_tool_that_hangs_is_ended_in_its_own_time(world: ToolWorld) -> None:
    tools = TOOLS.replace("    changes_things: false", "    changes_things: false\n    timeout: 1s")
    hangs = asks(function("find", {"order": "hang"}))
    ended = world.tools(ONE, hangs, answered("Sorry."), tools=tools)
    assert ended.end.exit_status is ExitStatus.DONE
    assert "1 s" in outputs(ended)["call_1"]


def test_every_type_of_call_gets_an_answer(world: ToolWorld) -> None:
    items = [
        {"type": "shell_call", "id": "s", "call_id": "c1", "environment": {"type": "local"},
         "action": {"commands": ["ls"], "max_output_length": 9}},
        {"type": "local_shell_call", "id": "l", "call_id": "c2", "action": {"command": ["ls"]}},
        {"type": "apply_patch_call", "id": "p", "call_id": "c3", "operation": {"type": "x"}},
        {"type": "custom_tool_call", "id": "k", "call_id": "c4", "name": "k", "input": "x"},
        {"type": "computer_call", "id": "m", "call_id": "c5", "action": {"type": "screenshot"}},
        {"type": "tool_search_call", "id": "t", "call_id": "c6", "execution": "client"},
    ]  # fmt: skip
    ended = world.tools(ONE, asks(*items), answered())
    assert ended.end.exit_status is ExitStatus.DONE
    replies = inputs_of(ended, 1)
    assert [reply.get("call_id") for reply in replies if "call_id" in reply] == [
        f"c{n}" for n in range(1, 7)
    ]
    assert {call.not_run for call in world.calls()} == {"no-executor", "undeclared"}


@pytest.mark.parametrize(
    ("choice", "then"),
    [
        ("required", "auto"),
        ({"type": "function", "name": "find"}, "auto"),
        (
            {"type": "allowed_tools", "mode": "required", "tools": []},
            {"type": "allowed_tools", "mode": "auto", "tools": []},
        ),
    ],
    ids=["required", "function", "allowed"],
)
def test_a_forced_choice_is_free_after_the_first_turn(
    world: ToolWorld, choice: Any, then: Any
) -> None:
    steps = ONE + f"    tool_choice: {json.dumps(choice)}\n"
    ended = world.tools(steps, asks(function("find", {"order": "1"})), answered())
    assert [body["tool_choice"] for body in ended.sender.bodies.values()] == [choice, then]


def test_an_endless_loop_ends_at_max_turns_with_its_calls_listed(world: ToolWorld) -> None:
    steps = ONE + "    max_turns: 3\n"
    turns = [asks(function("find", {"order": n}, f"call_{n}")) for n in "123"]
    ended = world.tools(steps, *turns)
    assert ended.end.exit_status is ExitStatus.FAILED
    assert ended.reason("help") == "max-turns"
    assert len(ended.sender.bodies) == 3
    assert "asked for tools in each of 3 turns" in (ended.end.message or "")
    assert "`find` 2×" in (ended.end.message or "")
    assert len(ended.result("help")["tool_calls"]) == 2
    again = world.resume(
        in_turn(help=[answered("ok")]), edited=steps.replace("3", "4"), head=HEAD + TOOLS
    )
    assert again.end.exit_status is ExitStatus.DONE
    assert len(again.sender.bodies) == 1
    assert len(world.done) == 3


def test_many_calls_at_once_are_bounded(world: ToolWorld) -> None:
    items = [function("nuke", {}, f"call_{n}") for n in range(300)]
    ended = world.tools(ONE, asks(*items), answered())
    assert len(outputs(ended)) == 300
    assert ended.end.exit_status is ExitStatus.DONE


def test_calls_without_an_id_fail_the_step(world: ToolWorld) -> None:
    item = {**function("find", {"order": "1"}), "call_id": ""}
    ended = world.tools(ONE, asks(item))
    assert ended.reason("help") == "open-calls"
    assert world.done == []


def test_no_second_attempt_once_something_was_changed(world: ToolWorld) -> None:
    world.answers = {"help": True}
    steps = ONE + "    output: { n: integer }\n    retry: 3\n"
    ended = world.tools(steps, asks(REFUND), answered("no json"), answered('{"n": 1}'))
    assert ended.reason("help") == "not-json"
    assert len(ended.sender.bodies) == 2
    other = ToolWorld(world.folder / "other")
    other.folder.mkdir()
    ended = other.tools(steps, asks(FIND), answered("no json"), answered('{"n": 1}'))
    assert ended.result("help")["output"] == {"n": 1}


def killed_at(world: ToolWorld, steps: str, *outcomes: Outcome, kind: str) -> None:
    """A process that dies right after the first record of a kind: what follows never happened."""
    world.tools(steps, *outcomes)
    with Journal.open(world.run_folder) as journal:
        cut = next(seq for seq, event in journal.events() if type(event).__name__ == kind)
        kept = [event for _, event in journal.events(bodies=True)][:cut]
        frozen = {name: journal.frozen(name) for name in journal.frozen_names()}
    world.run_folder.rename(world.folder / "before")
    with Journal.create(world.run_folder, frozen, world.clock.now, inline=True) as journal:

        async def write() -> None:
            await journal.append_many(kept)

        asyncio.run(write())


def test_an_answered_call_is_not_run_again(world: ToolWorld) -> None:
    killed_at(world, ONE, asks(FIND), answered(), kind="ToolCallEnded")
    assert len(world.done) == 1
    ended = world.again(answered("ok"))
    assert ended.result("help")["text"] == "ok"
    assert len(world.done) == 1
    assert list(ended.sender.bodies) == ["run-1/help/1.2.1"]


def test_an_unanswered_call_that_only_looks_is_run_once_more(world: ToolWorld) -> None:
    killed_at(world, ONE, asks(FIND), answered(), kind="ToolCallBegan")
    ended = world.again(answered("ok"))
    assert ended.end.exit_status is ExitStatus.DONE
    assert len(world.done) == 2
    assert [call.begun for call in world.calls()] == [2]


def test_an_unanswered_call_that_changes_things_is_held(world: ToolWorld) -> None:
    world.answers = {"help": True}
    killed_at(world, ONE, asks(REFUND), answered(), kind="ToolCallBegan")
    assert len(world.done) == 1
    for _ in range(2):
        ended = world.again()
        assert ended.end.exit_status is ExitStatus.HELD
        assert (ended.status("help"), ended.reason("help")) == ("unknown", "tool-lost")
        assert "`refund` was begun" in (ended.end.message or "")
        assert "--on-unknown retry_once" in (ended.end.help or "")
        assert ended.sender.bodies == {}
    assert len(world.done) == 1
    ended = world.again(answered("ok"), asks_held=True)
    assert ended.end.exit_status is ExitStatus.DONE
    assert len(world.done) == 2
    assert list(ended.sender.bodies) == ["run-1/help/1.2.1"]


def test_a_held_call_stays_held_whatever_is_asked_now(world: ToolWorld) -> None:
    world.answers = {"help": True}
    killed_at(world, ONE, asks(REFUND), answered(), kind="ToolCallBegan")
    edited = ONE.replace("Where is", "Where now is")
    ended = world.resume(in_turn(), edited=edited, head=HEAD + TOOLS)
    assert ended.end.exit_status is ExitStatus.HELD
    assert ended.sender.bodies == {}


def test_who_agreed_before_the_process_died_is_not_asked_again(world: ToolWorld) -> None:
    world.answers = {"help": True}
    killed_at(world, ONE, asks(REFUND), answered(), kind="ApprovalGiven")
    world.answers = None
    (world.folder / "done.txt").unlink()
    ended = world.again(answered("ok"))
    assert ended.end.exit_status is ExitStatus.DONE
    assert len(world.done) == 1


def test_a_failure_between_turns_is_gone_on_from(world: ToolWorld) -> None:
    no = refused(401, "invalid_api_key")
    ended = world.tools(ONE, asks(FIND), no)
    assert ended.end.exit_status is ExitStatus.ENVIRONMENT
    assert "tools called so far: `find`" in (ended.state.steps["help"].message or "")
    ended = world.again(answered("ok"))
    assert ended.end.exit_status is ExitStatus.DONE
    assert list(ended.sender.bodies) == ["run-1/help/1.2.2"]
    assert len(world.done) == 1


def test_a_lost_answer_is_asked_for_again_from_its_turn_and_no_tool_runs_twice(
    world: ToolWorld,
) -> None:
    world.answers = {"help": True}
    ended = world.tools(ONE, asks(REFUND), lost())
    assert ended.end.exit_status is ExitStatus.HELD
    assert world.again().sender.bodies == {}
    ended = world.again(answered("ok"), asks_held=True)
    assert ended.end.exit_status is ExitStatus.DONE
    assert list(ended.sender.bodies) == ["run-1/help/1.2.2"]
    assert len(world.done) == 1


CALL = """
steps:
  - id: look
    call: find
    with: { order: "17" }
  - { id: after, write: "{{ steps.look.text }}" }
"""
PAY = """
steps:
  - id: pay
    call: refund
    with: { order: "17", amount: 5 }
  - { id: after, write: "{{ steps.pay.text }}" }
"""
ASKS = TOOLS.replace("Refund an order", "Refund an order\n    ask: always")


def test_a_tool_is_called_without_a_model(world: ToolWorld) -> None:
    ended = world.tools(CALL)
    assert ended.end.exit_status is ExitStatus.DONE
    assert ended.sender.bodies == {}
    assert json.loads(ended.result("after")["text"]) == {"order": "17", "state": "sent"}
    [call] = world.calls("look")
    assert (call.kind, call.tool, call.ok, call.turn) == ("call", "find", True, 1)
    assert ended.result("look")["tool_calls"][0]["arguments"] == {"order": "17"}


def test_what_the_author_calls_is_asked_about_only_where_the_file_says_so(
    world: ToolWorld,
) -> None:
    assert world.tools(PAY).end.exit_status is ExitStatus.DONE
    assert len(world.done) == 1


def test_a_call_that_asks_waits_and_goes_on(world: ToolWorld) -> None:
    ended = world.tools(PAY, tools=ASKS)
    assert ended.end.exit_status is ExitStatus.WAITING
    assert world.done == []
    assert world.resume().end.exit_status is ExitStatus.WAITING
    world.agrees(unit="pay")
    ended = world.resume()
    assert ended.end.exit_status is ExitStatus.DONE
    assert len(world.done) == 1
    assert ended.result("pay")["tool_calls"][0]["decided_by"] == "Ada"


def test_a_denied_call_blocks_what_stands_below(world: ToolWorld) -> None:
    world.tools(PAY, tools=ASKS)
    world.agrees(granted=False, why="no", unit="pay")
    ended = world.resume()
    assert (ended.status("pay"), ended.reason("pay")) == ("cancelled", "denied")
    assert ended.status("after") is None
    assert ended.end.exit_status is ExitStatus.BUDGET
    assert world.done == []


def test_a_call_that_failed_fails_its_step_and_is_tried_again_where_it_only_looks(
    world: ToolWorld,
) -> None:
    steps = CALL.replace('"17"', '"bad"').replace("call: find", "call: find\n    retry: 3")
    ended = world.tools(steps)
    assert (ended.status("look"), ended.reason("look")) == ("failed", "tool")
    assert "no such order" in (ended.end.message or "")
    assert [call.attempt for call in world.calls("look")] == [1, 2, 3]
    other = ToolWorld(world.folder / "other")
    other.folder.mkdir()
    steps = PAY.replace('"17"', '"bad"').replace("call: refund", "call: refund\n    retry: 3")
    other.tools(steps)
    assert [call.attempt for call in other.calls("pay")] == [1]


def test_a_call_cut_off_by_a_crash_is_held_where_it_changes_things(world: ToolWorld) -> None:
    killed_at(world, PAY, kind="ToolCallBegan")
    ended = world.resume()
    assert ended.end.exit_status is ExitStatus.HELD
    assert ended.reason("pay") == "tool-lost"
    assert len(world.done) == 1
    ended = world.resume(asks_held=True)
    assert ended.end.exit_status is ExitStatus.DONE
    assert len(world.done) == 2


def test_an_answered_call_is_not_made_again_after_a_crash(world: ToolWorld) -> None:
    killed_at(world, PAY, kind="ToolCallEnded")
    ended = world.resume()
    assert ended.end.exit_status is ExitStatus.DONE
    assert len(world.done) == 1
    assert json.loads(ended.result("after")["text"])["order"] == "17"


def test_arguments_of_a_step_that_do_not_fit_fail_it_before_anything_runs(
    world: ToolWorld,
) -> None:
    steps = """
steps:
  - { id: say, prompt: hi, output: { n: number } }
  - { id: pay, call: refund, with: { order: "17", amount: "{{ steps.say.output.n }}" } }
"""
    tools = TOOLS.replace("amount: number", "amount: { type: number, minimum: 1 }")
    (world.folder / "shop.py").write_text(SHOP)
    ended = world.run(steps, in_turn(say=[answered('{"n": 0}')]), head=HEAD + tools)
    assert (ended.status("pay"), ended.reason("pay")) == ("failed", "arguments")
    assert world.done == []


INNER = """\
flowrunner: 1
name: Inner
defaults: { model: gpt-6-luna }
inputs: { page: text }
steps:
  - { id: sum, prompt: "Sum up {{ inputs.page }}" }
  - { id: agree, approve: "Go on with {{ inputs.page }}?", if: "inputs.page == 'risky'" }
result: "{{ steps.sum.text }}"
"""
NESTED = "\ntools:\n  sums: { describe: Sums up, workflow: inner.yaml }\n"
READ = "steps:\n  - { id: help, prompt: Read them, tools: [sums] }\n"


def read_pages(world: ToolWorld, *pages: str, **more: Any) -> Ended:
    (world.folder / "inner.yaml").write_text(INNER)
    calls = [function("sums", {"page": page}, f"call_{page}") for page in pages]
    outcomes = {"help": [asks(*calls), answered("Read.")]}
    return world.run(READ, in_turn(**outcomes), head=HEAD + NESTED, **more)


def test_a_workflow_as_a_tool_is_a_step_inside_the_one_that_calls_it(world: ToolWorld) -> None:
    ended = read_pages(world, "one", "two")
    assert ended.end.exit_status is ExitStatus.DONE, ended.end
    assert ended.status("help/sums_1/sum") == "succeeded"
    assert ended.status("help/sums_2/sum") == "succeeded"
    assert outputs(ended, 3) == {
        "call_one": "answer of help/sums_1/sum",
        "call_two": "answer of help/sums_2/sum",
    }
    assert ended.asked()["help/sums_2/sum"] == "Sum up two"


def test_braces_of_a_model_are_no_templates(world: ToolWorld) -> None:
    ended = read_pages(world, "{{ run.id }}")
    assert ended.asked()["help/sums_1/sum"] == "Sum up {{ run.id }}"


def test_an_approval_inside_a_tool_waits_like_any_other(world: ToolWorld) -> None:
    ended = read_pages(world, "risky")
    assert ended.end.exit_status is ExitStatus.WAITING
    assert ended.status("help") == "waiting"
    world.agrees(unit="help/sums_1/agree")
    ended = world.again(answered("Read."))
    assert ended.end.exit_status is ExitStatus.DONE, ended.end
    assert ended.sender.units() == ["help"]
    assert outputs(ended, 0) == {"call_risky": "answer of help/sums_1/sum"}


def test_a_workflow_that_fails_tells_the_model(world: ToolWorld) -> None:
    (world.folder / "inner.yaml").write_text(INNER)
    script = in_turn(**{
        "help": [asks(function("sums", {"page": "x"})), answered("Sorry.")],
        "help/sums_1/sum": [refused(400, "bad")],
    })  # fmt: skip
    ended = world.run(READ, script, head=HEAD + NESTED)
    assert ended.end.exit_status is ExitStatus.DONE
    assert outputs(ended, 2)["call_1"].startswith("Error: ")


def test_a_workflow_as_a_tool_spends_the_budget_of_its_caller(world: ToolWorld) -> None:
    ended = read_pages(world, "one", budget=None)
    with Journal.open(world.run_folder) as journal:
        assert journal.spent_below("help").usage.input == 3000
    assert ended.end.exit_status is ExitStatus.DONE


TEXT = f"""
tools:
  query: {{ describe: Ask the books, run: [{sys.executable}, -c, "print(input()[::-1])"],
           input: text, changes_things: false }}
"""


def test_a_custom_tool_takes_a_text(world: ToolWorld) -> None:
    item = {"type": "custom_tool_call", "id": "k", "call_id": "c", "name": "query", "input": "abc"}
    steps = "steps:\n  - { id: help, prompt: Ask, tools: [query] }\n"
    ended = world.tools(steps, asks(item), answered(), tools=TEXT)
    assert inputs_of(ended, 1) == [
        {"type": "custom_tool_call_output", "call_id": "c", "output": "cba\n"}
    ]


def test_what_a_server_of_tools_may_do_is_for_a_person_to_say(world: ToolWorld) -> None:
    item = {
        "type": "mcp_approval_request",
        "id": "mcpr_1",
        "server_label": "shop",
        "name": "buy",
        "arguments": '{"n": 1}',
    }
    ended = world.tools(ONE, asks(item))
    assert ended.end.exit_status is ExitStatus.WAITING
    approval = ended.state.steps["help"].approval
    assert approval is not None
    assert "`shop.buy`" in approval.text
    assert "n: 1" in approval.text
    world.agrees(granted=False, why="never")
    ended = world.again(answered())
    assert inputs_of(ended, 0) == [
        {
            "type": "mcp_approval_response",
            "approval_request_id": "mcpr_1",
            "approve": False,
            "reason": "a person denied this call: never",
        }
    ]


DESK = f"""
tools:
  desk: {{ computer: {{ command: [{sys.executable}, desk.py] }}, ask: never }}
"""
DESK_PROGRAM = """
import base64, json, sys
for line in sys.stdin:
    open("done.txt", "a").write(line)
    picture = base64.b64encode(b"\\x89PNG\\r\\n\\x1a\\n").decode()
    print(json.dumps({"screenshot": picture}), flush=True)
"""


@pytest.mark.parametrize("granted", [True, False], ids=["agreed", "denied"])
def test_what_the_api_warns_of_is_done_only_where_a_person_agrees(
    world: ToolWorld, granted: bool
) -> None:
    (world.folder / "desk.py").write_text(DESK_PROGRAM)
    check = {"id": "sc_1", "code": "malicious", "message": "This may pay for something."}
    item = {
        "type": "computer_call",
        "id": "cc_1",
        "call_id": "c",
        "action": {"type": "click", "x": 1, "y": 2},
        "pending_safety_checks": [check],
    }
    steps = "steps:\n  - { id: help, prompt: Click, tools: [desk], accept_risk: a test }\n"
    ended = world.tools(steps, asks(item), tools=DESK)
    assert ended.end.exit_status is ExitStatus.WAITING
    approval = ended.state.steps["help"].approval
    assert approval is not None
    assert "the API warns: This may pay for something." in approval.text
    world.agrees(granted=granted)
    ended = world.again(answered("Clicked."))
    if granted:
        assert ended.result("help")["text"] == "Clicked."
        [reply] = inputs_of(ended, 0)
        assert reply["acknowledged_safety_checks"] == [check]
        assert reply["output"]["image_url"].startswith("data:image/png;base64,")
        assert len(world.done) == 1
    else:
        assert (ended.status("help"), ended.reason("help")) == ("failed", "denied")
        assert ended.sender.bodies == {}
        assert world.done == []


def test_secrets_that_a_tool_prints_reach_no_model_and_no_record(world: ToolWorld) -> None:
    world.secrets = ("hunter22",)
    ended = world.tools(ONE, asks(function("find", {"order": "hunter22"})), answered())
    assert "hunter22" not in json.dumps(list(ended.sender.bodies.values())[1])
    with Journal.open(world.run_folder) as journal:
        assert "hunter22" not in repr(list(journal.events(bodies=True)))


def test_calls_of_one_turn_run_at_the_same_time_where_nothing_changes(world: ToolWorld) -> None:
    code = (
        "import pathlib, sys, time; own = sys.stdin.read(); here = pathlib.Path('here')\n"
        "here.mkdir(exist_ok=True); (here / str(len(own))).touch()\n"
        "end = time.monotonic() + 20\n"
        "while len(list(here.iterdir())) < 2 and time.monotonic() < end: time.sleep(0.01)\n"
        "print(len(list(here.iterdir())))"
    )
    (world.folder / "meet.py").write_text(code)
    tools = f"""
tools:
  meet: {{ describe: Meet, run: [{sys.executable}, meet.py], arguments: {{ n: text }},
          changes_things: false }}
"""
    steps = "steps:\n  - { id: help, prompt: Meet, tools: [meet] }\n"
    calls = [function("meet", {"n": "x" * n}, f"call_{n}") for n in (1, 2)]
    ended = world.tools(steps, asks(*calls), answered(), tools=tools)
    assert outputs(ended) == {"call_1": "2\n", "call_2": "2\n"}


def test_an_edited_tool_is_another_tool(world: ToolWorld) -> None:
    world.tools(ONE, asks(FIND), answered("first"))
    same = world.resume(in_turn(), edited=ONE, head=HEAD + TOOLS)
    assert same.sender.bodies == {}
    tools = TOOLS.replace("shop.py, find", "shop.py, search")
    ended = world.resume(in_turn(help=[answered("second")]), edited=ONE, head=HEAD + tools)
    assert ended.result("help")["text"] == "second"


CLOCK = f"""
tools:
  clock:
    mcp: {{ command: [{sys.executable}, -m, mcp_server_time, --local-timezone, UTC] }}
    allowed_tools: [get_current_time]
    changes_things: false
"""


def test_a_tool_of_a_server_is_offered_checked_and_called(world: ToolWorld) -> None:
    steps = "steps:\n  - { id: help, prompt: When, tools: [clock] }\n"
    good = function("clock__get_current_time", {"timezone": "Asia/Tokyo"}, "call_1")
    bad = function("clock__get_current_time", {"zone": "x"}, "call_2")
    other = function("clock__convert_time", {}, "call_3")
    ended = world.tools(steps, asks(good, bad, other), answered("Now."), tools=CLOCK)
    assert ended.end.exit_status is ExitStatus.DONE, ended.end
    first = next(iter(ended.sender.bodies.values()))
    [offered] = first["tools"]
    assert (offered["type"], offered["name"]) == ("function", "clock__get_current_time")
    assert offered["strict"] is False
    given = outputs(ended)
    assert "Asia/Tokyo" in json.dumps(given["call_1"])
    assert given["call_2"].startswith("Error: the arguments do not fit")
    assert "there is no tool `clock__convert_time`" in given["call_3"]


def test_a_server_that_cannot_be_asked_fails_the_step_before_anything_is_sent(
    world: ToolWorld,
) -> None:
    tools = CLOCK.replace("mcp_server_time", "no_such_server_of_tools")
    steps = "steps:\n  - { id: help, prompt: When, tools: [clock] }\n"
    ended = world.tools(steps, tools=tools)
    assert (ended.status("help"), ended.reason("help")) == ("failed", "mcp")
    assert ended.sender.bodies == {}


def test_a_tool_of_a_server_is_called_without_a_model(world: ToolWorld) -> None:
    steps = """
steps:
  - { id: now, call: clock__get_current_time, with: { timezone: Asia/Tokyo } }
  - { id: say, write: "{{ steps.now.text }}" }
"""
    ended = world.tools(steps, tools=CLOCK)
    assert ended.end.exit_status is ExitStatus.DONE, ended.end
    assert "Asia/Tokyo" in ended.result("say")["text"]


SANDBOX = """
tools:
  sandbox: { shell: { in: work } }
  patches: { apply_patch: { in: work } }
"""


def test_a_shell_and_patches_work_in_their_folder(world: ToolWorld) -> None:
    (world.folder / "work").mkdir()
    world.answers = {"help": True}
    steps = """
steps:
  - { id: help, prompt: Write, tools: [sandbox, patches], accept_risk: a test }
"""
    patch = {
        "type": "apply_patch_call",
        "id": "p",
        "call_id": "c1",
        "operation": {"type": "create_file", "path": "a.txt", "diff": "+hello\n"},
    }
    shell = {
        "type": "shell_call",
        "id": "s",
        "call_id": "c2",
        "environment": {"type": "local"},
        "action": {"commands": ["cat a.txt"], "max_output_length": 50},
    }
    ended = world.tools(steps, asks(patch, shell), answered("Done."), tools=SANDBOX)
    assert ended.end.exit_status is ExitStatus.DONE, ended.end
    patched, told = inputs_of(ended, 1)
    assert patched["status"] == "completed"
    assert told["output"][0]["stdout"].strip() == "hello"
    assert told["max_output_length"] == 50
