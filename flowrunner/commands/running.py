"""A run from its file; how it is taken up again is left to `resuming`.

What happens while it goes on is left to `going` and `engine`.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from flowrunner.commands.checking import find_file, load_valid
from flowrunner.commands.freezing import freeze
from flowrunner.commands.going import Going, open_wire
from flowrunner.commands.hiding import check_handed, handed_secrets
from flowrunner.commands.people import Ask
from flowrunner.commands.planning import in_force
from flowrunner.commands.previous import previous_run
from flowrunner.commands.provenance import origin
from flowrunner.commands.recording import answering, keep_recording, recording_shown, recordings
from flowrunner.commands.servers import open_endpoints, own_provider, servers_of
from flowrunner.commands.viewing import Viewer
from flowrunner.commands.wishes import wishes
from flowrunner.engine.forecast import Terms, forecast
from flowrunner.engine.plan import Plan, Settings, check_models, check_storing
from flowrunner.engine.ports import SystemClock
from flowrunner.engine.servers import SIMULATOR
from flowrunner.errors import ExitStatus, UsageError
from flowrunner.events import RunResumed, RunStarted
from flowrunner.journal.journal import Journal
from flowrunner.journal.runs import create_run_folder
from flowrunner.journal.state import RunState
from flowrunner.language.workflow import Money, Workflow
from flowrunner.project.arguments import secret_values
from flowrunner.project.inputs import Given, Sourced, read_sourced
from flowrunner.project.settings import MODEL, PROVIDER, load_settings
from flowrunner.project.settings import Settings as Operator
from flowrunner.report.figures import money
from flowrunner.responses.retry import OnUnknown
from flowrunner.secrets import Scrubber
from flowrunner.wire import Endpoint


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line decides about a run; None means that it decides nothing.

    `max_cost_usd` bounds the whole run. `reuse` takes results of earlier runs where a step says
    nothing about it: of any ("any") or of the run of that name; none for the steps in `force`.
    `until` is the only step that is wanted, with what it needs. `accept_changes` goes on with files
    that were edited since the run began, `asks_held` asks once more for answers that were lost and
    held, `failed_only` does again what failed and nothing else. `wait` says whether responses in
    the background are waited for, `cancel_background` that a signal cancels them, `may_act` that a
    try, or each run of a watch, may change things outside. `record` keeps
    the replies beside the workflow, `replay` takes them from there, under the name `recording`.
    """

    simulate: bool = False
    record: bool = False
    replay: bool = False
    recording: str | None = None
    model: str | None = None
    provider: str | None = None
    at_once: int | None = None
    timeout_s: float | None = None
    on_unknown: OnUnknown | None = None
    max_cost_usd: float | None = None
    reuse: str | None = None
    force: tuple[str, ...] = ()
    until: str | None = None
    accept_changes: bool = False
    asks_held: bool = False
    failed_only: bool = False
    wait: bool | None = None
    cancel_background: bool = False
    may_act: bool = False
    yes: bool = False
    as_json: bool = False

    def waits(self, simulated: bool, ask: Ask | None) -> bool:
        """Whether this process waits for responses in the background: as the operator says, else
        where a person is there. A simulator does not outlive it, so that is always waited for."""
        return simulated or (ask is not None if self.wait is None else self.wait)


class Follower(Protocol):
    """Follows a run from outside: told what it is made of and how it ended, it may end it early."""

    def begins(self, workflow: Workflow, read: Sourced, operator: Operator, plan: Plan) -> None: ...
    def is_saved(self) -> bool: ...
    def ended(self, state: RunState) -> None: ...


def start(
    workflow: Path,
    given: Given,
    options: RunOptions,
    viewer: Viewer,
    ask: Ask | None = None,
    follower: Follower | None = None,
) -> ExitStatus:
    """Check a workflow, run it, write its report; the exit status.

    Raises UsageError, InvalidWorkflow and EnvironmentFault before anything is sent.
    """
    operator, loaded, warnings = _loaded(workflow, options, viewer)
    read = read_sourced(loaded.inputs, replace(given, workflow_folder=loaded.folder))
    secrets = secret_values(loaded.inputs, read.values)
    inputs = Scrubber(operator.secrets()).scrub_json(read.values)
    clock = SystemClock()
    settings = settings_of(loaded, operator, options, ask)
    settings = replace(settings, **wishes(loaded, operator.project, options))
    taken = recordings(loaded, options)
    settings = replace(settings, **taken.settings)
    plan = Plan("", clock.now(), loaded, inputs, settings)
    if follower is not None:
        follower.begins(loaded, read, operator, plan)
    with endpoints_of(plan, operator) as endpoints:
        plan = placed(plan, endpoints)
        check_models(plan)
        check_storing(plan)
        check_handed(loaded, os.environ)
        confirm(plan, operator, options, ask)
        if warnings:
            viewer.progress(warnings)
        previous = previous_run(plan, operator.project)
        folder = create_run_folder(operator.project, clock.now, random.SystemRandom().random)
        first = replace(first_event(replace(plan, run=folder.name)), previous=previous)
        # The run begins now: to ask git where it came from is no part of it.
        plan = replace(plan, run=first.run, started_at=clock.now())
        first = replace(first, at=plan.started_at)
        scrubber = scrubber_of(plan.workflow, operator, secrets)
        wire = open_wire(plan, operator.proxies, answering(plan, scrubber, taken.replayed))
        frozen = freeze(plan, operator.project, Scrubber(secrets), read.sources)
        with Journal.create(folder, frozen, clock.now) as journal:
            going = Going(plan, journal, endpoints, operator, viewer, wire, scrubber, ask)
            if follower is None:
                return carry_out(going, first, options)
            going.is_saved = follower.is_saved
            status = carry_out(going, first, options)
            follower.ended(journal.replay())
            return status


def endpoints_of(plan: Plan, operator: Operator) -> AbstractContextManager[Mapping[str, Endpoint]]:
    """Where the requests of a run go."""
    decided = plan.settings
    replays = decided.replays is not None
    return open_endpoints(operator, plan.providers, simulate=decided.simulated, replay=replays)


def scrubber_of(workflow: Workflow, operator: Operator, secrets: Iterable[str]) -> Scrubber:
    """What masks all that a run knows to be secret: of the operator, of its inputs, of its
    programs."""
    return Scrubber((*operator.secrets(), *secrets, *handed_secrets(workflow, os.environ)))


def carry_out(going: Going, first: RunStarted | RunResumed, options: RunOptions) -> ExitStatus:
    """Let a run go on until it ends, and keep its recording where it was to leave one."""
    going.keep = partial(keep_recording, going.plan, going.journal, going.scrubber, going.viewer)
    return going.run(first, as_json=options.as_json)


def _loaded(path: Path, options: RunOptions, viewer: Viewer) -> tuple[Operator, Workflow, str]:
    """The settings that a workflow is run with, the workflow without errors, its warnings."""
    find_file(path)
    operator = operator_of(path, options)
    workflow, warnings = load_valid(path, viewer.colour, operator.known_providers)
    return operator, workflow, warnings


def confirm(plan: Plan, operator: Operator, options: RunOptions, ask: Ask | None) -> None:
    """Ask the person at the terminal about a run that may cost more than `confirm_above`."""
    limit = operator.confirm_above_usd
    if limit is None or ask is None or plan.settings.simulated or options.yes:
        return
    terms = Terms(
        prices=plan.settings.prices,
        below=plan.settings.below,
        above=plan.settings.above,
        limited=plan.settings.budget is not None,
        now=plan.started_at,
        server=plan.settings.server,
        own_provider=plan.settings.provider,
        until=plan.settings.until,
    )
    most = forecast(plan.workflow, plan.inputs, terms).cost.high
    if most is not None and most <= limit:
        return
    price = "an amount that is not known" if most is None else f"up to {money(most)}"
    said = ask(f"This run may cost {price} (`confirm_above` is {money(limit)}). Go on? [y/n] ")
    if said.strip().casefold() not in ("y", "yes"):
        raise UsageError("nothing was sent", help="`flowrunner plan` shows what would be run")


def settings_of(
    workflow: Workflow, operator: Operator, options: RunOptions, ask: Ask | None
) -> Settings:
    model = options.model or operator.model
    limits = operator.limits
    only_own = operator.forced_provider is not None
    provider = own_provider(workflow, operator)
    others = servers_of(workflow, operator, provider, only_own=only_own)
    own = others.pop(provider)
    return Settings(
        provider=SIMULATOR if options.simulate else own.provider,
        base_url=own.base_url,
        key_name=own.key_name,
        simulated=options.simulate,
        above={"model": model} if model else {},
        at_once=options.at_once,
        timeout_s=options.timeout_s,
        on_unknown=options.on_unknown,
        below=operator.below,
        file_limits=(limits.at_once, limits.timeout_s),
        budget=budget_of(operator, options),
        prices=own.prices,
        others={} if options.simulate else others,
        only_provider=only_own,
        supports={} if options.simulate else own.supports,
        models=None if options.simulate else own.models,
        waits=options.waits(options.simulate or options.replay, ask),
        cancels_background=options.cancel_background,
    )


def placed(plan: Plan, endpoints: Mapping[str, Endpoint]) -> Plan:
    """The plan of a simulated run with the address of its simulator."""
    if not plan.settings.simulated or plan.settings.replays is not None:
        return plan
    base_url = endpoints[SIMULATOR].base_url
    return replace(plan, settings=replace(plan.settings, base_url=base_url))


def budget_of(operator: Operator, options: RunOptions) -> Money | None:
    """What one run may spend by the project and by the command line."""
    most = options.max_cost_usd
    return in_force((operator.budget, None if most is None else Money(stop_at_usd=most)))


def operator_of(start_: Path, options: RunOptions) -> Operator:
    overrides = {MODEL: options.model or "", PROVIDER: options.provider or ""}
    return load_settings(start_, os.environ, overrides)


def first_event(plan: Plan) -> RunStarted:
    """The beginning of a run, as its journal keeps it."""
    return RunStarted(
        at=plan.started_at,
        run=plan.run,
        workflow=plan.workflow.name,
        path=plan.workflow.shown,
        provider=plan.settings.provider,
        base_url=plan.settings.base_url,
        simulated=plan.settings.simulated,
        steps=tuple(step.id for step in plan.workflow.steps),
        origin=origin(plan.workflow.folder, plan.workflow.sha256),
        others={name: server.base_url for name, server in plan.settings.others.items()},
        replayed=recording_shown(plan.settings.replays),
    )
