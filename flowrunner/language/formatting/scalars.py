"""Single scalars spelled anew: quotes that YAML needs, decisions without braces around them.

Whole lines and their order are left to `layout`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from flowrunner.language.document import Document
from flowrunner.language.document.outline import MAPPING, PLAIN, RAW, Entry
from flowrunner.language.formatting.edits import Edit, apply
from flowrunner.language.formatting.order import DECISIONS, Role, role_inside, role_of
from flowrunner.language.formatting.quotes import in_quotes, spelled
from flowrunner.language.templates import TemplateFault, parse_expression

_TABS = re.compile(r"^\t+", re.MULTILINE)
_TAB_WIDTH = 2
_ON_ONE_LINE = (PLAIN, RAW, "'", '"')


def mended(document: Document, *, tabs: bool) -> str:
    """The text of a document with the mistakes undone that reading it could see through: values
    that need quotes and, where they were a mistake, `tabs` at the start of lines."""
    edits = []
    outline, text = document.outline, document.text
    for number in range(len(outline)):
        entry = outline.entry(number)
        if entry.kind == RAW:
            quoted = in_quotes(text[entry.start : entry.end])
            edits += [] if quoted is None else [Edit(entry.start, entry.end, quoted)]
    found = _TABS.finditer(text) if tabs else ()
    edits += [Edit(*each.span(), " " * _TAB_WIDTH * len(each[0])) for each in found]
    return apply(edits, text)


def unbraced(text: str) -> str:
    """An expression without braces around the whole of it; any other text as it is."""
    inner = text.strip()
    if not (inner.startswith("{{") and inner.endswith("}}")):
        return text
    inner = inner[2:-2].strip("-+").strip()
    try:
        same = parse_expression(inner).tree == parse_expression(text).tree
    except TemplateFault:
        return text
    return inner if same and inner else text


def bare_decisions(document: Document) -> Iterator[Edit]:
    """The edits that take the braces off decision fields."""
    for entry, value, in_flow in _decisions(document):
        source = document.text[entry.start : entry.end]
        if entry.kind not in _ON_ONE_LINE or "\n" in source or not isinstance(value, str):
            continue
        inner = unbraced(value)
        written = spelled(inner, in_flow=in_flow)
        if inner != value and written is not None:
            yield Edit(entry.start, entry.end, written)


@dataclass(frozen=True, slots=True)
class _Seen:
    number: int
    value: object
    role: Role
    in_flow: bool


def _decisions(document: Document) -> Iterator[tuple[Entry, object, bool]]:
    """Every value of a decision field, and whether it stands in braces or brackets."""
    outline = document.outline
    waiting = [_Seen(0, document.value, role_of(document.value), in_flow=False)]
    while waiting:
        seen = waiting.pop()
        entry = outline.entry(seen.number)
        in_flow = seen.in_flow or document.text[entry.start : entry.start + 1] in ("{", "[")
        for key, (_, child) in outline.children(seen.number).items():
            value = _item(seen.value, key)
            if entry.kind == MAPPING and key in DECISIONS.get(seen.role, ()):
                yield outline.entry(child), value, in_flow
            waiting.append(_Seen(child, value, role_inside(seen.role, key), in_flow))


def _item(value: object, key: str | int) -> object:
    if isinstance(value, dict):
        return value.get(key)
    return value[key] if isinstance(value, list) and isinstance(key, int) else None
