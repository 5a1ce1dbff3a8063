"""A response in the background from its acceptance to its end: looked at, waited for, cancelled.

When to look again is decided by `responses.background`, what is sent and recorded by `calls`, what
an answer is worth by the step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from flowrunner.engine.endings import Ending
from flowrunner.engine.outcomes import cleaned
from flowrunner.engine.ports import Sender, Stopped
from flowrunner.engine.servers import Server
from flowrunner.engine.shared import Shared
from flowrunner.engine.together import until_first
from flowrunner.errors import ExitStatus
from flowrunner.events import Address, CallPolled
from flowrunner.journal.state import CallState
from flowrunner.responses.background import Barred, Done, Gone, Look, after
from flowrunner.responses.outcome import Answered, Lost, Outcome, Refused
from flowrunner.responses.refusals import give_up
from flowrunner.responses.retry import Asked, Later

DEFAULT_BACKGROUND_TIMEOUT_S = 86_400.0
"""How long a response is waited for where its step has no `timeout`: longer than any window."""

LOOK_TIMEOUT_S = 120.0
CANCEL_TIMEOUT_S = 15.0
CANCEL_TRIES = 3

_WORDS = {"queued": "queued in background", "in_progress": "at work in background"}


@dataclass(frozen=True, slots=True)
class Pending:
    """A call whose answer is still to come. `sent_at` is Unix time, `polls` counts the looks of
    earlier processes."""

    address: Address
    response_id: str
    status: str
    sent_at: float
    polls: int = 0

    @classmethod
    def of(cls, call: CallState) -> Pending:
        """The call as its journal shows it."""
        known = (call.response_id or "", call.status or "queued", call.sent_at, call.polls or 0)
        return cls(call.address, *known)

    def words(self) -> str:
        """How it stands, for people."""
        said = _WORDS.get(self.status, "in background")
        return f"{said}, id {self.response_id}, polled {self.polls}×"


@dataclass(frozen=True, slots=True)
class Found:
    """What became of a response. `polls` counts all looks at it; `end` tells an answer from a
    response that was cancelled here: since its time was over, or since the run is ended."""

    outcome: Answered | Lost
    polls: int
    end: Literal["answer", "timeout", "stopped"] = "answer"


Ended: TypeAlias = Found | Later


@dataclass(frozen=True, slots=True)
class Follower:
    """Follows the responses of one unit at its server, without a slot but while it looks.

    `is_over` says whether the unit may do nothing more. Where nobody `waits` for the run, a
    response is left to a later resume as soon as all else in the run waits too.
    """

    shared: Shared
    server: Server
    asked: Asked
    is_over: Callable[[bool], bool]

    @property
    def _sender(self) -> Sender:
        return self.shared.ports.senders(self.server.provider)

    def claims(self, response_id: str, address: Address) -> bool:
        """Whether an id is this call's own: a server that gives one id to two calls is not
        believed (Responses API: `id` is unique)."""
        mine = (address.unit, address.attempt, address.turn, address.post)
        return self.shared.accepted.setdefault(f"{self.server.who} {response_id}", mine) == mine

    async def follow(self, pending: Pending, look: Look, left_s: float) -> Ended:
        """Look until the response has ended, at most for `left_s` seconds; then it is cancelled.

        Raises Stopped when the run is ended meanwhile: the response goes on, its id is on record.
        """
        clock = self.shared.ports.clock
        deadline = clock.monotonic() + left_s
        while True:
            is_alone = await self._rest(min(look.wait_s, deadline - clock.monotonic()))
            if self.is_over(True):
                return await self._leave(pending)
            if is_alone:
                return self._later(pending)
            outcome = await self._look(pending.response_id, deadline - clock.monotonic())
            if outcome is None:
                continue
            seen = after(outcome, look.watch, self.shared.ports.random())
            pending = replace(pending, polls=pending.polls + 1)
            if isinstance(seen, Done | Gone):
                return Found(seen.outcome, pending.polls)
            if isinstance(seen, Barred):
                self._halt(seen.refused)
                raise Stopped
            look, pending = seen, await self._noted(pending, seen)
            if clock.monotonic() >= deadline:
                return await self._out_of_time(pending)

    async def cancelled(self, response_id: str) -> Answered | None:
        """Wish the end of a response; the response as it ended, perhaps before the wish came. None
        where the server does not say."""
        sender, sleep = self._sender, self.shared.ports.sleep
        for number in range(CANCEL_TRIES):
            if number:
                await sleep(float(number))
            for ask in (sender.cancel, sender.retrieve):
                outcome = await self._free(ask(response_id, timeout_s=CANCEL_TIMEOUT_S))
                if isinstance(outcome, Answered):
                    return outcome
        return None

    async def _rest(self, seconds: float) -> bool:
        """Wait before a look, until the run is to end; whether nobody waits for the response while
        everything else waits too."""
        shared = self.shared
        if seconds <= 0:
            return False
        if shared.plan.settings.waits:
            await until_first(shared.ports.sleep(seconds), shared.stop.asked.wait())
            return False
        with shared.resting():
            await shared.rest(seconds)
            return shared.is_idle

    async def _look(self, response_id: str, left_s: float) -> Outcome | None:
        """One look; None where the end of the run came first."""
        seconds = min(max(left_s, CANCEL_TIMEOUT_S), LOOK_TIMEOUT_S)
        looking = asyncio.ensure_future(
            self._free(self._sender.retrieve(response_id, timeout_s=seconds))
        )
        await until_first(looking, self.shared.stop.asked.wait())
        return looking.result() if looking.done() and not looking.cancelled() else None

    async def _free(self, asking: Awaitable[Outcome]) -> Outcome:
        async with self.shared.limits.room():
            return cleaned(await asking, self.shared.ports.scrubber)

    async def _noted(self, pending: Pending, seen: Look) -> Pending:
        """Keep on record that the response is further on."""
        if seen.status is None or seen.status == pending.status:
            return pending
        event = CallPolled(
            at=self.shared.now(), address=pending.address, status=seen.status, polls=pending.polls
        )
        await self.shared.append(event)
        return replace(pending, status=seen.status)

    async def _leave(self, pending: Pending) -> Found:
        """The run is being ended: the response goes on for a resume, or is cancelled where the
        operator wants that, or nobody wants more of the run."""
        stop = self.shared.stop
        wanted = self.shared.plan.settings.cancels_background and stop.is_signal
        if wanted or stop.reason == "cancel":
            final = await self.cancelled(pending.response_id)
            if final is not None:
                return Found(final, pending.polls, "stopped")
        raise Stopped

    async def _out_of_time(self, pending: Pending) -> Ended:
        final = await self.cancelled(pending.response_id)
        if final is None:
            why = "took longer than the step's `timeout` and could not be cancelled"
            return self._later(pending, f"{why}: {pending.words()}")
        return Found(final, pending.polls, "timeout" if final.status == "cancelled" else "answer")

    def _later(self, pending: Pending, message: str | None = None) -> Later:
        again = f"flowrunner resume {self.shared.plan.run}"
        return Later(
            message=message or pending.words(),
            help=f"`{again}` looks again and takes the answer; with `--wait` it waits for it",
        )

    def _halt(self, refused: Refused) -> None:
        """No key, no look: the run ends here, and the response goes on for a resume."""
        end = give_up(refused, self.asked)
        stops = ExitStatus.ENVIRONMENT
        self.shared.halt(Ending("failed", end.reason, end.message, end.help, stops=stops))
