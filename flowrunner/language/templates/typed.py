"""What is known of a value before anything runs: its shape, its literal, how it is written.

Which shapes the parts of a template have is left to `analysis`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from flowrunner.language.shapes import ANY, MISSING, Shape
from flowrunner.language.shapes.words import alternatives, quoted
from flowrunner.language.templates.faults import UNPLACED

Group: TypeAlias = Literal["text", "number", "yes_no", "list", "object", "unknown"]

_GROUPS: dict[str, Group] = {
    "text": "text",
    "date": "text",
    "choice": "text",
    "number": "number",
    "integer": "number",
    "yes_no": "yes_no",
    "list": "list",
    "files": "list",
    "table": "list",
    "object": "object",
    "file": "object",
}
_KINDS: dict[str, str] = {
    "text": "a text",
    "date": "a date",
    "number": "a number",
    "integer": "a whole number",
    "yes_no": "`true` or `false`",
    "list": "a list",
    "files": "a list of files",
    "table": "a list of rows",
    "object": "an object",
    "file": "a file",
}

TEXT = Shape("text")
NUMBER = Shape("number")
INTEGER = Shape("integer")
YES_NO = Shape("yes_no")

_FILE = Shape(
    "object",
    fields=(
        ("path", TEXT),
        ("name", TEXT),
        ("stem", TEXT),
        ("ext", TEXT),
        ("size", INTEGER),
        ("text", TEXT),
    ),
)


@dataclass(frozen=True)
class Typed:
    """One expression: the shape of its value, its value where it is a literal, and its text.

    `items` are those of a list that is written out, `span` where it stands in the source.
    """

    shape: Shape
    name: str = ""
    literal: Any = MISSING
    items: tuple[Typed, ...] = ()
    span: tuple[int, int] = (UNPLACED, 0)

    @property
    def group(self) -> Group:
        """The kinds that are compared with one another."""
        return _GROUPS.get(self.shape.kind, "unknown")

    @property
    def may_be_empty(self) -> bool:
        """Whether the value may be null: it is optional and nothing stands in for it."""
        return self.shape.optional and self.shape.default in (MISSING, None)

    @property
    def is_word(self) -> bool:
        """Whether it is a literal text that says something."""
        return isinstance(self.literal, str) and bool(self.literal.strip())

    @property
    def kind(self) -> str:
        """What it is, for a sentence: "a list", "one of `a` or `b`", "the text `x`"."""
        if isinstance(self.literal, str):
            return f"the text {quoted(self.literal)}" if self.literal else "an empty text"
        if self.shape.kind == "choice":
            return f"one of {alternatives(self.shape.choices)}"
        return _KINDS.get(self.shape.kind, "a value")


def present(shape: Shape) -> Shape:
    """The shape without being optional."""
    return replace(shape, optional=False) if shape.optional else shape


def optional(shape: Shape) -> Shape:
    """The shape of a value that may be empty; a default no longer stands in for it."""
    return replace(shape, optional=True, default=MISSING)


def structure(shape: Shape) -> Shape:
    """The shape that fields and items are looked up in: a file is its fields, a table its rows."""
    if shape.kind == "file":
        return _FILE
    if shape.kind == "files":
        return Shape("list", item=Shape("file"))
    if shape.kind == "table":
        return Shape("list", item=Shape("object", columns=shape.columns) if shape.columns else ANY)
    return shape


def item_of(shape: Shape) -> Shape:
    """The shape of the items of a list; ANY where it is not known."""
    return structure(shape).item or ANY


def field_of(shape: Shape, name: str) -> Shape | None:
    """The shape of a field of an object, or None where it has no such field.

    A row has every column; those of which no shape was declared are text.
    """
    if shape.columns:
        return dict(shape.columns).get(name, TEXT)
    return structure(shape).field(name)


def field_names(shape: Shape) -> list[str]:
    """The names of the fields of an object."""
    return [name for name, _ in structure(shape).fields]


def joined(shapes: Iterable[Shape]) -> Shape:
    """The shape of a value that has one of several shapes; ANY where nothing is left in common."""
    result: Shape | None = None
    for shape in shapes:
        result = shape if result is None else _joined(result, shape)
    return ANY if result is None else result


def _joined(one: Shape, other: Shape) -> Shape:
    if one == other:
        return one
    empty = any(Typed(shape).may_be_empty for shape in (one, other))
    both = {one.kind, other.kind}
    if both <= {"text", "choice", "date"}:
        return _joined_texts(one, other, empty)
    if both <= {"number", "integer"}:
        return Shape("number" if "number" in both else "integer", optional=empty)
    if both == {"list"}:
        return Shape("list", item=joined([one.item or ANY, other.item or ANY]), optional=empty)
    if len(both) == 1 and one.kind != "object":
        return replace(one, optional=empty, default=MISSING)
    return Shape("any", optional=empty)


def _joined_texts(one: Shape, other: Shape, empty: bool) -> Shape:
    if one.kind == other.kind == "choice":
        choices = dict.fromkeys((*one.choices, *other.choices))
        return Shape("choice", choices=tuple(choices), optional=empty)
    kind = one.kind if one.kind == other.kind else "text"
    return Shape(kind, free=one.free or other.free, optional=empty)
