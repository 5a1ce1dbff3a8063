"""What a response costs: by the operator's prices, else the shipped ones; fees of hosted tools.

What a request may cost before there is a response is left to `estimate`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from flowrunner import catalog
from flowrunner.events import JSON, Usage
from flowrunner.responses.items import count_web_searches

Prices: TypeAlias = Mapping[str, Mapping[str, float]]
"""Prices of the operator by model, which outrank the shipped ones: `input`, `output` and, where it
differs from `input`, `cached_input`, in US dollars per 1,000,000 tokens (`flowrunner.yaml`)."""

WINDOW_SHARES: Mapping[str, float] = {"2h": 0.7, "8h": 0.6}
"""What is left of the standard rates for tokens where an answer may take that long (FACTS: prices;
Responses API: `background_options.completion_window`)."""

_STANDARD = (None, "default", "auto", "standard")
_FREE = {"mcp", "tool_search", "programmatic_tool_calling"}
# US dollars; a container is billed once a session (models.json: openai/container).
_CONTAINER_USD = 0.03
_CONTAINERS = {"code_interpreter", "shell"}
_CONTAINER_CALL = "code_interpreter_call"


@dataclass(frozen=True, slots=True)
class Billed:
    """What a response is billed by: the model and tier that it names, its tokens, `calls` of hosted
    tools (see `paid_calls`). `asked` is the model that the request named: what the operator pays
    for that name outranks all else, since a server may answer under another. `window` is how long
    the answer was allowed to take."""

    model: str | None
    usage: Usage | None
    service_tier: str | None = None
    calls: Mapping[str, int] = field(default_factory=dict)
    asked: str | None = None
    window: str | None = None


def billed_usd(billed: Billed, prices: Prices | None = None) -> float | None:
    """What a response cost in US dollars by the operator's prices, else the shipped ones; None
    where any part is unknown."""
    name = billed.model or billed.asked
    own = _own(billed.asked, prices or {}) or _own(name, prices or {})
    if own is not None and billed.usage is not None:
        usd: float | None = _by_own_rates(own, billed.usage)
    else:
        usd = catalog.cost_usd(name, billed.usage, service_tier=billed.service_tier)
        if usd is not None and billed.service_tier in _STANDARD:
            usd *= WINDOW_SHARES.get(billed.window or "", 1.0)
    for tool, number in billed.calls.items():
        fee = _fee(tool, name or "")
        usd = None if usd is None or fee is None else usd + number * fee
    return usd


def window_of(body: Mapping[str, JSON]) -> str | None:
    """How long the answer to a request may take, where it says so."""
    options = body.get("background_options")
    window = options.get("completion_window") if isinstance(options, Mapping) else None
    return window if isinstance(window, str) and body.get("background") is True else None


def paid_calls(response: Mapping[str, JSON]) -> dict[str, int]:
    """How often a response used each hosted tool that is billed on its own."""
    output = response.get("output")
    listed = output if isinstance(output, list) else []
    items = [item for item in listed if isinstance(item, Mapping)]
    kinds = [str(item.get("type")) for item in items]
    containers = {item.get("container_id") for item in items if item.get("type") == _CONTAINER_CALL}
    found = {
        "web_search": count_web_searches(response),
        "file_search": kinds.count("file_search_call"),
        "image_generation": kinds.count("image_generation_call"),
        "code_interpreter": len(containers),
    }
    return {tool: number for tool, number in found.items() if number}


def most_fees_usd(name: str, tools: Iterable[str], calls: int) -> tuple[float | None, str | None]:
    """What so many calls of the dearest of these hosted tools cost on top of tokens, with one
    session of each container; None and a sentence why where that is not known."""
    dearest, sessions = 0.0, 0.0
    for tool in tools:
        fee = _fee(tool, name)
        if fee is None:
            return None, f"what a call of the tool `{tool}` costs with `{name}` is not known"
        if tool in _CONTAINERS:
            sessions += fee
        else:
            dearest = max(dearest, fee)
    return calls * dearest + sessions, None


def _fee(tool: str, name: str) -> float | None:
    """US dollars for one call of a hosted tool; for a container, for one session."""
    if tool == "web_search":
        return catalog.cost_usd(name, Usage(), web_searches=1)
    if tool in _CONTAINERS:
        return _CONTAINER_USD
    return 0.0 if tool in _FREE else None


def _by_own_rates(own: Mapping[str, float], usage: Usage) -> float:
    """Whatever the tier and the window: the operator says what is paid."""
    cached_input = own.get("cached_input", own["input"])
    fresh = usage.input - usage.cached
    tokens = fresh * own["input"] + usage.cached * cached_input + usage.output * own["output"]
    return tokens / 1_000_000


def _own(name: str | None, prices: Prices) -> Mapping[str, float] | None:
    """What the operator says of a model, or of the model that it is a dated snapshot of."""
    if name is None:
        return None
    found = prices.get(name)
    return prices.get(undated(name)) if found is None else found


def undated(name: str) -> str:
    """The model that a dated snapshot is of: `gpt-6-luna` for `gpt-6-luna-2026-09-01`."""
    stem, _, day = name.rpartition("-20")
    return stem if stem and len(day) == len("26-01-31") else name
