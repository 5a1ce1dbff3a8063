"""`try`: one unit asked anew, what it mentions taken from a run; or the request it would send."""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from flowrunner.commands.checking import find_file, load_valid
from flowrunner.commands.freezing import freeze
from flowrunner.commands.going import Going, open_wire
from flowrunner.commands.hiding import check_handed
from flowrunner.commands.people import Ask, Somebody
from flowrunner.commands.recording import answering, recordings
from flowrunner.commands.running import (
    RunOptions,
    endpoints_of,
    first_event,
    operator_of,
    placed,
    scrubber_of,
    settings_of,
)
from flowrunner.commands.said import Said
from flowrunner.commands.servers import own_provider
from flowrunner.commands.trying.request import Caught, Shown, request_text
from flowrunner.commands.trying.source import Source, named, newest
from flowrunner.commands.trying.telling import Tried, tell_try
from flowrunner.commands.trying.unit import Meant, find
from flowrunner.commands.viewing import Viewer
from flowrunner.engine.plan import Plan, check_models, check_storing
from flowrunner.engine.ports import Ports, Stop, SystemClock
from flowrunner.engine.reuse import ALL
from flowrunner.engine.run import run as run_plan
from flowrunner.errors import ExitStatus, UsageError
from flowrunner.events import JSON, Event, RunFinished
from flowrunner.journal.journal import Journal
from flowrunner.journal.runs import create_try_folder
from flowrunner.language.request import Prompt
from flowrunner.language.workflow import Workflow
from flowrunner.platform import WINDOWS
from flowrunner.project.arguments import secret_values
from flowrunner.project.inputs import Given, read_inputs, unknown_input
from flowrunner.project.settings import Settings as Operator
from flowrunner.recordings import Recording
from flowrunner.secrets import Scrubber


@dataclass(frozen=True, slots=True)
class Wish:
    """What a command line wants tried: the unit `spec` of the file at `path`. `source` names the
    run that it is made with; `shows` is what is printed instead of sending anything: the request as
    JSON, or as a command of curl. `run` are the options that it shares with a run."""

    path: Path
    spec: str
    given: Given
    source: str | None = None
    shows: Shown | None = None
    run: RunOptions = field(default_factory=RunOptions)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A try before anything is opened."""

    operator: Operator
    meant: Meant
    plan: Plan
    source: Source | None
    secrets: tuple[str, ...]
    replayed: Recording | None = None

    @property
    def scrubber(self) -> Scrubber:
        return scrubber_of(self.plan.workflow, self.operator, self.secrets)

    def taken(self) -> list[Event]:
        """What the run gives, as the first events of the try."""
        if self.source is None:
            return []
        return list(self.source.given(self.plan.workflow, self.meant, SystemClock().now()))

    def frozen(self) -> dict[str, str]:
        """What its journal keeps of it."""
        return freeze(self.plan, self.operator.project, Scrubber(self.secrets))


def try_step(wish: Wish, viewer: Viewer, ask: Ask | None = None) -> ExitStatus:
    """Ask for one unit alone and tell what came of it; the exit status is that of a run.

    Raises UsageError, InvalidWorkflow and EnvironmentFault before anything is sent.
    """
    with ExitStack() as opened:
        prepared = _prepared(wish, viewer, ask, opened)
        if wish.shows is not None:
            return _show(prepared, wish.shows, viewer)
        return _send(prepared, wish.run, viewer, ask)


def _prepared(wish: Wish, viewer: Viewer, ask: Ask | None, opened: ExitStack) -> _Prepared:
    find_file(wish.path)
    operator = operator_of(wish.path, wish.run)
    workflow, warnings = load_valid(wish.path, viewer.colour, operator.known_providers)
    meant = find(workflow, wish.spec)
    _check_effects(meant, wish)
    source = _source(operator, workflow, meant, wish, opened)
    meant = meant.within(() if source is None else source.state.steps)
    read, secrets = _inputs(workflow, source, replace(wish.given, workflow_folder=workflow.folder))
    options = wish.run
    if wish.shows is not None:  # what would be sent to a model, whoever was to answer
        options = replace(options, simulate=False, replay=False)
    taken = recordings(workflow, options)
    settings = replace(
        settings_of(workflow, operator, options, ask),
        **taken.settings,
        force=(ALL,),
        tries=meant.name,
        tries_with=None if source is None else source.run,
    )
    clean = Scrubber(operator.secrets()).scrub_json(read)
    plan = Plan("", SystemClock().now(), workflow, clean, settings)
    check_models(plan)
    check_storing(plan)
    if warnings:
        viewer.progress(warnings)
    if source is not None:
        viewer.progress(f"`{meant.name}` with what the run {source.run} gave")
        for name in source.outdated(workflow, meant):
            viewer.progress(f"warning: `{name}` was edited since; its result is that of before")
    return _Prepared(operator, meant, plan, source, secrets, taken.replayed)


def _check_effects(meant: Meant, wish: Wish) -> None:
    """Raises UsageError for a step that changes something outside, unless that is wanted."""
    step = meant.step
    if isinstance(step.verb, Prompt) or not step.has_effects or wish.run.may_act:
        return
    raise UsageError(
        f"`{meant.name}` is `{step.verb_name}`, and may change things outside; nothing was started",
        help="`--may-act` tries it all the same; `changes_things: false` in the step says that it "
        "changes nothing",
    )


def _source(
    operator: Operator,
    workflow: Workflow,
    meant: Meant,
    wish: Wish,
    opened: ExitStack,
) -> Source | None:
    """The run that the unit is tried with; None where it needs none and there is none."""
    simulate = wish.run.simulate or wish.run.replay
    if wish.source is not None:
        found = named(operator.project, wish.source, opened)
        lacks = found.lacks(meant.within(found.state.steps))
        if lacks is not None:
            raise UsageError(lacks, help=_ways_on(workflow, meant, found.run))
        _check_simulated(found, meant, simulate=simulate)
        return found
    source, why = newest(operator.project, workflow, meant, opened, simulate=simulate)
    needs = next(meant.needed(), None) is not None
    if source is None and needs:
        first = why or f"`{meant.step.id}` mentions other steps, and this file was not run yet"
        raise UsageError(first, help=_ways_on(workflow, meant, None, simulate=simulate))
    return source


def _check_simulated(found: Source, meant: Meant, *, simulate: bool) -> None:
    if found.state.simulated and not simulate and next(meant.needed(), None) is not None:
        raise UsageError(
            f"the run {found.run} was simulated; what it gave is not sent to a model",
            help="name another run with `--from`, or try it with `--simulate`",
        )


def _ways_on(workflow: Workflow, meant: Meant, run: str | None, *, simulate: bool = False) -> str:
    more = f" --reuse {run}" if run else ""
    until = meant.path[0].step
    if len(meant.path) == 1:
        names = [unit for unit, _ in meant.needed()]
        until = names[-1] if names else until
    also = " --simulate" if simulate else ""
    again = f"flowrunner run {workflow.shown} --until {until}{more}{also}"
    return f"`{again}` makes it; or name another run with `--from`"


def _inputs(
    workflow: Workflow, source: Source | None, given: Given
) -> tuple[dict[str, JSON], tuple[str, ...]]:
    """The inputs of the run with those that are given now, and the values of secret ones."""
    declared = {known.name: known for known in workflow.inputs}
    said = {pair.partition("=")[0].strip() for pair in given.pairs}
    unknown = [unknown_input(name, declared) for name in sorted(said - set(declared))]
    if unknown:
        raise UsageError("\n".join(unknown))
    kept: Mapping[str, JSON] = {} if source is None else source.inputs
    if given.inputs_file is not None:
        kept = {}
    wanted = [
        known
        for name, known in declared.items()
        if name in said or name not in kept or known.secret
    ]
    read = read_inputs(wanted, given)
    values = {name: read.get(name, kept.get(name)) for name in declared}
    return values, secret_values(wanted, read)


def _show(prepared: _Prepared, shows: Shown, viewer: Viewer) -> ExitStatus:
    """Print the request that would leave."""
    plan = replace(prepared.plan, run="try")
    caught = Caught()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "try"
        place.mkdir()
        with Journal.create(place, prepared.frozen(), SystemClock().now) as journal:
            end = asyncio.run(_catch(prepared, plan, journal, caught))
    if caught.body is None:
        why = end.message or "the step asks nothing"
        if caught.other is not None:
            why = f"{caught.other} first, and only then it is known"
        raise UsageError(f"there is no request to show: {why}", help=end.help)
    provider = prepared.operator.provider_named(_provider(prepared))
    if shows == "curl" and WINDOWS:
        viewer.progress("For a POSIX shell, such as that of Git or of WSL:")
    viewer.result(request_text(caught.body, shows, provider, prepared.scrubber))
    return ExitStatus.DONE


def _provider(prepared: _Prepared) -> str:
    """The name of the provider that the request is for."""
    verb, operator = prepared.meant.step.verb, prepared.operator
    named = verb.provider if isinstance(verb, Prompt) else None
    own = own_provider(prepared.plan.workflow, operator)
    return operator.forced_provider or named or own


async def _catch(prepared: _Prepared, plan: Plan, journal: Journal, caught: Caught) -> RunFinished:
    """Let the unit work until its request would leave."""
    await journal.append(first_event(plan))
    await journal.append_many(prepared.taken())
    ports = Ports(
        senders=lambda _: caught,
        journal=journal,
        clock=SystemClock(),
        sleep=asyncio.sleep,
        random=random.SystemRandom().random,
        scrubber=prepared.scrubber,
        people=Somebody(journal, None, lambda: None),
        environ=os.environ,
        shelf=Said(prepared.operator.project),
    )
    return await run_plan(plan, ports, Stop(), prepared.operator.project)


def _send(prepared: _Prepared, options: RunOptions, viewer: Viewer, ask: Ask | None) -> ExitStatus:
    plan, operator, scrubber = prepared.plan, prepared.operator, prepared.scrubber
    clock = SystemClock()
    with endpoints_of(plan, operator) as endpoints:
        plan = placed(plan, endpoints)
        check_handed(plan.workflow, os.environ)
        folder = create_try_folder(operator.project, clock.now, random.SystemRandom().random)
        plan = replace(plan, run=folder.name, started_at=clock.now())
        wire = open_wire(plan, operator.proxies, answering(plan, scrubber, prepared.replayed))
        with Journal.create(folder, replace(prepared, plan=plan).frozen(), clock.now) as journal:
            going = Going(plan, journal, endpoints, operator, viewer, wire, scrubber, ask)
            going.taken = prepared.taken()
            going.earlier = Said(operator.project)
            end = going.work(first_event(plan))
            tried = Tried(journal, end, prepared.meant.name, prepared.source)
            return tell_try(tried, viewer, as_json=options.as_json)
