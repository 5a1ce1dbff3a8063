"""From a file, or its text, to a checked workflow: read, shape, build, meaning, in one pass.

All mistakes come together, each cause once; showing them is left to `diagnostics`.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from pathlib import Path

from flowrunner.diagnostics import Diagnostic, Finding, Route
from flowrunner.language.checks import check_meaning
from flowrunner.language.document import Document, parse, read
from flowrunner.language.schema import check_shape
from flowrunner.language.workflow import Workflow, build


def load(
    path: Path, shown: str, *, today: datetime.date
) -> tuple[Workflow | None, list[Diagnostic]]:
    """The workflow in a file and everything that is to say about it, sorted by place.

    `shown` is the path as messages show it. The workflow is None where any diagnostic is an error.
    """
    document, diagnostics = read(path, shown)
    return _load(document, path.absolute().parent, diagnostics, today)


def load_text(
    text: str, shown: str, folder: Path, *, today: datetime.date
) -> tuple[Workflow | None, list[Diagnostic]]:
    """The same for a text that was kept, as of a run that is resumed; its paths are relative to
    `folder`."""
    document, diagnostics = parse(text, shown)
    return _load(document, folder, diagnostics, today)


def _load(
    document: Document | None, folder: Path, diagnostics: list[Diagnostic], today: datetime.date
) -> tuple[Workflow | None, list[Diagnostic]]:
    if document is None:
        return None, _sorted(diagnostics)
    shape = check_shape(document)
    workflow, parts = build(document, folder)
    meaning = [] if workflow is None else check_meaning(workflow, today=today)
    findings = [*shape, *_new_causes([*parts, *meaning], shape)]
    everything = _sorted([*diagnostics, *map(document.diagnose, findings)])
    is_sound = all(diagnostic.severity != "error" for diagnostic in everything)
    return (workflow if is_sound else None), everything


def _new_causes(findings: Iterable[Finding], shape: list[Finding]) -> list[Finding]:
    """The findings whose place the schema has not refused already."""
    refused = [finding.route for finding in shape if finding.severity == "error"]
    return [each for each in findings if not any(_covers(route, each.route) for route in refused)]


def _covers(refused: Route, route: Route) -> bool:
    """Whether an error at one route speaks for another: the same place, or one inside it."""
    if refused == route:
        return True
    return len(refused) > 2 and route[: len(refused)] == refused


def _sorted(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    return sorted(
        dict.fromkeys(diagnostics), key=lambda each: (each.place, each.severity, each.code)
    )
