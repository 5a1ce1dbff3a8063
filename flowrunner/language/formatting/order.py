"""The order of keys: what a step is, when it runs, what it asks, what comes of it, what if not.

Which keys there are is left to the schema; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Literal, TypeAlias

from flowrunner.catalog import load_schema

Role: TypeAlias = (
    Literal["file", "steps", "step", "cases", "repeat", "other"]
    | Literal["tests", "test cases", "case", "expect"]
)
"""What a value is for the formatter: only the keys of a file, of a step, of a file of tests, of a
case and of what it expects have an order."""

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


def role_of(value: Mapping[str, Any]) -> Role:
    """What a whole file is."""
    return "tests" if "flowrunner_test" in value else "file"


def role_inside(role: Role, key: str | int) -> Role:
    """What the value of a key, or an entry of a list, is."""
    if role == "steps":
        return "step"
    if role == "cases" or (role in ("file", "step") and key in ("steps", "otherwise")):
        return "steps"
    if role == "step" and key in ("cases", "repeat"):
        return "cases" if key == "cases" else "repeat"
    if role == "tests" and key == "cases":
        return "test cases"
    if role == "test cases":
        return "case"
    return "expect" if role == "case" and key == "expect" else "other"


@cache
def ordered_keys(role: Role) -> tuple[str, ...]:
    """The keys of a mapping whose order is ours, in that order; none where it is the author's."""
    if role == "step":
        return STEP_KEYS
    tests = load_schema("test")
    case = tests["$defs"]["case"]["properties"]
    known: dict[Role, Mapping[str, Any]] = {
        "file": load_schema("workflow")["properties"],
        "tests": tests["properties"],
        "case": case,
        "expect": case["expect"]["properties"],
    }
    return tuple(known.get(role, ()))


def in_order(keys: Sequence[str], role: Role) -> list[int]:
    """The positions of the keys of a mapping, sorted; unknown ones stay behind what they follow."""
    ranks = {key: rank for rank, key in enumerate(ordered_keys(role))}
    rank, ranked = -1, []
    for position, key in enumerate(keys):
        rank = ranks.get(key, rank)
        ranked.append((rank, position))
    return [position for _, position in sorted(ranked)]
