"""What units that cost something have in common: a hash of what they are about to do, and the
question whether that was done already, in this run or (where the author allows it) in another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

from flowrunner.engine.artefacts import copied
from flowrunner.engine.endings import Ending
from flowrunner.engine.units import Unit
from flowrunner.events import JSON, StepResult
from flowrunner.journal.state import TOOL_LOST, CallState, StepState


def fingerprint(*parts: JSON) -> str:
    """A hash of what a unit is about to do."""
    text = json.dumps(parts, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def already(unit: Unit, mark: str) -> Ending | None:
    """The unit's end where the journal of this run holds it: done, and it would do the same again;
    or of unknown outcome, which only a person may ask for again."""
    before = unit.before
    if before is None:
        return None
    if before.status == "succeeded" and before.fingerprint == mark:
        return Ending("succeeded", is_kept=True)
    if before.status == "failed" and before.reason == "save" and before.fingerprint == mark:
        saved = StepResult.from_json(unit.shared.ports.journal.result(unit.name))
        good = replace(saved, status="succeeded", error=None)
        return Ending("succeeded", result=good, fingerprint=mark)
    asks_again = unit.shared.plan.settings.asks_held
    if before.status == "unknown" and not asks_again:
        return Ending("unknown", before.reason, before.message, before.help, is_kept=True)
    return None


def from_elsewhere(unit: Unit, mark: str) -> Ending | None:
    """The result of the same work in an earlier run, where `reuse` allows to take it."""
    shelf = unit.shared.ports.shelf
    wanted = unit.step.reuse if unit.step.reuse is not None else unit.shared.plan.settings.reuse
    if shelf is None or wanted in (None, False) or unit.shared.plan.settings.simulated:
        return None
    unit.shared.asked_for[mark] += 1
    oldest = None if wanted is True else unit.shared.now() - float(wanted)
    found = shelf.look_up(mark, nth=unit.shared.asked_for[mark], newer_than=oldest)
    if found is None:
        return None
    result = StepResult.from_json(found.result)
    files = copied(result.files, unit.shared.ports.journal.folder.parent / found.run, unit)
    if files is None:
        return None
    return Ending(
        "succeeded",
        "reused",
        result=replace(result, files=files),
        fingerprint=mark,
        reused_from=f"{found.run}/{found.unit}",
    )


def begun_at(before: StepState | None, mark: str, recheck: bool = True) -> int | None:
    """The record with which this go at a unit began, where an earlier process left it unfinished.

    What was answered to another question is no answer; a loss is a loss whatever was asked; and a
    response that is still to come answers the question, unless files were edited (`recheck`). What
    a model and its tools said before a step failed or was held is said.
    """
    if before is None or before.started_seq is None:
        return None
    since = before.started_seq
    calls = [call for call in before.calls if call.sent_seq > since]
    last = calls[-1].state if calls else None
    if before.status not in ("running", "waiting") and not _was_cut_off(before, calls):
        return None
    is_kept = last == "accepted" and not recheck
    return since if before.fingerprint == mark or last in ("sent", "lost") or is_kept else None


def _was_cut_off(before: StepState, calls: Sequence[CallState]) -> bool:
    """Whether a step ended between the turns of its dialogue, all of which are on record."""
    if before.status == "unknown":
        return before.reason == TOOL_LOST
    if before.status != "failed" or not calls:
        return False
    last = calls[-1]
    if last.state == "answered":
        return before.reason in _BETWEEN_TURNS
    return last.turn > 1 and last.state in ("refused", "not-sent")


_BETWEEN_TURNS = ("max-turns", "timeout")
