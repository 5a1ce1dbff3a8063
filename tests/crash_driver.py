"""`run` and `resume` over the real journal, engine and wire, which die at a point that is ordered.

The journal and the sender are arguments of a run; here they are ones that kill their own program.
`DOOM=before:5` kills before the fifth record is stored, `after:5` when it is on disk, `torn:5`
while it is being stored, `sending:2` as soon as the second request has left. Reports are left to
the command line, which takes the run up afterwards.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flowrunner.commands.checking import load_valid, today
from flowrunner.commands.people import Somebody
from flowrunner.engine.plan import Plan, Settings, thaw_settings
from flowrunner.engine.ports import Ports, Stop, SystemClock
from flowrunner.engine.run import run as run_plan
from flowrunner.events import Event, RunResumed, RunStarted
from flowrunner.journal.journal import Journal
from flowrunner.journal.runs import create_run_folder, find_run
from flowrunner.language.load import load_text
from flowrunner.project.settings import Settings as Operator
from flowrunner.project.settings import load_settings
from flowrunner.responses.client import ResponsesClient
from flowrunner.responses.outcome import Outcome
from flowrunner.secrets import Scrubber
from flowrunner.wire import Progress, Wire, WireSettings

CLOCK = SystemClock()


@dataclass
class Doom:
    """When to die: the `left`th time that something of the `kind` is met."""

    kind: str
    left: int

    @classmethod
    def ordered(cls) -> Doom:
        kind, _, number = os.environ.get("DOOM", "never:0").partition(":")
        return cls(kind, int(number))

    def meet(self, kind: str) -> bool:
        """Count a meeting; whether it is the last."""
        if kind == self.kind:
            self.left -= 1
        return kind == self.kind and self.left == 0


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DoomedJournal(Journal):
    doom: Doom

    async def append(self, event: Event) -> int:
        if self.doom.meet("before"):
            die()
        storing = asyncio.ensure_future(super().append(event))
        if self.doom.meet("torn"):
            await asyncio.sleep(0)
            die()
        seq = await storing
        if self.doom.meet("after"):
            die()
        return seq


@dataclass
class DoomedSender:
    client: ResponsesClient
    doom: Doom

    async def send(
        self, body: dict[str, Any], *, progress: Progress | None = None, **terms: Any
    ) -> Outcome:
        assert progress is not None
        sending = asyncio.ensure_future(self.client.send(body, progress=progress, **terms))
        while self.doom.kind == "sending" and not progress.left and not sending.done():
            await asyncio.sleep(0)
        if self.doom.meet("sending"):
            die()
        return await sending

    async def retrieve(self, response_id: str, *, timeout_s: float) -> Outcome:
        if self.doom.meet("looking"):
            die()
        outcome = await self.client.retrieve(response_id, timeout_s=timeout_s)
        if self.doom.meet("looked"):
            die()
        return outcome

    async def cancel(self, response_id: str, *, timeout_s: float) -> Outcome:
        return await self.client.cancel(response_id, timeout_s=timeout_s)


def main() -> None:
    """`run WORKFLOW` or `resume`."""
    verb, *words = sys.argv[1:]
    operator = load_settings(Path.cwd(), os.environ)
    sys.exit(_run(operator, Path(words[0])) if verb == "run" else _resume(operator))


def _run(operator: Operator, path: Path) -> int:
    workflow, _ = load_valid(path, False, operator.known_providers)
    settings = Settings("openai", operator.base_url, "OPENAI_API_KEY", False)
    folder = create_run_folder(operator.project, CLOCK.now, random.random)
    plan = Plan(folder.name, CLOCK.now(), workflow, {}, settings)
    first = RunStarted(
        at=CLOCK.now(),
        run=plan.run,
        workflow=workflow.name,
        path=workflow.shown,
        provider="openai",
        base_url=operator.base_url,
        simulated=False,
        steps=tuple(step.id for step in workflow.steps),
    )
    with DoomedJournal.create(folder, plan.frozen(operator.project), CLOCK.now) as journal:
        return _work(operator, plan, journal, first)


def _resume(operator: Operator) -> int:
    with DoomedJournal.open(find_run(operator.project, "latest"), writable=True) as journal:
        state = journal.replay()
        place = json.loads(journal.frozen("place"))
        text, folder = journal.frozen("workflow").decode(), operator.project / place["folder"]
        workflow, _ = load_text(text, place["shown"], folder, today=today())
        assert workflow is not None
        settings = thaw_settings(journal.frozen("settings").decode())
        plan = Plan(state.run, state.started_at or 0.0, workflow, {}, replace(settings))
        return _work(operator, plan, journal, RunResumed(at=CLOCK.now(), epoch=journal.epoch))


def _work(operator: Operator, plan: Plan, journal: Journal, first: Event) -> int:
    assert isinstance(journal, DoomedJournal)
    doom = journal.doom = Doom.ordered()

    async def work() -> int:
        wire = Wire(WireSettings())
        sender = DoomedSender(ResponsesClient(wire, operator.endpoint()), doom)
        try:
            await journal.append(first)
            ports = Ports(
                senders=lambda _: sender,
                journal=journal,
                clock=CLOCK,
                sleep=asyncio.sleep,
                random=random.random,
                scrubber=Scrubber(operator.secrets()),
                people=Somebody(journal, None),
                environ=os.environ,
            )
            return (await run_plan(plan, ports, Stop(), operator.project)).exit_status
        finally:
            await wire.aclose()

    return asyncio.run(work())
