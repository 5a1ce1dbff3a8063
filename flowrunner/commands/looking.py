"""Looking at runs that were made: lists, single runs and steps, their reports; sends nothing."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from flowrunner.commands.previous import before
from flowrunner.commands.viewing import Viewer, style_of
from flowrunner.errors import EnvironmentFault, FlowrunnerError, UsageError
from flowrunner.journal.journal import Journal
from flowrunner.journal.runs import find_run, list_runs
from flowrunner.project.folders import find_project
from flowrunner.report.bounds import UNBOUNDED
from flowrunner.report.files import result_json, write_reports
from flowrunner.report.listing import RunRow, run_lines, run_row, show_lines, show_step_lines
from flowrunner.report.report import build_report


def history(viewer: Viewer, *, only_failed: bool, as_json: bool) -> str:
    """The runs of the project around the current folder, the newest first.

    Runs whose journals cannot be read are named on stderr and left out.
    """
    rows = []
    for folder in list_runs(find_project(Path.cwd())):
        try:
            with Journal.open(folder) as journal:
                rows.append(run_row(journal.summary()))
        except FlowrunnerError as error:
            viewer.progress(f"warning: {folder.name}: {error.message}")
    wanted = [row for row in rows if not only_failed or row.status != "succeeded"]
    if as_json:
        return json.dumps([asdict(row) for row in wanted], ensure_ascii=False, indent=2)
    return _table(wanted, rows, viewer)


def _table(wanted: list[RunRow], rows: list[RunRow], viewer: Viewer) -> str:
    if rows and not wanted:
        return f"None of the {len(rows)} runs here failed."
    return "\n".join(run_lines(wanted, style_of(viewer)))


def show(spec: str, step: str | None, *, only_result: bool, viewer: Viewer) -> str:
    """A run, or one step of it, as text. Raises UsageError for what does not exist."""
    with Journal.open(find_run(find_project(Path.cwd()), spec)) as journal:
        state = journal.replay()
        if only_result:
            result = None if state.result_seq is None else journal.body(state.result_seq, "result")
            if result is None:
                raise UsageError(f"the run {state.run} has no result")
            return result_json(result)
        if step is None:
            return "\n".join(show_lines(build_report(state, journal), style_of(viewer)))
        if step not in state.steps:
            known = ", ".join(state.steps)
            raise UsageError(f"the run {state.run} has no step `{step}`", help=f"it has: {known}")
        report = build_report(state, journal, bounds=UNBOUNDED, only=[step])
        return "\n".join(show_step_lines(report["steps"][0], style_of(viewer)))


def write_report(spec: str, form: str) -> Path:
    """Make the report of a run again from its journal; the path of the form asked for.

    Raises EnvironmentFault where a file cannot be written.
    """
    folder = find_run(find_project(Path.cwd()), spec)
    with Journal.open(folder) as journal:
        state = journal.replay()
        result = None if state.result_seq is None else journal.body(state.result_seq, "result")
        with before(folder, state) as earlier:
            report = build_report(state, journal, before=earlier)
    try:
        write_reports(folder, report, result)
    except OSError as fault:
        why = (fault.strerror or "it cannot be replaced").lower()
        raise EnvironmentFault(
            f"`{fault.filename}` could not be written: {why}",
            help="make room, or move away what stands there, and ask again; nothing of the run "
            "is lost",
        ) from fault
    return folder / f"report.{form}"
