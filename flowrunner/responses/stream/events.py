"""What one event of a stream says: its type, its number, the error in it, what is new for watchers.

Reads whatever JSON a server sends without raising; putting events together is left to `assembly`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

from flowrunner import catalog, json_text
from flowrunner.events import JSON, ApiError
from flowrunner.responses.stream.sse import ServerSent

ENDS = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled"}
)
"""The types that end a stream; each carries the whole response."""
ITEMS = frozenset({"response.output_item.added", "response.output_item.done"})
"""The types that carry an item of the output, without and with all that it holds."""
_BEGINNINGS = frozenset({"response.created", "response.queued", "response.in_progress"})
_NEWS: Mapping[str, News] = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "refusal",
}

News: TypeAlias = Literal["response", "text", "refusal", "began", "ended"]


@dataclass(frozen=True, slots=True)
class Delta:
    """Something new in a response that is being written, for those who watch.

    `text` is the next piece of the text or of the refusal; for `response` the id that the response
    has; for `began` and `ended` what an output item is called (its type, or the tool's name).
    """

    news: News
    text: str


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event of the API. `number` is its `sequence_number`; None where it has none, or 0, which
    some servers give to all of them."""

    type: str
    number: int | None
    fields: Mapping[str, JSON]

    @property
    def is_known(self) -> bool:
        """Whether this version knows the type (Responses API: streaming events)."""
        return self.type in _known()

    @property
    def is_end(self) -> bool:
        """Whether the response is over with it."""
        return self.type in ENDS

    @property
    def is_product(self) -> bool:
        """Whether the model or a tool was at work for it, which may cost money."""
        return self.type.startswith("response.") and self.type not in _BEGINNINGS | ENDS

    @property
    def error(self) -> ApiError | None:
        """What went wrong, in an `error` event: flat, or one level down as in replies."""
        if self.type != "error":
            return None
        nested = self.fields.get("error")
        if isinstance(nested, str):
            return ApiError(nested)
        inside = isinstance(nested, Mapping)
        said = nested if inside else self.fields
        assert isinstance(said, Mapping)
        kind, param, code = (_text(said.get(part)) for part in ("type", "param", "code"))
        message = _text(said.get("message")) or "the server did not say why"
        return ApiError(message, kind if inside else None, param, code)

    @property
    def response(self) -> Mapping[str, JSON]:
        """The response that the event carries; empty where it carries none."""
        return _mapping(self.fields.get("response"))

    def delta(self) -> Delta | None:
        """What watchers may want to see of it."""
        if self.type in _NEWS:
            piece = self.fields.get("delta")
            return Delta(_NEWS[self.type], piece) if isinstance(piece, str) and piece else None
        if self.type == "response.created":
            named = self.response.get("id")
            return Delta("response", named) if isinstance(named, str) else None
        if self.type in ITEMS:
            item = _mapping(self.fields.get("item"))
            called = item.get("name") or item.get("type")
            news: News = "began" if self.type.endswith("added") else "ended"
            return Delta(news, called) if isinstance(called, str) else None
        return None


def read_event(sent: ServerSent) -> StreamEvent | None:
    """The event of the API in a server-sent one; None for `[DONE]` and what is no JSON object.

    The type in the data counts; where a server leaves it out, the name of the event does.
    """
    try:
        fields = json_text.parse(sent.data)
    except json_text.NotJson:
        return None
    if not isinstance(fields, dict):
        return None
    kind = fields.get("type")
    if not isinstance(kind, str) or not kind:
        kind = sent.name or ("error" if fields.get("error") else "")
    number = fields.get("sequence_number")
    is_number = isinstance(number, int) and not isinstance(number, bool) and number > 0
    return StreamEvent(kind, number if is_number else None, fields)


@cache
def _known() -> frozenset[str]:
    return frozenset(event["type"] for event in catalog.table("events"))


def _mapping(value: JSON) -> Mapping[str, JSON]:
    return value if isinstance(value, Mapping) else {}


def _text(value: JSON) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
