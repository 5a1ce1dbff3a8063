"""How single values of a fault plan are read: numbers, texts, choices.

Which key takes what is left to `keys`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Reader: TypeAlias = Callable[[Any], dict[str, Any]]
"""From what was written under a key to the fields of a Match or Effect; raises Wrong."""


class Wrong(Exception):
    """What was expected, to be put after "must be"."""


def found(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    kind = "number" if isinstance(value, int | float) else "text"
    return f"the {kind} `{str(value)[:60]}`"


def whole(value: Any, low: int, high: int | None = None) -> int:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if is_whole and low <= value and (high is None or value <= high):
        return int(value)
    raise Wrong(f"a whole number from {low} " + ("on" if high is None else f"to {high}"))


def number(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9:
        return float(value)
    raise Wrong("a number of seconds, 0 or more")


def yes(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise Wrong("`true` or `false`")


def words(value: Any) -> str:
    if isinstance(value, str) and value:
        return value
    raise Wrong("a text")


def one_of(*choices: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value in choices:
            return str(value)
        raise Wrong("one of " + ", ".join(f"`{choice}`" for choice in choices))

    return read


def as_field(field: str, read: Callable[[Any], Any]) -> Reader:
    return lambda value: {field: read(value)}


def mapping(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {str(key): inner for key, inner in value.items()}
    raise Wrong("a mapping")
