"""What all parts of one run share: the plan, the ports, the slots, the money, the wish to end.

What a step does with them is left to `steps` and `verbs`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path as FilePath

from flowrunner.engine.budget import Budget
from flowrunner.engine.endings import Ending
from flowrunner.engine.estimate import Worst, worst_case
from flowrunner.engine.failures import FailedOnly
from flowrunner.engine.limits import Limits, Slow
from flowrunner.engine.moved import Moved
from flowrunner.engine.outgoing import Outgoing
from flowrunner.engine.place import Path, unit_name
from flowrunner.engine.plan import Plan
from flowrunner.engine.ports import Ports, Stop
from flowrunner.engine.pricing import Prices
from flowrunner.engine.reuse import Reuse
from flowrunner.engine.together import until_first
from flowrunner.engine.tools.toolbox import Toolbox
from flowrunner.errors import ExitStatus
from flowrunner.events import Event, Slowed, StepStatus, Warned
from flowrunner.journal.projection import CallKey
from flowrunner.journal.state import CallState, StepState, Totals
from flowrunner.language.workflow import Money
from flowrunner.report.figures import money

LIST_EXITS: Mapping[StepStatus, ExitStatus] = {
    "failed": ExitStatus.FAILED,
    "unknown": ExitStatus.HELD,
    "waiting": ExitStatus.WAITING,
    "cancelled": ExitStatus.BUDGET,
}
"""What follows for the run from how its list of steps, or a part of it, ended."""


@dataclass(slots=True)
class Talk:
    """A conversation of the run. `turn` is held by whoever speaks in it; `id` is the API's once it
    is known. `is_changed` says that something new was said in it by this process, `tokens` how long
    it is at most, None where nobody knows."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    id: str | None = None
    is_changed: bool = False
    tokens: int | None = None


@dataclass(slots=True)
class Shared:
    """One run. `before` is how the journal of earlier processes left each unit; `exits` collects
    what the run's exit status follows from; `halted` says why nothing more is sent anywhere,
    `held` whose outcome is unknown, `left` whose answers are left to a resume. `spent` is what
    earlier processes spent; `talks` are the conversations that were spoken in, by their keys.
    `outgoing` puts files into requests, `toolbox` has servers of tools; `accepted` says which call
    a response in the background belongs to. `failed_only` is set where nothing is done but what
    failed; `reuse` finds results of earlier runs, `moved` those of this one."""

    plan: Plan
    ports: Ports
    stop: Stop
    project: FilePath
    before: Mapping[str, StepState]
    outgoing: Outgoing
    limits: Limits = field(init=False)
    toolbox: Toolbox = field(init=False)
    exits: set[ExitStatus] = field(default_factory=set)
    halted: Ending | None = None
    held: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    accepted: dict[str, CallKey] = field(default_factory=dict)
    spent: Totals = field(default_factory=Totals)
    talks: dict[str, Talk] = field(default_factory=dict)
    failed_only: FailedOnly | None = None
    reuse: Reuse = field(default_factory=Reuse)
    moved: Moved = field(init=False)
    _known_talks: Mapping[str, str] | None = None
    _pins: dict[str, str] | None = None
    _lost_before: dict[CallKey, Worst] | None = None
    _told: set[asyncio.Task[None]] = field(default_factory=set)
    _writers: dict[str, str] = field(default_factory=dict)
    _working: int = 1
    _idle: asyncio.Event = field(default_factory=asyncio.Event)
    _idle_since: float = 0.0
    _idle_s: float = 0.0

    def __post_init__(self) -> None:
        self.moved = Moved(self.before)
        ports = self.ports
        self.toolbox = Toolbox(ports.environ)
        self.limits = Limits(
            self.plan.at_once, ports.clock, ports.sleep, ports.random, self._slowed
        )

    @property
    def is_ending(self) -> bool:
        """Whether nothing new may start in this run."""
        return self.halted is not None or self.stop.reason is not None

    def leaves(self, unit: str, *, is_touched: bool, recheck: bool) -> bool:
        """Whether a unit is not worked on in this process, but stays `as_it_was`."""
        if self.failed_only is None or is_touched:
            return False
        return not self.failed_only.goes_on(unit, recheck=recheck)

    def as_it_was(self, unit: str) -> Ending | None:
        """The end that a unit has which is not worked on; None where it has none yet."""
        assert self.failed_only is not None
        ending = self.failed_only.as_it_was(unit)
        if ending is not None and ending.status in LIST_EXITS:
            self.exits.add(LIST_EXITS[ending.status])
        if ending is not None and ending.status == "unknown":
            self.held.append(unit)
        return ending

    @property
    def known_talks(self) -> Mapping[str, str]:
        """The ids of the conversations that earlier processes of the run called by names."""
        if self._known_talks is None:
            self._known_talks = self.ports.journal.conversations()
        return self._known_talks

    @property
    def pins(self) -> dict[str, str]:
        """The hashes of what servers of tools said in this run and are trusted with, by key."""
        if self._pins is None:
            self._pins = self.ports.journal.listings()
        return self._pins

    def claims(self, target: FilePath, unit: str) -> bool:
        """Whether a unit may write a file: no other does, whatever the case of its letters."""
        return self._writers.setdefault(str(target).casefold(), unit) == unit

    def halt(self, ending: Ending) -> None:
        """Nothing more is sent anywhere in this run, because of this end."""
        assert ending.stops is not None
        self.halted = self.halted or ending
        self.exits.add(ending.stops)
        self.limits.review()

    def budget(
        self, limit: Money | None, within: Budget | None, name: str, path: Path = ()
    ) -> Budget | None:
        """What requests count against under a limit that stands in a budget; `path` is the unit
        whose earlier spending counts already, with what was lost and may have been billed."""
        if limit is None:
            return within
        spent = self.ports.journal.spent_below(unit_name(path)) if path else self.spent
        around = unit_name(path)
        lost = [worst for key, worst in self._lost().items() if _is_below(key[0], around)]
        return Budget(
            stop_at_usd=limit.stop_at_usd,
            warn_at_usd=limit.warn_at_usd,
            tokens=limit.tokens,
            spent_usd=spent.cost_usd + sum(worst.usd or 0.0 for worst in lost),
            spent_tokens=spent.usage.input
            + spent.usage.output
            + sum(worst.tokens or 0 for worst in lost),
            parent=within,
            name=name,
            on_warn=self._warn,
        )

    def worst(self, call: CallState) -> Worst:
        """The most that a call of an earlier process may cost whose answer is still to come."""
        return self._lost()[call.key]

    def _lost(self) -> dict[CallKey, Worst]:
        """What the requests of earlier processes whose answers were lost, or are still to come, may
        have cost."""
        if self._lost_before is None:
            journal = self.ports.journal
            calls = [call for step in self.before.values() for call in step.calls]
            tokens = {
                call.response_id: call.usage.input + call.usage.output
                for call in calls
                if call.usage is not None
            }
            self._lost_before = {}
            for call in (call for call in calls if call.state in ("sent", "accepted", "lost")):
                body = journal.body(call.sent_seq, "request")
                earlier = tokens.get(body.get("previous_response_id"))
                self._lost_before[call.key] = worst_case(body, self._prices(call), earlier)
        return self._lost_before

    def _prices(self, call: CallState) -> Prices:
        return self.plan.settings.server(call.provider).prices

    def _warn(self, budget: Budget) -> None:
        message = f"the budget of {budget.name} is almost used up: {money(budget.spent_usd)} spent"
        self._tell(Warned(at=self.now(), code="budget", message=message))

    def _slowed(self, slow: Slow) -> None:
        server, model = slow.way
        self._tell(Slowed(at=self.now(), server=server, model=model, wait_s=slow.wait_s))

    def _tell(self, event: Event) -> None:
        """Put an event into the journal that nothing waits for."""
        task = asyncio.ensure_future(self.append(event))
        self._told.add(task)
        task.add_done_callback(self._told.discard)

    async def append(self, event: Event) -> None:
        """Put an event into the journal."""
        await self.ports.journal.append(event)

    def now(self) -> float:
        """Unix time by the run's clock."""
        return self.ports.clock.now()

    def works(self, more: int) -> None:
        """So many more, or fewer, are at work. The run itself is one from its beginning."""
        self._working += more
        if self.is_idle == self._idle.is_set():
            return
        now = self.ports.clock.monotonic()
        if self.is_idle:
            self._idle.set()
            self._idle_since = now
        else:
            self._idle.clear()
            self._idle_s += now - self._idle_since

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Whoever works only waits, for a person or for others who are at work."""
        self.works(-1)
        try:
            yield
        finally:
            self.works(1)

    @property
    def is_idle(self) -> bool:
        """Whether everything that has begun waits for a person."""
        return self._working == 0

    @property
    def idle_s(self) -> float:
        """For how many seconds in all this process only waited for a person."""
        since = self.ports.clock.monotonic() - self._idle_since if self.is_idle else 0.0
        return self._idle_s + since

    async def rest(self, seconds: float) -> None:
        """Wait, at most until the run is to end or nothing works any more."""
        sleep = self.ports.sleep(seconds)
        await until_first(sleep, self.stop.asked.wait(), self._idle.wait())


def _is_below(unit: str, around: str) -> bool:
    """Whether a unit is another, an item or a round of it, or inside it; all are inside the run."""
    return not around or unit == around or unit.startswith(tuple(around + mark for mark in "/[#"))
