"""`call_shell`: commands that a model wrote, run by a shell in the workspace of its tool.

The API's shell tool means a shell: `/bin/sh -c COMMAND` is run (PowerShell on Windows), whatever
the model wrote. Nothing but the folder it starts in, the environment, time, output and memory is
held: a command can read and write what the user who runs flowrunner can, and reach the network. So
it runs only where the author declared such a tool, and people are asked by default, which is left
to `engine`. Who wants more puts flowrunner into a container.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowrunner.events import JSON
from flowrunner.language.tools import ShellTool
from flowrunner.platform import WINDOWS
from flowrunner.tools.answer import CAP_BYTES, MEMORY_BYTES, ToolAnswer, failed
from flowrunner.tools.command import run_command
from flowrunner.tools.programs import command_environment
from flowrunner.tools.request import CannotStart, CommandEnd, CommandRequest
from flowrunner.tools.words import NotText, how_it_ended, text_of
from flowrunner.tools.workspace import NoWorkspace, open_workspace

_MOST_COMMANDS = 100
_MOST_CHARACTERS = 100_000
"""How much of an output is told where the model does not ask for less."""


@dataclass(frozen=True, slots=True)
class _Place:
    folder: Path
    env: Mapping[str, str]
    until_s: float
    most_s: float

    def left_s(self) -> float:
        return min(self.until_s - asyncio.get_running_loop().time(), self.most_s)


async def call_shell(
    kind: ShellTool,
    action: Mapping[str, JSON],
    *,
    folder: Path,
    environ: Mapping[str, str],
    timeout_s: float,
) -> ToolAnswer:
    """Run the commands of a `shell_call` one after the other, within `timeout_s` together.

    The output is that of a `shell_call_output`: for each command `stdout`, `stderr` and `outcome`.
    The action's `timeout_ms` is for each command, `max_output_length` for each of its outputs.
    """
    commands = action.get("commands")
    if not isinstance(commands, Sequence) or isinstance(commands, str) or not commands:
        return failed("the call holds no `commands`")
    if len(commands) > _MOST_COMMANDS or not all(isinstance(each, str) for each in commands):
        return failed(f"`commands` must be a list of at most {_MOST_COMMANDS} texts")
    try:
        place = await _place(kind, action, folder, environ, timeout_s)
        most = _number(action.get("max_output_length"), _MOST_CHARACTERS)
        results = [await _result(_shell(str(command)), place, most) for command in commands]
    except (NoWorkspace, CannotStart) as fault:
        return failed(str(fault))
    return ToolAnswer(True, results, facts={"folder": kind.folder})


async def _place(
    kind: ShellTool,
    action: Mapping[str, JSON],
    folder: Path,
    environ: Mapping[str, str],
    timeout_s: float,
) -> _Place:
    """Raises NoWorkspace."""
    return _Place(
        folder=await asyncio.to_thread(open_workspace, folder, kind.folder),
        env=command_environment(environ, kind.env),
        until_s=asyncio.get_running_loop().time() + timeout_s,
        most_s=_number(action.get("timeout_ms"), timeout_s * 1000) / 1000,
    )


def _number(given: JSON, most: float) -> float:
    """What the model asks for where it is a number, and no more than there is."""
    is_number = isinstance(given, int | float) and not isinstance(given, bool) and given > 0
    return min(float(given), most) if is_number else most


def _shell(command: str) -> tuple[str, ...]:
    if not WINDOWS:
        return ("/bin/sh", "-c", command)
    encoded = base64.b64encode(command.encode("utf-16-le")).decode()
    return ("powershell.exe", "-NoProfile", "-NonInteractive", "-EncodedCommand", encoded)


async def _result(argv: tuple[str, ...], place: _Place, most: float) -> dict[str, JSON]:
    left_s = place.left_s()
    if left_s <= 0:
        return _told("", "not run: no time was left for it", {"type": "timeout"}, most)
    request = CommandRequest(
        argv,
        folder=place.folder,
        env=place.env,
        stdin=None,
        timeout_s=left_s,
        cap_bytes=CAP_BYTES,
        memory_bytes=MEMORY_BYTES,
    )
    end = await run_command(request)
    stdout, stderr = _text(end.stdout), _text(end.stderr)
    if end.truncated or end.signal is not None:
        stderr += f"[{how_it_ended(end)}]"
    if end.timed_out:
        return _told(stdout, stderr, {"type": "timeout"}, most)
    return _told(stdout, stderr, {"type": "exit", "exit_code": _exit_code(end)}, most)


def _exit_code(end: CommandEnd) -> int:
    """As shells tell it: 128 and the signal's number where a signal ended it."""
    if end.status is not None:
        return end.status
    return 128 + (end.signal or 0)


def _told(stdout: str, stderr: str, outcome: dict[str, Any], most: float) -> dict[str, JSON]:
    most = int(most)
    return {"stdout": _cut(stdout, most), "stderr": _cut(stderr, most), "outcome": outcome}


def _text(content: bytes) -> str:
    try:
        return text_of(content)
    except NotText:
        if b"\0" in content:
            return f"[{len(content):,} bytes that are no text]"
        return content.decode("utf-8", "replace")


def _cut(text: str, most: int) -> str:
    """Beginning and end of a text that is too long."""
    if len(text) <= most:
        return text
    note = f"\n[… {len(text) - most:,} characters left out …]\n"
    kept = max(most - len(note), 0)
    first = kept - kept // 2
    return f"{text[:first]}{note}{text[len(text) - kept // 2 :]}"[: max(most, 0)]
