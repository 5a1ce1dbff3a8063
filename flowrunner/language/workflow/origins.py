"""Where things come from, as far as the file tells: texts out of answers, files that steps make.

Inputs are what people gave, unless a workflow was called with something else. What follows from it
is left to whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from flowrunner.language.forms import Leaf
from flowrunner.language.templates import names_in
from flowrunner.language.workflow.lifting import places_of
from flowrunner.language.workflow.parts import CallWorkflow, Command, Step, Workflow


def reads_answers(
    workflow: Workflow, step: Step, leaf: Leaf, of_answers: Iterable[str] = ()
) -> bool:
    """Whether a template of a step may read anything but inputs, `run` and `position`.

    `of_answers` are the inputs that hold what answers gave.
    """
    place = next(each for each in places_of(workflow.steps) if each.step.route == step.route)
    around = [each.step for each in place.chain() if each.step.for_each is not None]
    return _reads(around, leaf, frozenset(of_answers))


def _reads(loops: Sequence[Step], leaf: Leaf, of_answers: frozenset[str]) -> bool:
    names = names_in(leaf.parsed)
    mentions = leaf.parsed.mentions
    inputs = {str(each.path[1]) for each in mentions if each.path[0] == "inputs"}
    if names & {"steps", "previous"} or inputs & of_answers:
        return True
    return any(_is_entry(loops, name, of_answers) for name in names)


def _is_entry(loops: Sequence[Step], name: str, of_answers: frozenset[str]) -> bool:
    """Whether a name is that of an entry of a list that an answer may have given."""
    for at in reversed(range(len(loops))):
        loop = loops[at]
        if loop.for_each is not None and loop.for_each.as_name == name:
            lists = [each for each in loop.leaves if each.route[len(loop.route)] == "for_each"]
            return any(_reads(loops[:at], each, of_answers) for each in lists)
    return False


def with_makers(workflow: Workflow) -> Iterator[tuple[Step, bool]]:
    """Every step, and whether one above it may make a file that it names."""
    is_made = False
    for step in workflow.all_steps():
        yield step, is_made
        is_made |= isinstance(step.verb, Command | CallWorkflow) or step.save_to is not None
