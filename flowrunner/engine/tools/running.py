"""One call of a tool, by the kind of the tool: within its time, in a slot of the run.

What the record says of it is left to `answering`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from flowrunner.engine.endings import Ending
from flowrunner.engine.tools.nested import call_nested
from flowrunner.engine.units import Unit
from flowrunner.language.tools import (
    CommandTool,
    CustomTool,
    HttpTool,
    McpTool,
    PatchTool,
    PythonTool,
    ShellTool,
    Tool,
    WorkflowTool,
)
from flowrunner.tools import call_command, call_http, call_patch, call_python, call_shell
from flowrunner.tools.answer import ToolAnswer, failed

DEFAULT_TIMEOUT_S = 120.0
"""How long a call may take where its tool has no `timeout`; a workflow has the time of its step."""


class Given(TypedDict):
    """What every program that is started for a tool is given."""

    folder: Path
    environ: Mapping[str, str]
    timeout_s: float


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
    stand_ins = unit.shared.ports.stand_ins
    if stand_ins is not None and stand_ins.has_tool(work.name):
        return _read(work.tool, stand_ins.tool(work.name, work.number))
    if isinstance(work.tool.kind, WorkflowTool):
        return await call_nested(unit, work.tool, work.arguments, work.number, work.timeout_s)
    async with unit.shared.limits.room():
        answer = await _run(unit, work)
    return _read(work.tool, answer)


def _read(tool: Tool, answer: ToolAnswer) -> ToolAnswer:
    return answer if tool.output is None else _shaped(tool, answer.read_json())


def _shaped(tool: Tool, answer: ToolAnswer) -> ToolAnswer:
    """The answer of a tool that declares its shape, read and checked."""
    if not answer.ok or answer.is_parts:
        return answer
    output, faults = tool.read_output(answer.output)
    if faults:
        return failed(f"the answer does not fit `output`: {'; '.join(faults)}", answer.facts)
    return ToolAnswer(True, output, facts=answer.facts)


async def _run(unit: Unit, work: Work) -> ToolAnswer:
    place = _Place(unit, work)
    match work.tool.kind:
        case CustomTool(runs=runs):
            return await place.program(runs)
        case CommandTool() | PythonTool() as kind:
            return await place.program(kind)
        case HttpTool() as kind:
            environ = unit.shared.ports.environ
            return await call_http(kind, work.arguments, environ=environ, timeout_s=work.timeout_s)
        case ShellTool() as kind:
            return await call_shell(kind, work.arguments, **place.given())
        case PatchTool() as kind:
            return await call_patch(kind, work.arguments, folder=place.folder)
    return await place.kept()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where one call runs."""

    unit: Unit
    work: Work

    @property
    def folder(self) -> Path:
        return self.unit.place.file.workflow.folder

    def given(self) -> Given:
        environ = self.unit.shared.ports.environ
        return Given(folder=self.folder, environ=environ, timeout_s=self.work.timeout_s)

    async def program(self, kind: CommandTool | PythonTool) -> ToolAnswer:
        if isinstance(kind, CommandTool):
            return await call_command(kind, self.work.arguments, **self.given())
        return await call_python(kind, self.work.arguments, **self.given())

    async def kept(self) -> ToolAnswer:
        """A call of what lives longer than it: a server of tools, a computer."""
        toolbox, work = self.unit.shared.toolbox, self.work
        if isinstance(work.tool.kind, McpTool):
            server = toolbox.server(work.tool, self.folder)
            own_name = work.name.removeprefix(f"{work.tool.name}__")
            return await server.call(own_name, work.arguments, work.timeout_s)
        computer = toolbox.computer(work.tool, self.folder, self.unit.name)
        return await computer.act(work.arguments, work.timeout_s)
