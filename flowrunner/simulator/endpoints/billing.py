"""What the server is paid for an answer: its tokens and its searches, whatever the client sees.

Prices are left to `flowrunner.catalog`, the sum of all calls to `ledger`.
"""

from __future__ import annotations

from typing import Any

from flowrunner import catalog
from flowrunner.events import Usage
from flowrunner.simulator.exchange import Exchange
from flowrunner.simulator.output import web_searches


def bill(exchange: Exchange, response: dict[str, Any]) -> None:
    """Bill what `usage` says, before a fault hides it from the client."""
    usage = response.get("usage")
    if usage is None:
        return
    exchange.usage = Usage(
        input=usage["input_tokens"],
        output=usage["output_tokens"],
        cached=usage.get("input_tokens_details", {}).get("cached_tokens", 0),
        cache_write=usage.get("input_tokens_details", {}).get("cache_write_tokens", 0),
        reasoning=usage.get("output_tokens_details", {}).get("reasoning_tokens", 0),
    )
    tier = response["service_tier"]
    exchange.cost_usd = catalog.cost_usd(
        response["model"],
        exchange.usage,
        service_tier=None if tier == "default" else tier,
        web_searches=web_searches(response.get("output") or ()),
    )
