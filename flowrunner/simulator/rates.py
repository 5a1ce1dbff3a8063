"""The rate limits that replies speak of: two buckets that fill steadily, read from headers only.

Nothing is refused by them; an ordered fault does that.
"""

from __future__ import annotations

from collections.abc import Callable

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
    def reset_s(self) -> float:
        return (self.limit - self._left) * 60 / self.limit


class RateLimits:
    """Requests and tokens of the minute. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._requests = _Bucket(_REQUESTS_A_MINUTE, clock)
        self._tokens = _Bucket(_TOKENS_A_MINUTE, clock)

    def take(self, tokens: int) -> dict[str, str]:
        """Count one request of so many tokens; the `x-ratelimit-*` headers after it."""
        self._requests.take(1)
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
