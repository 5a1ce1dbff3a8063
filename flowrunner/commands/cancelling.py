"""The end of a run for good: one that another process works on, or one that nobody does.

What becomes of its requests under way is left to the process that sent them.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from flowrunner.commands.viewing import Viewer
from flowrunner.engine.run import given_up_sentence
from flowrunner.errors import ExitStatus, RunBusy, UsageError
from flowrunner.events import RunFinished
from flowrunner.journal.decisions import give_up
from flowrunner.journal.journal import Journal
from flowrunner.journal.opening import is_alive
from flowrunner.journal.runs import find_run
from flowrunner.platform import user_name
from flowrunner.project.folders import find_project

_PATIENCE_S = 30.0
_LOOK_S = 0.1


def cancel(spec: str, reason: str | None, viewer: Viewer) -> ExitStatus:
    """Give a run up. One that is at work ends as soon as its requests under way have, or a moment
    later; this waits for it.

    Raises UsageError for a run that does not exist, is done or was given up before, RunBusy where
    its process does not end.
    """
    folder = find_run(find_project(Path.cwd()), spec)
    with Journal.open(folder) as journal:
        _check(journal)
    give_up(folder, by=user_name(), why=reason, at=time.time())
    deadline = time.monotonic() + _PATIENCE_S
    while is_alive(folder):
        if time.monotonic() > deadline:
            raise RunBusy(
                f"the run {folder.name} was asked to end, and its process has not ended yet",
                help=f"`flowrunner show {folder.name}` says how it stands",
            )
        time.sleep(_LOOK_S)
    with Journal.open(folder, writable=True) as journal:
        said = journal.given_up()
        assert said is not None
        if journal.summary().given_up_by is None:
            _check(journal)
            asyncio.run(_end(journal, given_up_sentence(said.by, said.why), said.by))
        going_on = _going_on(journal)
    viewer.progress(f"{folder.name}: {given_up_sentence(said.by, said.why)}; nothing more is sent")
    if going_on:
        viewer.progress(
            f"still in the background at the provider, and perhaps billed: {', '.join(going_on)}"
        )
    return ExitStatus.DONE


def _going_on(journal: Journal) -> list[str]:
    """The ids of responses that nobody cancelled and nobody will look for."""
    calls = (call for step in journal.replay().steps.values() for call in step.calls)
    return [call.response_id for call in calls if call.state == "accepted" and call.response_id]


def _check(journal: Journal) -> None:
    """Raises UsageError for a run of which nothing is left to give up."""
    run = journal.summary()
    if run.given_up_by is not None:
        raise UsageError(f"the run {run.run} was given up before: {run.message}")
    if run.status == "succeeded":
        raise UsageError(
            f"the run {run.run} is done; there is nothing to cancel",
            help=f"`flowrunner show {run.run}` says how it ended",
        )


async def _end(journal: Journal, message: str, by: str) -> None:
    await journal.append(
        RunFinished(
            at=time.time(),
            status="stopped",
            exit_status=ExitStatus.BUDGET,
            message=message,
            given_up_by=by,
        )
    )
