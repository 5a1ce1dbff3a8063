"""What every drawing of a workflow draws: its steps, those inside others, who waits for whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flowrunner.language.request import Prompt
from flowrunner.language.tools import CallTool
from flowrunner.language.workflow import Branch, CallWorkflow, Command, Step, Workflow
from flowrunner.visible import one_line


@dataclass(frozen=True, slots=True)
class Node:
    """One step. `key` is unique in the graph and plain; `what` is its verb and what that is about;
    `notes` are its conditions and loops. `lists` are the steps inside it, each list with the case
    that it is for (None for those of a group)."""

    key: str
    id: str
    what: str
    notes: tuple[str, ...] = ()
    is_conditional: bool = False
    waits_for: tuple[str, ...] = ()
    lists: tuple[tuple[str | None, tuple[Node, ...]], ...] = ()

    @property
    def is_group(self) -> bool:
        return bool(self.lists)


@dataclass(frozen=True, slots=True)
class Graph:
    """A workflow's name and its steps in the order of the file."""

    name: str
    nodes: tuple[Node, ...]


def graph_of(workflow: Workflow) -> Graph:
    """The graph of a checked workflow. Its texts are on one line each, and safe to print."""
    keys = {step.route: f"n{number}" for number, step in enumerate(workflow.all_steps(), start=1)}
    return Graph(one_line(workflow.name), tuple(_node(step, keys) for step in workflow.steps))


def _node(step: Step, keys: dict[tuple[str | int, ...], str]) -> Node:
    lists = tuple(
        (_case(step, case), tuple(_node(inner, keys) for inner in below))
        for case, below in step.lists
    )
    return Node(
        key=keys[step.route],
        id=step.id,
        what=one_line(_what(step)),
        notes=tuple(map(one_line, _notes(step))),
        is_conditional=step.condition is not None,
        waits_for=step.waits_for,
        lists=lists,
    )


def _case(step: Step, case: str | None) -> str | None:
    if not isinstance(step.verb, Branch):
        return None
    return "otherwise" if case is None else one_line(case)


def _what(step: Step) -> str:
    verb = step.verb
    if isinstance(verb, Prompt):
        return f"prompt {verb.model}" if verb.model else "prompt"
    if isinstance(verb, Command):
        first = verb.argv[0]
        return f"run {first if isinstance(first, str) else first.source}"
    if isinstance(verb, CallTool):
        return f"call {verb.name}"
    if isinstance(verb, CallWorkflow):
        return f"workflow {verb.path}"
    if isinstance(verb, Branch):
        return f"branch by {verb.on.source.text.strip()}"
    return "group" if step.verb_name == "steps" else step.verb_name


def _notes(step: Step) -> Iterator[str]:
    if step.for_each is not None:
        yield f"for each {step.for_each.as_name} of {step.for_each.text}"
    if step.condition is not None:
        yield f"if {step.condition_text}"
    if step.repeat is not None:
        yield f"up to {step.repeat.at_most} rounds"
