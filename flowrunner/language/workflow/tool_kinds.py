"""Each kind of a declared tool: commands, requests, workflows, servers, computers, shells, patches.

Functions of Python are left to `functions`, what all kinds share to `tools`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flowrunner.diagnostics import Route
from flowrunner.events import JSON
from flowrunner.language.beside import UnusableFile
from flowrunner.language.forms import has_template, text_of
from flowrunner.language.paths import is_absolute
from flowrunner.language.shapes import ANY, MISSING, Shape, read_shape
from flowrunner.language.tools import (
    CommandTool,
    ComputerTool,
    HttpTool,
    Kind,
    McpTool,
    PatchTool,
    Placed,
    ShellTool,
    WorkflowTool,
)
from flowrunner.language.tools.secrets import env_name
from flowrunner.language.workflow.called import Open, open_called
from flowrunner.language.workflow.lifting import any_effects
from flowrunner.language.workflow.parts import Input
from flowrunner.language.workflow.reader import Reader, mapping, texts

_OF_FILES = ("file", "files", "table")


@dataclass(frozen=True, slots=True)
class Written:
    """One tool as the file has it."""

    reader: Reader
    name: str
    fields: Mapping[str, Any]
    route: Route
    open_workflow: Open

    def fault(self, message: str, route: Route = (), help: str | None = None) -> None:  # noqa: A002
        self.reader.fault("tool", message, (*self.route, *route), help)


@dataclass(frozen=True, slots=True)
class Made:
    """What a kind makes of a tool, before the keys that all kinds share."""

    kind: Kind
    takes: Shape | None = None
    describe: str | None = None
    output: Shape | None = None
    changes_things: bool = True


def read_arguments(written: Written) -> Shape:
    """The object of the arguments that a tool declares."""
    fields = []
    for name, value in mapping(written.fields.get("arguments")).items():
        shape, faults = read_shape(value, (*written.route, "arguments", name))
        written.reader.findings += faults
        fields.append((str(name), ANY if shape is None or faults else shape))
    return Shape("object", fields=tuple(fields))


def _run(written: Written) -> Made | None:
    argv = _argv(written, written.fields.get("run"), ("run",))
    if argv is None:
        return None
    command = CommandTool(argv, texts(written.fields.get("env")))
    return Made(command, read_arguments(written))


def _argv(written: Written, value: JSON, route: Route) -> tuple[str, ...] | None:
    """The words of a command, none of which may be a template."""
    words = [text_of(word) for word in value] if isinstance(value, list) else []
    argv = tuple(word for word in words if word is not None)
    if not argv or len(argv) != len(words):
        return None
    for position, word in enumerate(argv):
        if has_template(word):
            written.reader.fault(
                "program",
                "the command of a tool is written out, found a template: what the model says "
                "arrives as JSON on its standard input",
                (*written.route, *route, position),
                "read the arguments from standard input",
            )
            return None
    return argv


def _http(written: Written) -> Made | None:
    asked = mapping(written.fields.get("http"))
    url = _placed(asked.get("url"))
    if url is None:
        return None
    method = str(asked.get("method") or "GET").upper()
    request = HttpTool(method, url, _headers(asked), texts(asked.get("hosts")))
    return Made(request, read_arguments(written), changes_things=method != "GET")


def _placed(value: JSON) -> Placed | None:
    return env_name(value) or text_of(value)


def _headers(asked: Mapping[str, Any]) -> dict[str, Placed]:
    read = {str(name): _placed(value) for name, value in mapping(asked.get("headers")).items()}
    return {name: value for name, value in read.items() if value is not None}


def _workflow(written: Written) -> Made | None:
    path, route = written.fields["workflow"], (*written.route, "workflow")
    called = open_called(written.reader, path, route, written.open_workflow)
    if called is None:
        return None
    workflow, output = called
    fields = [(each.name, _argument(each)) for each in workflow.inputs if not _is_kept(each)]
    for each in workflow.inputs:
        if _is_kept(each) and each.required:
            what = "secret" if each.secret else "a file"
            message = (
                f"`{path}` needs the input `{each.name}`, which is {what}: no model gives that"
            )
            written.fault(message, ("workflow",), "give the input a default, or take it out")
    return Made(
        WorkflowTool(str(path), workflow),
        Shape("object", fields=tuple(fields)),
        workflow.description,
        output,
        any_effects(workflow.steps),
    )


def _is_kept(known: Input) -> bool:
    """Whether an input is never an argument: a model does not choose files and knows no secrets."""
    return known.secret or known.shape.kind in _OF_FILES


def _argument(known: Input) -> Shape:
    # What the workflow fills in itself may be left to it.
    return replace(known.shape, optional=not known.required, default=MISSING)


def _mcp(written: Written) -> Made | None:
    asked, allowed = mapping(written.fields.get("mcp")), texts(written.fields.get("allowed_tools"))
    command, url = asked.get("command"), _placed(asked.get("url"))
    if (command is None) == (url is None):
        found = "both" if command is not None else "neither"
        message = f"`{written.name}` needs exactly one of `command` and `url`, found {found}"
        fix = "write `mcp: { command: [PROGRAM] }` or `mcp: { url: … }`"
        written.fault(message, ("mcp",), fix)
        return None
    argv = None if command is None else _argv(written, command, ("mcp", "command"))
    if command is not None and argv is None:
        return None
    return Made(
        McpTool(
            allowed_tools=tuple(dict.fromkeys(allowed)),
            command=argv,
            url=url,
            headers=_headers(asked),
            authorization=_placed(asked.get("authorization")),
            env=texts(asked.get("env")),
            hosts=texts(asked.get("hosts")),
        )
    )


def _computer(written: Written) -> Made | None:
    command = mapping(written.fields.get("computer")).get("command")
    argv = _argv(written, command, ("computer", "command"))
    return None if argv is None else Made(ComputerTool(argv, texts(written.fields.get("env"))))


def _shell(written: Written) -> Made | None:
    folder = _folder(written, "shell")
    return None if folder is None else Made(ShellTool(folder, texts(written.fields.get("env"))))


def _patch(written: Written) -> Made | None:
    folder = _folder(written, "apply_patch")
    return None if folder is None else Made(PatchTool(folder))


def _folder(written: Written, key: str) -> str | None:
    """The folder under `in:`, which is inside the project and does not hold the workflow itself."""
    folder = text_of(mapping(written.fields.get(key)).get("in"))
    if folder is None or not folder.strip():
        return None
    beside, route = written.reader.beside, (*written.route, key, "in")
    if has_template(folder):
        written.fault("the folder of a tool is written out, found a template", (key, "in"))
        return None
    own = beside.folder.absolute()
    path = Path(os.path.normpath(own / folder))
    if not is_absolute(folder) and (path == own or path in own.parents):
        written.fault(
            f"`{folder}` holds the workflow itself, which the model could change there",
            (key, "in"),
            "name a folder of its own, such as `in: work`",
        )
        return None
    try:
        beside.place(folder)
    except UnusableFile as fault:
        written.reader.fault(fault.code, fault.message, route, "name a folder of the project")
        return None
    return folder


KINDS: Mapping[str, Callable[[Written], Made | None]] = {
    "run": _run,
    "http": _http,
    "workflow": _workflow,
    "mcp": _mcp,
    "computer": _computer,
    "shell": _shell,
    "apply_patch": _patch,
}
"""How each kind is read, by its key."""
