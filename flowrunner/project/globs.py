"""Patterns of file paths (`invoices/*.pdf`, `notes/**/*.md`) and the files that they match.

Reading the files is left to `loading`.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from flowrunner.project.files import UnreadableFile

MAX_FILES = 100_000
_SIGNS = "*?["


def matching_files(pattern: str, folder: Path) -> list[Path]:
    """The files that a pattern matches, sorted by path; `folder` is where a relative one begins.

    `**` matches folders at any depth. Files whose names begin with a dot are never matched. A path
    of a file that exists is that file, whatever signs are in it. Raises UnreadableFile for a
    folder, a file whose name begins with a dot, an address, and more than 100,000 files.
    """
    check_is_path(pattern)
    literal = folder / pattern
    if _is_file(literal):
        if literal.name.startswith("."):
            raise UnreadableFile("begins with a dot: such files are never taken")
        return [_absolute(literal)]
    if _is_folder(literal):
        inside = f"{pattern.rstrip('/')}/*"
        raise UnreadableFile(f"is a folder: write `{inside}` for the files in it")
    try:
        # pathlib would match dot files too.
        names = glob.iglob(pattern, root_dir=folder, recursive=True)  # noqa: PTH207
        found = list(islice((n for n in names if _is_wanted(folder / n)), MAX_FILES + 1))
    except (OSError, ValueError):
        raise UnreadableFile("is no pattern of paths") from None
    if len(found) > MAX_FILES:
        raise UnreadableFile(f"matches more than {MAX_FILES:,} files")
    return sorted({_absolute(folder / name) for name in found})


def check_is_path(text: str) -> None:
    """Raises UnreadableFile for an address of the web, which people give instead of a path."""
    scheme, sign, _ = text.partition("://")
    if (sign and scheme.isalpha()) or text.lower().startswith("file:"):
        raise UnreadableFile("is an address, not a path: give the path of a file on this machine")


def no_match(patterns: Sequence[str]) -> str:
    """The sentence about patterns that match nothing."""
    shown = " and ".join(f"`{pattern}`" for pattern in patterns)
    has_sign = any(sign in pattern for pattern in patterns for sign in _SIGNS)
    return f"{shown} {'matches no file' if has_sign else 'does not exist'}"


def _is_wanted(path: Path) -> bool:
    return not path.name.startswith(".") and _is_file(path)


def _absolute(path: Path) -> Path:
    # `..` is resolved in the text: a link keeps the name its author gave it.
    return Path(os.path.abspath(path))  # noqa: PTH100


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False
