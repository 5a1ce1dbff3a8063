"""A run from its file to its report, and the same run taken up again.

What happens inside the run is left to `engine`, what it looks like to `report`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from flowrunner.commands.checking import load_valid, today
from flowrunner.commands.finishing import tell_end
from flowrunner.commands.provenance import origin
from flowrunner.commands.viewing import Viewer, style_of
from flowrunner.engine.plan import OnUnknown, Plan, Settings, check_models, thaw_settings
from flowrunner.engine.ports import Ports, Stop, SystemClock
from flowrunner.engine.run import GRACE_S
from flowrunner.engine.run import run as run_plan
from flowrunner.errors import ExitStatus, JournalUnusable, UsageError
from flowrunner.events import Event, RunFinished, RunResumed, RunStarted, Warned
from flowrunner.journal.journal import Journal
from flowrunner.journal.runs import create_run_folder, find_run
from flowrunner.language.load import load_text
from flowrunner.platform import on_end_signals
from flowrunner.project.inputs import Given, read_inputs
from flowrunner.project.settings import KEY, MODEL, load_settings
from flowrunner.project.settings import Settings as Operator
from flowrunner.report.terminal import ProgressLines
from flowrunner.responses.client import ResponsesClient
from flowrunner.secrets import Scrubber
from flowrunner.simulator import Simulator
from flowrunner.wire import Endpoint, Secret, Wire, WireSettings


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line decides about a run; None means that it decides nothing."""

    simulate: bool = False
    model: str | None = None
    at_once: int | None = None
    timeout_s: float | None = None
    on_unknown: OnUnknown | None = None
    as_json: bool = False


def start(workflow: Path, given: Given, options: RunOptions, viewer: Viewer) -> ExitStatus:
    """Check a workflow, run it, write its report; the exit status.

    Raises UsageError, InvalidWorkflow and EnvironmentFault before anything is sent.
    """
    loaded, warnings = load_valid(workflow, viewer.colour)
    operator = _operator(workflow, options)
    read = read_inputs(loaded.inputs, replace(given, workflow_folder=loaded.folder))
    inputs = Scrubber(operator.secrets()).scrub_json(read)
    with _endpoint(operator, options.simulate) as endpoint:
        clock = SystemClock()
        settings = _settings(endpoint, operator, options)
        plan = Plan("", clock.now(), loaded, inputs, settings)
        check_models(plan)
        if warnings:
            viewer.progress(warnings)
        folder = create_run_folder(operator.project, clock.now, random.SystemRandom().random)
        plan = replace(plan, run=folder.name)
        with Journal.create(folder, plan.frozen(operator.project), clock.now) as journal:
            going = _Going(plan, folder, journal, endpoint, operator, viewer)
            return going.run(_first_event(plan, clock), options.as_json)


def resume(spec: str, options: RunOptions, viewer: Viewer) -> ExitStatus:
    """Take a run up again where its journal ends; the exit status.

    Raises UsageError for a run that does not exist or has nothing left to do, RunBusy when a
    process works on it, JournalUnusable.
    """
    operator = _operator(Path.cwd(), options)
    folder = find_run(operator.project, spec)
    with Journal.open(folder, writable=True) as journal:
        state = journal.replay()
        if state.exit_status is ExitStatus.DONE:
            raise UsageError(
                f"the run {state.run} is done; there is nothing to resume",
                help=f"`flowrunner show {state.run} --result` prints its result, "
                f"`flowrunner report {state.run}` writes its report again",
            )
        plan = _thawed(journal, operator, options)
        with _endpoint(operator, plan.settings.simulated) as endpoint:
            _check_same_server(plan, endpoint)
            going = _Going(plan, folder, journal, endpoint, operator, viewer)
            first = _again(plan, journal) if state.run else _first_event(plan, SystemClock())
            return going.run(first, options.as_json)


def _settings(endpoint: Endpoint, operator: Operator, options: RunOptions) -> Settings:
    model = options.model or operator.model
    return Settings(
        provider=endpoint.name,
        base_url=endpoint.base_url,
        key_name=KEY,
        simulated=options.simulate,
        above={"model": model} if model else {},
        at_once=options.at_once,
        timeout_s=options.timeout_s,
        on_unknown=options.on_unknown,
    )


def _operator(start_: Path, options: RunOptions) -> Operator:
    overrides = {MODEL: options.model} if options.model else {}
    return load_settings(start_, os.environ, overrides)


@contextmanager
def _endpoint(operator: Operator, simulate: bool) -> Iterator[Endpoint]:
    """Where requests go: the provider, or a simulator that lives as long as the run."""
    if not simulate:
        yield operator.endpoint()
        return
    with Simulator() as simulator:
        yield Endpoint(name="simulator", base_url=simulator.base_url, key=Secret("simulated"))


def _first_event(plan: Plan, clock: SystemClock) -> RunStarted:
    return RunStarted(
        at=clock.now(),
        run=plan.run,
        workflow=plan.workflow.name,
        path=plan.workflow.shown,
        provider=plan.settings.provider,
        base_url=plan.settings.base_url,
        simulated=plan.settings.simulated,
        steps=tuple(step.id for step in plan.workflow.steps),
        origin=origin(plan.workflow.folder, plan.workflow.sha256),
    )


def _again(plan: Plan, journal: Journal) -> RunResumed:
    return RunResumed(
        at=SystemClock().now(),
        epoch=journal.epoch,
        origin=origin(plan.workflow.folder, plan.workflow.sha256),
    )


def _thawed(journal: Journal, operator: Operator, options: RunOptions) -> Plan:
    """The plan that a run began with, from its journal; also where it ended before its first
    record."""
    state = journal.replay()
    place = json.loads(journal.frozen("place"))
    text = journal.frozen("workflow").decode()
    folder = operator.project / place["folder"]
    workflow, _ = load_text(text, place["shown"], folder, today=today())
    run = journal.folder.name
    if workflow is None:
        raise JournalUnusable(f"the run {run} began with a workflow that cannot be read")
    settings = thaw_settings(journal.frozen("settings").decode(), options.on_unknown)
    return Plan(
        run=state.run or run,
        started_at=state.started_at or journal.created_at,
        workflow=workflow,
        inputs=json.loads(journal.frozen("inputs")),
        settings=replace(
            settings,
            at_once=options.at_once or settings.at_once,
            timeout_s=options.timeout_s or settings.timeout_s,
        ),
    )


def _check_same_server(plan: Plan, endpoint: Endpoint) -> None:
    """A run goes on where it began: results of two servers are not mixed by accident."""
    if not plan.settings.simulated and endpoint.base_url != plan.settings.base_url:
        raise UsageError(
            f"the run began at {plan.settings.base_url}, and OPENAI_BASE_URL now says "
            f"{endpoint.base_url}",
            help="set OPENAI_BASE_URL as it was, or start a new run",
        )


@dataclass(slots=True)
class _Going:
    """One process working on a run."""

    plan: Plan
    folder: Path
    journal: Journal
    endpoint: Endpoint
    operator: Operator
    viewer: Viewer

    def run(self, first: RunStarted | RunResumed, as_json: bool) -> ExitStatus:
        """Work until the run ends; then its reports are written and its end is told."""
        lines = ProgressLines(style_of(self.viewer))

        def tell(_: int, event: Event) -> None:
            for line in lines.feed(event):
                self.viewer.progress(line)

        self.journal.subscribe(tell)
        # What was imported and read stays for the whole run: the collector need not walk it again.
        gc.freeze()
        end = asyncio.run(self._run(first))
        return tell_end(self.journal, self.folder, end, self.viewer, as_json=as_json)

    async def _run(self, first: RunStarted | RunResumed) -> RunFinished:
        stop = Stop()
        # A simulator in this process holds the other end of every connection.
        files = self.plan.at_once * (2 if self.plan.settings.simulated else 1)
        wire = Wire(WireSettings(proxies=self._proxies(), at_once=files))
        clock = SystemClock()
        scrubber = Scrubber(self.operator.secrets())
        restore = self._on_signals(stop)
        try:
            # The words of the command are part of the origin, and may hold anything.
            await self.journal.append(replace(first, origin=scrubber.scrub_json(first.origin)))
            for warning in self.operator.warnings:
                await self.journal.append(Warned(at=clock.now(), code="env-file", message=warning))
            ports = Ports(
                sender=ResponsesClient(wire, self.endpoint),
                journal=self.journal,
                clock=clock,
                sleep=asyncio.sleep,
                random=random.SystemRandom().random,
                scrubber=scrubber,
            )
            return await run_plan(self.plan, ports, stop, self.operator.project)
        finally:
            restore()
            await wire.aclose()

    def _on_signals(self, stop: Stop) -> Callable[[], None]:
        """Let signals end the run; the result puts the old ways back."""
        loop = asyncio.get_running_loop()

        def end(reason: str) -> None:
            if stop.reason is None:
                self.viewer.progress(
                    f"\nStopping: requests under way have {GRACE_S:g} s left; "
                    "once more (Ctrl-C) ends them at once"
                )
            stop.ask(reason)

        def react(number: signal.Signals) -> None:
            reason = "interrupt" if number is signal.SIGINT else "terminate"
            loop.call_soon_threadsafe(end, reason)

        return on_end_signals(react)

    def _proxies(self) -> Mapping[str, str]:
        return {} if self.plan.settings.simulated else self.operator.proxies
