"""`{ env: NAME }` in the tools of a request: kept as written, filled in when the request leaves.

So a body can be journaled, hashed and shown without a secret in it. Which variables there are is
left to whoever sends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowrunner.events import JSON
from flowrunner.language.tools.kinds import EnvName, HttpTool, McpTool, Placed, Tool

PLACES = ("authorization", "server_url")
"""The keys of an MCP tool object, beside its headers, that may hold a secret."""


class MissingSecret(Exception):
    """A variable that a request needs and that is not set; its message is a sentence."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the environment variable `{name}` is not set")
        self.name = name


def env_name(value: JSON) -> EnvName | None:
    """The variable of `{ env: NAME }`; None for any other value."""
    if isinstance(value, Mapping) and {*value} == {"env"} and isinstance(value["env"], str):
        return EnvName(value["env"])
    return None


def placed(value: Placed, environ: Mapping[str, str]) -> str:
    """The text that stands there when a request leaves. Raises MissingSecret."""
    if isinstance(value, str):
        return value
    found = environ.get(value.name)
    if not found:
        raise MissingSecret(value.name)
    return found


def env_names(tool: Tool) -> frozenset[str]:
    """Every environment variable that a tool needs or receives."""
    kind = getattr(tool.kind, "runs", tool.kind)
    names = {*getattr(kind, "env", ())}
    if isinstance(kind, HttpTool | McpTool):
        written = [kind.url, *kind.headers.values(), getattr(kind, "authorization", None)]
        names |= {each.name for each in written if isinstance(each, EnvName)}
    return frozenset(names)


def env_places(tool: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], EnvName]]:
    """Where an MCP tool object of the API names variables, as routes into it."""
    if tool.get("type") != "mcp":
        return
    for key in PLACES:
        found = env_name(tool.get(key))
        if found is not None:
            yield (key,), found
    headers = tool.get("headers")
    for name, value in headers.items() if isinstance(headers, Mapping) else ():
        found = env_name(value)
        if found is not None:
            yield ("headers", str(name)), found


def with_secrets(body: Mapping[str, JSON], environ: Mapping[str, str]) -> dict[str, JSON]:
    """The body of a request with the secrets of its MCP servers in place. Raises MissingSecret.

    What comes out is for the wire only.
    """
    tools = body.get("tools")
    if not isinstance(tools, list):
        return dict(body)
    return {**body, "tools": [_with_secrets(tool, environ) for tool in tools]}


def _with_secrets(tool: JSON, environ: Mapping[str, str]) -> JSON:
    if not isinstance(tool, Mapping):
        return tool
    filled: dict[str, Any] = dict(tool)
    for route, name in env_places(tool):
        value = placed(name, environ)
        if len(route) == 1:
            filled[route[0]] = value
        else:
            filled["headers"] = {**filled["headers"], route[1]: value}
    return filled
