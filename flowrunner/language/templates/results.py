"""What the functions of templates need and give, as shapes, before anything runs.

What they do with values is left to `functions`; the walk over a template to `analysis`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from flowrunner.language.shapes import ANY, Shape
from flowrunner.language.templates.typed import (
    INTEGER,
    NUMBER,
    TEXT,
    YES_NO,
    Group,
    Typed,
    item_of,
    joined,
    optional,
    present,
)


@dataclass(frozen=True)
class Use:
    """One call: the value, its options by name, and the shape of the field that it names."""

    subject: Typed
    options: Mapping[str, Typed]
    attribute: Shape | None

    @property
    def items(self) -> Shape:
        """The shape of what the function goes by: the field it names, or the items themselves."""
        return self.attribute or item_of(self.subject.shape)


Result: TypeAlias = Callable[[Use], Shape]


@dataclass(frozen=True)
class Signature:
    """What a function takes in front of `|`, and the shape of what it gives."""

    takes: tuple[Group, ...]
    gives: Result
    may_be_empty: bool = False
    """Whether the value may be empty without fault."""


_SCALARS: tuple[Group, ...] = ("text", "number", "yes_no")
_EVERYTHING: tuple[Group, ...] = (*_SCALARS, "list", "object")
_LIST: tuple[Group, ...] = ("list",)


def _always(shape: Shape) -> Result:
    return lambda _use: shape


def _same_text(use: Use) -> Shape:
    return Shape("text", free=use.subject.shape.free)


def _same_list(use: Use) -> Shape:
    return Shape("list", item=item_of(use.subject.shape))


def _item(use: Use) -> Shape:
    return item_of(use.subject.shape)


def _mapped(use: Use) -> Shape:
    if "default" not in use.options:
        return Shape("list", item=use.items)
    return Shape("list", item=joined([present(use.items), use.options["default"].shape]))


def _total(use: Use) -> Shape:
    return INTEGER if use.items.kind == "integer" else NUMBER


def _defaulted(use: Use) -> Shape:
    fallback = use.options.get("fallback", Typed(TEXT, literal=""))
    return either(use.subject, fallback)


def either(value: Typed, fallback: Typed) -> Shape:
    """The shape of a value or, where it is empty, of what stands in for it."""
    shape = present(value.shape)
    if shape.kind == "choice" and isinstance(fallback.literal, str):
        return Shape("choice", choices=(*shape.choices, fallback.literal))
    if shape.kind == "text" and isinstance(fallback.literal, str):
        return shape
    if fallback.shape.kind == "list" and fallback.literal == () and shape.kind != "any":
        return shape
    return joined([shape, fallback.shape])


def first_present(values: list[Typed]) -> Shape:
    """The shape of `first(a, b, …)`, which is empty only where all of them are."""
    *others, last = values
    shape = joined([*(present(value.shape) for value in others), present(last.shape)])
    all_empty = all(value.may_be_empty for value in values)
    return optional(shape) if all_empty else shape


def _number(use: Use) -> Shape:
    return TEXT if "digits" in use.options else NUMBER


def _rounded(use: Use) -> Shape:
    return NUMBER if "digits" in use.options else INTEGER


_TEXT = Signature(_SCALARS, _same_text)
_CHOSEN = Signature(_LIST, _same_list)
_EXTREME = Signature(_LIST, lambda use: use.items)
_PAIRS = Shape("list", item=Shape("list", item=ANY))

SIGNATURES: Mapping[str, Signature] = {
    "first": Signature(_LIST, _item),
    "default": Signature(_EVERYTHING, _defaulted, may_be_empty=True),
    "length": Signature(("list", "object", "text"), _always(INTEGER)),
    "join": Signature(_LIST, _always(TEXT)),
    "last": Signature(_LIST, _item),
    "sum": Signature(_LIST, _total),
    "min": _EXTREME,
    "max": _EXTREME,
    "sort": _CHOSEN,
    "unique": _CHOSEN,
    "map": Signature(_LIST, _mapped),
    "selectattr": _CHOSEN,
    "rejectattr": _CHOSEN,
    "share": Signature(_LIST, _always(NUMBER)),
    "list": _CHOSEN,
    "items": Signature(("object",), _always(_PAIRS)),
    "table": Signature(_LIST, _always(TEXT)),
    "csv": Signature(_LIST, _always(TEXT)),
    "replace": _TEXT,
    "split": Signature(_SCALARS, _always(Shape("list", item=TEXT))),
    "trim": _TEXT,
    "lower": _TEXT,
    "upper": _TEXT,
    "title": _TEXT,
    "capitalize": _TEXT,
    "startswith": Signature(_SCALARS, _always(YES_NO), may_be_empty=True),
    "endswith": Signature(_SCALARS, _always(YES_NO), may_be_empty=True),
    "contains": Signature(("text", "list", "object"), _always(YES_NO), may_be_empty=True),
    "tojson": Signature(_EVERYTHING, _always(TEXT)),
    "round": Signature(("number",), _rounded),
    "number": Signature(("number", "text"), _number),
    "date": Signature(("text",), _always(TEXT)),
    "days_before": Signature(("text",), _always(Shape("date"))),
}
"""By the name of the function; every function has one."""

NEEDS: Mapping[tuple[Group, ...], str] = {
    _SCALARS: "a text",
    _LIST: "a list",
    ("list", "object", "text"): "a list, an object or a text",
    ("text", "list", "object"): "a list, an object or a text",
    ("object",): "an object",
    ("number",): "a number",
    ("number", "text"): "a number or a text",
    ("text",): "a date",
}
"""How a sentence says what a function takes."""
