"""The calls of one turn: what each asks for, whether people allow it, in which order it is done.

Every call is on record before its tool starts, and its answer before anything follows from it; so a
resume runs nothing twice that is answered, and nothing by itself whose outcome nobody knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flowrunner.engine.endings import Ending, failed
from flowrunner.engine.ports import Stopped
from flowrunner.engine.together import together
from flowrunner.engine.tools.offering import Offered
from flowrunner.engine.tools.orders import APPROVAL, Order, read_orders
from flowrunner.engine.tools.questions import decision_about, denial, waiting
from flowrunner.engine.tools.running import Work, run_tool
from flowrunner.engine.units import Unit
from flowrunner.events import JSON, Address, StepResult, ToolCallBegan, ToolCallEnded
from flowrunner.journal.state import TOOL_LOST, Approval
from flowrunner.journal.tool_calls import ToolCallState, ToolRecord
from flowrunner.responses.items import OpenCall
from flowrunner.responses.replies import Given, replies_to
from flowrunner.tools.answer import ToolAnswer

DENIED = "denied"
"""Why a call was not run that a person did not agree to."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call is replied with, and why its tool was not run where it was not."""

    given: Given
    not_run: str | None = None

    @classmethod
    def of(cls, ended: ToolCallEnded) -> Outcome:
        """The outcome as it was put on record, without secrets."""
        given = Given(ok=ended.ok, output=ended.output, is_parts=ended.is_parts, error=ended.error)
        return cls(given, ended.not_run)


def held(unit: Unit, names: Sequence[str]) -> Ending:
    """The end of a unit with calls that were begun, may have changed something, and of which nobody
    knows what came."""
    shown = ", ".join(f"`{name}`" for name in dict.fromkeys(names))
    again = f"`flowrunner resume {unit.shared.plan.run} --on-unknown retry_once`"
    return Ending(
        "unknown",
        TOOL_LOST,
        f"{shown} was begun and flowrunner ended before it did; it may have changed things",
        f"look at what it did; {again} calls it again",
        StepResult("unknown"),
    )


def lost_calls(unit: Unit) -> list[str]:
    """The tools of calls of this go at a unit whose outcome only people can tell, whatever is asked
    of the model now."""
    before = unit.before
    since = None if before is None else before.started_seq
    if before is None or since is None or before.status != "running":
        return []
    calls = unit.shared.ports.journal.tool_record(unit.name).calls
    return [call.name for call in calls if call.began_seq > since and not may_run_again(unit, call)]


def may_run_again(unit: Unit, state: ToolCallState) -> bool:
    """Whether a call that was begun and never ended may be begun once more."""
    plan = unit.shared.plan
    if not state.is_lost or plan.settings.asks_held:
        return True
    return plan.on_unknown(unit.step) == "retry_once" and state.begun == 1


@dataclass(slots=True)
class Answering:
    """The calls of one turn at work. `left_s` is the time that the step still has, `spent_s` what
    of it they took; what people take to decide is not counted. `record` is what the journal held
    of the unit when the turn was begun or taken up again."""

    unit: Unit
    address: Address
    offered: Offered
    left_s: float
    record: ToolRecord
    spent_s: float = 0.0
    _places: dict[str, int] = field(default_factory=dict)

    async def replies(self, calls: tuple[OpenCall, ...]) -> tuple[JSON, ...] | Ending:
        """The items that answer the calls, in their order; an end where the step can go no further
        for now. Raises Stopped."""
        orders = read_orders(calls, self.offered)
        self._count(orders)
        known = self.record.of_turn(self.address.attempt, self.address.turn)
        lost = [state.name for state in known.values() if not may_run_again(self.unit, state)]
        if lost:
            return held(self.unit, lost)
        ended = {name: state for name, state in known.items() if state.ended_at is not None}
        outcomes = {name: self._on_record(state) for name, state in ended.items()}
        left = [order for order in orders if order.call_id not in outcomes]
        asking = [order for order in left if order.needs_a_person]
        said = None
        if asking:
            said = await decision_about(self.unit, self.address, asking, self.record)
            if said is None:
                return waiting(self.unit, asking)
        clock = self.unit.shared.ports.clock
        began = clock.monotonic()
        ending = await self._do(left, said, outcomes)
        self.spent_s = clock.monotonic() - began
        return _replies(orders, outcomes) if ending is None else ending

    async def one(self, order: Order) -> Outcome | Ending:
        """The outcome of a call that no model made and that nothing more is asked about; as it is
        on record where it was answered before. Raises Stopped."""
        self._count([order])
        state = self.record.of_turn(self.address.attempt, 1).get(order.call_id)
        if state is not None and state.ended_at is not None:
            return self._on_record(state)
        outcome = await self._run(order)
        if isinstance(outcome, Ending):
            return replace(outcome, result=StepResult(outcome.status))
        return outcome

    def _count(self, orders: Sequence[Order]) -> None:
        """Number the calls to each tool over the turns of the unit."""
        own = (self.address.attempt, self.address.turn)
        earlier = [call.name for call in self.record.calls if (call.attempt, call.turn) < own]
        numbers = Counter(earlier)
        for order in orders:
            numbers[order.name] += 1
            self._places[order.call_id] = numbers[order.name]

    async def _do(
        self, orders: Sequence[Order], said: Approval | None, outcomes: dict[str, Outcome]
    ) -> Ending | None:
        """Do what may be done: at the same time, or where something changes one after another. The
        end of a nested workflow that waits or is held."""
        endings: list[Ending] = []

        async def do(order: Order) -> None:
            outcome = await self._outcome(order, said)
            if isinstance(outcome, Ending):
                endings.append(replace(outcome, result=StepResult(outcome.status)))
            else:
                outcomes[order.call_id] = outcome

        if any(order.changes_things for order in orders):
            for order in orders:
                await do(order)
                if endings:
                    break
        else:
            await self._at_once([do(order) for order in orders])
        return endings[0] if endings else None

    async def _at_once(self, work: list[Coroutine[Any, Any, None]]) -> None:
        """Each counts as one at work, of which the step itself is one."""
        shared, at_work = self.unit.shared, len(work)

        async def one(doing: Coroutine[Any, Any, None]) -> None:
            nonlocal at_work
            await doing
            at_work -= 1
            if at_work:
                shared.works(-1)

        if work:
            shared.works(at_work - 1)
        await together(one(doing) for doing in work)

    async def _outcome(self, order: Order, said: Approval | None) -> Outcome | Ending:
        if order.not_run is not None:
            return await self._not_run(order, order.not_run, order.fault)
        if said is not None and order.needs_a_person and not said.granted:
            return await self._not_run(order, DENIED, denial(said))
        if order.call.type == APPROVAL:
            return await self._not_run(order, None, None)
        return await self._run(order)

    async def _not_run(self, order: Order, why: str | None, fault: str | None) -> Outcome:
        """The answer to a call that nothing is run for here, on record like any other."""
        answer = ToolAnswer(fault is None, None, fault)
        ended = self._ended(order, answer, 0.0, why)
        await self.unit.shared.ports.journal.append_many([self._began(order), ended])
        return Outcome.of(ended)

    async def _run(self, order: Order) -> Outcome | Ending:
        unit, clock = self.unit, self.unit.shared.ports.clock
        assert order.tool is not None
        if unit.is_over(has_begun=True):
            raise Stopped
        await unit.shared.append(self._began(order))
        began, number = clock.monotonic(), self._places[order.call_id]
        work = Work(order.tool, order.name, order.arguments, number, self.left_s)
        answer = await run_tool(unit, work)
        if isinstance(answer, Ending):
            return answer
        ended = self._ended(order, answer, clock.monotonic() - began)
        await unit.shared.append(ended)
        return Outcome.of(ended)

    def _began(self, order: Order) -> ToolCallBegan:
        return ToolCallBegan(
            at=self.unit.shared.now(),
            address=self.address,
            call_id=order.call_id,
            name=order.name,
            kind=order.call.type,
            tool=None if order.tool is None else order.tool.name,
            changes_things=order.changes_things,
            arguments=self.unit.shared.ports.scrubber.scrub_json(order.given),
        )

    def _ended(
        self, order: Order, answer: ToolAnswer, elapsed_s: float, not_run: str | None = None
    ) -> ToolCallEnded:
        """The answer as it is kept and sent on, without secrets: a resume sees the same."""
        scrubber = self.unit.shared.ports.scrubber
        return ToolCallEnded(
            at=self.unit.shared.now(),
            address=self.address,
            call_id=order.call_id,
            ok=answer.ok,
            error=None if answer.error is None else scrubber.scrub(answer.error),
            elapsed_s=elapsed_s,
            not_run=not_run,
            is_parts=answer.is_parts,
            facts=dict(scrubber.scrub_json(dict(answer.facts))),
            output=scrubber.scrub_json(answer.output),
        )

    def _on_record(self, state: ToolCallState) -> Outcome:
        assert state.end_seq is not None
        output = self.unit.shared.ports.journal.body(state.end_seq, "output")
        given = Given(ok=bool(state.ok), output=output, is_parts=state.is_parts, error=state.error)
        return Outcome(given, state.not_run)


def _replies(orders: Sequence[Order], outcomes: Mapping[str, Outcome]) -> tuple[JSON, ...] | Ending:
    """The replies to all calls. An action that the API warns of was done because a person agreed,
    or not at all; then there is no reply to it that the API takes."""
    replies: list[JSON] = []
    for order in orders:
        outcome = outcomes[order.call_id]
        if order.safety_checks and outcome.not_run is not None:
            said = f"`{order.name}` was not done: {outcome.given.error}"
            return failed(DENIED, said, "the API goes on only after what it warned of")
        given = replace(outcome.given, acknowledged=bool(order.safety_checks))
        replies += replies_to(order.call, given)
    return tuple(replies)
