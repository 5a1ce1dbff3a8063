"""The workflows that stand in and below the current folder, for the bare command."""

from __future__ import annotations

import re
from pathlib import Path

from flowrunner.commands.checking import find_workflows
from flowrunner.visible import one_line

_NAME = re.compile(rb"^name:[ \t]+(.+?)[ \t\r]*$", re.MULTILINE)
_ENOUGH = 65_536
_LONGEST = 60


def workflows_here() -> str:
    """One line a workflow with its name, or what to do where there is none."""
    files = find_workflows(["."])
    if not files:
        return "No workflows here. Try: flowrunner demo, or: flowrunner init"
    width = max(len(str(file)) for file in files)
    lines = (f"  {one_line(str(file)):<{width}}  {_name(file)}".rstrip() for file in files)
    return "\n".join(["Workflows here:", *lines])


def _name(path: Path) -> str:
    """What a file calls its workflow, as far as a glance at it shows."""
    try:
        with path.open("rb") as file:
            found = _NAME.search(file.read(_ENOUGH))
    except OSError:  # why it cannot be read is said when it is checked
        return ""
    name = found[1].decode("utf-8", "replace").strip("\"'") if found else ""
    return one_line(name)[:_LONGEST]
