"""Budgets over whole runs: what is spent never passes them, whatever the answers cost."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flowrunner.errors import ExitStatus
from flowrunner.events import Usage
from flowrunner.responses.outcome import Outcome
from tests.engine_world import HEAD, Script, World, answered, in_turn, lost

ITEMS = 1000
LIMIT = 0.1
STEPS = """
steps:
  - id: each
    for_each: inputs.xs
    max_output_tokens: 500
    prompt: "item {{ item }}"
result: "{{ steps.each.texts | length }}"
"""
HEADS = HEAD + "inputs: { xs: json }\n"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, inline=False)


def costing(output: Callable[[], int]) -> Script:
    """Answers of so many tokens."""

    def script(unit: str, body: dict[str, Any]) -> Outcome:
        given, made = 20, output()
        usage = {"input_tokens": given, "output_tokens": made, "total_tokens": given + made}
        answer = answered(f"answer of {unit}", usage=usage)
        return replace(answer, usage=Usage(given, made))

    return script


@pytest.mark.parametrize("kind", ["worst", "random"])
def test_a_budget_is_never_passed(world: World, kind: str) -> None:
    chance = random.Random(5)
    script = costing(lambda: 500 if kind == "worst" else chance.randint(1, 500))
    inputs = {"xs": list(range(ITEMS))}
    first = world.run(
        STEPS, script, head=HEADS + f"budget: {LIMIT} USD\n", inputs=inputs, at_once=50
    )
    assert first.end.exit_status is ExitStatus.BUDGET
    assert "budget" in (first.end.message or "")
    spent, calls = first.state.totals.cost_usd, first.state.totals.calls
    assert LIMIT * 0.9 < spent <= LIMIT
    assert 0 < calls < ITEMS
    again = world.resume(script, at_once=50)
    assert again.end.exit_status is ExitStatus.BUDGET, "what was spent stays spent"
    assert again.state.totals.cost_usd <= LIMIT
    more = world.resume(script, edited=STEPS, head=HEADS + "budget: 100 USD\n", at_once=50)
    assert more.end.exit_status is ExitStatus.DONE
    assert more.end.result == ITEMS
    assert more.state.totals.calls == ITEMS, "nothing is asked twice"


def test_the_budget_of_a_step_stops_the_run_and_is_its_own(world: World) -> None:
    steps = """
steps:
  - { id: free, prompt: p }
  - id: each
    for_each: [a, b, c, d]
    at_once: 1
    max_output_tokens: 500
    budget: 0.0005 USD
    prompt: "{{ item }}"
"""
    ended = world.run(steps, costing(lambda: 400))
    assert ended.end.exit_status is ExitStatus.BUDGET
    assert "`each`" in (ended.end.message or "")
    assert ended.status("free") == "succeeded"


def test_a_warning_is_given_once(world: World) -> None:
    steps = STEPS
    head = HEADS + "budget: { stop_at: 100 USD, warn_at: 0.001 USD }\n"
    ended = world.run(steps, costing(lambda: 400), head=head, inputs={"xs": list(range(30))})
    assert ended.end.exit_status is ExitStatus.DONE
    assert [warning.code for warning in ended.state.warnings] == ["budget"]


def test_what_may_have_been_billed_counts_also_after_a_resume(world: World) -> None:
    steps = """
steps:
  - { id: a, prompt: p, max_output_tokens: 500, on_unknown: hold, on_error: continue }
  - { id: b, prompt: p, max_output_tokens: 500 }
"""
    head = HEAD + "budget: { tokens: 1300 }\n"
    script = in_turn(a=[lost()], b=[lost()])
    first = world.run(steps, script, head=head, at_once=1)
    assert first.end.exit_status in (ExitStatus.HELD, ExitStatus.BUDGET)
    again = world.resume(asks_held=True)
    assert again.end.exit_status is ExitStatus.BUDGET, "two may have been billed already"
    assert again.sender.units() == []
