"""What a command line wishes about earlier results and about a part of a file, as settings.

The same for `run` and `plan`; which steps follow from it is left to `engine`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from flowrunner.engine.wanted import check_until, forced
from flowrunner.errors import UsageError
from flowrunner.journal.journal import Journal
from flowrunner.journal.runs import find_run, runs_folder
from flowrunner.language.workflow import Workflow

ANY = "any"
"""In place of a run: results of all earlier ones."""


class Wishes(Protocol):
    """The options of `run` and `plan`. `reuse` is None, "any" or the name of a run."""

    @property
    def reuse(self) -> str | None: ...
    @property
    def force(self) -> tuple[str, ...]: ...
    @property
    def until(self) -> str | None: ...


def wishes(workflow: Workflow, project: Path, options: Wishes) -> dict[str, Any]:
    """The fields of `engine.plan.Settings` that follow.

    Raises UsageError for steps and runs that do not exist, or have nothing to give.
    """
    check_until(workflow, options.until)
    return {
        "reuse": options.reuse is not None,
        "reuse_from": _source(project, options.reuse),
        "force": forced(workflow, options.force),
        "until": options.until,
    }


def _source(project: Path, spec: str | None) -> str | None:
    """The id of the run that results are taken from; None for any."""
    if spec in (None, ANY):
        return None
    folder = find_run(project, spec)
    if folder.resolve().parent != runs_folder(project).resolve():
        raise UsageError(
            f"`--reuse {spec}`: that run is of another project", help="copy it to this one's runs"
        )
    with Journal.open(folder) as journal:
        if journal.summary().simulated:
            raise UsageError(
                f"`--reuse {spec}`: the run {folder.name} was simulated; nothing of it is reused",
                help="name another run; `flowrunner runs` lists them",
            )
    return folder.name
