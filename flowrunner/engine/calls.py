"""One request until it has an answer, or none can be had: the loop over POSTs.

Every POST is in the journal before it leaves and its outcome before anything follows from it. What
follows is decided by `responses.retry`; what the answer is worth by the step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from flowrunner.engine.background import Follower, Found, Pending
from flowrunner.engine.books import Books
from flowrunner.engine.budget import Budget, Reservation
from flowrunner.engine.drafts import Draft
from flowrunner.engine.estimate import likely, worst_case
from flowrunner.engine.limits import Limits
from flowrunner.engine.outcomes import (
    call_cost_usd,
    cleaned,
    crashed,
    has_acted,
    interrupted,
    journaled_answer,
    took_s,
)
from flowrunner.engine.ports import Ports, Stop, Stopped
from flowrunner.engine.promises import Promise
from flowrunner.engine.servers import Server
from flowrunner.engine.together import until_first
from flowrunner.events import JSON, Address
from flowrunner.journal.state import CallState
from flowrunner.responses.background import Look, begin, go_on
from flowrunner.responses.outcome import Accepted, Answered, Final, Lost, Outcome
from flowrunner.responses.retry import (
    Accept,
    Asked,
    Decision,
    GiveUp,
    Hold,
    Later,
    Retry,
    RetryPolicy,
    Tries,
    decide,
)
from flowrunner.wire import Progress

REQUEST_TIMEOUT_S = 600.0
"""The longest one request may take, as in the official client (FACTS: HTTP). One that is streamed
may take as long as its step, since silence has a limit of its own."""


Fill = Callable[[dict[str, JSON], Address, float], Awaitable[dict[str, JSON] | GiveUp]]
"""A request as it leaves, for an address, made in so many seconds; or why it cannot be made."""


@dataclass(slots=True)
class Caller:
    """Sends the requests of one unit of the run `run` to `server`, its provider.

    `left_s` are the seconds that it may still work; waiting for a slot, or because the server
    allows no more, does not count. `begin` is called when the first request has its slot.
    `is_over` says whether nothing more may be sent, of a unit that has sent something already or of
    one that has not. With a `budget` the most that a request may cost is set aside before it
    leaves; `earlier_tokens` are those of the response that it goes on from. `compacts` says that
    it is asked for a shorter history. `partial` is what had come of the answer that was lost last.
    `fill` puts the bytes of files into a request, which is journaled without them. A response in
    the background is left to the `follower`. `halt` is told of an end after which nobody can
    succeed.
    """

    run: str
    server: Server
    ports: Ports
    stop: Stop
    limits: Limits
    policy: RetryPolicy
    asked: Asked
    left_s: float
    fresh: bool
    begin: Callable[[], Awaitable[None]]
    is_over: Callable[[bool], bool]
    follower: Follower
    books: Books
    may_change_things: bool = False
    fill: Fill | None = None
    budget: Budget | None = None
    halt: Callable[[GiveUp], None] = lambda _: None
    earlier_tokens: int | None = None
    compacts: bool = False
    has_sent: bool = False
    partial: str = ""
    _tries: Tries = field(default_factory=Tries)
    _waited_s: float = 0.0

    async def answer(
        self,
        address: Address,
        body: dict[str, JSON],
        earlier: Sequence[CallState] = (),
        *,
        asks_again: bool = False,
    ) -> Answered | GiveUp | Hold | Later:
        """Ask until there is an answer to work with. `earlier` are the journaled POSTs of this
        turn, which a resume takes up: an answer that is on disk is not asked for again, and one
        that is still to come is looked for. `asks_again` is a person's wish to ask once more for
        one that was lost and held.

        Raises Stopped when the run is ended meanwhile, BudgetRefusal when the money is not there.
        """
        self._tries, self._waited_s = _tries_of(earlier), 0.0
        outcome: Outcome | None = None
        decision: Decision | Later = Retry(0.0, "")
        if not asks_again or not earlier or earlier[-1].state != "lost":
            outcome, decision = await self._take_up(earlier, body)
        address = replace(address, post=len(earlier))
        while not isinstance(decision, Accept):
            if isinstance(decision, GiveUp | Hold | Later):
                return decision
            await self._pause(decision.wait_s)
            address = replace(address, post=address.post + 1)
            outcome, decision = await self._post(address, body)
        assert isinstance(outcome, Answered)
        return outcome

    async def _take_up(
        self, earlier: Sequence[CallState], body: dict[str, JSON]
    ) -> tuple[Outcome | None, Decision | Later]:
        """Where the journaled POSTs left this turn; a first POST is a retry after no wait."""
        last = earlier[-1] if earlier else None
        if last is not None and last.state == "accepted":
            return await self._collect(last, body)
        outcome: Final | None = None
        # What was cancelled while the run was being ended was nobody's answer.
        if last is not None and last.state == "answered" and last.status != "cancelled":
            outcome = journaled_answer(last, self.ports.journal)
        elif last is not None and last.state in ("sent", "lost"):
            outcome = crashed(last)
        if outcome is None:
            return None, Retry(self._rest_of_wait(last), "")
        decision = self._decide(outcome)
        if last is not None and last.state == "sent":
            await self.books.enter(last.address, outcome, decision, {})
        return outcome, decision

    async def _collect(
        self, call: CallState, body: dict[str, JSON]
    ) -> tuple[Outcome | None, Decision | Later]:
        """A response that an earlier process was promised: never asked for again, only looked at,
        however much later."""
        await self.begin()
        self.has_sent = True
        pending = Pending.of(call)
        self.follower.claims(pending.response_id, call.address)
        look = go_on(pending.response_id)
        if self.budget is None:
            return await self._follow(pending, look, body)
        with self.budget.take_back(self.follower.shared.worst(call)) as reserved:
            outcome, decision = await self._follow(pending, look, body)
            self._settle(reserved, outcome, body)
        return outcome, decision

    async def _follow(
        self, pending: Pending, look: Look, body: Mapping[str, JSON]
    ) -> tuple[Outcome | None, Decision | Later]:
        """Wait for a response in the background, without a slot, within the time of the step."""
        began = self.ports.clock.monotonic()
        found = await self.follower.follow(pending, look, self.left_s)
        self.left_s -= self.ports.clock.monotonic() - began
        if isinstance(found, Later):
            return None, found
        outcome = found.outcome
        self._tries = self._tries.counting(outcome, self._waited_s)
        self._waited_s = 0.0
        decision = _cancelled_late() if found.end == "timeout" else self._decide(outcome)
        await self._record_found(pending, found, decision, body)
        if found.end == "stopped":
            raise Stopped
        return outcome, decision

    async def _record_found(
        self,
        pending: Pending,
        found: Found,
        decision: Decision | None,
        body: Mapping[str, JSON],
    ) -> None:
        outcome = found.outcome
        if isinstance(outcome, Answered):
            worked_s = took_s(outcome, self.ports.clock.now() - pending.sent_at)
            outcome = replace(outcome, elapsed_s=worked_s)
        await self.books.enter(pending.address, outcome, decision, body, polls=found.polls)

    def _rest_of_wait(self, last: CallState | None) -> float:
        """What is left of a wait that an earlier process had begun, in seconds."""
        if last is None or last.ended_at is None or last.retry_in_s is None:
            return 0.0
        return max(0.0, last.ended_at + last.retry_in_s - self.ports.clock.now())

    async def close(self, calls: Iterable[CallState]) -> None:
        """Say of calls that nobody waits for any more that their answers are lost; those that the
        API still works on are cancelled."""
        for call in calls:
            if call.state == "sent":
                await self.books.enter(call.address, crashed(call), None, {})
            elif call.state == "accepted":
                await self._abandon(call)

    async def _abandon(self, call: CallState) -> None:
        final = None
        if self.server.is_of(call.provider):
            final = await self.follower.cancelled(call.response_id or "")
        if final is not None:
            request = self.ports.journal.body(call.sent_seq, "request")
            found = Found(final, (call.polls or 0) + 1)
            await self._record_found(Pending.of(call), found, None, request)

    async def _post(
        self, address: Address, body: dict[str, JSON]
    ) -> tuple[Outcome | None, Decision | Later]:
        if self.budget is None:
            return await self._post_and_follow(address, body)
        bounded = body
        if self.compacts and self.earlier_tokens is not None:
            # What is made shorter is no longer than it was.
            bounded = {**body, "max_output_tokens": self.earlier_tokens}
        worst = worst_case(bounded, self.server.prices, self.earlier_tokens)
        with await self.budget.reserve(worst) as reserved:
            outcome, decision = await self._post_and_follow(address, body, reserved)
            self._settle(reserved, outcome, body)
        return outcome, decision

    async def _post_and_follow(
        self, address: Address, body: dict[str, JSON], reserved: Reservation | None = None
    ) -> tuple[Outcome | None, Decision | Later]:
        """One POST and, where it is answered later, the wait for that."""
        try:
            outcome, decision = await self._post_once(address, body)
        except Stopped:
            if reserved is not None:
                reserved.release()
            raise
        if decision is None and isinstance(outcome, Accepted):
            # What was reserved stays so until the bill is known, however long that takes and also
            # where the run ends before: no budget can be passed by what nobody has seen yet.
            sent_at = self.ports.clock.now() - outcome.elapsed_s
            pending = Pending(address, outcome.response_id, outcome.status, sent_at)
            found = await self._follow(pending, begin(outcome, self.ports.random()), body)
            return (outcome, found[1]) if isinstance(found[1], Later) else found
        assert decision is not None
        return outcome, decision

    def _settle(
        self, reserved: Reservation, outcome: Outcome | None, body: Mapping[str, JSON]
    ) -> None:
        """End a reservation by what became of the request; what may still be billed stays in it."""
        if isinstance(outcome, Answered):
            usage = outcome.usage
            tokens = None if usage is None else usage.input + usage.output
            reserved.settle(call_cost_usd(outcome, body, self.server.prices), tokens)
        elif not isinstance(outcome, Lost | Accepted):
            reserved.release()

    async def _post_once(
        self, address: Address, body: dict[str, JSON]
    ) -> tuple[Outcome | None, Decision | None]:
        """One POST in a slot, and what follows from it; None where its answer comes later."""
        way = (self.server.base_url, str(body.get("model")))
        room_for = self.limits.room(way, lambda: _likely_tokens(body), self._is_over)
        async with room_for as room:
            if self._is_over():
                raise Stopped
            if self.left_s <= 0:
                return None, _too_late("the step took longer than its `timeout`")
            await self.begin()
            self.has_sent = True
            began = self.ports.clock.monotonic()
            try:
                filled = body if self.fill is None else await self.fill(body, address, self.left_s)
                if isinstance(filled, GiveUp):
                    return None, filled
                outcome = await self._send(address, body, filled)
            finally:
                self.left_s -= self.ports.clock.monotonic() - began
            room.outcome = outcome
            if isinstance(outcome, Accepted):
                return outcome, None
            self._tries = self._tries.counting(outcome, self._waited_s)
            self._waited_s = 0.0
            self.partial = outcome.partial if isinstance(outcome, Lost) else ""
            decision = self._decide(outcome)
            if isinstance(decision, GiveUp) and decision.stops_run:
                # Before the room is free: whoever waits for it shall not ask in vain.
                self.halt(decision)
            await self.books.enter(address, outcome, decision, body)
        return outcome, decision

    def _is_over(self) -> bool:
        return self.stop.reason is not None or self.is_over(self.has_sent)

    async def _send(
        self, address: Address, body: dict[str, JSON], filled: dict[str, JSON]
    ) -> Outcome:
        """One POST, on record before it leaves and, when this process gives it up, after it."""
        unit = f"{self.run}/{address.unit}"
        request_id = f"{unit}/{address.attempt}.{address.turn}.{address.post}"
        progress, draft = Progress(), Draft(address.unit, self.ports.live)
        longest_s = self.left_s if body.get("stream") is True else REQUEST_TIMEOUT_S
        sender = self.ports.senders(self.server.provider)
        send = partial(sender.send, watch=draft.take)
        promise = Promise(address, body, self.books, self.follower)
        try:
            await self.books.enter_sent(address, body, request_id)
            sending = (sender.compact if self.compacts else send)(
                filled,
                client_request_id=request_id,
                timeout_s=min(self.left_s, longest_s),
                fresh=self.fresh,
                progress=progress,
            )
            outcome = await promise.while_named(sending, draft, progress)
        except asyncio.CancelledError:
            ended = cleaned(draft.given_up(interrupted(progress)), self.ports.scrubber)
            if not promise.is_kept:
                await asyncio.shield(self.books.enter(address, ended, None, {}))
            raise
        return await promise.of(cleaned(outcome, self.ports.scrubber))

    def _decide(self, outcome: Final) -> Decision:
        decision = decide(outcome, self._tries, self.policy, self.ports.random(), self.asked)
        if isinstance(decision, Retry) and self.may_change_things and has_acted(outcome):
            return Accept()
        if not isinstance(decision, Retry) or decision.wait_s < self.left_s:
            return decision
        if isinstance(outcome, Lost):
            return _out_of_time(outcome)
        wait = f"waiting {decision.wait_s:.0f} s to ask again does not fit into the `timeout`"
        return _too_late(f"{decision.why}; {wait}")

    async def _pause(self, wait_s: float) -> None:
        """Wait before the next POST, without a slot; the end of the run ends the wait."""
        self._waited_s = wait_s
        if wait_s <= 0:
            return
        self.left_s -= wait_s
        await until_first(self.ports.sleep(wait_s), self.stop.asked.wait())
        if self.stop.reason is not None:
            raise Stopped


def _likely_tokens(body: dict[str, JSON]) -> int:
    guess = likely(body)
    return guess.input_tokens + guess.output_tokens


def _tries_of(calls: Sequence[CallState]) -> Tries:
    """What the journaled POSTs of a turn add up to; one without an end counts as lost, one that is
    answered later when it is."""
    calls = [call for call in calls if call.state != "accepted"]
    return Tries(
        sent=len(calls),
        refused=sum(call.state == "refused" for call in calls),
        refused_424=sum(call.http_status == 424 for call in calls if call.state == "refused"),
        not_sent=sum(call.state == "not-sent" for call in calls),
        lost=sum(call.state in ("lost", "sent") for call in calls),
        waited_s=sum(call.retry_in_s or 0.0 for call in calls),
    )


def _too_late(message: str) -> GiveUp:
    return GiveUp(
        reason="timeout",
        message=message,
        help="give the step a longer `timeout`, then `flowrunner resume --accept-changes`",
    )


def _cancelled_late() -> GiveUp:
    return _too_late(
        "the response in the background was not finished within the step's `timeout` and was "
        "cancelled"
    )


def _out_of_time(outcome: Outcome) -> Hold:
    assert isinstance(outcome, Lost)
    return Hold(
        message=f"{outcome.message}, and the step's `timeout` left no time to ask again; "
        "the request may have been processed and billed",
        help="give the step a longer `timeout`, then `flowrunner resume --accept-changes`",
    )
