"""What was asked and answered in runs of a project, for a step that goes on from there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flowrunner.errors import FlowrunnerError
from flowrunner.events import JSON
from flowrunner.journal.journal import Journal
from flowrunner.journal.runs import is_run_id, runs_folder


@dataclass(frozen=True, slots=True)
class Said:
    """A shelf of which nothing is reused: a try asks anew, but goes on from what was said."""

    project: Path

    def look_up(self, fingerprint: str, *, nth: int = 1, newer_than: float | None = None) -> None:
        """A try takes no answers."""

    def exchange(self, run: str, unit: str) -> tuple[dict[str, JSON], dict[str, JSON]] | None:
        """The last request of a unit that was answered, and its response; None where they are
        gone."""
        if not is_run_id(run):
            return None
        try:
            with Journal.open(runs_folder(self.project) / run) as journal:
                return journal.exchange(unit)
        except FlowrunnerError:  # what cannot be read was not said
            return None
