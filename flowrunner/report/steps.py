"""One step of a run as the report tells it: asked, answered, numbers, attempts, raw, why.

The parts are told by their own modules; here they are read from the journal and put together.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from flowrunner.events import JSON, CallSent
from flowrunner.journal.state import CallState, RunState, StepState
from flowrunner.report.attempts import attempts, elapsed_s
from flowrunner.report.bounds import Bounds
from flowrunner.report.conversation import Holder, answered, asked
from flowrunner.report.figures import iso_utc
from flowrunner.report.nesting import approval, case, rounds
from flowrunner.report.record import ActiveClock, Record, body_of
from flowrunner.report.spend import saved_usd
from flowrunner.report.survey import Spend, Survey, tokens
from flowrunner.report.tool_calls import tool_calls
from flowrunner.report.units import ancestors, is_item, parent_of, place_of
from flowrunner.report.verdict import is_reused
from flowrunner.report.why import why


@dataclass(frozen=True, slots=True)
class Telling:
    """What is needed to tell the steps of one run. `graph` knows every place of the file, `told`
    the sums of the units to tell, `items` the tallies of those with a `for_each`."""

    state: RunState
    record: Record
    clock: ActiveClock
    told: Survey
    graph: dict[str, dict[str, JSON]]
    items: dict[str, dict[str, int]]
    inputs: dict[str, JSON]
    bounds: Bounds

    def value(self, unit: str, root: str, name: str) -> JSON:
        """What a step gave, or an input, for the values that a condition of `unit` speaks of."""
        if root == "inputs":
            return self.inputs.get(name)
        nearby = [f"{above}/{name}" for above in ancestors(unit)]
        found = next((one for one in [*nearby, name] if one in self.state.steps), None)
        seq = None if found is None else self.state.steps[found].result_seq
        return body_of(self.record, seq, "result")

    def holder(self, unit: str) -> Holder:
        """Holds values of one step and points to the command that shows them whole."""
        words = ["flowrunner", "show", self.state.run, unit]
        return Holder(self.bounds, shlex.join(words))


def drawn_steps(state: RunState, graph: JSON) -> list[dict[str, JSON]]:
    """The `graph` of a report: every declared step with all keys, also where none was frozen."""
    frozen = graph.get("steps", []) if isinstance(graph, dict) else []
    known = {step["id"]: step for step in frozen}
    declared = [unit for unit in state.steps if parent_of(unit) is None]
    ids = [*known, *(unit for unit in declared if unit not in known)]
    return [_drawn(name, known.get(name, {}), state.steps.get(name)) for name in ids]


def places(graph: list[dict[str, JSON]]) -> dict[str, dict[str, JSON]]:
    """Every step of a graph by its place in the file, those inside of others too."""
    found: dict[str, dict[str, JSON]] = {}
    waiting = [("", step) for step in graph]
    while waiting:
        above, step = waiting.pop()
        place = f"{above}{step['id']}"
        found[place] = step
        waiting += [(f"{place}/", inner) for inner in step["inside"]]
    return found


def step_entry(step: StepState, telling: Telling) -> dict[str, JSON]:
    """One entry of `steps` in the report."""
    drawn = telling.graph.get(place_of(step.unit), _NOT_DRAWN)
    last = max(step.calls, key=lambda call: call.sent_seq, default=None)
    holder = telling.holder(step.unit)
    request, response = _wire(last, telling.record)
    first = _first_turn(step, last)
    sent = None if first is None else telling.record.event(first.sent_seq)
    question, filled = (sent.request, sent.filled) if isinstance(sent, CallSent) else (None, None)
    result = body_of(telling.record, step.result_seq, "result")
    return {
        **_head(step, drawn, telling),
        **_inside(step, result, telling, holder),
        "why": why(step, drawn, partial(telling.value, step.unit), holder),
        "asked": asked(question, holder, filled),
        "answered": answered(result, response, holder),
        "tool_calls": tool_calls(step.unit, telling.record, holder),
        "numbers": {
            **_numbers(step, last, telling.told.spend(step.unit)),
            "service_tier_asked": _tier_asked(request),
        },
        "attempts": attempts(step),
        "raw": {"request": holder.hold_some(request), "response": holder.hold_some(response)},
    }


def _head(step: StepState, drawn: dict[str, JSON], telling: Telling) -> dict[str, JSON]:
    line, seconds = drawn["line"], telling.clock.seconds
    elapsed = None
    # A loop begins with its first round.
    started = telling.told.began.get(step.unit) if step.started_at is None else step.started_at
    if started is not None and step.ended_at is not None:
        elapsed = round(max(0.0, seconds(step.ended_at) - seconds(started)), 3)
    return {
        "unit": step.unit,
        "id": step.unit.rpartition("/")[2],
        "parent": parent_of(step.unit),
        "verb": step.verb or drawn["verb"],
        "place": f"{telling.state.path}:{line}" if line else None,
        "describe": drawn["describe"],
        "status": step.status,
        "reused": is_reused(step.status, step.reason),
        "reason": step.reason,
        "message": step.message,
        "help": step.help,
        "started_at": None if started is None else iso_utc(started),
        "ended_at": None if step.ended_at is None else iso_utc(step.ended_at),
        "elapsed_s": elapsed,
    }


def _inside(step: StepState, result: JSON, telling: Telling, holder: Holder) -> dict[str, JSON]:
    is_one_of_many = is_item(step.unit) and isinstance(result, dict)
    return {
        "items": telling.items.get(step.unit),
        "input": holder.hold_some(result.get("input")) if is_one_of_many else None,
        "rounds": rounds(result),
        "case": case(result),
        "approval": approval(step.approval),
        "reused_from": step.reused_from,
        "saved_usd": saved_usd(result) if is_reused(step.status, step.reason) else None,
    }


def _numbers(step: StepState, last: CallState | None, spend: Spend) -> dict[str, JSON]:
    answers = [call for call in step.calls if call.state == "answered"]
    answer = max(answers, key=lambda call: call.sent_seq, default=None)
    first: Callable[[str], JSON] = lambda name: getattr(answer or last, name, None)  # noqa: E731
    return {
        "calls": spend.calls,
        "tokens": tokens(spend.usage),
        "tokens_are_complete": not spend.uncounted,
        "cost_usd": spend.rounded_usd,
        "cost_is_complete": spend.is_complete,
        "elapsed_s": None if answer is None else elapsed_s(answer),
        "model_asked": first("model"),
        "model_served": first("served_model"),
        "service_tier": first("service_tier"),
        "provider": first("provider"),
        "request_id": first("request_id"),
        "response_id": first("response_id"),
        "client_request_id": first("client_request_id"),
    }


def _tier_asked(request: JSON) -> str | None:
    tier = request.get("service_tier") if isinstance(request, dict) else None
    return tier if isinstance(tier, str) else None


def _drawn(name: str, frozen: dict[str, JSON], step: StepState | None) -> dict[str, JSON]:
    return {
        "id": name,
        "verb": frozen.get("verb") or (step.verb if step else None),
        "line": frozen.get("line"),
        "describe": frozen.get("describe"),
        "waits_for": list(frozen.get("waits_for") or ()),
        "condition": frozen.get("condition"),
        "for_each": frozen.get("for_each"),
        "inside": [_drawn(inner["id"], inner, None) for inner in frozen.get("inside") or ()],
    }


_NOT_DRAWN = _drawn("", {}, None)


def _first_turn(step: StepState, last: CallState | None) -> CallState | None:
    """The request that began the dialogue of the last one: those after it only bring answers of
    tools."""
    if last is None or last.turn == 1:
        return last
    turns = [call for call in step.calls if (call.attempt, call.turn) == (last.attempt, 1)]
    return max(turns, key=lambda call: call.sent_seq, default=last)


def _wire(call: CallState | None, record: Record) -> tuple[JSON, JSON]:
    if call is None:
        return None, None
    request = body_of(record, call.sent_seq, "request")
    field = {"answered": "response", "refused": "raw", "lost": "raw"}.get(call.state)
    return request, body_of(record, call.end_seq, field) or None if field else None
