"""kill -9 at random points in a fan-out of 500 items, resumed until all is done."""

from __future__ import annotations

import random
import re
import signal
from collections import Counter

import pytest

from flowrunner.errors import ExitStatus
from flowrunner.simulator import Simulator
from tests.cli_world import Project, check_books, posts

ITEMS = 500
KILLED = -signal.SIGKILL
WORKFLOW = """\
flowrunner: 1
name: Many
defaults: {{ model: gpt-6-luna }}
limits: {{ at_once: 24 }}
steps:
  - {{ id: list, set: {{ names: [{names}] }} }}
  - id: each
    for_each: steps.list.output.names
    as: name
    on_unknown: {on_unknown}
    prompt: "item {{{{ name }}}}"
  - id: count
    write: "{{{{ steps.each.texts | length }}}}"
result:
  count: "{{{{ steps.count.text }}}}"
  inputs: "{{{{ steps.each.results | map(attribute='input') }}}}"
"""
NAMES = [f"n{n}" for n in range(1, ITEMS + 1)]


@pytest.mark.parametrize("on_unknown", ["hold", "retry_once"])
def test_a_fan_out_that_is_killed_again_and_again(
    project: Project, simulator: Simulator, on_unknown: str
) -> None:
    chance = random.Random(f"fan-out {on_unknown}")
    names = ", ".join(f'"{name}"' for name in NAMES)
    project.at(simulator).write("many.yaml", WORKFLOW.format(names=names, on_unknown=on_unknown))
    in_flight: set[str] = set()
    done: set[str] = set()
    words, kills = ["run", "many.yaml"], 0
    for _ in range(5):
        kind = chance.choice(["before", "after", "torn", "sending"])
        doom = f"{kind}:{chance.randint(40, 150 if kind == 'sending' else 500)}"
        driven = project.start(*words, module="tests.crash_driver", environ={"DOOM": doom})
        if driven.wait().status != KILLED:
            break
        words, kills = ["resume"], kills + 1
        state = project.latest.state
        calls = [call for step in state.steps.values() for call in step.calls]
        in_flight |= {call.unit for call in calls if call.state == "sent"}
        now = {unit for unit, step in state.steps.items() if step.status == "succeeded"}
        assert done <= now, "nothing that was done is lost"
        done = now
    assert kills >= 3
    last = project.run("resume")

    run = project.latest
    asked = Counter(_unit(call.client_request_id) for call in posts(simulator, run.folder.name))
    statuses = {unit: run.state.steps[unit].status for unit in _units()}
    held = {unit for unit, status in statuses.items() if status == "unknown"}
    if on_unknown == "hold":
        assert held <= in_flight
        assert max(asked.values()) == 1, "held is not asked again"
        assert last.status == (ExitStatus.HELD if held else ExitStatus.DONE)
        assert held
    else:
        assert max(asked.values()) <= 2
        assert {unit for unit, count in asked.items() if count == 2} <= in_flight
        assert last.status == (ExitStatus.HELD if held else ExitStatus.DONE), last.err
    check_books(run, simulator, crashed=True)
    if held:
        last = project.run("resume", "--on-unknown", "retry_once")
        assert last.status == ExitStatus.DONE, last.err
    assert last.result == {"count": str(ITEMS), "inputs": NAMES}
    check_books(project.latest, simulator, crashed=True)


def _units() -> list[str]:
    return [f"each[{n}]" for n in range(1, ITEMS + 1)]


def _unit(client_request_id: str | None) -> str:
    found = re.search(r"each\[\d+\]", client_request_id or "")
    assert found is not None
    return found.group()
