"""How often the tools of the server were used, as the Response says it (`tool_usage`).

What they found is left to `hosted`, what it costs to `flowrunner.catalog`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flowrunner.simulator.state.items import Item
from flowrunner.simulator.tokens import text_tokens

_TOKENS_OF_IMAGE = 272


def web_searches(items: Iterable[Item]) -> int:
    """The searches that are billed: those that search, not those that open a page."""
    calls = [item for item in items if item.get("type") == "web_search_call"]
    return sum((call.get("action") or {}).get("type", "search") == "search" for call in calls)


def tool_usage(items: Iterable[Item]) -> dict[str, Any]:
    """`tool_usage` of an output; families without any use have counts of zero."""
    kept = list(items)
    images = [item for item in kept if item.get("type") == "image_generation_call"]
    given = sum(text_tokens(item.get("revised_prompt") or "") for item in images)
    made = _TOKENS_OF_IMAGE * len(images)
    return {
        "web_search": {"num_requests": web_searches(kept)},
        "image_gen": {
            "input_tokens": given,
            "input_tokens_details": {"image_tokens": 0, "text_tokens": given},
            "output_tokens": made,
            "output_tokens_details": {"image_tokens": made, "text_tokens": 0},
            "total_tokens": given + made,
        },
    }
