"""Files beneath one folder, reached step by step through no link, replaced whole.

Where the system can open a name in an open folder (POSIX), a link that is put in the way meanwhile
is noticed; elsewhere (Windows) each step is looked at first, which leaves a moment between looking
and opening to whoever can already write there. What is in the files is left to `patch`.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from flowrunner.platform import WINDOWS
from flowrunner.visible import one_line

MOST_BYTES = 10 * 1024 * 1024
_LONGEST_PATH = 1000
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)
_IS_LINK = (errno.ELOOP, errno.ENOTDIR, errno.EMLINK)


class Refused(Exception):
    """A path that is not gone, or not there; its message is a sentence."""


class Beneath(Protocol):
    """Files by their steps beneath a folder. Every method raises Refused."""

    def read(self, steps: tuple[str, ...]) -> tuple[bytes, int]:
        """The content of a file and its permissions."""

    def create(self, steps: tuple[str, ...], content: bytes) -> None:
        """Write a file that is not there yet, with the folders on the way."""

    def replace(self, steps: tuple[str, ...], content: bytes, mode: int) -> None:
        """Write a file whole in the place of the one that is there."""

    def delete(self, steps: tuple[str, ...]) -> None:
        """Take a file away."""


def open_beneath(root: Path) -> Beneath:
    """The safest way that the system has."""
    can = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
    return ByFolder(root) if can else ByName(root)


def steps_of(path: object) -> tuple[str, ...]:
    """The steps of a relative path with `/`, none of which leads up or out. Raises Refused."""
    if not isinstance(path, str) or not path.strip("/ ") or len(path) > _LONGEST_PATH:
        raise Refused("the `path` must be that of a file, relative to the folder")
    shown = f"`{one_line(path[:200])}`"
    steps = tuple(step for step in path.split("/") if step not in ("", "."))
    if path.startswith("/") or ".." in steps or "\\" in path or not steps:
        raise Refused(f"the path {shown} leads out of the folder: write it relative, with `/`")
    if any(ord(letter) < 32 or 0xD800 <= ord(letter) < 0xE000 for letter in path):
        raise Refused(f"the path {shown} holds a character that no name may have")
    if any(_is_special(step) for step in steps):
        raise Refused(f"the path {shown} is not for patches")
    return steps


def _is_special(step: str) -> bool:
    # Git runs what stands in its folder; some systems take these spellings for the same name.
    plain = step.casefold().rstrip(". ").replace("\u200c", "").replace("\u200d", "")
    if plain in (".git", "git~1"):
        return True
    return WINDOWS and (":" in step or step != step.rstrip(". ") or bool(_DEVICE.match(step)))


class ByFolder:
    """Each step is opened in the open folder before it, without following a link."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, steps: tuple[str, ...]) -> tuple[bytes, int]:
        with self._parent(steps) as folder, _told(steps):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            fd = os.open(steps[-1], flags, dir_fd=folder)
            mode = os.fstat(fd).st_mode
            if not stat.S_ISREG(mode):
                os.close(fd)
                raise Refused(f"{_shown(steps)} is not a file")
            with os.fdopen(fd, "rb") as file:
                return _within_cap(steps, file.read(MOST_BYTES + 1)), mode & 0o777

    def create(self, steps: tuple[str, ...], content: bytes) -> None:
        with (
            self._parent(steps, make=True) as folder,
            _told(steps),
            self._temporary(folder, content, None) as name,
        ):
            os.link(name, steps[-1], src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)

    def replace(self, steps: tuple[str, ...], content: bytes, mode: int) -> None:
        with (
            self._parent(steps) as folder,
            _told(steps),
            self._temporary(folder, content, mode) as name,
        ):
            os.replace(name, steps[-1], src_dir_fd=folder, dst_dir_fd=folder)

    def delete(self, steps: tuple[str, ...]) -> None:
        with self._parent(steps) as folder, _told(steps):
            found = os.stat(steps[-1], dir_fd=folder, follow_symlinks=False)
            if not stat.S_ISREG(found.st_mode):
                raise Refused(f"{_shown(steps)} is not a file")
            os.unlink(steps[-1], dir_fd=folder)

    @contextmanager
    def _parent(self, steps: tuple[str, ...], *, make: bool = False) -> Iterator[int]:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        with _told(()):
            fd = os.open(self._root, flags)
        try:
            for count, step in enumerate(steps[:-1], start=1):
                with _told(steps[:count]):
                    if make:
                        with suppress(FileExistsError):
                            os.mkdir(step, dir_fd=fd)
                    inner = os.open(step, flags, dir_fd=fd)
                os.close(fd)
                fd = inner
            yield fd
        finally:
            os.close(fd)

    @contextmanager
    def _temporary(self, folder: int, content: bytes, mode: int | None) -> Iterator[str]:
        """A file with that content under a name that nobody knows; gone afterwards."""
        name = f".flowrunner-{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(name, flags, 0o666 if mode is None else 0o600, dir_fd=folder)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(content)
                file.flush()
                if mode is not None:
                    os.fchmod(fd, mode)
                os.fsync(fd)
            yield name
            os.fsync(folder)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)


class ByName:
    """Each step is looked at before the path is opened by its name."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, steps: tuple[str, ...]) -> tuple[bytes, int]:
        path = self._checked(steps)
        with _told(steps):
            mode = path.lstat().st_mode
            if not stat.S_ISREG(mode):
                raise Refused(f"{_shown(steps)} is not a file")
            with path.open("rb") as file:
                return _within_cap(steps, file.read(MOST_BYTES + 1)), mode & 0o777

    def create(self, steps: tuple[str, ...], content: bytes) -> None:
        path = self._checked(steps)
        with _told(steps):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._checked(steps)
            with path.open("xb") as file:
                file.write(content)

    def replace(self, steps: tuple[str, ...], content: bytes, mode: int) -> None:
        path = self._checked(steps)
        temporary = path.with_name(f".flowrunner-{secrets.token_hex(8)}")
        with _told(steps):
            try:
                with temporary.open("xb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.chmod(mode)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)

    def delete(self, steps: tuple[str, ...]) -> None:
        path = self._checked(steps)
        with _told(steps):
            if not stat.S_ISREG(path.lstat().st_mode):
                raise Refused(f"{_shown(steps)} is not a file")
            path.unlink()

    def _checked(self, steps: tuple[str, ...]) -> Path:
        path = self._root
        for count, step in enumerate(steps, start=1):
            path = path / step
            with _told(steps[:count]), suppress(FileNotFoundError):
                found = path.lstat()
                reparse = getattr(found, "st_file_attributes", 0) & 0x400  # REPARSE_POINT
                if stat.S_ISLNK(found.st_mode) or reparse:
                    raise OSError(errno.ELOOP, "a link")
        return path


def _within_cap(steps: tuple[str, ...], content: bytes) -> bytes:
    if len(content) > MOST_BYTES:
        raise Refused(f"{_shown(steps)} is larger than {MOST_BYTES // 1024**2} MiB")
    return content


@contextmanager
def _told(steps: tuple[str, ...]) -> Iterator[None]:
    """What the system refuses, as a sentence."""
    shown = _shown(steps)
    try:
        yield
    except FileNotFoundError:
        raise Refused(f"there is no {shown}") from None
    except FileExistsError:
        raise Refused(f"{shown} is there already") from None
    except OSError as fault:
        if fault.errno in _IS_LINK:
            raise Refused(f"{shown} is a link, or no folder, and is not followed") from None
        told = (fault.strerror or "no reason given").lower()
        raise Refused(f"{shown} cannot be changed: the system says `{told}`") from None


def _shown(steps: tuple[str, ...]) -> str:
    return f"`{one_line('/'.join(steps)[:200]) or 'the folder'}`"
