"""Workflows that another one calls, as a step or as a tool: opened once, their mistakes kept.

Loading them is left to `load`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from flowrunner.diagnostics import Diagnostic, Route
from flowrunner.events import JSON
from flowrunner.language.beside import UnusableFile
from flowrunner.language.forms import has_template
from flowrunner.language.shapes import Shape
from flowrunner.language.workflow.parts import Workflow
from flowrunner.language.workflow.reader import Reader


@dataclass(frozen=True, slots=True)
class Called:
    """A workflow that another one calls: what it gives, or what is wrong with it in its own file.

    `output` is the shape of its result, None where it declares none.
    """

    workflow: Workflow | None
    output: Shape | None
    diagnostics: tuple[Diagnostic, ...] = ()


Open: TypeAlias = Callable[[str], Called]
"""Loads the workflow at a path as the file spells it. Raises UnusableFile."""


def open_called(
    reader: Reader, path: JSON, route: Route, open_workflow: Open
) -> tuple[Workflow, Shape | None] | None:
    """The workflow whose path stands at a route and the shape of its result; None where it cannot
    be used."""
    if not isinstance(path, str) or not path.strip():
        return None
    if has_template(path):
        message = "`workflow` is read before anything runs, so its path cannot be a template"
        reader.fault("missing-file", message, route, "write the path itself")
        return None
    try:
        called = open_workflow(path)
    except UnusableFile as fault:
        reader.fault(fault.code, fault.message, route, fault.help)
        return None
    reader.elsewhere += called.diagnostics
    return None if called.workflow is None else (called.workflow, called.output)
