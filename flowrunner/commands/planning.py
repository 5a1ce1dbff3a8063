"""What a run would do and cost: a workflow, its inputs and the settings, and nothing is sent.

How it is worked out is left to `engine.forecast`, what it looks like to `report`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from flowrunner import catalog
from flowrunner.commands.checking import load_valid
from flowrunner.commands.counting import Library, count
from flowrunner.commands.reaching import reach
from flowrunner.commands.viewing import Viewer, style_of
from flowrunner.engine.forecast import Forecast, Row, Terms, forecast
from flowrunner.engine.forecast.counts import Counts
from flowrunner.engine.ports import SystemClock
from flowrunner.errors import ExitStatus
from flowrunner.events import JSON
from flowrunner.language.workflow import Money, Workflow
from flowrunner.project.inputs import Given, read_inputs
from flowrunner.project.settings import MODEL, load_settings
from flowrunner.project.settings import Settings as Operator
from flowrunner.report.planned import plan_lines


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What the command line decides about a plan. `exact` has the server count the tokens of what
    is known beforehand."""

    simulate: bool = False
    model: str | None = None
    exact: bool = False
    as_json: bool = False


def show_plan(path: Path, given: Given, options: PlanOptions, viewer: Viewer) -> ExitStatus:
    """Print what a run would do. It needs no key unless it is to be `exact`.

    Raises UsageError and InvalidWorkflow as a run does, EnvironmentFault where counting needs a key
    that is not there or not taken.
    """
    workflow, warnings = load_valid(path, viewer.colour)
    overrides = {MODEL: options.model} if options.model else {}
    operator = load_settings(path, os.environ, overrides)
    inputs = read_inputs(workflow.inputs, replace(given, workflow_folder=workflow.folder))
    if warnings:
        viewer.progress(warnings)
    budget = in_force([workflow.budget, operator.budget])
    terms = _terms(operator)
    if options.exact:
        terms = _counted(workflow, inputs, terms, operator, options, viewer)
    found = forecast(workflow, inputs, terms)
    plan = _document(workflow, found, budget, simulated=options.simulate)
    plan["counted_requests"] = None if terms.counts is None else len(terms.counts.told)
    if options.as_json:
        viewer.result(json.dumps(plan, ensure_ascii=False, indent=2))
    else:
        viewer.result("\n".join(plan_lines(plan, style_of(viewer))))
    return ExitStatus.DONE


def _counted(
    workflow: Workflow,
    inputs: Mapping[str, JSON],
    terms: Terms,
    operator: Operator,
    options: PlanOptions,
    viewer: Viewer,
) -> Terms:
    """The terms with the tokens of every request that is known before the run."""
    library = Library()
    terms = replace(terms, counts=Counts(), look_at=library.look_at)
    assert terms.counts is not None
    with reach(operator, options.simulate) as endpoint:
        forecast(workflow, inputs, terms)
        proxies = {} if options.simulate else operator.proxies
        fault = count(terms.counts, library, endpoint, proxies)
    if fault is not None:
        viewer.progress(f"warning: {fault}; their bounds are as wide as without `--exact`")
    return terms


def in_force(budgets: Iterable[Money | None]) -> Money | None:
    """The smaller of several budgets, limit by limit; None where there is none."""
    said = [budget for budget in budgets if budget is not None]
    if not said:
        return None
    return Money(
        stop_at_usd=min((b.stop_at_usd for b in said if b.stop_at_usd is not None), default=None),
        warn_at_usd=min((b.warn_at_usd for b in said if b.warn_at_usd is not None), default=None),
        tokens=min((b.tokens for b in said if b.tokens is not None), default=None),
    )


def _terms(operator: Operator) -> Terms:
    return Terms(
        prices=operator.prices,
        below=operator.below,
        above={"model": operator.model} if operator.model else {},
        limited=operator.budget is not None,
        now=SystemClock().now(),
    )


def _document(
    workflow: Workflow, found: Forecast, budget: Money | None, *, simulated: bool
) -> dict[str, JSON]:
    """The plan as JSON. Amounts are US dollars; null is unknown."""
    limits = budget and {
        "stop_at_usd": budget.stop_at_usd,
        "warn_at_usd": budget.warn_at_usd,
        "tokens": budget.tokens,
    }
    return {
        "workflow": workflow.name,
        "path": workflow.shown,
        "sha256": workflow.sha256,
        "simulated": simulated,
        "prices_date": catalog.prices_date(),
        "steps": [_step(row) for row in found.rows],
        "low_usd": found.cost.low,
        "high_usd": found.cost.high,
        "about_usd": found.cost.about,
        "budget": limits,
    }


def _step(row: Row) -> dict[str, JSON]:
    return {
        "unit": row.unit,
        "depth": row.depth,
        "order": row.order,
        "verb": row.verb,
        "model": row.model,
        "will": row.will,
        "fewest": row.fewest,
        "most": row.most,
        "items": row.of,
        "rounds": row.rounds,
        "because": row.because,
        "low_usd": row.cost.low,
        "high_usd": row.cost.high,
        "about_usd": row.cost.about,
        "unknown": row.unknown,
        "max_output_tokens": row.limit,
        "assumes": list(row.assumes),
    }
