"""What headers say: rate-limit figures, Retry-After, x-should-retry, the id of the request.

Plain numbers only; whether anybody waits is decided in `retry`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

_DURATION = re.compile(r"(?:\d{1,12}(?:\.\d{1,12})?(?:ms|h|m|s))+", re.ASCII)
_DURATION_PART = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(ms|h|m|s)", re.ASCII)
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST_ID = 512
_NUMBER = re.compile(r"[+-]?\d{1,400}(?:\.\d{0,400})?(?:[eE][+-]?\d{1,4})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Figures:
    """What is said of one quota; None where it is not said. `reset_s` is as in `RateState`."""

    limit: int | None = None
    remaining: int | None = None
    reset_s: float | None = None


@dataclass(frozen=True, slots=True)
class RateState:
    """What is left of a rate limit; None where the server did not say it credibly.

    `reset_…_s` is the time until the *whole* quota is back, in seconds, not the wait that the next
    request needs (Responses API: `x-ratelimit-reset-*`).
    """

    limit_requests: int | None = None
    remaining_requests: int | None = None
    reset_requests_s: float | None = None
    limit_tokens: int | None = None
    remaining_tokens: int | None = None
    reset_tokens_s: float | None = None

    @property
    def requests(self) -> Figures:
        """The quota of requests."""
        return Figures(self.limit_requests, self.remaining_requests, self.reset_requests_s)

    @property
    def tokens(self) -> Figures:
        """The quota of tokens."""
        return Figures(self.limit_tokens, self.remaining_tokens, self.reset_tokens_s)


def read_rate(headers: Mapping[str, str]) -> RateState:
    """The rate-limit figures of a reply. `headers` have lower-case names.

    Where a server names only a variant (`…-tokens_usage_based`, `…-project-tokens`), the variant
    counts. Azure sends -1 and 0 for what it does not know: taken as not said.
    """
    requests, tokens = _figures(headers, "requests"), _figures(headers, "tokens")
    return RateState(*requests, *tokens)


def _figures(headers: Mapping[str, str], what: str) -> tuple[int | None, int | None, float | None]:
    limit = _whole(_named(headers, "limit", what))
    remaining = _whole(_named(headers, "remaining", what))
    if not limit:
        limit, remaining = None, remaining or None
    return limit, remaining, parse_duration(_named(headers, "reset", what) or "")


def _named(headers: Mapping[str, str], figure: str, what: str) -> str | None:
    prefix = f"x-ratelimit-{figure}-"
    if prefix + what in headers:
        return headers[prefix + what]
    variants = (name for name in sorted(headers) if name.startswith(prefix) and what in name)
    return next((headers[name] for name in variants), None)


def _whole(text: str | None) -> int | None:
    stripped = (text or "").strip()
    return int(stripped) if re.fullmatch(r"\d{1,18}", stripped, re.ASCII) else None


def parse_duration(text: str) -> float | None:
    """Seconds in a duration as the API writes it (`1s`, `6m0s`, `12ms`, `1h2m3s`), else None."""
    text = text.strip()
    if not _DURATION.fullmatch(text):
        return None
    return sum(float(count) * _UNIT_S[unit] for count, unit in _DURATION_PART.findall(text))


def asked_wait_s(headers: Mapping[str, str], now: float) -> float | None:
    """How many seconds the server asks to wait, at least 0, or None when it does not say it.

    `retry-after-ms` counts before `retry-after` (seconds or an HTTP date), as in the official
    client; what is no number, negative or a date of the past says nothing. `now` is Unix time; the
    reply's own `date` header counts before it, since the two clocks may differ.
    """
    in_ms = _seconds(headers.get("retry-after-ms"))
    if in_ms is not None:
        return in_ms / 1000
    text = headers.get("retry-after")
    seconds = _seconds(text)
    if seconds is not None or text is None:
        return seconds
    until = _unix_time(text)
    sent = _unix_time(headers.get("date", ""))
    left = None if until is None else until - (now if sent is None else sent)
    return left if left is not None and left > 0 else None


def poll_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """How many seconds the server asks to wait before the next look at a background response, or
    None (`openai-poll-after-ms` in milliseconds, else as `asked_wait_s`)."""
    in_ms = _seconds(headers.get("openai-poll-after-ms"))
    return asked_wait_s(headers, now) if in_ms is None else in_ms / 1000


def _seconds(text: str | None) -> float | None:
    stripped = (text or "").strip()
    if not _NUMBER.fullmatch(stripped):
        return None
    number = float(stripped)
    return number if number >= 0 else None


def _unix_time(text: str) -> float | None:
    try:
        date = parsedate_to_datetime(text.strip())
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def should_retry(headers: Mapping[str, str]) -> bool | None:
    """What `x-should-retry` orders: True, False, or None where the server leaves it open."""
    return {"true": True, "false": False}.get(headers.get("x-should-retry", "").strip().lower())


def request_id(headers: Mapping[str, str]) -> str | None:
    """The server's own id of a request, by which its support finds it (Azure: apim-request-id)."""
    found = headers.get("x-request-id") or headers.get("apim-request-id")
    return found[:_LONGEST_ID] if found else None
