"""Files that a step attaches: found where they may be, opened without a way out, told by content.

Which path a step means, and whom it comes from, is left to `engine`.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from flowrunner import platform
from flowrunner.catalog import media
from flowrunner.language.attachments import FileMark
from flowrunner.project.files import UnreadableFile


class ChangedFile(UnreadableFile):
    """A file that no longer holds what it held."""


@dataclass(frozen=True, slots=True)
class Attachable:
    """A file that can be attached: what it is, and its bytes."""

    mark: FileMark
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Located:
    """Where a file stands that may be read: below `root`, or anywhere (None) since a person named
    it. With a `sha256` it must hold what it held before."""

    path: Path
    root: Path | None
    sha256: str | None = None

    def read(self) -> Attachable:
        """The file. Raises UnreadableFile, ChangedFile."""
        found = read_given(self.path) if self.root is None else read_inside(self.root, self.path)
        if self.sha256 is not None and found.mark.sha256 != self.sha256:
            raise ChangedFile("was changed since this run first read it")
        return found


def read_inside(root: Path, path: Path) -> Attachable:
    """A file that lies in a folder, its links followed as far as they do not lead out of it.

    Nothing hidden below the folder is read. Raises UnreadableFile.
    """
    top = _real(root)
    target = _real(path)
    if not target.is_relative_to(top) or target == top:
        raise UnreadableFile(f"lies outside of `{root.name or root}`")
    return _read(top, target.relative_to(top).parts, path.name)


def read_given(path: Path) -> Attachable:
    """A file that a person named, wherever it lies. Raises UnreadableFile."""
    target = _real(path)
    top = Path(target.anchor)
    return _read(top, target.relative_to(top).parts, path.name, is_given=True)


def described(path: Path) -> FileMark:
    """What a file is, as far as can be told without opening it: nothing stands for its hash.

    Raises UnreadableFile for what is no file.
    """
    try:
        size = path.stat().st_size if path.is_file() else None
    except (OSError, ValueError):
        size = None
    if size is None:
        raise UnreadableFile("is no file that is there already")
    return FileMark(path.name, media.media_type_by_name(path.name), size, "0" * 64)


def _real(path: Path) -> Path:
    try:
        return path.resolve(strict=True)
    except FileNotFoundError:
        broken = " (it is a link that leads nowhere)" if path.is_symlink() else ""
        raise UnreadableFile(f"does not exist{broken}") from None
    except (OSError, RuntimeError, ValueError):
        raise UnreadableFile("is no path that leads to a file") from None


def _read(top: Path, parts: tuple[str, ...], name: str, *, is_given: bool = False) -> Attachable:
    looked_at = parts[-1:] if is_given else parts
    if any(part.startswith(".") for part in (*looked_at, name)):
        raise UnreadableFile("is hidden: what begins with a dot is never sent, it may hold secrets")
    try:
        media.check_ending(name)
        if top.joinpath(*parts).is_dir():
            raise UnreadableFile("is a folder, not a file")
        with platform.open_inside(top, parts) as file:
            content = _content(file)
        kind = media.media_type(name, content[: media.HEAD_BYTES])
    except media.UnfitFile as fault:
        raise UnreadableFile(str(fault)) from None
    except OSError as error:
        raise UnreadableFile(f"cannot be read: {(error.strerror or str(error)).lower()}") from None
    if media.is_text(kind) and not _is_text(content):
        raise UnreadableFile("is not UTF-8 text: save it as UTF-8")
    digest = hashlib.sha256(content).hexdigest()
    return Attachable(FileMark(name, kind, len(content), digest), content)


def _content(file: BinaryIO) -> bytes:
    size = os.fstat(file.fileno()).st_size
    if size > media.MAX_BYTES:
        raise media.UnfitFile(_too_big())
    content = bytearray()
    while piece := file.read(1024 * 1024):
        content += piece
        if len(content) > media.MAX_BYTES:
            raise media.UnfitFile(_too_big())
    if not content:
        raise media.UnfitFile("is empty")
    return bytes(content)


def _too_big() -> str:
    return f"is larger than the API takes, {media.MAX_BYTES // 1024**2} MB"


def _is_text(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\0" not in content
