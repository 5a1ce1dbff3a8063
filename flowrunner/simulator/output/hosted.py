"""What tools that the server runs itself leave in the output, with all that `include` may ask for.

Which are used is decided in `plan`; MCP servers are left to `mcp`, what is hidden to `state.items`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flowrunner.simulator.output.mcp import mcp_items
from flowrunner.simulator.output.pictures import picture
from flowrunner.simulator.output.plan import Using
from flowrunner.simulator.state.items import Item

_SOURCES = 3
_LOOK = {"quality": "medium", "size": "1024x1024", "background": "opaque"}


@dataclass(frozen=True, slots=True)
class Use:
    """What one use of a tool left: its items, and what the message says of it in an annotation."""

    items: tuple[Item, ...]
    says: str = ""
    cites: dict[str, Any] | None = None

    def annotation(self, start: int) -> dict[str, Any] | None:
        """The annotation of what is said from this place of the message's text on."""
        if self.cites is None:
            return None
        end = start + len(self.says)
        if self.cites["type"] == "file_citation":
            return {**self.cites, "index": end}
        return {**self.cites, "start_index": start, "end_index": end}


def use_of(using: Using) -> Use:
    """What one tool of the server does in a turn."""
    return _MAKERS[using.tool["type"]](using)


def _web_search(using: Using) -> Use:
    filters = using.tool.get("filters") or {}
    domains = filters.get("allowed_domains") or ["example.com"]
    urls = [f"https://{domains[nth % len(domains)]}/simulated/{nth + 1}" for nth in range(_SOURCES)]
    action = {
        "type": "search",
        "query": using.about,
        "queries": [using.about],
        "sources": [{"type": "url", "url": url} for url in urls],
    }
    results = [{"url": url, "title": _title(url), "snippet": using.about} for url in urls]
    item = using.item("web_search_call", action=action, results=results)
    cites = {"type": "url_citation", "url": urls[0], "title": _title(urls[0])}
    return Use((item,), f"([{domains[0]}]({urls[0]}))", cites)


def _title(url: str) -> str:
    return f"Simulated page {url.rpartition('/')[2]}"


def _file_search(using: Using) -> Use:
    cites = {
        "type": "file_citation",
        "file_id": f"file-{using.turn.asked.hexadecimal(f'found {using.place}', 24)}",
        "filename": "simulated.txt",
    }
    found = {
        "file_id": cites["file_id"],
        "filename": cites["filename"],
        "score": 0.9,
        "text": f"[simulated] A passage about “{using.about}”.",
        "attributes": {},
    }
    item = using.item("file_search_call", queries=[using.about], results=[found])
    return Use((item,), "It is in simulated.txt.", cites)


def _code_interpreter(using: Using) -> Use:
    container = _container_of(using)
    item = using.item(
        "code_interpreter_call",
        container_id=container,
        code="print('simulated')",
        outputs=[{"type": "logs", "logs": "simulated\n"}],
    )
    cites = {
        "type": "container_file_citation",
        "container_id": container,
        "file_id": using.name("cfile", 32),
        "filename": "simulated.csv",
    }
    return Use((item,), "[simulated.csv](sandbox:/mnt/data/simulated.csv)", cites)


def _container_of(using: Using) -> str:
    """The container that the tool names, else that of an earlier call, else a new one."""
    if isinstance(using.tool["container"], str):
        return using.tool["container"]
    for item in reversed(using.turn.context.items):
        if item["type"] == "code_interpreter_call":
            return str(item["container_id"])
    return using.name("cntr", 48)


def _image(using: Using) -> Use:
    form = using.tool.get("output_format") or "png"
    asked = {name: using.tool.get(name) or "auto" for name in _LOOK}
    look = {name: _LOOK[name] if value == "auto" else value for name, value in asked.items()}
    item = using.item(
        "image_generation_call",
        action="generate",
        output_format=form,
        revised_prompt=using.about,
        result=picture(using.turn.asked, form),
        **look,
    )
    return Use((item,))


def _shell(using: Using) -> Use:
    environment = using.tool.get("environment") or {}
    named = environment.get("container_id") or using.name("cntr", 48)
    call_id = using.name("call", 24)
    call = using.item(
        "shell_call",
        call_id=call_id,
        action={"commands": ["echo simulated"], "timeout_ms": None, "max_output_length": None},
        environment={"type": "container_reference", "container_id": named},
    )
    outcome = {"type": "exit", "exit_code": 0}
    output = using.item(
        "shell_call_output",
        call_id=call_id,
        output=[{"stdout": "simulated\n", "stderr": "", "outcome": outcome}],
        max_output_length=None,
    )
    return Use((call, output))


def _tool_search(using: Using) -> Use:
    """Finds every tool whose loading was put off."""
    tools = using.turn.body.get("tools") or ()
    found = [tool for tool in tools if tool.get("defer_loading") and tool["type"] != "mcp"]
    shared = {"call_id": None, "execution": "server"}
    call = using.item("tool_search_call", arguments={"query": using.about}, **shared)
    return Use((call, using.item("tool_search_output", tools=found, **shared)))


def _mcp(using: Using) -> Use:
    return Use(mcp_items(using))


_MAKERS: dict[str, Callable[[Using], Use]] = {
    "web_search": _web_search,
    "web_search_2025_08_26": _web_search,
    "web_search_preview": _web_search,
    "web_search_preview_2025_03_11": _web_search,
    "file_search": _file_search,
    "code_interpreter": _code_interpreter,
    "image_generation": _image,
    "mcp": _mcp,
    "shell": _shell,
    "tool_search": _tool_search,
}
