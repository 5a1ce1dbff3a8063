"""What a run has to do with recordings: the one that answers it, the one that it leaves.

What stands in them is left to `recordings`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from flowrunner.commands.viewing import Viewer
from flowrunner.engine.plan import Plan
from flowrunner.errors import EnvironmentFault, ExitStatus, UsageError
from flowrunner.journal.journal import Journal
from flowrunner.language.workflow import Workflow
from flowrunner.recordings import Canon, Recording, Replay, path_of, read_recording, take
from flowrunner.recordings.recording import FOLDER, replies
from flowrunner.secrets import Scrubber
from flowrunner.wire import Answering


class Wishes(Protocol):
    """The options of `run` about recordings."""

    @property
    def simulate(self) -> bool: ...
    @property
    def record(self) -> bool: ...
    @property
    def replay(self) -> bool: ...
    @property
    def recording(self) -> str | None: ...
    @property
    def reuse(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Recordings:
    """What is wished of recordings, as settings of a run; `replayed` is the one that answers."""

    settings: dict[str, Any]
    replayed: Recording | None = None


def recordings(workflow: Workflow, options: Wishes) -> Recordings:
    """What the command line wishes. Raises UsageError for what does not go together, and where
    the recording that is to answer cannot be used."""
    _check(options)
    if not (options.record or options.replay):
        return Recordings({})
    name = options.recording or Path(workflow.shown).stem
    path = path_of(workflow.folder, name)
    if options.record:
        return Recordings({"records_to": name})
    found = read_recording(Path(os.path.relpath(path)))
    return Recordings({"replays": name, "simulated": True, "moment": found.started_at}, found)


def _check(options: Wishes) -> None:
    given = {
        "--simulate": options.simulate,
        "--record": options.record,
        "--replay": options.replay,
        "--reuse": options.reuse is not None,
    }
    for one, other, why in (
        ("--record", "--replay", "one asks the API, the other asks nobody"),
        ("--simulate", "--replay", "either the simulator answers, or a recording"),
        ("--record", "--reuse", "a recording holds every answer, so that none is taken over"),
    ):
        if given[one] and given[other]:
            raise UsageError(f"`{one}` and `{other}` exclude each other: {why}")
    if options.recording is not None and not (options.record or options.replay):
        raise UsageError(
            "`--recording` names a recording for `--record` or `--replay`",
            help="add the one that is meant",
        )


def recording_shown(name: str | None) -> str | None:
    """A recording as reports name it."""
    return None if name is None else f"{FOLDER}/{name}.json"


def answering(plan: Plan, scrubber: Scrubber, found: Recording | None = None) -> Answering | None:
    """What answers a run that replays; None for any other. Raises UsageError where its recording
    cannot be used any more."""
    name = plan.settings.replays
    if name is None:
        return None
    if found is None:
        found = read_recording(Path(os.path.relpath(path_of(plan.workflow.folder, name))))
    canon = Canon(scrubber, plan.run)
    return Replay(found, canon, recording_shown(name) or name).answer


def keep_recording(
    plan: Plan, journal: Journal, scrubber: Scrubber, viewer: Viewer, status: ExitStatus
) -> None:
    """Write the recording that a run was to leave, if it was."""
    name = plan.settings.records_to
    if name is None:
        return
    taken = take(journal, journal.replay(), scrubber)
    if not taken.entries:
        viewer.progress("warning: nothing was answered, so that no recording was written")
        return
    path = path_of(plan.workflow.folder, name)
    try:
        taken.write(path)
    except EnvironmentFault as fault:  # what was paid for is in the journal, and told all the same
        viewer.progress(f"warning: {fault.message}")
        return
    shown = f"\nRecorded {replies(taken.entries)} in {os.path.relpath(path)}"
    ended = status in (ExitStatus.DONE, ExitStatus.ITEMS_FAILED, ExitStatus.FAILED)
    more = "" if ended else "; it ends where the run did, and `flowrunner resume` completes both"
    viewer.progress(f"{shown}{more}")
