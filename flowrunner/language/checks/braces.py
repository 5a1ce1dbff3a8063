"""Text that was meant to be filled in, but is written as other tools write it.

What stands inside real templates is left to `templates`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flowrunner.diagnostics import Finding, Route
from flowrunner.language.forms import DECISIONS, Form, Leaf
from flowrunner.language.templates import Value
from flowrunner.language.tools import CallTool
from flowrunner.language.workflow import CallWorkflow, SetValues, Step, Workflow

_OTHER = re.compile(
    r"(?<![{\w])\$?\{[ ]*(?:(?P<root>inputs|steps)\.)?"
    r"(?P<name>\w+)(?P<rest>(?:\.\w+|\[\d+\])*)[ ]*\}+"
)
_BARE = re.compile(r"\s*(?P<root>inputs|steps)\.(?P<name>\w+)(?:\.\w+|\[\d+\])*\s*")


@dataclass(frozen=True, slots=True)
class _Known:
    """The names that a text may mean, by their root."""

    names: Mapping[str, frozenset[str]]

    def has(self, match: re.Match[str]) -> bool:
        return match["name"] in self.names[match["root"] or "inputs"]


@dataclass(frozen=True, slots=True)
class Slip:
    """A text that was meant to be filled in: what is written, and the path that it names."""

    written: str
    path: str
    route: Route
    start: int | None


def check_braces(workflow: Workflow) -> Iterator[Finding]:
    """A warning for each text that names an input or a step in another notation."""
    for slip in slips(workflow):
        yield Finding(
            "plain-braces",
            f"`{slip.written}` is plain text, into which no value is put",
            slip.route,
            f"write `{{{{ {slip.path} }}}}`",
            severity="warning",
            start=slip.start,
            length=None if slip.start is None else len(slip.written),
        )


def slips(workflow: Workflow) -> Iterator[Slip]:
    """The texts that name an input or a step in another notation."""
    inputs = frozenset(each.name for each in workflow.inputs)
    steps = frozenset(step.id for step in workflow.all_steps())
    known = _Known({"inputs": inputs, "steps": steps})
    for step in workflow.all_steps():
        for leaf in step.leaves:
            yield from _in_leaf(leaf, known)
        for form, route in _values(step):
            yield from _in_form(form, route, known)
    yield from _in_form(workflow.result, ("result",), known)


def _values(step: Step) -> Iterator[tuple[Form, Route]]:
    if isinstance(step.verb, SetValues):
        yield step.verb.values, (*step.route, "set")
    if isinstance(step.verb, CallWorkflow):
        yield step.verb.arguments, (*step.route, "with")
    if isinstance(step.verb, CallTool):
        yield step.verb.with_, (*step.route, "with")


def _in_form(form: Form, route: Route, known: _Known) -> Iterator[Slip]:
    """What stands in the strings of a value; those of steps that hold templates come as leaves."""
    if isinstance(form, Leaf):
        yield from _in_leaf(form, known)
    elif isinstance(form, str):
        match = _BARE.fullmatch(form)
        if match and known.has(match):
            yield Slip(form.strip(), form.strip(), route, None)
        else:
            yield from _in_text(form, 0, route, known)
    elif isinstance(form, Mapping):
        for key, below in form.items():
            yield from _in_form(below, (*route, key), known)
    elif isinstance(form, list):
        for position, below in enumerate(form):
            yield from _in_form(below, (*route, position), known)


def _in_leaf(leaf: Leaf, known: _Known) -> Iterator[Slip]:
    if leaf.used_as in DECISIONS or "{" not in leaf.source:
        return
    parsed = leaf.parsed.parsed if isinstance(leaf.parsed, Value) else leaf.parsed
    for start, text in parsed.source.texts():
        yield from _in_text(text, start, leaf.route, known)


def _in_text(text: str, start: int, route: Route, known: _Known) -> Iterator[Slip]:
    for match in _OTHER.finditer(text):
        if known.has(match):
            path = f"{match['root'] or 'inputs'}.{match['name']}{match['rest']}"
            yield Slip(match[0], path, route, start + match.start())
