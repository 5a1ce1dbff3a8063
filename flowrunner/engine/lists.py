"""One list of steps: a ready set, each step started as soon as what it mentions has ended.

There are no stages, and a list that waits holds no slot. What a step does is left to `steps`.
"""

from __future__ import annotations

import asyncio
from collections import ChainMap, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from flowrunner.engine.endings import LOOSE_ENDS, PARTIAL, Ending, skipped
from flowrunner.engine.place import Loader, Place, never, unit_name, visible
from flowrunner.engine.plan import Skip, gives_secrets, may_start
from flowrunner.engine.shared import Shared
from flowrunner.errors import ExitStatus
from flowrunner.events import Segment, StepStatus
from flowrunner.language.workflow import Step, Stop

Execute = Callable[[Step, Place, bool], Awaitable[Ending | None]]
Record = Callable[[Step, Place, Ending], Awaitable[None]]


@dataclass(slots=True)
class StepList:
    """The steps of one list at work. `standing` holds those that have ended, `changed` those of
    them whose end is new in this process. `recheck` asks every step to compare itself with what
    the journal holds, because what stands above has changed. `is_partial` says that something in
    it failed and the run went on."""

    shared: Shared
    place: Place
    steps: Sequence[Step]
    execute: Execute
    record: Record
    recheck: bool = False
    standing: dict[str, StepStatus] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    halted: Ending | None = None
    blocked: dict[StepStatus, Ending] = field(default_factory=dict)
    is_partial: bool = False
    _own: frozenset[str] = frozenset()
    _waiting: dict[str, Step] = field(default_factory=dict)
    _dependents: dict[str, list[str]] = field(default_factory=dict)
    _running: set[asyncio.Task[None]] = field(default_factory=set)
    _ends: asyncio.Event = field(default_factory=asyncio.Event)
    _unheard: int = 0
    _broken: BaseException | None = None
    _outer_is_over: Callable[[], bool] = never

    @property
    def sees(self) -> Mapping[str, Loader]:
        """The steps that may be mentioned here, by name."""
        own = dict(visible(self.shared.ports.journal, self.steps, self.place.path))
        return {**self.place.above, **own}

    async def run(self) -> Ending:
        """Until nothing runs and nothing may start; what came of the list as a whole.

        Raises Stopped in the steps' stead when the run is ended before the list is done.
        """
        standing = ChainMap(self.standing, dict(self.place.standing))
        self._outer_is_over = self.place.is_over
        self.place = replace(self.place, above=self.sees, standing=standing, is_over=self._is_over)
        self._own = frozenset(step.id for step in self.steps)
        for step in self.steps:
            self._waiting[step.id] = step
            for name in step.waits_for:
                self._dependents.setdefault(name, []).append(step.id)
        try:
            with self.shared.resting():  # those that it starts work in its stead
                self._start(list(self._waiting))
                while self._running and self._broken is None:
                    await self._ends.wait()
                    self._ends.clear()
                    self.shared.works(-self._unheard)
                    self._unheard = 0
        finally:
            for left in self._running:
                left.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
        if self._broken is not None:
            raise self._broken
        return self._ending()

    def _start(self, names: Iterable[str]) -> None:
        """Start those of the named steps that may start."""
        ready = deque(names)
        while ready:
            name = ready.popleft()
            step = self._waiting.get(name)
            if step is None or (self._is_over() and not self._was_begun(step)):
                continue
            start = may_start(step, self._status_of)
            if start in ("wait", "never"):
                continue
            del self._waiting[name]
            is_touched = not self.changed.isdisjoint(step.waits_for)
            recheck = self.recheck or is_touched
            if not recheck and self._is_done(step) and not gives_secrets(step):
                self.standing[step.id] = "succeeded"
                self.place.file.is_stopped |= self._has_stopped(step)
                ready.extend(self._dependents.get(name, ()))
                continue
            is_touched = is_touched or self.place.is_touched
            if self.shared.leaves(self._unit(step), is_touched=is_touched, recheck=recheck):
                ready.extend(self._left_alone(step))
                continue
            place = replace(self.place, is_touched=is_touched)
            skip = skipped(start.reason, start.message) if isinstance(start, Skip) else None
            task = asyncio.ensure_future(self._run(step, place, skip, recheck))
            self.shared.works(1)
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _status_of(self, name: str) -> StepStatus | None:
        """How a step that may be mentioned here ended; None while it has not."""
        if name in self.standing:
            return self.standing[name]
        if name in self._own:
            return None
        return self.place.status_of(name)

    def _is_over(self) -> bool:
        here = self.halted is not None or self.place.file.is_stopped
        return here or self.shared.is_ending or self._outer_is_over()

    def _was_begun(self, step: Step) -> bool:
        """Whether an earlier process began it before a `stop` ended the file."""
        is_stopped = self.place.file.is_stopped and not self.shared.is_ending
        before = self.shared.before.get(self._unit(step))
        return is_stopped and before is not None and before.status is not None

    def _is_done(self, step: Step) -> bool:
        """Whether the journal of an earlier process holds a good end of it, and nothing is left."""
        before = self.shared.before.get(self._unit(step))
        if before is None or before.status != "succeeded":
            return False
        return before.reason not in LOOSE_ENDS

    def _has_stopped(self, step: Step) -> bool:
        """Whether a step that is done, or one inside it, is a `stop` that was reached."""
        if isinstance(step.verb, Stop):
            return True
        stops = {f"/{inner.id}" for inner in step.inside() if isinstance(inner.verb, Stop)}
        if not stops:
            return False
        own = self._unit(step)
        return any(
            unit.startswith((f"{own}/", f"{own}#")) and before.status == "succeeded"
            for unit, before in self.shared.before.items()
            if f"/{unit.rpartition('/')[2]}" in stops
        )

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._broken = self._broken or task.exception()
        self._unheard += 1
        self._ends.set()

    def _left_alone(self, step: Step) -> Sequence[str]:
        """Take a step as an earlier process left it; the steps that may start because of that."""
        ending = self.shared.as_it_was(self._unit(step))
        if ending is None:
            return ()
        self.standing[step.id] = ending.status
        self._weigh(step, ending)
        return self._dependents.get(step.id, ())

    def _unit(self, step: Step) -> str:
        return unit_name((*self.place.path, Segment(step.id)))

    async def _run(self, step: Step, place: Place, skip: Ending | None, recheck: bool) -> None:
        if skip is not None:
            ending: Ending | None = skip
            await self.record(step, place, skip)
        else:
            ending = await self.execute(step, place, recheck)
        if ending is None:
            return
        self.standing[step.id] = ending.status
        if not ending.is_kept:
            self.changed.add(step.id)
        self._weigh(step, ending)
        self._start(self._dependents.get(step.id, ()))

    def _weigh(self, step: Step, ending: Ending) -> None:
        """What an ending means for the rest of the list, and for the run."""
        if ending.stops is not None:
            self.shared.halt(ending)
        self.is_partial |= ending.status == "succeeded" and ending.reason in LOOSE_ENDS
        if ending.status in ("unknown", "waiting", "cancelled"):
            self.blocked.setdefault(ending.status, ending)
        if ending.status != "failed":
            return
        if step.on_error == "continue" and ending.stops is None:
            self.shared.exits.add(ExitStatus.ITEMS_FAILED)
            self.is_partial = True
        else:
            self.halted = self.halted or ending
            self.shared.limits.review()

    def _ending(self) -> Ending:
        """What came of the list: failed before unknown before waiting before denied."""
        if self.halted is not None:
            return self.halted
        order: tuple[StepStatus, ...] = ("unknown", "waiting", "cancelled")
        for status in order:
            if status in self.blocked:
                first = self.blocked[status]
                return Ending(status, first.reason, first.message, first.help)
        reason = PARTIAL if self.is_partial else None
        return Ending("succeeded", reason, is_kept=not self.changed)

    @property
    def is_complete(self) -> bool:
        """Whether every step has come to an end."""
        return len(self.standing) == len(self.steps)
