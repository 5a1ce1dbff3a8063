"""What a step attaches, as the file writes it, and how it stands in a request.

Which file a path leads to, and whether it may be read, is left to `engine`. In a request the bytes
of a file are a `FileMark` until the moment of sending: journal, fingerprint and report hold what a
file is, never the file itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from flowrunner.catalog import media
from flowrunner.diagnostics import Finding
from flowrunner.events import JSON
from flowrunner.language.forms import Leaf
from flowrunner.language.templates import Empty, Expression, TemplateFault, Value
from flowrunner.language.templates.values import empty_fault, found, is_list

_MARK = re.compile(
    r"data:(?P<type>[a-z0-9.+/-]+);name=(?P<name>[^,;]*);size=(?P<size>\d{1,12})"
    r";sha256=(?P<sha256>[0-9a-f]{64})"
)
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):", re.IGNORECASE)
_DETAILS = ("low", "high", "auto", "original")
_SIGNS = "*?["


@dataclass(frozen=True, slots=True)
class FileMark:
    """What stands for a file in a request that is kept: `data:TYPE;name=…;size=…;sha256=…`.

    It has no comma, so that it is no data URL and is never taken for one.
    """

    name: str
    media_type: str
    size: int
    sha256: str

    def __str__(self) -> str:
        name = quote(self.name, safe="")
        return f"data:{self.media_type};name={name};size={self.size};sha256={self.sha256}"

    @classmethod
    def read(cls, text: JSON) -> FileMark | None:
        """The mark that a text is, or None."""
        match = _MARK.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            return None
        return cls(unquote(match["name"]), match["type"], int(match["size"]), match["sha256"])

    @classmethod
    def in_part(cls, part: JSON) -> FileMark | None:
        """The mark in a content part (Responses API: `input_image`, `input_file`), or None."""
        if not isinstance(part, Mapping):
            return None
        return cls.read(part.get("image_url")) or cls.read(part.get("file_data"))

    @classmethod
    def all_in(cls, items: JSON) -> Iterator[FileMark]:
        """The marks in the input of a request."""
        for item in items if isinstance(items, list) else []:
            content = item.get("content") if isinstance(item, Mapping) else None
            for part in content if isinstance(content, list) else []:
                mark = cls.in_part(part)
                if mark is not None:
                    yield mark


@dataclass(frozen=True, slots=True)
class Attachment:
    """One entry of `attach`: a path, a pattern, a URL, or an expression that gives such.

    `fault` is what is wrong with a path that is written out, as long as no step makes the file.
    """

    file: Leaf
    detail: Leaf | str | None = None
    fault: Finding | None = None

    @property
    def whole(self) -> Expression | None:
        """The expression that the entry as a whole is; None for a text."""
        parsed = self.file.parsed.parsed if isinstance(self.file.parsed, Value) else None
        return parsed if isinstance(parsed, Expression) else None

    @property
    def is_written_out(self) -> bool:
        """Whether the file itself says which file is attached."""
        return self.file.is_constant

    def paths(self, scope: Mapping[str, Any]) -> list[str]:
        """The paths and URLs in this scope. Raises TemplateFault.

        A file stands for its path, a list for all that is in it; an optional input that was not
        given stands for nothing.
        """
        if self.whole is None:
            return [str(self.file.fill(scope)).strip()]
        value = self.whole.evaluate(scope)
        if isinstance(value, Empty) and self._is_input and value.why == "null":
            return []
        return list(self._read(value, deep=True))

    @property
    def _is_input(self) -> bool:
        return self.file.source.strip().strip("{}").strip().startswith("inputs.")

    def _read(self, value: Any, *, deep: bool) -> Iterator[str]:
        if isinstance(value, str) and value.strip():
            yield value.strip()
        elif isinstance(value, Mapping) and isinstance(value.get("path"), str):
            yield value["path"]
        elif deep and is_list(value):
            for each in value:
                yield from self._read(each, deep=False)
        elif value is None or isinstance(value, Empty):
            raise empty_fault(value, self.file.source.strip().strip("{}").strip())
        else:
            what = "an empty text" if isinstance(value, str) else found(value)
            raise TemplateFault("attach", f"`attach` needs paths or files, found {what}")

    def detail_in(self, scope: Mapping[str, Any]) -> str | None:
        """How closely to look, where the file says so. Raises TemplateFault."""
        if not isinstance(self.detail, Leaf):
            return self.detail
        chosen = str(self.detail.fill(scope)).strip()
        if chosen not in _DETAILS:
            message = f"`detail` is `low`, `high`, `auto` or `original`, found `{chosen[:40]}`"
            raise TemplateFault("attach", message)
        return chosen


def scheme_of(written: str) -> str | None:
    """The scheme of a URL in small letters; None for a path, also one with a drive (`C:…`)."""
    match = _SCHEME.match(written)
    return match[1].lower() if match else None


def is_pattern(written: str) -> bool:
    """Whether a path may stand for several files."""
    return any(sign in written for sign in _SIGNS)


def url_fault(written: str) -> str | None:
    """Why a URL may not be attached, as the end of a sentence; None where it may."""
    scheme = scheme_of(written)
    if scheme == "file":
        return "is a `file:` address: write the path itself"
    if scheme not in ("http", "https"):
        return f"begins with `{scheme}:`: only paths and `https:` addresses can be attached"
    host = written.partition("://")[2].partition("/")[0]
    if not host or any(letter.isspace() or not letter.isprintable() for letter in written):
        return "is no address of the form `https://HOST/PATH`"
    return "holds a password or key in front of its host" if "@" in host else None


def file_part(mark: FileMark, detail: str | None) -> dict[str, JSON]:
    """The content part of a file: a picture or a file (Responses API: `input_image`,
    `input_file`)."""
    if media.is_image(mark.media_type):
        return _with_detail({"type": "input_image", "image_url": str(mark)}, detail)
    part = {"type": "input_file", "filename": mark.name, "file_data": str(mark)}
    return _with_detail(part, None if detail == "original" else detail)


def url_part(url: str, detail: str | None) -> dict[str, JSON]:
    """The content part of an address; a picture by the ending of its path."""
    path = url.partition("#")[0].partition("?")[0]
    if media.ending_of(path.rpartition("/")[2]) in media.IMAGES:
        return _with_detail({"type": "input_image", "image_url": url}, detail)
    part = {"type": "input_file", "file_url": url}
    return _with_detail(part, None if detail == "original" else detail)


def _with_detail(part: dict[str, JSON], detail: str | None) -> dict[str, JSON]:
    return part if detail is None else {**part, "detail": detail}


def with_parts(body: Mapping[str, JSON], parts: list[dict[str, JSON]]) -> dict[str, JSON]:
    """The request with content parts behind the text of its one user message."""
    if not parts:
        return dict(body)
    text = {"type": "input_text", "text": str(body.get("input") or "")}
    return {**body, "input": [{"role": "user", "content": [text, *parts]}]}
