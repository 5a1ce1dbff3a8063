"""An `approve` step: a person must agree, here or from another shell, now or later."""

from __future__ import annotations

from flowrunner.engine.endings import Ending
from flowrunner.engine.leaves import already, fingerprint
from flowrunner.engine.ports import Decision, Stopped
from flowrunner.engine.units import Unit
from flowrunner.events import ApprovalAsked, ApprovalGiven, StepResult
from flowrunner.language.workflow import Approve

LOOK_S = 0.5
"""How often a run looks whether somebody decided from another shell."""


async def approve(unit: Unit) -> Ending:
    """Show the text, wait for a decision as long as somebody is there or other work goes on."""
    assert isinstance(unit.step.verb, Approve)
    text = unit.step.verb.text.render(unit.scope())
    mark = fingerprint("approve", text)
    known = already(unit, mark)
    if known is not None:
        return known
    before = unit.before
    if before is None or before.status not in ("running", "waiting") or before.fingerprint != mark:
        await unit.started(mark)
        asked = ApprovalAsked(at=unit.shared.now(), address=unit.address, text=text)
        await unit.shared.append(asked)
    decision = await decided(unit, text)
    if decision is None:
        return _waiting(unit, text, mark)
    await unit.shared.append(
        ApprovalGiven(
            at=unit.shared.now(),
            address=unit.address,
            granted=decision.granted,
            by=decision.by,
            way=decision.way,
            why=decision.why,
        )
    )
    return _ended(decision, mark)


async def decided(unit: Unit, text: str) -> Decision | None:
    """A decision of a person; None when nobody is there and nothing else goes on."""
    people = unit.shared.ports.people
    with unit.shared.resting():
        while True:
            decision = await people.decided(unit.name, text)
            if decision is not None:
                return decision
            if unit.shared.stop.reason is not None:
                raise Stopped
            if unit.shared.is_idle and not people.is_there:
                return None
            await unit.shared.rest(LOOK_S)


def _waiting(unit: Unit, text: str, mark: str) -> Ending:
    again = f"flowrunner approve {unit.shared.plan.run} {unit.name}"
    return Ending(
        "waiting",
        "approval",
        f"somebody must agree: {text}",
        f"`{again}` agrees, `{again} --deny` does not; then `flowrunner resume` goes on",
        StepResult("waiting"),
        fingerprint=mark,
    )


def _ended(decision: Decision, mark: str) -> Ending:
    # What was said and by whom is on record as `ApprovalGiven`; a step without a declared shape
    # offers no `.output`.
    if decision.granted:
        return Ending("succeeded", result=StepResult("succeeded"), fingerprint=mark)
    why = f": {decision.why}" if decision.why else ""
    return Ending(
        "cancelled",
        "denied",
        f"{decision.by} did not agree{why}",
        "nothing below it was done",
        StepResult("cancelled"),
        fingerprint=mark,
    )
