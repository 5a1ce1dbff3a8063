"""Requests that cost nothing, asked until they are answered or nothing can come of them.

Whatever is paid for goes through `calls`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Literal

from flowrunner.engine.outcomes import cleaned
from flowrunner.engine.ports import Ports, Stop, Stopped
from flowrunner.engine.together import until_first
from flowrunner.events import JSON
from flowrunner.responses.outcome import Lost, NotSent, Refused, Told
from flowrunner.responses.retry import Asked, GiveUp, Retry, RetryPolicy, Tries, decide

TIMEOUT_S = 60.0
"""The longest that one of these requests may usually take."""


@dataclass(frozen=True, slots=True)
class Errand:
    """A request to a resource beside the responses: `what` it is for completes "asking for …".

    It sends `body` as JSON, or a `form` with its Content-Type, within `timeout_s` seconds.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    what: str
    body: JSON = None
    form: tuple[bytes, str] | None = field(default=None, repr=False)
    timeout_s: float = TIMEOUT_S

    @property
    def content(self) -> bytes:
        if self.form is not None:
            return self.form[0]
        return b"" if self.body is None else json.dumps(self.body, ensure_ascii=False).encode()

    @property
    def content_type(self) -> str:
        return "application/json" if self.form is None else self.form[1]


async def ask(
    errand: Errand, provider: str, ports: Ports, stop: Stop, asked: Asked
) -> Told | GiveUp | Refused:
    """What a provider tells; a refusal for good as it is where it says that there is no such thing.

    Raises Stopped when the run is ended meanwhile.
    """
    tries, policy, waited_s = Tries(), RetryPolicy(), 0.0
    while True:
        if stop.reason is not None:
            raise Stopped
        reply = await ports.senders(provider).ask(
            errand.method,
            errand.path,
            timeout_s=errand.timeout_s,
            content=errand.content,
            content_type=errand.content_type,
        )
        if isinstance(reply, Told):
            return reply
        outcome = cleaned(_without_loss(reply), ports.scrubber)
        assert isinstance(outcome, Refused | NotSent)
        if isinstance(outcome, Refused) and outcome.http_status == 404:
            return outcome
        tries = tries.counting(outcome, waited_s)
        decision = decide(outcome, tries, policy, ports.random(), asked)
        if not isinstance(decision, Retry):
            assert isinstance(decision, GiveUp)
            said = decision.message
            if isinstance(reply, Lost):
                said = f"{asked.host} gave no answer: {ports.scrubber.scrub(reply.message)}"
            return replace(decision, message=f"{said} (asking for {errand.what})")
        waited_s = decision.wait_s
        await until_first(ports.sleep(waited_s), stop.asked.wait())


def _without_loss(reply: Refused | NotSent | Lost) -> Refused | NotSent:
    """A lost answer costs nothing: it is asked for again like a request that never left."""
    if not isinstance(reply, Lost):
        return reply
    return NotSent(kind=reply.kind, message=reply.message)
