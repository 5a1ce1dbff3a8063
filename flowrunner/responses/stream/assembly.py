"""The events of one streamed response put together: how it ended, or how far it had come.

The response in the last event is the answer; what came before serves those who watch, and those who
look at an answer that broke off or failed. What becomes of the request is left to `client`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from flowrunner.events import JSON, ApiError
from flowrunner.responses.stream.events import ITEMS, Delta, StreamEvent, read_event
from flowrunner.responses.stream.sse import ServerSent, SseParser

KEPT = 1_000_000
"""How much of a stream is kept for people: bytes as they came, characters of the text."""
_MOST_UNKNOWN = 50


@dataclass(frozen=True, slots=True)
class Ended:
    """The stream said how the response ended; `response` is what it said, seen by nobody yet."""

    response: JSON


@dataclass(frozen=True, slots=True)
class Broken:
    """The server gave up with an `error` event. `produced`: after something had been made."""

    error: ApiError
    produced: bool


@dataclass(frozen=True, slots=True)
class Left:
    """The stream is over and the response is not; `heard` says whether an event came at all."""

    heard: bool


Verdict: TypeAlias = Ended | Broken | Left


def what_broke(verdict: Broken | Left, assembly: Assembly) -> tuple[str, str]:
    """The kind of a loss, and the sentence for it, where a stream did not end with its response."""
    named = f" of `{assembly.response_id}`" if assembly.response_id else ""
    if isinstance(verdict, Broken):
        code = f" (code `{verdict.error.code}`)" if verdict.error.code else ""
        said = f"the server gave up amid the answer{named}: {verdict.error.message}{code}"
        return "broken-off", said
    if not verdict.heard:
        return "closed", "the stream ended without a single event"
    return "truncated", f"the stream ended before the answer{named} did"


class Assembly:
    """One response as its stream tells it.

    Of events that come twice (by `sequence_number`) the second is passed over, gaps do no harm:
    the last event holds everything. After it, and after an `error` without it, what still comes
    changes nothing; a last event after an `error` does count, for it says more.

    `response_id` and `last_number` are what a background response is taken up again by; `heard`
    counts events, `unknown` those of types that this version does not know; `has_gap` says that
    numbers were missing.
    """

    def __init__(self, parser: SseParser | None = None) -> None:
        self._parser = parser or SseParser()
        self._end: StreamEvent | None = None
        self._error: Broken | None = None
        self._produced = False
        self._kept = bytearray()
        self._texts: dict[tuple[int, int], list[str]] = {}
        self._items: dict[int, Mapping[str, JSON]] = {}
        self._room = KEPT
        self.response_id: str | None = None
        self.last_number: int | None = None
        self.has_gap = False
        self.heard = 0
        self.unknown: dict[str, int] = {}

    @property
    def is_ended(self) -> bool:
        """Whether the response is over: nothing that may still come matters."""
        return self._end is not None

    @property
    def is_broken(self) -> bool:
        """Whether an `error` came, after which one more event at most is worth waiting for."""
        return self._error is not None

    @property
    def raw(self) -> bytes:
        """The stream as it came, from its beginning."""
        return bytes(self._kept)

    @property
    def text(self) -> str:
        """The text of the answer as far as it came."""
        return "".join("".join(self._texts[place]) for place in sorted(self._texts))

    @property
    def verdict(self) -> Verdict:
        """What the stream came to, judged by what has come of it."""
        if self._end is not None:
            return Ended(self._with_output(self._end.fields.get("response")))
        return self._error or Left(self.heard > 0)

    def feed(self, piece: bytes) -> list[Delta]:
        """Take the next bytes; what is new. Raises TooBig."""
        self._kept += piece[: KEPT - len(self._kept)]
        return [delta for sent in self._parser.feed(piece) for delta in self._take(sent)]

    def go_on(self) -> None:
        """The same stream is taken up again (Responses API: `starting_after`): the next bytes are
        the beginning of what follows; half an event that had come is dropped."""
        self._parser = SseParser()

    def finish(self) -> list[Delta]:
        """No more bytes come: the event that they ended in counts, where it came whole."""
        return [delta for sent in self._parser.end() for delta in self._take(sent)]

    def _with_output(self, response: JSON) -> JSON:
        """The response; where it says nothing of its output, as servers do when it failed, with the
        items that were told of, so that nobody takes it for one that did nothing."""
        if not isinstance(response, dict) or response.get("output") or not self._items:
            return response
        return {**response, "output": [self._item(index) for index in sorted(self._items)]}

    def _item(self, index: int) -> JSON:
        item = self._items[index]
        if item.get("type") != "message" or item.get("content"):
            return dict(item)
        texts = ["".join(self._texts[place]) for place in sorted(self._texts) if place[0] == index]
        return {**item, "content": [{"type": "output_text", "text": text} for text in texts]}

    def _take(self, sent: ServerSent) -> list[Delta]:
        event = read_event(sent)
        if event is None or self._end is not None:
            return []
        self.heard += 1
        self._note(event)
        if event.is_end:
            self._end = event
        elif event.error is not None:
            self._error = self._error or Broken(event.error, self._produced)
        elif not self._is_repeated(event):
            self._keep_text(event)
            self._keep_item(event)
            delta = event.delta()
            return [] if delta is None else [delta]
        return []

    def _note(self, event: StreamEvent) -> None:
        self._produced |= event.is_product
        named = event.response.get("id")
        if self.response_id is None and isinstance(named, str):
            self.response_id = named
        is_listed = event.type in self.unknown or len(self.unknown) < _MOST_UNKNOWN
        if not event.is_known and is_listed:
            self.unknown[event.type] = self.unknown.get(event.type, 0) + 1

    def _is_repeated(self, event: StreamEvent) -> bool:
        number, last = event.number, self.last_number
        if number is None:
            return False
        if last is not None and number <= last:
            return True
        self.has_gap |= last is not None and number > last + 1
        self.last_number = number
        return False

    def _keep_text(self, event: StreamEvent) -> None:
        """Keep a piece of the text at its place; the whole text of a part takes their place."""
        fields = event.fields
        place = (_index(fields.get("output_index")), _index(fields.get("content_index")))
        if event.type == "response.output_text.delta":
            self._add(place, fields.get("delta"))
        elif event.type == "response.output_text.done" and isinstance(fields.get("text"), str):
            self._room += sum(map(len, self._texts.pop(place, ())))
            self._add(place, fields["text"])

    def _keep_item(self, event: StreamEvent) -> None:
        item = event.fields.get("item")
        if event.type in ITEMS and isinstance(item, Mapping):
            self._items[_index(event.fields.get("output_index"))] = item

    def _add(self, place: tuple[int, int], piece: JSON) -> None:
        if isinstance(piece, str) and piece and self._room > 0:
            self._texts.setdefault(place, []).append(piece[: self._room])
            self._room -= min(len(piece), self._room)


def _index(value: JSON) -> int:
    return value if isinstance(value, int) else 0
