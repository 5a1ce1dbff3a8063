"""One case as a run: planned, frozen into a journal, worked on, judged while its journal is open.

Where the journals stand, and who answers, is decided by `command`.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from flowrunner.catalog import model_names
from flowrunner.commands.freezing import freeze
from flowrunner.commands.recording import answering, recordings
from flowrunner.commands.running import RunOptions, first_event, scrubber_of, settings_of
from flowrunner.commands.testing.judging import Came, Failure, judge
from flowrunner.commands.testing.standing_in import StandIns
from flowrunner.engine.plan import Plan, check_models, check_storing
from flowrunner.engine.ports import Decision, Ports, Stop, SystemClock
from flowrunner.engine.run import run as run_plan
from flowrunner.journal.journal import Journal
from flowrunner.journal.runs import create_run_folder
from flowrunner.language.testing import Case, FileOfTests, names_of
from flowrunner.language.workflow import Workflow
from flowrunner.project.arguments import secret_values
from flowrunner.project.inputs import Given, read_inputs
from flowrunner.project.settings import Settings as Operator
from flowrunner.recordings import path_of, take
from flowrunner.responses.client import ResponsesClient
from flowrunner.secrets import Scrubber
from flowrunner.wire import Answering, Endpoint, Wire


@dataclass(frozen=True, slots=True)
class Approvals:
    """People who agree, or not, as a case says; of whom nothing is said is not there."""

    said: Mapping[str, bool]
    workflow: Workflow

    @property
    def is_there(self) -> bool:
        """Nobody watches."""
        return False

    async def decided(self, unit: str, text: str) -> Decision | None:  # noqa: ARG002
        """What the case says of a unit, by its address or its step."""
        names = names_of(self.workflow, unit)
        granted = next((self.said[each] for each in names if each in self.said), None)
        return None if granted is None else Decision(granted, "the test", "command")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A case ready to be run. `answering` is that of its recording;
    `is_paid` says that the API itself is asked."""

    file: FileOfTests
    case: Case
    operator: Operator
    plan: Plan
    scrubber: Scrubber
    answering: Answering | None = None
    is_paid: bool = False


@dataclass(frozen=True, slots=True)
class Ran:
    """A case that was run: what is not as expected, how long it took, what it cost."""

    case: Case
    failures: tuple[Failure, ...]
    seconds: float = 0.0
    cost_usd: float = 0.0
    run: str | None = None
    result: object = field(default=None, repr=False)


def prepare(
    file: FileOfTests, case: Case, operator: Operator, *, is_paid: bool, records: bool
) -> Prepared:
    """Plan a case. Raises UsageError for inputs that do not fit and recordings that are missing."""
    workflow = file.workflow
    replays = case.recording is not None and not is_paid
    options = RunOptions(
        simulate=not (is_paid or replays),
        record=records and case.recording is not None,
        replay=replays,
        recording=case.recording if replays or records else None,
        wait=True,
        max_cost_usd=case.expect.cost_below_usd if is_paid else None,
    )
    folder = file.path.absolute().parent
    given = Given(values=case.inputs, folder=folder, workflow_folder=workflow.folder)
    inputs = read_inputs(workflow.inputs, given)
    secrets = secret_values(workflow.inputs, inputs)
    settings = settings_of(workflow, operator, options, None)
    if options.simulate and "model" not in settings.above:
        settings = replace(settings, below={"model": next(iter(model_names())), **settings.below})
    taken = recordings(workflow, options)
    plan = Plan("", time.time(), workflow, inputs, replace(settings, **taken.settings))
    check_models(plan)
    check_storing(plan)
    scrubber = scrubber_of(workflow, operator, secrets)
    answers = answering(plan, scrubber, taken.replayed)
    return Prepared(file, case, operator, plan, scrubber, answers, is_paid)


def open_journal(prepared: Prepared, project: Path) -> tuple[Plan, Journal]:
    """The plan with the id of its run, and the new journal of it."""
    clock = SystemClock()
    folder = create_run_folder(project, clock.now, random.SystemRandom().random)
    plan = replace(prepared.plan, run=folder.name, started_at=clock.now())
    frozen = freeze(plan, prepared.operator.project, prepared.scrubber)
    return plan, Journal.create(folder, frozen, clock.now)


async def run_case(
    prepared: Prepared,
    project: Path,
    wire: Wire,
    endpoints: Mapping[str, Endpoint],
    before: Callable[[str], None],
    after: Callable[[Came], None],
) -> Ran:
    """Run a case in a folder of a project. `before` is told the id of its run, `after` what came
    of it."""
    began = time.monotonic()
    plan, journal = open_journal(prepared, project)
    before(plan.run)
    with journal:
        event = first_event(plan)
        await journal.append(replace(event, origin=prepared.scrubber.scrub_json(event.origin)))
        ports = Ports(
            senders=lambda name: ResponsesClient(wire, endpoints[name]),
            journal=journal,
            clock=SystemClock(),
            sleep=asyncio.sleep,
            random=random.Random(0).random,  # noqa: S311  # the same every time
            scrubber=prepared.scrubber,
            people=Approvals(prepared.case.approvals, plan.workflow),
            environ=os.environ,
            stand_ins=StandIns.of(prepared.case, plan.workflow),
        )
        end = await run_plan(plan, ports, Stop(), prepared.operator.project)
        came = Came(plan, journal, journal.replay(), end)
        failures = tuple(judge(prepared.case, came))
        after(came)
        if plan.settings.records_to is not None:
            keep(came, prepared.scrubber)
        cost = came.state.totals.cost_usd if prepared.is_paid else 0.0
        seconds = time.monotonic() - began
        return Ran(prepared.case, failures, seconds, cost, plan.run, end.result)


def keep(came: Came, scrubber: Scrubber) -> None:
    """Write the recording of a case that asked the API. Raises EnvironmentFault."""
    from_run = take(came.journal, came.state, scrubber)
    from_run.write(recording_path(came.plan.workflow, came.plan.settings.records_to or ""))


def recording_path(workflow: Workflow, name: str) -> Path:
    """Where the recording of a workflow stands."""
    from_here = os.path.relpath(workflow.folder)
    return path_of(Path(from_here), name)
