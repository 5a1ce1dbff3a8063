"""A small project that runs at once, without a key: the first minute with flowrunner."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from flowrunner.commands.running import RunOptions, start
from flowrunner.commands.scaffolding import project_files, write_missing
from flowrunner.commands.templates import template
from flowrunner.commands.viewing import Viewer
from flowrunner.errors import ExitStatus, UsageError
from flowrunner.journal.runs import HOME
from flowrunner.platform import make_private_dir
from flowrunner.project.inputs import Given

_TEMPLATES = ("hello", "ticket_triage")
_WORKFLOW = "workflows/ticket_triage.yaml"
_TICKET = "workflows/inputs/ticket_charge.txt"


def demo(folder: Path | None, viewer: Viewer) -> ExitStatus:
    """Make the project, run its triage on the simulator, name what to try next.

    Raises UsageError for a folder that holds something already.
    """
    if folder is not None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"`{folder}` is not empty", help="name a folder that does not exist yet")
    project = folder or Path(tempfile.mkdtemp(prefix="flowrunner-demo-"))
    _scaffold(project)
    viewer.progress(f"A small project stands in {project}\n")
    workflow = Path(os.path.relpath(project / _WORKFLOW))
    given = Given((f"ticket=@{project / _TICKET}",))
    status = start(workflow, given, RunOptions(simulate=True), viewer)
    if status is ExitStatus.DONE:
        viewer.progress(_next(project))
    return status


def _scaffold(project: Path) -> None:
    # Also inside another project, a demonstration keeps its runs to itself.
    make_private_dir(project / HOME)
    write_missing(project, project_files([template(name) for name in _TEMPLATES]))


def _next(project: Path) -> str:
    return (
        "\nNext:\n"
        f"  cd {project}\n"
        f"  flowrunner report --open            look at what happened\n"
        f"  flowrunner validate                 after you changed {_WORKFLOW}\n"
        f"  flowrunner run {_WORKFLOW} --simulate -i ticket='My card was declined.'\n"
        "With OPENAI_API_KEY set, the same command without --simulate asks the real API."
    )
