"""What inputs name by a path: files, patterns of files and tables, read within bounds.

Which input names them, and where its paths begin, is left to `inputs`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from flowrunner.events import JSON
from flowrunner.language.shapes import Shape
from flowrunner.project.files import UnreadableFile, describe, read_bytes
from flowrunner.project.globs import check_is_path, matching_files, no_match
from flowrunner.project.tables import MAX_BYTES, UnreadableTable, check_rows, read_table

MAX_TEXT_BYTES = 64 * 1024 * 1024
"""The most text that the files of a run hold together: the journal keeps all of it."""


class UnusableFiles(ValueError):
    """Files that cannot be the value of an input; `sentences` has one for each fault."""

    def __init__(self, *sentences: str) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences


class Loader:
    """Reads the files of one run. Paths below `top`, the workflow's folder, are shown relative to
    it."""

    def __init__(self, top: Path) -> None:
        self._top = Path(os.path.abspath(top))  # noqa: PTH100
        self._text_bytes = 0

    def file(self, path: str, folder: Path) -> dict[str, JSON]:
        """What a `file` input offers. Raises UnusableFiles."""
        try:
            check_is_path(path)
            # `..` is resolved in the text: a link keeps the name its author gave it.
            return self._record(Path(os.path.abspath(folder / path)))  # noqa: PTH100
        except UnreadableFile as fault:
            raise UnusableFiles(f"`{path}` {fault}") from None

    def files(self, patterns: Sequence[str], folder: Path, *, optional: bool) -> list[JSON]:
        """What a `files` input offers: a file each, sorted by path, none twice.

        Raises UnusableFiles, for patterns without a match too unless that is `optional`.
        """
        matches = {pattern: _matches(pattern, folder) for pattern in patterns}
        vain = [pattern for pattern, found in matches.items() if not found]
        if vain and not optional:
            raise UnusableFiles(no_match(vain))
        found = sorted({path for paths in matches.values() for path in paths})
        records: list[JSON] = []
        faults = []
        for path in found:
            try:
                records.append(self._record(path))
            except UnreadableFile as fault:
                faults.append(f"`{self._shown(path)}` {fault}")
        if faults:
            raise UnusableFiles(*faults[:10])
        return sorted(records, key=lambda record: str(record["path"]))

    def table(self, path: str, folder: Path, shape: Shape) -> list[JSON]:
        """The rows of a `table` input. Raises UnusableFiles."""
        try:
            check_is_path(path)
            content = read_bytes(folder / path, MAX_BYTES)
        except UnreadableFile as fault:
            raise UnusableFiles(f"`{path}` {fault}") from None
        return table_of(content, path, shape)

    def matches(self, patterns: Sequence[str], folder: Path) -> list[str]:
        """The paths, as they are shown, of the files that patterns match. Raises UnusableFiles."""
        found = {path for pattern in patterns for path in _matches(pattern, folder)}
        return sorted(self._shown(path) for path in found)

    def _record(self, path: Path) -> dict[str, JSON]:
        record = describe(path, self._shown(path))
        text: str | None = record["text"]
        if text is None:
            return record
        self._text_bytes += record["size"]
        if self._text_bytes > MAX_TEXT_BYTES:
            most = MAX_TEXT_BYTES // 1024**2
            raise UnusableFiles(
                f"the files of this run hold more than {most} MB of text together: give fewer"
            )
        return record

    def _shown(self, path: Path) -> str:
        shown = path.relative_to(self._top) if path.is_relative_to(self._top) else path
        return shown.as_posix()


def _matches(pattern: str, folder: Path) -> list[Path]:
    try:
        return matching_files(pattern, folder)
    except UnreadableFile as fault:
        raise UnusableFiles(f"`{pattern}` {fault}") from None


def table_of(content: bytes, name: str, shape: Shape) -> list[JSON]:
    """The rows of a table in bytes that have a name. Raises UnusableFiles."""
    try:
        return read_table(content, name, shape)
    except UnreadableTable as fault:
        raise UnusableFiles(*_placed(f"`{name}`", fault)) from None


def written_rows(rows: JSON, shape: Shape) -> list[JSON]:
    """The rows of a table that stand in a file of inputs themselves. Raises UnusableFiles."""
    try:
        return check_rows(rows, shape)
    except UnreadableTable as fault:
        raise UnusableFiles(*_placed("the table", fault)) from None


def _placed(name: str, fault: UnreadableTable) -> Iterator[str]:
    for sentence in fault.sentences:
        yield f"{name}{',' if sentence.startswith(('line ', 'row ')) else ''} {sentence}"


def is_loaded(shape: Shape, value: JSON) -> bool:
    """Whether a value is what `file`, `files` or a list of files offer, not the path to it."""
    if shape.kind == "file":
        return _is_record(value)
    of_files = shape.kind == "files" or (shape.item is not None and shape.item.kind == "file")
    return of_files and isinstance(value, list) and all(_is_record(each) for each in value)


def _is_record(value: JSON) -> bool:
    return isinstance(value, Mapping) and value.keys() >= {"path", "name", "stem", "size"}
