"""How records, steps, calls and totals are rows, each with a checksum over all that it holds.

A step or a call is one JSON array instead of thirty columns: so a checksum of every row is cheap
and a state of 100,000 steps is quick to read; the views of `tables` show the arrays as columns.
What a row that fails its checksum means is left to `reader`.
"""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Callable
from operator import attrgetter
from typing import Any, TypeAlias

from flowrunner.events import ApiError, Usage
from flowrunner.journal.codec import LAYOUTS, Record
from flowrunner.journal.state import Approval, CallState, StepState, Totals

EventRow: TypeAlias = tuple[
    int, float, str, str | None, int | None, int | None, int | None, str, int
]
BodyRow: TypeAlias = tuple[int, str, int, bytes, int]
StepRow: TypeAlias = tuple[str, str, int]
CallRow: TypeAlias = tuple[str, int, int, int, str, int]

STEP_FIELDS = tuple(
    field.name
    for field in dataclasses.fields(StepState)
    if field.name != "unit" and not field.name.startswith("_")
)
CALL_FIELDS = tuple(field.name for field in dataclasses.fields(CallState))[4:]
TOTAL_FIELDS = tuple(field.name for field in dataclasses.fields(Totals))
USAGE_FIELDS = tuple(field.name for field in dataclasses.fields(Usage))
ERROR_FIELDS = tuple(field.name for field in dataclasses.fields(ApiError))
APPROVAL_FIELDS = tuple(field.name for field in dataclasses.fields(Approval))

BODIES_PER_EVENT = 8
"""The id of a body is its record's `seq` times this, and its position among the bodies."""

# Below this deflating costs more time than it saves.
_WORTH_ZIPPING = 4096

_of_step = attrgetter(*STEP_FIELDS)
_of_call = attrgetter(*CALL_FIELDS)
_of_totals = attrgetter(*TOTAL_FIELDS)
_of_usage = attrgetter(*USAGE_FIELDS)
_of_error = attrgetter(*ERROR_FIELDS)
_of_approval = attrgetter(*APPROVAL_FIELDS)
_APPROVAL = STEP_FIELDS.index("approval")
_USAGE = CALL_FIELDS.index("usage")
_ERROR = CALL_FIELDS.index("error")


def checksum(*parts: object) -> int:
    """The CRC-32 of some values, told apart by their places."""
    return zlib.crc32("\n".join(map(str, parts)).encode())


def pack_event(seq: int, record: Record) -> EventRow:
    """The row of an event, without its bodies."""
    fields = (
        seq,
        record.at,
        record.kind,
        record.unit,
        record.attempt,
        record.turn,
        record.post,
        record.header,
    )
    return (*fields, checksum(*fields))


def unpack_event(row: EventRow) -> Record | None:
    """The record of a row; None when the checksum says that it is not what was written."""
    return None if checksum(*row[:-1]) != row[-1] else Record(*row[1:-1])


def pack_body(seq: int, position: int, field: str, text: bytes) -> BodyRow:
    """The row of a body; large ones are deflated where it pays."""
    number = seq * BODIES_PER_EVENT + position
    zipped, content = deflate(text)
    return (number, field, zipped, content, _body_checksum(number, field, zipped, content))


def unpack_body(row: BodyRow) -> bytes | None:
    """The text of a body; None when the checksum says that it is not what was written."""
    number, field, zipped, content, expected = row
    if _body_checksum(number, field, zipped, content) != expected:
        return None
    return inflate(zipped, content)


def _body_checksum(number: int, field: str, zipped: int, content: bytes) -> int:
    return _over(content, checksum(number, field, zipped))


def bodies_of(kind: str) -> tuple[str, ...]:
    """The fields of a kind of event that are stored as bodies, in their order."""
    layout = LAYOUTS.get(kind)
    return () if layout is None else layout.bodies


def frozen_checksum(name: str, zipped: int, content: bytes) -> int:
    """The checksum of a frozen content as it is stored."""
    return _over(content, checksum(name, zipped))


def _over(content: bytes, start: int) -> int:
    # In a damaged row anything may stand in the place of the bytes.
    return zlib.crc32(content, start) if isinstance(content, bytes) else -1


def deflate(text: bytes) -> tuple[int, bytes]:
    """The bytes to store, and 1 before them if they are deflated, else 0."""
    if len(text) >= _WORTH_ZIPPING:
        small = zlib.compress(text, 1)
        if len(small) * 5 < len(text) * 4:
            return 1, small
    return 0, text


def inflate(zipped: int, content: bytes) -> bytes:
    """The bytes that `deflate` was given."""
    return zlib.decompress(content) if zipped else content


def pack_step(step: StepState) -> StepRow:
    """The row of a step; its calls have rows of their own."""
    content = _json(_of_step(step))
    return (step.unit, content, step_checksum(step.unit, content))


def step_checksum(unit: str, content: str) -> int:
    """The checksum of the row of a step."""
    return zlib.crc32(f"{unit}\n{content}".encode())


def unpack_step(unit: str, content: str) -> StepState:
    """The step of a row."""
    values = _values(content)
    if values[_APPROVAL] is not None:
        values[_APPROVAL] = Approval(*values[_APPROVAL])
    return StepState(unit, *values)


def pack_call(call: CallState) -> CallRow:
    """The row of a call."""
    content = _json(_of_call(call))
    unit, attempt, turn, post = call.key
    expected = call_checksum(unit, attempt, turn, post, content)
    return (unit, attempt, turn, post, content, expected)


def call_checksum(unit: str, attempt: int, turn: int, post: int, content: str) -> int:
    """The checksum of the row of a call."""
    return zlib.crc32(f"{unit}\n{attempt}\n{turn}\n{post}\n{content}".encode())


def unpack_call(row: CallRow) -> CallState:
    """The call of a row."""
    unit, attempt, turn, post, content, _ = row
    values = _values(content)
    values[_USAGE] = None if values[_USAGE] is None else Usage(*values[_USAGE])
    values[_ERROR] = None if values[_ERROR] is None else ApiError(*values[_ERROR])
    return CallState(unit, attempt, turn, post, *values)


def pack_totals(totals: Totals) -> str:
    """The content of the one row of totals."""
    return _json(_of_totals(totals))


def unpack_totals(content: str) -> Totals:
    """The totals of a row."""
    values = dict(zip(TOTAL_FIELDS, json.loads(content), strict=True))
    return Totals(**{**values, "usage": Usage(*values["usage"])})


def _array(value: Any) -> Any:
    if isinstance(value, Usage):
        return _of_usage(value)
    if isinstance(value, ApiError):
        return _of_error(value)
    if isinstance(value, Approval):
        return _of_approval(value)
    raise TypeError(f"a row cannot hold {value!r}")


_values: Callable[[str], list[Any]] = json.JSONDecoder().decode
# Escaped to ASCII: a message may hold what UTF-8 does not encode (a lone surrogate).
_json: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":"), default=_array).encode
