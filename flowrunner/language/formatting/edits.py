"""Changes to a text as spans and what takes their place, applied all at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """What stands from `start` up to `end` becomes `text`."""

    start: int
    end: int
    text: str


def apply(edits: Iterable[Edit], text: str) -> str:
    """The text with all edits made; they do not overlap."""
    parts, at = [], 0
    for edit in sorted(edits):
        parts += [text[at : edit.start], edit.text]
        at = edit.end
    return "".join([*parts, text[at:]])
