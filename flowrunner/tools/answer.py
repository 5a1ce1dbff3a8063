"""`ToolAnswer`: what came of one call of a tool, for the model, for people and for the journal.

A call never raises: whatever goes wrong is an answer that says so. Asking people, keeping answers
and sending them on is left to `engine`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from flowrunner import json_text
from flowrunner.events import JSON

CAP_BYTES = 1024 * 1024
"""How much one call may answer in text or JSON; a program that writes more is ended."""
CAP_BYTES_OF_PARTS = 16 * 1024 * 1024
"""The same where pictures are part of the answer."""
MEMORY_BYTES = 4 * 1024**3
"""How much memory a program started for a tool may fill, where the system can be told (Linux)."""

PART_TYPES = ("input_text", "input_image", "input_file")
"""Responses API: what the output of a call may hold instead of a text."""


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """`output` is a text, a JSON value, or with `is_parts` a list of content parts of the API.

    `error` is there when it is not `ok`: a sentence, which may be followed by lines that a program
    wrote. `facts` are for people: exit_status, signal, stderr, http_status, server, files.
    """

    ok: bool
    output: JSON
    error: str | None = None
    facts: Mapping[str, JSON] = field(default_factory=dict)
    is_parts: bool = False

    def read_json(self) -> ToolAnswer:
        """The same with its text read as JSON, for tools that declare the shape of their answer."""
        if not self.ok or self.is_parts or not isinstance(self.output, str):
            return self
        try:
            return replace(self, output=json_text.parse(self.output))
        except json_text.NotJson as fault:
            return failed(f"the answer is not JSON: {fault}", self.facts)


def failed(error: str, facts: Mapping[str, JSON] | None = None) -> ToolAnswer:
    """An answer that says what went wrong."""
    return ToolAnswer(ok=False, output=None, error=error, facts=facts or {})


def are_parts(value: JSON) -> bool:
    """Whether a value has the form of content parts of the API."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(part, Mapping) and part.get("type") in PART_TYPES for part in value)
    )
