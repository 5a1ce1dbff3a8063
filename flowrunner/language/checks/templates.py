"""Every template against what it may read: names, fields, choices, types, empties.

The rules themselves are left to `templates.analyse`; here they get their scope and their place.
"""

from __future__ import annotations

from collections.abc import Iterator

from flowrunner.diagnostics import Finding
from flowrunner.language.checks.order import may_be_empty
from flowrunner.language.checks.scope import scope_of, with_empties
from flowrunner.language.forms import Leaf, finding_of, leaves
from flowrunner.language.shapes import ANY, Shape
from flowrunner.language.templates import analyse
from flowrunner.language.workflow import Workflow


def check_templates(workflow: Workflow) -> Iterator[Finding]:
    """What is wrong with the templates of all steps and of the result."""
    roots = scope_of(workflow)
    for step in workflow.all_steps():
        here = {**roots, "item": ANY, "position": ANY, "previous": ANY}
        if step.for_each is not None:
            here[step.for_each.as_name] = ANY
        for leaf in step.leaves:
            yield from _check_leaf(leaf, here)
    ending = with_empties(roots, may_be_empty(workflow))
    for leaf in leaves(workflow.result):
        yield from _check_leaf(leaf, ending)


def _check_leaf(leaf: Leaf, roots: dict[str, Shape]) -> Iterator[Finding]:
    for fault in analyse(leaf.parsed, roots, "value" if leaf.used_as == "branch" else leaf.used_as):
        yield finding_of(fault, leaf.route)
