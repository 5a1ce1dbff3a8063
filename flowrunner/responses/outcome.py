"""What became of one request: answered, accepted for later, refused, surely not sent, or lost.

They carry all that events of the journal need; what follows from them is left to `retry`,
`background` and `items`. Requests that are free end as `Told` instead of answered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from flowrunner.events import JSON, ApiError, Usage
from flowrunner.responses.rate import RateState


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A Response object came back, whatever its status says (Responses API: `status`)."""

    response: dict[str, JSON]
    http_status: int
    request_id: str | None
    response_id: str
    status: str
    model: str | None
    service_tier: str | None
    usage: Usage | None
    elapsed_s: float
    rate: RateState = field(default_factory=RateState)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The API works on the request in the background; its answer is to be had under `response_id`.

    `status` is queued or in_progress; `asked_wait_s` is how long the server asks to wait before the
    next look, in seconds.
    """

    http_status: int
    request_id: str | None
    response_id: str
    status: str
    model: str | None
    elapsed_s: float
    asked_wait_s: float | None = None
    rate: RateState = field(default_factory=RateState)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """An answer that says the request failed: nothing about it is unknown.

    `asked_wait_s` is what Retry-After asks for, in seconds; `should_retry` the header of that name;
    `raw` the body as text, bounded.
    """

    http_status: int
    error: ApiError
    request_id: str | None
    elapsed_s: float
    raw: str
    asked_wait_s: float | None = None
    should_retry: bool | None = None
    rate: RateState = field(default_factory=RateState)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSent:
    """No byte of the request left: surely not processed, never billed.

    `kind`: refused, name, tls, connect-timeout, connect, cancelled, bad-id, no-recording.
    """

    kind: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """The request left and no usable answer came: possibly billed.

    `kind`: reset, closed, timeout, truncated, too-big, protocol, not-a-response, broken-off (the
    server gave up amid its answer). `http_status`, `request_id` and `raw` hold what was seen before
    it broke off; `response_id` and `partial`, the text so far, what a stream had told by then.
    """

    kind: str
    message: str
    elapsed_s: float
    http_status: int | None = None
    request_id: str | None = None
    raw: str = ""
    response_id: str | None = None
    partial: str = ""


Final: TypeAlias = Answered | Refused | NotSent | Lost
"""An outcome after which nothing more comes of the request."""

Outcome: TypeAlias = Final | Accepted


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a resource beside the responses said: `value` is its JSON, None where `content` is
    none."""

    value: JSON
    content: bytes
    http_status: int
    request_id: str | None
    elapsed_s: float


Reply: TypeAlias = Told | Refused | NotSent | Lost
