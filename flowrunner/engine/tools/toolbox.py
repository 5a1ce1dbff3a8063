"""What lives longer than one call: servers of tools for a run, computers for a step.

Starting and ending them is left to the room `tools`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flowrunner.language.tools import ComputerTool, McpTool, Tool
from flowrunner.tools import ComputerDriver, McpServer


@dataclass(slots=True)
class Toolbox:
    """The servers and computers of one run, each begun when it is first needed."""

    environ: Mapping[str, str]
    _servers: dict[tuple[Path, str], McpServer] = field(default_factory=dict)
    _computers: dict[tuple[str, str], ComputerDriver] = field(default_factory=dict)

    def server(self, tool: Tool, folder: Path) -> McpServer:
        """The one server of a declared tool of the file in a folder."""
        assert isinstance(tool.kind, McpTool)
        key = (folder, tool.name)
        if key not in self._servers:
            self._servers[key] = McpServer(tool.kind, folder=folder, environ=self.environ)
        return self._servers[key]

    def computer(self, tool: Tool, folder: Path, unit: str) -> ComputerDriver:
        """The computer that a unit acts on."""
        assert isinstance(tool.kind, ComputerTool)
        key = (unit, tool.name)
        if key not in self._computers:
            self._computers[key] = ComputerDriver(tool.kind, folder=folder, environ=self.environ)
        return self._computers[key]

    async def end_of(self, unit: str) -> None:
        """End what served one unit only."""
        for key in [key for key in self._computers if key[0] == unit]:
            await self._computers.pop(key).end()

    async def aclose(self) -> None:
        """End everything."""
        for unit, _ in list(self._computers):
            await self.end_of(unit)
        servers, self._servers = self._servers, {}
        for server in servers.values():
            await server.aclose()
