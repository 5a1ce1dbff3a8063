"""Which places of a request came out of values, as far as its texts are what templates rendered.

A text that was changed on its way, by a mask for one, is not told about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowrunner.events import JSON
from flowrunner.language.templates import Filled


def filled_places(request: Mapping[str, JSON]) -> dict[str, JSON] | None:
    """Start and length of each place, by `instructions` or the position of the message; None where
    there is none."""
    found = {
        name: [list(place) for place in text.places]
        for name, text in _texts(request)
        if isinstance(text, Filled)
    }
    return found or None


def _texts(request: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    yield "instructions", request.get("instructions")
    given = request.get("input")
    if not isinstance(given, list):
        yield "0", given
        return
    for position, item in enumerate(given):
        content = item.get("content") if isinstance(item, Mapping) else None
        if isinstance(content, list):  # beside files: told where it is the only text
            texts = [part.get("text") for part in content if "text" in part]
            content = texts[0] if len(texts) == 1 else None
        yield str(position), content
