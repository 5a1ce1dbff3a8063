"""What units that cost something have in common: a hash of what they are about to do, and the
question whether that was done already, in this run or (where the author allows it) in another.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from flowrunner.engine.endings import Ending
from flowrunner.engine.units import Unit
from flowrunner.events import JSON, StepResult


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
    place = "/".join(segment.step for segment in unit.path)
    found = unit.shared.reuse.find(unit.step, place, mark, unit.shared.now())
    if found is None:
        return None
    return Ending(
        "succeeded",
        "reused",
        result=StepResult.from_json(found.result),
        fingerprint=mark,
        reused_from=f"{found.run}/{found.unit}",
    )
