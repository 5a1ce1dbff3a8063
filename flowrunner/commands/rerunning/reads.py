"""The files that a run reads, as people know them: what a save of means that it would differ.

Found in what the run was made of; what it writes itself does not count.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from flowrunner.commands.checking import visible_files
from flowrunner.engine.attaching import written_out_files
from flowrunner.events import JSON
from flowrunner.language.touching import touched
from flowrunner.language.workflow import Workflow
from flowrunner.project.files import UnreadableFile
from flowrunner.project.folders import PROJECT_FILE
from flowrunner.project.globs import matching_files
from flowrunner.project.input_file import STDIN
from flowrunner.project.inputs import Given, Sourced
from flowrunner.project.settings import Settings as Operator

_MOST_BESIDE = 2_000


@dataclass(slots=True)
class Reads:
    """What counts of the workflow at `path`. Before it was read once without a mistake, and while
    it has mistakes, that is every YAML file beside it too: the mistake may be in any of them."""

    path: Path
    given: Given
    has_mistakes: bool = True
    _files: set[Path] = field(default_factory=set)
    _patterns: list[tuple[str, Path]] = field(default_factory=list)

    def take(self, workflow: Workflow, read: Sourced, operator: Operator) -> None:
        """What a run that begins was made of."""
        top = workflow.folder
        self.has_mistakes = False
        self._files = {
            *(top / name for name in workflow.files),
            *(top / name for name in written_out_files(workflow)),
            *(top / name for name in _paths_in(read.values)),
            *_named(workflow),
            operator.project / PROJECT_FILE,
            *([operator.env_file] if operator.env_file else []),
        }
        self._patterns = [
            (pattern, top / source.folder)
            for source in read.sources.values()
            for pattern in source.written
        ]

    def __call__(self) -> Iterator[Path]:
        """The files that count now."""
        found = {self.path, *self._files, *self._given()}
        for pattern, folder in self._patterns:
            with suppress(UnreadableFile):
                found |= set(matching_files(pattern, folder))
        if self.has_mistakes:
            found |= set(islice(visible_files(self.path.parent), _MOST_BESIDE))
        return iter({Path(os.path.abspath(path)) for path in found})  # noqa: PTH100

    def _given(self) -> Iterator[Path]:
        """The files that the command line names."""
        name = self.given.inputs_file
        if name is not None and name != STDIN:
            yield self.given.folder / name
        for pair in self.given.pairs:
            value = pair.partition("=")[2]
            if value.startswith("@") and not value.startswith("@@"):
                yield self.given.folder / value[1:]


def _paths_in(value: JSON) -> Iterator[str]:
    """The paths of files among the values of inputs."""
    if isinstance(value, Mapping):
        if value.keys() >= {"path", "sha256", "stem"}:
            yield str(value["path"])
            return
        for below in value.values():
            yield from _paths_in(below)
    elif isinstance(value, list):
        for below in value[:_MOST_BESIDE]:
            yield from _paths_in(below)


def _named(workflow: Workflow) -> Iterator[Path]:
    """Files among the words of commands, and of tools: programs that an author works on too."""
    for touch in touched(workflow):
        if touch.how not in ("runs", "reads"):
            continue
        for word in touch.name.split():
            with suppress(OSError, ValueError):
                path = workflow.folder / word.partition(":")[0]
                if path.is_file():
                    yield path
