"""Words for what a response brought beside its text, and for a tier that is not the one asked for.

What it is, is read in `responses.brought`; how it looks is left to `listing` and `html`.
"""

from __future__ import annotations

from flowrunner.events import JSON

TITLES = {
    "reasoning": "Reasoning",
    "searches": "Searched for",
    "chunks": "Found",
    "code": "Code that was run",
    "logprobs": "Token probabilities",
    "hosted_tools": "Hosted tools used",
    "unknown": "Of a kind that this version does not know",
    "moderation": "Moderation",
    "tool_usage": "Tool usage",
    "prompt_cache_diagnostics": "Prompt cache",
    "input_transformations": "Changes that the server made to the input",
}


def tier_line(numbers: JSON) -> str | None:
    """The tier that served, with the one asked for where that is another."""
    served, asked = numbers["service_tier"], numbers["service_tier_asked"]
    if not served or asked in (None, "auto", served):
        return None if served is None else str(served)
    return f"{served} (asked for: {asked})"
