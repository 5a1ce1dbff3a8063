"""What a response brought beside its text, for people to look at: what `include` asked for, what
hosted tools did, what the server says of itself. Nothing is judged here and nothing is lost: what
this version does not know is kept as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flowrunner import catalog
from flowrunner.events import JSON

_SHOWN_RAW = (
    "moderation",
    "tool_usage",
    "prompt_cache_diagnostics",
    "input_transformations",
)
_KNOWN_PARTS = frozenset({"output_text", "refusal", "reasoning_text", "summary_text"})
_HOSTED = {
    "web_search_call": "web_search",
    "file_search_call": "file_search",
    "code_interpreter_call": "code_interpreter",
    "image_generation_call": "image_generation",
    "mcp_call": "mcp",
    "tool_search_call": "tool_search",
}


def read_brought(response: JSON) -> dict[str, JSON]:
    """By name what is there of: `reasoning` (summaries), `searches`, `chunks`, `code`, `logprobs`,
    `hosted_tools` (how often each was used), `unknown` (items and parts of a kind that this version
    does not know), and the fields that servers add of their own, as they are."""
    if not isinstance(response, Mapping):
        return {}
    items = _mappings(response.get("output"))
    found: dict[str, JSON] = {name: list(read(items)) for name, read in _READERS.items()}
    found["hosted_tools"] = _hosted_tools(items)
    found |= {name: response.get(name) for name in _SHOWN_RAW}
    return {name: value for name, value in found.items() if value not in (None, [], {})}


def _reasoning(items: list[Mapping[str, Any]]) -> Iterator[JSON]:
    for item in items:
        if item.get("type") == "reasoning":
            for part in [*_mappings(item.get("summary")), *_mappings(item.get("content"))]:
                if isinstance(part.get("text"), str) and part["text"]:
                    yield part["text"]


def _searches(items: list[Mapping[str, Any]]) -> Iterator[JSON]:
    """What was searched for or opened, on the web or in files."""
    for item in items:
        action = item.get("action")
        if item.get("type") == "web_search_call" and isinstance(action, Mapping):
            asked = action.get("queries") or action.get("query") or action.get("url")
            pattern = action.get("pattern")
            told = {"did": action.get("type"), "asked": asked, "pattern": pattern}
            yield {name: value for name, value in told.items() if value is not None}
        elif item.get("type") == "file_search_call" and item.get("queries"):
            yield {"did": "file_search", "asked": item["queries"]}


def _chunks(items: list[Mapping[str, Any]]) -> Iterator[JSON]:
    for item in items:
        if item.get("type") in ("file_search_call", "web_search_call"):
            yield from (dict(chunk) for chunk in _mappings(item.get("results")))


def _code(items: list[Mapping[str, Any]]) -> Iterator[JSON]:
    """Code that was run, with its logs; of its pictures where they are."""
    for item in items:
        if item.get("type") == "code_interpreter_call":
            outputs = _mappings(item.get("outputs"))
            told = {
                "code": item.get("code"),
                "logs": [out["logs"] for out in outputs if isinstance(out.get("logs"), str)],
                "images": [out["url"] for out in outputs if isinstance(out.get("url"), str)],
                "status": None if item.get("status") == "completed" else item.get("status"),
            }
            yield {name: value for name, value in told.items() if value not in (None, [])}


def _logprobs(items: list[Mapping[str, Any]]) -> Iterator[JSON]:
    """Each token with its logarithmic probability and those that it was chosen from, in few
    words: `[token, logprob, {other: logprob, …}]`."""
    for part in _parts(items):
        for token in _mappings(part.get("logprobs")):
            others = _mappings(token.get("top_logprobs"))
            rest = {str(other.get("token")): other.get("logprob") for other in others}
            yield [token.get("token"), token.get("logprob"), *([rest] if rest else [])]


def _unknown(items: list[Mapping[str, Any]]) -> Iterator[JSON]:
    known = catalog.table("output_item_types")
    yield from (dict(item) for item in items if str(item.get("type")) not in known)
    yield from (dict(part) for part in _parts(items) if str(part.get("type")) not in _KNOWN_PARTS)


def _hosted_tools(items: list[Mapping[str, Any]]) -> dict[str, JSON]:
    used = [_HOSTED[kind] for item in items if (kind := str(item.get("type"))) in _HOSTED]
    return {name: used.count(name) for name in dict.fromkeys(used)}


def _parts(items: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for item in items:
        if item.get("type") == "message":
            yield from _mappings(item.get("content"))


def _mappings(value: JSON) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


_READERS: dict[str, Callable[[list[Mapping[str, Any]]], Iterator[JSON]]] = {
    "reasoning": _reasoning,
    "searches": _searches,
    "chunks": _chunks,
    "code": _code,
    "logprobs": _logprobs,
    "unknown": _unknown,
}
