"""The file of a recording: one JSON document, an entry for each request, sorted by address.

It is read within bounds and checked by `schemas/recording.schema.json`; it is written whole or not
at all. What stands in an entry is left to `taking`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from flowrunner import __version__, json_text
from flowrunner.catalog import load_schema
from flowrunner.diagnostics import did_you_mean
from flowrunner.errors import EnvironmentFault, UsageError
from flowrunner.events import JSON, Address, Segment
from flowrunner.platform import write_atomically

FOLDER = "recordings"
FORMAT = 1
MOST_BYTES = 64 * 1024 * 1024

_HASH = re.compile("[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One request and its reply. `unit`, `attempt` and `turn` are where it was asked, `path` which
    resource, `key` and `request` what (see `canonical`)."""

    unit: str
    attempt: int
    turn: int
    path: str
    key: str
    request: Mapping[str, JSON] = field(repr=False)
    status: int
    headers: Mapping[str, str]
    reply: Mapping[str, JSON] = field(repr=False)

    @property
    def at(self) -> tuple[str, int, int]:
        """The address without the POST: how often it was sent says nothing about the answer."""
        return self.unit, self.attempt, self.turn


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that an answer named and that was fetched: `path` below the base URL, its bytes, None
    where they are gone."""

    path: str
    sha256: str
    content: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Recording:
    """The replies of one run, given by `provider`. `started_at` is Unix time: what `run.date` said
    in it."""

    workflow: str
    provider: str
    run: str
    started_at: float
    entries: tuple[Entry, ...]
    files: tuple[Fetched, ...] = ()

    def text(self) -> str:
        """The document, the same for the same entries in whatever order."""
        document = {
            "format": FORMAT,
            "generator": f"flowrunner {__version__}",
            "workflow": self.workflow,
            "provider": self.provider,
            "run": self.run,
            "started_at": self.started_at,
            "replies": [_as_json(entry) for entry in sorted(self.entries, key=_place)],
            "files": {each.path: each.sha256 for each in sorted(self.files, key=_name)},
        }
        return json.dumps(document, ensure_ascii=False, indent=2) + "\n"

    def write(self, path: Path) -> None:
        """Put it in the place of what stands there. Raises EnvironmentFault."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_files(_beside(path), self.files)
            content = self.text().encode("utf-8", "replace")
            write_atomically(path, content, private=False)
        except OSError as fault:
            why = (fault.strerror or "it could not be written").lower()
            raise EnvironmentFault(f"the recording `{path}` was not written: {why}") from fault


def path_of(folder: Path, name: str) -> Path:
    """Where a recording of a name stands beside a workflow in this folder. Raises UsageError."""
    if _NAME.fullmatch(name) is None:
        raise UsageError(
            f"`{name}` cannot be the name of a recording",
            help="use letters, digits, `.`, `_` and `-`; it becomes a file `recordings/NAME.json`",
        )
    return folder / FOLDER / f"{name}.json"


def read_recording(path: Path) -> Recording:
    """A recording from its file. Raises UsageError for one that is not there or cannot be used."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"the recording `{path}` is larger than {MOST_BYTES // 1024**2} MiB")
        content = path.read_bytes()
    except FileNotFoundError:
        raise _missing(path) from None
    except OSError as fault:
        why = (fault.strerror or "it is no file").lower()
        raise UsageError(f"the recording `{path}` cannot be read: {why}") from fault
    try:
        value = json_text.parse_bytes(content)
    except json_text.NotJson as fault:
        raise UsageError(f"the recording `{path}` is no JSON: {fault}", help=_AGAIN) from fault
    said = _what_is_wrong(value)
    if said is not None:
        raise UsageError(f"the recording `{path}` cannot be used: {said}", help=_AGAIN)
    return Recording(
        value["workflow"],
        value["provider"],
        value["run"],
        float(value["started_at"]),
        tuple(_from_json(entry) for entry in value["replies"]),
        tuple(
            Fetched(name, sha256, _content(_beside(path) / sha256, sha256))
            for name, sha256 in value.get("files", {}).items()
        ),
    )


def _name(file: Fetched) -> str:
    return file.path


def _beside(path: Path) -> Path:
    """The folder of the files of a recording, each under its hash."""
    return path.with_name(f"{path.stem}.files")


def _write_files(folder: Path, files: Iterable[Fetched]) -> None:
    """Write the files of a recording, and take away those of an earlier one. Raises OSError."""
    wanted = {each.sha256: each.content for each in files if each.content is not None}
    if wanted:
        folder.mkdir(exist_ok=True)
    for sha256, content in wanted.items():
        write_atomically(folder / sha256, content, private=False)
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if _HASH.fullmatch(path.name) and path.name not in wanted:
            path.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()


def _content(path: Path, sha256: str) -> bytes | None:
    """The bytes of a kept file; None where they are gone, or are others."""
    try:
        content = path.read_bytes() if path.stat().st_size <= MOST_BYTES else b""
    except OSError:
        return None
    return content if hashlib.sha256(content).hexdigest() == sha256 else None


_AGAIN = "`flowrunner run --record` makes it anew"


def _missing(path: Path) -> UsageError:
    known = [each.stem for each in path.parent.glob("*.json")] if path.parent.is_dir() else []
    near = did_you_mean(path.stem, known)
    hint = f"did you mean `--recording {near}`? " if near else ""
    return UsageError(f"there is no recording `{path}`", help=f"{hint}{_AGAIN}")


def _what_is_wrong(value: JSON) -> str | None:
    if isinstance(value, dict) and value.get("format") not in (None, FORMAT):
        return f"its format is {value['format']!r}, and this version reads {FORMAT}"
    error = next(_validator().iter_errors(value), None)
    if error is None:
        return None
    place = "/".join(map(str, error.absolute_path)) or "the top"
    return f"at `{place}` it is not as `recording.schema.json` says"


@cache
def _validator() -> Any:
    return Draft202012Validator(load_schema("recording"))


def _as_json(entry: Entry) -> dict[str, JSON]:
    return {
        "unit": entry.unit,
        "attempt": entry.attempt,
        "turn": entry.turn,
        "path": entry.path,
        "key": entry.key,
        "request": dict(entry.request),
        "status": entry.status,
        "headers": dict(entry.headers),
        "reply": dict(entry.reply),
    }


def _from_json(value: Mapping[str, Any]) -> Entry:
    return Entry(**value)


def _place(entry: Entry) -> tuple[list[tuple[str, int, int]], int, int]:
    try:
        path = Address.parse(entry.unit).path
    except ValueError:
        path = (Segment(entry.unit),)
    return [(each.step, each.item or 0, each.round or 0) for each in path], *entry.at[1:]


def replies(entries: Iterable[Entry]) -> str:
    """How many there are, in words."""
    count = len(list(entries))
    return f"{count} repl{'y' if count == 1 else 'ies'}"
