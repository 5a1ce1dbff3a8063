"""One ordered fault as plain values: which calls it strikes, and what goes wrong then.

How it is written down is left to `reading`, which call it strikes to `plan`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from flowrunner.simulator.background import Pace
from flowrunner.simulator.stream import StreamFault

Endpoint = Literal[
    "create",
    "retrieve",
    "cancel",
    "delete",
    "input_items",
    "input_tokens",
    "compact",
    "conversations",
    "files",
    "containers",
]
"""What fault plans call the endpoints; a rule that names none is about `create`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which calls a rule strikes: those for which everything that is given here is true.

    Calls are counted from 1 for each endpoint. `chance` picks that share of the calls by their
    number and the seed of the simulator, so that the same calls are picked again.
    """

    endpoint: Endpoint = "create"
    call: tuple[int, ...] = ()
    every: int | None = None
    chance: float | None = None
    contains: str | None = None
    model: str | None = None
    client_request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What goes wrong.

    The answer: `status` with an error envelope (`error`), or `content` as it stands, or a Response
    that failed, is incomplete or refuses, or has fields replaced. Its delivery: late (`delay_s`),
    in drops of `drip` bytes every `drip_s`, cut after `cut` bytes of the body, and at the end
    finished, closed, reset or left hanging (for `hang_s`, then closed). `reply_starts` is False
    where not even a status line is sent. `after_processing` means that the server did the paid work
    although the client does not see it. `stream` is about streamed calls only, `pace` about those
    in the background.
    """

    status: int | None = None
    error: dict[str, Any] = field(default_factory=dict)
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes | None = None
    content_type: str = "application/json"
    response_status: str | None = None
    code: str | None = None
    refusal: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    delay_s: float = 0.0
    ending: Literal["finish", "close", "reset", "hang"] = "finish"
    hang_s: float | None = None
    reply_starts: bool = True
    cut: int | None = None
    drip: int | None = None
    drip_s: float = 0.0
    after_processing: bool = False
    stream: StreamFault | None = None
    pace: Pace | None = None

    @property
    def replaces_answer(self) -> bool:
        """Whether the server's own answer is not what the client is sent."""
        return self.status is not None or self.content is not None or not self.reply_starts

    @property
    def is_processed(self) -> bool:
        """Whether the server does what a call that this strikes asks for."""
        return self.after_processing or not self.replaces_answer

    @property
    def is_paid(self) -> bool:
        """Whether the server does the work for a call that this strikes."""
        if self.after_processing:
            return True
        fails = self.response_status not in (None, "incomplete")
        fails = fails or (self.stream is not None and self.stream.error is not None)
        never_begins = self.pace is not None and self.pace.queued_forever
        return not (self.replaces_answer or fails or never_begins)


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a plan; `times` is how often it strikes at most."""

    match: Match
    effect: Effect
    times: int | None = None
