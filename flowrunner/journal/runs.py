"""Run folders of a project: names, creation, listing, and what people may call a run.

`.flowrunner/runs/<id>/` holds everything of one run; what is in it is left to its writers. Tries of
single steps have folders of the same kind in `tries/`, so that nobody takes one for a run.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flowrunner.diagnostics import did_you_mean
from flowrunner.errors import EnvironmentFault, ExitStatus, FlowrunnerError, UsageError
from flowrunner.journal.faults import storage_fault
from flowrunner.journal.journal import Journal
from flowrunner.journal.opening import is_alive
from flowrunner.platform import make_private_dir, write_atomically

HOME = ".flowrunner"
_RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")
_TIME = "%Y%m%d-%H%M%S"
_TAILS = 0x10000
_AMBIGUOUS_SHOWN = 5

Clock = Callable[[], float]
Random = Callable[[], float]


def runs_folder(project: Path) -> Path:
    """Where the runs of a project stand."""
    return project / HOME / "runs"


def tries_folder(project: Path) -> Path:
    """Where the tries of a project stand."""
    return project / HOME / "tries"


def new_run_id(clock: Clock, random: Random, after: str | None = None) -> str:
    """A run id `YYYYMMDD-HHMMSS-xxxx` in UTC that sorts behind `after`, whatever the clock does.

    `clock` gives Unix time, `random` numbers in [0, 1).
    """
    moment = datetime.fromtimestamp(clock(), UTC)
    first = 0
    if after is not None:
        latest = datetime.strptime(after[:15], _TIME).replace(tzinfo=UTC)
        first = int(after[16:], 16) + 1
        if moment.replace(microsecond=0) > latest:
            first = 0
        elif first < _TAILS:
            moment = latest
        else:
            moment, first = latest + timedelta(seconds=1), 0
    tail = first + int(random() * (_TAILS - first))
    return f"{moment.strftime(_TIME)}-{tail:04x}"


def create_run_folder(project: Path, clock: Clock, random: Random) -> Path:
    """Make the folder of a new run and call it `latest`. Raises EnvironmentFault."""
    runs = runs_folder(project)
    try:
        make_home(project)
        make_private_dir(runs)
        folder = _make_new(runs, clock, random)
        write_atomically(runs / "latest", f"{folder.name}\n".encode())
    except OSError as error:
        raise storage_fault(error, runs) from error
    return folder


def create_try_folder(project: Path, clock: Clock, random: Random) -> Path:
    """Make the folder of a new try. Raises EnvironmentFault."""
    tries = tries_folder(project)
    try:
        make_home(project)
        make_private_dir(tries)
        return _make_new(tries, clock, random)
    except OSError as error:
        raise storage_fault(error, tries) from error


def make_home(project: Path) -> Path:
    """The private folder of a project's runs, kept out of git. Raises OSError."""
    home = project / HOME
    make_private_dir(home)
    _keep_out_of_git(home)
    return home


def is_run_id(name: str) -> bool:
    """Whether a text is the id of a run, and so the plain name of its folder."""
    return _RUN_ID.fullmatch(name) is not None


def _keep_out_of_git(home: Path) -> None:
    with suppress(FileExistsError), (home / ".gitignore").open("x", encoding="utf-8") as file:
        file.write("*\n")


def _make_new(runs: Path, clock: Clock, random: Random) -> Path:
    while True:
        known = _folders(runs)
        folder = runs / new_run_id(clock, random, known[0].name if known else None)
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            return folder


def list_runs(project: Path) -> list[Path]:
    """The folders of all runs of a project, newest first; empty where there is none."""
    return _folders(runs_folder(project))


def list_tries(project: Path) -> list[Path]:
    """The folders of all tries of a project, newest first; empty where there is none."""
    return _folders(tries_folder(project))


def _folders(above: Path) -> list[Path]:
    try:
        found = [path for path in above.iterdir() if is_run_id(path.name)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise storage_fault(error, above) from error
    return sorted(found, key=lambda path: path.name, reverse=True)


def find_run(project: Path, spec: str) -> Path:
    """The folder of the run that a person means.

    `latest`, `latest-failed` (the newest that did not end well and is not being worked on), `@2`
    (two before the latest), a unique beginning of an id, or the path of a run folder that stands
    elsewhere; a try by its whole id. Raises UsageError.
    """
    if "/" in spec or "\\" in spec:
        return _folder_elsewhere(Path(spec))
    known = list_runs(project)
    if is_run_id(spec) and (tries_folder(project) / spec) in list_tries(project):
        return tries_folder(project) / spec
    if not known:
        raise UsageError(
            f"There is no run in `{runs_folder(project)}` yet.",
            help="`flowrunner run WORKFLOW` makes one.",
        )
    if spec == "latest":
        return known[0]
    if spec == "latest-failed":
        return _latest_failed(known)
    if spec.startswith("@"):
        return _back(known, spec)
    return _by_prefix(known, spec)


def _folder_elsewhere(folder: Path) -> Path:
    if (folder / "journal.db").is_file():
        return folder
    raise UsageError(f"`{folder}` is not the folder of a run: there is no `journal.db` in it.")


def _latest_failed(known: list[Path]) -> Path:
    for folder in known:
        if did_not_end_well(folder):
            return folder
    raise UsageError(
        f"None of the {len(known)} runs here failed.", help="`flowrunner runs` lists them."
    )


def did_not_end_well(folder: Path) -> bool:
    """Whether a run ended with another exit status than 0, or its process died, and nobody gave it
    up.

    A run whose journal cannot be read did not end well either.
    """
    try:
        with Journal.open(folder) as journal:
            run = journal.summary()
    except EnvironmentFault:
        raise
    except FlowrunnerError:
        return not is_alive(folder)
    if run.given_up_by is not None:
        return False
    if run.is_finished:
        return run.exit_status != ExitStatus.DONE
    return not is_alive(folder)


def _back(known: list[Path], spec: str) -> Path:
    if not spec[1:].isdecimal():
        raise UsageError(
            f"`{spec}` does not name a run.", help="Write `@2` for the run two before the latest."
        )
    steps = int(spec[1:])
    if steps >= len(known):
        raise UsageError(
            f"`{spec}` goes back {steps} runs from the latest, and there are {len(known)} in all."
        )
    return known[steps]


def _by_prefix(known: list[Path], spec: str) -> Path:
    names = [path.name for path in known]
    matches = [path for path in known if spec and path.name.startswith(spec)]
    if len(matches) == 1:
        return matches[0]
    if not matches:
        near = did_you_mean(spec, [*names, "latest", "latest-failed"])
        advice = f"Did you mean `{near}`?" if near else "`flowrunner runs` lists them."
        raise UsageError(f"No run here begins with `{spec}`.", help=advice)
    shown = ", ".join(f"`{path.name}`" for path in matches[:_AMBIGUOUS_SHOWN])
    more = len(matches) - _AMBIGUOUS_SHOWN
    rest = f" and {more} more" if more > 0 else ""
    raise UsageError(
        f"`{spec}` could be any of {len(matches)} runs: {shown}{rest}.",
        help="Write more of the id.",
    )
