"""The books of one unit's requests: each is entered before it leaves, and what became of it.

When something is entered, and what follows from it, is left to `calls`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from flowrunner.engine.filled import filled_places
from flowrunner.engine.outcomes import call_cost_usd, event_of
from flowrunner.engine.ports import Ports
from flowrunner.engine.servers import Server
from flowrunner.events import JSON, Address, CallAnswered, CallSent
from flowrunner.responses.outcome import Answered, Outcome
from flowrunner.responses.retry import Decision, Retry


@dataclass(frozen=True, slots=True)
class Books:
    """What is on record of this process of requests to a server; `answered` are the answers among
    it."""

    ports: Ports
    server: Server
    answered: list[CallAnswered] = field(default_factory=list)

    async def enter_sent(self, address: Address, body: dict[str, JSON], request_id: str) -> None:
        """A request is about to leave."""
        text = json.dumps(body, ensure_ascii=False, sort_keys=True)
        kept = self.ports.scrubber.scrub_json(body)
        await self.ports.journal.append(
            CallSent(
                at=self.ports.clock.now(),
                address=address,
                model=body.get("model"),
                client_request_id=request_id,
                request_sha256=hashlib.sha256(text.encode()).hexdigest(),
                request=kept,
                provider=self.server.provider if self.server.is_elsewhere else None,
                filled=filled_places(body) if kept is body else None,
            )
        )

    async def enter(
        self,
        address: Address,
        outcome: Outcome,
        decision: Decision | None,
        body: Mapping[str, JSON],
        *,
        polls: int | None = None,
    ) -> None:
        """What became of a request, `body`, or (with `polls`) of one in the background."""
        retry_in_s = decision.wait_s if isinstance(decision, Retry) else None
        cost = None
        if isinstance(outcome, Answered):
            cost = call_cost_usd(outcome, body, self.server.prices)
        event = event_of(outcome, address, self.ports.clock.now(), retry_in_s, cost)
        if isinstance(event, CallAnswered):
            event = replace(event, polls=polls)
        await self.ports.journal.append(event)
        if isinstance(event, CallAnswered):
            self.answered.append(event)
