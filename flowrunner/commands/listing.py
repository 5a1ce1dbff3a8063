"""The workflows that stand in and below the current folder, for the bare command."""

from __future__ import annotations

from flowrunner.commands.checking import find_workflows


def workflows_here() -> str:
    """One line a workflow, or what to do where there is none."""
    files = find_workflows(["."])
    if not files:
        return "No workflows here. Try: flowrunner demo"
    return "\n".join(["Workflows here:", *(f"  {file}" for file in files)])
