"""The `tools` of prompt steps: known, complete, answerable, each once.

A tool whose calls the client must answer needs an executor, and this version has none; what is in a
tool beyond that is left to the workflow schema and the API.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowrunner.catalog import hosted_tools, table
from flowrunner.diagnostics import Finding, Route, did_you_mean
from flowrunner.events import JSON
from flowrunner.language.not_yet import refusal
from flowrunner.language.request import Prompt
from flowrunner.language.shapes import alternatives, found, quoted
from flowrunner.language.workflow import Workflow
from flowrunner.language.workflow.reader import mapping

_SERVERS = ("server_url", "connector_id", "tunnel_id")
_APPROVALS = ("always", "never")
_CONTAINERS = ("container_auto", "container_reference")


def check_tools(workflow: Workflow) -> Iterator[Finding]:
    """What is wrong with the tools of all prompt steps and of `defaults`."""
    value = mapping(workflow.document.value)
    declared = frozenset(mapping(value.get("tools")))
    lists: list[tuple[JSON, Route]] = [
        (mapping(value.get("defaults")).get("tools"), ("defaults", "tools"))
    ]
    for step in workflow.all_steps():
        if isinstance(step.verb, Prompt):
            fields = workflow.written(step)
            lists.append((fields.get("tools"), (*step.route, "tools")))
    for tools, route in lists:
        if isinstance(tools, list):
            yield from _check_list(tools, route, declared)


def _check_list(tools: list[JSON], route: Route, declared: frozenset[str]) -> Iterator[Finding]:
    seen: set[str] = set()
    for position, written in enumerate(tools):
        here = (*route, position)
        kind, settings = _split(written)
        if kind is None or kind in declared:
            continue
        name = _name(kind, settings)
        if name in seen:
            yield _fault(f"the tool `{name}` stands in this list twice", here, "take one out")
            continue
        seen.add(name)
        yield from _check_tool(kind, settings, here, declared)


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


def _name(kind: str, settings: Mapping[str, Any]) -> str:
    """What a model calls a tool by, which two tools of a step cannot share."""
    key = {"function": "name", "custom": "name", "mcp": "server_label"}.get(kind)
    named = settings.get(key) if key else None
    return named if isinstance(named, str) else kind


def _check_tool(
    kind: str, settings: Mapping[str, Any], route: Route, declared: frozenset[str]
) -> Iterator[Finding]:
    known = {tool["type"]: tool for tool in table("tools")}
    if kind not in known:
        near = did_you_mean(kind, [*hosted_tools(), *declared])
        meant = f": did you mean `{near}`?" if near else ""
        fix = f"tools that the API runs itself are {_hosted('and')}"
        yield _fault(f"there is no tool `{kind}`{meant}", route, None if near else fix)
        return
    if _needs_executor(kind, settings):
        yield _fault(
            f"calls of the tool `{kind}` are answered on your side, and this version of flowrunner "
            "cannot do that yet",
            route,
            f"use a tool that the API runs itself: {_hosted('or')}",
        )
        return
    missing = [name for name in known[kind]["required"] if settings.get(name) is None]
    if kind == "code_interpreter" and "type" not in settings:
        missing = []  # flowrunner asks for an automatic container
    if missing:
        names = alternatives(missing, "and")
        example = ", ".join(f"{name}: …" for name in missing)
        yield _fault(
            f"the tool `{kind}` needs {names}", route, f"write `- {kind}: {{ {example} }}`"
        )
    elif kind == "mcp":
        yield from _check_mcp(settings, route)


def _hosted(last: str) -> str:
    # Dated names are second names of tools that are listed already.
    return alternatives(sorted(name for name in hosted_tools() if "_20" not in name), last)


def _needs_executor(kind: str, settings: Mapping[str, Any]) -> bool:
    if kind == "shell":
        return mapping(settings.get("environment")).get("type") not in _CONTAINERS
    if kind == "tool_search":
        return settings.get("execution") == "client"
    return kind not in hosted_tools()


def _check_mcp(settings: Mapping[str, Any], route: Route) -> Iterator[Finding]:
    inside = route if "type" in settings else (*route, "mcp")
    servers = [key for key in _SERVERS if settings.get(key) is not None]
    label = settings["server_label"]
    if len(servers) != 1:
        given = alternatives(servers, "and") if servers else "none of them"
        yield _fault(
            f"the MCP server {quoted(str(label))} needs exactly one of {alternatives(_SERVERS)}, "
            f"found {given}",
            route,
        )
    yield from _check_secrets(settings, inside)
    approval = settings.get("require_approval")
    if approval == "never":
        return
    if isinstance(approval, str) and approval not in _APPROVALS:
        near = did_you_mean(approval, _APPROVALS)
        meant = f": did you mean `{near}`?" if near else ""
        yield _fault(
            f"`require_approval` must be `always` or `never`, found {found(approval)}{meant}",
            (*inside, "require_approval"),
        )
        return
    yield _fault(
        f"the MCP server {quoted(str(label))} asks for approvals, and this version of flowrunner "
        "cannot give them yet",
        route,
        "write `require_approval: never`, and list in `allowed_tools` what may be called",
    )


def _check_secrets(settings: Mapping[str, Any], route: Route) -> Iterator[Finding]:
    """Places of a server where a secret may stand by the name of its environment variable."""
    named: list[tuple[Route, JSON]] = [
        ((key,), settings.get(key)) for key in ("authorization", "server_url")
    ]
    named += [(("headers", key), value) for key, value in mapping(settings.get("headers")).items()]
    for place, value in named:
        if "env" in mapping(value):
            yield refusal("`{ env: NAME }`", (*route, *place))


def _fault(message: str, route: Route, help: str | None = None) -> Finding:  # noqa: A002
    return Finding("tool", message, route, help)
