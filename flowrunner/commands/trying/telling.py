"""What a try came to: what was asked, what it cost, how it differs from the last; then the answer.

The answer alone goes to stdout.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from flowrunner.commands.finishing import from_here, write
from flowrunner.commands.trying.source import Source
from flowrunner.commands.viewing import Viewer, style_of
from flowrunner.engine.plan import thaw_file
from flowrunner.errors import ExitStatus, FlowrunnerError
from flowrunner.events import JSON, RunFinished
from flowrunner.journal.journal import Journal
from flowrunner.journal.runs import list_tries
from flowrunner.journal.state import RunState
from flowrunner.report.bounds import UNBOUNDED
from flowrunner.report.comparing import Side, step_difference
from flowrunner.report.files import result_json
from flowrunner.report.listing import try_lines
from flowrunner.report.report import build_report


@dataclass(frozen=True, slots=True)
class Tried:
    """A try that came to its `end`, of one `unit`, with what a run gave."""

    journal: Journal
    end: RunFinished
    unit: str
    source: Source | None


def tell_try(tried: Tried, viewer: Viewer, *, as_json: bool) -> ExitStatus:
    """Write the report of a try and tell what came of it; the exit status."""
    journal, end, unit = tried.journal, tried.end, tried.unit
    state = journal.replay()
    write(journal.folder, build_report(state, journal), end, viewer)
    with ExitStack() as opened:
        now = Side(state, journal)
        last = _last(tried, opened) if _has_asked(now, unit) else None
        told = {
            "unit": unit,
            "against": None if last is None else last.state.run,
            "difference": last and step_difference(unit, last, now),
            "step": _entry(tried, state),
        }
    where = f"{from_here(journal.folder)}/report.html"
    viewer.progress("\n".join(try_lines(told, end.message, where, style_of(viewer))))
    if as_json:
        viewer.result(json.dumps({"try": state.run, **told}, ensure_ascii=False, indent=2))
    else:
        _answer(journal, unit, viewer)
    return end.exit_status


def _entry(tried: Tried, state: RunState) -> JSON:
    """The unit as the report has it; None where it never began."""
    if tried.unit not in state.steps:
        return None
    report = build_report(state, tried.journal, bounds=UNBOUNDED, only=[tried.unit])
    return report["steps"][0]


def _answer(journal: Journal, unit: str, viewer: Viewer) -> None:
    """What the unit gave: a text as it is, values as JSON."""
    result = journal.result(unit) or {}
    if result.get("output") is not None:
        viewer.result(result_json(result["output"]))
    elif result.get("text"):
        viewer.result(result["text"])


def _last(tried: Tried, opened: ExitStack) -> Side | None:
    """The newest try of the same unit of the same file, else what the run had."""
    for folder in _earlier(tried.journal.folder):
        with ExitStack() as here:
            try:
                other = here.enter_context(Journal.open(folder))
                if _meant(other) != _meant(tried.journal):
                    continue
                earlier = Side(other.replay(), other)
            except FlowrunnerError:  # one that cannot be read is no measure
                continue
            if _has_asked(earlier, tried.unit):
                opened.push(here.pop_all())
                return earlier
    source = tried.source
    found = None if source is None else Side(source.state, source.journal)
    return found if found is not None and _has_asked(found, tried.unit) else None


def _has_asked(side: Side, unit: str) -> bool:
    """Whether there is anything to hold a new request or answer against."""
    step = side.step(unit)
    return side.request(step) is not None or side.answer(step) is not None


def _earlier(own: Path) -> Iterator[Path]:
    """The folders of the tries before one, the newest first."""
    tries = list_tries(own.absolute().parents[2])
    return (folder for folder in tries if folder.name < own.name)


def _meant(journal: Journal) -> tuple[tuple[str, str], str | None]:
    """Which unit of which file a try was of."""
    settings = json.loads(journal.frozen("settings"))
    return thaw_file(journal.frozen("place").decode()), settings.get("tries")
