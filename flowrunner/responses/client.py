"""One request, one outcome: exactly one POST (or one for free), its answer judged, never raised.

How often to ask is left to `retry`, what an answer says to `items`, sockets to `wire`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import replace
from typing import Literal, Protocol
from urllib.parse import quote

from flowrunner import __version__, json_text, wire
from flowrunner.events import JSON, ApiError
from flowrunner.responses.answers import accepted, answered
from flowrunner.responses.background import is_askable
from flowrunner.responses.envelope import SHOWN, read_error, what_is_missing
from flowrunner.responses.outcome import (
    Accepted,
    Answered,
    Lost,
    NotSent,
    Outcome,
    Refused,
    Reply,
    Told,
)
from flowrunner.responses.rate import asked_wait_s, read_rate, should_retry
from flowrunner.responses.rate import request_id as _request_id
from flowrunner.responses.receiving import SILENCE_S, Receiver, Watch
from flowrunner.responses.stream import Assembly, Broken, Ended, Left, what_broke
from flowrunner.secrets import Scrubber

MAX_REQUEST_ID = 512
RAW_LIMIT = 1_000_000
"""Characters of an unusable reply that are kept for people to look at."""

_UNSAFE = re.compile(r"[^\x21-\x7e]")
_PENDING = frozenset({"queued", "in_progress"})
_STREAMED = {"Accept": "text/event-stream, application/json"}
_TAKE_UPS = 3


class Exchanging(Protocol):
    """What the client needs of a `wire.Wire`."""

    def stream(
        self, request: wire.WireRequest, progress: wire.Progress | None, /
    ) -> AbstractAsyncContextManager[wire.Incoming]: ...

    async def exchange(
        self, request: wire.WireRequest, progress: wire.Progress | None, /
    ) -> wire.WireReply: ...


class ResponsesClient:
    """Speaks to one provider of the Responses API.

    `clock` gives Unix time, for Retry-After dates only. Whatever an endpoint's reply repeats of its
    key is masked before anybody sees the reply.
    """

    def __init__(
        self,
        exchanging: Exchanging,
        endpoint: wire.Endpoint,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._wire = exchanging
        self._endpoint = endpoint
        self._clock = clock
        secrets = [value for value in endpoint.headers.values() if isinstance(value, wire.Secret)]
        secrets += [] if endpoint.key is None else [endpoint.key]
        self._scrubber = Scrubber(secret.reveal() for secret in secrets)

    async def send(
        self,
        body: Mapping[str, JSON],
        *,
        client_request_id: str,
        timeout_s: float,
        fresh: bool = False,
        progress: wire.Progress | None = None,
        watch: Watch | None = None,
    ) -> Outcome:
        """Exactly one `POST /responses`; what became of it. It is streamed where the body says
        `stream: true`: `watch` then sees the answer as it is written. Only where it says
        `background: true` an answer that is still to come is Accepted.

        `client_request_id` goes out as `X-Client-Request-Id` (printable ASCII, at most 512
        characters; anything else is replaced by `-`). `timeout_s` bounds the whole exchange by wall
        clock. `fresh` opens a new connection, so that a stale one cannot be mistaken for a lost
        answer. Cancelling the coroutine closes the connection; `progress.left` then says whether a
        byte had left.
        """
        request_id = _UNSAFE.sub("-", client_request_id)[:MAX_REQUEST_ID]
        is_streamed = body.get("stream") is True
        request = wire.WireRequest(
            method="POST",
            url=self._endpoint.url("responses"),
            headers=self._headers()
            | {"Content-Type": "application/json", "X-Client-Request-Id": request_id}
            | (_STREAMED if is_streamed else {}),
            content=encode(body),
            timeout_s=timeout_s,
            fresh=fresh,
            silence_s=SILENCE_S if is_streamed else None,
        )
        may_come_later = body.get("background") is True
        if is_streamed:
            coming = self._stream(request, progress or wire.Progress(), watch, may_come_later)
            return await coming
        return await self._exchange(request, progress, may_come_later=may_come_later)

    async def compact(
        self,
        body: Mapping[str, JSON],
        *,
        client_request_id: str,
        timeout_s: float,
        fresh: bool = False,
        progress: wire.Progress | None = None,
    ) -> Outcome:
        """Exactly one `POST /responses/compact`, which is paid for too: a shorter history, whose
        `output` is what the next request goes on from. The rest is as with `send`."""
        request_id = _UNSAFE.sub("-", client_request_id)[:MAX_REQUEST_ID]
        content = {"Content-Type": "application/json", "X-Client-Request-Id": request_id}
        request = wire.WireRequest(
            method="POST",
            url=self._endpoint.url("responses/compact"),
            headers=self._headers() | content,
            content=_bytes(body),
            timeout_s=timeout_s,
            fresh=fresh,
        )
        reply = await self._reply(request, progress)
        if not isinstance(reply, wire.WireReply):
            return reply
        return self._judge(reply, "response.compaction")

    async def retrieve(self, response_id: str, *, timeout_s: float) -> Outcome:
        """One `GET /responses/{id}`: free of charge, so that a loss means nothing."""
        return await self._look("GET", response_id, "", timeout_s)

    async def cancel(self, response_id: str, *, timeout_s: float) -> Outcome:
        """One `POST /responses/{id}/cancel`: free, and the same however often it is said.

        Only background responses can be cancelled; the answer is the response as it ended, which
        may be before the wish came (Responses API: cancel).
        """
        return await self._look("POST", response_id, "/cancel", timeout_s)

    async def _look(
        self, method: Literal["GET", "POST"], response_id: str, more: str, timeout_s: float
    ) -> Outcome:
        """One free request about a response; an answer about another one is none."""
        if not is_askable(response_id):
            return NotSent(kind="bad-id", message="what should be the id of a response is none")
        outcome = await self._exchange(
            wire.WireRequest(
                method=method,
                url=self._endpoint.url(f"responses/{quote(response_id, safe='')}{more}"),
                headers=self._headers(),
                content=b"",
                timeout_s=timeout_s,
            )
        )
        if isinstance(outcome, Answered | Accepted) and outcome.response_id != response_id:
            return Lost(
                kind="not-a-response",
                message="the server answered with another response than the one asked for",
                elapsed_s=outcome.elapsed_s,
                http_status=outcome.http_status,
                request_id=outcome.request_id,
            )
        return outcome

    async def ask(
        self,
        method: Literal["GET", "POST", "DELETE"],
        path: str,
        *,
        timeout_s: float,
        content: bytes = b"",
        content_type: str = "application/json",
    ) -> Reply:
        """One request to a resource that costs nothing: conversations, files, batches, counting.

        `path` stands below the base URL with every id in it quoted (`conversations`,
        `files/file_1/content`), and may have a query. What comes back is told as it is.
        """
        headers = self._headers() | ({"Content-Type": content_type} if content else {})
        request = wire.WireRequest(
            method=method,
            url=self._endpoint.url(path),
            headers=headers,
            content=content,
            timeout_s=timeout_s,
        )
        reply = await self._reply(request)
        if not isinstance(reply, wire.WireReply):
            return reply
        if not 200 <= reply.status < 300:
            return self._refused(reply, read_error(reply.content, reply.status))
        value: JSON = None
        with suppress(json_text.NotJson):
            value = json_text.parse_bytes(reply.content)
        return Told(
            value=value,
            content=reply.content,
            http_status=reply.status,
            request_id=_request_id(reply.headers),
            elapsed_s=reply.elapsed_s,
        )

    def _headers(self) -> dict[str, str | wire.Secret]:
        plain = {"Accept": "application/json", "User-Agent": f"flowrunner/{__version__}"}
        return plain | self._endpoint.request_headers()

    async def _exchange(
        self,
        request: wire.WireRequest,
        progress: wire.Progress | None = None,
        *,
        may_come_later: bool = True,
    ) -> Outcome:
        reply = await self._reply(request, progress)
        if not isinstance(reply, wire.WireReply):
            return reply
        return self._judge_pending(reply, may_come_later)

    def _judge_pending(self, reply: wire.WireReply, may_come_later: bool) -> Outcome:
        outcome = self._judge(reply)
        if not may_come_later or not isinstance(outcome, Answered):
            return outcome
        if outcome.status not in _PENDING:
            return outcome
        if not is_askable(outcome.response_id):
            return self._no_response(reply, "nobody could ask for a response with such an `id`")
        return accepted(reply, outcome, self._clock())

    async def _reply(
        self, request: wire.WireRequest, progress: wire.Progress | None = None
    ) -> wire.WireReply | NotSent | Lost:
        start = time.monotonic()
        try:
            return await self._wire.exchange(request, progress)
        except (wire.WireFault, wire.Unsendable) as fault:
            return self._fault(fault, time.monotonic() - start)

    async def _stream(
        self,
        request: wire.WireRequest,
        progress: wire.Progress,
        watch: Watch | None,
        may_come_later: bool,
    ) -> Outcome:
        """A streamed exchange. What the stream itself said counts before how it broke off."""
        start = time.monotonic()
        receiver = Receiver(watch)
        content, fault = await self._take(request, progress, receiver)
        if may_come_later:
            fault = await self._take_up(request, receiver, fault, start + request.timeout_s)
        assembly, elapsed_s = receiver.assembly, time.monotonic() - start
        if progress.status is None or (fault is not None and not assembly.raw):
            assert fault is not None
            return fault
        body = assembly.raw if content is None else content
        reply = wire.WireReply(progress.status, progress.headers, body, elapsed_s)
        if content is not None:
            return self._judge_pending(reply, may_come_later)
        return self._judge_stream(reply, assembly, fault)

    async def _take(
        self, request: wire.WireRequest, progress: wire.Progress, receiver: Receiver
    ) -> tuple[bytes | None, NotSent | Lost | None]:
        """One reply: its body where it is no stream, and how it broke off where it did."""
        start = time.monotonic()
        try:
            async with self._wire.stream(request, progress) as coming:
                return await receiver.take(coming), None
        except (wire.WireFault, wire.Unsendable) as raised:
            return None, self._fault(raised, time.monotonic() - start)

    async def _take_up(
        self,
        request: wire.WireRequest,
        receiver: Receiver,
        fault: NotSent | Lost | None,
        ends_at: float,
    ) -> NotSent | Lost | None:
        """Ask for the rest of a stream in the background that broke off, a few times and free of
        charge; how the last of its pieces broke off. Where nobody can tell the rest any more (after
        five minutes, as the API has it), the response is there to be looked at."""
        for _ in range(_TAKE_UPS):
            rest, left_s = receiver.rest(), ends_at - time.monotonic()
            if rest is None or left_s <= 0:
                break
            again = replace(
                request,
                method="GET",
                url=self._endpoint.url(rest),
                headers=self._headers() | _STREAMED,
                content=b"",
                timeout_s=left_s,
            )
            content, fault = await self._take(again, wire.Progress(), receiver)
            if content is not None:
                break
        return fault

    def _judge_stream(
        self, reply: wire.WireReply, assembly: Assembly, fault: NotSent | Lost | None
    ) -> Outcome:
        verdict = assembly.verdict
        if isinstance(verdict, Broken) and not verdict.produced:
            return self._refused(reply, verdict.error)
        if isinstance(verdict, Ended):
            outcome = self._judge_value(reply, verdict.response)
        elif isinstance(verdict, Left) and isinstance(fault, Lost):
            outcome = replace(fault, raw=self._shown(assembly.raw))
        else:
            kind, message = what_broke(verdict, assembly)
            outcome = Lost(
                kind=kind,
                message=self._scrubber.scrub(message),
                elapsed_s=reply.elapsed_s,
                http_status=reply.status,
                request_id=_request_id(reply.headers),
                raw=self._shown(assembly.raw),
            )
        if not isinstance(outcome, Lost):
            return outcome
        text = self._scrubber.scrub(assembly.text)
        return replace(outcome, response_id=assembly.response_id, partial=text)

    def _fault(self, fault: wire.WireFault | wire.Unsendable, elapsed_s: float) -> NotSent | Lost:
        if isinstance(fault, wire.Lost):
            return Lost(
                kind=fault.kind,
                message=self._scrubber.scrub(fault.message),
                elapsed_s=elapsed_s,
                http_status=fault.status,
                request_id=_request_id(fault.headers),
                raw=self._shown(fault.partial),
            )
        kind = fault.kind if isinstance(fault, wire.NotSent) else "unsendable"
        return NotSent(kind=kind, message=fault.message)

    def _judge(self, reply: wire.WireReply, wanted: str = "response") -> Outcome:
        if not 200 <= reply.status < 300:
            return self._refused(reply, read_error(reply.content, reply.status))
        try:
            value = json_text.parse_bytes(reply.content)
        except json_text.NotJson as fault:
            return self._no_response(reply, str(fault))
        return self._judge_value(reply, value, wanted)

    def _judge_value(self, reply: wire.WireReply, value: JSON, wanted: str = "response") -> Outcome:
        missing = what_is_missing(value, wanted)
        if missing is None:
            return answered(reply, value)
        if isinstance(value, dict) and value.get("error") and "output" not in value:
            return self._refused(reply, read_error(reply.content, reply.status))
        return self._no_response(reply, missing)

    def _refused(self, reply: wire.WireReply, error: ApiError) -> Refused:
        scrub = self._scrubber.scrub
        return Refused(
            http_status=reply.status,
            error=ApiError(
                scrub(error.message),
                *(None if part is None else scrub(part) for part in _rest(error)),
            ),
            request_id=_request_id(reply.headers),
            elapsed_s=reply.elapsed_s,
            raw=self._shown(reply.content),
            asked_wait_s=asked_wait_s(reply.headers, self._clock()),
            should_retry=should_retry(reply.headers),
            rate=read_rate(reply.headers),
        )

    def _no_response(self, reply: wire.WireReply, why: str) -> Lost:
        raw = self._shown(reply.content)
        start = " ".join(raw[: 4 * SHOWN].split())[:SHOWN]
        said = f"first {SHOWN} characters: {start}" if start else "it was empty"
        return Lost(
            kind="not-a-response",
            message=self._scrubber.scrub(
                f"the server answered {reply.status}, but not in the Responses format "
                f"({why}; {said})"
            ),
            elapsed_s=reply.elapsed_s,
            http_status=reply.status,
            request_id=_request_id(reply.headers),
            raw=raw,
        )

    def _shown(self, content: bytes) -> str:
        return self._scrubber.scrub(content[:RAW_LIMIT].decode("utf-8", "replace"))


def encode(body: Mapping[str, JSON]) -> bytes:
    """The bytes that `send` puts on the wire for a body: `stream` said outright, UTF-8, compact.

    Half of a surrogate pair, which UTF-8 cannot hold, is sent as U+FFFD.
    """
    return _bytes({**body, "stream": body.get("stream") is True})


def _bytes(body: Mapping[str, JSON]) -> bytes:
    text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return re.sub("[\ud800-\udfff]", "\ufffd", text).encode()


def _rest(error: ApiError) -> tuple[str | None, str | None, str | None]:
    return error.type, error.param, error.code
