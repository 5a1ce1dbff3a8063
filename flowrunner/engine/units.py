"""One unit of work: a step, an item of it or a round of it, where it stands and what it sees."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flowrunner.engine.endings import LOOSE_ENDS, Ending
from flowrunner.engine.place import Path, Place, unit_name
from flowrunner.engine.plan import DEFAULT_STEP_TIMEOUT_S
from flowrunner.engine.servers import Server
from flowrunner.engine.shared import Shared
from flowrunner.events import Address, StepStarted
from flowrunner.journal.state import StepState
from flowrunner.language.request import Prompt
from flowrunner.language.workflow import Step


@dataclass(frozen=True, slots=True)
class Listed:
    """What came of a list of steps, and the place from which all of them are seen."""

    ending: Ending
    place: Place


RunList = Callable[[Sequence[Step], Place, bool], Awaitable[Listed]]
"""Runs the steps of a list; raises Stopped when the run is ended before they are done."""


@dataclass(slots=True)
class Unit:
    """`recheck`: what stands above has changed, so that an end in the journal holds only if this
    unit would do the same again. `run_list` runs the steps inside it. `goes_on` says that an end in
    the journal came amid its work, which is taken up from there."""

    shared: Shared
    step: Step
    place: Place
    path: Path
    recheck: bool
    run_list: RunList
    has_started: bool = False
    goes_on: bool = False

    @property
    def name(self) -> str:
        """The unit as people write it, `extract[3]/read`."""
        return unit_name(self.path)

    @property
    def address(self) -> Address:
        return Address(self.path)

    @property
    def before(self) -> StepState | None:
        """How the journal of an earlier process left it."""
        return self.shared.before.get(self.name)

    @property
    def is_done(self) -> bool:
        """Whether an earlier process brought it to a good end."""
        before = self.before
        if before is None or before.status != "succeeded":
            return False
        return before.reason not in LOOSE_ENDS

    def left_s(self, default: float = DEFAULT_STEP_TIMEOUT_S) -> float:
        """Seconds that it may still work; `default` where its step has no `timeout`."""
        own = self.step.timeout_s or default
        if self.place.deadline is None:
            return own
        return min(own, self.place.deadline - self.shared.ports.clock.monotonic())

    def inner_deadline(self) -> float | None:
        """When the steps inside it must have ended, in monotonic seconds."""
        own = self.step.timeout_s
        if own is None or not (self.step.lists or self.step.verb_name == "workflow"):
            return self.place.deadline
        end = self.shared.ports.clock.monotonic() + own
        return end if self.place.deadline is None else min(end, self.place.deadline)

    def is_over(self, has_begun: bool) -> bool:
        """Whether it may do nothing more; one that has begun may finish what a failure elsewhere
        would keep others from beginning."""
        if self.shared.is_ending:
            return True
        # What a `stop` of an earlier process found under way may be done again.
        has_begun = has_begun or (self.place.file.is_stopped and self.before is not None)
        return not has_begun and self.place.is_over()

    def scope(self) -> dict[str, Any]:
        """What its templates see."""
        return self.place.scope()

    def server_of(self, prompt: Prompt) -> Server:
        """The provider that a prompt step of its file asks; whoever calls the file comes first."""
        named = self.place.file.capped_to or prompt.provider
        return self.shared.plan.settings.server(named)

    @property
    def server(self) -> Server:
        """The provider that it asks, where it is a prompt step."""
        assert isinstance(self.step.verb, Prompt)
        return self.server_of(self.step.verb)

    async def started(self, fingerprint: str | None = None) -> None:
        """Record that its own work begins, unless an earlier process has."""
        if self.has_started or (self.before is not None and self.before.status == "running"):
            return
        self.has_started = True
        await self.shared.append(
            StepStarted(
                at=self.shared.now(),
                address=self.address,
                verb=self.step.verb_name,
                fingerprint=fingerprint,
                goes_on=True if self.goes_on else None,
            )
        )
