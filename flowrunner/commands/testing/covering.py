"""What of a workflow the cases of a file have reached, and what none of them has.

Steps, the two sides of each `if`, the cases of each `branch`. Workflows that it calls have files of
tests of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from flowrunner.commands.testing.judging import Came
from flowrunner.events import Address
from flowrunner.language.workflow import Branch, Workflow


@dataclass(slots=True)
class Coverage:
    """What was reached by now: steps that ran, sides of an `if`, cases of a branch."""

    workflow: Workflow
    ran: set[str] = field(default_factory=set)
    sides: set[tuple[str, bool]] = field(default_factory=set)
    cases: set[tuple[str, str]] = field(default_factory=set)

    def add(self, came: Came) -> None:
        """Count one run in."""
        known = {step.id: step for step in self.workflow.all_steps()}
        for unit, state in came.state.steps.items():
            path = Address.parse(unit).path
            if any(segment.step not in known for segment in path):
                continue
            step = known[path[-1].step]
            if state.status == "skipped" and state.reason == "if":
                self.sides.add((step.id, False))
            elif state.status not in (None, "skipped"):
                self.ran.add(step.id)
                self.sides.add((step.id, True))
            if isinstance(step.verb, Branch) and state.status == "succeeded":
                result = came.journal.result(unit) or {}
                self.cases.add((step.id, str(result.get("case"))))

    def lines(self) -> list[str]:
        """How much was reached, and each thing that was not."""
        steps = list(self.workflow.all_steps())
        reached = sum(step.id in self.ran for step in steps)
        never = list(self._never())
        lines = [f"{self.workflow.shown}: {reached} of {len(steps)} steps reached"]
        return lines + [f"  never: {each}" for each in never]

    def _never(self) -> Iterator[str]:
        for step in self.workflow.all_steps():
            if step.id not in self.ran:
                yield f"`{step.id}` ran"
            elif step.condition_text is not None and (step.id, False) not in self.sides:
                yield f"`if` of `{step.id}` was false"
            if isinstance(step.verb, Branch):
                for case, _ in step.verb.cases:
                    if (step.id, case) not in self.cases:
                        yield f"`{step.id}` took the case `{case}`"
