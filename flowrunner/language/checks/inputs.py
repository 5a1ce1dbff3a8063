"""Inputs that nothing reads."""

from __future__ import annotations

from collections.abc import Iterator

from flowrunner.diagnostics import Finding
from flowrunner.language.checks.braces import slips
from flowrunner.language.forms import leaves
from flowrunner.language.workflow import Workflow


def check_inputs(workflow: Workflow) -> Iterator[Finding]:
    """A hint for every input that no template mentions."""
    found = [leaf for step in workflow.all_steps() for leaf in step.leaves]
    found += [*leaves(workflow.result), *leaves(workflow.defaults)]
    paths = {mention.path[:2] for leaf in found for mention in leaf.parsed.mentions}
    meant = {tuple(slip.path.split(".")[:2]) for slip in slips(workflow)}
    paths |= {(root, name.partition("[")[0]) for root, name in meant}
    for known in workflow.inputs:
        if ("inputs", known.name) not in paths:
            yield Finding(
                "unused-input",
                f"nothing reads the input `{known.name}`",
                ("inputs", known.name),
                f"mention it as `inputs.{known.name}`, or take it out",
                severity="hint",
                aim="key",
            )
