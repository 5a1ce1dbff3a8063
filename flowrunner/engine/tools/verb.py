"""`call:`, one declared tool, called once, without a model: the same record, the same question.

How a tool is run and put on record is left to `answering`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from flowrunner.engine.endings import Ending, failed
from flowrunner.engine.leaves import already, fingerprint, from_elsewhere
from flowrunner.engine.ports import Stopped
from flowrunner.engine.tools.answering import DENIED, Answering, Outcome, held, may_run_again
from flowrunner.engine.tools.offering import Offered, declaration, listed, may_be_reused
from flowrunner.engine.tools.orders import Order
from flowrunner.engine.tools.questions import decision_about, waiting
from flowrunner.engine.tools.telling import tool_calls
from flowrunner.engine.units import Unit
from flowrunner.events import JSON, StepResult
from flowrunner.journal.state import TOOL_LOST, Approval
from flowrunner.journal.tool_calls import ToolRecord
from flowrunner.language.shapes import check_by_schema
from flowrunner.language.tools import CallTool, CustomTool, McpTool
from flowrunner.responses.items import OpenCall

CALL = "call"
"""The kind of a call that no model made, and its id."""


async def call(unit: Unit) -> Ending:
    """Call the tool, unless that was done; a person is asked first where the file says so."""
    verb = unit.step.verb
    assert isinstance(verb, CallTool)
    order = await _order(unit, verb)
    if isinstance(order, Ending):
        return order
    mark = fingerprint(CALL, declaration(verb.tool), order.name, order.given)
    known = already(unit, mark)
    if known is None and may_be_reused(verb.tool, unit.step):
        known = from_elsewhere(unit, mark)
    if known is not None:
        return known
    if unit.is_over(has_begun=False):
        raise Stopped
    run = _CallRun.of(unit, verb, order, mark)
    ending = await run.finish()
    return replace(ending, fingerprint=mark)


async def _order(unit: Unit, verb: CallTool) -> Order | Ending:
    """The call with its arguments filled in; its end where they do not fit."""
    values = verb.evaluate(unit.scope())
    call = OpenCall(CALL, verb.name, CALL)
    if isinstance(verb.tool.kind, CustomTool):
        text = values.get("input")
        given = text if isinstance(text, str) else json.dumps(text, ensure_ascii=False)
        return Order(call, verb.name, verb.tool, given, given)
    arguments, faults = verb.tool.read_arguments(values)
    if isinstance(verb.tool.kind, McpTool):
        found = await listed(unit, [verb.tool])
        if isinstance(found, Ending):
            return found
        faults = check_by_schema(found.schemas.get(verb.name, {}), values)
    if faults:
        return failed("arguments", f"`{verb.name}`: {'; '.join(faults)}")
    return Order(call, verb.name, verb.tool, values, arguments)


@dataclass(slots=True)
class _CallRun:
    """One `call` unit at work; `attempt` is the first of this go at it."""

    unit: Unit
    verb: CallTool
    order: Order
    mark: str
    record: ToolRecord
    attempt: int

    @classmethod
    def of(cls, unit: Unit, verb: CallTool, order: Order, mark: str) -> _CallRun:
        """The unit with what its journal holds; one that was left amid its work goes on."""
        record = unit.shared.ports.journal.tool_record(unit.name)
        turns = [(call.attempt, call.turn) for call in record.calls]
        last = max((attempt for attempt, _ in [*turns, *record.questions]), default=0)
        before = unit.before
        was_left = before is not None and (
            before.status in ("running", "waiting") or before.reason == TOOL_LOST
        )
        unit.goes_on = was_left and before is not None and before.fingerprint == mark
        return cls(unit, verb, order, mark, record, last if unit.goes_on and last else last + 1)

    async def finish(self) -> Ending:
        """The end of the unit. Raises Stopped."""
        attempts = 1 if self.verb.tool.changes_things else self.unit.step.retry.attempts
        lost = [call for call in self.record.calls if not may_run_again(self.unit, call)]
        if lost:
            return held(self.unit, [self.order.name])
        await self.unit.started(self.mark)
        said: Approval | None = None
        if self.verb.asks and not self._known():
            first = replace(self.unit.address, attempt=self.attempt)
            said = await decision_about(self.unit, first, [self.order], self.record)
            if said is None:
                return waiting(self.unit, [self.order])
            if not said.granted:
                return _denied(said)
        outcome: Outcome | Ending = await self._once(self.attempt)
        for attempt in range(self.attempt + 1, self.attempt + attempts):
            if isinstance(outcome, Ending) or outcome.given.ok:
                break
            outcome = await self._once(attempt)
        return outcome if isinstance(outcome, Ending) else self._ended(outcome)

    def _known(self) -> bool:
        """Whether the answer is on record, from a process that died before the step ended."""
        state = self.record.of_turn(self.attempt, 1).get(CALL)
        return state is not None and state.ended_at is not None

    async def _once(self, attempt: int) -> Outcome | Ending:
        unit = self.unit
        address = replace(unit.address, attempt=attempt)
        answering = Answering(unit, address, Offered(), unit.left_s(), self.record)
        return await answering.one(self.order)

    def _ended(self, outcome: Outcome) -> Ending:
        given = outcome.given
        calls = tool_calls(self.unit.shared.ports.journal, self.unit.name, self.attempt)
        if not given.ok:
            ending = failed("tool", given.error or f"`{self.order.name}` failed")
            assert ending.result is not None
            return replace(ending, result=replace(ending.result, tool_calls=calls))
        has_output = self.verb.output is not None or _is_object(given.output, given.is_parts)
        return Ending(
            "succeeded",
            result=StepResult(
                "succeeded",
                text=_text(given.output, given.is_parts),
                output=given.output if has_output else None,
                has_output=has_output,
                tool_calls=calls,
            ),
        )


def _is_object(output: JSON, is_parts: bool) -> bool:
    return not is_parts and not isinstance(output, str)


def _text(output: JSON, is_parts: bool) -> str:
    """What a tool answered as text; of content parts their texts."""
    if is_parts:
        texts = [part.get("text") for part in output if isinstance(part, Mapping)]
        return "\n\n".join(text for text in texts if isinstance(text, str))
    return output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)


def _denied(said: Approval) -> Ending:
    why = f": {said.why}" if said.why else ""
    output = {"granted": False, "by": said.by, "reason": said.why}
    return Ending(
        "cancelled",
        DENIED,
        f"{said.by} did not agree{why}",
        "the tool was not called, and nothing below it was done",
        StepResult("succeeded", output=output, has_output=True),
    )
