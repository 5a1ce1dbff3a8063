"""Where a project begins and where its `.env` stands, found from the workflow upwards.

What the files say is left to `dotenv` and `settings`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from flowrunner.language.paths import MARKS, project_root
from flowrunner.platform import WINDOWS

PROJECT_FILE = MARKS[0]


def find_project(start: Path) -> Path:
    """The top of the project that a workflow file (or a folder) belongs to, by `project_root`."""
    return project_root(_folder(start))


def find_env_file(start: Path, environ: Mapping[str, str]) -> Path | None:
    """The nearest `.env`, from the workflow's folder up to the project's top, the home folder or
    the root. A folder in which everybody may write (`/tmp`) counts only as the workflow's own."""
    for folder in _upwards(start, environ):
        here = folder / ".env"
        if _exists(here) and (folder == _folder(start) or not _is_open(folder)):
            return here
    return None


def _folder(start: Path) -> Path:
    absolute = Path(os.path.abspath(start))  # noqa: PTH100  # links keep the name they were given
    return absolute if absolute.is_dir() else absolute.parent


def _upwards(start: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    home = environ.get("HOME") or environ.get("USERPROFILE")
    first = _folder(start)
    for folder in (first, *first.parents):
        yield folder
        if _is_top(folder) or (home and folder == Path(home)):
            return


def _is_top(folder: Path) -> bool:
    return any(_exists(folder / name) for name in MARKS)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a folder that may not be looked into
        return False


def _is_open(folder: Path) -> bool:
    if WINDOWS:
        return False
    try:
        return bool(folder.stat().st_mode & stat.S_IWOTH)
    except OSError:
        return True
