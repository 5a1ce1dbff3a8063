"""Requests whose text is known before the run, and how many tokens a server says that they have.

Asking it is left to `commands`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from flowrunner.events import JSON
from flowrunner.language.attachments import FileMark

_COUNTED = (
    "model",
    "input",
    "instructions",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "text",
    "reasoning",
    "truncation",
)
_BRINGS_MORE = ("prompt", "conversation", "previous_response_id")


@dataclass(frozen=True, slots=True)
class Counts:
    """`asked` are the bodies to count (Responses API: `POST /responses/input_tokens`), each with
    the provider that counts it, `told` the tokens of those that were, both by provider and text."""

    asked: dict[str, tuple[str, dict[str, JSON]]] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)

    @property
    def providers(self) -> frozenset[str]:
        """The providers that have something to count."""
        return frozenset(provider for provider, _ in self.asked.values())

    def tokens(self, body: Mapping[str, JSON], provider: str) -> int | None:
        """The tokens of a request as this provider counts them; None where it was not asked yet, or
        cannot know them."""
        if any(body.get(name) is not None for name in _BRINGS_MORE) or "model" not in body:
            return None
        countable = {name: body[name] for name in _COUNTED if name in body}
        if any(mark.sha256 == NOT_READ for mark in FileMark.all_in(countable.get("input"))):
            return None
        key = json.dumps([provider, countable], ensure_ascii=False, sort_keys=True)
        self.asked.setdefault(key, (provider, countable))
        return self.told.get(key)


NOT_READ = "0" * 64
"""What stands for the hash of a file that was only described."""
