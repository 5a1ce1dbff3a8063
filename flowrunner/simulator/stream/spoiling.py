"""What an ordered fault makes of a stream: its events, their writing, and when they leave.

How a fault is written down is left to `flowrunner.simulator.faults`, sockets to `connection`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from flowrunner.simulator.stream.frames import Framing, Piece
from flowrunner.simulator.stream.items import Event

_TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed", "error"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFault:
    """What goes wrong with a stream; as it is by default, nothing does.

    Of the events: `error` is told (`nested` under `error`, or flat) in place of what comes after
    `error_after` events, or of all output where that is None, and `is_failed` says whether
    `response.failed` follows; `numbers` and `order` are spoiled; `huge` pads one event to so many
    bytes. Of the bytes: `framing`, `[DONE]` at the end, no blank line after the last event. Of the
    delivery: `every_s` between events, `pause` seconds after so many events, cut where `cut` says,
    and `then` what the connection does.
    """

    error: Mapping[str, Any] | None = None
    error_after: int | None = None
    nested: bool = False
    is_failed: bool = False
    numbers: Literal["missing", "repeated", "gaps"] | None = None
    order: Literal["doubled", "swapped"] | None = None
    huge: int | None = None
    framing: Framing = field(default_factory=Framing)
    done: bool = False
    last_blank_line: bool = True
    every_s: float | None = None
    pause: tuple[int, float] | None = None
    cut: Literal["before_terminal", "mid_delta", "after_event", "after_byte"] | None = None
    cut_at: int = 0
    then: Literal["finish", "close", "reset", "hang"] = "close"


def failed_by(response: Mapping[str, Any], error: Mapping[str, Any]) -> dict[str, Any]:
    """A Response that ended in an error of its stream."""
    told = {"code": error.get("code") or "server_error", "message": error.get("message")}
    nothing: dict[str, Any] = {"completed_at": None, "incomplete_details": None, "usage": None}
    return {**response, "status": "failed", "error": told, "output": [], **nothing}


def pieces_of(events: Sequence[Event], fault: StreamFault, every_s: float = 0.0) -> list[Piece]:
    """A stream in the pieces that leave one by one; `every_s` passes between them."""
    spoiled = _spoiled([dict(event) for event in events], fault)
    framing = fault.framing
    pieces = [Piece(framing.frame(event), ends=event.get("type") in _TERMINAL) for event in spoiled]
    if fault.cut is not None:
        pieces = _CUTS[fault.cut](pieces, spoiled, fault.cut_at)
    else:
        pieces += [Piece(framing.done())] if fault.done else []
        if not fault.last_blank_line and pieces:
            last = pieces[-1]
            content = last.content.removesuffix(framing.line_end.encode())
            pieces[-1] = replace(last, content=content)
    if framing.mark and pieces:
        pieces[0] = replace(pieces[0], content=b"\xef\xbb\xbf" + pieces[0].content)
    return _timed(pieces, fault, fault.every_s if fault.every_s is not None else every_s)


def _spoiled(events: list[Event], fault: StreamFault) -> list[Event]:
    if fault.error is not None:
        events = _failing(events, fault, fault.error)
    if fault.huge is not None:
        _blow_up(events, fault.huge)
    if fault.numbers is not None:
        _NUMBERS[fault.numbers](events)
    if fault.order == "doubled":
        events = [event for event in events for _ in range(2)]
    if fault.order == "swapped":
        _swap(events)
    return events


def _failing(events: list[Event], fault: StreamFault, error: Mapping[str, Any]) -> list[Event]:
    """The events up to the error, the error, and `response.failed` where that follows."""
    output = [
        number
        for number, event in enumerate(events)
        if event["type"] == "response.output_item.added" or event["type"] in _TERMINAL
    ]
    start = min(output, default=len(events)) if fault.error_after is None else fault.error_after
    kept = [event for event in events[:start] if event["type"] not in _TERMINAL]
    number = kept[-1]["sequence_number"] + 1 if kept else 0
    told = {name: error.get(name) for name in ("code", "message", "param")}
    fields = {"error": dict(error)} if fault.nested else told
    kept.append({"type": "error", **fields, "sequence_number": number})
    if fault.is_failed:
        response = failed_by(events[0]["response"], error)
        failed = {"type": "response.failed", "response": response, "sequence_number": number + 1}
        kept.append(failed)
    return kept


def _blow_up(events: list[Event], size: int) -> None:
    deltas = [event for event in events if str(event["type"]).endswith(".delta")]
    for event in (deltas or events)[:1]:
        event["obfuscation"] = "x" * size


def _drop_numbers(events: Iterable[Event]) -> None:
    for event in events:
        event.pop("sequence_number", None)


def _repeat_numbers(events: Iterable[Event]) -> None:
    for place, event in enumerate(events):
        event["sequence_number"] = place // 2


def _skip_numbers(events: Iterable[Event]) -> None:
    for place, event in enumerate(events):
        event["sequence_number"] = place * 3


_NUMBERS: dict[str, Callable[[Iterable[Event]], None]] = {
    "missing": _drop_numbers,
    "repeated": _repeat_numbers,
    "gaps": _skip_numbers,
}


def _swap(events: list[Event]) -> None:
    """Let each second delta overtake the one before, which has the smaller number."""
    place = 0
    while place + 1 < len(events):
        pair = events[place : place + 2]
        if all(str(event["type"]).endswith(".delta") for event in pair):
            events[place], events[place + 1] = pair[1], pair[0]
            place += 1
        place += 1


def _cut_before_terminal(pieces: list[Piece], _: list[Event], __: int) -> list[Piece]:
    return [piece for piece in pieces if not piece.ends]


def _cut_mid_delta(pieces: list[Piece], events: list[Event], _: int) -> list[Piece]:
    deltas = [n for n, event in enumerate(events) if str(event["type"]).endswith(".delta")]
    place = deltas[len(deltas) // 2] if deltas else len(pieces) - 1
    half = pieces[place].content
    return [*pieces[:place], Piece(half[: len(half) // 2])]


def _cut_after_event(pieces: list[Piece], _: list[Event], count: int) -> list[Piece]:
    return pieces[:count]


def _cut_after_byte(pieces: list[Piece], _: list[Event], count: int) -> list[Piece]:
    kept: list[Piece] = []
    for piece in pieces:
        if len(piece.content) > count:
            return [*kept, Piece(piece.content[:count])] if count else kept
        kept.append(piece)
        count -= len(piece.content)
    return kept


_CUTS: dict[str, Callable[[list[Piece], list[Event], int], list[Piece]]] = {
    "before_terminal": _cut_before_terminal,
    "mid_delta": _cut_mid_delta,
    "after_event": _cut_after_event,
    "after_byte": _cut_after_byte,
}


def _timed(pieces: list[Piece], fault: StreamFault, every_s: float) -> list[Piece]:
    count, pause_s = fault.pause or (0, 0.0)
    waits = [every_s if place else 0.0 for place in range(len(pieces))]
    if pause_s and count < len(waits):
        waits[count] += pause_s
    return [replace(piece, wait_s=wait) for piece, wait in zip(pieces, waits, strict=True)]
