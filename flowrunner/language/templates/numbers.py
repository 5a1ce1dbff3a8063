"""The functions that work on numbers and dates: reading, rounding, writing, counting days back.

Decimals are rounded as people round them: 2.675 with two digits is 2.68.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from flowrunner.language.templates.faults import TemplateFault
from flowrunner.language.templates.meter import Meter
from flowrunner.language.templates.operators import bounded, need_number
from flowrunner.language.templates.printing import decimal
from flowrunner.language.templates.texts import need_count
from flowrunner.language.templates.values import empty_fault, found, is_empty, is_number

MAX_DIGITS = 20
_LONGEST_FORM = 100
_COST = 300
"""What exact decimals and dates cost, in characters."""

_PRECISE = Context(prec=2_000)
"""Enough for every number that `bounded` lets pass."""

_NUMBER = re.compile(r"[+-]?\d{1,300}(\.\d{1,300})?")
_EXACT = re.compile(r"[+-]?\d+")

_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_RUN = re.compile(r"[A-Za-z]+")


def round_number(meter: Meter, number: Any, /, digits: Any = 0) -> Any:
    meter.spend(_COST)
    value = bounded(need_number("round", number))
    rounded = _rounded(value, need_count(digits, "digits", MAX_DIGITS))
    return int(rounded) if rounded == rounded.to_integral_value() else float(rounded)


def number(meter: Meter, value: Any, /, digits: Any = None) -> Any:
    meter.spend(_COST + (len(value) if isinstance(value, str) else 0))
    read = _read_number(value)
    if digits is None:
        return read
    return format(_rounded(read, need_count(digits, "digits", MAX_DIGITS)), "f")


def _rounded(value: Any, digits: int) -> Decimal:
    exact = Decimal(decimal(value) if isinstance(value, float) else int(value))
    result = exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, _PRECISE)
    return abs(result) if result.is_zero() else result


def _read_number(value: Any) -> Any:
    if is_number(value):
        return bounded(value)
    if is_empty(value):
        raise empty_fault(value, "")
    text = value.strip() if isinstance(value, str) else ""
    if not _NUMBER.fullmatch(text):
        shown = "a text that is none" if isinstance(value, str) else found(value)
        raise TemplateFault(
            "wrong-type",
            f"`number` needs a number such as `1234.5`, found {shown}",
            "take signs and separators away first, with `replace(…, ',', '')`",
        )
    return bounded(int(text) if _EXACT.fullmatch(text) else float(text))


def date(meter: Meter, value: Any, /, form: Any = "YYYY-MM-DD") -> str:
    meter.spend(_COST)
    moment = _moment(value, "date")
    if not isinstance(form, str) or len(form) > _LONGEST_FORM:
        raise TemplateFault(
            "wrong-type", f"`date` needs a form such as `'YYYY-MM-DD'`, found {found(form)}"
        )
    return _RUN.sub(lambda run: _write_run(moment, run[0]), form)


def _write_run(moment: datetime.datetime, letters: str) -> str:
    """Letters of a form: its parts where they are nothing else, so that words stay words."""
    if not _PARTS_ONLY.fullmatch(letters):
        return letters
    return _PART.sub(lambda part: _WRITTEN[part[0]](moment), letters)


_WRITTEN: Mapping[str, Callable[[datetime.datetime], str]] = {
    "YYYY": lambda moment: f"{moment.year:04}",
    "YY": lambda moment: f"{moment.year % 100:02}",
    "MMMM": lambda moment: _MONTHS[moment.month - 1],
    "MMM": lambda moment: _MONTHS[moment.month - 1][:3],
    "MM": lambda moment: f"{moment.month:02}",
    "M": lambda moment: str(moment.month),
    "DDDD": lambda moment: _DAYS[moment.weekday()],
    "DDD": lambda moment: _DAYS[moment.weekday()][:3],
    "DD": lambda moment: f"{moment.day:02}",
    "D": lambda moment: str(moment.day),
    "HH": lambda moment: f"{moment.hour:02}",
    "mm": lambda moment: f"{moment.minute:02}",
    "ss": lambda moment: f"{moment.second:02}",
    "T": lambda _moment: "T",
}
_PART = re.compile("|".join(_WRITTEN))
_PARTS_ONLY = re.compile(f"(?:{_PART.pattern})+")


def days_before(meter: Meter, value: Any, /, days: Any) -> str:
    meter.spend(_COST)
    moment = _moment(value, "days_before")
    if not is_number(days) or days != int(days):
        raise TemplateFault(
            "wrong-type", f"`days_before` needs a whole number of days, found {found(days)}"
        )
    try:
        return (moment.date() - datetime.timedelta(days=int(days))).isoformat()
    except OverflowError:
        raise TemplateFault(
            "wrong-type", "`days_before` reaches a day before the year 1 or after the year 9999"
        ) from None


def _moment(value: Any, name: str) -> datetime.datetime:
    if is_empty(value):
        raise empty_fault(value, "")
    if isinstance(value, str) and len(value) <= _LONGEST_FORM:
        try:
            return datetime.datetime.fromisoformat(value.strip())
        except ValueError:
            pass
    raise TemplateFault(
        "wrong-type", f"`{name}` needs a date such as `2026-01-31`, found {found(value)}"
    )
