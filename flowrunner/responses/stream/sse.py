"""Server-sent events out of bytes that may be cut anywhere (WHATWG HTML: event stream).

One thing differs from the standard: what stands at the end without a blank line counts, since it
may be the only event that says how a response ended. What the events mean is left to `events`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_EVENT_BYTES = 64 * 1024 * 1024
"""The most that one event may measure: as much as a reply that is not streamed."""
MAX_STREAM_BYTES = 4 * MAX_EVENT_BYTES
"""The most that a stream may measure: it says everything several times."""

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"
_KEPT_FIELDS = (b"data", b"event")


@dataclass(frozen=True, slots=True)
class ServerSent:
    """One event: `name` is that of its `event:` line ("" where it has none), `data` its lines."""

    name: str
    data: str


class TooBig(Exception):
    """A stream, or one event of it, is bigger than its cap. `cap` is in bytes."""

    def __init__(self, what: str, cap: int) -> None:
        super().__init__(what)
        self.what = what
        self.cap = cap


class SseParser:
    """Takes the bytes of one stream piece by piece and gives the events that are whole.

    Comments, `id` and `retry` are passed over: a stream of the API is taken up again by the numbers
    of its events. What is no UTF-8 is replaced.
    """

    def __init__(
        self, event_cap: int = MAX_EVENT_BYTES, stream_cap: int = MAX_STREAM_BYTES
    ) -> None:
        self._event_cap = event_cap
        self._stream_cap = stream_cap
        self._total = 0
        self._line = bytearray()
        self._name = ""
        self._data: list[str] = []
        self._size = 0
        self._is_first_line = True
        self._after_cr = False

    def feed(self, piece: bytes) -> Iterator[ServerSent]:
        """The events that these bytes complete, to be taken one and all. Raises TooBig."""
        self._total += len(piece)
        if self._total > self._stream_cap:
            raise TooBig("the stream", self._stream_cap)
        start = 0
        if self._after_cr and piece:
            # The second half of a line end whose first half ended the piece before.
            start = 1 if piece[:1] == b"\n" else 0
            self._after_cr = False
        for found in _LINE_END.finditer(piece, start):
            yield from self._end_line(piece[start : found.start()])
            start = found.end()
        self._line += piece[start:]
        self._after_cr = piece.endswith(b"\r")
        self._bound(len(self._line))

    def end(self) -> Iterator[ServerSent]:
        """The event that the end of the stream completes, if there is one."""
        yield from self._end_line(b"")
        yield from self._dispatch()

    def _end_line(self, rest: bytes) -> Iterator[ServerSent]:
        line = bytes(self._line) + rest if self._line else rest
        self._line.clear()
        if self._is_first_line:
            self._is_first_line = False
            line = line.removeprefix(_BOM)
        if line:
            self._take(line)
        else:
            yield from self._dispatch()

    def _take(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        if field not in _KEPT_FIELDS:
            return
        text = value.removeprefix(b" ").decode("utf-8", "replace")
        if field == b"event":
            self._name = text
            return
        self._bound(len(value))
        self._size += len(value) + 1
        self._data.append(text)

    def _dispatch(self) -> Iterator[ServerSent]:
        name, data = self._name, self._data
        self._name, self._data, self._size = "", [], 0
        if data:
            yield ServerSent(name, "\n".join(data))

    def _bound(self, more: int) -> None:
        if self._size + more > self._event_cap:
            self._line.clear()
            self._data.clear()
            raise TooBig("an event of the stream", self._event_cap)
