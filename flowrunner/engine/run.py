"""One run: a ready set of steps, started as soon as what they mention has ended; and how it ends.

There are no stages. What a step does is left to `steps`; what a person sees to `report`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from flowrunner.engine.endings import Ending, skipped
from flowrunner.engine.plan import Plan, Skip, may_start
from flowrunner.engine.ports import Ports, Stop
from flowrunner.engine.scope import run_scope, steps_record
from flowrunner.engine.steps import Steps
from flowrunner.errors import ExitStatus, weightiest
from flowrunner.events import JSON, RunFinished, RunStatus, StepStatus
from flowrunner.journal.state import RunState
from flowrunner.language.templates import TemplateFault
from flowrunner.language.workflow import Step

GRACE_S = 1.5
"""How long calls in flight may still answer after the wish to end the run."""

_STATUS: dict[ExitStatus, RunStatus] = {
    ExitStatus.DONE: "succeeded",
    ExitStatus.ITEMS_FAILED: "succeeded",
    ExitStatus.FAILED: "failed",
    ExitStatus.HELD: "held",
    ExitStatus.WAITING: "waiting",
    ExitStatus.INTERRUPTED: "interrupted",
    ExitStatus.TERMINATED: "interrupted",
}
_STOP_EXITS = {
    "interrupt": ExitStatus.INTERRUPTED,
    "terminate": ExitStatus.TERMINATED,
    "timeout": ExitStatus.FAILED,
}


async def run(plan: Plan, ports: Ports, stop: Stop, project: Path) -> RunFinished:
    """Run a plan, or what its journal shows to be left of it; the end, which is in the journal.

    Raises EnvironmentFault or JournalUnusable when the journal can take no more: nothing is sent
    from then on.
    """
    before = ports.journal.replay()
    scope = run_scope(
        plan.inputs,
        plan.run,
        plan.started_at,
        steps_record(ports.journal, [step.id for step in plan.workflow.steps]),
    )
    steps = Steps(
        plan=plan,
        ports=ports,
        stop=stop,
        scope=scope,
        project=project,
        before=before.steps,
        slots=asyncio.Semaphore(plan.at_once),
    )
    scheduler = _Scheduler(plan, steps, ports, stop)
    scheduler.take_up(before)
    await scheduler.drive()
    end = scheduler.end()
    await ports.journal.append(end)
    return end


@dataclass(slots=True)
class _Scheduler:
    """The ready set. `standing` holds the steps that have ended, `waiting` those that have not."""

    plan: Plan
    steps: Steps
    ports: Ports
    stop: Stop
    standing: dict[str, StepStatus] = field(default_factory=dict)
    waiting: dict[str, Step] = field(default_factory=dict)
    dependents: dict[str, list[str]] = field(default_factory=dict)
    running: set[asyncio.Task[None]] = field(default_factory=set)
    endings: asyncio.Queue[None] = field(default_factory=asyncio.Queue)
    exits: set[ExitStatus] = field(default_factory=set)
    halted: Ending | None = None
    broken: BaseException | None = None

    def take_up(self, before: RunState) -> None:
        """Which steps are done already, by the journal of earlier processes."""
        for step in self.plan.workflow.steps:
            state = before.steps.get(step.id)
            if state is not None and state.status == "succeeded":
                self.standing[step.id] = "succeeded"
            elif state is not None and state.status == "unknown" and not self._may_ask_again():
                self.standing[step.id] = "unknown"
                self.exits.add(ExitStatus.HELD)
            else:
                self.waiting[step.id] = step
        for step in self.waiting.values():
            for name in step.waits_for:
                self.dependents.setdefault(name, []).append(step.id)

    def _may_ask_again(self) -> bool:
        # A call that is held is paid a second time only when a person says so on the command line.
        return self.plan.settings.on_unknown == "retry_once"

    async def drive(self) -> None:
        """Until nothing runs and nothing may start."""
        watch = asyncio.ensure_future(self._watch())
        try:
            self._start(list(self.waiting))
            while self.running and self.broken is None:
                await self.endings.get()
        finally:
            watch.cancel()
            for left in self.running:
                left.cancel()
            await asyncio.gather(*self.running, return_exceptions=True)
        if self.broken is not None:
            raise self.broken

    async def _watch(self) -> None:
        """End the run at its deadline, and calls in flight a grace after a wish to end it."""
        if self.plan.timeout_s is not None:
            await self._until(self.stop.asked, self.plan.timeout_s)
            if self.stop.reason is None:
                self.stop.ask("timeout")
        await self.stop.asked.wait()
        if self.stop.reason != "timeout":
            await self._until(self.stop.pressed, GRACE_S)
        for left in self.running:
            left.cancel()

    async def _until(self, wish: asyncio.Event, seconds: float) -> None:
        sleeping = asyncio.ensure_future(self.ports.sleep(seconds))
        asked = asyncio.ensure_future(wish.wait())
        try:
            await asyncio.wait({sleeping, asked}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            asked.cancel()

    def _start(self, names: Iterable[str]) -> None:
        """Start those of the named steps that may start."""
        for name in names:
            step = self.waiting.get(name)
            if step is None or self.halted is not None or self.stop.reason is not None:
                continue
            start = may_start(step, self.standing)
            if start in ("wait", "never"):
                continue
            del self.waiting[name]
            skip = skipped(start.reason, start.message) if isinstance(start, Skip) else None
            task = asyncio.ensure_future(self._run(step, skip))
            self.running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.running.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.broken = self.broken or task.exception()
        self.endings.put_nowait(None)

    async def _run(self, step: Step, skip: Ending | None) -> None:
        if skip is not None:
            ending: Ending | None = skip
            await self.steps.record(step, skip)
        else:
            ending = await self.steps.run(step)
        if ending is None:
            return
        self.standing[step.id] = ending.status
        self._weigh(step, ending)
        self._start(self.dependents.get(step.id, ()))

    def _weigh(self, step: Step, ending: Ending) -> None:
        """What an ending means for the run."""
        if ending.status == "unknown":
            self.exits.add(ExitStatus.HELD)
        if ending.status != "failed":
            return
        if ending.stops_run:
            self.exits.add(ExitStatus.ENVIRONMENT)
        elif step.on_error == "continue":
            self.exits.add(ExitStatus.ITEMS_FAILED)
            return
        else:
            self.exits.add(ExitStatus.FAILED)
        self.halted = self.halted or ending

    def end(self) -> RunFinished:
        """How the run ended."""
        result: JSON = None
        fault: TemplateFault | None = None
        if self.stop.reason is not None and (self.waiting or not self._is_complete()):
            self.exits.add(_STOP_EXITS[self.stop.reason])
        if not self.exits - {ExitStatus.ITEMS_FAILED}:
            try:
                result = self.plan.workflow.fill_result(self.steps.scope)
            except TemplateFault as raised:
                fault = raised
                self.exits.add(ExitStatus.FAILED)
        exit_status = weightiest(self.exits)
        message, help_ = self._explain(exit_status, fault)
        return RunFinished(
            at=self.ports.clock.now(),
            status=_STATUS.get(exit_status, "stopped"),
            exit_status=exit_status,
            message=message and self.ports.scrubber.scrub(message),
            help=help_,
            result=self.ports.scrubber.scrub_json(result),
        )

    def _is_complete(self) -> bool:
        return len(self.standing) == len(self.plan.workflow.steps)

    def _explain(
        self, exit_status: ExitStatus, fault: TemplateFault | None
    ) -> tuple[str | None, str | None]:
        """The one sentence that says why the run ended as it did, and what to do."""
        again = f"flowrunner resume {self.plan.run}"
        if fault is not None:
            return f"`result` could not be filled in: {fault.message}", fault.help
        if exit_status in (ExitStatus.INTERRUPTED, ExitStatus.TERMINATED):
            return "the run was interrupted; finished steps are kept", f"`{again}` goes on"
        if self.stop.reason == "timeout":
            limit = f"{self.plan.timeout_s:g}"
            return f"the run took longer than its limit of {limit} s", f"`{again}` goes on"
        if exit_status is ExitStatus.HELD:
            held = [name for name, status in self.standing.items() if status == "unknown"]
            named = ", ".join(f"`{name}`" for name in held)
            return (
                f"the outcome of {named} is unknown: sent, answer lost, possibly billed",
                f"`{again} --on-unknown retry_once` asks again, and may pay a second time",
            )
        if self.halted is not None:
            return self.halted.message, self.halted.help
        return None, None
