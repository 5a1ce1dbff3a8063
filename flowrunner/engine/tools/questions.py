"""What people are asked about calls of tools, and what they said: all calls of a turn in one go.

Putting a question and waiting for the answer is left to `approvals`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowrunner.engine.approvals import decided
from flowrunner.engine.endings import Ending
from flowrunner.engine.ports import Decision
from flowrunner.engine.tools.orders import APPROVAL, Order, shown
from flowrunner.engine.units import Unit
from flowrunner.events import Address, ApprovalAsked, ApprovalGiven, StepResult
from flowrunner.journal.state import Approval
from flowrunner.journal.tool_calls import ToolRecord

WAITS = "approval"
"""The reason of a step that waits for a person."""
_LONGEST_LINE = 200


def question(orders: Sequence[Order], turn: int) -> str:
    """What a person is to agree to: every call with all that it would be done with."""
    told = "\n\n".join(map(_told, orders))
    number = f"turn {turn}" if turn > 1 else ""
    if len(orders) == 1:
        return f"{told}\n({number})" if number else told
    which = f" of {number}" if number else ""
    return f"{len(orders)} calls{which}, all of them or none:\n\n{told}"


def _told(order: Order) -> str:
    if order.call.type == APPROVAL:
        head = f"call `{order.name}` at a server of tools, which the API asks about"
    else:
        changes = ", which changes things" if order.changes_things else ""
        head = f"call `{order.name}`{changes}"
    warnings = [
        f"  the API warns: {check.get('message') or check.get('code') or check.get('id')}"
        for check in order.safety_checks
    ]
    return "\n".join([head, *warnings, *_lines(order.given)])


def _lines(given: object) -> list[str]:
    if isinstance(given, Mapping):
        return [f"  {name}: {shown(value)}" for name, value in given.items()]
    if isinstance(given, list):
        return [f"  {shown(each)}" for each in given]
    if isinstance(given, str):
        return [f"  {line}" for line in given.splitlines()]
    return []


async def decision_about(
    unit: Unit, address: Address, orders: Sequence[Order], record: ToolRecord
) -> Approval | None:
    """What a person says about calls, asked once and kept on record; None where nobody is there."""
    scrubber, shared = unit.shared.ports.scrubber, unit.shared
    wanted = {order.call_id for order in orders}
    text = scrubber.scrub(question(orders, address.turn))
    known = record.questions.get((address.attempt, address.turn))
    if known is not None and known[0].granted is not None and wanted <= known[1]:
        return known[0]
    asked = Approval(text, shared.now(), 0)
    if known is None or known[0].granted is not None or known[0].text != text:
        await shared.append(
            ApprovalAsked(
                at=shared.now(),
                address=address,
                text=text,
                call_ids=tuple(order.call_id for order in orders),
            )
        )
    decision = await decided(unit, text)
    if decision is None:
        return None
    await shared.append(
        ApprovalGiven(
            at=shared.now(),
            address=address,
            granted=decision.granted,
            by=decision.by,
            way=decision.way,
            why=decision.why,
        )
    )
    return _answered(asked, decision)


def _answered(asked: Approval, decision: Decision) -> Approval:
    said = (decision.granted, decision.by, decision.why, decision.way)
    return Approval(asked.text, asked.asked_at, asked.asked_seq, *said)


def denial(approval: Approval) -> str:
    """What a model is told of a call that a person did not agree to."""
    why = f": {approval.why}" if approval.why else ""
    return f"a person denied this call{why}"


def waiting(unit: Unit, orders: Sequence[Order]) -> Ending:
    """The end of a unit whose calls wait for a person."""
    again = f"flowrunner approve {unit.shared.plan.run} {unit.name}"
    calls = "; ".join(_short(order) for order in orders)
    return Ending(
        "waiting",
        WAITS,
        f"somebody must agree to {calls}",
        f"`{again}` agrees, `{again} --deny` does not; then `flowrunner resume` goes on",
        StepResult("waiting"),
    )


def _short(order: Order) -> str:
    line = f"`{order.name}` {shown(order.given)}"
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}…"
