"""A streamed response: bytes in, the events of the API, and in the end one answer or none.

Pure: nothing here reads a socket or a clock. What becomes of the request is left to `client`.

    sse        bytes into events as they stand on the wire
    events     what an event says: its type, its number, an error, what is new in it
    assembly   the events of one response into what it came to
"""

from flowrunner.responses.stream.assembly import KEPT, Assembly, Broken, Ended, Left, what_broke
from flowrunner.responses.stream.events import Delta
from flowrunner.responses.stream.sse import SseParser, TooBig

__all__ = [
    "KEPT",
    "Assembly",
    "Broken",
    "Delta",
    "Ended",
    "Left",
    "SseParser",
    "TooBig",
    "what_broke",
]
