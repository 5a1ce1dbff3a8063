"""All events of a streamed Response in the order of the API, ending in that Response.

The events of one item are left to `items`; what faults do to the list, to `spoiling`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flowrunner.simulator.dice import Dice
from flowrunner.simulator.stream.items import Event, Place, item_events

# Deltas are padded to a multiple of this many characters.
_PADDED_TO = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """How a Response is told.

    `names` makes the padding of deltas, None leaves it out (Responses API:
    `stream_options.include_obfuscation`). `is_background` tells of the queue too.
    """

    names: Dice | None = None
    is_background: bool = False
    partial_images: int = 0

    @classmethod
    def of(cls, body: Mapping[str, Any], names: Dice) -> Telling:
        """How a request asks for it."""
        options = body.get("stream_options") or {}
        plain = options.get("include_obfuscation") is False
        wanted = [tool.get("partial_images") or 0 for tool in body.get("tools") or ()]
        return cls(
            names=None if plain else names,
            is_background=bool(body.get("background")),
            partial_images=max(wanted, default=0),
        )


def events_of(response: Mapping[str, Any], telling: Telling) -> list[Event]:
    """The events that lead to a Response, numbered from 0.

    The last one carries the Response itself; of a status that ends no stream (`cancelled`,
    `queued`, `in_progress`) there is none.
    """
    events = list(_plain(response, telling))
    for number, event in enumerate(events):
        event["sequence_number"] = number
        if telling.names is not None and isinstance(event.get("delta"), str):
            event["obfuscation"] = _padding(telling.names, number, len(event["delta"]))
    return events


def early(response: Mapping[str, Any], status: str) -> dict[str, Any]:
    """A Response as it was before anything came of it: `queued`, `in_progress` or `cancelled`."""
    nothing_yet = {"completed_at": None, "error": None, "incomplete_details": None, "usage": None}
    return {**response, "status": status, **nothing_yet, "output": []}


def _plain(response: Mapping[str, Any], telling: Telling) -> Iterator[Event]:
    status = response.get("status")
    started = early(response, "queued" if telling.is_background else "in_progress")
    yield {"type": "response.created", "response": started}
    if telling.is_background:
        yield {"type": "response.queued", "response": started}
    if status == "queued":
        return
    yield {"type": "response.in_progress", "response": early(response, "in_progress")}
    for index, item in enumerate(response.get("output") or ()):
        yield from item_events(Place(index, str(item.get("id", "")), telling.partial_images), item)
    if status in ("completed", "incomplete", "failed"):
        yield {"type": f"response.{status}", "response": dict(response)}


def _padding(names: Dice, number: int, length: int) -> str:
    return names.hexadecimal(f"padding {number}", _PADDED_TO - length % _PADDED_TO)
