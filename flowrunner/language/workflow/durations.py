"""Durations as people write them: `30s`, `5m`, `2h`, `1d`."""

from __future__ import annotations

import re

_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LONGEST_S = 366 * 86_400


def read_duration(text: str) -> float | None:
    """The seconds of a duration above zero and at most a year; None for any other text."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        return None
    seconds = float(match[1]) * _SECONDS[match[2]]
    return seconds if 0 < seconds <= _LONGEST_S else None
