"""Many steps at once against a server that allows fewer: each is answered once and paid once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from flowrunner.errors import ExitStatus
from flowrunner.simulator import Simulator
from tests.cli_world import Project, check_books, posts

STEPS = 60
AT_ONCE = 30
ALLOWED = 40
FAULTS: list[dict[str, Any]] = [
    {"match": {"call": [3, 11]}, "do": {"status": 429, "retry_after": 2}},
    {"match": {"call": 7}, "do": {"stream": {"error": "rate_limit_exceeded", "error_after": 1}}},
]


def workflow(delivery: str) -> str:
    steps = "".join(f"  - {{ id: s{number}, prompt: Say done. }}\n" for number in range(STEPS))
    return (
        "flowrunner: 1\nname: Wide\n"
        f"defaults: {{ model: gpt-6-luna, delivery: {delivery}, on_unknown: hold }}\n"
        f"limits: {{ at_once: {AT_ONCE} }}\nsteps:\n{steps}"
    )


@pytest.mark.parametrize("delivery", ["direct", "stream"])
def test_many_at_once_with_refusals_among_them(
    project: Project, simulate: Callable[..., Simulator], delivery: str
) -> None:
    """The clock of the server runs a hundred times too fast, so that nobody waits for long."""
    simulator = simulate(
        FAULTS, requests_a_minute=ALLOWED, clock=lambda: time.time() * 100, latency_s=0.05
    )
    project.at(simulator).write("wide.yaml", workflow(delivery))
    done = project.run("run", "wide.yaml")
    assert done.status == ExitStatus.DONE, done.err
    assert "pauses for" in done.err, "a pause is shown as a pause"
    run = project.latest
    assert {step.status for step in run.state.steps.values()} == {"succeeded"}
    assert len(simulator.ledger.paid()) == STEPS, "each is paid once"
    refused = [call for call in posts(simulator) if call.status == 429]
    assert 2 <= len(refused) <= STEPS - ALLOWED + 2, "nobody asks again before the time"
    assert run.state.totals.lost_calls == 0
    check_books(run, simulator)
