"""What a server promises: a response that will be had under an id, on record before it is built on.

A stream in the background names its response long before the end: from then on the call cannot be
lost. Looking for what was promised is left to `background`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from flowrunner.engine.background import Follower
from flowrunner.engine.books import Books
from flowrunner.engine.drafts import Draft
from flowrunner.engine.outcomes import cleaned, twice_named
from flowrunner.events import JSON, Address
from flowrunner.responses.background import is_askable
from flowrunner.responses.outcome import Accepted, Answered, Outcome
from flowrunner.wire import Progress


@dataclass(slots=True)
class Promise:
    """That the request `body` at an address will be answered, as far as the server gave it."""

    address: Address
    body: Mapping[str, JSON]
    books: Books
    follower: Follower
    given: Accepted | None = None

    @property
    def is_kept(self) -> bool:
        """Whether the id is on record, so that nothing is lost with this process."""
        return self.given is not None

    async def while_named(
        self, sending: Coroutine[Any, Any, Outcome], draft: Draft, progress: Progress
    ) -> Outcome:
        """The outcome of a request; meanwhile the id of a stream goes on record when it is told."""
        if self.body.get("background") is not True or self.body.get("stream") is not True:
            return await sending
        coming = asyncio.ensure_future(sending)
        naming = asyncio.ensure_future(draft.named.wait())
        try:
            await asyncio.wait({coming, naming}, return_when=asyncio.FIRST_COMPLETED)
            if draft.response_id is not None:
                await self._keep(draft.response_id, progress)
            return await coming
        finally:
            naming.cancel()
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)

    async def of(self, outcome: Outcome) -> Outcome:
        """The outcome in the light of what was promised: a stream that brought no answer is an
        answer that comes later; an id that is another call's is no promise."""
        if self.given is not None:
            return outcome if isinstance(outcome, Answered) else self.given
        if not isinstance(outcome, Accepted):
            return outcome
        if not self.follower.claims(outcome.response_id, self.address):
            return twice_named(outcome)
        await self.books.enter(self.address, outcome, None, self.body)
        return outcome

    async def _keep(self, response_id: str, progress: Progress) -> None:
        model = self.body.get("model")
        accepted = Accepted(
            http_status=progress.status or 200,
            request_id=progress.headers.get("x-request-id"),
            response_id=response_id,
            status="in_progress",
            model=model if isinstance(model, str) else None,
            elapsed_s=0.0,
        )
        accepted = cleaned(accepted, self.books.ports.scrubber)
        if is_askable(response_id) and self.follower.claims(accepted.response_id, self.address):
            await self.books.enter(self.address, accepted, None, self.body)
            self.given = accepted
