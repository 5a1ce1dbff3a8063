"""One step of a run as the report tells it: asked, answered, numbers, attempts, raw, why.

The parts are told by their own modules; here they are read from the journal and put together.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass

from flowrunner.events import JSON
from flowrunner.journal.state import CallState, RunState, StepState
from flowrunner.report.attempts import attempts, elapsed_s
from flowrunner.report.bounds import Bounds
from flowrunner.report.conversation import Holder, answered, asked
from flowrunner.report.figures import iso_utc
from flowrunner.report.record import ActiveClock, Record
from flowrunner.report.spend import spend_of_step, tokens
from flowrunner.report.verdict import is_reused
from flowrunner.report.why import why

_NOT_DRAWN: dict[str, JSON] = {
    "verb": None,
    "line": None,
    "describe": None,
    "waits_for": [],
    "condition": None,
}


@dataclass(frozen=True, slots=True)
class Telling:
    """What is needed to tell the steps of one run."""

    state: RunState
    record: Record
    clock: ActiveClock
    graph: dict[str, dict[str, JSON]]
    inputs: dict[str, JSON]
    bounds: Bounds

    def value(self, root: str, name: str) -> JSON:
        """What a step gave, or an input, for the values that a condition speaks of."""
        if root == "inputs":
            return self.inputs.get(name)
        step = self.state.steps.get(name)
        return None if step is None else _body(self.record, step.result_seq, "result")

    def holder(self, unit: str) -> Holder:
        """Holds values of one step and points to the command that shows them whole."""
        words = ["flowrunner", "show", self.state.run, unit]
        return Holder(self.bounds, shlex.join(words))


def drawn_steps(state: RunState, graph: JSON) -> list[dict[str, JSON]]:
    """The `graph` of a report: every declared step with all keys, also where none was frozen."""
    frozen = graph.get("steps", []) if isinstance(graph, dict) else []
    known = {step["id"]: step for step in frozen}
    declared = [unit for unit in state.steps if "/" not in unit and "[" not in unit]
    ids = [*known, *(unit for unit in declared if unit not in known)]
    return [_drawn(name, known.get(name, {}), state.steps.get(name)) for name in ids]


def step_entry(step: StepState, telling: Telling) -> dict[str, JSON]:
    """One entry of `steps` in the report."""
    drawn = telling.graph.get(step.unit, _NOT_DRAWN)
    last = max(step.calls, key=lambda call: call.sent_seq, default=None)
    holder = telling.holder(step.unit)
    request, response = _wire(last, telling.record)
    result = _body(telling.record, step.result_seq, "result")
    return {
        **_head(step, drawn, telling),
        "why": why(step, drawn, telling.value, holder),
        "asked": asked(request, holder),
        "answered": answered(result, response, holder),
        "numbers": _numbers(step, last),
        "attempts": attempts(step),
        "raw": {"request": holder.hold_some(request), "response": holder.hold_some(response)},
    }


def _head(step: StepState, drawn: dict[str, JSON], telling: Telling) -> dict[str, JSON]:
    line, seconds = drawn["line"], telling.clock.seconds
    elapsed = None
    if step.started_at is not None and step.ended_at is not None:
        elapsed = round(max(0.0, seconds(step.ended_at) - seconds(step.started_at)), 3)
    return {
        "unit": step.unit,
        "id": step.unit.rpartition("/")[2],
        "verb": step.verb or drawn["verb"],
        "place": f"{telling.state.path}:{line}" if line else None,
        "describe": drawn["describe"],
        "status": step.status,
        "reused": is_reused(step.status, step.reason),
        "reason": step.reason,
        "message": step.message,
        "help": step.help,
        "started_at": None if step.started_at is None else iso_utc(step.started_at),
        "ended_at": None if step.ended_at is None else iso_utc(step.ended_at),
        "elapsed_s": elapsed,
    }


def _numbers(step: StepState, last: CallState | None) -> dict[str, JSON]:
    spend = spend_of_step(step)
    answers = [call for call in step.calls if call.state == "answered"]
    answer = max(answers, key=lambda call: call.sent_seq, default=None)
    first: Callable[[str], JSON] = lambda name: getattr(answer or last, name, None)  # noqa: E731
    return {
        "calls": spend.calls,
        "tokens": tokens(spend.usage),
        "cost_usd": spend.rounded_usd,
        "cost_is_complete": spend.is_complete,
        "elapsed_s": None if answer is None else elapsed_s(answer),
        "model_asked": first("model"),
        "model_served": first("served_model"),
        "service_tier": first("service_tier"),
        "request_id": first("request_id"),
        "response_id": first("response_id"),
        "client_request_id": first("client_request_id"),
    }


def _drawn(name: str, frozen: dict[str, JSON], step: StepState | None) -> dict[str, JSON]:
    return {
        "id": name,
        "verb": frozen.get("verb") or (step.verb if step else None),
        "line": frozen.get("line"),
        "describe": frozen.get("describe"),
        "waits_for": list(frozen.get("waits_for") or ()),
        "condition": frozen.get("condition"),
    }


def _wire(call: CallState | None, record: Record) -> tuple[JSON, JSON]:
    if call is None:
        return None, None
    request = _body(record, call.sent_seq, "request")
    field = {"answered": "response", "refused": "raw", "lost": "raw"}.get(call.state)
    return request, _body(record, call.end_seq, field) or None if field else None


def _body(record: Record, seq: int | None, field: str | None) -> JSON:
    return None if seq is None or field is None else record.body(seq, field)
