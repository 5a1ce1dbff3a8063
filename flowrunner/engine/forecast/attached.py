"""What a prompt step would attach, as far as that is known before the run: names, kinds and sizes.

Whether a file may be attached at all is left to the run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flowrunner.engine.forecast.sight import Sight
from flowrunner.engine.forecast.terms import Terms
from flowrunner.events import JSON
from flowrunner.language.attachments import (
    Attachment,
    FileMark,
    file_part,
    is_pattern,
    scheme_of,
    url_part,
    with_parts,
)
from flowrunner.language.paths import project_root
from flowrunner.language.request import Prompt
from flowrunner.language.templates import TemplateFault
from flowrunner.project.attachable import Located, described
from flowrunner.project.files import UnreadableFile
from flowrunner.project.globs import matching_files


def with_attached(
    body: Mapping[str, JSON], prompt: Prompt, scope: Mapping[str, Any], sight: Sight, terms: Terms
) -> dict[str, JSON]:
    """The request with what the step would attach. Raises TemplateFault where that is not known."""
    parts = [part for entry in prompt.attach for part in _parts(entry, prompt, scope, sight, terms)]
    return with_parts(body, parts)


def _parts(
    entry: Attachment, prompt: Prompt, scope: Mapping[str, Any], sight: Sight, terms: Terms
) -> Iterator[dict[str, JSON]]:
    if not sight.is_known(entry.file):
        raise _unknown("how large the files are that it attaches is not known beforehand")
    detail = entry.detail if isinstance(entry.detail, str) else None
    for written in entry.paths(scope):
        if scheme_of(written) is not None:
            yield url_part(written, detail)
            continue
        for path in _places(written, entry, prompt.within, terms.folder):
            yield file_part(_look_at(path, written, entry, terms), detail)


def _places(written: str, entry: Attachment, within: str | None, folder: Path) -> Iterator[Path]:
    path = Path(os.path.abspath(folder / written))  # noqa: PTH100
    if entry.is_written_out and is_pattern(written) and not path.exists():
        try:
            yield from matching_files(written, folder)
        except UnreadableFile as fault:
            raise _unknown(f"`attach`: `{written}` {fault}") from None
        return
    is_there = path.exists() or within is None
    yield path if is_there else folder / str(within) / written


def _look_at(path: Path, written: str, entry: Attachment, terms: Terms) -> FileMark:
    """What a file is. One that only data names is not opened: it may not be allowed."""
    try:
        if written in terms.given:
            return terms.look_at(Located(path, None))
        if entry.is_written_out:
            return terms.look_at(Located(path, project_root(terms.folder)))
        return described(path)
    except UnreadableFile as fault:
        raise _unknown(f"`attach`: `{written}` {fault}") from None


def _unknown(message: str) -> TemplateFault:
    return TemplateFault("unknown-size", message, None, 0, 1)
