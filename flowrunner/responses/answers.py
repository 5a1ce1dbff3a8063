"""A reply that holds a response, as the outcome of its request.

Whether it does hold one is judged by `client`; what the response is worth is left to `items`.
"""

from __future__ import annotations

from flowrunner import wire
from flowrunner.events import JSON
from flowrunner.responses.items import read_usage
from flowrunner.responses.outcome import Accepted, Answered
from flowrunner.responses.rate import poll_after_s, read_rate, request_id


def answered(reply: wire.WireReply, response: dict[str, JSON]) -> Answered:
    """A response that has come to its end."""
    model, tier = response.get("model"), response.get("service_tier")
    return Answered(
        response=response,
        http_status=reply.status,
        request_id=request_id(reply.headers),
        response_id=response["id"],
        status=response.get("status", "completed"),
        model=model if isinstance(model, str) else None,
        service_tier=tier if isinstance(tier, str) else None,
        usage=read_usage(response.get("usage")),
        elapsed_s=reply.elapsed_s,
        rate=read_rate(reply.headers),
    )


def accepted(reply: wire.WireReply, pending: Answered, now: float) -> Accepted:
    """A response that is still to come. `now` is Unix time, for dates in headers."""
    return Accepted(
        http_status=pending.http_status,
        request_id=pending.request_id,
        response_id=pending.response_id,
        status=pending.status,
        model=pending.model,
        elapsed_s=pending.elapsed_s,
        asked_wait_s=poll_after_s(reply.headers, now),
        rate=pending.rate,
    )
