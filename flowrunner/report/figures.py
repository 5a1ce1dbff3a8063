"""How numbers are written for people: money, durations, counts, sizes, moments.

The one place for it, so that the terminal, the report and the history say the same thing alike.
"""

from __future__ import annotations

import datetime
import math

from flowrunner.events import JSON

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def money(cost_usd: float | None) -> str:
    """US dollars as people read them: `$0.0009`, `$0.25`, `$1,204.50`; `unknown` where unknown."""
    if cost_usd is None or not math.isfinite(cost_usd):
        return "unknown"
    return f"-${_amount(-cost_usd)}" if cost_usd < 0 else f"${_amount(cost_usd)}"


def _amount(cost_usd: float) -> str:
    if cost_usd < 0.0000001:
        return "0"
    if cost_usd >= 0.99995:
        return f"{cost_usd:,.2f}"
    if cost_usd >= 0.001:
        return _at_least_cents(f"{cost_usd:.4f}")
    return f"{cost_usd:.{1 - math.floor(math.log10(cost_usd))}f}".rstrip("0")


def about_money(cost_usd: float | None) -> str:
    """An estimate, to two figures: `$0.0042`, `$0.03`, `$12`."""
    if cost_usd is None or not math.isfinite(cost_usd) or cost_usd <= 0:
        return money(cost_usd)
    digits = 1 - math.floor(math.log10(cost_usd))
    rounded = round(cost_usd, digits)
    return f"${rounded:,.0f}" if rounded >= 10 else money(rounded)


def _at_least_cents(amount: str) -> str:
    whole, _, cents = amount.partition(".")
    return f"{whole}.{cents.rstrip('0'):0<2}"


def duration(seconds: float | None) -> str:
    """A length of time to read in passing: `40ms`, `3.1s`, `24s`, `4m 05s`, `1h 02m`, `2d 03h`."""
    if seconds is None or not math.isfinite(seconds):
        return "unknown"
    seconds = max(0.0, seconds)
    if seconds < 0.0995:
        return f"{round(seconds * 1000)}ms"
    return f"{seconds:.1f}s" if seconds < 9.95 else _long_duration(round(seconds))


def _long_duration(seconds: int) -> str:
    if seconds < MINUTE:
        return f"{seconds}s"
    if seconds < HOUR:
        return f"{seconds // MINUTE}m {seconds % MINUTE:02d}s"
    if seconds < DAY:
        return f"{seconds // HOUR}h {seconds % HOUR // MINUTE:02d}m"
    return f"{seconds // DAY}d {seconds % DAY // HOUR:02d}h"


def clock(seconds: float) -> str:
    """A length of time as a clock shows it: `0:24`, `12:05`, `1:02:33`."""
    whole = max(0, round(seconds))
    if whole < HOUR:
        return f"{whole // MINUTE}:{whole % MINUTE:02d}"
    return f"{whole // HOUR}:{whole % HOUR // MINUTE:02d}:{whole % MINUTE:02d}"


def count(number: int) -> str:
    """A whole number with thousands separators: `9,410`."""
    return f"{number:,}"


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: `1 step`, `6 steps`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def size(number_of_bytes: int) -> str:
    """A size: `812 bytes`, `64 kB`, `1.2 MB` (1 kB = 1,000 bytes)."""
    if number_of_bytes < 1000:
        return counted(number_of_bytes, "byte")
    if number_of_bytes < 999_500:
        return f"{number_of_bytes / 1000:.0f} kB"
    return f"{number_of_bytes / 1_000_000:.1f} MB"


def attached_words(file: dict[str, JSON]) -> str:
    """An attached file on one line: `scan.png (image/png, 64 kB, detail low)`."""
    facts = [file["media_type"], None if file["bytes"] is None else size(file["bytes"])]
    facts += [f"detail {file['detail']}"] if file["detail"] else []
    told = ", ".join(str(fact) for fact in facts if fact)
    return f"{file['name']} ({told})" if told else str(file["name"])


def share(part: float) -> str:
    """A share of one as per cent: `38%`."""
    return f"{part * 100:.0f}%"


def iso_utc(at: float) -> str:
    """A Unix time as ISO 8601 in UTC with milliseconds: `2026-11-22T07:00:04.120Z`."""
    moment = _moment(at)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def readable_utc(iso: str) -> str:
    """What `iso_utc` wrote, for reading: `22 Nov 2026, 07:00:04 UTC`."""
    year, month, rest = iso.split("-", 2)
    return f"{int(rest[:2])} {_MONTHS[int(month) - 1]} {year}, {rest[3:11]} UTC"


def _moment(at: float) -> datetime.datetime:
    # Rounded to whole milliseconds first: binary fractions of a second would print one too few.
    milliseconds = round(at * 1000)
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return epoch + datetime.timedelta(milliseconds=milliseconds)
