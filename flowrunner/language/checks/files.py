"""`save_to`: inside the project, one writer a path, an ending that fits what there is to save."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import PurePosixPath

from flowrunner.diagnostics import Finding
from flowrunner.language.checks.scope import output_shape
from flowrunner.language.forms import Leaf
from flowrunner.language.paths import is_absolute, names_file, path_fault
from flowrunner.language.request import Prompt
from flowrunner.language.workflow import SetValues, Step, Workflow


def check_files(workflow: Workflow) -> Iterator[Finding]:
    """What is wrong with the places where steps save, as far as the file tells."""
    writers: dict[str, Leaf] = {}
    for step in workflow.steps:
        leaf = next((leaf for leaf in step.leaves if leaf.route == (*step.route, "save_to")), None)
        if leaf is None:
            continue
        yield from _check_ending(step, leaf)
        fault = _place_fault(workflow, leaf)
        if fault:
            fix = "write a path below the workflow's folder, such as `out/result.md`"
            code = "path-outside" if names_file(leaf.source) else "save-to"
            yield Finding(code, fault, leaf.route, fix)
        elif leaf.is_constant:
            path = os.path.normpath(leaf.source.strip()).casefold()
            earlier = writers.setdefault(path, leaf)
            if earlier is not leaf:
                yield _second_writer(workflow, leaf, earlier)


def _place_fault(workflow: Workflow, leaf: Leaf) -> str | None:
    if leaf.is_constant:
        return path_fault(workflow.folder, leaf.source.strip())
    if is_absolute(leaf.source):
        return "`save_to` must be a path relative to the workflow file, this one is absolute"
    return None


def _second_writer(workflow: Workflow, leaf: Leaf, earlier: Leaf) -> Finding:
    line = workflow.document.place(earlier.route).line
    other = workflow.steps[int(earlier.route[1])].id
    return Finding(
        "two-writers",
        f"two steps save to `{leaf.source.strip()}`: this one and `{other}` on line {line}",
        leaf.route,
        "give each step a file of its own",
    )


def _check_ending(step: Step, leaf: Leaf) -> Iterator[Finding]:
    ending = PurePosixPath(leaf.source.strip()).suffix.lower()
    verb = step.verb
    if isinstance(verb, SetValues) and ending != ".json":
        fix = "let the path end in `.json`, or save a `write` step"
        yield Finding("save-to", f"`{step.id}` has no text to save, only values", leaf.route, fix)
    if not isinstance(verb, Prompt) or ending not in {".json", ".csv"}:
        return
    if not verb.has_output:
        fix = f"add `output:` to `{step.id}`, or save to a file such as `answer.md`"
        message = f"`{step.id}` has no `output` to save as `{ending}`"
        yield Finding("save-to", message, leaf.route, fix)
    elif ending == ".csv" and output_shape(verb).kind not in {"list", "any"}:
        fix = "save to a `.json` file, or declare `output: { list: … }`"
        message = f"a `.csv` file holds a list, but the `output` of `{step.id}` is none"
        yield Finding("save-to", message, leaf.route, fix)
