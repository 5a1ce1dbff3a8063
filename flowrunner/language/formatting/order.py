"""The order of keys: what a step is, when it runs, what it asks, what comes of it, what if not.

Which keys there are is left to the schema; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from flowrunner.catalog import load_schema

Role: TypeAlias = Literal["file", "steps", "step", "cases", "repeat", "other"]
"""What a value is for the formatter: only the keys of a file and of a step have an order."""

DECISIONS: dict[Role, frozenset[str]] = {
    "step": frozenset({"if", "for_each", "branch"}),
    "repeat": frozenset({"until"}),
}
"""The keys whose text is a bare expression."""

STEP_KEYS = (
    *("id", "describe", "if", "needs", "for_each", "as", "at_once", "repeat"),
    *("continue", "conversation", "previous_response_id"),
    *("provider", "model", "instructions", "prompt", "prompt_file", "input", "attach", "within"),
    *("call", "workflow", "with", "run", "stdin", "env", "changes_things"),
    *("write", "set", "approve", "branch", "stop", "fail"),
    *("output", "schema"),
    *("tools", "tool_choice", "parallel_tool_calls", "max_tool_calls", "max_turns", "include"),
    *("reasoning", "text", "max_output_tokens", "temperature", "top_p", "top_logprobs"),
    *("store", "delivery", "background", "background_options", "stream", "stream_options"),
    *("context_management", "truncation", "service_tier"),
    *("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"),
    *("safety_identifier", "user", "metadata", "moderation", "access_programs", "image"),
    "request",
    *("timeout", "retry", "on_error", "on_unknown", "reuse", "save_to", "budget", "accept_risk"),
    *("cases", "otherwise", "steps"),
)
"""Every key of a step, in the order in which they are written."""


def role_inside(role: Role, key: str | int) -> Role:
    """What the value of a key, or an entry of a list, is."""
    if role == "steps":
        return "step"
    if role == "cases" or (role in ("file", "step") and key in ("steps", "otherwise")):
        return "steps"
    if role == "step" and key in ("cases", "repeat"):
        return "cases" if key == "cases" else "repeat"
    return "other"


def in_order(keys: Sequence[str], role: Role) -> list[int]:
    """The positions of the keys of a mapping, sorted; unknown ones stay behind what they follow."""
    ranks: dict[str, int] = {}
    if role in ("file", "step"):
        known = STEP_KEYS if role == "step" else tuple(load_schema("workflow")["properties"])
        ranks = {key: rank for rank, key in enumerate(known)}
    rank, ranked = -1, []
    for position, key in enumerate(keys):
        rank = ranks.get(key, rank)
        ranked.append((rank, position))
    return [position for _, position in sorted(ranked)]
