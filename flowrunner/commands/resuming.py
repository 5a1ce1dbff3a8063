"""A run taken up again where its journal ends: what is kept, what is decided anew, what is left.

What its journal keeps of the plan is read in `kept`; what happens while it goes on in `going`.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from flowrunner.commands.going import Going, open_wire
from flowrunner.commands.hiding import check_handed
from flowrunner.commands.kept import Kept, project_of
from flowrunner.commands.people import Ask
from flowrunner.commands.provenance import origin
from flowrunner.commands.recording import answering
from flowrunner.commands.running import (
    RunOptions,
    budget_of,
    carry_out,
    endpoints_of,
    first_event,
    operator_of,
    scrubber_of,
)
from flowrunner.commands.said import Said
from flowrunner.commands.servers import servers_of
from flowrunner.commands.viewing import Viewer
from flowrunner.engine.endings import MISSING_FILES
from flowrunner.engine.plan import Plan, Settings
from flowrunner.engine.ports import SystemClock
from flowrunner.engine.run import given_up_sentence
from flowrunner.engine.servers import Server
from flowrunner.errors import ExitStatus, UsageError
from flowrunner.events import RunResumed
from flowrunner.journal.journal import Journal
from flowrunner.journal.runs import find_run
from flowrunner.journal.state import RunState
from flowrunner.language.workflow import Workflow
from flowrunner.project.arguments import secret_values
from flowrunner.project.folders import find_project
from flowrunner.project.inputs import Given, read_inputs
from flowrunner.project.settings import Settings as Operator
from flowrunner.secrets import Scrubber


def resume(
    spec: str, given: Given, options: RunOptions, viewer: Viewer, ask: Ask | None = None
) -> ExitStatus:
    """Take a run up again where its journal ends; the exit status. `given` are its secret inputs,
    which no journal keeps.

    Raises UsageError for a run that does not exist, has nothing left to do or whose files were
    edited since, RunBusy when a process works on it, JournalUnusable.
    """
    folder = find_run(find_project(Path.cwd()), spec)
    with Journal.open(folder, writable=True) as journal:
        state = journal.replay()
        _check_wanted(journal, state.run)
        kept = Kept(journal, state, project_of(folder))
        operator = operator_of(kept.folder, options)
        scrubber = Scrubber(operator.secrets())
        kept = replace(kept, scrubber=scrubber, providers=operator.known_providers)
        kept.show(viewer)
        if kept.changes and not options.accept_changes:
            raise kept.refusal()
        _check_left(state, options, has_changes=bool(kept.changes))
        plan = _decided(kept.plan(viewer), operator, options)
        began = state.started_at is not None
        if plan.settings.tries is not None and not began:
            raise UsageError(f"nothing of the try {plan.run} was begun", help="try it once more")
        plan = _attended(plan, options, ask)
        plan, secrets = _with_secrets(plan, given)
        check_handed(plan.workflow, os.environ)
        scrubber = scrubber_of(plan.workflow, operator, secrets)
        with endpoints_of(plan, operator) as endpoints:
            wire = open_wire(plan, operator.proxies, answering(plan, scrubber))
            going = Going(plan, journal, endpoints, operator, viewer, wire, scrubber, ask)
            going.earlier = Said(operator.project) if plan.settings.tries else None
            first = _again(plan, journal) if began else first_event(plan)
            return carry_out(going, first, options)


def _check_wanted(journal: Journal, run: str) -> None:
    """Raises UsageError for a run that somebody gave up."""
    said = journal.given_up()
    if said is not None:
        raise UsageError(
            f"the run {run} is not taken up again: {given_up_sentence(said.by, said.why)}",
            help=f"start a new one; `--reuse {run}` takes what this one paid for",
        )


def _check_left(state: RunState, options: RunOptions, *, has_changes: bool) -> None:
    """Raises UsageError where there is nothing to do that the options mean."""
    is_done = state.exit_status is ExitStatus.DONE and not state.left_out
    if is_done and not has_changes and not _lacks_files(state):
        raise UsageError(
            f"the run {state.run} is done; there is nothing to resume",
            help=f"`flowrunner show {state.run} --result` prints its result, "
            f"`flowrunner report {state.run}` writes its report again",
        )
    if not options.failed_only:
        return
    if options.asks_held:
        raise UsageError(
            "`--failed-only` leaves alone what is held, and `--on-unknown retry_once` asks for it",
            help="choose one of them",
        )
    if all(step.status != "failed" for step in state.steps.values()):
        raise UsageError(
            f"no step of the run {state.run} failed; nothing was sent",
            help=f"`flowrunner resume {state.run}` goes on with what is left of it",
        )


def _lacks_files(state: RunState) -> bool:
    """Whether a file of an answer could not be saved, which is tried again."""
    ends = state.steps.values()
    return any(step.status == "succeeded" and step.reason == MISSING_FILES for step in ends)


def _attended(plan: Plan, options: RunOptions, ask: Ask | None) -> Plan:
    """The plan with what this process does about responses in the background."""
    waits = options.waits(plan.settings.simulated, ask)
    cancels = options.cancel_background
    return replace(plan, settings=replace(plan.settings, waits=waits, cancels_background=cancels))


def _with_secrets(plan: Plan, given: Given) -> tuple[Plan, tuple[str, ...]]:
    """The plan with its secret inputs, given anew, and their values."""
    wanted = [known for known in plan.workflow.inputs if known.secret]
    if not wanted and not given.pairs:
        return plan, ()
    read = read_inputs(wanted, replace(given, workflow_folder=plan.workflow.folder))
    return replace(plan, inputs={**plan.inputs, **read}), secret_values(wanted, read)


def _decided(plan: Plan, operator: Operator, options: RunOptions) -> Plan:
    """The plan of a run with what is decided anew when it is resumed."""
    began = plan.settings
    settings = replace(
        began,
        at_once=options.at_once or began.at_once,
        timeout_s=options.timeout_s or began.timeout_s,
        budget=budget_of(operator, options) or began.budget,
        prices=operator.prices_at(began.provider),
        asks_held=options.asks_held,
        failed_only=options.failed_only,
        others=_others(plan.workflow, operator, began),
    )
    return replace(plan, settings=settings)


def _again(plan: Plan, journal: Journal) -> RunResumed:
    return RunResumed(
        at=SystemClock().now(),
        epoch=journal.epoch,
        origin=origin(plan.workflow.folder, plan.workflow.sha256),
    )


def _others(workflow: Workflow, operator: Operator, frozen: Settings) -> dict[str, Server]:
    """The providers beside the run's own, as they are now. Raises UsageError where one that the run
    began with stands elsewhere: results of two servers are not mixed by accident."""
    if frozen.replays is not None:
        return dict(frozen.others)
    if frozen.simulated:
        return {}
    only_own = frozen.only_provider
    now = servers_of(workflow, operator, frozen.provider, only_own=only_own)
    began = {frozen.provider: frozen.server(None), **frozen.others}
    for name, server in now.items():
        if name in began and server.base_url != began[name].base_url:
            said = operator.provider_named(name).base_url.name
            raise UsageError(
                f"the run began at {began[name].base_url}, and {said} now says {server.base_url}",
                help=f"set {said} as it was, or start a new run",
            )
    now.pop(frozen.provider)
    return now
