"""One run of one file from its first step to its end, or what its journal shows to be left of it.

The steps are scheduled in `lists`; what a person sees is left to `report`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from flowrunner.engine.attaching import given_files
from flowrunner.engine.endings import Ending
from flowrunner.engine.lists import StepList
from flowrunner.engine.outgoing import Outgoing
from flowrunner.engine.place import FileRun, Place, run_names
from flowrunner.engine.plan import Plan
from flowrunner.engine.ports import Ports, Stop
from flowrunner.engine.shared import Shared
from flowrunner.engine.steps import Runner
from flowrunner.engine.together import until_first
from flowrunner.errors import ExitStatus, weightiest
from flowrunner.events import JSON, RunFinished, RunStatus
from flowrunner.journal.state import BACKGROUND, TOOL_LOST
from flowrunner.language.templates import TemplateFault
from flowrunner.responses.retry import Asked

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
_LIST_EXITS = {
    "failed": ExitStatus.FAILED,
    "unknown": ExitStatus.HELD,
    "waiting": ExitStatus.WAITING,
    "cancelled": ExitStatus.BUDGET,
}


async def run(plan: Plan, ports: Ports, stop: Stop, project: Path) -> RunFinished:
    """Run a plan; the end, which is in the journal.

    Raises EnvironmentFault or JournalUnusable when the journal can take no more: nothing is sent
    from then on.
    """
    before = ports.journal.replay()
    shared = Shared(
        plan=plan,
        ports=ports,
        stop=stop,
        project=project,
        before=before.steps,
        spent=before.totals,
        outgoing=Outgoing(
            ports,
            stop,
            plan.settings.server,
            asked=Asked(key_name=plan.settings.key_name),
            uploads=before.uploads,
        ),
    )
    names = run_names(plan.inputs, plan.run, plan.started_at)
    file = FileRun(plan.workflow, names, given=given_files(plan.inputs, plan.workflow))
    outer = shared.budget(plan.settings.budget, None, "this run")
    place = Place(file, budget=shared.budget(plan.workflow.budget, outer, "the file"))
    steps = Runner(shared).list_of(plan.workflow.steps, place, plan.settings.recheck)
    ending = await _watched(shared, steps)
    end = _End(shared, steps, ending).event()
    await ports.journal.append(end)
    return end


async def _watched(shared: Shared, steps: StepList) -> Ending:
    """The list at work, ended at the run's deadline, and a grace after a wish to end it."""
    working = asyncio.ensure_future(steps.run())
    watching = asyncio.ensure_future(_watch(shared, working))
    try:
        return await working
    except asyncio.CancelledError:
        if shared.stop.reason is None:
            raise
        return Ending("cancelled")
    finally:
        shared.limits.close()
        watching.cancel()
        working.cancel()
        await asyncio.gather(watching, working, return_exceptions=True)
        await shared.toolbox.aclose()


async def _watch(shared: Shared, working: asyncio.Future[Ending]) -> None:
    stop = shared.stop
    if shared.plan.timeout_s is not None:
        await until_first(_work_for(shared, shared.plan.timeout_s), stop.asked.wait())
        if stop.reason is None:
            stop.ask("timeout")
    await stop.asked.wait()
    shared.limits.review()
    if stop.reason != "timeout":
        await until_first(shared.ports.sleep(GRACE_S), stop.pressed.wait())
    working.cancel()


async def _work_for(shared: Shared, seconds: float) -> None:
    """So much time of work; that of waiting for people is left out."""
    left, idle_s = seconds, 0.0
    while left > 0:
        await shared.ports.sleep(left)
        left, idle_s = shared.idle_s - idle_s, shared.idle_s


@dataclass(frozen=True, slots=True)
class _End:
    """How the run ended, told from its list of steps."""

    shared: Shared
    steps: StepList
    ending: Ending

    def event(self) -> RunFinished:
        exits = self._exits()
        result: JSON = None
        fault: TemplateFault | None = None
        if not exits - {ExitStatus.ITEMS_FAILED}:
            try:
                result = self.shared.plan.workflow.fill_result(self.steps.place.scope())
            except TemplateFault as raised:
                fault = raised
                exits.add(ExitStatus.FAILED)
        exit_status = weightiest(exits)
        message, help_ = self._explain(exit_status, fault)
        scrubber = self.shared.ports.scrubber
        return RunFinished(
            at=self.shared.now(),
            status=_STATUS.get(exit_status, "stopped"),
            exit_status=exit_status,
            message=message and scrubber.scrub(message),
            help=help_,
            result=scrubber.scrub_json(result),
        )

    def _exits(self) -> set[ExitStatus]:
        exits = set(self.shared.exits)
        stopped = self.shared.stop.reason
        if self.ending.status in _LIST_EXITS and not (
            stopped and self.ending.status == "cancelled"
        ):
            exits.add(_LIST_EXITS[self.ending.status])
        if stopped is not None and not self.steps.is_complete:
            exits.add(_STOP_EXITS[stopped])
        return exits

    def _explain(
        self, exit_status: ExitStatus, fault: TemplateFault | None
    ) -> tuple[str | None, str | None]:
        """The one sentence that says why the run ended as it did, and what to do."""
        again = f"flowrunner resume {self.shared.plan.run}"
        if fault is not None:
            return f"`result` could not be filled in: {fault.message}", fault.help
        if exit_status in (ExitStatus.INTERRUPTED, ExitStatus.TERMINATED):
            return "the run was interrupted; finished steps are kept", f"`{again}` goes on"
        if self.shared.halted is not None:
            return self.shared.halted.message, self.shared.halted.help
        if exit_status is not ExitStatus.HELD and self.shared.stop.reason == "timeout":
            limit = f"{self.shared.plan.timeout_s:g}"
            return f"the run took longer than its limit of {limit} s", f"`{again}` goes on"
        return self._open(exit_status, again)

    def _open(self, exit_status: ExitStatus, again: str) -> tuple[str | None, str | None]:
        """What is left open by a list that came to its end, else what the list says."""
        if exit_status is ExitStatus.HELD and self.ending.reason == TOOL_LOST:
            return self.ending.message, self.ending.help
        if exit_status is ExitStatus.HELD:
            held = ", ".join(f"`{name}`" for name in self.shared.held[:5]) or "a step"
            return (
                f"the outcome of {held} is unknown: sent, answer lost, possibly billed",
                f"`{again} --on-unknown retry_once` asks again, and may pay a second time",
            )
        if exit_status is ExitStatus.WAITING and self.ending.reason == BACKGROUND:
            left = ", ".join(f"`{name}`" for name in self.shared.left[:5]) or "a step"
            return (
                f"the API still works on {left}, in the background",
                f"`{again}` looks again and goes on with what is there; with `--wait` it waits",
            )
        return self.ending.message, self.ending.help
