"""Every event of `flowrunner.events` as a plain record and back, read off the dataclasses.

A record is a kind, the columns of its address, a JSON header and the bodies apart. How records
are stored and checked is left to `store`.
"""

from __future__ import annotations

import dataclasses
import json
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from flowrunner import events
from flowrunner.errors import JournalUnusable
from flowrunner.events import JSON, Address, Event

_plain_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_ascii_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True).encode

Convert: TypeAlias = Callable[[Any], Any]
Codec: TypeAlias = tuple[Convert, Convert] | None
"""How to write and read a field; None where JSON has the value as it is."""


@dataclass(frozen=True, slots=True)
class Record:
    """An event ready to store: `bodies` are JSON texts in the order of the event's `bodies`."""

    at: float
    kind: str
    unit: str | None
    attempt: int | None
    turn: int | None
    post: int | None
    header: str
    bodies: tuple[bytes, ...] = ()


def to_json(value: JSON) -> str:
    """Compact JSON that encodes to UTF-8 whatever stands in it (a lone surrogate is escaped)."""
    text = _plain_json(value)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return _ascii_json(value)
    return text


def encode(event: Event) -> Record:
    """The record of an event. Raises TypeError for a value that JSON does not have."""
    return _BY_CLASS[type(event)].encode(event)


def decode(record: Record, bodies: Mapping[str, JSON] | None = None) -> Event:
    """The event of a record; bodies not given are None (an empty text where a text is declared).

    Raises JournalUnusable for a kind or a field that this version does not know.
    """
    layout = LAYOUTS.get(record.kind)
    if layout is None:
        raise _newer(f"a record of the kind `{record.kind}`")
    return layout.decode(record, bodies or {})


def kind_of(event_class: type[Event]) -> str:
    """The name of a kind of event as stored and shown: `RunStarted` is `run_started`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", event_class.__name__).lower()


class Layout:
    """How one class of events is stored."""

    def __init__(self, event_class: type[Event]) -> None:
        self.event_class = event_class
        self.kind = kind_of(event_class)
        self.bodies = event_class.bodies
        hints = typing.get_type_hints(event_class)
        fields = {field.name: field for field in dataclasses.fields(event_class)}
        self._addressed = "address" in fields
        self._texts = frozenset(name for name in self.bodies if hints[name] is str)
        apart = {"at", "address", *self.bodies}
        self._header = [(name, _codec(hints[name])) for name in fields if name not in apart]
        self._readers = dict(self._header)
        self._omitted = {name for name in self._readers if _means_none(fields[name], hints[name])}

    def encode(self, event: Event) -> Record:
        """The record of an event of this class; fields whose absence means None are left out."""
        header = {}
        for name, codec in self._header:
            value = getattr(event, name)
            if value is not None or name not in self._omitted:
                header[name] = value if codec is None else _apply(codec, 0, value)
        address: Address | None = event.address if self._addressed else None  # type: ignore[attr-defined]
        bodies = tuple(to_json(getattr(event, name)).encode() for name in self.bodies)
        at = float(event.at) + 0.0  # SQLite has no -0.0
        return Record(at, self.kind, *_columns(address), to_json(header), bodies)

    def decode(self, record: Record, bodies: Mapping[str, JSON]) -> Event:
        """The event of a record of this class."""
        fields: dict[str, Any] = dict.fromkeys(self._omitted)
        fields["at"] = record.at
        for name, value in json.loads(record.header).items():
            if name not in self._readers:
                raise _newer(f"the field `{name}` in a record of the kind `{record.kind}`")
            codec = self._readers[name]
            fields[name] = value if codec is None else _apply(codec, 1, value)
        for name in self.bodies:
            fields[name] = bodies.get(name, "" if name in self._texts else None)
        if self._addressed:
            fields["address"] = _address(record)
        try:
            return self.event_class(**fields)
        except TypeError as error:
            raise JournalUnusable(
                f"The journal has a record of the kind `{record.kind}` that lacks a field: "
                "another version of flowrunner wrote it.",
                help="Use the version of flowrunner that wrote this run.",
            ) from error


def _columns(address: Address | None) -> tuple[str | None, int | None, int | None, int | None]:
    if address is None:
        return (None, None, None, None)
    return (address.unit, address.attempt, address.turn, address.post)


def _address(record: Record) -> Address | None:
    if record.unit is None:
        return None
    assert record.attempt is not None
    assert record.turn is not None
    assert record.post is not None
    return Address.parse(record.unit, record.attempt, record.turn, record.post)


def _newer(what: str) -> JournalUnusable:
    return JournalUnusable(
        f"The journal has {what}, which this version of flowrunner does not know: "
        "a newer version wrote it.",
        help="Update flowrunner, or use the version that wrote this run.",
    )


def _means_none(field: dataclasses.Field[Any], hint: Any) -> bool:
    """Whether a field may be None and has no other default, so that absent can mean None."""
    missing = dataclasses.MISSING
    may_be_none = hint is Any or type(None) in typing.get_args(hint)
    no_default = field.default in (None, missing) and field.default_factory is missing
    return may_be_none and no_default


def _codec(hint: Any) -> Codec:
    """How values of a type hint are written and read; None where JSON has them as they are."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        (inner,) = [argument for argument in arguments if argument is not type(None)]
        return _codec(inner)
    if origin is tuple:
        return _tuple_codec(_codec(arguments[0]))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return (lambda member: member.value, hint)
    if dataclasses.is_dataclass(hint):
        return _dataclass_codec(typing.cast("type[Any]", hint))
    return None


def _tuple_codec(inner: Codec) -> Codec:
    if inner is None:
        return (list, tuple)
    write, read = inner
    return (
        lambda values: [write(value) for value in values],
        lambda values: tuple(read(value) for value in values),
    )


def _dataclass_codec(described: type[Any]) -> Codec:
    hints = typing.get_type_hints(described)
    codecs = {field.name: _codec(hints[field.name]) for field in dataclasses.fields(described)}

    def write(value: Any) -> dict[str, Any]:
        return {name: _apply(codec, 0, getattr(value, name)) for name, codec in codecs.items()}

    def read(value: dict[str, Any]) -> Any:
        return described(**{name: _apply(codecs[name], 1, item) for name, item in value.items()})

    return (write, read)


def _apply(codec: Codec, side: int, value: Any) -> Any:
    return value if codec is None or value is None else codec[side](value)


_BY_CLASS: dict[type[Event], Layout] = {
    member: Layout(member)
    for member in vars(events).values()
    if isinstance(member, type) and issubclass(member, Event) and member is not Event
}
LAYOUTS: dict[str, Layout] = {layout.kind: layout for layout in _BY_CLASS.values()}
"""The layout of every kind of event that this version knows, by kind."""
