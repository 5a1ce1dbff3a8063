"""The functions that work on text, each paying for its result before it is made.

Numbers and booleans given as text are taken as they would be printed.
"""

from __future__ import annotations

import re
from typing import Any

from flowrunner.language.templates.faults import TemplateFault
from flowrunner.language.templates.meter import Meter
from flowrunner.language.templates.printing import scalar, to_json
from flowrunner.language.templates.values import empty_fault, found, is_empty, is_number

_WORD = re.compile(r"[^\s\-(\[{<]+")
_GROWTH = 3
"""Changing case makes at most three characters of one (Unicode SpecialCasing)."""


def need_text(meter: Meter, value: Any, name: str) -> str:
    """The text of a text, number or boolean, paid for. `name` is the function that needs it."""
    if isinstance(value, str):
        meter.spend(len(value))
        return value
    if is_empty(value):
        raise empty_fault(value, "")
    text = scalar(value)
    if text is None:
        fix = "write `tojson(…)` for its JSON" if name != "split" else None
        raise TemplateFault("wrong-type", f"`{name}` needs a text, found {found(value)}", fix)
    return text


def need_count(value: Any, name: str, most: int) -> int:
    """A whole number from 0 to `most`, as the option `name`."""
    if is_number(value) and value == int(value) and 0 <= value <= most:
        return int(value)
    raise TemplateFault(
        "wrong-type", f"`{name}` must be a whole number from 0 to {most}, found {found(value)}"
    )


def trim(meter: Meter, text: Any, /) -> str:
    return need_text(meter, text, "trim").strip()


def lower(meter: Meter, text: Any, /) -> str:
    return _grown(meter, need_text(meter, text, "lower")).lower()


def upper(meter: Meter, text: Any, /) -> str:
    return _grown(meter, need_text(meter, text, "upper")).upper()


def capitalize(meter: Meter, text: Any, /) -> str:
    return _grown(meter, need_text(meter, text, "capitalize")).capitalize()


def title(meter: Meter, text: Any, /) -> str:
    whole = _grown(meter, need_text(meter, text, "title"))
    meter.new_items(len(whole) // 2)
    return _WORD.sub(lambda word: word[0].capitalize(), whole)


def _grown(meter: Meter, text: str) -> str:
    meter.spend(len(text) * _GROWTH)
    return text


def replace(meter: Meter, text: Any, /, old: Any, new: Any) -> str:
    whole = need_text(meter, text, "replace")
    searched, put = need_text(meter, old, "replace"), need_text(meter, new, "replace")
    if not searched:
        raise TemplateFault(
            "wrong-type", "`replace` needs a text to search for, found an empty one"
        )
    count = whole.count(searched)
    meter.text(len(whole) + count * (len(put) - len(searched)))
    return whole.replace(searched, put)


def split(meter: Meter, text: Any, /, separator: Any = None) -> list[str]:
    whole = need_text(meter, text, "split")
    if separator is None:
        meter.new_items(len(whole) // 2 + 1)
        return whole.split()
    mark = need_text(meter, separator, "split")
    if not mark:
        raise TemplateFault("wrong-type", "`split` needs a separator, found an empty text")
    meter.new_items(whole.count(mark) + 1)
    return whole.split(mark)


def startswith(meter: Meter, text: Any, /, prefix: Any) -> bool:
    if is_empty(text):
        return False
    whole = need_text(meter, text, "startswith")
    return whole.startswith(need_text(meter, prefix, "startswith"))


def endswith(meter: Meter, text: Any, /, suffix: Any) -> bool:
    if is_empty(text):
        return False
    whole = need_text(meter, text, "endswith")
    return whole.endswith(need_text(meter, suffix, "endswith"))


def tojson(meter: Meter, value: Any, /, indent: Any = 0) -> str:
    return to_json(meter, value, "", need_count(indent, "indent", 8))
