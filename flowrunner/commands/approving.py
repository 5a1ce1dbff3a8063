"""A decision of a person, from any shell, for a run that waits or is still at work."""

from __future__ import annotations

import time
from pathlib import Path

from flowrunner.commands.viewing import Viewer
from flowrunner.errors import ExitStatus
from flowrunner.journal.decisions import decide
from flowrunner.journal.opening import is_alive
from flowrunner.journal.runs import find_run
from flowrunner.platform import user_name
from flowrunner.project.folders import find_project


def approve(spec: str, step: str, *, deny: bool, reason: str | None, viewer: Viewer) -> ExitStatus:
    """Agree to a step that asks, or not. Raises UsageError where nothing of that name waits."""
    folder = find_run(find_project(Path.cwd()), spec)
    by = user_name()
    decide(folder, step, granted=not deny, by=by, why=reason, at=time.time())
    viewer.progress(f"{by} {'did not agree to' if deny else 'agreed to'} {step} of {folder.name}")
    if not is_alive(folder):
        viewer.progress(f"go on with: flowrunner resume {folder.name}")
    return ExitStatus.DONE
