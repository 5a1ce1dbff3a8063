"""How fast one model may be asked, learned from its answers: arithmetic that is told the time.

Who waits, and in which order, is left to `engine.limits`; what headers say to `rate`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from flowrunner.responses.decisions import RetryPolicy
from flowrunner.responses.outcome import Accepted, Answered, Outcome, Refused
from flowrunner.responses.rate import Figures, RateState
from flowrunner.responses.refusals import classify

Verdict: TypeAlias = Literal["good", "slow-down", "neither"]

_LONGEST_S = RetryPolicy().max_wait_s
"""A server that asks for more is not waited for: each step is told so."""
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0
_GROWTH = 0.2
"""How much wider a window becomes with each good answer: by a fifth in a round trip."""
_UNKNOWN_PAUSE_S = 1.0
_SMOOTHING = 0.2
_DUST = 1e-6
_SLOW_DOWN_CODES = frozenset(
    {"rate_limit_exceeded", "slow_down", "server_is_overloaded", "resource_unavailable"}
)


@dataclass(frozen=True, slots=True)
class Heard:
    """What an outcome says about the pace. `random` is in [0, 1) and spreads pauses."""

    verdict: Verdict
    rate: RateState = field(default_factory=RateState)
    asked_wait_s: float | None = None
    elapsed_s: float | None = None
    tokens: int | None = None
    random: float = 0.0


def heard(outcome: Outcome | None, random: float) -> Heard:
    """What an outcome, or none, says about the pace."""
    if isinstance(outcome, Answered):
        error = outcome.response.get("error")
        code = error.get("code") if isinstance(error, dict) else None
        usage = outcome.usage
        return Heard(
            verdict="slow-down" if code in _SLOW_DOWN_CODES else "good",
            rate=outcome.rate,
            elapsed_s=outcome.elapsed_s,
            tokens=None if usage is None else usage.input + usage.output,
            random=random,
        )
    if isinstance(outcome, Accepted):
        return Heard("good", outcome.rate, elapsed_s=outcome.elapsed_s, random=random)
    if isinstance(outcome, Refused):
        is_slower = (
            classify(outcome) == "rate-limit"
            or outcome.http_status in (503, 529)
            or outcome.error.code in _SLOW_DOWN_CODES
        )
        verdict: Verdict = "slow-down" if is_slower else "neither"
        return Heard(verdict, outcome.rate, outcome.asked_wait_s, random=random)
    return Heard("neither")


@dataclass(slots=True)
class Bucket:
    """One quota of the server, of requests or of tokens, as far as it has told of it.

    `level` is what may still be asked, None while nothing is known; it grows by `per_s` a second.
    Where no rate can be told, all is there again at `whole_at`. Times are monotonic seconds.
    """

    limit: int | None = None
    level: float | None = None
    per_s: float | None = None
    whole_at: float = 0.0
    at: float = 0.0

    def hear(self, figures: Figures, now: float, *, alone: bool) -> None:
        """Take in what a reply says. Replies overtake one another: unless no other request is under
        way, one that says that more is left does not raise the level."""
        if figures.remaining is None:
            return
        self._flow(now)
        self.limit = figures.limit if figures.limit is not None else self.limit
        if figures.reset_s is not None and figures.reset_s > 0:
            missing = (self.limit or 0) - figures.remaining
            self.per_s = missing / figures.reset_s if missing > 0 else self.per_s
        self.whole_at = now + (figures.reset_s or _UNKNOWN_PAUSE_S)
        remaining = float(figures.remaining)
        self.level = remaining if alone or self.level is None else min(self.level, remaining)

    def take(self, amount: float, now: float) -> None:
        """A request leaves."""
        self._flow(now)
        if self.level is not None:
            self.level -= self._bounded(amount)

    def wait_s(self, amount: float, now: float) -> float:
        """Seconds until so much may be asked for."""
        self._flow(now)
        missing = self._bounded(amount) - self.level if self.level is not None else 0.0
        if missing <= _DUST:
            return 0.0
        return missing / self.per_s if self.per_s else max(self.whole_at - now, 0.0)

    def _bounded(self, amount: float) -> float:
        """One request that is larger than the whole quota is for the server to refuse."""
        return amount if self.limit is None else min(amount, self.limit)

    def _flow(self, now: float) -> None:
        if self.level is not None and self.per_s:
            full = float("inf") if self.limit is None else float(self.limit)
            self.level = min(full, self.level + (now - self.at) * self.per_s)
        elif now >= self.whole_at:
            self.level = None
        self.at = now


@dataclass(slots=True, eq=False)
class Lane:
    """The way to one model of one provider, for at most `most` requests at the same time.

    Free until the server says something. Orders to slow down halve the room (once for all requests
    that were under way together), close the lane for a while, and let the next ones leave one after
    another instead of together; good answers widen it again. Times are monotonic seconds.
    """

    most: int
    requests: Bucket = field(default_factory=Bucket)
    tokens: Bucket = field(default_factory=Bucket)
    in_flight: int = 0
    window: float = field(init=False)
    mean_tokens: float = 0.0
    _trip_s: float = 1.0
    _closed_until: float = field(default=float("-inf"))
    _next_at: float = field(default=float("-inf"))
    _cut_at: float = field(default=float("-inf"))
    _strikes: int = 0

    def __post_init__(self) -> None:
        self.window = float(self.most)

    @property
    def is_narrow(self) -> bool:
        """Whether the server has ordered to slow down and full speed is not back yet."""
        return self.window < self.most

    def wait_s(self, tokens: int, now: float) -> float | None:
        """Seconds until one more request may leave; None until one that is under way has ended."""
        if self.in_flight and self.in_flight >= int(self.window):
            return None
        needed = max(float(tokens), self.mean_tokens)
        return max(
            0.0,
            self._closed_until - now,
            self._next_at - now,
            self.requests.wait_s(1.0, now),
            self.tokens.wait_s(needed, now),
        )

    def leave(self, tokens: int, now: float) -> None:
        """A request leaves."""
        self.in_flight += 1
        self.requests.take(1.0, now)
        self.tokens.take(max(float(tokens), self.mean_tokens), now)
        if self.is_narrow:
            self._next_at = max(self._next_at, now) + self._trip_s / max(self.window, 1.0)

    def end(self, told: Heard, left_at: float, now: float) -> None:
        """A request that left at `left_at` is over."""
        self.in_flight -= 1
        alone = self.in_flight == 0
        rate = told.rate
        self.requests.hear(rate.requests, now, alone=alone)
        self.tokens.hear(rate.tokens, now, alone=alone)
        if told.verdict == "good":
            self._widen(told)
        elif told.verdict == "slow-down":
            self._narrow(told, left_at, now)

    def _widen(self, told: Heard) -> None:
        self._strikes = 0
        if told.elapsed_s is not None:
            self._trip_s += _SMOOTHING * (told.elapsed_s - self._trip_s)
        if told.tokens is not None:
            self.mean_tokens += _SMOOTHING * (told.tokens - self.mean_tokens)
        self.window = min(float(self.most), self.window + _GROWTH)
        if not self.is_narrow:
            self._next_at = float("-inf")

    def _narrow(self, told: Heard, left_at: float, now: float) -> None:
        if left_at >= self._cut_at:
            self.window = max(1.0, min(self.window, self.in_flight + 1.0) / 2)
            self._cut_at = now
            self._strikes += 1
        asked = told.asked_wait_s
        if asked is not None and asked > _LONGEST_S:
            return
        if asked is None:
            doubled = _FIRST_PAUSE_S * 2.0 ** min(self._strikes - 1, 10)
            asked = min(doubled, _LONGEST_PAUSE_S) * (0.5 + told.random / 2)
        self._closed_until = max(self._closed_until, now + asked)
