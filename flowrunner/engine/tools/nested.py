"""A workflow as a tool: run as a step inside the one that calls it, within its budget and time.

What is in the called file is left to the verb `workflow`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flowrunner.engine.endings import Ending
from flowrunner.engine.units import Unit
from flowrunner.events import JSON
from flowrunner.language.tools import Tool, WorkflowTool
from flowrunner.language.workflow import CallWorkflow, Step
from flowrunner.tools.answer import ToolAnswer, failed


async def call_nested(
    unit: Unit, tool: Tool, arguments: Mapping[str, JSON], number: int, timeout_s: float
) -> ToolAnswer | Ending:
    """Run the workflow as the step `TOOL_NUMBER` of the unit, or take what an earlier process made
    of it. Its end where it waits or is held. Raises Stopped."""
    kind = tool.kind
    assert isinstance(kind, WorkflowTool)
    name = f"{_as_id(tool.name)}_{number}"
    call = CallWorkflow(kind.path, kind.workflow, dict(arguments), tool.output, of_model=True)
    shared = unit.shared
    place = replace(unit.place, path=unit.path, deadline=shared.ports.clock.monotonic() + timeout_s)
    listed = await unit.run_list([Step(name, (), call)], place, unit.recheck)
    ending = listed.ending
    if ending.status in ("waiting", "unknown"):
        return ending
    if ending.status != "succeeded":
        return failed(ending.message or f"the workflow was {ending.status}")
    result = shared.ports.journal.result(f"{unit.name}/{name}") or {}
    return ToolAnswer(ok=True, output=result.get("output"))


def _as_id(name: str) -> str:
    """The name of a tool as the id of a step."""
    plain = "".join(letter if letter.isalnum() else "_" for letter in name.lower())
    return plain if plain[:1].isalpha() else f"tool_{plain}"
