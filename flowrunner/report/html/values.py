"""Values of all kinds as something to read: texts as paragraphs, objects as trees, raw as JSON.

Where a value was cut, the page says so and names the command that shows it whole.
"""

from __future__ import annotations

import json

from flowrunner.events import JSON
from flowrunner.report.bounds import compact
from flowrunner.report.figures import counted, size
from flowrunner.report.html.markup import Child, Markup, element, several
from flowrunner.report.html.pieces import copy_button, raw
from flowrunner.visible import has_hidden, parts

_LONG_TEXT = 1600
_OPEN_DEPTH = 2
_MANY = 30
_DEEPEST = 12


def readable(held: JSON) -> Markup:
    """A held value for reading: a text as a text, anything else as a tree."""
    if "value" not in held:
        return several(text_block(held["beginning"] + " …"), _cut(held))
    value = held["value"]
    return text_block(value) if isinstance(value, str) else tree(value)


def filled_text(text: str, places: JSON) -> Markup:
    """A text in which the places are marked that came out of values: start and length of each."""
    pieces: list[Child] = []
    end = 0
    for start, length in places:
        if start < end or length < 1 or start + length > len(text):
            return text_block(text)  # not of this text
        pieces += [text[end:start], element("span", "filled", text[start : start + length])]
        end = start + length
    return text_block(text, [*pieces, text[end:]])


def text_block(text: str, pieces: Child = None) -> Markup:
    """A text with its own line breaks; a long one scrolls within itself. `pieces` are the same text
    with marks in it."""
    shown = text if pieces is None else pieces
    if not text:
        return element("p", "soft", "(an empty text)")
    if len(text) <= _LONG_TEXT:
        return element("div", "text", shown)
    label = f"A text of {counted(len(text), 'character')}"
    attributes = {"class": "text long", "tabindex": 0, "role": "group", "aria-label": label}
    return element("div", attributes, shown)


def tree(value: JSON, depth: int = 0) -> Markup:
    """JSON as nested lists of names and values."""
    if depth > _DEEPEST:
        return element("span", "literal", compact(value))
    if isinstance(value, dict) and value:
        return _object(value, depth)
    if isinstance(value, list) and value:
        return _list(value, depth)
    if isinstance(value, str):
        return element("span", "text", value) if value else element("span", "soft", "(empty)")
    return element("span", "literal", compact(value))


def short(held: JSON) -> Markup:
    """A held value on one line, for lists of facts."""
    if "value" not in held:
        return several(held["beginning"] + " …", _cut(held))
    value = held["value"]
    if isinstance(value, str):
        return several(value)
    return element("span", "literal", compact(value))


def raw_json(held: JSON, name: str, word: str, pretty: bool = True) -> Markup:
    """A held value as it was on the wire, closed until somebody opens it."""
    if "value" not in held:
        body = several(element("pre", {"id": name}, held["beginning"] + " …"), _cut(held))
    else:
        body = element("pre", {"id": name, "tabindex": 0}, source_text(held["value"], pretty))
    return element("details", "raw", element("summary", "", word), copy_button(name), body)


def source_text(value: JSON, pretty: bool = True) -> str:
    """JSON to copy: letters as they are, hidden characters as JSON's own escapes."""
    if isinstance(value, str):
        return value
    text = json.dumps(value, ensure_ascii=False, indent=2) if pretty else compact(value)
    if not has_hidden(text):
        return text
    return "".join(json.dumps(piece)[1:-1] if hidden else piece for hidden, piece in parts(text))


def _cut(held: JSON) -> Markup:
    """What stands below a value that was cut."""
    words = f"The whole value is {size(held['bytes'])} and was cut here. All of it: "
    return element("p", "cut", words, raw(held["see"]))


def _object(value: dict[str, JSON], depth: int) -> Markup:
    rows = [
        element("div", "", element("dt", "", key), element("dd", "", tree(item, depth + 1)))
        for key, item in value.items()
    ]
    return _folded(element("dl", "tree", *rows), counted(len(value), "field"), len(value), depth)


def _list(value: list[JSON], depth: int) -> Markup:
    rows = [element("li", "", tree(item, depth + 1)) for item in value]
    return _folded(
        element("ol", "tree", *rows), counted(len(value), "entry", "entries"), len(value), depth
    )


def _folded(body: Markup, words: str, length: int, depth: int) -> Markup:
    if depth < _OPEN_DEPTH and (depth == 0 or length <= _MANY):
        return body
    return element("details", "fold", element("summary", "", words), body)
