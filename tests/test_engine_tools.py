"""Tools at work: a model asks, people allow, what is done is on record, and nothing is done twice."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from flowrunner.engine.ports import Stop
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
