"""Every template against what it may read: names, fields, choices, types, empties.

The rules themselves are left to `templates.analyse`; here they get their scope and their place.
"""

from __future__ import annotations

from collections.abc import Iterator

from flowrunner.diagnostics import Finding
from flowrunner.language.checks.order import may_be_empty
from flowrunner.language.checks.scope import scope_of, with_empties
from flowrunner.language.forms import Leaf, finding_of, leaves
from flowrunner.language.request import Prompt
from flowrunner.language.shapes import ANY, Shape
from flowrunner.language.templates import analyse
from flowrunner.language.workflow import Workflow


def check_templates(workflow: Workflow) -> Iterator[Finding]:
    """What is wrong with the templates of all steps and of the result."""
    roots = scope_of(workflow)
    unknown = _without_output(workflow)
    for position, step in enumerate(workflow.steps):
        names = workflow.names.get(position, frozenset())
        here = {**roots, **dict.fromkeys(sorted(names), ANY)}
        for leaf in step.leaves:
            yield from _check_leaf(leaf, here, unknown)
    ending = with_empties(roots, may_be_empty(workflow))
    for leaf in leaves(workflow.result):
        yield from _check_leaf(leaf, ending, unknown)


def _without_output(workflow: Workflow) -> frozenset[str]:
    return frozenset(
        step.id
        for step in workflow.steps
        if isinstance(step.verb, Prompt) and not step.verb.has_output
    )


def _check_leaf(leaf: Leaf, roots: dict[str, Shape], unknown: frozenset[str]) -> Iterator[Finding]:
    undeclared: set[str] = set()
    for mention in leaf.parsed.mentions:
        path = mention.path
        if path[0] == "steps" and path[2:3] == ("output",) and path[1] in unknown:
            undeclared.add(str(path[1]))
            yield Finding(
                "undefined",
                f"`{path[1]}` has no `output`, because it does not declare one",
                leaf.route,
                f"add `output:` to `{path[1]}`, or use `steps.{path[1]}.text`",
                start=mention.start,
                length=mention.length,
            )
    for fault in analyse(leaf.parsed, _without(roots, undeclared), leaf.used_as):
        yield finding_of(fault, leaf.route)


def _without(roots: dict[str, Shape], undeclared: set[str]) -> dict[str, Shape]:
    """The roots with nothing known of steps that were already spoken of."""
    if not undeclared:
        return roots
    fields = tuple(
        (name, ANY if name in undeclared else shape) for name, shape in roots["steps"].fields
    )
    return {**roots, "steps": Shape("object", fields=fields)}
