"""A run from its file, and the same run taken up again where its journal ends.

What happens while it goes on is left to `going` and `engine`.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from flowrunner.commands.changes import changed_inputs, changed_texts, paths_of
from flowrunner.commands.checking import load_valid, today
from flowrunner.commands.going import Going, open_wire
from flowrunner.commands.people import Ask
from flowrunner.commands.planning import in_force
from flowrunner.commands.provenance import origin
from flowrunner.commands.viewing import Viewer
from flowrunner.commands.wishes import wishes
from flowrunner.engine.forecast import Terms, forecast
from flowrunner.engine.plan import Plan, Settings, check_models, thaw_settings
from flowrunner.engine.ports import SystemClock
from flowrunner.errors import ExitStatus, JournalUnusable, UsageError
from flowrunner.events import RunResumed, RunStarted
from flowrunner.journal.journal import Journal
from flowrunner.journal.runs import HOME, create_run_folder, find_run
from flowrunner.journal.state import RunState
from flowrunner.language.load import load_text
from flowrunner.language.workflow import Money, Workflow
from flowrunner.project.arguments import secret_values
from flowrunner.project.folders import find_project
from flowrunner.project.inputs import Given, read_inputs
from flowrunner.project.settings import KEY, MODEL, load_settings
from flowrunner.project.settings import Settings as Operator
from flowrunner.report.figures import money
from flowrunner.responses.retry import OnUnknown
from flowrunner.secrets import Scrubber
from flowrunner.simulator import Simulator
from flowrunner.wire import Endpoint, Secret


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line decides about a run; None means that it decides nothing.

    `max_cost_usd` bounds the whole run. `reuse` takes results of earlier runs where a step says
    nothing about it: of any ("any") or of the run of that name; none for the steps in `force`.
    `until` is the only step that is wanted, with what it needs. `accept_changes` goes on with files
    that were edited since the run began, `asks_held` asks once more for answers that were lost and
    held, `failed_only` does again what failed and nothing else.
    """

    simulate: bool = False
    model: str | None = None
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
    yes: bool = False
    as_json: bool = False


def start(
    workflow: Path, given: Given, options: RunOptions, viewer: Viewer, ask: Ask | None = None
) -> ExitStatus:
    """Check a workflow, run it, write its report; the exit status.

    Raises UsageError, InvalidWorkflow and EnvironmentFault before anything is sent.
    """
    loaded, warnings = load_valid(workflow, viewer.colour)
    operator = _operator(workflow, options)
    read = read_inputs(loaded.inputs, replace(given, workflow_folder=loaded.folder))
    secrets = secret_values(loaded.inputs, read)
    inputs = Scrubber(operator.secrets()).scrub_json(read)
    with _endpoint(operator, options.simulate) as endpoint:
        clock = SystemClock()
        settings = _settings(endpoint, operator, options)
        settings = replace(settings, **wishes(loaded, operator.project, options))
        plan = Plan("", clock.now(), loaded, inputs, settings)
        check_models(plan)
        _confirm(plan, operator, options, ask)
        wire = open_wire(plan, operator.proxies)
        if warnings:
            viewer.progress(warnings)
        folder = create_run_folder(operator.project, clock.now, random.SystemRandom().random)
        first = _first_event(replace(plan, run=folder.name))
        # The run begins now: to ask git where it came from is no part of it.
        plan = replace(plan, run=first.run, started_at=clock.now())
        first = replace(first, at=plan.started_at)
        frozen = plan.frozen(operator.project)
        frozen["inputs"] = json.dumps(Scrubber(secrets).scrub_json(inputs), ensure_ascii=False)
        with Journal.create(folder, frozen, clock.now) as journal:
            going = Going(plan, journal, endpoint, operator, viewer, wire, ask, secrets)
            return going.run(first, as_json=options.as_json)


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
        is_done = state.exit_status is ExitStatus.DONE and not state.left_out
        if is_done and not options.accept_changes:
            raise UsageError(
                f"the run {state.run} is done; there is nothing to resume",
                help=f"`flowrunner show {state.run} --result` prints its result, "
                f"`flowrunner report {state.run}` writes its report again",
            )
        if options.failed_only:
            _check_failures(state, options)
        kept = _Kept(journal, state, _project_of(folder))
        operator = _operator(kept.folder, options)
        plan = kept.plan(operator, options, viewer)
        plan, secrets = _with_secrets(plan, given)
        with _endpoint(operator, plan.settings.simulated) as endpoint:
            _check_same_server(plan, endpoint)
            wire = open_wire(plan, operator.proxies)
            going = Going(plan, journal, endpoint, operator, viewer, wire, ask, secrets)
            began = state.started_at is not None
            first = _again(plan, journal) if began else _first_event(plan)
            return going.run(first, as_json=options.as_json)


def _check_failures(state: RunState, options: RunOptions) -> None:
    """Raises UsageError where nothing failed that could be done again."""
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


def _with_secrets(plan: Plan, given: Given) -> tuple[Plan, tuple[str, ...]]:
    """The plan with its secret inputs, given anew, and their values."""
    wanted = [known for known in plan.workflow.inputs if known.secret]
    if not wanted and not given.pairs:
        return plan, ()
    read = read_inputs(wanted, replace(given, workflow_folder=plan.workflow.folder))
    return replace(plan, inputs={**plan.inputs, **read}), secret_values(wanted, read)


def _confirm(plan: Plan, operator: Operator, options: RunOptions, ask: Ask | None) -> None:
    """Ask the person at the terminal about a run that may cost more than `confirm_above`."""
    limit = operator.confirm_above_usd
    if limit is None or ask is None or options.simulate or options.yes:
        return
    terms = Terms(
        prices=plan.settings.prices,
        below=plan.settings.below,
        above=plan.settings.above,
        limited=plan.settings.budget is not None,
        now=plan.started_at,
        until=plan.settings.until,
    )
    most = forecast(plan.workflow, plan.inputs, terms).cost.high
    if most is not None and most <= limit:
        return
    price = "an amount that is not known" if most is None else f"up to {money(most)}"
    said = ask(f"This run may cost {price} (`confirm_above` is {money(limit)}). Go on? [y/n] ")
    if said.strip().casefold() not in ("y", "yes"):
        raise UsageError("nothing was sent", help="`flowrunner plan` shows what would be run")


def _settings(endpoint: Endpoint, operator: Operator, options: RunOptions) -> Settings:
    model = options.model or operator.model
    limits = operator.limits
    return Settings(
        provider=endpoint.name,
        base_url=endpoint.base_url,
        key_name=operator.provider_named(None).key_name or KEY,
        simulated=options.simulate,
        above={"model": model} if model else {},
        at_once=options.at_once,
        timeout_s=options.timeout_s,
        on_unknown=options.on_unknown,
        below=operator.below,
        file_limits=(limits.at_once, limits.timeout_s),
        budget=_budget(operator, options),
        prices=operator.prices,
    )


def _budget(operator: Operator, options: RunOptions) -> Money | None:
    """What one run may spend by the project and by the command line."""
    most = options.max_cost_usd
    return in_force((operator.budget, None if most is None else Money(stop_at_usd=most)))


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


def _first_event(plan: Plan) -> RunStarted:
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
    )


def _again(plan: Plan, journal: Journal) -> RunResumed:
    return RunResumed(
        at=SystemClock().now(),
        epoch=journal.epoch,
        origin=origin(plan.workflow.folder, plan.workflow.sha256),
    )


def _project_of(folder: Path) -> Path:
    """The project that a run folder stands in; of a copied one, the project it was copied to."""
    above = folder.absolute().parents
    inside = len(above) > 2 and above[1].name == HOME
    return above[2] if inside else find_project(folder)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a journal keeps of the plan that its run began with; also where the process ended before
    its first record."""

    journal: Journal
    state: RunState
    project: Path

    @property
    def place(self) -> Mapping[str, str]:
        """`folder` of the workflow, relative to the project, and the path as it is `shown`."""
        place: Mapping[str, str] = json.loads(self.journal.frozen("place"))
        return place

    @property
    def folder(self) -> Path:
        """The workflow's folder."""
        return self.project / self.place["folder"]

    def plan(self, operator: Operator, options: RunOptions, viewer: Viewer) -> Plan:
        """The plan to go on with. Raises UsageError where files were edited and that was not
        accepted."""
        texts = json.loads(self.journal.frozen("files"))
        inputs = json.loads(self.journal.frozen("inputs"))
        changed = self._changed(texts, inputs, options, viewer)
        workflow = self._edited(viewer) if changed else self._workflow(texts)
        settings = thaw_settings(self.journal.frozen("settings").decode())
        plan = Plan(
            run=self.state.run or self.journal.folder.name,
            started_at=self.state.started_at or self.journal.created_at,
            workflow=workflow,
            inputs=self._read_again(workflow, inputs) if changed else inputs,
            settings=replace(
                settings,
                at_once=options.at_once or settings.at_once,
                timeout_s=options.timeout_s or settings.timeout_s,
                budget=_budget(operator, options) or settings.budget,
                prices=operator.prices,
                recheck=changed or self._is_marked,
                asks_held=options.asks_held,
                failed_only=options.failed_only,
                until=None if _is_reached(self.state) else settings.until,
            ),
        )
        if changed:
            self._keep(plan)
        return plan

    def _workflow(self, texts: Mapping[str, str]) -> Workflow:
        text = self.journal.frozen("workflow").decode()
        day = today()
        found, said = load_text(text, self.place["shown"], self.folder, today=day, files=texts)
        if found is None:
            run = self.journal.folder.name
            first = next((one.message for one in said if one.severity == "error"), "")
            raise JournalUnusable(
                f"the run {run} began with a workflow that this version does not take: {first}",
                help="start a new run",
            )
        return found

    def _changed(
        self,
        texts: Mapping[str, str],
        inputs: Mapping[str, object],
        options: RunOptions,
        viewer: Viewer,
    ) -> bool:
        name = Path(self.place["shown"]).name
        kept = {name: self.journal.frozen("workflow").decode(), **texts}
        changes = [*changed_texts(self.folder, kept), *changed_inputs(self.folder, inputs)]
        for change in changes:
            viewer.progress("\n".join(change.lines()))
        if changes and not options.accept_changes:
            names = ", ".join(f"`{change.name}`" for change in changes)
            raise UsageError(
                f"since the run began {names} changed; nothing was sent",
                help="`flowrunner resume --accept-changes` goes on with what is there now and does "
                "again exactly what the changes touch; or put the files back as they were",
            )
        return bool(changes)

    def _edited(self, viewer: Viewer) -> Workflow:
        path = self.folder / Path(self.place["shown"]).name
        return load_valid(Path(os.path.relpath(path)), viewer.colour)[0]

    def _read_again(self, workflow: Workflow, inputs: Mapping[str, object]) -> Mapping[str, object]:
        """The inputs as before, files as they are now."""
        declared = {known.name for known in workflow.inputs}
        paths = {name: paths_of(inputs[name]) for name in inputs if name in declared}
        files = {name: found for name, found in paths.items() if found is not None}
        rest = {name: inputs[name] for name in paths.keys() - files.keys()}
        anew = [known for known in workflow.inputs if known.name not in rest]
        folder = workflow.folder
        return rest | read_inputs(anew, Given(values=files, folder=folder, workflow_folder=folder))

    def _keep(self, plan: Plan) -> None:
        frozen = plan.frozen(self.project)
        names = ("workflow", "files", "inputs", "graph")
        self.journal.refreeze({name: frozen[name] for name in names} | {"settings": self._marked()})

    @property
    def _is_marked(self) -> bool:
        """Whether changes were accepted before: what is done may still be that of the old files."""
        return bool(json.loads(self.journal.frozen("settings"))["recheck"])

    def _marked(self) -> str:
        settings = json.loads(self.journal.frozen("settings"))
        return json.dumps(settings | {"recheck": True}, ensure_ascii=False)


def _is_reached(state: RunState) -> bool:
    """Whether all that was wanted of the run so far is done, and a resume means the rest."""
    return state.exit_status in (ExitStatus.DONE, ExitStatus.ITEMS_FAILED)


def _check_same_server(plan: Plan, endpoint: Endpoint) -> None:
    """A run goes on where it began: results of two servers are not mixed by accident."""
    if not plan.settings.simulated and endpoint.base_url != plan.settings.base_url:
        raise UsageError(
            f"the run began at {plan.settings.base_url}, and OPENAI_BASE_URL now says "
            f"{endpoint.base_url}",
            help="set OPENAI_BASE_URL as it was, or start a new run",
        )
