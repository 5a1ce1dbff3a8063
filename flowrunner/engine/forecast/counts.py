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
    """`asked` are the bodies to count (Responses API: `POST /responses/input_tokens`), `told` the
    tokens of those that were, both by the text of the body."""

    asked: dict[str, dict[str, JSON]] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)

    def tokens(self, body: Mapping[str, JSON]) -> int | None:
        """The tokens of a request as the server counts them; None where it was not asked yet, or
        cannot know them."""
        if any(body.get(name) is not None for name in _BRINGS_MORE) or "model" not in body:
            return None
        countable = {name: body[name] for name in _COUNTED if name in body}
        if any(mark.sha256 == NOT_READ for mark in FileMark.all_in(countable.get("input"))):
            return None
        key = json.dumps(countable, ensure_ascii=False, sort_keys=True)
        self.asked.setdefault(key, countable)
        return self.told.get(key)


NOT_READ = "0" * 64
"""What stands for the hash of a file that was only described."""
