"""The files that a workflow file names and that are read before it runs: each once, kept by name.

A run that is taken up again reads them from what was kept, not from the disk. What they mean is
left to whoever asks for them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flowrunner.diagnostics import did_you_mean
from flowrunner.language.paths import is_absolute, project_root

MOST_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FileText:
    """The text of a file, and its path as messages show it."""

    shown: str
    text: str


class UnusableFile(Exception):
    """A file that cannot be read: a rule code, a sentence and a fix."""

    def __init__(self, code: str, message: str, help: str | None = None) -> None:  # noqa: A002
        super().__init__(message)
        self.code = code
        self.message = message
        self.help = help


@dataclass(frozen=True, slots=True)
class Shelf:
    """All files read for one workflow and those that it calls.

    `top` is the folder of the first file; names are paths relative to it, with forward slashes.
    With `kept` texts the disk is not looked at.
    """

    top: Path
    kept: Mapping[str, str] | None = None
    read: dict[str, str] = field(default_factory=dict)

    def name_of(self, path: Path) -> str:
        return Path(os.path.relpath(path, self.top.absolute())).as_posix()

    def text(self, path: Path) -> str:
        """The text of a file. Raises UnusableFile."""
        name = self.name_of(path)
        if name not in self.read:
            self.read[name] = self._read(path, name)
        return self.read[name]

    def _read(self, path: Path, name: str) -> str:
        if self.kept is not None:
            if name not in self.kept:
                raise UnusableFile("missing-file", f"the file `{name}` was not kept with the run")
            return self.kept[name]
        return _read_text(path, project_root(self.top))


@dataclass(frozen=True, slots=True)
class Beside:
    """What stands beside one workflow file: paths in it are relative to its `folder`."""

    shelf: Shelf
    folder: Path
    shown: str

    def place(self, written: str) -> tuple[Path, str]:
        """Where a path of the file leads, and how messages show it. Raises UnusableFile."""
        if is_absolute(written):
            message = f"`{written}` is not relative to the workflow file"
            raise UnusableFile("path-outside", message, "write a path such as `prompts/ask.md`")
        path = Path(os.path.normpath(self.folder.absolute() / written))
        if project_root(self.shelf.top) not in path.parents:
            message = f"`{written}` lies outside the project of the workflow file"
            raise UnusableFile("path-outside", message, "move the file into the project")
        if _is_hidden(path, project_root(self.shelf.top)):
            raise _hidden(written)
        return path, os.path.normpath(Path(self.shown).parent / written).replace(os.sep, "/")

    def read(self, written: str) -> FileText:
        """The text at a path of the file. Raises UnusableFile."""
        path, shown = self.place(written)
        return FileText(shown, self.shelf.text(path))


def _read_text(path: Path, root: Path) -> str:
    shown = path.name
    try:
        target = path.resolve(strict=True)
        if root.resolve() not in target.parents:
            message = f"`{shown}` is a link to a file outside the project"
            raise UnusableFile("path-outside", message)
        if _is_hidden(target, root.resolve()):
            raise _hidden(shown)
        if not path.is_file():
            raise UnusableFile("missing-file", f"`{shown}` is no file")
        if path.stat().st_size > MOST_BYTES:
            raise UnusableFile("missing-file", f"`{shown}` is larger than 16 MiB")
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise UnusableFile("missing-file", f"`{shown}` is no text in UTF-8") from None
    except FileNotFoundError:
        fix = f"paths are relative to the workflow file: {_there(path)}"
        raise UnusableFile("missing-file", f"there is no file `{shown}`", fix) from None
    except (OSError, RuntimeError, ValueError):
        fix = "look at its name, and at who may read it"
        raise UnusableFile("missing-file", f"`{shown}` cannot be read", fix) from None


def _is_hidden(path: Path, root: Path) -> bool:
    """Whether a file, or a folder around it in the project, begins with a dot, as `.env` does."""
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _hidden(written: str) -> UnusableFile:
    message = f"`{written}` is hidden: what begins with a dot is never read, it may hold secrets"
    return UnusableFile("path-outside", message, "choose a file whose name begins otherwise")


def _there(path: Path) -> str:
    """What stands in the folder in which a file is missing."""
    try:
        if not path.parent.is_dir():
            return f"there is no folder `{path.parent.name}` either"
        names = sorted(each.name for each in path.parent.iterdir() if not each.name.startswith("."))
    except OSError:
        return "the folder cannot be looked into"
    near = did_you_mean(path.name, names)
    return f"did you mean `{near}`?" if near else "no file of this name is there"
