"""From the journal of a run to its recording: what was asked last at each address, and the reply.

What passes (a limit, a server that is busy, an answer that was lost) is left out: a replay waits
for nothing. How requests become comparable is left to `canonical`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from flowrunner.events import JSON, ApiError
from flowrunner.journal.journal import Journal
from flowrunner.journal.state import CallState, RunState
from flowrunner.platform import open_inside
from flowrunner.recordings.canonical import Canon, key_of
from flowrunner.recordings.recording import MOST_BYTES, Entry, Fetched, Recording
from flowrunner.responses.artefacts import artefacts
from flowrunner.secrets import Scrubber

COMPACTED = "response.compaction"
_PASSING = frozenset({401, 402, 403, 407, 408, 409, 424, 429})


def take(journal: Journal, state: RunState, scrubber: Scrubber) -> Recording:
    """The recording of a run as far as it has come."""
    canon = Canon(scrubber, state.run)
    entries = [_entry(call, journal, canon) for call in _last_calls(state)]
    started_at = state.started_at or journal.created_at
    fetched = _fetched(journal, state)
    files = tuple(each for each in fetched if not _holds_secret(each, scrubber))
    return Recording(state.workflow, state.provider, state.run, started_at, tuple(entries), files)


def _fetched(journal: Journal, state: RunState) -> Iterator[Fetched]:
    """The files that answers named and the run fetched, as far as it is sure which is which."""
    for unit, step in state.steps.items():
        answered = [call for call in step.calls if call.state == "answered"]
        saved = (journal.result(unit) or {}).get("files") if answered else None
        if not saved:
            continue
        found = artefacts(_reply(answered[-1], journal))
        if len(found) != len(saved):
            continue
        for artefact, name in zip(found, saved, strict=True):
            content = None if artefact.path is None else _read(journal, name)
            if artefact.path is not None and content is not None:
                yield Fetched(artefact.path, hashlib.sha256(content).hexdigest(), content)


def _holds_secret(file: Fetched, scrubber: Scrubber) -> bool:
    """Whether a file is better left out: its bytes cannot be masked."""
    return scrubber.finds_in((file.content or b"").decode("utf-8", "replace"))


def _read(journal: Journal, name: str) -> bytes | None:
    try:
        with open_inside(journal.folder.resolve(), name.split("/")) as file:
            return file.read(MOST_BYTES)
    except OSError:
        return None


def _last_calls(state: RunState) -> Iterator[CallState]:
    """The last POST of each turn, in the order of sending, where its reply would come again."""
    last: dict[tuple[str, int, int], CallState] = {}
    for step in state.steps.values():
        for call in step.calls:
            last[call.unit, call.attempt, call.turn] = call
    yield from filter(_lasts, sorted(last.values(), key=lambda call: call.sent_seq))


def _lasts(call: CallState) -> bool:
    if call.state == "answered":
        return call.status != "cancelled"
    status = call.http_status or 0
    return call.state == "refused" and status < 500 and status not in _PASSING


def _entry(call: CallState, journal: Journal, canon: Canon) -> Entry:
    body: Mapping[str, Any] = journal.body(call.sent_seq, "request")
    reply = _reply(call, journal)
    path = "responses/compact" if reply.get("object") == COMPACTED else "responses"
    request = canon.request(body)
    key = key_of(path, request)
    if call.response_id is not None:
        canon.answered[call.response_id] = key
    return Entry(
        call.unit,
        call.attempt,
        call.turn,
        path,
        key,
        request,
        _status(call),
        {} if call.request_id is None else {"x-request-id": call.request_id},
        canon.clean(reply),
    )


def _status(call: CallState) -> int:
    if call.state == "answered":
        return 200
    return call.http_status if call.http_status and call.http_status >= 400 else 400


def _reply(call: CallState, journal: Journal) -> dict[str, JSON]:
    if call.state == "answered" and call.end_seq is not None:
        response: dict[str, JSON] = journal.body(call.end_seq, "response")
        return response
    error = call.error or ApiError("the request was refused")
    said = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
    return {"error": said}
