"""The files that a Response made: pictures in it, and files that stand in a container.

Saving them, and fetching those that the Response only names, is left to the engine.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from flowrunner.events import JSON

MOST_FILES = 100
"""Of one response so many files are saved; more is nothing that anybody asked for."""

_ID = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(frozen=True, slots=True)
class Artefact:
    """One file: its `content`, or the `path` below the base URL from which it is fetched, or the
    `fault` for which nobody can have it: the end of a sentence.

    `name` is what the model called it, which may be anything.
    """

    name: str
    content: bytes | None = field(default=None, repr=False)
    path: str | None = None
    fault: str | None = None


def artefacts(response: Mapping[str, JSON]) -> list[Artefact]:
    """The files of a response in its order, each once (Responses API: `image_generation_call`,
    `container_file_citation`)."""
    found: dict[object, Artefact] = {}
    output = response.get("output")
    for item in output if isinstance(output, list) else []:
        if not isinstance(item, Mapping):
            continue
        for each in _of_item(item, len(found) + 1):
            found.setdefault(each.path or (each.name, each.content), each)
    return list(found.values())[:MOST_FILES]


def _of_item(item: Mapping[str, Any], number: int) -> Iterator[Artefact]:
    if item.get("type") == "image_generation_call":
        content = _picture(item.get("result"))
        if content:
            yield Artefact(f"image-{number}", content)
        elif item.get("result"):
            yield Artefact(f"image-{number}", fault="is damaged: it came as no base64")
    elif item.get("type") == "message":
        parts = item.get("content")
        for part in parts if isinstance(parts, list) else []:
            notes = part.get("annotations") if isinstance(part, Mapping) else None
            for note in notes if isinstance(notes, list) else []:
                yield from _cited(note)


def _picture(result: JSON) -> bytes | None:
    if not isinstance(result, str):
        return None
    try:
        return base64.b64decode(result.partition(",")[2] or result, validate=True)
    except (binascii.Error, ValueError):
        return None


def _cited(note: JSON) -> Iterator[Artefact]:
    if not isinstance(note, Mapping) or note.get("type") != "container_file_citation":
        return
    container, file = note.get("container_id"), note.get("file_id")
    if _is_id(container) and _is_id(file):
        name = note.get("filename")
        path = f"containers/{quote(str(container), safe='')}/files/{quote(str(file), safe='')}"
        yield Artefact(name if isinstance(name, str) else "", path=f"{path}/content")


def _is_id(value: JSON) -> bool:
    return isinstance(value, str) and bool(_ID.fullmatch(value)) and bool(value.strip("."))
