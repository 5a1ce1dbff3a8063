"""What is not as it was in the last run of the same file: prompts, models, inputs, answers, money.

Words are compared, not lines: prompts and answers are prose. Which run is the last one is decided
when a run begins, so that its report says the same whenever it is written.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeAlias

from flowrunner.events import JSON
from flowrunner.journal.state import RunState, StepState
from flowrunner.report.comparing import Same, Side, other_inputs, same
from flowrunner.report.figures import iso_utc

Words: TypeAlias = list[tuple[Literal["same", "old", "new"], str]]
"""A text as pieces: what is the same, what stood there before, what stands there now."""

MOST_LISTED = 40
_MOST_READ = 500
_MOST_WORDS = 1_200
_AROUND = 12
_TOKEN = re.compile(r"\s+|\w+|[^\w\s]")


def changes(before: Side | None, now: Side) -> JSON:
    """The part of the report about the last run; None where this was the first. `before` is None
    where the folder of that run is gone."""
    since = now.state.previous
    if since is None:
        return None
    if before is None:
        return {"since": since, "is_there": False, "different": [], "units": 0, "not_listed": 0}
    units = list(dict.fromkeys([*before.state.steps, *now.state.steps]))
    reads = len(units) <= _MOST_READ
    told = [_unit(unit, before, now, reads=reads) for unit in units]
    different = [unit for unit in told if unit is not None]
    return {
        "since": since,
        "is_there": True,
        "at": None if before.state.started_at is None else iso_utc(before.state.started_at),
        "workflow": before.frozen("workflow") != now.frozen("workflow"),
        "inputs": other_inputs(before, now),
        "cost_usd": [_cost(side.state) for side in (before, now)],
        "elapsed_s": [_elapsed_s(side.state) for side in (before, now)],
        "units": len(units),
        "answers_compared": reads,
        "different": different[:MOST_LISTED],
        "not_listed": max(0, len(different) - MOST_LISTED),
    }


def _cost(state: RunState) -> float | None:
    totals = state.totals
    is_whole = not (totals.unknown_cost_calls or totals.lost_calls or totals.accepted_calls)
    return round(totals.cost_usd, 10) if is_whole else None


def _elapsed_s(state: RunState) -> float | None:
    if state.started_at is None or state.ended_at is None or state.resumes:
        return None
    return max(0.0, round(state.ended_at - state.started_at, 3))


def _unit(unit: str, before: Side, now: Side, *, reads: bool) -> JSON:
    """What is not as it was of one unit; None where all is."""
    old, new = before.step(unit), now.step(unit)
    status = [None if step is None else step.status for step in (old, new)]
    asked = _asked(old, new)
    sides = ((before, old), (now, new))
    texts = [_request_text(side.request(step)) for side, step in sides] if asked == "other" else []
    if None in texts:
        asked = "none"
    models = [_model(step) for step in (old, new)]
    answers = [_answer_text(side.answer(step)) for side, step in sides] if reads else [None, None]
    answer = same(*answers)
    if status[0] == status[1] and "other" not in (asked, answer) and models[0] == models[1]:
        return None
    return {
        "unit": unit,
        "status": status,
        "asked": asked,
        "answer": answer,
        "model": models,
        "asked_words": words(texts[0] or "", texts[1] or "") if asked == "other" else [],
        "answer_words": words(answers[0] or "", answers[1] or "") if answer == "other" else [],
    }


def _asked(old: StepState | None, new: StepState | None) -> Same:
    """Whether both did the same, by what was hashed of it; what asks nothing has no hash."""
    marks = [None if step is None else step.fingerprint for step in (old, new)]
    if None in marks:
        return "none"
    return "same" if marks[0] == marks[1] else "other"


def _model(step: StepState | None) -> str | None:
    served = [call.served_model or call.model for call in (step.calls if step else [])]
    return served[-1] if served else None


def _request_text(request: JSON) -> str | None:
    """What a request asks, as prose: its instructions and the texts of its input."""
    if not isinstance(request, dict):
        return None
    return "\n\n".join(text for text in _texts(request) if text.strip())


def _texts(request: dict[str, Any]) -> Iterator[str]:
    if isinstance(request.get("instructions"), str):
        yield request["instructions"]
    given = request.get("input")
    if isinstance(given, str):
        yield given
    for item in given if isinstance(given, list) else []:
        content = item.get("content") if isinstance(item, dict) else None
        if isinstance(content, str):
            yield content
        for part in content if isinstance(content, list) else []:
            if isinstance(part, dict) and isinstance(part.get("text"), str):
                yield part["text"]


def _answer_text(answer: JSON) -> str | None:
    if not isinstance(answer, dict):
        return None
    if answer.get("output") is not None:
        return json.dumps(answer["output"], ensure_ascii=False, indent=2)
    return str(answer.get("text") or "")


def words(old: str, new: str) -> Words:
    """Two texts as one, word by word; of what is the same only what stands around a change.

    Where too much would have to be compared, the whole of both.
    """
    one, other = (_TOKEN.findall(text) for text in (old, new))
    head = _common(one, other)
    tail = _common(one[head:][::-1], other[head:][::-1])
    middle = one[head : len(one) - tail], other[head : len(other) - tail]
    pieces: list[tuple[Literal["same", "old", "new"], Sequence[str]]] = [("same", one[:head])]
    if max(map(len, middle)) > _MOST_WORDS:
        pieces += [("old", middle[0]), ("new", middle[1])]
    else:
        matcher = difflib.SequenceMatcher(None, *middle, autojunk=False)
        for tag, start, end, begin, stop in matcher.get_opcodes():
            if tag == "equal":
                pieces.append(("same", middle[0][start:end]))
                continue
            pieces += [("old", middle[0][start:end]), ("new", middle[1][begin:stop])]
    pieces.append(("same", one[len(one) - tail :]))
    told = [(kind, found) for kind, found in pieces if found]
    last = len(told) - 1
    return [(kind, _shortened(kind, found, at, last)) for at, (kind, found) in enumerate(told)]


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many words two texts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (mine, its) in pairs if mine != its), min(len(one), len(other)))


def _shortened(kind: str, found: Sequence[str], at: int, last: int) -> str:
    most = 2 * _AROUND
    if kind != "same":
        text = "".join(found[:_MOST_WORDS])
        return text if len(found) <= _MOST_WORDS else f"{text} …"
    if len(found) <= 2 * most:
        return "".join(found)
    begin = "" if at == 0 else "".join(found[:most])
    end = "" if at == last else "".join(found[-most:])
    return f"{begin} … {end}"
