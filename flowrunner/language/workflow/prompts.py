"""Building prompt steps: the file's keys into the fields of `POST /responses`.

Which tools and models make sense is left to `checks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowrunner import json_text
from flowrunner.catalog import parameters
from flowrunner.diagnostics import Finding, Route
from flowrunner.events import JSON
from flowrunner.language.forms import Form, Leaf, leaves, merge, plain, text_of
from flowrunner.language.json_places import span_of
from flowrunner.language.request import CARRIED_OVER, Continue, Prompt, answer_format
from flowrunner.language.shapes import ANY, Shape, check_strict_schema, found, read_shape
from flowrunner.language.spelling import spell
from flowrunner.language.tools import Tool, api_object, call_names, stands_for
from flowrunner.language.workflow.attaching import read_attachments
from flowrunner.language.workflow.reader import Reader, mapping

ROLES = ("developer", "user", "assistant", "system")
"""The keys that an entry of `input` may have instead of the API's own form."""


def is_prompt(step: Mapping[str, Any]) -> bool:
    """Whether a step asks the API."""
    return not step.keys().isdisjoint(("prompt", "prompt_file", "input"))


def read_parameters(reader: Reader, fields: Mapping[str, Any], route: Route) -> dict[str, Form]:
    """The API parameters among the keys of a step or of `defaults`."""
    read: dict[str, Form] = {}
    for key, value in fields.items():
        here = (*route, key)
        if key == "prompt" and not isinstance(value, Mapping):
            read["input"] = reader.leaf(value, here)
        elif key == "prompt_file":
            read["input"] = _read_file(reader, value, here)
        elif key == "input":
            read[key] = _read_input(reader, value, here)
        elif key == "tools" and isinstance(value, list):
            tools = [_read_tool(reader, tool, (*here, at)) for at, tool in enumerate(value)]
            read[key] = [tool for tool in tools if tool is not None]
        elif key == "model":
            read[key] = text_of(value)
        elif key == "instructions" and value is not None:
            read[key] = reader.leaf(value, here)
        elif key == "text":
            read[key] = _read_text(reader, value, here)
        elif key == "stream":
            read[key] = True if value is True else None
        elif key in parameters():
            read[key] = reader.form(spell(key, value), here)
    delivery = fields.get("delivery")
    if isinstance(delivery, str):
        read |= _DELIVERED.get(delivery, {})
    return read


_DELIVERED: Mapping[str, Mapping[str, Form]] = {
    "direct": {"stream": None, "background": None},
    "stream": {"stream": True, "background": None},
    "background": {"stream": None, "background": True},
}
"""What a `delivery` means in the words of the API; it takes the place of what `defaults` say."""


def _read_file(reader: Reader, value: JSON, route: Route) -> Form:
    """The message in a file beside the workflow; its templates are those of the step."""
    file = reader.file(value, route)
    if file is not None and not file.text.strip():
        reader.fault("empty-prompt", f"`{file.shown}` is empty", route, "write the message there")
        return None
    return None if file is None else reader.leaf(file.text, route)


def _read_input(reader: Reader, value: JSON, route: Route) -> Form:
    if not isinstance(value, list):
        return None if value is None else reader.leaf(value, route)
    return [_read_entry(reader, entry, (*route, at)) for at, entry in enumerate(value)]


def _read_entry(reader: Reader, entry: JSON, route: Route) -> Form:
    if not isinstance(entry, Mapping) or len(entry) != 1:
        return reader.form(entry, route)
    role, content = next(iter(entry.items()))
    if role not in ROLES:
        return reader.form(entry, route)
    here = (*route, role)
    said = reader.leaf(content, here) if text_of(content) is not None else None
    return {"role": role, "content": said or reader.form(content, here)}


def _read_tool(reader: Reader, tool: JSON, route: Route) -> Form:
    """A tool as the API knows it; None for a server that is asked for its tools later."""
    if isinstance(tool, str) and tool in reader.tools:
        return api_object(reader.tools[tool])
    if isinstance(tool, str):
        return _with_container({"type": tool})
    if isinstance(tool, Mapping) and len(tool) == 1 and "type" not in tool:
        name, settings = next(iter(tool.items()))
        form = reader.form(settings, (*route, name))
        return _with_container({"type": name, **mapping(form)})
    return reader.form(tool, route)


def offered_tools(written: JSON, declared: Mapping[str, Tool]) -> dict[str, Tool]:
    """The declared tools that answer the calls of a list of tools, by the names of their calls.

    An object of the API (`type: function`) whose name is that of a declared tool is answered by it.
    """
    offered: dict[str, Tool] = {}
    for entry in written if isinstance(written, list) else []:
        named = entry if isinstance(entry, str) else mapping(entry).get("name")
        tool = declared.get(named) if isinstance(named, str) else None
        if tool is not None and (isinstance(entry, str) or stands_for(entry, tool)):
            offered |= dict.fromkeys(call_names(tool), tool)
    return offered


def _with_container(tool: dict[str, Form]) -> dict[str, Form]:
    if tool["type"] == "code_interpreter":
        tool.setdefault("container", {"type": "auto"})
    return tool


def _read_text(reader: Reader, value: JSON, route: Route) -> Form:
    """`text:`, whose `format.schema` is a schema and holds no templates."""
    asked = mapping(mapping(value).get("format"))
    if "schema" not in asked:
        return reader.form(value, route)
    outside = {key: below for key, below in asked.items() if key != "schema"}
    form = {key: reader.form(below, (*route, "format", key)) for key, below in outside.items()}
    rest = {key: below for key, below in value.items() if key != "format"}
    read = mapping(reader.form(rest, route))
    if asked.get("strict") is True:
        _check_schema(reader, asked["schema"], (*route, "format", "schema"))
    return {**read, "format": {**form, "schema": plain(asked["schema"])}}


def build_prompt(
    reader: Reader,
    fields: Mapping[str, Any],
    route: Route,
    defaults: Mapping[str, Form],
    parent: Prompt | None = None,
) -> Prompt:
    """The request of one prompt step, the defaults of the file below its own keys, and what carries
    over from the one that it continues between them."""
    own = read_parameters(reader, fields, route)
    if parent is not None:
        kept = {key: parent.parameters[key] for key in CARRIED_OVER if key in parent.parameters}
        defaults = {**defaults, **kept}
    if "prompt" in own or "input" in own:
        # A step that says what to ask replaces whatever the defaults ask.
        defaults = {key: form for key, form in defaults.items() if key != "input"}
    if own.get("conversation") is not None:
        # One conversation replaces another as a whole, whatever names it.
        defaults = {key: form for key, form in defaults.items() if key != "conversation"}
    output = read_output(reader, fields, route)
    schema = read_schema(reader, fields, route)
    merged = merge(defaults, own)
    asked = answer_format(str(fields.get("id", "")), output, schema)
    if asked is not None:
        merged["text"] = {**mapping(merged.get("text")), "format": asked}
    return Prompt(
        parameters=merged,
        request=mapping(reader.form(fields.get("request"), (*route, "request"))),
        output=output,
        schema=schema,
        may_change_things=_may_change_things(merged),
        continues=read_continue(fields),
        attach=read_attachments(reader, fields, route),
        within=text_of(fields.get("within")),
    )


def read_provider(fields: Mapping[str, Any]) -> str | None:
    """The provider that a step, or the `defaults` of a file, names."""
    named = fields.get("provider")
    return named if isinstance(named, str) else None


def read_continue(fields: Mapping[str, Any]) -> Continue | None:
    """Which step another one continues, as the file says."""
    written = fields.get("continue")
    named = mapping(written).get("step") if isinstance(written, Mapping) else written
    compact = mapping(written).get("compact") is True
    return Continue(named, compact) if isinstance(named, str) else None


def prompt_leaves(prompt: Prompt) -> list[Leaf]:
    """Every template of a prompt step, those of the defaults included."""
    attached = [form for each in prompt.attach for form in (each.file, each.detail)]
    return [*leaves(prompt.parameters), *leaves(prompt.request), *leaves(attached)]


def read_output(reader: Reader, fields: Mapping[str, Any], route: Route) -> Shape | None:
    """The shape under `output:`; ANY for one that is wrong."""
    if "output" not in fields:
        return None
    shape, faults = read_shape(fields["output"], (*route, "output"))
    reader.findings += faults
    return ANY if shape is None or faults else shape


def read_schema(
    reader: Reader, fields: Mapping[str, Any], route: Route
) -> Mapping[str, JSON] | None:
    """The JSON Schema under `schema:` or in the file that it names; {} for one that is wrong."""
    schema, here = fields.get("schema"), (*route, "schema")
    if isinstance(schema, str):
        return _read_schema_file(reader, schema, here)
    if not isinstance(schema, Mapping):
        return None
    _check_schema(reader, schema, here)
    written: Mapping[str, JSON] = plain(schema)
    return written


def _read_schema_file(reader: Reader, written: str, route: Route) -> Mapping[str, JSON]:
    file = reader.file(written, route)
    if file is None:
        return {}
    try:
        schema = json_text.parse(file.text)
    except json_text.NotJson as fault:
        start = _start_of(file.text, fault.line, fault.column)
        message = f"this is not JSON: {fault.message}"
        reader.findings.append(Finding("json-schema", message, route, start=start, length=1))
        return {}
    if not isinstance(schema, Mapping):
        message = f"a JSON Schema is an object, found {found(schema)}"
        reader.findings.append(Finding("json-schema", message, route, start=0, length=1))
        return {}
    for place, sentence in check_strict_schema(schema):
        start, length = span_of(file.text, place)
        finding = Finding("json-schema", sentence, route, start=start, length=length)
        reader.findings.append(finding)
    return schema


def _start_of(text: str, line: int | None, column: int | None) -> int:
    """How many characters stand before a line and column."""
    before = text.split("\n")[: (line or 1) - 1]
    return sum(len(each) + 1 for each in before) + (column or 1) - 1


def _check_schema(reader: Reader, schema: JSON, route: Route) -> None:
    for place, sentence in check_strict_schema(mapping(schema)):
        reader.fault("json-schema", sentence, (*route, *place))


def _may_change_things(parameters_: Mapping[str, Form]) -> bool:
    """Whether the model may reach an MCP server that does more than read, or tools that a stored
    prompt brings, of which nothing is known."""
    if parameters_.get("prompt") is not None:
        return True
    tools = parameters_.get("tools")
    for tool in tools if isinstance(tools, list) else []:
        allowed = mapping(mapping(tool).get("allowed_tools"))
        if mapping(tool).get("type") == "mcp" and allowed.get("read_only") is not True:
            return True
    return False
