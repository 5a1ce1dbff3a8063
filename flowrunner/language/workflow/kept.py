"""The files that a workflow is made of or reads of itself, which no step may save over.

What a step may not write to besides is left to `paths`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from flowrunner.language.shapes import Shape
from flowrunner.language.workflow.parts import Workflow

_OF_PATHS = ("file", "files", "table")


def own_files(workflow: Workflow) -> frozenset[Path]:
    """The workflow file, the files read for it, and those that its inputs name as defaults."""
    folder = workflow.folder.absolute()
    names = [Path(workflow.shown).name, *workflow.files]
    for known in workflow.inputs:
        names += _paths_in(known.shape)
    return frozenset(Path(os.path.normpath(folder / name)) for name in names)


def _paths_in(shape: Shape) -> Iterator[str]:
    kinds = {shape.kind, shape.item.kind if shape.item else ""}
    if kinds.isdisjoint(_OF_PATHS):
        return
    written = shape.default if isinstance(shape.default, list) else [shape.default]
    yield from (path for path in written if isinstance(path, str) and path.strip())
