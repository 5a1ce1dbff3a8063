"""Where a workflow may write: below its project, whatever a path says.

Opening the files safely is left to whoever writes them.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath, PureWindowsPath

MARKS = ("flowrunner.yaml", ".git", ".flowrunner")
"""What stands at the top of a project."""

_WORKFLOWS = "workflows"


def project_root(folder: Path) -> Path:
    """The top of the project that a folder belongs to.

    That is the nearest folder upwards that holds one of `MARKS`; without any, the folder itself, or
    the one above it where it is called `workflows`. The current folder plays no part, so that cron
    finds the same as a person.
    """
    folder = Path(os.path.abspath(folder))  # noqa: PTH100  # links keep the name they were given
    for place in (folder, *folder.parents):
        if any((place / mark).exists() for mark in MARKS):
            return place
    return folder.parent if folder.name == _WORKFLOWS else folder


def path_fault(folder: Path, written: str) -> str | None:
    """Why a step may not save to this path, as a sentence, or None where it may.

    `written` is relative to the workflow's folder. Links are not followed here: who opens the file
    looks at them.
    """
    if not names_file(written):
        return f"`save_to` must name a file, found `{written.strip()}`"
    if is_absolute(written):
        return f"`save_to` must be a path relative to the workflow file, found `{written}`"
    target = Path(os.path.normpath(folder.absolute() / written))
    root = project_root(folder)
    if root not in target.parents:
        return f"`{written}` lies outside the project, where a step may not write"
    return None


def names_file(written: str) -> bool:
    """Whether a path ends in a name, not in a folder's sign."""
    return bool(written.strip()) and not written.strip().endswith(("/", "\\"))


def is_absolute(written: str) -> bool:
    """Whether a path starts at a root, a drive or a home folder, on any operating system."""
    windows = PureWindowsPath(written)
    return (
        PurePosixPath(written).is_absolute()
        or bool(windows.drive or windows.root)
        or written.startswith("~")
    )
