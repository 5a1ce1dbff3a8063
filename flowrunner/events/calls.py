"""What happens to one paid request, from its announcement to its answer or loss.

Steps, tools and people are left to the other events.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from flowrunner.events.address import Address
from flowrunner.events.values import JSON, ApiError, Event, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSent(Event):
    """A paid request is about to leave; committed before the first byte does (promise P2).

    `provider` is the one it goes to where that is not the run's. `filled` are the places of its
    texts that came out of values: start and length of each, by `instructions` or the position of
    the message.
    """

    bodies: ClassVar[tuple[str, ...]] = ("request",)
    address: Address
    model: str | None
    client_request_id: str
    request_sha256: str
    request: JSON
    provider: str | None = None
    filled: dict[str, JSON] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAccepted(Event):
    """The API works on a request in the background and answers it later, under `response_id`.

    Committed before the first look at it (promise P4). `status` is queued or in_progress.
    """

    address: Address
    http_status: int
    status: str
    request_id: str | None
    response_id: str
    model: str | None
    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPolled(Event):
    """A look at a background response found it further on. `polls` counts all looks by then."""

    address: Address
    status: str
    polls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAnswered(Event):
    """A Response object came back, whatever its status. `cost_usd` is None where it is unknown.

    `polls` counts the looks that a background response took; None for a direct answer.
    """

    bodies: ClassVar[tuple[str, ...]] = ("response",)
    address: Address
    http_status: int
    status: str
    request_id: str | None
    response_id: str | None
    model: str | None
    service_tier: str | None
    usage: Usage | None
    cost_usd: float | None
    elapsed_s: float
    response: JSON
    polls: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRefused(Event):
    """An answer that says the request failed (4xx, 5xx): nothing is unknown (promise P5)."""

    bodies: ClassVar[tuple[str, ...]] = ("raw",)
    address: Address
    http_status: int
    error: ApiError
    request_id: str | None
    retry_in_s: float | None
    elapsed_s: float
    raw: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallNotSent(Event):
    """The request surely never left: no connection, no name, no TLS. Never billed."""

    address: Address
    kind: str
    message: str
    retry_in_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLost(Event):
    """The request left and its outcome is not known: possibly billed (promise P3).

    `kind`: reset, closed, timeout, truncated, not-a-response, too-big, broken-off (the server gave
    up amid its answer), crash (found on resume), gone (a background response that the API no longer
    has). `response_id` is that of a stream which had begun, or of what is gone.
    """

    bodies: ClassVar[tuple[str, ...]] = ("raw",)
    address: Address
    kind: str
    message: str
    http_status: int | None
    request_id: str | None
    retry_in_s: float | None
    raw: str
    response_id: str | None = None
