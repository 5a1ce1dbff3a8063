"""What units that cost something have in common: a hash of what they are about to do, and the
question whether that was done already, in this run or (where the author allows it) in another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from flowrunner.engine.artefacts import copied
from flowrunner.engine.endings import Ending
from flowrunner.engine.moved import place_of
from flowrunner.engine.units import Unit
from flowrunner.events import JSON, StepResult
from flowrunner.journal.state import TOOL_LOST, CallState, StepState
from flowrunner.language.request import Prompt
from flowrunner.language.workflow import Approve

_DELIVERY = ("stream", "stream_options")


def fingerprint(*parts: JSON) -> str:
    """A hash of what a unit is about to do."""
    text = json.dumps(parts, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def question(body: Mapping[str, JSON]) -> dict[str, JSON]:
    """What is asked, however the answer is delivered: a result serves whoever asks the same."""
    return {key: value for key, value in body.items() if key not in _DELIVERY}


def already(unit: Unit, mark: str) -> Ending | None:
    """The unit's end where the journal of this run holds it: done, and it would do the same again;
    or of unknown outcome, which only a person may ask for again."""
    before = unit.before
    if before is not None and before.status == "succeeded" and before.fingerprint == mark:
        unit.shared.moved.stays(before)
        return Ending("succeeded", is_kept=True)
    moved = _moved(unit, mark)
    if moved is not None or before is None:
        return moved
    if before.status == "failed" and before.reason == "save" and before.fingerprint == mark:
        saved = StepResult.from_json(unit.shared.ports.journal.result(unit.name))
        good = replace(saved, status="succeeded", error=None)
        return Ending("succeeded", result=good, fingerprint=mark)
    asks_again = unit.shared.plan.settings.asks_held
    if before.status == "unknown" and not asks_again:
        return Ending("unknown", before.reason, before.message, before.help, is_kept=True)
    return None


def _moved(unit: Unit, mark: str) -> Ending | None:
    """The end of the same work at another place of its list, whose items are no longer where they
    were: what is done is not paid for again because something stands before it now."""
    verb = unit.step.verb
    is_said = isinstance(verb, Prompt) and "conversation" in verb.parameters
    before = unit.before
    is_open = before is not None and before.status in ("running", "waiting", "unknown")
    if not unit.recheck or isinstance(verb, Approve) or is_said or is_open:
        return None
    shared = unit.shared
    found = shared.moved.take(place_of(unit.path), mark)
    if found is None or found.result_seq is None:
        return None
    result = StepResult.from_json(shared.ports.journal.body(found.result_seq, "result"))
    if result.files:  # what stands at its place now may have saved others under their names
        return None
    return Ending(
        "succeeded",
        "reused",
        result=result,
        fingerprint=mark,
        reused_from=f"{shared.plan.run}/{found.unit}",
    )


def from_elsewhere(unit: Unit, mark: str) -> Ending | None:
    """The result of the same work in an earlier run, where `reuse` allows to take it."""
    found = unit.shared.reuse.find(unit.step, place_of(unit.path), mark, unit.shared.now())
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
        return before.reason == TOOL_LOST or (bool(calls) and calls[-1].turn > 1)
    if before.status != "failed" or not calls:
        return False
    last = calls[-1]
    if last.state == "answered":
        return before.reason in _BETWEEN_TURNS
    return last.turn > 1 and last.state in ("refused", "not-sent")


_BETWEEN_TURNS = ("max-turns", "timeout")
