"""What a journal adds up to: a run, its steps, its paid calls, its totals, as light values.

The texts (requests, answers, results) stay in the journal and are read there by their `seq`;
how the values are computed from events is left to `flowrunner.journal.projection`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from flowrunner.errors import ExitStatus
from flowrunner.events import (
    JSON,
    Address,
    ApiError,
    FileUploaded,
    RunStatus,
    StepStatus,
    Usage,
)

CallProgress: TypeAlias = Literal["sent", "accepted", "answered", "refused", "not-sent", "lost"]
"""`sent` without an end is a call in flight, or one whose process died: possibly billed. `accepted`
is answered later, in the background, under its `response_id`."""

BACKGROUND = "background"
"""The reason of a step that waits for a response in the background and for nobody."""

TOOL_LOST = "tool-lost"
"""The reason of a step with a tool that was begun, may have changed something, and never ended."""


@dataclass(slots=True)
class CallState:
    """One POST: what was asked at an address and what became of it.

    Times are Unix seconds. The request is the body `request` of record `sent_seq`; the answer is
    the body `response` (answered) or `raw` (refused, lost) of record `end_seq`. `model` is the
    model asked for, `served_model` the one that answered. `kind` says how a call was lost or why
    it was not sent. `cost_usd` is None where it is unknown. `polls` counts the looks at a response
    in the background, as far as they are on record. `provider` is the one that was asked where that
    is not the run's.
    """

    unit: str
    attempt: int
    turn: int
    post: int
    state: CallProgress
    model: str | None
    client_request_id: str
    sent_at: float
    sent_seq: int
    ended_at: float | None = None
    end_seq: int | None = None
    http_status: int | None = None
    status: str | None = None
    request_id: str | None = None
    response_id: str | None = None
    served_model: str | None = None
    service_tier: str | None = None
    usage: Usage | None = None
    cost_usd: float | None = None
    elapsed_s: float | None = None
    retry_in_s: float | None = None
    kind: str | None = None
    message: str | None = None
    error: ApiError | None = None
    polls: int | None = None
    provider: str | None = None

    @property
    def key(self) -> tuple[str, int, int, int]:
        """The address as plain values: unit, attempt, turn, post."""
        return (self.unit, self.attempt, self.turn, self.post)

    @property
    def address(self) -> Address:
        """The address of this POST."""
        return Address.parse(self.unit, self.attempt, self.turn, self.post)


@dataclass(frozen=True, slots=True)
class Approval:
    """What a person is asked to agree to, and what they said; `granted` is None until then.

    `asked_seq` is the record that asked first: asking again for the same text, by a process that
    took the run over, is the same question, and an answer to it stands. `way`: terminal, command.
    """

    text: str
    asked_at: float
    asked_seq: int
    granted: bool | None = None
    by: str | None = None
    why: str | None = None
    way: str | None = None
    decided_at: float | None = None


# How to read rows of calls, and those not read yet: no object for each of 100,000 calls.
_Unread: TypeAlias = tuple[Callable[[Any], CallState], list[object]] | None


@dataclass(slots=True)
class StepState:
    """A step, item or round: where it stands and the calls that it made, in the order of address.

    `status` is None for a step that is declared and has not begun. `seq` is the record in which
    the unit first appeared, `result_seq` the one that holds its `result` once it has ended,
    `started_seq` the one with which it last began: calls behind it belong to this go at it.
    `fingerprint` tells what it is about to do or did, `reused_from` names the run and unit that its
    result was taken from (`RUN/unit`), `items` counts the list of a `for_each` that has begun.
    """

    unit: str
    verb: str | None = None
    status: StepStatus | None = None
    reason: str | None = None
    message: str | None = None
    help: str | None = None
    started_at: float | None = None
    ended_at: float | None = None
    seq: int | None = None
    result_seq: int | None = None
    started_seq: int | None = None
    fingerprint: str | None = None
    reused_from: str | None = None
    items: int | None = None
    approval: Approval | None = None
    _calls: list[CallState] | None = field(default=None, repr=False, compare=False)
    _unread: _Unread = field(default=None, repr=False, compare=False)

    @property
    def calls(self) -> list[CallState]:
        """Every POST of this unit. Read from their rows when first asked for."""
        if self._calls is None:
            read, found = self._unread or (None, [])
            self._calls = [read(row) for row in found] if read else []
            self._unread = None
        return self._calls

    def read_later(self, read: Callable[[Any], CallState], row: object) -> None:
        """Add a call that is read from its row only when `calls` is asked for."""
        if self._unread is None:
            self._unread = (read, [])
        self._unread[1].append(row)

    @property
    def is_waiting_for_response(self) -> bool:
        """Whether it was left waiting for a response in the background, which a resume collects."""
        return self.status == "waiting" and self.reason == BACKGROUND

    @property
    def waits_for_decision(self) -> bool:
        """Whether a person was asked and has not answered on record."""
        asked = self.approval is not None and self.approval.granted is None
        return asked and self.status == "waiting"

    @property
    def usage(self) -> Usage:
        """The tokens of all answered calls together, as far as they are known."""
        return sum((call.usage for call in self.calls if call.usage), Usage())

    @property
    def cost_usd(self) -> float | None:
        """What the answered calls cost together; None when the cost of one is unknown."""
        costs = [call.cost_usd for call in self.calls if call.state == "answered"]
        known = [cost for cost in costs if cost is not None]
        return sum(known) if len(known) == len(costs) else None


@dataclass(slots=True)
class Totals:
    """The sums over a run, carried over every resume.

    `calls` counts POSTs announced, `not_sent_calls` those of them that surely never left. `usage`
    and `cost_usd` hold what is known; `unknown_cost_calls` were answered without a known cost, and
    `lost_calls` are possibly billed, as are `accepted_calls`, whose answers are still to come.
    `steps` counts units that have begun or ended.
    """

    steps: int = 0
    calls: int = 0
    not_sent_calls: int = 0
    lost_calls: int = 0
    unknown_cost_calls: int = 0
    cost_usd: float = 0.0
    usage: Usage = field(default_factory=Usage)
    accepted_calls: int = 0

    def count(self, call: CallState, sign: Literal[1, -1] = 1) -> None:
        """Add a call, or with sign -1 take back what an earlier state of it had added."""
        self.calls += sign
        self.not_sent_calls += sign * (call.state == "not-sent")
        self.lost_calls += sign * (call.state == "lost")
        self.accepted_calls += sign * (call.state == "accepted")
        if call.state != "answered":
            return
        if call.cost_usd is None:
            self.unknown_cost_calls += sign
        else:
            self.cost_usd += sign * call.cost_usd
        if call.usage is not None:
            self.usage = _plus(self.usage, call.usage, sign)


def _plus(left: Usage, right: Usage, sign: int) -> Usage:
    return Usage(
        left.input + sign * right.input,
        left.output + sign * right.output,
        left.cached + sign * right.cached,
        left.cache_write + sign * right.cache_write,
        left.reasoning + sign * right.reasoning,
    )


@dataclass(frozen=True, slots=True)
class Notice:
    """A warning of the run: something a person should know that stopped nothing."""

    at: float
    code: str
    message: str
    unit: str | None = None


@dataclass(slots=True)
class RunState:
    """A run as its journal tells it.

    `status` is `running` while no end is on record: the process works on it, or it died. `origins`
    holds the provenance of the start and of each resume, in order; `resumed_at` the Unix times at
    which processes took the run over. `others` are the base URLs of the providers beside the run's
    own, by name; `replayed` is the recording that answered in their place, `previous` the run of
    the same file before this one. `steps` begins with
    the declared ones in their order; items, rounds and nested steps follow as they first appeared.
    `left_out` are steps that the run was not to do for now, `given_up_by` who wants no more of it.
    The run's `result` is the body `result` of record `result_seq`. `uploads` are the last of each
    file, by hash, provider and purpose.
    """

    run: str = ""
    workflow: str = ""
    path: str = ""
    provider: str = ""
    base_url: str = ""
    others: dict[str, str] = field(default_factory=dict)
    simulated: bool = False
    replayed: str | None = None
    previous: str | None = None
    status: RunStatus = "running"
    exit_status: ExitStatus | None = None
    message: str | None = None
    help: str | None = None
    started_at: float | None = None
    ended_at: float | None = None
    resumes: int = 0
    resumed_at: list[float] = field(default_factory=list)
    left_out: tuple[str, ...] = ()
    given_up_by: str | None = None
    result_seq: int | None = None
    uploads: dict[tuple[str, str, str], FileUploaded] = field(default_factory=dict)
    origins: list[dict[str, JSON]] = field(default_factory=list)
    warnings: list[Notice] = field(default_factory=list)
    steps: dict[str, StepState] = field(default_factory=dict)
    totals: Totals = field(default_factory=Totals)

    @property
    def is_finished(self) -> bool:
        """Whether the process that last worked on the run recorded its end."""
        return self.ended_at is not None

    @property
    def origin(self) -> dict[str, JSON]:
        """The provenance of the start; empty when the run never began."""
        return self.origins[0] if self.origins else {}

    def waiting_units(self) -> list[str]:
        """The units that wait for a person, in the order of the steps."""
        return [unit for unit, step in self.steps.items() if step.status == "waiting"]

    def open_calls(self) -> list[CallState]:
        """The calls announced whose end is not on record, in the order of sending."""
        calls = (call for step in self.steps.values() for call in step.calls)
        return sorted(
            (call for call in calls if call.state in ("sent", "accepted")),
            key=lambda call: call.sent_seq,
        )
