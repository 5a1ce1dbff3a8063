"""`attach` and `within`: files that are there or will be, paths of the right kind, no way out.

Paths that come out of data are judged when they are known, by the engine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from flowrunner.diagnostics import Finding
from flowrunner.language.attachments import Attachment
from flowrunner.language.checks.order import Places
from flowrunner.language.checks.sights import Sights
from flowrunner.language.forms import Leaf, has_template
from flowrunner.language.paths import is_absolute, project_root
from flowrunner.language.request import Prompt
from flowrunner.language.shapes import Shape
from flowrunner.language.templates.typed import item_of
from flowrunner.language.workflow import Step, Workflow
from flowrunner.language.workflow.origins import reads_answers, with_makers

_PATHS = frozenset({"any", "text", "choice", "file"})
_ADDRESS = ("http://", "https://")


def check_attaching(places: Places, sights: Sights) -> Iterator[Finding]:
    """What is wrong with what steps attach, as far as the file tells."""
    for step, may_be_made in with_makers(places.workflow):
        fields = places.workflow.written(step)
        if isinstance(step.verb, Prompt):
            if "attach" in fields:
                yield from _check_partner(step, "input" in fields)
            if "within" in fields:
                yield from _check_within(places.workflow, step, step.verb)
            for entry in step.verb.attach:
                if entry.fault is not None and not may_be_made:
                    yield entry.fault
                yield from _check_entry(places.workflow, step, entry, sights)


def _check_partner(step: Step, has_input: bool) -> Iterator[Finding]:
    verb = step.verb
    is_stored = isinstance(verb, Prompt) and verb.parameters.get("prompt") is not None
    if has_input or is_stored:
        partner = "`input` writes out all messages" if has_input else "a stored prompt has its own"
        yield Finding(
            "conflict",
            f"`attach` joins files to the message of `prompt`, but {partner}",
            (*step.route, "attach"),
            "write `prompt: …`, or put `input_image` and `input_file` into `input` yourself",
            aim="key",
        )


def _check_within(workflow: Workflow, step: Step, prompt: Prompt) -> Iterator[Finding]:
    route, written = (*step.route, "within"), (prompt.within or "").strip()
    if all(entry.is_written_out for entry in prompt.attach):
        why = "writes out all that it attaches" if prompt.attach else "attaches nothing"
        message = f"`within` is for paths that come out of data, but `{step.id}` {why}"
        yield Finding("within", message, route, "take `within` out", aim="key")
        return
    if has_template(written):
        message = "`within` says how far data may reach, so it cannot come out of data itself"
        yield Finding("within", message, route, "write the folder itself, such as `scans`")
        return
    root = project_root(workflow.folder)
    folder = Path(os.path.normpath(workflow.folder.absolute() / written))
    is_inside = root == folder or root in folder.parents
    if is_absolute(written) or not is_inside:
        message = f"`{written}` lies outside the project of the workflow file"
        yield Finding("path-outside", message, route, "name a folder such as `scans`")
    elif any(part.startswith(".") for part in folder.relative_to(root).parts):
        message = f"`{written}` is hidden: what begins with a dot is never sent"
        yield Finding("path-outside", message, route, "name a folder such as `scans`")


def _check_entry(
    workflow: Workflow, step: Step, entry: Attachment, sights: Sights
) -> Iterator[Finding]:
    leaf = entry.file
    if entry.is_written_out or leaf.route[: len(step.route)] != step.route:
        return
    if leaf.source.strip().lower().startswith(_ADDRESS) and reads_answers(workflow, step, leaf):
        message = "a part of this address may come out of an answer, which could tell it anything"
        fix = "let addresses come from inputs alone"
        yield Finding("attach", message, leaf.route, fix)
    if entry.whole is not None:
        yield from _check_shape(leaf, sights.of(step).of(step, leaf).shape_of(leaf))


def _check_shape(leaf: Leaf, shape: Shape) -> Iterator[Finding]:
    source = leaf.source.strip().removeprefix("{{").removesuffix("}}").strip()
    is_list = shape.kind in {"list", "files", "table"}
    kind = item_of(shape).kind if is_list else shape.kind
    if kind not in _PATHS:
        fix = "write a path, a file input, or a list of them"
        message = f"`{source}` is no file or path that could be attached"
        yield Finding("wrong-type", message, leaf.route, fix)
    elif shape.optional and not (kind == "file" and source.startswith("inputs.")):
        message = f"`{source}` may be empty, and then there is nothing to attach"
        fix = f"write `default({source}, '…')`, or ask another step whether it is there"
        yield Finding("maybe-empty", message, leaf.route, fix)
