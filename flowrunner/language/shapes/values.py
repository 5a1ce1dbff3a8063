"""Checking values by their shape, and reading them from the plain text of a command line.

Faults are whole sentences with the place inside the value: `items[2].total` must be a number.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Iterator, Mapping

from flowrunner import json_text
from flowrunner.diagnostics import did_you_mean
from flowrunner.events import JSON
from flowrunner.language.shapes.shape import MISSING, Shape
from flowrunner.language.shapes.words import expected, found, quoted

_MOST_FAULTS = 20
_INTEGER = re.compile(r"[+-]?\d{1,4000}")
_NUMBER = re.compile(r"[+-]?(\d{1,4000}(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class UnreadableValue(ValueError):
    """A text that is no value of the shape asked for; its message is a whole sentence."""


def check_value(shape: Shape, value: JSON, name: str = "") -> list[str]:
    """What is wrong with a JSON value, one sentence a fault, at most twenty; [] when it fits.

    `name` is what the value as a whole is called; without one it is "the value".
    """
    faults = _faults(shape, value, name)
    return [fault for fault, _ in zip(faults, range(_MOST_FAULTS), strict=False)]


def _faults(shape: Shape, value: JSON, path: str) -> Iterator[str]:
    may_be_empty = shape.optional or shape.default is not MISSING
    if shape.kind in {"any", "json"} or (value is None and may_be_empty):
        return
    named = f"`{path}`" if path else "the value"
    if not _fits(shape, value):
        yield f"{named} must be {expected(shape)}, found {found(value)}{_meant(shape, value)}"
    elif shape.kind == "list":
        for position, item in enumerate(value):
            yield from _faults(shape.item or Shape("any"), item, f"{path}[{position}]")
    elif shape.kind == "object":
        yield from _object_faults(shape, value, path)
    else:
        yield from _bound_faults(shape, value, named)


def _fits(shape: Shape, value: JSON) -> bool:
    return shape.kind not in _FITS or _FITS[shape.kind](shape, value)


def _is_number(value: JSON) -> bool:
    return not isinstance(value, bool) and (
        isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    )


def _is_day(text: str) -> bool:
    if not _DAY.fullmatch(text):
        return False
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return True


_FITS: dict[str, Callable[[Shape, JSON], bool]] = {
    "text": lambda _, value: isinstance(value, str),
    "file": lambda _, value: isinstance(value, str),
    "files": lambda _, value: isinstance(value, str),
    "number": lambda _, value: _is_number(value),
    "integer": lambda _, value: _is_number(value) and value == math.floor(value),
    "yes_no": lambda _, value: isinstance(value, bool),
    "date": lambda _, value: isinstance(value, str) and _is_day(value),
    "choice": lambda shape, value: isinstance(value, str) and value in shape.choices,
    "list": lambda _, value: isinstance(value, list | tuple),
    "table": lambda _, value: isinstance(value, list | tuple),
    "object": lambda _, value: isinstance(value, Mapping),
}


def _meant(shape: Shape, value: JSON) -> str:
    near = did_you_mean(value, shape.choices) if isinstance(value, str) and value else None
    return f": did you mean `{near}`?" if near else ""


def _object_faults(shape: Shape, value: Mapping[str, JSON], path: str) -> Iterator[str]:
    if shape.free:
        return
    known = dict(shape.fields)
    missing = [name for name in known if name not in value]
    for name, field in shape.fields:
        if name in value:
            yield from _faults(field, value[name], _below(path, name))
        elif not field.optional and field.default is MISSING:
            yield f"`{_below(path, name)}` is missing"
    for name in value:
        if name not in known:
            near = did_you_mean(str(name), missing)
            hint = f": did you mean `{near}`?" if near else ""
            yield f"{quoted(_below(path, str(name)))} is not a declared field{hint}"


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _bound_faults(shape: Shape, value: JSON, named: str) -> Iterator[str]:
    if shape.minimum is not None and value < shape.minimum:
        yield f"{named} must be at least {shape.minimum}, found {value}"
    if shape.maximum is not None and value > shape.maximum:
        yield f"{named} must be at most {shape.maximum}, found {value}"


def read_plain(shape: Shape, text: str) -> JSON:
    """The value that a text of the command line stands for.

    Lists, objects and `json` are read as JSON; the path of a `file` stays a text. Raises
    `UnreadableValue` with a sentence about "the value" where the text is none.
    """
    match shape.kind:
        case "text" | "file" | "files" | "table" | "date" | "choice":
            value: JSON = text if shape.kind in {"text", "file", "files"} else text.strip()
        case "number" | "integer":
            value = _read_number(shape, text.strip())
        case "yes_no":
            value = {"true": True, "yes": True, "false": False, "no": False}.get(
                text.strip().lower(), text
            )
        case _:
            value = _read_json(shape, text)
    faults = [] if shape.kind == "table" else check_value(shape, value)
    if faults:
        raise UnreadableValue(faults[0])
    return value


def _read_number(shape: Shape, text: str) -> JSON:
    if _INTEGER.fullmatch(text):
        return int(text)
    if shape.kind == "number" and _NUMBER.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else text
    if shape.kind == "number" and re.fullmatch(r"[+-]?\d+,\d+", text):
        point = text.replace(",", ".")
        raise UnreadableValue(
            f"the value must be a number with a point, such as `{point}`, found {quoted(text)}"
        )
    return text


def _read_json(shape: Shape, text: str) -> JSON:
    try:
        return json_text.parse(text)
    except json_text.NotJson as fault:
        wanted = "JSON" if shape.kind == "json" else f"{expected(shape)}, written as JSON"
        if fault.line is None:
            message = f"the value must be {wanted}: {fault.message}"
        else:
            place = f"line {fault.line}, column {fault.column}"
            message = (
                f"the value must be {wanted}, found {quoted(text)}, which breaks off at {place}"
            )
        raise UnreadableValue(message) from None
