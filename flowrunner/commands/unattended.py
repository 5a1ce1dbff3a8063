"""A run that nobody watches, as cron starts it: silent where all went well, else its whole story.

Of one workflow one such run is at work at a time: the system holds a lock for it, and lets go of
that whatever ends the process.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from flowrunner.commands.checking import find_file
from flowrunner.commands.viewing import Viewer
from flowrunner.errors import ExitStatus, RunBusy
from flowrunner.journal.faults import storage_fault
from flowrunner.journal.runs import HOME, make_home
from flowrunner.platform import FileLock, make_private_dir
from flowrunner.project.folders import find_project

OnOverlap: TypeAlias = Literal["fail", "skip", "wait"]
"""What follows where the workflow is at work already."""

_LOOK_S = 1.0


@dataclass(slots=True)
class Quiet:
    """A viewer that keeps what it is told, for whoever is told of a failure."""

    behind: Viewer
    told: list[str] = field(default_factory=list)
    is_live: bool = False
    colour: bool = False

    @property
    def utf8(self) -> bool:
        return self.behind.utf8

    @property
    def width(self) -> int:
        return self.behind.width

    @property
    def height(self) -> int:
        return self.behind.height

    def result(self, text: str) -> None:
        """The result stands in the folder of the run; nobody reads it here."""

    def progress(self, text: str) -> None:
        self.told.append(text)

    def redraw(self, below: Sequence[str], above: Sequence[str] = ()) -> None:
        """Nobody watches."""

    def tell(self) -> None:
        """Tell everything after all."""
        if self.told:
            self.behind.progress("\n".join(self.told))


def unattended(
    workflow: Path,
    go: Callable[[Viewer], ExitStatus],
    on_overlap: OnOverlap,
    viewer: Viewer,
    sleep: Callable[[float], None] = time.sleep,
) -> ExitStatus:
    """Run `go` without a word, unless it does not end well; the exit status.

    Raises UsageError where there is no workflow, RunBusy where it is at work already and that is
    to fail.
    """
    find_file(workflow)
    lock = _lock_of(workflow)
    while not lock.acquire():
        if on_overlap == "skip":
            return ExitStatus.DONE
        if on_overlap == "fail":
            raise RunBusy(
                f"`{workflow}` is at work already, by {lock.owner() or 'another process'}",
                help="`--on-overlap skip` leaves it at that, `--on-overlap wait` waits for its end",
            )
        sleep(_LOOK_S)
    quiet = Quiet(viewer)
    try:
        status = go(quiet)
    except BaseException:
        quiet.tell()
        raise
    finally:
        lock.release()
    if status is not ExitStatus.DONE:
        quiet.tell()
    return status


def _lock_of(workflow: Path) -> FileLock:
    """The lock of a workflow, by where it stands. Raises EnvironmentFault."""
    path = workflow.resolve()
    project = find_project(workflow)
    name = hashlib.sha256(str(path).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    folder = project / HOME / "locks"
    try:
        make_home(project)
        make_private_dir(folder)
        return FileLock(folder / f"{name}.lock")
    except OSError as error:
        raise storage_fault(error, folder) from error
