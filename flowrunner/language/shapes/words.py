"""How values and shapes are named in sentences, so that every message about them sounds alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flowrunner.events import JSON
from flowrunner.language.shapes.shape import Shape

_LONGEST = 40
_MOST_WORDS = 12

_EXPECTED = {
    "text": "text",
    "number": "a number",
    "integer": "a whole number",
    "yes_no": "`true` or `false`",
    "date": "a date that exists, written as `2026-01-31`",
    "list": "a list",
    "file": "the path of a file",
    "files": "a pattern of file paths",
    "table": "a list of rows",
    "json": "JSON",
    "any": "any value",
}


def quoted(text: str) -> str:
    """A text as a message shows it: on one line, cut where it is long, in backticks."""
    line = " ".join(text[: 50 * _LONGEST].split())
    return f"`{line}`" if len(line) <= _LONGEST else f"`{line[: _LONGEST - 1]}…`"


def alternatives(words: Iterable[str], last: str = "or") -> str:
    """`a`, `b` or `c`: at most twelve of them, then how many more there are."""
    listed = [f"`{word}`" for word in words]
    if len(listed) > _MOST_WORDS:
        more = f"{len(listed) - _MOST_WORDS} more"
        return (
            f"{', '.join(listed[:_MOST_WORDS])} {last} {f'one of {more}' if last == 'or' else more}"
        )
    if len(listed) < 2:
        return "".join(listed)
    return f"{', '.join(listed[:-1])} {last} {listed[-1]}"


def found(value: JSON) -> str:
    """What a value is, for the end of a sentence: "the number `3`", "a list", "nothing"."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"`{str(value).lower()}`"
        case int() | float():
            return f"the number `{getattr(value, 'spelling', value)}`"
        case str():
            return f"the text {quoted(value)}" if value.strip() else "an empty text"
        case Sequence():
            return "a list" if len(value) else "an empty list"
        case _:
            return "an object"


def expected(shape: Shape) -> str:
    """What a shape asks for, for the middle of a sentence: "text", "`billing` or `bug`"."""
    if shape.kind == "choice":
        return alternatives(shape.choices)
    if shape.kind == "object":
        names = [name for name, _ in shape.fields]
        return f"an object with {alternatives(names, 'and')}" if names else "an object"
    return _EXPECTED[shape.kind]
