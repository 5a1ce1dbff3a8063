"""What a run leaves behind when its process ends: reports, the result, the last words."""

from __future__ import annotations

import json
import os
from pathlib import Path

from flowrunner.commands.previous import before
from flowrunner.commands.viewing import Viewer, style_of
from flowrunner.errors import ExitStatus
from flowrunner.events import JSON, RunFinished
from flowrunner.journal.journal import Journal
from flowrunner.report.closing import closing_lines, tally_line
from flowrunner.report.files import result_json, write_reports
from flowrunner.report.report import build_report


def tell_end(
    journal: Journal, folder: Path, end: RunFinished, viewer: Viewer, *, as_json: bool
) -> ExitStatus:
    """Write the reports of a run and tell its end; the exit status.

    A report that cannot be written costs nothing: it is made again from the journal.
    """
    report: dict[str, JSON] | None = None
    try:
        state = journal.replay()
        with before(folder, state) as earlier:
            report = build_report(state, journal, before=earlier)
        write(folder, report, end, viewer)
        lines = closing_lines(report, from_here(folder), style_of(viewer))
        if not viewer.is_live:
            lines.append(tally_line(report))
        viewer.progress("\n".join(lines))
    finally:
        # What was paid for is printed, whatever goes wrong with the reports.
        if report is not None and as_json:
            viewer.result(json.dumps(report, ensure_ascii=False, indent=2))
        elif end.result is not None:
            viewer.result(result_json(end.result))
    return end.exit_status


def write(folder: Path, report: dict[str, JSON], end: RunFinished, viewer: Viewer) -> None:
    """Write the reports of a run into its folder, or say why they are not there."""
    try:
        write_reports(folder, report, end.result)
    except OSError as error:
        viewer.progress(
            f"warning: the report was not written: {error.strerror or error}; "
            "`flowrunner report` makes it again from the journal"
        )


def from_here(folder: Path) -> str:
    """A folder as it is reached from the current one."""
    try:
        return os.path.relpath(folder)
    except (OSError, ValueError):  # the current folder is gone, or on another drive
        return str(folder)
