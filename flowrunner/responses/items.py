"""What a Response says: its kind, its text, its sources, its tokens, its open tool calls.

Reads any JSON that the client let through without raising; retries and shapes are left to others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from flowrunner import catalog, json_text
from flowrunner.events import JSON, Usage
from flowrunner.responses.sources import read_sources

Kind: TypeAlias = Literal[
    "completed",
    "refused",
    "incomplete",
    "failed",
    "cancelled",
    "pending",
    "open-calls",
    "empty",
]

_SILENT = frozenset({"reasoning", "compaction", "configuration_update", "additional_tools"})


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A tool call that waits for the client's answer. `call_id` is what the reply names it by
    (for an MCP approval the item's own id), `item` the call as the response has it."""

    type: str
    name: str | None
    call_id: str | None
    item: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a Response object amounts to.

    `kind` is `completed` only for an answer that may be used as one. `text` joins the texts of the
    message items, also where the answer is partial. `reason` is `incomplete_details.reason` or
    `error.code`; `message` a sentence for every kind but `completed`. `sources` are
    `{"title", "url", "kind"}` (see `read_sources`). `usage` is None where the server did
    not say it credibly. `unknown_items` names item types that this version does not know.
    """

    kind: Kind
    text: str
    refusal: str | None = None
    reason: str | None = None
    message: str | None = None
    response_id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    usage: Usage | None = None
    sources: tuple[dict[str, JSON], ...] = ()
    reasoning: tuple[str, ...] = ()
    open_calls: tuple[OpenCall, ...] = ()
    unknown_items: tuple[str, ...] = ()


def read_answer(response: Mapping[str, JSON]) -> Answer:
    """Tell what a Response object is: a finished answer, a refusal, a part of one, a failure …

    A response that says `completed` is none when it holds a refusal, calls that nobody answers in
    this version, or nothing at all (some compatible servers; Responses API: `status`, `output`).
    """
    items = _mappings(response.get("output"))
    text, refusal = _text(items), _refusal(items)
    usage = read_usage(response.get("usage"))
    open_calls = tuple(_open_calls(items))
    kind, reason, message = _status(response)
    if kind == "completed":
        kind, message = _kind_of_completed(items, refusal, open_calls, _is_blank(text, usage))
    known = catalog.table("output_item_types")
    types = [_type(item) for item in items]
    return Answer(
        kind=kind,
        text=text,
        refusal=refusal,
        reason=reason,
        message=message,
        response_id=_string(response.get("id")),
        model=_string(response.get("model")),
        service_tier=_string(response.get("service_tier")),
        usage=usage,
        sources=read_sources(items),
        reasoning=tuple(_reasoning(items)),
        open_calls=open_calls,
        unknown_items=tuple(sorted({name for name in types if name not in known})),
    )


def count_web_searches(response: Mapping[str, JSON]) -> int:
    """How many web searches a response made: each is billed on its own (FACTS: prices). Where the
    server counts them itself, its count stands (Responses API: `tool_usage`)."""
    counted = _mapping(_mapping(response.get("tool_usage")).get("web_search")).get("num_requests")
    if (number := _count(counted)) is not None:
        return number
    return sum(_type(item) == "web_search_call" for item in _mappings(response.get("output")))


def read_usage(usage: JSON) -> Usage | None:
    """Tokens of a response (Responses API: `usage`), or None where they are missing or nonsense.

    Details that a compatible server leaves out count as 0. More cached than input tokens is
    nonsense: no cost could be computed from it.
    """
    if not isinstance(usage, Mapping):
        return None
    into = _mapping(usage.get("input_tokens_details"))
    out = _mapping(usage.get("output_tokens_details"))
    counts = [
        _count(usage.get("input_tokens")),
        _count(usage.get("output_tokens")),
        _count(into.get("cached_tokens") or 0),
        _count(into.get("cache_write_tokens") or 0),
        _count(out.get("reasoning_tokens") or 0),
    ]
    credible = [count for count in counts if count is not None]
    if len(credible) < len(counts) or credible[2] + credible[3] > credible[0]:
        return None
    spent, written, cached, cache_write, reasoning = credible
    return Usage(spent, written, cached, cache_write, min(reasoning, written))


_FENCE = re.compile(r"\s*```")
_SINGLE_QUOTES = re.compile(r"\s*(?:[\[{]\s*)+'")


def read_output(text: str) -> JSON:
    """The JSON value that the text of a structured answer consists of; nothing is repaired.

    Raises json_text.NotJson, its message a sentence that says what stands there instead.
    """
    try:
        return json_text.parse(text)
    except json_text.NotJson as fault:
        if _FENCE.match(text):
            said = "the answer is wrapped in a Markdown fence (```) instead of being JSON alone"
        elif _SINGLE_QUOTES.match(text):
            said = "the answer uses single quotes; JSON needs double quotes"
        elif not text.strip():
            said = "the answer is empty, where JSON was asked for"
        else:
            raise
        raise json_text.NotJson(said, fault.line, fault.column) from None


def _status(response: Mapping[str, JSON]) -> tuple[Kind, str | None, str | None]:
    status = response.get("status")
    if status == "completed":
        return "completed", None, None
    if status == "incomplete":
        reason = _string(_mapping(response.get("incomplete_details")).get("reason"))
        return "incomplete", reason, _incomplete_sentence(reason)
    if status == "failed":
        error = _mapping(response.get("error"))
        code, said = _string(error.get("code")), _string(error.get("message"))
        named = f" (`{code}`)" if code else ""
        return "failed", code, f"The response failed{named}: {said or 'the server did not say why'}"
    if status == "cancelled":
        return "cancelled", None, "The response was cancelled before it was finished."
    if status in ("queued", "in_progress"):
        return "pending", None, f"The response is not finished yet: its status is `{status}`."
    shown = str(status)[:40]
    return "failed", "unknown-status", f"The server gave the response an unknown status, `{shown}`."


def _incomplete_sentence(reason: str | None) -> str:
    why = {
        "max_output_tokens": "it reached `max_output_tokens`",
        "content_filter": "the content filter cut it off",
        "max_messages": "it reached the limit of messages",
        "steered": "it was steered away",
    }.get(reason or "", f"`{reason}`" if reason else "the server did not say why")
    return f"The answer is incomplete: {why}."


def _kind_of_completed(
    items: list[Mapping[str, Any]],
    refusal: str | None,
    open_calls: tuple[OpenCall, ...],
    is_blank: bool,
) -> tuple[Kind, str | None]:
    if refusal is not None:
        return "refused", f"The model refused: {refusal or 'it gave no reason'}"
    if open_calls:
        named = ", ".join(f"`{call.name or call.type}`" for call in open_calls)
        return "open-calls", (
            f"The model asks for calls of tools that nothing here answers: {named}."
        )
    shown = {_type(item) for item in items if _may_answer(item)}
    if not shown or (is_blank and shown == {"message"}):
        return "empty", _empty_sentence(items)
    return "completed", None


def _may_answer(item: Mapping[str, Any]) -> bool:
    """Whether an item gives something to whoever asked: of a message, whether it holds a text."""
    kind = _type(item)
    if kind == "message":
        return next(_parts([item], "output_text"), None) is not None
    return kind not in _SILENT and kind in catalog.table("output_item_types")


def _empty_sentence(items: list[Mapping[str, Any]]) -> str:
    said = "The server says that the response is completed, but it holds no answer"
    known = catalog.table("output_item_types")
    strange = sorted({_type(item) for item in items} - set(known))
    if not strange:
        return f"{said}."
    named = ", ".join(f"`{name[:60]}`" for name in strange[:5])
    return f"{said} that this version can read, only {named}."


def _is_blank(text: str, usage: Usage | None) -> bool:
    return not text and (usage is None or usage.output == 0)


def _parts(items: Iterable[Mapping[str, Any]], kind: str) -> Iterator[Mapping[str, Any]]:
    for item in items:
        if item.get("type") == "message":
            yield from (p for p in _contents(item) if p.get("type") == kind)


def _contents(item: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The parts of a message; a few servers write a plain text in their place."""
    content = item.get("content")
    if isinstance(content, str):
        return [{"type": "output_text", "text": content}]
    return _mappings(content)


def _text(items: list[Mapping[str, Any]]) -> str:
    # Commentary before the final answer (Responses API: `phase`) is no part of the answer.
    final = [item for item in items if item.get("phase") != "commentary"]
    parts = list(_parts(final, "output_text")) or _parts(items, "output_text")
    return "".join(_string(part.get("text")) or "" for part in parts)


def _refusal(items: list[Mapping[str, Any]]) -> str | None:
    refusals = [_string(part.get("refusal")) or "" for part in _parts(items, "refusal")]
    return "".join(refusals) if refusals else None


def _reasoning(items: list[Mapping[str, Any]]) -> Iterator[str]:
    for item in items:
        if item.get("type") == "reasoning":
            for part in _mappings(item.get("summary")):
                yield _string(part.get("text")) or ""


def _open_calls(items: list[Mapping[str, Any]]) -> Iterator[OpenCall]:
    replies = {reply["item"]: reply for reply in catalog.table("replies")}
    answered = {
        (_type(item), _string(item.get("call_id")) or _string(item.get("approval_request_id")))
        for item in items
    }
    for item in items:
        reply = replies.get(_type(item))
        if reply is None or not _is_for_client(item):
            continue
        call_id = _string(item.get(reply["link"]["from"]))
        if (reply["reply"], call_id) not in answered:
            name = _string(item.get("name")) or _string(item.get("server_label"))
            yield OpenCall(reply["item"], name, call_id, item)


def _is_for_client(item: Mapping[str, Any]) -> bool:
    """Whether the client must answer: a shell may stand in a container, a tool search on the
    server (Responses API: `shell_call.environment.type`, `tool_search_call.execution`)."""
    if item.get("type") == "shell_call":
        return _mapping(item.get("environment")).get("type") == "local"
    if item.get("type") == "tool_search_call":
        return item.get("execution") == "client"
    return True


def _type(item: Mapping[str, Any]) -> str:
    return _string(item.get("type")) or "(no type)"


def _string(value: JSON) -> str | None:
    return value if isinstance(value, str) else None


def _mapping(value: JSON) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: JSON) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _count(value: JSON) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value // 1:
        return None
    return int(value) if 0 <= value < 10**15 else None
