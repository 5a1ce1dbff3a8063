"""Files that people hand to a run: their text, or what a `file` input says of them, within bounds.

Every fault is a sentence without the file's content. Which input a file belongs to is left to
`inputs`.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from flowrunner.events import JSON

MAX_TEXT_BYTES = 20 * 1024 * 1024
"""The most that is read as text."""
MAX_FILE_BYTES = 512 * 1024 * 1024
"""The most that a `file` input may be: what the API takes (Responses API: files, 512 MB each)."""

_PIECE = 1024 * 1024


class UnreadableFile(ValueError):
    """A file that cannot be an input. The message ends a sentence: "`notes.txt` does not exist"."""


def read_text(path: Path) -> str:
    """The UTF-8 text of a file, without a byte order mark. Pipes (`<(command)`) may be read too.

    Raises UnreadableFile for what is missing, a folder, binary, or larger than 20 MB.
    """
    return as_text(read_bytes(path, MAX_TEXT_BYTES))


def read_bytes(path: Path, cap: int) -> bytes:
    """The bytes of a file or pipe. Raises UnreadableFile, where there are more than `cap` too."""
    return b"".join(_pieces(path, cap))


def read_stream(stream: BinaryIO | None) -> str:
    """The UTF-8 text of standard input, bounded as a file is; None stands for a closed one."""
    return as_text(read_stream_bytes(stream, MAX_TEXT_BYTES))


def read_stream_bytes(stream: BinaryIO | None, cap: int) -> bytes:
    """The bytes of standard input. Raises UnreadableFile, where there are more than `cap` too."""
    if stream is None or stream.closed:
        raise UnreadableFile("is closed")
    try:
        content = stream.read(cap + 1)
    except (OSError, ValueError):
        raise UnreadableFile("cannot be read") from None
    if len(content) > cap:
        raise UnreadableFile(_too_big(cap))
    return content


def as_text(content: bytes) -> str:
    """Bytes as text. Raises UnreadableFile where they are none."""
    text = _text_or_none(content)
    if text is not None:
        return text
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableFile("is UTF-16, not UTF-8: save it as UTF-8")
    if b"\0" in content[:_PIECE]:
        raise UnreadableFile("is a binary file, not text: an input of type `file` takes those")
    raise UnreadableFile("is not UTF-8 text: save it as UTF-8")


def describe(path: Path, shown: str) -> dict[str, JSON]:
    """What a `file` input offers: path, name, stem, ext, size, sha256 and text.

    `ext` is without the dot and in small letters; `text` is None where the file is no UTF-8 text or
    larger than 20 MB. Raises UnreadableFile.
    """
    digest, size = hashlib.sha256(), 0
    kept: list[bytes] | None = []
    for piece in _pieces(path, MAX_FILE_BYTES):
        digest.update(piece)
        size += len(piece)
        kept = [*kept, piece] if kept is not None and size <= MAX_TEXT_BYTES else None
    return {
        "path": shown,
        "name": path.name,
        "stem": path.stem,
        "ext": path.suffix.removeprefix(".").lower(),
        "size": size,
        "sha256": digest.hexdigest(),
        "text": None if kept is None else _text_or_none(b"".join(kept)),
    }


def _text_or_none(content: bytes) -> str | None:
    if b"\0" in content:
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _pieces(path: Path, cap: int) -> Iterator[bytes]:
    size = 0
    with _opened(path) as file:
        read = _reader(file)
        while piece := read(_PIECE):
            size += len(piece)
            if size > cap:
                raise UnreadableFile(_too_big(cap))
            yield piece


def _opened(path: Path) -> BinaryIO:
    try:
        file = path.open("rb", buffering=0)
    except FileNotFoundError:
        broken = " (it is a link that leads nowhere)" if path.is_symlink() else ""
        raise UnreadableFile(f"does not exist{broken}") from None
    except IsADirectoryError:
        raise UnreadableFile("is a folder, not a file") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "its name is no path"
        raise UnreadableFile(f"cannot be opened: {why.lower()}") from None
    if stat.S_ISDIR(os.fstat(file.fileno()).st_mode):
        file.close()
        raise UnreadableFile("is a folder, not a file")
    return file


def _reader(file: BinaryIO) -> Callable[[int], bytes]:
    def read(size: int) -> bytes:
        try:
            return file.read(size) or b""
        except OSError as error:
            raise UnreadableFile(f"cannot be read: {(error.strerror or '').lower()}") from None

    return read


def _too_big(cap: int) -> str:
    return f"is larger than {cap // 1024**2} MB"
