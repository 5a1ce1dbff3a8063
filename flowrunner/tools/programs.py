"""Which file a program's name means, which environment it gets, and why it will not start.

All of it is decided before anything is started, from the request and the file system alone; what
the system itself refuses is put into words here too.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from flowrunner.platform import WINDOWS
from flowrunner.tools.request import CannotStart, CommandRequest, NoSuchProgram
from flowrunner.visible import one_line

_ALWAYS = ("PATH", "HOME", "LANG")
# Without these Windows finds no program and most programs do not find themselves.
_ALWAYS_ON_WINDOWS = ("SYSTEMROOT", "PATHEXT", "USERPROFILE", "TEMP", "TMP")


def command_environment(environ: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """The environment of a local program: PATH, HOME, LANG, LC_*, and the declared `names`.

    Names that `environ` does not hold are left out; whether that is a mistake the caller decides.
    Nothing else of `environ` gets through, no key of ours unless it is declared.
    """
    wanted = {*_ALWAYS, *(_ALWAYS_ON_WINDOWS if WINDOWS else ()), *names}
    if WINDOWS:
        wanted = {name.upper() for name in wanted}
    return {
        name: value
        for name, value in environ.items()
        if (name.upper() if WINDOWS else name) in wanted or name.startswith("LC_")
    }


def find_program(request: CommandRequest) -> Path:
    """The file that the request starts, as an absolute path.

    A name with a slash is relative to the request's folder; any other is looked for on the PATH of
    the request's environment, in its absolute entries only: what lies in a workflow's folder never
    stands in for a program of the system. Raises CannotStart.
    """
    _check_texts(request)
    name = request.argv[0]
    if not request.folder.is_dir():
        raise CannotStart(
            f"{quoted(name)} cannot start: there is no folder {quoted(str(request.folder))}"
        )
    found = _beside(name, request) if _is_path(name) else _on_path(name, request.env)
    if WINDOWS and found.suffix.lower() in (".bat", ".cmd"):
        raise CannotStart(
            f"{quoted(name)} is a batch file, which Windows runs through a shell that would "
            "take the arguments apart",
            help="name the program that the batch file starts",
        )
    return found


def refused(request: CommandRequest, fault: OSError) -> CannotStart:
    """Why the system would not start a program that was found."""
    name = quoted(request.argv[0])
    match fault.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return CannotStart(
                f"{name} did not start: the file exists, but not the interpreter that it asks for "
                "(the `#!` in its first line)",
                help="name the interpreter in `run`: `run: [python3, FILE]`",
            )
        case errno.ENOEXEC:
            return CannotStart(
                f"{name} is not a program that this machine can start",
                help="name the interpreter in `run` (`run: [python3, FILE]`), or begin the file "
                "with a line such as `#!/usr/bin/env python3`",
            )
        case errno.E2BIG:
            return CannotStart(
                f"{name} did not start: its arguments and environment are too long for the system",
                help="pass long texts by `stdin`",
            )
        case errno.EACCES | errno.EPERM:
            return _not_allowed(name)
    told = (fault.strerror or "no reason given").lower()
    return CannotStart(f"{name} did not start: the system says `{told}`")


def _check_texts(request: CommandRequest) -> None:
    if not request.argv or not request.argv[0]:
        raise CannotStart(
            "the command names no program", help="write `run: [PROGRAM, ARGUMENT, …]`"
        )
    name = quoted(request.argv[0])
    for position, text in enumerate(request.argv):
        what = f"argument {position}" if position else "its name"
        _check_text(text, f"{name} did not start: {what}")
    for key, value in request.env.items():
        if not key or "=" in key:
            raise CannotStart(f"{name} did not start: {quoted(key)} cannot name a variable")
        _check_text(key + value, f"{name} did not start: the environment variable {quoted(key)}")


def _check_text(text: str, what: str) -> None:
    if "\0" in text:
        raise CannotStart(
            f"{what} holds a NUL character, which no program can receive",
            help="pass such a text by `stdin`",
        )
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        raise CannotStart(
            f"{what} holds a character that this machine's encoding cannot express",
            help="set `LANG` to a UTF-8 locale, or pass the text by `stdin`",
        ) from None


def _is_path(name: str) -> bool:
    return "/" in name or (WINDOWS and ("\\" in name or ":" in name))


def _beside(name: str, request: CommandRequest) -> Path:
    path = request.folder.absolute() / name
    found = shutil.which(str(path))
    if found is not None:
        return Path(found)
    if not path.exists():
        raise NoSuchProgram(
            f"there is no program {quoted(name)} in the folder of the workflow, "
            f"{quoted(str(request.folder))}"
        )
    if path.is_dir():
        raise CannotStart(f"{quoted(name)} is a folder and not a program")
    raise _not_allowed(quoted(name))


def _on_path(name: str, env: Mapping[str, str]) -> Path:
    path = env.get("PATH", os.defpath)
    folders = [entry for entry in path.split(os.pathsep) if Path(entry).is_absolute()]
    found = shutil.which(name, path=os.pathsep.join(folders)) if folders else None
    # On Windows the current folder is searched too, wherever that is.
    if found is not None and any(Path(found).parent == Path(folder) for folder in folders):
        return Path(found)
    if any((Path(folder) / name).is_file() for folder in folders):
        raise _not_allowed(quoted(name))
    raise NoSuchProgram(
        f"there is no program {quoted(name)} in the folders of `PATH` ({_shown_path(path)})",
        help=f"install it, or write where it is: beside the workflow that is {quoted('./' + name)}",
    )


def _shown_path(path: str) -> str:
    shown = one_line(path)
    if not shown:
        return "which is empty"
    return f"`{shown}`" if len(shown) <= 300 else f"`{shown[:300]}…`"


def _not_allowed(name: str) -> CannotStart:
    return CannotStart(
        f"{name} may not be executed",
        help="allow it (`chmod +x FILE`), or name the interpreter in `run`: `run: [python3, FILE]`",
    )


def quoted(text: str) -> str:
    """A text of the author's in backticks, on one line and not endless."""
    shown = one_line(text)
    return f"`{shown}`" if len(shown) <= 200 else f"`{shown[:200]}…`"
