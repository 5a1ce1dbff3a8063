"""Expected literals of a file of tests, written anew with what was found; comments stay.

Only what differs is replaced, value by value; where the parts of a value are others it is replaced
as a whole. What would not read as what was found is left as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from flowrunner.commands.testing.judging import Failure
from flowrunner.diagnostics import Route
from flowrunner.events import JSON
from flowrunner.language.document import Document, parse
from flowrunner.language.forms import plain
from flowrunner.language.testing import FileOfTests
from flowrunner.platform import write_atomically


def update(file: FileOfTests, failures: Iterable[Failure]) -> int:
    """Write what was found into a file; how many expectations it was. Raises OSError."""
    document, written = file.document, 0
    for failure in failures:
        if not failure.may_be_written:
            continue
        changed = _changed(document, failure)
        if changed is not None:
            document, written = changed, written + 1
    if written:
        write_atomically(file.path, document.text.encode(), private=False)
    return written


def _changed(document: Document, failure: Failure) -> Document | None:
    """The document with one value as it was found; None where that cannot be written so."""
    text = document.text
    before = _value(document, failure.route)
    edits = [
        (*document.span(route), json.dumps(value, ensure_ascii=False))
        for route, value in _differences(before, failure.found, failure.route)
    ]
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    changed, _ = parse(text, document.shown)
    if changed is None or _value(changed, failure.route) != failure.found:
        return None
    return changed


def _differences(before: JSON, found: JSON, route: Route) -> Iterator[tuple[Route, JSON]]:
    """The smallest values that are others, each with what it is now."""
    if isinstance(before, dict) and isinstance(found, dict) and list(before) == list(found):
        for name in before:
            yield from _differences(before[name], found[name], (*route, name))
    elif isinstance(before, list) and isinstance(found, list) and len(before) == len(found):
        for at, (one, other) in enumerate(zip(before, found, strict=True)):
            yield from _differences(one, other, (*route, at))
    elif before != found or type(before) is not type(found):
        yield route, found


def _value(document: Document, route: Route) -> JSON:
    value = document.value
    for part in route:
        value = value[part]
    return plain(value)
