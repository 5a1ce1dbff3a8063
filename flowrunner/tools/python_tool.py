"""`call_python`: a function of the author's as a tool, in a process of its own.

What happens inside of that process is left to `python_child`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from flowrunner import json_text
from flowrunner.events import JSON
from flowrunner.language.tools import PythonTool
from flowrunner.tools import python_child
from flowrunner.tools.answer import CAP_BYTES, MEMORY_BYTES, ToolAnswer, are_parts, failed
from flowrunner.tools.command import run_command
from flowrunner.tools.program_tool import facts_of, told_with_stderr
from flowrunner.tools.programs import command_environment
from flowrunner.tools.request import CannotStart, CommandEnd, CommandRequest
from flowrunner.visible import one_line

# Nothing of the environment, the user or the folder changes what is imported, nothing is written
# beside the author's file, and its texts are UTF-8 everywhere.
_OPTIONS = ("-I", "-B", "-X", "utf8")
_CHILD = str(Path(python_child.__file__).absolute())


async def call_python(
    kind: PythonTool,
    arguments: Mapping[str, JSON] | str,
    *,
    folder: Path,
    environ: Mapping[str, str],
    timeout_s: float,
) -> ToolAnswer:
    """Call the function by keyword (a text, of a custom tool: by position) and take its result.

    It starts in the workflow's folder, which is not searched for modules. A result may be any JSON
    value, a dataclass, an enumeration, a date, or what has `model_dump`; content parts of the API
    go to the model as such.
    """
    file = None if kind.file is None else folder / kind.file
    if file is not None and not _is_file(file):
        return failed(f"there is no file `{one_line(kind.file or '')}`")
    request = CommandRequest(
        (sys.executable, *_OPTIONS, _CHILD),
        folder=folder,
        env=command_environment(environ, kind.env),
        stdin=_order(kind, file, arguments),
        timeout_s=timeout_s,
        cap_bytes=CAP_BYTES,
        memory_bytes=MEMORY_BYTES,
    )
    try:
        end = await run_command(request)
    except CannotStart as fault:
        return failed(fault.message)
    return _read(kind, replace(end, program=kind.function))


def _is_file(file: Path) -> bool:
    return file.is_file()


def _order(kind: PythonTool, file: Path | None, arguments: Mapping[str, JSON] | str) -> bytes:
    order = {
        "file": None if file is None else str(file.absolute()),
        "module": kind.module,
        "function": kind.function,
        "arguments": arguments if isinstance(arguments, str) else dict(arguments),
    }
    return json.dumps(order).encode()


def _read(kind: PythonTool, end: CommandEnd) -> ToolAnswer:
    if end.truncated:
        return failed(f"`{kind.function}` returned more than 1 MiB", facts_of(end))
    if not end.succeeded:
        return failed(told_with_stderr(end), facts_of(end))
    if not end.stdout:
        return failed(f"`{kind.function}` ended its process without a result", facts_of(end))
    try:
        told: Any = json_text.parse_bytes(end.stdout)
    except json_text.NotJson as fault:
        return failed(f"`{kind.function}` returned what is no JSON: {fault.message}", facts_of(end))
    if "result" in told:
        result = told["result"]
        return ToolAnswer(True, result, facts=facts_of(end), is_parts=are_parts(result))
    return failed(_fault(kind, told), facts_of(end))


def _fault(kind: PythonTool, told: Mapping[str, Any]) -> str:
    place = kind.file or kind.module
    if "missing" in told:
        return f"there is no function `{kind.function}` in `{place}`"
    if "not_plain" in told:
        return f"`{kind.function}` returned {told['not_plain']}"
    line = "" if told["line"] is None else f", line {told['line']}"
    return f"`{kind.function}` raised {one_line(told['raised'])} (`{place}`{line})"
