"""One step from its `if` to its end: the modifiers, wrapped once around every verb.

When a step may start is decided in `run`; the requests of a prompt step are made in `prompts`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flowrunner.engine.calls import Caller, Stopped
from flowrunner.engine.endings import Ending, failed, skipped
from flowrunner.engine.plan import DEFAULT_STEP_TIMEOUT_S, Plan
from flowrunner.engine.ports import Ports, Stop
from flowrunner.engine.prompts import PromptRun
from flowrunner.events import Address, Segment, StepFinished, StepResult, StepStarted
from flowrunner.journal.state import StepState
from flowrunner.language.paths import path_fault
from flowrunner.language.request import Prompt
from flowrunner.language.templates import TemplateFault
from flowrunner.language.workflow import SetValues, Step, Write
from flowrunner.platform import write_atomically
from flowrunner.responses.retry import Asked, RetryPolicy


@dataclass(slots=True)
class Steps:
    """Runs the steps of one run. `before` is how the journal of an earlier process left them."""

    plan: Plan
    ports: Ports
    stop: Stop
    scope: Mapping[str, Any]
    project: Path
    before: Mapping[str, StepState]
    slots: asyncio.Semaphore

    async def run(self, step: Step) -> Ending | None:
        """Run a step that may start; None when the end of the run came first.

        The end is in the journal when this returns.
        """
        try:
            ending = await self._guarded(step)
        except Stopped:
            return None
        await self.record(step, ending)
        return ending

    async def record(self, step: Step, ending: Ending) -> None:
        """Put a step's end into the journal."""
        result = ending.result or StepResult(ending.status)
        result = replace(result, status=ending.status)
        await self.ports.journal.append(
            StepFinished(
                at=self.ports.clock.now(),
                address=_address(step),
                verb=step.verb_name,
                status=ending.status,
                reason=ending.reason,
                message=ending.message and self.ports.scrubber.scrub(ending.message),
                help=ending.help,
                result=self.ports.scrubber.scrub_json(result.as_json()),
            )
        )

    async def _guarded(self, step: Step) -> Ending:
        """The verb behind its `if`; a template that fails ends the step before anything is sent."""
        try:
            if not self._is_wanted(step):
                return skipped("if", "its `if` is false")
            ending = await self._verb(step)
            if ending.status == "succeeded" and step.save_to is not None:
                return self._saved(step, ending)
        except TemplateFault as fault:
            return failed("template", fault.message, fault.help)
        return ending

    def _is_wanted(self, step: Step) -> bool:
        if step.condition is None or isinstance(step.condition, bool):
            return step.condition is not False
        return bool(step.condition.evaluate(self.scope))

    async def _verb(self, step: Step) -> Ending:
        match step.verb:
            case Prompt():
                return await self._prompt(step, step.verb)
            case Write():
                await self._started(step)
                text = step.verb.template.render(self.scope)
                return Ending("succeeded", result=StepResult("succeeded", text=text))
            case SetValues():
                await self._started(step)
                values = step.verb.evaluate(self.scope)
                result = StepResult("succeeded", output=values, has_output=True)
                return Ending("succeeded", result=result)
            case _:
                raise AssertionError(f"{step.id} has no verb that runs")

    async def _started(self, step: Step) -> None:
        before = self.before.get(step.id)
        if before is not None and before.status == "running":
            return
        await self.ports.journal.append(
            StepStarted(at=self.ports.clock.now(), address=_address(step), verb=step.verb_name)
        )

    async def _prompt(self, step: Step, prompt: Prompt) -> Ending:
        before = self.before.get(step.id)
        calls = [] if before is None else before.calls
        started_seq = before.started_seq if before and before.status == "running" else None
        current = [call for call in calls if started_seq and call.sent_seq > started_seq]
        past = [call.attempt for call in calls if call not in current]
        async with self.slots:
            # Steps that wait for a slot have not begun, so that a report shows who really worked.
            if self.stop.reason is not None:
                raise Stopped
            await self._started(step)
        run = PromptRun(
            step,
            prompt,
            _address(step),
            self._caller(step, prompt),
            current,
            max(past, default=0) + 1,
        )
        return await run.finish(self.scope, self.plan.settings.above)

    def _caller(self, step: Step, prompt: Prompt) -> Caller:
        settings = self.plan.settings
        on_unknown = self.plan.on_unknown(step)
        timeout_s = step.timeout_s or DEFAULT_STEP_TIMEOUT_S
        tools = prompt.parameters.get("tools")
        listed = tools if isinstance(tools, list) else []
        labels = [tool.get("server_label") for tool in listed if isinstance(tool, dict)]
        return Caller(
            run=self.plan.run,
            ports=self.ports,
            stop=self.stop,
            slots=self.slots,
            policy=RetryPolicy(on_unknown=on_unknown),
            asked=Asked(
                model=prompt.model,
                key_name=settings.key_name,
                mcp_servers=tuple(label for label in labels if isinstance(label, str)),
            ),
            deadline=self.ports.clock.monotonic() + timeout_s,
            fresh=on_unknown == "hold",
        )

    def _saved(self, step: Step, ending: Ending) -> Ending:
        """The ending after its result was saved under `save_to`."""
        assert step.save_to is not None
        assert ending.result is not None
        written = step.save_to.render(self.scope)
        fault = path_fault(self.plan.workflow.folder, written)
        target = (self.plan.workflow.folder / written).resolve()
        if fault is None and not target.is_relative_to(self.project.resolve()):
            fault = f"`{written}` leads out of the project through a link"
        if fault is not None:
            return failed("save", fault)
        output = ending.result.output if target.suffix == ".json" else None
        text = ending.result.text if output is None else None
        if text is None:
            text = json.dumps(ending.result.output, ensure_ascii=False, indent=2) + "\n"
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            saved = self.ports.scrubber.scrub(text).encode("utf-8", "replace")
            write_atomically(target, saved, private=False)
        except OSError as error:
            reason = error.strerror or "it could not be written"
            return failed("save", f"`{written}` was not saved: {reason}")
        return ending


def _address(step: Step) -> Address:
    return Address((Segment(step.id),))
