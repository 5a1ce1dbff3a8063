"""One process working on a run: its ports made, its signals heard, its end told.

What happens inside the run is left to `engine`, what it looks like to `report`.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from flowrunner.catalog import table
from flowrunner.commands.finishing import tell_end
from flowrunner.commands.people import Ask, Somebody
from flowrunner.commands.recording import recording_shown
from flowrunner.commands.telling import Teller
from flowrunner.commands.viewing import Viewer, style_of
from flowrunner.commands.watching import Watching
from flowrunner.engine.approvals import LOOK_S
from flowrunner.engine.plan import Plan
from flowrunner.engine.ports import EDITED, Ports, Shelf, Stop, SystemClock
from flowrunner.engine.run import GRACE_S
from flowrunner.engine.run import run as run_plan
from flowrunner.errors import ExitStatus, FlowrunnerError
from flowrunner.events import Event, RunFinished, RunResumed, RunStarted, Warned
from flowrunner.journal.index import Index
from flowrunner.journal.journal import Journal
from flowrunner.journal.lasting import LastingIds
from flowrunner.platform import on_end_signals
from flowrunner.project.settings import Settings as Operator
from flowrunner.report.terminal import ProgressLines
from flowrunner.responses.client import ResponsesClient
from flowrunner.secrets import Scrubber
from flowrunner.wire import Answering, Endpoint, StandIn, Wire, WireSettings

_OBJECTS = 20_000
PROXIED_AT_ONCE = 64
"""Requests at once through a proxy: httpx's own pool carries them, and is slow with many."""


def open_wire(plan: Plan, proxies: Mapping[str, str], answering: Answering | None = None) -> Wire:
    """The wire of a run; with an `answering` one that opens nothing. Raises EnvironmentFault for a
    proxy that cannot be used."""
    if answering is not None:
        return Wire(transport=StandIn(answering))
    # A simulator in this process holds the other end of every connection.
    files = plan.at_once * (2 if plan.settings.simulated else 1)
    return Wire(WireSettings(proxies={} if plan.settings.simulated else proxies, at_once=files))


@dataclass(slots=True)
class Going:
    """A run at work in this process. `endpoints` has each provider that it asks, by name; `ask`
    puts a question to the person at the terminal; `keep` is called with the end, before that is
    told. `taken` is what the run begins with, behind its first event; `is_saved` says that its
    files were edited meanwhile, and that nothing new is to be started. `earlier` has what other
    runs said, for one that takes nothing else of them."""

    plan: Plan
    journal: Journal
    endpoints: Mapping[str, Endpoint]
    operator: Operator
    viewer: Viewer
    wire: Wire
    scrubber: Scrubber
    ask: Ask | None = None
    keep: Callable[[ExitStatus], None] | None = None
    taken: Sequence[Event] = ()
    is_saved: Callable[[], bool] | None = None
    earlier: Shelf | None = None

    def run(self, first: RunStarted | RunResumed, *, as_json: bool) -> ExitStatus:
        """Work until the run ends; then its reports are written and its end is told."""
        end = self.work(first)
        return tell_end(self.journal, self.folder, end, self.viewer, as_json=as_json)

    def work(self, first: RunStarted | RunResumed) -> RunFinished:
        """Work until the run ends."""
        style, simulated = style_of(self.viewer), self.plan.settings.simulated
        scrubber = self.scrubber
        watching = self._watching(scrubber)
        passing = None if watching is None else watching.lines
        teller = Teller(self.viewer.progress, passing, self.viewer.redraw)
        replayed = recording_shown(self.plan.settings.replays)
        live = self.viewer.is_live
        lines = ProgressLines(style, simulated=simulated, replayed=replayed, live=live)

        known = {id(event) for event in self.taken}

        def tell(_: int, event: Event) -> None:
            if id(event) in known:
                return
            if watching is not None:
                watching.feed(event)
            for line in lines.feed(event):
                teller.tell(line)

        self.journal.subscribe(tell)
        # Read before the run may have every file open that it is allowed to open.
        table("errors")
        # What was imported and read stays for the whole run: the collector need not walk it again,
        # nor walk what is in flight after every 700 new objects.
        gc.freeze()
        gc.set_threshold(_OBJECTS, 20, 50)
        try:
            end = asyncio.run(self._run(first, scrubber, teller, watching))
        finally:
            teller.close()
        self._remember()
        if self.keep is not None:
            self.keep(end.exit_status)
        return end

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return self.journal.folder

    async def _run(
        self,
        first: RunStarted | RunResumed,
        scrubber: Scrubber,
        teller: Teller,
        watching: Watching | None,
    ) -> RunFinished:
        stop = Stop()
        clock = SystemClock()
        restore = self._on_signals(stop, teller, watching)
        shelf = self._shelf()
        looking = asyncio.ensure_future(self._look_for_the_end(stop, teller))
        try:
            # The words of the command are part of the origin, and may hold anything.
            first = replace(first, origin=scrubber.scrub_json(first.origin))
            await self.journal.append_many((first, *self.taken))
            plan = await self._bounded()
            for warning in self.operator.warnings:
                await self._warn("settings", warning)
            ports = Ports(
                senders=cache(self._client),
                journal=self.journal,
                clock=clock,
                sleep=asyncio.sleep,
                random=random.SystemRandom().random,
                scrubber=scrubber,
                people=Somebody(self.journal, self.ask and teller.asking(self.ask), teller.let_go),
                environ=os.environ,
                shelf=shelf or self.earlier,
                live=None if watching is None else watching.writing,
                lasting=LastingIds(self.operator.project),
                pins=LastingIds(self.operator.project, "servers"),
            )
            return await run_plan(plan, ports, stop, self.operator.project)
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            restore()
            if shelf is not None:
                shelf.close()
            await self.wire.aclose()

    def _client(self, provider: str) -> ResponsesClient:
        return ResponsesClient(self.wire, self.endpoints[provider])

    async def _look_for_the_end(self, stop: Stop, teller: Teller) -> None:
        """Look whether somebody wants no more of the run: in another process, or by a save."""
        while (said := self.journal.given_up()) is None:
            await asyncio.sleep(LOOK_S)
            if self.is_saved is not None and await asyncio.to_thread(self.is_saved):
                teller.tell("\nA file was saved: what is under way comes to its end first")
                stop.ask(EDITED)
                return
        teller.tell(f"\nStopping: {said.by} gave the run up")
        stop.cancel(said.by, said.why)

    async def _bounded(self) -> Plan:
        """The plan with no more at once than this machine and its proxy carry."""
        most = self.wire.room
        if most is not None and self.plan.settings.simulated:
            most //= 2
        why = "this system allows no more open files"
        if any(self.wire.proxy_for(one.base_url) for one in self.endpoints.values()):
            most, why = min(most or PROXIED_AT_ONCE, PROXIED_AT_ONCE), "a proxy carries no more"
        if most is None or most >= self.plan.at_once:
            return self.plan
        most = max(most, 1)
        await self._warn("at-once", f"at most {most} requests run at the same time: {why}")
        return replace(self.plan, settings=replace(self.plan.settings, at_once=most))

    async def _warn(self, code: str, message: str) -> None:
        await self.journal.append(Warned(at=SystemClock().now(), code=code, message=message))

    def _shelf(self) -> Index | None:
        # A recording holds all answers, so that those of earlier runs are asked for again.
        settings = self.plan.settings
        if settings.simulated or settings.records_to or not self.plan.wants_reuse:
            return None
        return Index.open(self.operator.project, within=self.plan.settings.reuse_from)

    def _remember(self) -> None:
        """Let later runs find what this one paid for. Losing it costs nothing."""
        if not self.plan.settings.simulated:
            with suppress(FlowrunnerError, OSError), Index.open(self.operator.project) as index:
                index.add_run(self.folder)

    def _watching(self, scrubber: Scrubber) -> Watching | None:
        """What a person sees who watches; None where nobody does."""
        if not self.viewer.is_live:
            return None
        return Watching(self.plan, self.journal.replay(), self.viewer, SystemClock(), scrubber)

    def _on_signals(
        self, stop: Stop, teller: Teller, watching: Watching | None
    ) -> Callable[[], None]:
        """Let signals end the run; the result puts the old ways back."""
        loop = asyncio.get_running_loop()

        def end(reason: str) -> None:
            if watching is not None:
                watching.stop()
            if stop.reason is None:
                teller.tell(
                    f"\nStopping: requests under way have {GRACE_S:g} s left; "
                    "once more (Ctrl-C) ends them at once"
                )
            stop.ask(reason)

        def react(number: signal.Signals) -> None:
            reason = "interrupt" if number is signal.SIGINT else "terminate"
            loop.call_soon_threadsafe(end, reason)

        return on_end_signals(react)
