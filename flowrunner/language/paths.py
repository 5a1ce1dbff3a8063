"""Where a workflow may write: below its project, whatever a path says.

Opening the files safely is left to whoever writes them.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Collection
from pathlib import Path, PurePosixPath, PureWindowsPath

MARKS = ("flowrunner.yaml", ".git", ".flowrunner")
"""What stands at the top of a project."""

_WORKFLOWS = "workflows"
_PROJECT_FILE = "flowrunner.yaml"
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])(?:[.:].*)?")
_SEPARATORS = re.compile(r"[/\\]")
_UNSAFE = re.compile(r'[<>:"|?*~\s]+')
_LONGEST_NAME = 120
_LONGEST_ENDING = 12


def project_root(folder: Path) -> Path:
    """The top of the project that a folder belongs to.

    That is the nearest folder upwards that holds one of `MARKS`; without any, the folder itself, or
    the one above it where it is called `workflows`. The current folder plays no part, so that cron
    finds the same as a person. Marks in a folder above where everybody may write, such as `/tmp`,
    count for nothing: anybody may have put them there.
    """
    folder = Path(os.path.abspath(folder))  # noqa: PTH100  # links keep the name they were given
    for place in (folder, *folder.parents):
        is_marked = any((place / mark).exists() for mark in MARKS)
        if is_marked and (place == folder or not _is_open_to_all(place)):
            return place
    return folder.parent if folder.name == _WORKFLOWS else folder


def _is_open_to_all(folder: Path) -> bool:
    # Windows has no such mode, and says that it is set.
    try:
        return os.name == "posix" and bool(folder.stat().st_mode & stat.S_IWOTH)
    except OSError:
        return True


def path_fault(folder: Path, written: str, kept: Collection[Path] = ()) -> str | None:
    """Why a step may not save to this path, as a sentence, or None where it may.

    `written` is relative to the workflow's folder, as the file has it or with its templates filled
    in. `kept` are files that nothing may be saved over (`own_files`). Links are not followed here:
    who opens the file looks at them.
    """
    if not names_file(written):
        return f"`save_to` must name a file, found `{written.strip()}`"
    if is_absolute(written):
        return f"`save_to` must be a path relative to the workflow file, found `{written}`"
    target = Path(os.path.normpath(folder.absolute() / written))
    root = project_root(folder)
    if root not in target.parents:
        return f"`{written}` lies outside the project, where a step may not write"
    named = (_name_fault(part) for part in _SEPARATORS.split(str(target.relative_to(root))))
    fault = next((said for said in named if said is not None), None)
    if fault is not None:
        return f"`{written.strip()}` cannot be saved to: {fault}"
    if str(target).casefold() in {str(path).casefold() for path in kept}:
        return f"`{written}` is a file that this workflow is made of or reads: it would be lost"
    return None


def _name_fault(name: str) -> str | None:
    """What keeps one name of a path from being a file or folder that a step may write to."""
    if any(unicodedata.category(character) == "Cc" for character in name):
        return "it holds a character that no name may have"
    # Some disks pass over characters that nobody sees, and keep short names such as `GIT~1`.
    seen = "".join(each for each in name if unicodedata.category(each) != "Cf").casefold()
    if seen.startswith((".", "git~")):
        return f"`{name}` is hidden, and what begins with a dot is not for results"
    if seen.partition(":")[0] == _PROJECT_FILE:
        return f"`{name}` holds the settings of a project"
    if name.endswith((".", " ")):
        return f"`{name}` ends in a dot or a space, which Windows drops"
    if _DEVICE.fullmatch(seen):
        return f"`{name}` is the name of a device on Windows"
    return None


def safe_name(written: str, otherwise: str = "file") -> str:
    """A name for a file out of what somebody else called it: one part of a path, without anything
    that a system or a person could take for something else, and not too long for any disk."""
    last = _SEPARATORS.split(written)[-1]
    seen = "".join(each for each in last if unicodedata.category(each)[0] != "C")
    name = _UNSAFE.sub("_", unicodedata.normalize("NFC", seen).strip(" ."))
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) > _LONGEST_ENDING:
        stem, dot, ending = name, "", ""
    room = _LONGEST_NAME - len(f"{dot}{ending}".encode())
    stem = stem.encode()[:room].decode(errors="ignore").rstrip(" .")
    if _DEVICE.fullmatch(stem.casefold()) or name.casefold() == _PROJECT_FILE:
        stem = f"_{stem}"
    return f"{stem}{dot}{ending}" if stem else otherwise


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
