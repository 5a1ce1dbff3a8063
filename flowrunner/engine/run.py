"""One run of one file from its first step to its end, or what its journal shows to be left of it.

The steps are scheduled in `lists`; what a person sees is left to `report`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from flowrunner.engine.alone import Alone
from flowrunner.engine.attaching import given_files
from flowrunner.engine.endings import Ending
from flowrunner.engine.failures import FailedOnly, named
from flowrunner.engine.lists import StepList
from flowrunner.engine.outgoing import Outgoing
from flowrunner.engine.place import FileRun, Place, run_names
from flowrunner.engine.plan import Plan
from flowrunner.engine.ports import Ports, Stop
from flowrunner.engine.shared import LIST_EXITS, Shared
from flowrunner.engine.steps import Runner
from flowrunner.engine.together import until_first
from flowrunner.errors import ExitStatus, weightiest
from flowrunner.events import JSON, RunFinished, RunStatus
from flowrunner.journal.state import BACKGROUND, TOOL_LOST
from flowrunner.language.templates import TemplateFault

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
    "cancel": ExitStatus.BUDGET,
}


def given_up_sentence(by: str, why: str | None) -> str:
    """Why nothing more is done in a run."""
    return f"{by} gave the run up" + (f": {why}" if why else "")


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
        reuse=plan.settings.reusing(ports.shelf),
        failed_only=FailedOnly.of(before.steps) if plan.settings.failed_only else None,
        outgoing=Outgoing(
            ports,
            stop,
            uploads=before.uploads,
        ),
    )
    names = run_names(plan.inputs, plan.run, plan.moment)
    file = FileRun(plan.workflow, names, given=given_files(plan.inputs, plan.workflow))
    outer = shared.budget(plan.settings.budget, None, "this run")
    place = Place(file, budget=shared.budget(plan.workflow.budget, outer, "the file"))
    steps = _work(Runner(shared), place)
    ending = await _watched(shared, steps)
    end = _End(shared, steps, ending).event()
    await ports.journal.append(end)
    return end


def _work(runner: Runner, place: Place) -> StepList | Alone:
    """The steps of the file that are wanted, or the one unit that is tried."""
    plan = runner.shared.plan
    if plan.settings.tries is not None:
        return Alone(runner, place, plan.workflow.steps, plan.settings.tries)
    return runner.list_of(plan.steps, place, plan.settings.recheck)


async def _watched(shared: Shared, steps: StepList | Alone) -> Ending:
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
    steps: StepList | Alone
    ending: Ending

    def event(self) -> RunFinished:
        exits = self._exits()
        result: JSON = None
        fault: TemplateFault | None = None
        if self._is_whole and not exits - {ExitStatus.ITEMS_FAILED}:
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
            left_out=self._out,
            given_up_by=self.shared.stop.by if self._is_cancelled else None,
            result=scrubber.scrub_json(result),
        )

    def _exits(self) -> set[ExitStatus]:
        exits = set(self.shared.exits)
        stopped = self.shared.stop.reason
        if self.ending.status in LIST_EXITS and not (stopped and self.ending.status == "cancelled"):
            exits.add(LIST_EXITS[self.ending.status])
        if stopped is not None and not self.steps.is_complete:
            exits.add(_STOP_EXITS[stopped])
        if self._left and not exits - {ExitStatus.ITEMS_FAILED}:
            exits.add(ExitStatus.BUDGET)
        return exits

    @property
    def _is_whole(self) -> bool:
        """Whether all of the file was wanted."""
        return not self._out and self.shared.plan.settings.tries is None

    @property
    def _is_cancelled(self) -> bool:
        """Whether somebody ended the run for good before it was done."""
        return self.shared.stop.reason == "cancel" and not self.steps.is_complete

    @property
    def _left(self) -> str | None:
        """What nobody worked on although it had not ended, where only what failed was wanted."""
        only = self.shared.failed_only
        return only.sentence() if only is not None and only.left else None

    @property
    def _out(self) -> tuple[str, ...]:
        """What was left out because only a part of the file was wanted, and is left to a resume."""
        if self.shared.plan.settings.tries is not None:
            return ()
        return tuple(step.id for step in self.shared.plan.left_out)

    def _explain(
        self, exit_status: ExitStatus, fault: TemplateFault | None
    ) -> tuple[str | None, str | None]:
        """Why the run ended as it did, and what to do."""
        if self._is_cancelled:
            return given_up_sentence(self.shared.stop.by or "", self.shared.stop.why), None
        message, help_ = self._reason(exit_status, fault)
        is_good = exit_status in (ExitStatus.DONE, ExitStatus.ITEMS_FAILED)
        rest = self._left
        if is_good and self._out:
            rest = f"done until `{self.shared.plan.settings.until}`; left out: {named(self._out)}"
        if rest is None:
            return message, help_
        again = f"`flowrunner resume {self.shared.plan.run}` goes on with the rest"
        return f"{message}; {rest}" if message else rest, help_ or again

    def _reason(
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
