"""Models by name: prices, windows and the day they stop. Estimates with a date, never a promise."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from flowrunner.events import Usage

_LONG = 272_000
_TIERS = {"flex", "priority", "batch", "ultrafast"}


@dataclass(frozen=True, slots=True)
class Model:
    """One model. Prices are US dollars per 1,000,000 tokens; None where they are not known.
    `reasons` says whether it thinks before it answers, None where nobody knows."""

    name: str
    input_price: float | None
    cached_price: float | None
    cache_write_price: float | None
    output_price: float | None
    context_window: int | None
    max_output_tokens: int | None
    shutdown: datetime.date | None
    tiers: Mapping[str, Mapping[str, float]]
    long_prices: Mapping[str, float]
    web_search_price: float | None
    reasons: bool | None = None

    @property
    def is_priced(self) -> bool:
        return self.input_price is not None and self.output_price is not None


@cache
def _shipped() -> dict[str, Any]:
    text = (files("flowrunner.catalog") / "models.json").read_text(encoding="utf-8")
    shipped: dict[str, Any] = json.loads(text)
    return shipped


def prices_date() -> str:
    """The day the shipped prices were taken, `YYYY-MM-DD`."""
    return str(_shipped()["_meta"]["taken"])


@cache
def model_names() -> tuple[str, ...]:
    """Every model that is known by name, with or without a price."""
    shipped = _shipped()
    priced = [name for name in shipped["models"] if "/" not in name]
    return tuple(sorted({*priced, *shipped["_meta"]["sdk_model_ids_without_price"]}))


@cache
def model(name: str) -> Model | None:
    """What is known of a model, or None for a name nobody has heard of."""
    shipped = _shipped()
    found = shipped["models"].get(name)
    if found is None:
        unpriced = shipped["_meta"]["sdk_model_ids_without_price"]
        return _unpriced(name, unpriced[name]) if name in unpriced else None
    searches = found.get("web_search_per_call") or {}
    return Model(
        name=name,
        input_price=found["input"],
        cached_price=found["cached_input"],
        cache_write_price=found.get("cache_write"),
        output_price=found["output"],
        context_window=found["context_window_input"],
        max_output_tokens=found["max_output_tokens"],
        shutdown=_day(found.get("shutdown_date")),
        tiers=found.get("tiers", {}),
        long_prices=found.get("above_272k_input_tokens", {}),
        web_search_price=searches.get("medium"),
        reasons=found["supports"].get("reasoning", False) if "supports" in found else None,
    )


def _unpriced(name: str, shutdown: str | None) -> Model:
    # "unsupported" marks ids the SDK kept although the API never served them: past any date.
    day = datetime.date.min if shutdown == "unsupported" else _day(shutdown)
    return Model(name, None, None, None, None, None, None, day, {}, {}, None)


def _day(text: str | None) -> datetime.date | None:
    return datetime.date.fromisoformat(text) if text else None


def cost_usd(
    name: str | None, usage: Usage | None, *, service_tier: str | None = None, web_searches: int = 0
) -> float | None:
    """What a response cost by the shipped prices, in US dollars; None where any part is unknown.

    `service_tier` is the tier the response says it was served on: billed by that. A dated snapshot
    that is not listed (`gpt-6-luna-2026-09-01`) is billed as the model it is a snapshot of.
    """
    found = None if name is None else model(name) or model(_without_date(name))
    if found is None or usage is None or not found.is_priced:
        return None
    prices = _prices(found, usage, service_tier)
    if prices is None or (web_searches and found.web_search_price is None):
        return None
    fresh = usage.input - usage.cached - usage.cache_write
    tokens = (
        fresh * prices["input"]
        + usage.cached * prices["cached_input"]
        + usage.cache_write * prices["cache_write"]
        + usage.output * prices["output"]
    )
    return tokens / 1_000_000 + web_searches * (found.web_search_price or 0.0)


def _prices(found: Model, usage: Usage, service_tier: str | None) -> dict[str, float] | None:
    listed: dict[str, float | None] = {
        "input": found.input_price,
        "cached_input": found.cached_price,
        "cache_write": found.cache_write_price,
        "output": found.output_price,
    }
    if usage.input > _LONG and found.long_prices:
        listed |= found.long_prices
    tier = "priority" if service_tier == "fast" else service_tier
    if tier in _TIERS:
        if tier not in found.tiers:
            return None
        listed |= found.tiers[tier]
    plain = listed["input"]
    assert plain is not None
    # Where no rate is listed for cached tokens they are billed as any other input.
    return {kind: plain if price is None else price for kind, price in listed.items()}


def _without_date(name: str) -> str:
    stem, _, day = name.rpartition("-20")
    return stem if stem and len(day) == len("26-01-31") else name
