"""The folder that a model works in: inside the project, reached through no link.

What is done in it is left to `shell` and `patches`.
"""

from __future__ import annotations

import os
from pathlib import Path

from flowrunner.visible import one_line


class NoWorkspace(Exception):
    """A folder that cannot be worked in; its message is a sentence."""


def open_workspace(base: Path, folder: str) -> Path:
    """The folder at a path relative to `base`, made where it is missing. Raises NoWorkspace.

    Between the two no link is followed, so that what was checked when the file was read is what is
    worked in.
    """
    shown = f"`{one_line(folder)}`"
    path = Path(os.path.normpath(base.resolve() / folder))
    try:
        if _real(path) != _plain(path):
            raise NoWorkspace(f"{shown} leads through a link, which is not followed")
        path.mkdir(parents=True, exist_ok=True)
        if _real(path) != _plain(path):
            raise NoWorkspace(f"{shown} leads through a link, which is not followed")
    except FileExistsError:
        raise NoWorkspace(f"{shown} is not a folder") from None
    except OSError as fault:
        told = (fault.strerror or "no reason given").lower()
        raise NoWorkspace(f"{shown} cannot be worked in: the system says `{told}`") from None
    return path


def _real(path: Path) -> str:
    return os.path.normcase(os.path.realpath(path))


def _plain(path: Path) -> str:
    return os.path.normcase(path)
