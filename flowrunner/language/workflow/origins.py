"""Where things come from, as far as the file tells: texts out of answers, files that steps make.

Inputs are what people gave, unless a workflow was called with something else. What follows from it
is left to whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from flowrunner.language.forms import Leaf
from flowrunner.language.request import Prompt
from flowrunner.language.templates import names_in
from flowrunner.language.workflow.lifting import places_of, step_mentions
from flowrunner.language.workflow.parts import CallWorkflow, Command, Step, Workflow


def reads_answers(
    workflow: Workflow,
    step: Step,
    leaf: Leaf,
    of_answers: Iterable[str] = (),
    *,
    commands: bool = True,
) -> bool:
    """Whether a template of a step may read what a model answered, or another workflow gave.

    `of_answers` are the inputs that hold such. With `commands` what a program wrote counts too.
    """
    reader = _Origins(workflow, frozenset(of_answers), commands)
    return reader.reads(reader.loops_around(step), leaf)


@dataclass(frozen=True, slots=True)
class _Origins:
    """Follows names through one workflow, lists and values that steps set included."""

    workflow: Workflow
    of_answers: frozenset[str]
    commands: bool

    def loops_around(self, step: Step) -> list[Step]:
        """The steps with `for_each` around a step, itself included, from the outside in."""
        places = places_of(self.workflow.steps)
        place = next(each for each in places if each.step.route == step.route)
        return [each.step for each in place.chain() if each.step.for_each is not None]

    def reads(self, loops: Sequence[Step], leaf: Leaf) -> bool:
        names, mentions = names_in(leaf.parsed), leaf.parsed.mentions
        inputs = {str(each.path[1]) for each in mentions if each.path[0] == "inputs"}
        if "previous" in names or inputs & self.of_answers:
            return True
        steps = [self.workflow.step(str(each.path[1])) for each in step_mentions(leaf)]
        if "steps" in names and (not steps or any(self.gives(each) for each in steps)):
            return True
        return any(self.is_entry(loops, name) for name in names)

    def gives(self, step: Step | None) -> bool:
        """Whether what a step offers may come out of an answer."""
        if step is None or isinstance(step.verb, Prompt | CallWorkflow):
            return True
        if isinstance(step.verb, Command):
            return self.commands
        loops = self.loops_around(step)
        return any(map(self.gives, step.inside())) or any(
            self.reads(loops, leaf) for leaf in step.leaves if leaf.used_as != "condition"
        )

    def is_entry(self, loops: Sequence[Step], name: str) -> bool:
        """Whether a name is that of an entry of a list that an answer may have given."""
        for at in reversed(range(len(loops))):
            loop = loops[at]
            if loop.for_each is not None and loop.for_each.as_name == name:
                lists = [each for each in loop.leaves if each.route[len(loop.route)] == "for_each"]
                return any(self.reads(loops[:at], each) for each in lists)
        return False


def with_makers(workflow: Workflow) -> Iterator[tuple[Step, bool]]:
    """Every step, and whether one above it may make a file that it names."""
    is_made = False
    for step in workflow.all_steps():
        yield step, is_made
        is_made |= isinstance(step.verb, Command | CallWorkflow) or step.save_to is not None
