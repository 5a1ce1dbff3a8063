"""One call of a tool, by the kind of the tool: within its time, in a slot of the run.

What the record says of it is left to `answering`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowrunner.engine.endings import Ending
from flowrunner.engine.tools.nested import call_nested
from flowrunner.engine.units import Unit
from flowrunner.language.tools import (
    CommandTool,
    ComputerTool,
    CustomTool,
    HttpTool,
    McpTool,
    PythonTool,
    Tool,
    WorkflowTool,
)
from flowrunner.tools import call_command, call_http, call_python
from flowrunner.tools.answer import ToolAnswer, failed

DEFAULT_TIMEOUT_S = 120.0
"""How long a call may take where its tool has no `timeout`; a workflow has the time of its step."""


@dataclass(frozen=True, slots=True)
class Work:
    """One call to be done: `name` is that of the call, `number` counts the calls of the unit to its
    tool, `left_s` is the time that its step still has."""

    tool: Tool
    name: str
    arguments: Any
    number: int
    left_s: float

    @property
    def timeout_s(self) -> float:
        is_nested = isinstance(self.tool.kind, WorkflowTool)
        own = self.tool.timeout_s or (self.left_s if is_nested else DEFAULT_TIMEOUT_S)
        return max(min(own, self.left_s), 0.0)


async def run_tool(unit: Unit, work: Work) -> ToolAnswer | Ending:
    """What came of it; the end of a nested workflow that waits or is held. Raises Stopped."""
    if isinstance(work.tool.kind, WorkflowTool):
        return await call_nested(unit, work.tool, work.arguments, work.number, work.timeout_s)
    async with unit.shared.limits.room():
        answer = await _run(unit, work)
    return answer if work.tool.output is None else _shaped(work.tool, answer.read_json())


def _shaped(tool: Tool, answer: ToolAnswer) -> ToolAnswer:
    """The answer of a tool that declares its shape, read and checked."""
    if not answer.ok or answer.is_parts:
        return answer
    output, faults = tool.read_output(answer.output)
    if faults:
        return failed(f"the answer does not fit `output`: {'; '.join(faults)}", answer.facts)
    return ToolAnswer(True, output, facts=answer.facts)


async def _run(unit: Unit, work: Work) -> ToolAnswer:
    folder, environ = unit.place.file.workflow.folder, unit.shared.ports.environ
    timeout_s, arguments = work.timeout_s, work.arguments
    toolbox = unit.shared.toolbox
    match work.tool.kind:
        case CustomTool(runs=runs):
            return await _program(unit, runs, arguments, timeout_s)
        case CommandTool() | PythonTool() as kind:
            return await _program(unit, kind, arguments, timeout_s)
        case HttpTool() as kind:
            return await call_http(kind, arguments, environ=environ, timeout_s=timeout_s)
        case McpTool():
            server = toolbox.server(work.tool, folder)
            own_name = work.name.removeprefix(f"{work.tool.name}__")
            return await server.call(own_name, arguments, timeout_s)
        case ComputerTool():
            computer = toolbox.computer(work.tool, folder, unit.name)
            return await computer.act(arguments, timeout_s)
    return failed("this version of flowrunner runs no tool of this kind")


async def _program(
    unit: Unit, kind: CommandTool | PythonTool, arguments: Any, timeout_s: float
) -> ToolAnswer:
    folder: Path = unit.place.file.workflow.folder
    environ = unit.shared.ports.environ
    if isinstance(kind, CommandTool):
        return await call_command(
            kind, arguments, folder=folder, environ=environ, timeout_s=timeout_s
        )
    return await call_python(kind, arguments, folder=folder, environ=environ, timeout_s=timeout_s)
