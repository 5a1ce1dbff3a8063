"""The rate limits that replies speak of: two buckets that fill steadily.

Where a number of requests a minute is ordered, what goes beyond it is refused; else nothing is.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from flowrunner.simulator.envelope import Refusal

# Wider than the simulator is fast, so that a client which obeys them is never slowed down.
_REQUESTS_A_MINUTE = 600_000
_TOKENS_A_MINUTE = 6_000_000_000


class _Bucket:
    def __init__(self, limit: int, clock: Callable[[], float]) -> None:
        self.limit = limit
        self._clock = clock
        self._left = float(limit)
        self._seen = clock()

    def take(self, amount: int) -> None:
        now = self._clock()
        filled = max(0.0, now - self._seen) * self.limit / 60
        self._seen = now
        self._left = max(0.0, min(float(self.limit), self._left + filled) - amount)

    @property
    def left(self) -> int:
        return int(self._left)

    @property
    def wait_s(self) -> float:
        """Seconds until one more may come."""
        return max(0.0, 1 - self._left) * 60 / self.limit

    @property
    def reset_s(self) -> float:
        return (self.limit - self._left) * 60 / self.limit


class RateLimits:
    """Requests and tokens of the minute. `clock` gives seconds; `requests_a_minute` is held to."""

    def __init__(self, clock: Callable[[], float], requests_a_minute: int | None = None) -> None:
        self._is_strict = requests_a_minute is not None
        self._requests = _Bucket(requests_a_minute or _REQUESTS_A_MINUTE, clock)
        self._tokens = _Bucket(_TOKENS_A_MINUTE, clock)

    def admit(self) -> None:
        """Count a request that asks for an answer. Raises Refusal where there are too many."""
        self._requests.take(0)
        if self._is_strict and self._requests.left < 1:
            limit = self._requests.limit
            message = (
                f"Rate limit reached for requests per min (RPM): Limit {limit}, Used {limit}, "
                "Requested 1. Please try again later."
            )
            wait_s = math.ceil(self._requests.wait_s)
            raise Refusal(
                message,
                code="rate_limit_exceeded",
                status=429,
                headers=(("retry-after", str(wait_s)),),
            )
        self._requests.take(1)

    def told(self, tokens: int) -> dict[str, str]:
        """The `x-ratelimit-*` headers after an answer of so many tokens."""
        self._tokens.take(tokens)
        return {
            "x-ratelimit-limit-requests": str(self._requests.limit),
            "x-ratelimit-limit-tokens": str(self._tokens.limit),
            "x-ratelimit-remaining-requests": str(self._requests.left),
            "x-ratelimit-remaining-tokens": str(self._tokens.left),
            "x-ratelimit-reset-requests": duration(self._requests.reset_s),
            "x-ratelimit-reset-tokens": duration(self._tokens.reset_s),
        }


def duration(seconds: float) -> str:
    """Seconds as the API writes them: `0s`, `12ms`, `1.5s`, `6m0s`, `1h2m3s`."""
    millis = round(seconds * 1000)
    if millis < 1000:
        return f"{millis}ms" if millis else "0s"
    whole, rest = divmod(millis, 60_000)
    hours, minutes = divmod(whole, 60)
    text = f"{rest / 1000:g}s"
    if whole:
        text = f"{minutes}m{text}"
    return f"{hours}h{text}" if hours else text
