"""The `tools` of prompt steps: known, complete, answerable, each once; what `tool_choice` names.

The tools that a file declares are left to `declared`, what is in a hosted tool beyond what is
needed to the workflow schema and the API.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowrunner.catalog import hosted_tools, table
from flowrunner.diagnostics import Finding, Route, did_you_mean
from flowrunner.events import JSON
from flowrunner.language.forms import Form, Leaf, has_template
from flowrunner.language.request import Prompt
from flowrunner.language.shapes import alternatives, check_strict_schema, found, quoted
from flowrunner.language.tools import Tool, call_names, stands_for
from flowrunner.language.workflow import Workflow
from flowrunner.language.workflow.reader import mapping

_SERVERS = ("server_url", "connector_id", "tunnel_id")
_APPROVALS = ("always", "never")
_CONTAINERS = ("container_auto", "container_reference")
# What a tool of the API that is answered on the client's side is declared as.
_DECLARED_AS = {
    "function": "run: [PROGRAM]",
    "custom": "run: [PROGRAM], input: text",
    "computer": "computer: { command: [PROGRAM] }",
    "shell": "shell: { in: FOLDER }",
    "local_shell": "shell: { in: FOLDER }",
    "apply_patch": "apply_patch: { in: FOLDER }",
}


def check_tools(workflow: Workflow) -> Iterator[Finding]:
    """What is wrong with the tools of all prompt steps and of `defaults`."""
    value = mapping(workflow.document.value)
    checker = _Checker(workflow.tools, mapping(value.get("tools")))
    of_defaults = mapping(value.get("defaults")).get("tools")
    yield from checker.check_list(of_defaults, ("defaults", "tools"))
    for step in workflow.all_steps():
        if isinstance(step.verb, Prompt):
            fields = workflow.written(step)
            yield from checker.check_list(fields.get("tools"), (*step.route, "tools"))
            if "tool_choice" in fields:
                yield from _check_choice(step.verb, (*step.route, "tool_choice"))


class _Checker:
    """Checks lists of tools; `written` are the declared ones, `tools` those that could be read."""

    def __init__(self, tools: Mapping[str, Tool], written: Mapping[str, Any]) -> None:
        self.tools = tools
        self.written = written

    def check_list(self, listed: JSON, route: Route) -> Iterator[Finding]:
        seen: set[str] = set()
        for position, entry in enumerate(listed if isinstance(listed, list) else []):
            here = (*route, position)
            names = self.names(entry)
            twice = next((name for name in names if name in seen), None)
            seen |= {*names}
            if twice is not None:
                message = f"the tool `{twice}` stands in this list twice"
                yield _fault(message, here, "take one out")
            elif isinstance(entry, str):
                yield from self.check_name(entry, here)
            elif isinstance(entry, Mapping):
                yield from self.check_object(entry, here)

    def names(self, entry: JSON) -> tuple[str, ...]:
        """What a model calls the tools of an entry by, which two entries cannot share."""
        if isinstance(entry, str) and entry in self.written:
            tool = self.tools.get(entry)
            return (entry,) if tool is None else call_names(tool)
        kind, settings = _split(entry)
        key = {"function": "name", "custom": "name", "mcp": "server_label"}.get(str(kind))
        named = settings.get(key) if key else None
        if isinstance(named, str):
            return (named,)
        return () if kind is None else (kind,)

    def check_name(self, name: str, route: Route) -> Iterator[Finding]:
        if name not in self.written:
            yield from self.check_known(name, {}, route)

    def check_object(self, entry: Mapping[str, Any], route: Route) -> Iterator[Finding]:
        kind, settings = _split(entry)
        if kind is None or entry.get(kind, settings) is None:
            return
        if "type" not in entry and kind in self.written:
            message = f"`{kind}` is declared at the top of the file, with all its settings"
            yield _fault(message, route, f"write `- {kind}`")
            return
        tool = self.tools.get(str(settings.get("name", "")))
        if tool is not None and stands_for(settings, tool):
            yield from _check_function(settings, route)
        elif settings.get("name") not in self.written or kind not in ("function", "custom"):
            yield from self.check_known(kind, settings, route)

    def check_known(
        self, kind: str, settings: Mapping[str, Any], route: Route
    ) -> Iterator[Finding]:
        known = {tool["type"]: tool for tool in table("tools")}
        if kind not in known:
            yield self.unknown(kind, route)
            return
        if _needs_executor(kind, settings):
            yield self.unanswered(kind, settings, route)
            return
        missing = [name for name in known[kind]["required"] if settings.get(name) is None]
        if kind == "code_interpreter" and "type" not in settings:
            missing = []  # flowrunner asks for an automatic container
        if missing:
            names = alternatives(missing, "and")
            example = ", ".join(f"{name}: …" for name in missing)
            fix = f"write `- {kind}: {{ {example} }}`"
            yield _fault(f"the tool `{kind}` needs {names}", route, fix)
        elif kind == "mcp":
            yield from _check_mcp(settings, route)

    def unknown(self, kind: str, route: Route) -> Finding:
        near = did_you_mean(kind, [*self.written, *hosted_tools()])
        meant = f": did you mean `{near}`?" if near else ""
        declared = (
            f"the file declares {alternatives(self.written, 'and')}; " if self.written else ""
        )
        fix = f"{declared}tools that the API runs itself are {_hosted('and')}"
        return _fault(f"there is no tool `{kind}`{meant}", route, None if near else fix)

    def unanswered(self, kind: str, settings: Mapping[str, Any], route: Route) -> Finding:
        """A tool whose calls come back, and that nothing here would answer."""
        name = settings.get("name")
        word = "custom tool" if kind == "custom" else kind
        called = f"the {word} {quoted(name)}" if isinstance(name, str) else f"the tool `{kind}`"
        message = f"calls of {called} come back to be answered, and nothing here answers them"
        as_kind = _DECLARED_AS.get(kind)
        if as_kind is None:
            fix = f"use a tool that the API runs itself: {_hosted('or')}"
            return _fault(message, route, fix)
        fitting = [tool.name for tool in self.tools.values() if kind in call_names(tool)]
        if fitting:
            return _fault(message, route, f"write the name of the declared tool: `- {fitting[0]}`")
        own = name if isinstance(name, str) else "NAME"
        fix = f"declare it at the top of the file, `tools: {{ {own}: {{ {as_kind} }} }}`"
        return _fault(message, route, f"{fix}, and write `- {own}` here")


def _split(written: JSON) -> tuple[str | None, Mapping[str, Any]]:
    """The type and the settings of a tool in any of its three notations."""
    if isinstance(written, str):
        return written, {}
    if not isinstance(written, Mapping):
        return None, {}
    if "type" in written:
        kind = written["type"]
        return (kind if isinstance(kind, str) else None), written
    if len(written) == 1:
        name, settings = next(iter(written.items()))
        return name, mapping(settings)
    return None, {}


def _hosted(last: str) -> str:
    # Dated names are second names of tools that are listed already.
    return alternatives(sorted(name for name in hosted_tools() if "_20" not in name), last)


def _needs_executor(kind: str, settings: Mapping[str, Any]) -> bool:
    if kind == "shell":
        return mapping(settings.get("environment")).get("type") not in _CONTAINERS
    if kind == "tool_search":
        return settings.get("execution") == "client"
    return kind not in hosted_tools()


def _check_function(settings: Mapping[str, Any], route: Route) -> Iterator[Finding]:
    """A function that the author has written out: its schema as the API takes it."""
    if settings.get("type") != "function":
        return
    parameters = settings.get("parameters")
    if not isinstance(parameters, Mapping):
        message = f"the function {quoted(str(settings['name']))} does not say its `parameters`"
        yield _fault(message, route, "write them, or the name of the tool alone")
    elif settings.get("strict") is not False:
        for place, sentence in check_strict_schema(parameters):
            yield Finding("json-schema", sentence, (*route, "parameters", *place))


def _check_mcp(settings: Mapping[str, Any], route: Route) -> Iterator[Finding]:
    inside = route if "type" in settings else (*route, "mcp")
    servers = [key for key in _SERVERS if settings.get(key) is not None]
    label = quoted(str(settings["server_label"]))
    if len(servers) != 1:
        given = alternatives(servers, "and") if servers else "none of them"
        yield _fault(
            f"the MCP server {label} needs exactly one of {alternatives(_SERVERS)}, found {given}",
            route,
        )
    if not settings.get("allowed_tools"):
        yield _fault(
            f"the MCP server {label} does not say which of its tools may be called",
            route,
            "write `allowed_tools: [NAME]`, or `allowed_tools: { read_only: true }`",
        )
    approval = settings.get("require_approval")
    if isinstance(approval, str) and approval not in _APPROVALS and not has_template(approval):
        near = did_you_mean(approval, _APPROVALS)
        meant = f": did you mean `{near}`?" if near else ""
        yield _fault(
            f"`require_approval` must be `always` or `never`, found {found(approval)}{meant}",
            (*inside, "require_approval"),
        )


def _check_choice(prompt: Prompt, route: Route) -> Iterator[Finding]:
    """`tool_choice` names what the step offers. A stored prompt may bring tools of its own."""
    choice, listed = prompt.parameters.get("tool_choice"), prompt.parameters.get("tools")
    objects = [mapping(tool) for tool in listed] if isinstance(listed, list) else []
    if "prompt" in prompt.parameters or isinstance(choice, Leaf):
        return
    if isinstance(choice, str) and choice != "required":
        return
    if choice is not None and not objects and not prompt.tools:
        message = f"`{route[-1]}` asks for a tool, and the step has none"
        yield _fault(message, route, "add `tools:`, or take it out", aim="key")
        return
    named = mapping(choice)
    if named.get("type") != "allowed_tools":
        yield from _check_chosen(named, prompt, objects, route)
        return
    tools = named.get("tools")
    for position, each in enumerate(tools if isinstance(tools, list) else []):
        yield from _check_chosen(mapping(each), prompt, objects, (*route, "tools", position))


def _check_chosen(
    choice: Mapping[str, Form],
    prompt: Prompt,
    objects: list[Mapping[str, Any]],
    route: Route,
) -> Iterator[Finding]:
    kind = choice.get("type")
    key = {"function": "name", "custom": "name", "mcp": "server_label"}.get(str(kind))
    wanted = choice.get(key) if key else kind
    if not isinstance(kind, str) or not isinstance(wanted, str):
        return
    known = {each.get(key or "type") for each in objects if not key or each.get("type") == kind}
    if kind == "function":
        known |= {name for name, tool in prompt.tools.items() if name not in _kinds(objects)}
    names = sorted(name for name in known if isinstance(name, str))
    if wanted in names:
        return
    near = did_you_mean(wanted, names)
    meant = f": did you mean `{near}`?" if near else ""
    what = {"mcp": "MCP server", "function": "function", "custom": "custom tool"}.get(kind, "tool")
    fix = f"it has {alternatives(names, 'and')}" if names else None
    here = (*route, key or "type")
    yield _fault(f"the step has no {what} `{wanted}`{meant}", here, None if near else fix)


def _kinds(objects: list[Mapping[str, Any]]) -> set[str]:
    """The names of custom tools and the types of the tools of a step."""
    custom = {str(each.get("name")) for each in objects if each.get("type") == "custom"}
    return custom | {"computer", "shell", "apply_patch"}


def _fault(message: str, route: Route, help: str | None = None, *, aim: Any = "value") -> Finding:  # noqa: A002
    return Finding("tool", message, route, help, aim=aim)
