"""From a file, or its text, to a checked workflow: read, shape, build, meaning, in one pass.

All mistakes come together, each cause once, also those of the workflows that it calls; showing them
is left to `diagnostics`.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from flowrunner.diagnostics import Diagnostic, Finding, Place, Route
from flowrunner.language.beside import Beside, FileText, Shelf, UnusableFile
from flowrunner.language.checks import check_meaning, result_shape
from flowrunner.language.document import Document, parse, read
from flowrunner.language.providers import Providers
from flowrunner.language.schema import check_shape
from flowrunner.language.workflow import Called, Workflow, build

_DEEPEST = 16
_MISREAD = frozenset({"alias", "cycle", "special-start", "tag"})


def load(
    path: Path, shown: str, *, today: datetime.date, providers: Providers | None = None
) -> tuple[Workflow | None, list[Diagnostic]]:
    """The workflow in a file and everything that is to say about it, sorted by place.

    `shown` is the path as messages show it. The workflow is None where any diagnostic is an error.
    What it asks of `providers` is checked where they are known.
    """
    document, diagnostics = read(path, shown)
    path = path.absolute()
    loader = _Loader(Shelf(path.parent), today, providers)
    return loader.load(document, diagnostics, _Trail((path,)))


def load_text(
    text: str,
    shown: str,
    folder: Path,
    *,
    today: datetime.date,
    files: Mapping[str, str] | None = None,
) -> tuple[Workflow | None, list[Diagnostic]]:
    """The same for a text that was kept, as of a run that is resumed; its paths are relative to
    `folder`. `files` are the texts of the other files that were kept with it (`Workflow.files`);
    where they are given the disk is not looked at."""
    document, diagnostics = parse(text, shown)
    folder = folder.absolute()
    loader = _Loader(Shelf(folder, files), today)
    return loader.load(document, diagnostics, _Trail((folder / Path(shown).name,)))


@dataclass(frozen=True, slots=True)
class _Trail:
    """The files that are being loaded, each called by the one before it."""

    paths: tuple[Path, ...]

    @property
    def folder(self) -> Path:
        return self.paths[-1].parent


@dataclass(slots=True)
class _Loader:
    """Loads one workflow and those that it calls, each once."""

    shelf: Shelf
    today: datetime.date
    providers: Providers | None = None
    done: dict[Path, Called] = field(default_factory=dict)

    def load(
        self, document: Document | None, diagnostics: list[Diagnostic], trail: _Trail
    ) -> tuple[Workflow | None, list[Diagnostic]]:
        if document is None:
            return None, _sorted(diagnostics)
        beside = Beside(self.shelf, trail.folder, document.shown)
        shape = check_shape(document)
        workflow, parts = build(
            document, trail.folder, beside, lambda written: self.open(beside, written, trail)
        )
        meaning = [] if workflow is None else self.check(workflow)
        findings = [*shape, *_new_causes([*parts, *meaning], shape)]
        texts = {} if workflow is None else workflow.texts
        elsewhere = () if workflow is None else workflow.elsewhere
        severities = {each.severity for each in (*diagnostics, *elsewhere)}
        if "error" in severities | {each.severity for each in findings}:
            # Where something is wrong, what looks forgotten may stand in the part that is.
            findings = [finding for finding in findings if finding.severity != "hint"]
        found = [_diagnosed(document, finding, texts) for finding in findings]
        found = [each for each in found if not _is_echo(each, diagnostics)]
        everything = _sorted([*diagnostics, *found, *elsewhere])
        is_sound = all(diagnostic.severity != "error" for diagnostic in everything)
        return (workflow if is_sound else None), everything

    def check(self, workflow: Workflow) -> list[Finding]:
        return check_meaning(workflow, today=self.today, providers=self.providers)

    def open(self, beside: Beside, written: str, trail: _Trail) -> Called:
        """The workflow at a path beside another. Raises UnusableFile."""
        path, shown = beside.place(written)
        if path in trail.paths:
            ring = [each.name for each in trail.paths[trail.paths.index(path) :]]
            message = f"`{written}` calls itself: {' → '.join([*ring, path.name])}"
            fix = "for rounds use `repeat`, for entries `for_each`"
            raise UnusableFile("recursion", message, fix)
        if len(trail.paths) >= _DEEPEST:
            message = f"workflows may call one another {_DEEPEST} levels deep at most"
            raise UnusableFile("recursion", message)
        if path not in self.done:
            document, diagnostics = parse(self.shelf.text(path), shown)
            deeper = _Trail((*trail.paths, path))
            workflow, everything = self.load(document, diagnostics, deeper)
            output = None if workflow is None else result_shape(workflow)
            self.done[path] = Called(workflow, output, tuple(everything))
        return self.done[path]


def _diagnosed(document: Document, finding: Finding, texts: Mapping[Route, FileText]) -> Diagnostic:
    """A finding at its place, which may be in a file whose text stands for that of a key."""
    file = texts.get(finding.route)
    if file is None or finding.start is None:
        return document.diagnose(finding)
    before = file.text[: finding.start]
    line = before.count("\n") + 1
    column = finding.start - (before.rfind("\n") + 1) + 1
    source = file.text.split("\n")[line - 1]
    length = max(min(finding.length or 1, len(source) - column + 1), 1)
    place = Place(file.shown, line, column, length)
    at_key = document.diagnose(replace(finding, start=None, length=None))
    return replace(at_key, place=place, source_line=source)


def _new_causes(findings: Iterable[Finding], shape: list[Finding]) -> list[Finding]:
    """The findings whose place the schema has not refused already."""
    refused = [finding.route for finding in shape if finding.severity == "error"]
    return [each for each in findings if not any(_covers(route, each.route) for route in refused)]


def _is_echo(found: Diagnostic, of_yaml: Iterable[Diagnostic]) -> bool:
    """Whether something stands at, or right beside, a value that YAML has read otherwise."""
    here = found.place
    return any(
        each.code in _MISREAD
        and each.place.line == here.line
        and here.column <= each.place.column + each.place.length + 1
        and each.place.column <= here.column + here.length + 2
        for each in of_yaml
    )


def _covers(refused: Route, route: Route) -> bool:
    """Whether an error at one route speaks for another: the same place, or one inside it."""
    if refused == route:
        return True
    return len(refused) > 2 and route[: len(refused)] == refused


def _sorted(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    return sorted(
        dict.fromkeys(diagnostics), key=lambda each: (each.place, each.severity, each.code)
    )
