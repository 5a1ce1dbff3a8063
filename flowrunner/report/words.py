"""What is said of a request that has no answer yet: in the background, or to be sent once more.

For lines of a log and the view of a run at work alike; where they stand is left to those.
"""

from __future__ import annotations

from flowrunner.events import CallAccepted, CallLost, CallNotSent, CallPolled, CallRefused

_STATUSES = {"queued": "queued in background", "in_progress": "at work in background"}
_TOO_MANY = 429


def pending(event: CallAccepted | CallPolled) -> str:
    """Where a response in the background stands: `queued in background, polled 3×`."""
    said = _STATUSES.get(event.status, "in background")
    return f"{said}, polled {event.polls}×" if isinstance(event, CallPolled) else said


def awaited(event: CallRefused | CallNotSent | CallLost) -> str:
    """Why a request is sent once more, in a few words."""
    if isinstance(event, CallNotSent):
        return "the request did not leave"
    if isinstance(event, CallLost):
        return "the answer was lost"
    if event.http_status == _TOO_MANY:
        return "the server limits requests (429)"
    return f"the API answered {event.http_status}"
