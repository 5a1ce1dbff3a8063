"""What a journal holds of the tools of one unit: each call, and what people said about it.

A pure fold over the few events of a unit; the texts (arguments, outputs) stay in the journal and
are read there by their `seq`. What a call means is left to the engine.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from flowrunner.events import (
    JSON,
    ApprovalAsked,
    ApprovalGiven,
    Event,
    ToolCallBegan,
    ToolCallEnded,
)
from flowrunner.journal.state import Approval

Turn: TypeAlias = tuple[int, int]
"""The attempt and the turn in which the model asked."""


@dataclass(slots=True)
class ToolCallState:
    """One call of a tool: what was asked and what came of it.

    Times are Unix seconds. The arguments are the body `arguments` of record `began_seq`, the answer
    is the body `output` of record `end_seq`. `begun` counts how often it was begun: a call without
    an end is under way, or its process died. `approval` is what people were asked about it.
    """

    unit: str
    attempt: int
    turn: int
    call_id: str
    name: str
    kind: str
    tool: str | None
    changes_things: bool
    began_at: float
    began_seq: int
    begun: int = 1
    ended_at: float | None = None
    end_seq: int | None = None
    ok: bool | None = None
    error: str | None = None
    elapsed_s: float | None = None
    not_run: str | None = None
    is_parts: bool = False
    facts: dict[str, JSON] = field(default_factory=dict)
    approval: Approval | None = None

    @property
    def has_run(self) -> bool:
        """Whether the tool was started, ended or not."""
        return self.not_run is None

    @property
    def is_lost(self) -> bool:
        """Whether it may have changed something, and nobody knows what came of it."""
        return self.changes_things and self.ended_at is None


@dataclass(frozen=True, slots=True)
class ToolRecord:
    """The calls of one unit in the order in which they began, and what people were asked, by the
    turn and with the ids of the calls that it was about."""

    calls: tuple[ToolCallState, ...] = ()
    questions: dict[Turn, tuple[Approval, frozenset[str]]] = field(default_factory=dict)

    def of_turn(self, attempt: int, turn: int) -> dict[str, ToolCallState]:
        """The calls of one turn by their ids."""
        found = (call for call in self.calls if (call.attempt, call.turn) == (attempt, turn))
        return {call.call_id: call for call in found}


def record_of(unit: str, events: Iterable[tuple[int, Event]]) -> ToolRecord:
    """The record of a unit from its events, in their order; those of other kinds tell nothing."""
    calls: dict[tuple[int, int, str], ToolCallState] = {}
    questions: dict[Turn, tuple[Approval, frozenset[str]]] = {}
    for seq, event in events:
        match event:
            case ToolCallBegan():
                _begin(calls, unit, seq, event)
            case ToolCallEnded():
                _end(calls, seq, event)
            case ApprovalAsked():
                _ask(questions, seq, event)
            case ApprovalGiven():
                _give(questions, event)
            case _:
                pass
    for call in calls.values():
        asked = questions.get((call.attempt, call.turn))
        if asked is not None and call.call_id in asked[1]:
            call.approval = asked[0]
    return ToolRecord(tuple(calls.values()), questions)


def _begin(
    calls: dict[tuple[int, int, str], ToolCallState], unit: str, seq: int, event: ToolCallBegan
) -> None:
    address = event.address
    key = (address.attempt, address.turn, event.call_id)
    earlier = calls.pop(key, None)
    calls[key] = ToolCallState(
        unit,
        *key,
        name=event.name,
        kind=event.kind,
        tool=event.tool,
        changes_things=event.changes_things,
        began_at=event.at,
        began_seq=seq,
        begun=1 if earlier is None else earlier.begun + 1,
    )


def _end(calls: dict[tuple[int, int, str], ToolCallState], seq: int, event: ToolCallEnded) -> None:
    call = calls.get((event.address.attempt, event.address.turn, event.call_id))
    if call is None:
        return
    call.ended_at, call.end_seq = event.at, seq
    call.ok, call.error, call.elapsed_s = event.ok, event.error, event.elapsed_s
    call.not_run, call.is_parts, call.facts = event.not_run, event.is_parts, event.facts


def _ask(
    questions: dict[Turn, tuple[Approval, frozenset[str]]], seq: int, event: ApprovalAsked
) -> None:
    """The same question put again stays the one it was."""
    turn = (event.address.attempt, event.address.turn)
    known = questions.get(turn)
    if known is None or known[0].granted is not None or known[0].text != event.text:
        approval = Approval(event.text, event.at, seq)
        questions[turn] = (approval, frozenset(event.call_ids))


def _give(questions: dict[Turn, tuple[Approval, frozenset[str]]], event: ApprovalGiven) -> None:
    turn = (event.address.attempt, event.address.turn)
    known = questions.get(turn)
    if known is not None:
        said = replace(
            known[0],
            granted=event.granted,
            by=event.by,
            why=event.why,
            way=event.way,
            decided_at=event.at,
        )
        questions[turn] = (said, known[1])
