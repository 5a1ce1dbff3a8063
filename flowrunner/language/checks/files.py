"""`save_to`: inside the project, one writer a path, an ending that fits what there is to save."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import PurePosixPath

from flowrunner.diagnostics import Finding
from flowrunner.language.checks.order import Places
from flowrunner.language.checks.sights import Sights
from flowrunner.language.forms import Leaf, read_leaf
from flowrunner.language.paths import is_absolute, names_file, path_fault
from flowrunner.language.shapes import Shape
from flowrunner.language.templates import names_in
from flowrunner.language.workflow import SetValues, Step, Workflow, Write, own_files
from flowrunner.language.workflow.lifting import Place, shared_list

_SAME_EVERYWHERE = {"inputs", "run"}


def check_files(places: Places, sights: Sights) -> Iterator[Finding]:
    """What is wrong with the places where steps save, as far as the file tells."""
    writers: dict[str, list[tuple[Place, Leaf]]] = {}
    for place in places.all:
        step = place.step
        leaf = next((leaf for leaf in step.leaves if leaf.route == (*step.route, "save_to")), None)
        if leaf is None:
            continue
        yield from _check_ending(step, leaf, sights.of(step).once)
        yield from _check_written(step, leaf, sights)
        fault = _place_fault(places.workflow, leaf)
        if fault:
            fix = "write a path below the workflow's folder, such as `out/result.md`"
            code = "path-outside" if names_file(leaf.source) else "save-to"
            yield Finding(code, fault, leaf.route, fix)
            continue
        yield from _check_entries(place, leaf)
        if leaf.is_constant:
            path = os.path.normpath(leaf.source.strip()).casefold()
            earlier = writers.setdefault(path, [])
            # Of two cases of one branch only one runs.
            rivals = [other for other in earlier if shared_list(other[0], place) is not None]
            yield from (_second_writer(places, leaf, rival) for rival in rivals[:1])
            earlier.append((place, leaf))


def _place_fault(workflow: Workflow, leaf: Leaf) -> str | None:
    if leaf.is_constant:
        return path_fault(workflow.folder, leaf.source, own_files(workflow))
    if is_absolute(leaf.source):
        return "`save_to` must be a path relative to the workflow file, this one is absolute"
    # Of a path that is filled in later the folders in front of its first template are known.
    folders, slash, _ = leaf.source.partition("{")[0].rpartition("/")
    return path_fault(workflow.folder, f"{folders}/x") if slash else None


def _second_writer(places: Places, leaf: Leaf, earlier: tuple[Place, Leaf]) -> Finding:
    place, written = earlier
    line = places.workflow.document.place(written.route).line
    return Finding(
        "two-writers",
        f"two steps save to `{leaf.source.strip()}`: this one and `{place.step.id}` on line {line}",
        leaf.route,
        "give each step a file of its own",
    )


def _check_entries(place: Place, leaf: Leaf) -> Iterator[Finding]:
    """A path that says the same for every entry of a `for_each`."""
    loop = next((each.step for each in place.chain() if each.step.for_each is not None), None)
    if loop is None or loop.for_each is None or not names_in(leaf.parsed) <= _SAME_EVERYWHERE:
        return
    name = loop.for_each.as_name
    yield Finding(
        "two-writers",
        f"every entry of `{loop.id}` saves to the same file, so only one would be left",
        leaf.route,
        f"write something of the entry into the path: `{{{{ position }}}}`, or a field of `{name}`",
    )


def _check_ending(step: Step, leaf: Leaf, offered: Shape) -> Iterator[Finding]:
    """Whether one run of the step has what the ending of the path asks for."""
    ending = PurePosixPath(leaf.source.strip()).suffix.lower()
    if offered.kind == "any":
        return
    output, text = offered.field("output"), offered.field("text")
    if output is None and text is None:
        message = f"`{step.id}` has nothing to save: neither `.text` nor `.output`"
        yield Finding("save-to", message, leaf.route, "take `save_to` out")
    elif text is None and ending not in {".json", ".csv"}:
        values = "only values" if isinstance(step.verb, SetValues) else "only an `output`"
        fix = "let the path end in `.json`, or save a `write` step"
        yield Finding("save-to", f"`{step.id}` has no text to save, {values}", leaf.route, fix)
    elif output is None and ending in {".json", ".csv"} and step.verb_name != "write":
        fix = f"add `output:` to `{step.id}`, or save to a file such as `answer.md`"
        message = f"`{step.id}` has no `output` to save as `{ending}`"
        yield Finding("save-to", message, leaf.route, fix)
    elif ending == ".csv" and output is not None and output.kind not in {"list", "table", "any"}:
        fix = "save to a `.json` file, or declare `output: { list: … }`"
        if isinstance(step.verb, SetValues):
            fix = f'save a step with `write: "{{{{ csv(steps.{step.id}.output.…) }}}}"`'
        message = f"a `.csv` file holds a list, but the `output` of `{step.id}` is none"
        yield Finding("save-to", message, leaf.route, fix)


def _check_written(step: Step, leaf: Leaf, sights: Sights) -> Iterator[Finding]:
    """A list that would be written as JSON into a file that should be CSV."""
    ending = PurePosixPath(leaf.source.strip()).suffix.lower()
    route = (*step.route, "write")
    written = next((one for one in step.leaves if one.route == route), None)
    if ending != ".csv" or not isinstance(step.verb, Write) or written is None:
        return
    # A `write` makes text: what is asked is what a whole `{{ … }}` was before that.
    value, _ = read_leaf(written.source.strip(), written.route, "value")
    if sights.of(step).round_.shape_of(value).kind in {"list", "table"}:
        inner = written.source.strip().removeprefix("{{").removesuffix("}}").strip()
        fix = f"write `{{{{ csv({inner}) }}}}`"
        yield Finding("save-to", "a list is written as JSON here, not as CSV", written.route, fix)
