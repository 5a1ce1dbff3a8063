"""A run as one document: everything a person may want to know, in the form of report.schema.json.

Computed from the journal alone, so that the same journal gives the same bytes; how it looks is
left to `html` and `terminal`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from flowrunner import __version__
from flowrunner.events import JSON
from flowrunner.journal.state import RunState, StepState
from flowrunner.report.bounds import Bounds
from flowrunner.report.changes import changes
from flowrunner.report.comparing import Side
from flowrunner.report.conversation import Holder
from flowrunner.report.figures import iso_utc
from flowrunner.report.nesting import item_tallies, waiting_for_people
from flowrunner.report.record import ActiveClock, Record, active_clock, frozen_json
from flowrunner.report.spend import money
from flowrunner.report.steps import Telling, drawn_steps, places, step_entry
from flowrunner.report.survey import survey
from flowrunner.report.timeline import timeline
from flowrunner.report.units import listed_units
from flowrunner.report.verdict import is_resumable, tally_of, verdict

FORMAT = 1
_APPROVALS = 50


def build_report(
    state: RunState,
    record: Record,
    *,
    bounds: Bounds | None = None,
    only: Iterable[str] = (),
    before: Side | None = None,
) -> dict[str, JSON]:
    """The report of a run in any condition: finished, failed, held, crashed, still going.

    `bounds` says how large a value may be (by default what suits the number of steps); `only`
    names the units whose `steps` are wanted; without any all steps of the file, and of what is
    inside of them as much as there is room for. The tallies count the steps of the file. `before`
    is the run that it is compared with, where that is still there.
    """
    units = [name for name in only if name in state.steps] or listed_units(
        {name: step.status for name, step in state.steps.items()}
    )
    told = survey(state, units)
    clock = active_clock(state, record, told.last_moment)
    graph = drawn_steps(state, frozen_json(record, "graph"))
    telling = Telling(
        state=state,
        record=record,
        clock=clock,
        told=told,
        graph=places(graph),
        items=item_tallies(state),
        inputs=frozen_json(record, "inputs") or {},
        bounds=bounds or Bounds.for_steps(len(units)),
    )
    document = _document(telling, graph, [state.steps[unit] for unit in units])
    compared = None if only else changes(before, Side(state, record))
    return {**document, "changes": compared}


def _document(
    telling: Telling, graph: list[dict[str, JSON]], listed: list[StepState]
) -> dict[str, JSON]:
    state, record, clock, told = telling.state, telling.record, telling.clock, telling.told
    declared = {step["id"] for step in graph}
    tally = tally_of([step for name, step in state.steps.items() if name in declared])
    return {
        "format": FORMAT,
        "generator": f"flowrunner {__version__}",
        "run": _run(state),
        "verdict": verdict(state, clock, tally, told.whole),
        "result": _result(state, record, telling.bounds),
        "graph": graph,
        "units": _units(state, listed),
        "steps": [step_entry(step, telling) for step in listed],
        "timeline": timeline(told, listed, clock, graph),
        "money": money(state, told, record),
        "warnings": [
            {"code": notice.code, "message": notice.message, "unit": notice.unit}
            for notice in state.warnings
        ],
        "provenance": _provenance(state, clock, telling.inputs, telling.bounds),
        "commands": _commands(state),
    }


def _units(state: RunState, listed: list[StepState]) -> dict[str, JSON]:
    return {
        "total": len(state.steps),
        "listed": len(listed),
        "see": f"flowrunner show {shlex.quote(state.run)} UNIT",
    }


def _run(state: RunState) -> dict[str, JSON]:
    return {
        "id": state.run,
        "workflow": state.workflow,
        "path": state.path,
        "provider": state.provider,
        "base_url": state.base_url,
        "others": state.others,
        "simulated": state.simulated,
        "replayed": state.replayed,
        "processes": state.resumes + 1,
    }


def _result(state: RunState, record: Record, bounds: Bounds) -> JSON:
    if state.result_seq is None:
        return None
    result = record.body(state.result_seq, "result")
    if result is None:
        return None
    return bounds.hold(result, f"flowrunner show {shlex.quote(state.run)} --result")


def _provenance(
    state: RunState, clock: ActiveClock, inputs: dict[str, JSON], bounds: Bounds
) -> dict[str, JSON]:
    holder = Holder(bounds, f"flowrunner show {shlex.quote(state.run)}")
    resumed = zip(clock.resumes, state.origins[1:], strict=False)
    return {
        "origin": state.origin,
        "resumed": [{"at": iso_utc(at), "origin": origin} for at, origin in resumed],
        "inputs": {name: holder.hold(value) for name, value in inputs.items()},
    }


def _commands(state: RunState) -> dict[str, JSON]:
    run = shlex.quote(state.run)
    command = state.origin.get("command") or ["flowrunner", "run", state.path]
    return {
        "show": f"flowrunner show {run}",
        "approve": [
            shlex.join(["flowrunner", "approve", state.run, step.unit])
            for step in waiting_for_people(state.steps.values())[:_APPROVALS]
        ],
        "resume": f"flowrunner resume {run}" if is_resumable(state) else None,
        "run_again": command if isinstance(command, str) else shlex.join(map(str, command)),
    }
