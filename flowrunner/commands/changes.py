"""What has changed since a run began: its workflow, the files beside it, its input files."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowrunner.events import JSON
from flowrunner.visible import visible

_MOST_LINES = 60
_MOST_COMPARED = 4_000
_OTHER_BYTES = "(other bytes)"


@dataclass(frozen=True, slots=True)
class Change:
    """One file that is not what it was. `old` is None where it is new, `new` where it cannot be
    read; then `why` says more."""

    name: str
    old: str | None
    new: str | None
    why: str = "it is gone"

    def lines(self) -> list[str]:
        """The difference for people, bounded."""
        if self.new is None:
            return [visible(f"{self.name}: {self.why}")]
        if self.old is None:
            return [visible(f"{self.name}: it is new")]
        old, new = self.old.splitlines(), self.new.splitlines()
        if len(old) + len(new) > _MOST_COMPARED:
            return [visible(f"{self.name}: it had {len(old):,} lines and has {len(new):,} others")]
        found = list(
            difflib.unified_diff(
                old,
                new,
                f"{self.name} (as the run began)",
                f"{self.name} (now)",
                lineterm="",
            )
        )
        more = len(found) - _MOST_LINES
        rest = [f"… and {more} more lines"] if more > 0 else []
        return [visible(line) for line in found[:_MOST_LINES]] + rest


def changed_texts(folder: Path, kept: Mapping[str, str]) -> Iterator[Change]:
    """Texts kept with a run, by their paths relative to a folder, that now read differently."""
    for name, old in kept.items():
        new = _text(folder / name)
        if new != old:
            yield Change(name, old, new)


def changed_inputs(folder: Path, inputs: Mapping[str, JSON]) -> Iterator[Change]:
    """Input files whose bytes are not those that the run began with."""
    for value in inputs.values():
        for file in value if isinstance(value, list) else [value]:
            if _is_file(file):
                yield from _changed_file(folder, file)


def new_files(folder: Path, found: Sequence[str], kept: JSON) -> Iterator[Change]:
    """Files that match a pattern now and did not as the run began."""
    before = {file["path"] for file in kept}
    for path in found:
        if path not in before:
            yield Change(path, None, _text(folder / path) or "")


def changed_table(name: str, old: JSON, new: JSON) -> Iterator[Change]:
    """A table whose rows are not those that the run began with, a line a row."""
    if old != new:
        yield Change(name, _lines_of(old), _lines_of(new))


def _lines_of(rows: JSON) -> str:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)


def changed_attachments(folder: Path, kept: Mapping[str, str]) -> Iterator[Change]:
    """Files that steps attach, by path and hash, whose bytes are not those that the run began
    with."""
    for name, sha256 in kept.items():
        yield from _changed_file(folder, {"path": name, "sha256": sha256})


def paths_of(value: JSON) -> str | list[str] | None:
    """Where an input file stands, or each of several; None for what is no file."""
    if _is_file(value):
        return str(value["path"])
    if not isinstance(value, list) or not value or not all(map(_is_file, value)):
        return None
    return [str(file["path"]) for file in value]


def _is_file(value: JSON) -> bool:
    return isinstance(value, dict) and {"path", "sha256", "stem"} <= value.keys()


def _changed_file(folder: Path, file: Mapping[str, JSON]) -> Iterator[Change]:
    path = folder / file["path"]
    try:
        content = path.read_bytes()
    except OSError:
        yield Change(file["path"], file.get("text") or "", None)
        return
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 == file["sha256"]:
        return
    if file.get("text") is None:
        yield Change(file["path"], _OTHER_BYTES, f"({len(content):,} bytes, sha256 {sha256})")
    else:
        yield Change(file["path"], file["text"], content.decode("utf-8", "replace"))


def _text(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8-sig", "replace").replace("\r\n", "\n")
    except OSError:
        return None
