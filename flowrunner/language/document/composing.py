"""The parser's events into values and their places, without recursion and within limits.

Everything that YAML would drop or change in silence becomes a fault here: duplicate keys, tags,
anchors, merge keys, keys without a value. Text that the parser cannot read is left to `mending`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from flowrunner.language.document import noticing
from flowrunner.language.document.faults import Fault, Lines
from flowrunner.language.document.outline import ALIAS, MAPPING, PLAIN, RAW, SEQUENCE, Outline
from flowrunner.language.document.scalars import folded, typed

MAX_DEPTH = 64
MAX_VALUES = 250_000
MAX_ALIASED = 10_000
MAX_FAULTS = 200

_LOADER: Any = getattr(yaml, "CLoader", yaml.Loader)
_NOTHING = object()
_PARSERS_DEPTH = "maximum nesting depth"

Opening: TypeAlias = MappingStartEvent | SequenceStartEvent


def _too_deep(start: int) -> Fault:
    return Fault("too-deep", f"the file is nested deeper than {MAX_DEPTH} levels", start)


class Halt(Exception):
    """The file is too deep, too large or has a second document: nothing more of it is read."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet."""

    value: Any
    number: int
    start: int
    faults_before: int
    flow: bool = False
    key: Any = _NOTHING
    key_number: int = 0
    seen: dict[str, int] = field(default_factory=dict)
    last: tuple[int, int] | None = None  # the span of the value before, for what a comma cut off
    is_braces: bool = False  # the two braces of an unquoted {{ … }}
    anchor: _Anchor | None = None


@dataclass(slots=True)
class _Anchor:
    number: int
    start: int
    length: int
    value: Any = _NOTHING
    used: bool = False
    scalar: bool = False
    expanded: int = 0


@dataclass(slots=True)
class Composed:
    """A whole document; `value` is None where the file has none."""

    value: Any = None
    outline: Outline = field(default_factory=Outline)
    found: bool = False


class Composer:
    """Composes one text. `source` is what the author wrote, `text` the same with spots mended.

    `mended` holds where in the text a scalar's own spelling has to be taken from the source. The
    faults found so far, and the last scalar read, stay readable after the parser has given up.
    """

    def __init__(self, text: str, source: str, mended: frozenset[int] = frozenset()) -> None:
        self._text = text
        self._source = source
        self._mended = mended
        self._lines = Lines(source)
        self._stack: list[_Open] = []
        self._anchors: dict[str, _Anchor] = {}
        self._aliased = 0
        self._aliases_inside: list[int] = []
        self._documents = 0
        self.composed = Composed()
        self.faults: list[Fault] = []
        self.last_scalar: tuple[int, int] | None = None

    def compose(self) -> None:
        """Read all events. Raises `yaml.YAMLError` where the parser gives up, `Halt` at a limit."""
        react: Mapping[type[Event], Callable[[Any], None]] = {
            ScalarEvent: self._scalar,
            MappingStartEvent: self._open,
            SequenceStartEvent: self._open,
            MappingEndEvent: self._close,
            SequenceEndEvent: self._close,
            AliasEvent: self._alias,
            DocumentStartEvent: self._document,
        }
        try:
            for event in _events(self._text):
                reaction = react.get(type(event))
                if reaction is not None:
                    reaction(event)
        except yaml.MarkedYAMLError as error:
            if _PARSERS_DEPTH not in (error.problem or ""):
                raise
            # Newer parsers look ahead, and give up before they tell of the first bracket.
            start = 0 if error.problem_mark is None else error.problem_mark.index
            raise Halt(_too_deep(start)) from None
        self._check_anchors()

    def _document(self, event: DocumentStartEvent) -> None:
        self._documents += 1
        if self._documents > 1:
            start = _start(event)
            line = self._lines.number(start)
            message = f"a second document starts at line {line}; a file holds one workflow"
            fix = "remove the `---`, or move what follows into a file of its own"
            raise Halt(Fault("multi-doc", message, start, 3, fix))

    def _open(self, event: Opening) -> None:
        if len(self._stack) >= MAX_DEPTH:
            raise Halt(_too_deep(_start(event)))
        self._count(_start(event))
        is_mapping = isinstance(event, MappingStartEvent)
        start = self._without_properties(_start(event), event)
        number = self.composed.outline.add(MAPPING if is_mapping else SEQUENCE, start, start)
        opened = _Open({} if is_mapping else [], number, start, len(self.faults))
        opened.flow = bool(event.flow_style)
        self._refuse_tag(event, opened.value)
        if event.anchor:
            opened.anchor = self._remember(event, number)
        self._notice_braces(opened, is_mapping)
        self._stack.append(opened)
        self._aliases_inside.append(0)

    def _notice_braces(self, opened: _Open, is_mapping: bool) -> None:
        above = self._stack[-1] if self._stack else None
        if above is None or not (is_mapping and opened.flow and isinstance(above.value, dict)):
            return
        if above.key is _NOTHING and not above.seen and opened.start == above.start + 1:
            above.is_braces = True

    def _close(self, event: MappingEndEvent | SequenceEndEvent) -> None:
        opened = self._stack.pop()
        # A block ends where the next token begins; its own last character is what counts.
        end = _end(event) if opened.flow else _start(event)
        outline = self.composed.outline
        aliased = self._aliases_inside.pop()
        if self._aliases_inside:
            self._aliases_inside[-1] += aliased
        if opened.is_braces:
            self._braces_as_text(opened, end)
            return
        outline.close(opened.number, end)
        if opened.anchor is not None:
            opened.anchor.value = opened.value
            opened.anchor.expanded = outline.size(opened.number) + aliased
        self._put(opened.value, opened.number, opened.start, end)

    def _braces_as_text(self, opened: _Open, end: int) -> None:
        text = self._source[opened.start : end]
        del self.faults[opened.faults_before :]
        self._note(noticing.unquoted_braces(text, opened.start))
        self.composed.outline.forget_from(opened.number)
        while self._anchors and next(reversed(self._anchors.values())).number >= opened.number:
            self._anchors.popitem()
        number = self.composed.outline.add(RAW, opened.start, end)
        self._put(text, number, opened.start, end)

    def _scalar(self, event: ScalarEvent) -> None:
        start, end = _start(event), _end(event)
        self._count(start)
        self.last_scalar = (start, end)
        style = event.style or ""
        bare = self._without_properties(start, event)
        value, kind = self._value(event, style, start, bare)
        if kind == RAW:
            bare = start  # what looked like a tag or an anchor is a part of the text
        number = self.composed.outline.add(kind, bare, max(bare, end))
        if event.anchor:
            anchor = self._remember(event, number)
            anchor.value, anchor.scalar, anchor.expanded = value, True, 1
        self._put(value, number, bare, max(bare, end))

    def _value(self, event: ScalarEvent, style: str, start: int, bare: int) -> tuple[Any, str]:
        if event.tag is not None and self._refuse_tag(event, event.value):
            return self._source[start : _end(event)], RAW
        if style:
            if style == ">":
                self._note(noticing.folded_list(self._source, start, _end(event)))
            return event.value, style
        end = _end(event)
        if start in self._mended:
            return folded(self._source[start:end]), RAW if "\n" not in self._source[
                start:end
            ] else PLAIN
        self._note(noticing.lost_comment(self._source, bare, end, self._text_key()))
        self._note(noticing.odd_space_after_colon(self._source, bare, end))
        if "\n" in self._source[bare:end]:
            self._note(noticing.folded_list(self._source, bare, end))
        return typed(event.value), PLAIN

    def _text_key(self) -> str | None:
        key = self._stack[-1].key if self._stack else None
        return key if isinstance(key, str) else None

    @property
    def _is_full(self) -> bool:
        """Whether no more faults are kept. What counts lines for its sentence asks first."""
        return len(self.faults) >= MAX_FAULTS

    def _note(self, fault: Fault | None) -> None:
        if fault is not None and not self._is_full:
            self.faults.append(fault)

    def _without_properties(self, start: int, event: Opening | ScalarEvent) -> int:
        """Where a value itself begins, behind its anchor and its tag."""
        if event.anchor is None and event.tag is None:
            return start
        return noticing.behind_properties(self._text, start)

    def _count(self, start: int) -> None:
        if len(self.composed.outline) >= MAX_VALUES:
            raise Halt(too_many_values(start))

    def _put(self, value: Any, number: int, start: int, end: int) -> None:
        """Give a value that is whole to the collection it stands in."""
        if not self._stack:
            self.composed.value, self.composed.found = value, True
            return
        above = self._stack[-1]
        if isinstance(above.value, list):
            above.value.append(value)
        elif above.key is _NOTHING:
            self._put_key(above, value, number)
        else:
            self._put_pair(above, value, number)
            above.last = (start, end)

    def _put_key(self, above: _Open, value: Any, number: int) -> None:
        entry = self.composed.outline.entry(number)
        word = self._source[entry.start : entry.end] if entry.kind == PLAIN else value
        above.key_number = number
        above.key = None
        if above.is_braces:
            return
        fault = noticing.bad_key(entry, word)
        if fault is not None:
            self._note(fault)
            if fault.code != "invisible":
                return
            word = noticing.as_meant(word)
        above.key = word
        if word in above.seen:
            above.key = None
            if not self._is_full:
                first, second = (self._lines.number(at) for at in (above.seen[word], entry.start))
                self._note(noticing.duplicate(word, entry, first, second))
            return
        above.seen[word] = entry.start
        self.composed.outline.name_key(number, word)

    def _put_pair(self, above: _Open, value: Any, number: int) -> None:
        key, above.key = above.key, _NOTHING
        if key is None:
            return
        if value is None and not above.is_braces and self._has_no_colon(above, number):
            self._put_without_value(above, key)
        else:
            above.value[key] = value

    def _has_no_colon(self, above: _Open, number: int) -> bool:
        """Whether a value that is empty was not even begun: `{ a, b }`."""
        key = self.composed.outline.entry(above.key_number)
        value = self.composed.outline.entry(number)
        return value.start == value.end and ":" not in self._text[key.end : value.start]

    def _put_without_value(self, above: _Open, key: str) -> None:
        entry = self.composed.outline.entry(above.key_number)
        earlier = self._source[slice(*above.last)] if above.last else None
        self._note(noticing.no_value(key, entry, earlier))
        before, _, after = key.partition(":")
        if after and before.isidentifier() and before not in above.value:
            above.value[before] = typed(after)
            self.composed.outline.name_key(above.key_number, before)

    def _refuse_tag(self, event: Opening | ScalarEvent, value: Any) -> bool:
        """Note a tag as a fault; True when it was more likely the first word of a text."""
        if event.tag is None or (not isinstance(event, ScalarEvent) and event.implicit):
            return False
        start = self._text.find("!", _start(event))
        fault, is_text = noticing.tag(self._source, start, value)
        self._note(fault)
        return is_text

    def _remember(self, event: Opening | ScalarEvent, number: int) -> _Anchor:
        start = _start(event)
        name = str(event.anchor)
        anchor = _Anchor(number, start, len(name) + 1)
        if name in self._anchors and not self._is_full:
            line = self._lines.number(self._anchors[name].start)
            message = f"the anchor `&{name}` was already given on line {line}"
            fix = "give every anchor a name of its own"
            self._note(Fault("alias", message, start, anchor.length, fix))
            anchor.used = True
        self._anchors.pop(name, None)
        self._anchors[name] = anchor  # the latest one stands last
        return anchor

    def _alias(self, event: AliasEvent) -> None:
        start, end = _start(event), _end(event)
        self._count(start)
        name = str(event.anchor)
        anchor = self._anchors.get(name)
        if anchor is None or anchor.value is _NOTHING:
            self._note(noticing.bad_alias(name, start, recursive=anchor is not None))
            # Most likely a text that begins with `*`: so that later checks add no echo.
            number = self.composed.outline.add(RAW, start, end)
            self._put(self._source[start:end], number, start, end)
            return
        number = self.composed.outline.add(ALIAS, start, end)
        self._expand(anchor, number, start)
        self._put(anchor.value, number, start, end)

    def _expand(self, anchor: _Anchor, number: int, start: int) -> None:
        anchor.used = True
        self.composed.outline.aim_alias(number, anchor.number)
        self._aliased += anchor.expanded
        if self._aliases_inside:
            self._aliases_inside[-1] += anchor.expanded
        if self._aliased > MAX_ALIASED:
            message = "the aliases of the file repeat more than 10,000 values"
            raise Halt(Fault("too-complex", message, start, help="write it out, or use `for_each`"))

    def _check_anchors(self) -> None:
        for name, anchor in self._anchors.items():
            if anchor.scalar and not anchor.used:
                self._note(noticing.lost_anchor(name, anchor.start))


def _start(event: Any) -> int:
    index: int = event.start_mark.index
    return index


def _end(event: Any) -> int:
    index: int = event.end_mark.index
    return index


def too_many_values(start: int) -> Fault:
    message = f"the file has more than {MAX_VALUES:,} keys and values"
    fix = "keep tables in files of their own: an input of type `table`"
    return Fault("too-big", message, start, help=fix)


def has_too_many_values(text: str) -> bool:
    """Whether a text has more values than a file may have, counted before any of them is built."""
    if len(text) < MAX_VALUES:
        return False
    count = depth = 0
    try:
        for event in _events(text):
            count += isinstance(event, NodeEvent)
            depth += isinstance(event, CollectionStartEvent)
            depth -= isinstance(event, CollectionEndEvent)
            if count > MAX_VALUES or depth > MAX_DEPTH:
                break  # what is too deep is for the composer to say; it takes the parser for ever
    except yaml.YAMLError:
        pass  # said by the composer, which comes to the same place
    return count > MAX_VALUES


def _events(text: str) -> Iterator[Event]:
    events: Iterator[Event] = yaml.parse(text, Loader=_LOADER)
    return events
