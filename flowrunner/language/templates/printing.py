"""Values as text and as plain JSON: what `{{ … }}` writes and what a typed value hands on.

Lists and objects become JSON, numbers shortest decimals, empty values a fault. Where a printed
text goes is left to the template.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any

from flowrunner.events import JSON
from flowrunner.language.templates.faults import TemplateFault
from flowrunner.language.templates.meter import Meter
from flowrunner.language.templates.values import (
    Empty,
    Record,
    empty_fault,
    is_list,
    named,
)

MAX_DEPTH = 220
"""Lists and objects inside one another; JSON that is read may have 200 levels."""


def printed(meter: Meter, value: Any, name: str) -> str:
    """The text that a value has in a prompt. `name` is how the template writes the value.

    Raises maybe-empty for null and Empty, wrong-type for what cannot be printed as a whole.
    """
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, Empty):
        raise empty_fault(value, name)
    return scalar(value) or to_json(meter, value, name)


def scalar(value: Any) -> str | None:
    """A number or boolean as text; None for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return decimal(value)
    return None


def decimal(number: float) -> str:
    """The shortest decimal that is this number, without an exponent: 12.0 is `12`."""
    if not math.isfinite(number):
        raise TemplateFault("wrong-type", "the result of this calculation is not a number")
    if number == 0:
        return "0"
    text = float.__repr__(number)
    if "e" in text:
        text = format(Decimal(text), "f")
    return text.removesuffix(".0")


def to_json(meter: Meter, value: Any, name: str, indent: int = 0) -> str:
    """A value as JSON: UTF-8 unescaped, `, ` and `: ` between parts, or indented."""
    parts: list[str] = []
    writer = _Writer(meter, parts, name, indent)
    writer.write(value, 0)
    text = "".join(parts)
    meter.text(len(text))
    return text


class _Writer:
    def __init__(self, meter: Meter, parts: list[str], name: str, indent: int) -> None:
        self.meter = meter
        self.parts = parts
        self.name = name
        self.indent = indent

    def write(self, value: Any, depth: int) -> None:
        if isinstance(value, str):
            self.meter.spend(len(value))
            self.parts.append(encode_basestring(value))
        elif value is None:
            self.parts.append("null")
        elif isinstance(value, Empty):
            raise empty_fault(value, self.name)
        elif isinstance(value, Mapping) or is_list(value):
            self.meter.parts(len(value) + 1)
            self.write_items(value, depth + 1)
        else:
            self.parts.append(scalar(value) or _refuse(value, self.name))

    def write_items(self, value: Mapping[str, Any] | Sequence[Any], depth: int) -> None:
        check_whole(value, depth, self.name)
        if not isinstance(value, Mapping):
            self.write_all([("", item) for item in value], "[]", depth)
            return
        self.meter.spend(sum(map(len, value)))
        keyed = [(f"{encode_basestring(key)}: ", value[key]) for key in value]
        self.write_all(keyed, "{}", depth)

    def write_all(self, items: list[tuple[str, Any]], brackets: str, depth: int) -> None:
        wrap = bool(self.indent and items)
        inner = "\n" + " " * (self.indent * depth) if wrap else ""
        between = "," + inner if wrap else ", "
        lead = brackets[0] + inner
        for label, item in items:
            self.meter.spend(len(lead))
            self.parts.append(lead + label)
            self.write(item, depth)
            lead = between
        outer = "\n" + " " * (self.indent * (depth - 1)) if wrap else ""
        self.parts.append((outer if items else brackets[0]) + brackets[1])


def check_whole(value: Any, depth: int, name: str) -> None:
    """Raise where a list or object cannot be written or handed on as a whole."""
    if depth > MAX_DEPTH:
        raise TemplateFault("template-limit", f"{named(name)} is nested too deeply")
    if isinstance(value, Record) and value.unprintable is not None:
        raise TemplateFault(
            "wrong-type", f"`{value.name}` cannot be used as a whole", value.unprintable
        )


def plain(meter: Meter, value: Any, name: str, depth: int = 0) -> JSON:
    """A value as plain JSON that shares nothing with its source; an Empty becomes null."""
    if isinstance(value, str | bool | int | float) or value is None:
        return value
    if isinstance(value, Empty):
        return None
    if isinstance(value, Mapping) or is_list(value):
        meter.parts(len(value) + 1)
        check_whole(value, depth + 1, name)
        if isinstance(value, Mapping):
            return {str(key): plain(meter, value[key], name, depth + 1) for key in value}
        return [plain(meter, item, name, depth + 1) for item in value]
    return _refuse(value, name)


def _refuse(value: Any, name: str) -> str:
    del value
    raise TemplateFault("wrong-type", f"{named(name)} is no value that can be written as text")
