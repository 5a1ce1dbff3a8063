"""One request until it has an answer, or none can be had: the loop over POSTs.

Every POST is in the journal before it leaves and its outcome before anything follows from it. What
follows is decided by `responses.retry`; what the answer is worth by the step.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field, fields, replace
from typing import Any

from flowrunner import catalog
from flowrunner.engine.ports import Ports, Stop
from flowrunner.events import (
    JSON,
    Address,
    ApiError,
    CallAnswered,
    CallLost,
    CallNotSent,
    CallRefused,
    CallSent,
    Event,
)
from flowrunner.journal.state import CallState
from flowrunner.responses.items import count_web_searches
from flowrunner.responses.outcome import Answered, Lost, NotSent, Outcome, Refused
from flowrunner.responses.retry import (
    Accept,
    Asked,
    Decision,
    GiveUp,
    Hold,
    Retry,
    RetryPolicy,
    Tries,
    decide,
)
from flowrunner.wire import Progress

REQUEST_TIMEOUT_S = 600.0
"""The longest one request may take, as in the official client (FACTS: HTTP)."""


class Stopped(Exception):
    """The run is being ended: nothing more is sent."""


@dataclass(slots=True)
class Caller:
    """Sends the requests of one step. `deadline` is monotonic time; `run` the id of the run."""

    run: str
    ports: Ports
    stop: Stop
    slots: asyncio.Semaphore
    policy: RetryPolicy
    asked: Asked
    deadline: float
    fresh: bool
    _tries: Tries = field(default_factory=Tries)
    _waited_s: float = 0.0

    async def answer(
        self, address: Address, body: dict[str, JSON], earlier: Sequence[CallState] = ()
    ) -> Answered | GiveUp | Hold:
        """Ask until there is an answer to work with. `earlier` are the journaled POSTs of this
        turn, which a resume takes up: an answer that is on disk is not asked for again.

        Raises Stopped when the run is ended meanwhile.
        """
        self._tries, self._waited_s = _tries_of(earlier), 0.0
        outcome, decision = await self._take_up(earlier)
        address = replace(address, post=len(earlier))
        while not isinstance(decision, Accept):
            if isinstance(decision, GiveUp | Hold):
                return decision
            await self._pause(decision.wait_s)
            address = replace(address, post=address.post + 1)
            outcome, decision = await self._post(address, body)
        assert isinstance(outcome, Answered)
        return outcome

    async def _take_up(self, earlier: Sequence[CallState]) -> tuple[Outcome | None, Decision]:
        """Where the journaled POSTs left this turn; a first POST is a retry after no wait."""
        last = earlier[-1] if earlier else None
        outcome: Outcome | None = None
        if last is not None and last.state == "answered":
            outcome = await self._journaled_answer(last)
        elif last is not None and last.state in ("sent", "lost"):
            outcome = Lost(
                kind=last.kind or "crash",
                message=last.message or "flowrunner ended before the answer came",
                elapsed_s=last.elapsed_s or 0.0,
                http_status=last.http_status,
                request_id=last.request_id,
            )
        if outcome is None:
            return None, Retry(0.0, "")
        decision = self._decide(outcome)
        if last is not None and last.state == "sent":
            await self._record(last.address, outcome, decision, last.model)
        return outcome, decision

    async def _journaled_answer(self, call: CallState) -> Answered:
        assert call.end_seq is not None
        return Answered(
            response=self.ports.journal.body(call.end_seq, "response"),
            http_status=call.http_status or 200,
            request_id=call.request_id,
            response_id=call.response_id or "",
            status=call.status or "",
            model=call.served_model,
            service_tier=call.service_tier,
            usage=call.usage,
            elapsed_s=call.elapsed_s or 0.0,
        )

    async def _post(
        self, address: Address, body: dict[str, JSON]
    ) -> tuple[Outcome | None, Decision]:
        async with self.slots:
            if self.stop.reason is not None:
                raise Stopped
            left_s = self.deadline - self.ports.clock.monotonic()
            if left_s <= 0:
                return None, _too_late()
            request_id = (
                f"{self.run}/{address.unit}/{address.attempt}.{address.turn}.{address.post}"
            )
            await self._record_sent(address, body, request_id)
            progress = Progress()
            try:
                outcome = await self.ports.sender.send(
                    body,
                    client_request_id=request_id,
                    timeout_s=min(left_s, REQUEST_TIMEOUT_S),
                    fresh=self.fresh,
                    progress=progress,
                )
            except asyncio.CancelledError:
                ended = _interrupted(progress.left)
                await asyncio.shield(self._record(address, ended, None, None))
                raise
            self._tries = self._tries.counting(outcome, self._waited_s)
            self._waited_s = 0.0
            decision = self._decide(outcome)
            await self._record(address, outcome, decision, body.get("model"))
        return outcome, decision

    def _decide(self, outcome: Outcome) -> Decision:
        decision = decide(outcome, self._tries, self.policy, self.ports.random(), self.asked)
        if isinstance(decision, Retry):
            left_s = self.deadline - self.ports.clock.monotonic()
            if decision.wait_s >= left_s:
                lost = isinstance(outcome, Lost)
                return _out_of_time(outcome) if lost else _too_late()
        return decision

    async def _pause(self, wait_s: float) -> None:
        """Wait before the next POST, without a slot; the end of the run ends the wait."""
        self._waited_s = wait_s
        if wait_s <= 0:
            return
        sleeping = asyncio.ensure_future(self.ports.sleep(wait_s))
        stopping = asyncio.ensure_future(self.stop.asked.wait())
        try:
            await asyncio.wait({sleeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            stopping.cancel()
        if self.stop.reason is not None:
            raise Stopped

    async def _record_sent(self, address: Address, body: dict[str, JSON], request_id: str) -> None:
        text = json.dumps(body, ensure_ascii=False, sort_keys=True)
        await self.ports.journal.append(
            CallSent(
                at=self.ports.clock.now(),
                address=address,
                model=body.get("model"),
                client_request_id=request_id,
                request_sha256=hashlib.sha256(text.encode()).hexdigest(),
                request=self.ports.scrubber.scrub_json(body),
            )
        )

    async def _record(
        self, address: Address, outcome: Outcome, decision: Decision | None, model: JSON
    ) -> None:
        retry_in_s = decision.wait_s if isinstance(decision, Retry) else None
        event = _event(outcome, address, self.ports.clock.now(), retry_in_s, model)
        await self.ports.journal.append(self._scrubbed(event))

    def _scrubbed(self, event: Event) -> Event:
        """The event without secrets: a server may repeat the key anywhere, also in ids."""
        values = {part.name: getattr(event, part.name) for part in fields(event)}
        return replace(event, **{name: self._masked(value) for name, value in values.items()})

    def _masked(self, value: Any) -> Any:
        if isinstance(value, ApiError):
            return ApiError(*map(self._masked, astuple(value)))
        return self.ports.scrubber.scrub_json(value)


def _tries_of(calls: Sequence[CallState]) -> Tries:
    """What the journaled POSTs of a turn add up to; one without an end counts as lost."""
    return Tries(
        sent=len(calls),
        refused=sum(call.state == "refused" for call in calls),
        refused_424=sum(call.http_status == 424 for call in calls if call.state == "refused"),
        not_sent=sum(call.state == "not-sent" for call in calls),
        lost=sum(call.state in ("lost", "sent") for call in calls),
        waited_s=sum(call.retry_in_s or 0.0 for call in calls),
    )


def _interrupted(left: bool) -> Lost | NotSent:
    if not left:
        return NotSent(kind="cancelled", message="the run was ended before the request left")
    message = "the run was ended before the answer came"
    return Lost(kind="interrupted", message=message, elapsed_s=0.0)


def _too_late() -> GiveUp:
    return GiveUp(
        reason="timeout",
        message="the step took longer than its `timeout`",
        help="give the step a longer `timeout`, then resume",
    )


def _out_of_time(outcome: Outcome) -> Hold:
    assert isinstance(outcome, Lost)
    return Hold(
        message=f"{outcome.message}, and the step's `timeout` left no time to ask again; "
        "the request may have been processed and billed",
        help="give the step a longer `timeout`",
    )


def _event(
    outcome: Outcome, address: Address, at: float, retry_in_s: float | None, model: JSON
) -> Event:
    """An outcome as the journal keeps it."""
    match outcome:
        case Answered():
            return _answered(outcome, address, at, model)
        case Refused():
            return CallRefused(
                at=at,
                address=address,
                http_status=outcome.http_status,
                error=outcome.error or ApiError(""),
                request_id=outcome.request_id,
                retry_in_s=retry_in_s,
                elapsed_s=outcome.elapsed_s,
                raw=outcome.raw,
            )
        case NotSent():
            return CallNotSent(
                at=at,
                address=address,
                kind=outcome.kind,
                message=outcome.message,
                retry_in_s=retry_in_s,
            )
        case Lost():
            return CallLost(
                at=at,
                address=address,
                kind=outcome.kind,
                message=outcome.message,
                http_status=outcome.http_status,
                request_id=outcome.request_id,
                retry_in_s=retry_in_s,
                raw=outcome.raw,
            )


def call_cost_usd(outcome: Answered, model: JSON) -> float | None:
    """What an answered call cost by the catalogue; None where it is unknown.

    Billed by the model and tier that the response names; `model` is the one asked for.
    """
    return catalog.cost_usd(
        outcome.model or (model if isinstance(model, str) else None),
        outcome.usage,
        service_tier=outcome.service_tier,
        web_searches=count_web_searches(outcome.response),
    )


def _answered(outcome: Answered, address: Address, at: float, model: JSON) -> CallAnswered:
    return CallAnswered(
        at=at,
        address=address,
        http_status=outcome.http_status,
        status=outcome.status,
        request_id=outcome.request_id,
        response_id=outcome.response_id,
        model=outcome.model,
        service_tier=outcome.service_tier,
        usage=outcome.usage,
        cost_usd=call_cost_usd(outcome, model),
        elapsed_s=outcome.elapsed_s,
        response=outcome.response,
    )
