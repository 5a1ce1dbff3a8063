"""The tools that a file declares: named well, reachable, with variables that the file names.

What a kind needs to be built is told where it is read; what steps make of tools is left to `tools`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from flowrunner.catalog import hosted_tools
from flowrunner.diagnostics import Finding, Route, did_you_mean
from flowrunner.events import JSON
from flowrunner.language.forms import has_template, text_of
from flowrunner.language.request import Prompt
from flowrunner.language.shapes import alternatives
from flowrunner.language.tools import CallTool, CustomTool, PythonTool, Tool, mcp_name
from flowrunner.language.tools.objects import LONGEST_NAME
from flowrunner.language.tools.secrets import env_name, env_places
from flowrunner.language.workflow import Workflow
from flowrunner.language.workflow.reader import mapping, texts

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OWN_HEADERS = ("host", "content-length", "transfer-encoding", "connection")
_OF_URLS = ("headers", "authorization", "hosts")
_HERE = ("localhost", "localhost.")


def check_declared(workflow: Workflow) -> Iterator[Finding]:
    """What is wrong with the tools that a file declares, each by itself."""
    declared = mapping(mapping(workflow.document.value).get("tools"))
    for name, written in declared.items():
        route: Route = ("tools", name)
        fields = mapping(written)
        yield from _check_name(str(name), route)
        yield from _check_input(fields, route)
        for key in ("http", "mcp"):
            yield from _check_request(mapping(fields.get(key)), (*route, key))
        if isinstance(fields.get("mcp"), Mapping):
            yield from _check_server(str(name), fields, route)
    yield from _check_env(workflow, declared)
    yield from _check_use(workflow, declared)


def _check_name(name: str, route: Route) -> Iterator[Finding]:
    if name in hosted_tools():
        message = f"`{name}` is the name of a tool that the API runs itself"
        yield _fault(message, route, "give the tool another name", aim="key")


def _check_input(fields: Mapping[str, Any], route: Route) -> Iterator[Finding]:
    if "input" in fields and "arguments" in fields:
        message = "`input` and `arguments` both say what the tool takes"
        yield Finding("conflict", message, (*route, "arguments"), "keep one of them", aim="key")


def _check_server(name: str, fields: Mapping[str, Any], route: Route) -> Iterator[Finding]:
    asked = mapping(fields["mcp"])
    strange = ("env",) if "url" in asked else _OF_URLS
    for key in strange:
        if key in asked and ("url" in asked) != ("command" in asked):
            has, belongs = ("url", "command") if "url" in asked else ("command", "url")
            yield _fault(
                f"`{key}` belongs to a server with a `{belongs}`, this one has a `{has}`",
                (*route, "mcp", key),
                f"take `{key}` out",
                aim="key",
            )
    for position, allowed in enumerate(texts(fields.get("allowed_tools"))):
        whole = mcp_name(name, allowed)
        if len(whole) > LONGEST_NAME or not _NAME.fullmatch(whole):
            yield _fault(
                f"the model would call this tool `{whole}`, and a name has at most {LONGEST_NAME} "
                "letters, digits, `_` and `-`",
                (*route, "allowed_tools", position),
                f"give `{name}` a shorter name"
                if _NAME.fullmatch(whole)
                else "take it out: no model can call it by this name",
            )


def _check_request(asked: Mapping[str, Any], route: Route) -> Iterator[Finding]:
    url = text_of(asked.get("url"))
    if url is not None:
        hosts = texts(asked.get("hosts"))
        yield from _check_url(url, hosts, (*route, "url"))
    for name, value in mapping(asked.get("headers")).items():
        here = (*route, "headers", name)
        if not _HEADER.fullmatch(str(name)) or str(name).lower() in _OWN_HEADERS:
            yield _fault(f"`{name}` cannot be a header of a tool", here, aim="key")
        text = text_of(value) or ""
        if has_template(text):
            message = "a header is written out, found a template"
            yield _fault(message, here, "secrets come as `{ env: NAME }`")
        elif any(ord(character) < 32 or ord(character) > 126 for character in text):
            yield _fault("a header holds printable ASCII characters only", here)


def _check_url(url: str, hosts: tuple[str, ...], route: Route) -> Iterator[Finding]:
    if has_template(url):
        fix = "arguments go into the query of a GET, else into a JSON body"
        yield _fault("the URL of a tool is written out, found a template", route, fix)
        return
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, None
    if host is None or parts is None or parts.scheme not in ("http", "https") or " " in url:
        fix = "write it whole, such as `https://api.example.com/rate`"
        yield _fault(f"`{url}` is not a URL that can be asked", route, fix)
        return
    is_local = is_private(host)
    if parts.username or parts.password:
        fix = "send it as a header: `headers: { Authorization: { env: NAME } }`"
        yield _fault("a URL holds no password", route, fix)
    elif parts.scheme == "http" and not is_local:
        yield _fault(f"`{host}` would be asked unencrypted", route, "write `https://`")
    elif is_local and host not in hosts:
        message = f"`{host}` is an address of this machine or its network, which a tool reaches "
        yield _fault(f"{message}only where the file says so", route, f"write `hosts: [{host}]`")


def is_private(host: str) -> bool:
    """Whether a host, by its name alone, is this machine or one of its network."""
    if host in _HERE or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False


def _check_env(workflow: Workflow, declared: Mapping[str, Any]) -> Iterator[Finding]:
    """Every variable that a tool wants is among those of the file's `env`."""
    wanted = [each for name, tool in declared.items() for each in _wanted(tool, ("tools", name))]
    value = mapping(workflow.document.value)
    lists: list[tuple[JSON, Route]] = [(mapping(value.get("defaults")).get("tools"), ("defaults",))]
    for step in workflow.all_steps():
        if isinstance(step.verb, Prompt):
            lists.append((workflow.written(step).get("tools"), step.route))
    for listed, route in lists:
        for position, entry in enumerate(listed if isinstance(listed, list) else []):
            wanted += _of_object(entry, (*route, "tools", position))
    for name, route in wanted:
        if name not in workflow.env:
            yield not_in_env(name, workflow.env, route)


def _wanted(tool: JSON, route: Route) -> Iterator[tuple[str, Route]]:
    fields = mapping(tool)
    for holder, here in ((fields, route), (mapping(fields.get("mcp")), (*route, "mcp"))):
        for position, name in enumerate(texts(holder.get("env"))):
            yield name, (*here, "env", position)
    for key in ("http", "mcp"):
        asked, here = mapping(fields.get(key)), (*route, key)
        placed = [((each,), asked.get(each)) for each in ("url", "authorization")]
        headers = mapping(asked.get("headers")).items()
        for place, value in [*placed, *((("headers", name), value) for name, value in headers)]:
            found = env_name(value)
            if found is not None:
                yield found.name, (*here, *place)


def _of_object(entry: JSON, route: Route) -> Iterator[tuple[str, Route]]:
    written = mapping(entry)
    inside = mapping(written.get("mcp"))
    server = written if "type" in written else {"type": "mcp", **inside}
    here = route if "type" in written else (*route, "mcp")
    for place, name in env_places(server):
        yield name.name, (*here, *place)


def not_in_env(name: str, known: tuple[str, ...], route: Route) -> Finding:
    """A variable that the file's `env` does not name."""
    near = did_you_mean(name, known)
    meant = f": did you mean `{near}`?" if near else ""
    names = f"it names {alternatives(known, 'and')}" if known else "it has none"
    return Finding(
        "env",
        f"`{name}` is not among the variables of the file's `env`{meant}",
        route,
        f"{names}; write `env: [{', '.join([*known, name])}]` at the top of the file",
    )


def _check_use(workflow: Workflow, declared: Mapping[str, Any]) -> Iterator[Finding]:
    """A hint for tools that no step uses, a warning for those of which a model is told nothing."""
    used: set[str] = set()
    offered: set[str] = set()
    for step in workflow.all_steps():
        if isinstance(step.verb, CallTool):
            used.add(step.verb.tool.name)
        if isinstance(step.verb, Prompt):
            offered |= {tool.name for tool in step.verb.tools.values()}
    for name in declared:
        tool = workflow.tools.get(str(name))
        if tool is None:
            continue
        if name not in used | offered:
            message = f"no step uses the tool `{name}`"
            fix = f"write `tools: [{name}]` in a step, or take it out"
            yield Finding("unused-tool", message, ("tools", name), fix, "hint", aim="key")
        elif name in offered and not tool.describe and _is_described(tool):
            message = f"the model is not told what `{name}` does"
            fix = "write `describe:`"
            if isinstance(tool.kind, PythonTool):
                fix = "write a docstring, or `describe:`"
            yield Finding("tool", message, ("tools", name), fix, "warning", aim="key")


def _is_described(tool: Tool) -> bool:
    return tool.arguments is not None or isinstance(tool.kind, CustomTool)


def _fault(message: str, route: Route, help: str | None = None, *, aim: Any = "value") -> Finding:  # noqa: A002
    return Finding("tool", message, route, help, aim=aim)
