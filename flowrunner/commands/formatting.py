"""`fmt`: workflows and their tests in the usual look, each whole or not at all; what they mean
stays.

How a text is laid out is left to `language.formatting`.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flowrunner.commands.checking import find_files, today
from flowrunner.commands.viewing import Viewer
from flowrunner.diagnostics import render
from flowrunner.errors import EnvironmentFault, ExitStatus, weightiest
from flowrunner.language.document import read
from flowrunner.language.document.source import read_bytes
from flowrunner.language.formatting import Formatted, format_text, same_workflow
from flowrunner.language.load import load_text
from flowrunner.platform import write_atomically
from flowrunner.visible import one_line

_DIM, _RED, _GREEN, _PLAIN = "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[0m"


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    content: bytes
    formatted: Formatted

    @property
    def differs(self) -> bool:
        return self.formatted.text not in (None, self.content.decode("utf-8", "replace"))


def format_files(paths: Sequence[str], viewer: Viewer, *, check: bool, diff: bool) -> ExitStatus:
    """Write files in the usual look; with `check` or `diff` only say which, and what would change.

    stdout gets the paths of what changes, or the differences. Raises UsageError for a path that
    does not exist, EnvironmentFault for a file that cannot be written.
    """
    files = [_read(path) for path in find_files(paths or ["."])]
    stuck = [file for file in files if file.formatted.text is None]
    changed = [file for file in files if file.differs]
    for file in stuck:
        viewer.progress(_why(file, viewer))
    for file in changed:
        if not (check or diff):
            _write(file)
        viewer.result(_diff(file, viewer) if diff else str(file.path))
    kept = check or diff
    viewer.progress(_tally(len(files), len(changed), len(stuck), kept=kept))
    found = [ExitStatus.FAILED] if changed and kept else []
    return ExitStatus.INVALID if stuck else weightiest(found)


def format_stdin(content: bytes, viewer: Viewer) -> ExitStatus:
    """One workflow from stdin to stdout, as editors ask for it; a wrong one comes back as it is."""
    file = _formatted(Path("-"), content)
    text = file.formatted.text
    viewer.result(content.decode("utf-8", "replace") if text is None else text)
    if text is None:
        viewer.progress(_why(file, viewer))
        return ExitStatus.INVALID
    return ExitStatus.DONE


def _read(path: Path) -> _File:
    content = read_bytes(path)
    if isinstance(content, bytes):
        return _formatted(path, content)
    return _File(path, b"", Formatted(None, tuple(read(path, str(path))[1])))


def _formatted(path: Path, content: bytes) -> _File:
    formatted = format_text(content, str(path))
    if formatted.text is not None and not _does_the_same(path, content, formatted.text):
        reason = "the workflow would do something else if it were laid out anew"
        formatted = Formatted(None, (), reason)
    return _File(path, content, formatted)


def _does_the_same(path: Path, before: bytes, after: str) -> bool:
    """Whether a workflow without mistakes is the same one in both texts. Of any other, and of
    tests, only the values can be held against each other, which `format_text` does."""
    folder, day = path.absolute().parent, today()
    one, _ = load_text(before.decode("utf-8", "replace"), str(path), folder, today=day)
    if one is None:
        return True
    other, _ = load_text(after, str(path), folder, today=day)
    return other is not None and same_workflow(one, other)


def _why(file: _File, viewer: Viewer) -> str:
    if file.formatted.why_not is not None:
        return f"{one_line(str(file.path))} stays as it is: {file.formatted.why_not}"
    text = render(file.formatted.diagnostics, "full", colour=viewer.colour)
    return f"{text}{one_line(str(file.path))} stays as it is until this is mended"


def _write(file: _File) -> None:
    assert file.formatted.text is not None
    target = file.path.resolve()
    try:
        mode = target.stat().st_mode
        write_atomically(target, file.formatted.text.encode())
        target.chmod(mode & 0o7777)
    except OSError as fault:
        why = (fault.strerror or "unknown").lower()
        raise EnvironmentFault(f"`{file.path}` cannot be written: {why}") from None


def _diff(file: _File, viewer: Viewer) -> str:
    assert file.formatted.text is not None
    lines = difflib.unified_diff(
        file.content.decode("utf-8", "replace").splitlines(),
        file.formatted.text.splitlines(),
        str(file.path),
        f"{file.path} (formatted)",
        lineterm="",
    )
    shown = [one_line(line) for line in lines]
    return "\n".join(_coloured(line) if viewer.colour else line for line in shown)


def _coloured(line: str) -> str:
    colour = {"+": _GREEN, "-": _RED, "@": _DIM}.get(line[:1])
    return f"{colour}{line}{_PLAIN}" if colour else line


def _tally(files: int, changed: int, stuck: int, *, kept: bool) -> str:
    parts = []
    if changed:
        parts.append(f"{changed} {'would change' if kept else 'formatted'}")
    if files - changed - stuck:
        parts.append(f"{files - changed - stuck} unchanged")
    if stuck:
        parts.append(f"{stuck} with mistakes")
    return f"{files} file{'s' * (files != 1)}: {', '.join(parts)}" if parts else "no workflows here"
