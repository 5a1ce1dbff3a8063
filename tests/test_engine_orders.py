"""Whatever the order in which answers come and however many are under way, a workflow asks the same
and comes to the same result."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowrunner.responses.outcome import Outcome
from tests.engine_world import World, answered, refused


@dataclass
class Writer:
    """Writes a workflow of nested steps, each of which may mention what it can see."""

    draw: Callable[[st.SearchStrategy[Any]], Any]
    lines: list[str] = field(default_factory=list)
    number: int = 0

    def steps(self, depth: int, indent: int, seen: list[str]) -> list[str]:
        """The ids of a list of steps; `seen` are those that it may mention."""
        own: list[str] = []
        for _ in range(self.draw(st.integers(1, 3))):
            own.append(self.step(depth, indent, [*seen, *own]))
        return own

    def step(self, depth: int, indent: int, seen: list[str]) -> str:
        self.number += 1
        name, pad = f"s{self.number}", " " * indent
        kinds = ["prompt", "write"] + (["group", "each", "branch", "repeat"] if depth else [])
        kind = self.draw(st.sampled_from(kinds))
        self.lines.append(f"{pad}- id: {name}")
        pad += "  "
        # What a failure elsewhere keeps from starting would be chance.
        self.lines.append(f"{pad}on_error: continue")
        if kind in ("prompt", "write") and self.draw(st.booleans()):
            at_once = self.draw(st.integers(1, 3))
            self.lines.append(f"{pad}for_each: [p, q, r]\n{pad}at_once: {at_once}")
        if kind in ("prompt", "write"):
            self.lines.append(f'{pad}{kind}: "{name}{self.mentions(seen)}"')
        elif kind == "branch":
            case = self.draw(st.sampled_from("xyz"))
            self.lines.append(f"{pad}branch: \"'{case}'\"\n{pad}cases:\n{pad}  x:")
            self.steps(depth - 1, indent + 6, seen)
            self.lines.append(f"{pad}  y:")
            self.steps(depth - 1, indent + 6, seen)
            self.lines.append(f"{pad}otherwise:")
            self.steps(depth - 1, indent + 4, seen)
        else:
            more = {
                "each": f"for_each: [k, l, m]\n{pad}as: item{self.number}",
                "repeat": "repeat: { until: false, at_most: 2 }",
            }
            if kind in more:
                self.lines.append(f"{pad}{more[kind]}")
            self.lines.append(f"{pad}steps:")
            self.steps(depth - 1, indent + 4, seen)
        return name

    def mentions(self, seen: list[str]) -> str:
        """Some of the steps above, by what they came to."""
        if not seen:
            return ""
        chosen = self.draw(st.lists(st.sampled_from(seen), max_size=2, unique=True))
        return "".join(f" {{{{ steps.{name}.status }}}}" for name in chosen)


@st.composite
def workflows(draw: Callable[[st.SearchStrategy[Any]], Any]) -> str:
    writer = Writer(draw)
    top = writer.steps(2, 2, [])
    result = "".join(f"  {name}: '{{{{ steps.{name}.status }}}}'\n" for name in top)
    return "steps:\n" + "\n".join(writer.lines) + f"\nresult:\n{result}"


def _script(unit: str, body: dict[str, Any]) -> Outcome:
    """A few units fail, always the same ones."""
    if sum(unit.encode()) % 11 == 0:
        return refused(400, "bad")
    return answered(f"answer of {unit} to {body['input']}")


def _came_to(steps: str, seed: int, at_once: int) -> tuple[Any, ...]:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), pauses=lambda: chance.randint(0, 6))
        ended = world.run(steps, _script, at_once=at_once)
        asked = {unit: str(text) for unit, text in ended.asked().items()}
        statuses = {
            unit: (step.status, step.reason, step.message)
            for unit, step in ended.state.steps.items()
        }
        return ended.end.exit_status, ended.end.result, asked, statuses


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(workflows(), st.integers(0, 1000), st.integers(1, 20))
def test_the_order_of_answers_changes_nothing(steps: str, seed: int, at_once: int) -> None:
    assert _came_to(steps, seed, at_once) == _came_to(steps, 0, 1)
