"""One shape: the frozen value that everything else in this package reads or makes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal, TypeAlias

from flowrunner.events import JSON


class Missing(Enum):
    """The type of `MISSING`, which says that no default was written (null is a default too)."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING

Kind: TypeAlias = Literal[
    "text",
    "number",
    "integer",
    "yes_no",
    "date",
    "choice",
    "list",
    "object",
    "file",
    "files",
    "table",
    "json",
    "any",
]


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape of one value.

    `choices` belong to a choice, `item` to a list, `fields` to an object, `columns` to a table.
    `free` marks a text that a model wrote without a declared shape, or an object that may have any
    fields; `optional` a value that may be empty. `any` is a value of which nothing is known; so is
    every part of it.
    """

    kind: Kind
    describe: str | None = None
    optional: bool = False
    default: JSON = MISSING
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    item: Shape | None = None
    fields: tuple[tuple[str, Shape], ...] = ()
    free: bool = False
    secret: bool = False
    columns: tuple[tuple[str, Shape], ...] = ()

    def field(self, name: str) -> Shape | None:
        """The shape of a field by its name, or None where there is no such field."""
        return next((shape for known, shape in self.fields if known == name), None)


ANY: Final = Shape("any")
