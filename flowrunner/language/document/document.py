"""A workflow file as values that know where they were written.

Here the pieces of the room come together; what a value means is left to `schema` and above.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from flowrunner.diagnostics import Diagnostic, Finding, Place, Route
from flowrunner.language.document.composing import (
    Composed,
    Composer,
    Halt,
    has_too_many_values,
    too_many_values,
)
from flowrunner.language.document.faults import Fault, Lines
from flowrunner.language.document.mending import Stop, explain
from flowrunner.language.document.noticing import hidden_directions
from flowrunner.language.document.outline import MAPPING, PLAIN, RAW, Entry, Outline, Trace
from flowrunner.language.document.scalars import SpelledFloat, SpelledInt, positions
from flowrunner.language.document.source import (
    clean,
    decode,
    read_bytes,
    too_big,
    with_plain_line_ends,
)

_MAX_MENDS = 20
_LARGE = 200_000  # characters: a file beyond is read again for a few mistakes only


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML file: `value` is JSON-like, numbers are `SpelledInt` and `SpelledFloat`.

    `sha256` is of the text with plain line ends, so that a file is the same on every system.
    """

    shown: str
    text: str
    sha256: str
    value: Any
    _composed: Composed = field(repr=False)
    _lines: Lines = field(repr=False)

    def place(
        self,
        route: Route,
        aim: Literal["value", "key"] = "value",
        start: int | None = None,
        length: int | None = None,
    ) -> Place:
        """The place of the value at a route, of its key, or of `length` characters of its text.

        `start` counts characters of the *value*; whatever quotes, escapes and folding stand between
        them in the source is seen through. A route that leads nowhere is placed at the key of the
        nearest value it passes.
        """
        return self._lines.place(self.shown, *self._span(route, aim, start, length))

    @property
    def outline(self) -> Outline:
        """Where every key and value stands in the text, for what works on the text itself."""
        return self._composed.outline

    def diagnose(self, finding: Finding) -> Diagnostic:
        """A finding with its place and its source line."""
        span = self._span(finding.route, finding.aim, finding.start, finding.length)
        fault = Fault(finding.code, finding.message, *span, finding.help, finding.severity)
        return self._lines.diagnose(self.shown, fault)

    def span(self, route: Route) -> tuple[int, int]:
        """Where the source of a value begins and ends in the text, without blanks behind it."""
        entry = self._composed.outline.entry(self._composed.outline.trace(route).value)
        return entry.start, entry.start + len(self.text[entry.start : entry.end].rstrip())

    def is_plain(self, route: Route) -> bool:
        """Whether the route leads to a scalar written without quotes or block signs."""
        entry = self._entry(route)
        return entry is not None and entry.kind in (PLAIN, RAW)

    def spelling(self, route: Route) -> str | None:
        """A scalar as its author spelled it: `3.10`, `no`, or the text of a quoted one."""
        entry = self._entry(route)
        if entry is None or not entry.is_scalar:
            return None
        value = self._value(route)
        if isinstance(value, SpelledInt | SpelledFloat):
            return value.spelling
        return value if isinstance(value, str) else self.text[entry.start : entry.end]

    def _entry(self, route: Route) -> Entry | None:
        outline = self._composed.outline
        trace = outline.trace(route)
        return outline.entry(outline.behind_alias(trace.value)) if trace.complete else None

    def _span(
        self, route: Route, aim: Literal["value", "key"], start: int | None, length: int | None
    ) -> tuple[int, int]:
        """The first character and the length of what `place` is asked for, in the text."""
        trace = self._composed.outline.trace(route)
        if not trace.complete:
            return self._name_span(trace)
        entry = self._composed.outline.entry(trace.value)
        if start is not None:
            return self._span_inside(entry, self._value(route), start, length)
        if aim == "key" or entry.start == entry.end:
            return self._name_span(trace)
        return entry.span

    def _name_span(self, trace: Trace) -> tuple[int, int]:
        """The key of a value; for an entry of a list its `id` or first key; else what is above."""
        outline = self._composed.outline
        if trace.key is not None:
            return outline.entry(trace.key).span
        entry = outline.entry(trace.value)
        pairs = outline.children(trace.value) if entry.kind == MAPPING else {}
        if trace.parents and "id" in pairs:
            return outline.entry(pairs["id"][1]).span
        first = next(iter(pairs.values()), None)
        if first is not None and first[0] is not None:
            return outline.entry(first[0]).span
        if entry.start == entry.end and trace.parents:
            key, value = trace.parents[-1]
            return self._name_span(Trace(value, key, trace.parents[:-1], complete=True))
        return entry.span

    def _value(self, route: Route) -> Any:
        value = self.value
        for part in route:
            value = value[part]
        return value

    def _span_inside(
        self, entry: Entry, value: Any, start: int, length: int | None
    ) -> tuple[int, int]:
        spelled = self._positions(entry, value)
        end = len(spelled) - 1
        first = min(max(start, 0), end)
        behind = min(first + max(length or 1, 1), end)
        return entry.start + spelled[first], max(spelled[behind] - spelled[first], 1)

    def _positions(self, entry: Entry, value: Any) -> Sequence[int]:
        source = self.text[entry.start : entry.end]
        if entry.kind == RAW or not isinstance(value, str):
            return range(len(source) + 1) if entry.is_scalar else [0]
        return positions(source, "" if entry.kind == PLAIN else entry.kind, value)


def read(path: Path, shown: str) -> tuple[Document | None, list[Diagnostic]]:
    """Read a workflow file. `shown` is the path as messages name it.

    Only a regular file of at most 16 MiB is read; whatever is wrong comes back as diagnostics.
    """
    content = read_bytes(path)
    if isinstance(content, Fault):
        return None, [_without_line(shown, content)]
    return parse(content, shown)


def parse(text: str | bytes, shown: str) -> tuple[Document | None, list[Diagnostic]]:
    """Compose one YAML document; None when nothing of it can be used.

    All mistakes that can be known at once are reported, in the order of the file. The values of a
    mended document are what their author meant, so that later checks add no echo.
    """
    fault = too_big(len(text))
    if fault is not None:
        return None, [_without_line(shown, fault)]
    decoded, faults = decode(text) if isinstance(text, bytes) else (text.removeprefix("\ufeff"), [])
    if decoded is None:
        return None, [_without_line(shown, fault) for fault in faults]
    source = with_plain_line_ends(decoded)
    cleaned, unclean = clean(source)
    composed, more = _compose(cleaned)
    more = [*faults, *unclean, *more, *_root_faults(composed, more)]
    more += [fault for fault in hidden_directions(source) if not _is_said(fault, more)]
    lines = Lines(source)
    found = sorted({lines.diagnose(shown, fault) for fault in more}, key=lambda d: d.place)
    if composed is None or not isinstance(composed.value, dict):
        return None, found
    return Document(shown, source, _digest(source), composed.value, composed, lines), found


def _is_said(fault: Fault, faults: list[Fault]) -> bool:
    return any((each.code, each.start) == (fault.code, fault.start) for each in faults)


def _without_line(shown: str, fault: Fault) -> Diagnostic:
    place = Place(shown, 1, 1, 1)
    return Diagnostic(fault.severity, fault.code, fault.message, place, fault.help)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _compose(source: str) -> tuple[Composed | None, list[Fault]]:
    """Compose a text; where the parser gives up over a known mistake, mend that spot and go on."""
    if has_too_many_values(source):
        return None, [too_many_values(0)]
    faults: list[Fault] = []
    text, mended = source, frozenset[int]()
    for _ in range(_MAX_MENDS if len(source) < _LARGE else 3):
        composer = Composer(text, source, mended)
        try:
            composer.compose()
        except Halt as halt:
            return _usable(composer, halt.fault), [*faults, *composer.faults, halt.fault]
        except yaml.YAMLError as error:
            fault, patch = explain(text, _stop(error, composer))
            if patch is None or fault in faults:
                is_echo = fault in faults or _is_on_mended_line(fault, mended, source)
                more = _without_echoes(composer.faults, text, error)
                return None, [*faults, *more, *([] if is_echo else [fault])]
            faults.append(fault)
            text = patch.apply(text)
            mended |= {patch.start} if patch.mends_value else set()
            if patch.is_last:
                return _last_try(text, source, mended, faults)
        else:
            return composer.composed, [*faults, *composer.faults]
    return None, faults


def _usable(composer: Composer, fault: Fault) -> Composed | None:
    """After a second document has begun the first one is whole; after any other halt nothing is."""
    return composer.composed if fault.code == "multi-doc" else None


def _last_try(
    text: str, source: str, mended: frozenset[int], faults: list[Fault]
) -> tuple[Composed | None, list[Fault]]:
    composer = Composer(text, source, mended)
    try:
        composer.compose()
    except (Halt, yaml.YAMLError):
        return None, [*faults, *composer.faults]
    return composer.composed, [*faults, *composer.faults]


def _is_on_mended_line(fault: Fault, mended: frozenset[int], source: str) -> bool:
    lines = Lines(source)
    start, end = lines.start_of_line(fault.start), lines.end_of_line(fault.start)
    return any(start <= at < end for at in mended)


def _without_echoes(faults: list[Fault], text: str, error: yaml.YAMLError) -> list[Fault]:
    """What is wrong inside a bracket that is never closed is a consequence of that."""
    began = getattr(error, "context_mark", None)
    if began is None or text[began.index : began.index + 1] not in ("[", "{"):
        return faults
    return [fault for fault in faults if fault.start < began.index]


def _stop(error: yaml.YAMLError, composer: Composer) -> Stop:
    at = getattr(error, "problem_mark", None)
    began = getattr(error, "context_mark", None)
    if began is not None and getattr(error, "context", None) == "while scanning a simple key":
        at = began  # the line after it is where the parser noticed
    return Stop(
        at.index if at is not None else 0,
        began.index if began is not None else None,
        composer.last_scalar,
    )


def _root_faults(composed: Composed | None, faults: list[Fault]) -> list[Fault]:
    if composed is None or isinstance(composed.value, dict):
        return []
    if composed.value is None:
        fix = "start with `flowrunner: 1`, `name:` and `steps:`"
        return [] if faults else [Fault("empty", "the file holds no workflow", help=fix)]
    kind = "a list" if isinstance(composed.value, list) else "a single value"
    entry = composed.outline.entry(0)
    message = f"a workflow file must be a mapping of keys, found {kind}"
    fix = "start with `flowrunner: 1`, `name:` and `steps:`"
    return [Fault("root", message, entry.start, max(entry.end - entry.start, 1), fix)]
