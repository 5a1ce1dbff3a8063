"""Finding workflow files, tests of them, and every mistake in both; nothing is sent or run."""

from __future__ import annotations

import codecs
import datetime
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flowrunner.diagnostics import (
    Diagnostic,
    Finding,
    Form,
    Place,
    did_you_mean,
    render,
)
from flowrunner.errors import ExitStatus, InvalidWorkflow, UsageError
from flowrunner.language.load import load
from flowrunner.language.providers import Providers
from flowrunner.language.testing import ENDINGS, FileOfTests, read_tests
from flowrunner.language.workflow import Workflow
from flowrunner.project.folders import find_project
from flowrunner.project.project_file import ProjectFile, open_project_file
from flowrunner.project.providers import known_providers
from flowrunner.recordings import path_of, read_recording
from flowrunner.recordings.recording import FOLDER

_ENDINGS = (".yaml", ".yml")
_OF_TESTS = frozenset({b"workflow", b"cases"})
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in some files. `text` is for stdout, `tally` one line for people."""

    text: str
    tally: str
    exit_status: ExitStatus


def validate(paths: Sequence[str], form: Form, *, strict: bool, colour: bool) -> Checked:
    """Check files, and in folders every workflow and every file of tests (in the current one when
    none are named).

    With `strict` a warning counts as an error.
    """
    files = find_files(paths or ["."])
    found = list(dict.fromkeys(_found_in(files)))
    counts = ("error", "warning") if strict else ("error",)
    errors = sum(one.severity in counts for one in found)
    text = render(found, form, colour=colour)
    status = ExitStatus.INVALID if errors else ExitStatus.DONE
    return Checked(text, _tally(len(files), found, errors), status)


def _found_in(files: Iterable[Path]) -> Iterator[Diagnostic]:
    """What is to say about files, and once about the project file that each stands under."""
    day = today()
    projects: dict[Path, ProjectFile | None] = {}
    for file in files:
        project = find_project(file)
        if project not in projects:
            projects[project], said = open_project_file(project)
            yield from said
        of_project = projects[project]
        known = None if of_project is None else known_providers(of_project)
        if is_recording(file):
            yield from _of_recording(file)
        elif holds_tests(file):
            tests, said = read_tests(file, str(file), today=day, providers=known)
            yield from said
            yield from [] if tests is None else _of_recordings(tests)
        else:
            yield from load(file, str(file), today=day, providers=known)[1]


def _of_recording(path: Path) -> Iterator[Diagnostic]:
    """What is wrong with a recording, of which nobody knows a line."""
    try:
        read_recording(path)
    except UsageError as fault:
        yield Diagnostic("error", "case", fault.message, Place(str(path), 1, 1), fault.help)


def _of_recordings(tests: FileOfTests) -> Iterator[Diagnostic]:
    """The recordings of cases that cannot answer; one that is still to be made is a warning."""
    folder = Path(os.path.relpath(tests.workflow.folder))
    for case in tests.cases:
        said = None if case.recording is None else _unusable(folder, case.recording)
        if said is not None:
            found = replace(said, route=(*case.route, "recording"))
            yield tests.document.diagnose(found)


def _unusable(folder: Path, name: str) -> Finding | None:
    """Why a recording cannot answer, still without a place."""
    is_missing = False
    try:
        path = path_of(folder, name)
        is_missing = not path.exists()
        read_recording(path)
    except UsageError as fault:
        if is_missing:
            fix = "`flowrunner test --record` makes it"
            return Finding("case", fault.message, (), fix, "warning")
        return Finding("case", fault.message, (), fault.help)
    return None


def is_recording(path: Path) -> bool:
    """Whether a file stands where recordings do."""
    return path.suffix == ".json" and path.absolute().parent.name == FOLDER


def today() -> datetime.date:
    """The day by which models are past their end."""
    return datetime.datetime.now().astimezone().date()


def _tally(files: int, found: Sequence[Diagnostic], errors: int) -> str:
    checked = f"{files} file{'s' * (files != 1)} checked"
    if not found:
        return f"{checked}, no mistakes"
    hints = sum(one.severity == "hint" for one in found)
    warnings = len(found) - errors - hints
    named = {"error": errors, "warning": warnings, "hint": hints}
    parts = [f"{count} {word}{'s' * (count != 1)}" for word, count in named.items() if count]
    return f"{checked}: {', '.join(parts)}"


def find_workflows(paths: Iterable[str]) -> list[Path]:
    """The files named, and in folders every YAML file whose text begins a workflow.

    Raises UsageError for a path that does not exist.
    """
    return _find(paths, _begins_workflow)


def find_files(paths: Iterable[str]) -> list[Path]:
    """The same, with the files of tests in folders."""
    return _find(paths, lambda path: _begins_workflow(path) or _begins_tests(path))


def find_tests(paths: Iterable[str]) -> list[Path]:
    """The files named, and in folders every file of tests. Raises UsageError."""
    return _find(paths, _begins_tests)


def tests_like(start: str) -> list[str]:
    """The files of tests in and below the current folder whose paths begin so, for a shell."""
    found = (path for path in visible_files(Path()) if path.as_posix().startswith(start))
    return sorted(path.as_posix() for path in found if _begins_tests(path))


def _find(paths: Iterable[str], is_one: Callable[[Path], bool]) -> list[Path]:
    found: list[Path] = []
    for name in paths:
        path = Path(name)
        if path.is_dir():
            found += sorted(each for each in visible_files(path) if is_one(each))
        elif path.exists() or path.is_symlink():
            found.append(path)
        else:
            raise UsageError(f"there is no file `{name}`", help=_near(path))
    return list(dict.fromkeys(found))


def visible_files(folder: Path) -> Iterator[Path]:
    """The YAML files in and below a folder. Hidden folders, which may be huge, are not entered."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(place, name)
            if path.suffix in _ENDINGS and not name.startswith(".") and path.is_file():
                yield path


def _begins_workflow(path: Path) -> bool:
    """Whether a file claims to be a workflow, so that other YAML files are left in peace."""
    keys = _keys_of(path)  # of what cannot be read, why is said when it is checked
    return keys is None or b"flowrunner" in keys


def _begins_tests(path: Path) -> bool:
    """The same of tests; one whose first key is misspelt is known by its name and the others."""
    keys = _keys_of(path) or frozenset()
    is_called_so = path.name.endswith(ENDINGS) and b"flowrunner" not in keys
    return b"flowrunner_test" in keys or (is_called_so and bool(keys & _OF_TESTS))


def holds_tests(path: Path) -> bool:
    """Whether a file that somebody names holds tests: it says so, or is called so and is no
    workflow."""
    keys = _keys_of(path) or frozenset()
    return b"flowrunner_test" in keys or (path.name.endswith(ENDINGS) and b"flowrunner" not in keys)


def _keys_of(path: Path) -> frozenset[bytes] | None:
    """The keys at the top of a file; None where it cannot be read."""
    try:
        with path.open("rb") as file:
            lines = file.read(65_536).removeprefix(codecs.BOM_UTF8).splitlines()
    except OSError:
        return None
    return frozenset(line.partition(b":")[0].rstrip() for line in lines if b":" in line)


def _near(path: Path) -> str | None:
    folder = path.parent
    beside = sorted(folder.iterdir()) if folder.is_dir() else []
    names = [str(file) for file in beside if file.suffix in _ENDINGS]
    near = did_you_mean(str(path), names)
    if near:
        return f"did you mean `{near}`?"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"there are: {', '.join(names[:_SHOWN])}{more}" if names else None


def find_file(path: Path) -> None:
    """Raises UsageError where there is no workflow file at a path."""
    find_workflows([str(path)])
    if path.is_file() and holds_tests(path):
        raise UsageError(
            f"`{path}` holds tests, and is no workflow", help=f"run them: flowrunner test {path}"
        )
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no file that can be read"
        raise UsageError(f"`{path}` is {what}", help=_near(path / "x" if path.is_dir() else path))


def load_valid(path: Path, colour: bool, providers: Providers | None) -> tuple[Workflow, str]:
    """A workflow without errors, and its warnings as text.

    Raises UsageError where there is no such file, InvalidWorkflow with all its mistakes.
    """
    find_file(path)
    workflow, found = load(path, str(path), today=today(), providers=providers)
    text = render([one for one in found if one.severity != "hint"], "full", colour=colour)
    if workflow is None or any(one.severity == "error" for one in found):
        raise InvalidWorkflow(f"{text}\n{path} has mistakes; nothing was sent")
    return workflow, text


def load_tests(path: Path, colour: bool) -> FileOfTests:
    """Tests without errors. Raises InvalidWorkflow with all mistakes of theirs."""
    file, found = read_tests(path, str(path), today=today())
    if file is None:
        text = render(found, "full", colour=colour)
        raise InvalidWorkflow(f"{text}\n{path} has mistakes")
    return file
