"""`call_command`: a program of the author's as a tool: arguments on stdin, the answer on stdout.

Starting it and ending it whole is left to `command`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from flowrunner.events import JSON
from flowrunner.language.tools import CommandTool
from flowrunner.tools.answer import CAP_BYTES, MEMORY_BYTES, ToolAnswer, failed
from flowrunner.tools.command import run_command
from flowrunner.tools.programs import command_environment
from flowrunner.tools.request import CannotStart, CommandEnd, CommandRequest
from flowrunner.tools.words import NotText, describe_end, text_of

_STDERR_CHARACTERS = 4000
"""How much of the end of stderr is kept with an answer."""


async def call_command(
    kind: CommandTool,
    arguments: Mapping[str, JSON] | str,
    *,
    folder: Path,
    environ: Mapping[str, str],
    timeout_s: float,
) -> ToolAnswer:
    """Start the program and take what it writes to stdout, as it is.

    Arguments arrive as one JSON object and a line's end; a text (of a custom tool) as it is.
    """
    request = CommandRequest(
        kind.argv,
        folder=folder,
        env=command_environment(environ, kind.env),
        stdin=_stdin(arguments),
        timeout_s=timeout_s,
        cap_bytes=CAP_BYTES,
        memory_bytes=MEMORY_BYTES,
    )
    try:
        end = await run_command(request)
    except CannotStart as fault:
        return failed(fault.message)
    if not end.succeeded:
        return failed(told_with_stderr(end), facts_of(end))
    try:
        return ToolAnswer(ok=True, output=text_of(end.stdout), facts=facts_of(end))
    except NotText as fault:
        return failed(fault.message, facts_of(end))


def _stdin(arguments: Mapping[str, JSON] | str) -> bytes:
    if isinstance(arguments, str):
        return arguments.encode("utf-8", "replace")
    return json.dumps(arguments, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def facts_of(end: CommandEnd) -> dict[str, JSON]:
    """What people may want to know of the end of a program."""
    facts: dict[str, JSON] = {}
    if end.status is not None:
        facts["exit_status"] = end.status
    if end.signal is not None:
        facts["signal"] = end.signal
    if end.stderr:
        facts["stderr"] = stderr_of(end)
    if end.left_behind:
        facts["left_behind"] = True
    return facts


def told_with_stderr(end: CommandEnd) -> str:
    """How it ended in a sentence, followed by the end of stderr where that is more than a line."""
    told, stderr = describe_end(end), stderr_of(end).strip()
    return f"{told}\nThe end of its stderr:\n{stderr}" if "\n" in stderr else told


def stderr_of(end: CommandEnd) -> str:
    """The end of what it wrote to stderr; what is no text in it is replaced."""
    text = end.stderr.decode("utf-8", "replace").replace("\0", "\ufffd")
    return text if len(text) <= _STDERR_CHARACTERS else f"…{text[-_STDERR_CHARACTERS:]}"
