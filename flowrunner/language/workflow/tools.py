"""Reading the `tools:` of a file: what all kinds share around what each kind is.

A tool that is wrong is left out, and only its name is known. What steps make of tools is left to
`prompts` and `steps`, whether they make sense together to `checks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowrunner.events import JSON
from flowrunner.language.forms import plain, text_of
from flowrunner.language.shapes import ANY, Shape, is_strict, read_shape, to_json_schema
from flowrunner.language.tools import CommandTool, CustomTool, PythonTool, Tool
from flowrunner.language.tools.kinds import Ask
from flowrunner.language.workflow.called import Open
from flowrunner.language.workflow.functions import read_function
from flowrunner.language.workflow.reader import Reader, mapping
from flowrunner.language.workflow.tool_kinds import KINDS, Made, Written


def build_tools(reader: Reader, declared: JSON, open_workflow: Open) -> dict[str, Tool]:
    """The tools of a file by name."""
    built = {}
    for name, fields in mapping(declared).items():
        written = Written(reader, str(name), mapping(fields), ("tools", name), open_workflow)
        read = next((read for key, read in _KINDS.items() if key in written.fields), None)
        made = None if read is None else read(written)
        if made is not None:
            built[written.name] = _finished(written, made)
    return built


_KINDS = {**KINDS, "python": read_function}


def _finished(written: Written, made: Made) -> Tool:
    fields = written.fields
    says = fields.get("changes_things")
    changes_things = says if isinstance(says, bool) else made.changes_things
    kind, takes = made.kind, made.takes
    if "input" in fields and isinstance(kind, CommandTool | PythonTool):
        if isinstance(kind, PythonTool) and not _takes_text(takes):
            message = f"`{kind.function}` must take one text, since the tool has an `input`"
            written.fault(message, ("python",), f"write `def {kind.function}(text: str):`")
        kind, takes = CustomTool(kind, _grammar(fields["input"])), None
    return Tool(
        name=written.name,
        kind=kind,
        describe=text_of(fields.get("describe")) or made.describe,
        arguments=None if takes is None else to_json_schema(takes),
        takes=takes,
        is_strict=takes is None or is_strict(takes),
        output=_output(written) if "output" in fields else made.output,
        changes_things=changes_things,
        ask=_ask(fields) or ("always" if changes_things else "never"),
        is_ask_written=_ask(fields) is not None,
        timeout_s=written.reader.duration(fields, "timeout", written.route),
    )


def _ask(fields: Mapping[str, Any]) -> Ask | None:
    """What the file says about asking; None where it says nothing."""
    if fields.get("ask") == "always":
        return "always"
    return "never" if fields.get("ask") == "never" else None


def _output(written: Written) -> Shape:
    shape, faults = read_shape(written.fields["output"], (*written.route, "output"))
    written.reader.findings += faults
    return ANY if shape is None or faults else shape


def _takes_text(takes: Shape | None) -> bool:
    """Whether the only parameter that a function must be given is a text."""
    fields = [] if takes is None else [shape for _, shape in takes.fields]
    needed = [shape for shape in fields if not shape.optional] or fields[:1]
    return [shape.kind for shape in needed] == ["text"]


def _grammar(written: JSON) -> Mapping[str, JSON] | None:
    """The API's `format` of a custom tool whose text keeps to a grammar; None for any text."""
    if not isinstance(written, Mapping):
        return None
    return {"type": "grammar", **plain(written)}
