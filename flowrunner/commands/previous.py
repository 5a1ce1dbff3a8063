"""The run of the same file before this one, with which a report compares."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from flowrunner.engine.plan import Plan, thaw_file
from flowrunner.errors import FlowrunnerError
from flowrunner.journal.journal import Journal
from flowrunner.journal.runs import is_run_id, list_runs
from flowrunner.journal.state import RunState
from flowrunner.report.comparing import Side

_LOOKED_AT = 30


def previous_run(plan: Plan, project: Path) -> str | None:
    """The newest run of the file of a plan that came to an end, real or simulated as this one;
    None where there is none among the last ones."""
    file = plan.file(project)
    for folder in islice(list_runs(project), _LOOKED_AT):
        try:
            with Journal.open(folder) as journal:
                run = journal.summary()
                is_same = run.is_finished and run.simulated == plan.settings.simulated
                if is_same and thaw_file(journal.frozen("place").decode()) == file:
                    return folder.name
        except FlowrunnerError:  # what cannot be read is nothing to compare with
            continue
    return None


@contextmanager
def before(folder: Path, state: RunState) -> Iterator[Side | None]:
    """The run before the one in a folder, which stands beside it; None where it is gone."""
    name = state.previous
    if name is None or not is_run_id(name):
        yield None
        return
    try:
        journal = Journal.open(folder.absolute().parent / name)
    except FlowrunnerError:
        yield None
        return
    with journal:
        yield Side(journal.replay(), journal)
