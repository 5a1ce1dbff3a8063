"""Streams: a Response told as the server-sent events that lead to it, well or badly.

`events` and `items` say which events there are, `frames` how one is written, `spoiling` what an
ordered fault makes of them. When each leaves is left to `connection`.
"""

from __future__ import annotations

from flowrunner.simulator.stream.events import Telling, early, events_of
from flowrunner.simulator.stream.frames import Framing, Piece
from flowrunner.simulator.stream.spoiling import StreamFault, failed_by, pieces_of

__all__ = [
    "Framing",
    "Piece",
    "StreamFault",
    "Telling",
    "early",
    "events_of",
    "failed_by",
    "pieces_of",
]
