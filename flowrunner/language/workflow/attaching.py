"""Reading `attach`: its entries, and what can be said of a path that is written out.

A step may attach what a step above it makes, so what is missing now is told by `checks`.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flowrunner.catalog import media
from flowrunner.diagnostics import Finding, Route
from flowrunner.events import JSON
from flowrunner.language.attachments import Attachment, is_pattern, scheme_of, url_fault
from flowrunner.language.beside import UnusableFile
from flowrunner.language.forms import Leaf, has_template, text_of
from flowrunner.language.workflow.reader import Reader, mapping


def read_attachments(
    reader: Reader, fields: Mapping[str, Any], route: Route
) -> tuple[Attachment, ...]:
    """The entries of `attach`; one that cannot be read is left out."""
    written = fields.get("attach")
    entries = enumerate(written if isinstance(written, list) else [])
    found = (_read(reader, entry, (*route, "attach", at)) for at, entry in entries)
    return tuple(each for each in found if each is not None)


def _read(reader: Reader, entry: JSON, route: Route) -> Attachment | None:
    detail: Leaf | str | None = None
    if isinstance(entry, Mapping):
        asked = text_of(entry.get("detail"))
        if asked is not None:
            here = (*route, "detail")
            detail = reader.leaf(asked, here) if has_template(asked) else asked
        route = (*route, "file")
        entry = mapping(entry).get("file")
    path = text_of(entry)
    leaf = None if path is None else reader.leaf(path, route, "value")
    if leaf is None:
        return None
    if not leaf.is_constant:
        return Attachment(leaf, detail)
    return Attachment(leaf, detail, _fault(reader, leaf.source.strip(), route))


def _fault(reader: Reader, written: str, route: Route) -> Finding | None:
    """What is wrong with a path that nobody has made yet; other faults are told at once."""
    if scheme_of(written) is not None:
        said = url_fault(written)
        if said is not None:
            reader.fault("attach", f"`{written}` {said}", route)
        return None
    try:
        media.check_ending(written)
        path, shown = reader.beside.place(written)
    except media.UnfitFile as fault:
        reader.fault("attach", f"`{written}` {fault}", route)
        return None
    except UnusableFile as fault:
        fix = fault.help and "write a path such as `scans/page.png`"
        reader.fault(fault.code, fault.message, route, fix)
        return None
    if reader.beside.shelf.kept is not None:
        return None
    return _on_disk(reader, path, shown, route)


def _on_disk(reader: Reader, path: Path, shown: str, route: Route) -> Finding | None:
    written = f"`{path.name}`"
    if not _is(path, Path.is_file):
        if is_pattern(str(path)):
            said = f"`{shown}` matches no file"
            return None if _has_match(path) else _missing(said, route)
        if _is(path, Path.is_dir):
            fix = f"write `{path.name}/*` for the files in it"
            reader.fault("attach", f"{written} is a folder, not a file", route, fix)
            return None
        return _missing(f"there is no file {written}", route)
    try:
        _check_file(path)
    except media.UnfitFile as fault:
        reader.fault("attach", f"{written} {fault}", route)
    return None


def _check_file(path: Path) -> None:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(media.HEAD_BYTES)
    except OSError:
        raise media.UnfitFile("cannot be read") from None
    if not size:
        raise media.UnfitFile("is empty")
    if size > media.MAX_BYTES:
        raise media.UnfitFile(f"is larger than the API takes, {media.MAX_BYTES // 1024**2} MB")
    media.media_type(path.name, head)


def _missing(said: str, route: Route) -> Finding:
    fix = "paths are relative to the workflow file"
    return Finding("missing-file", said, route, fix)


def _has_match(pattern: Path) -> bool:
    try:
        return any(True for _ in glob.iglob(str(pattern), recursive=True))  # noqa: PTH207
    except (OSError, ValueError):
        return False


def _is(path: Path, kind: Callable[[Path], bool]) -> bool:
    """Whether a path leads to something of a kind; what no system takes for a path does not."""
    try:
        return kind(path)
    except (OSError, ValueError):
        return False
