"""A response in the background: queued, in progress, then done, by polls or by the clock.

What it will say is decided before it begins; how it is asked for is left to `endpoints`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flowrunner.simulator.stream import Telling, early


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long a background response takes, and what becomes of it meanwhile.

    It is done at the poll of the number `polls_until_done`, counted from 1, or, where they are
    given, `seconds_until_done` after its creation; or stays `queued_forever`. At the poll
    `cancelled_at_poll` somebody else has cancelled it, at `gone_at_poll` it is not found any more.
    `flickers` means that once, after it was seen done, it is seen in progress again.
    `poll_after_ms` is what the server asks pollers to wait (`openai-poll-after-ms`).
    """

    polls_until_done: int = 2
    seconds_until_done: float | None = None
    queued_forever: bool = False
    cancelled_at_poll: int | None = None
    gone_at_poll: int | None = None
    flickers: bool = False
    poll_after_ms: int | None = None


def _nothing() -> None:
    """Most responses hold nothing until their end."""


class Run:
    """One background response. `telling` is how it is streamed, None where it is not to be.

    `at_end` is called when it has ended in one way or another.
    """

    def __init__(
        self,
        response: dict[str, Any],
        pace: Pace,
        clock: Callable[[], float],
        telling: Telling | None = None,
    ) -> None:
        self.pace = pace
        self.telling = telling
        self._response = response
        self._clock = clock
        self._began = clock()
        self._polls = 0
        self._seen_done = 0
        self._is_over = False
        self._is_cancelled = False
        self.at_end: Callable[[], None] = _nothing

    @property
    def is_cancelled(self) -> bool:
        return self._is_cancelled

    @property
    def age_s(self) -> float:
        return self._clock() - self._began

    @property
    def outcome(self) -> dict[str, Any]:
        """What it will have said, or has."""
        return early(self._response, "queued") if self._is_stuck else self._response

    def begin(self) -> dict[str, Any]:
        """The answer to its creation."""
        return early(self._response, "queued")

    def poll(self) -> dict[str, Any] | None:
        """What one poll sees; None where the response is gone."""
        self._polls += 1
        if self._is_at(self.pace.gone_at_poll):
            return None
        if self._is_at(self.pace.cancelled_at_poll):
            self.cancel()
        if self._is_due:
            self.finish()
        if not self._is_over:
            return early(self._response, "queued" if self._is_stuck else "in_progress")
        self._seen_done += 1
        if self.pace.flickers and self._seen_done == 2:
            return early(self._response, "in_progress")
        return self._response

    def cancel(self) -> dict[str, Any]:
        """End it, unless it has ended; what it is from then on."""
        if not self._is_over:
            self._is_over = self._is_cancelled = True
            self._response = early(self._response, "cancelled")
            self.at_end()
        return self._response

    def finish(self) -> None:
        """End it with the outcome that was to come; a stream has told of it as it is already."""
        if self._is_over:
            return
        self._is_over = True
        if self.telling is None and self._response.get("status") == "completed":
            self._response = {**self._response, "completed_at": int(self._clock())}
        self.at_end()

    @property
    def _is_stuck(self) -> bool:
        return self.pace.queued_forever and not self._is_over

    @property
    def _is_due(self) -> bool:
        if self.pace.queued_forever:
            return False
        if self.pace.seconds_until_done is not None:
            return self.age_s >= self.pace.seconds_until_done
        return self._polls >= self.pace.polls_until_done

    def _is_at(self, poll: int | None) -> bool:
        return poll is not None and self._polls >= poll
