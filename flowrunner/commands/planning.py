"""What a run would do and cost: a workflow, its inputs and the settings, and nothing is sent.

How it is worked out is left to `engine.forecast`, what it looks like to `report`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from flowrunner import catalog
from flowrunner.commands.checking import find_file, load_valid
from flowrunner.commands.counting import Library, count
from flowrunner.commands.servers import open_endpoints, own_provider, servers_of
from flowrunner.commands.viewing import Viewer, style_of
from flowrunner.commands.wishes import wishes
from flowrunner.engine.forecast import Forecast, Row, Terms, forecast
from flowrunner.engine.forecast.counts import Counts
from flowrunner.engine.plan import may_reuse
from flowrunner.engine.ports import SystemClock
from flowrunner.engine.reuse import Reuse
from flowrunner.errors import ExitStatus
from flowrunner.events import JSON
from flowrunner.journal.index import Index
from flowrunner.language.workflow import Money, Workflow
from flowrunner.project.inputs import Given, read_inputs
from flowrunner.project.settings import MODEL, PROVIDER, load_settings
from flowrunner.project.settings import Settings as Operator
from flowrunner.report.planned import plan_lines
from flowrunner.secrets import Scrubber


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What the command line decides about a plan. `exact` has the server count the tokens of what
    is known beforehand."""

    simulate: bool = False
    model: str | None = None
    provider: str | None = None
    reuse: str | None = None
    force: tuple[str, ...] = ()
    until: str | None = None
    exact: bool = False
    as_json: bool = False


def show_plan(path: Path, given: Given, options: PlanOptions, viewer: Viewer) -> ExitStatus:
    """Print what a run would do. It needs no key unless it is to be `exact`.

    Raises UsageError and InvalidWorkflow as a run does, EnvironmentFault where counting needs a key
    that is not there or not taken.
    """
    find_file(path)
    overrides = {MODEL: options.model or "", PROVIDER: options.provider or ""}
    operator = load_settings(path, os.environ, overrides)
    workflow, warnings = load_valid(path, viewer.colour, operator.known_providers)
    read = read_inputs(workflow.inputs, replace(given, workflow_folder=workflow.folder))
    inputs = Scrubber(operator.secrets()).scrub_json(read)
    wished = wishes(workflow, operator.project, options)
    if warnings:
        viewer.progress(warnings)
    budget = in_force([workflow.budget, operator.budget])
    terms = replace(_terms(workflow, operator), until=options.until)
    if options.exact:
        terms = _counted(workflow, inputs, terms, operator, options, viewer)
    with _shelf(workflow, operator, options, wished["reuse_from"]) as shelf:
        terms = replace(terms, reuse=Reuse(shelf, wished["reuse"], wished["force"]))
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
    forecast(workflow, inputs, terms)
    with open_endpoints(operator, terms.counts.providers, simulate=options.simulate) as endpoints:
        proxies = {} if options.simulate else operator.proxies
        fault = count(terms.counts, library, endpoints, proxies)
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


@contextmanager
def _shelf(
    workflow: Workflow, operator: Operator, options: PlanOptions, run: str | None
) -> Iterator[Index | None]:
    """Results of earlier runs, where any may be taken."""
    if options.simulate or not (options.reuse or may_reuse(workflow)):
        yield None
        return
    with Index.open(operator.project, within=run) as index:
        yield index


def _terms(workflow: Workflow, operator: Operator) -> Terms:
    own = own_provider(workflow, operator)
    only_own = operator.forced_provider is not None
    servers = servers_of(workflow, operator, own, only_own=only_own)
    return Terms(
        prices=servers[own].prices,
        below=operator.below,
        above={"model": operator.model} if operator.model else {},
        limited=operator.budget is not None,
        now=SystemClock().now(),
        server=lambda named: servers.get(named or own, servers[own]),
        own_provider=own,
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
        "provider": found.provider,
        "prices_date": catalog.prices_date(),
        "steps": [_step(row) for row in found.rows],
        "low_usd": found.cost.low,
        "high_usd": found.cost.high,
        "about_usd": found.cost.about,
        "saved_usd": sum(row.saved_usd for row in found.rows),
        "budget": limits,
    }


def _step(row: Row) -> dict[str, JSON]:
    return {
        "unit": row.unit,
        "depth": row.depth,
        "order": row.order,
        "verb": row.verb,
        "model": row.model,
        "provider": row.provider,
        "will": row.shown,
        "fewest": row.fewest,
        "most": row.most,
        "items": row.of,
        "reused": row.reused,
        "saved_usd": row.saved_usd,
        "rounds": row.rounds,
        "because": row.because,
        "low_usd": row.cost.low,
        "high_usd": row.cost.high,
        "about_usd": row.cost.about,
        "unknown": row.unknown,
        "max_output_tokens": row.limit,
        "assumes": list(row.assumes),
    }
