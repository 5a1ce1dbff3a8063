"""Reads the reply to a streamed request: into an assembly, and past whoever watches.

What the assembly comes to is judged by `client`; the rules of the stream stand in `stream`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import quote

from flowrunner import wire
from flowrunner.responses.background import is_askable
from flowrunner.responses.stream import Assembly, Delta, Left, TooBig

Watch: TypeAlias = Callable[[Delta], None]
"""Is told what is new. It must return at once; what it raises ends its watch and nothing else."""

SILENCE_S = 600.0
"""The longest that no event may come: as long as an answer that is not streamed may take. What only
keeps the connection alive (comments) is no event."""
_AFTER_ERROR_S = 1.0
"""How long the last event of the response is waited for after an `error` event."""
_AFTER_END_S = 0.1
"""How long the end of the body is waited for after the last event, for the connection's sake."""

_SNIFFED = 1024
_BLANK = b"\xef\xbb\xbf \t\r\n"
_FIELDS = (b":", b"data", b"event", b"id", b"retry")
_TELLING = max(map(len, _FIELDS))


class Receiver:
    """Takes one reply. `watch` sees the deltas as they come, until it raises."""

    def __init__(self, watch: Watch | None = None) -> None:
        self.assembly = Assembly()
        self._watch = watch

    async def take(self, reply: wire.Incoming) -> bytes | None:
        """Take the reply to its end. The body whole where it is no stream: an error, or an answer
        of a server that does not stream. Raises wire.Lost, after which the assembly holds what
        had come."""
        if not _may_be_stream(reply):
            return await reply.read()
        first = await _beginning(reply)
        if not _is_stream(first, _content_type(reply)):
            return await reply.read(first)
        try:
            await self._follow(reply, first)
        except TooBig as fault:
            limit = fault.cap // 1024**2
            raise wire.Lost("too-big", f"{fault.what} is bigger than {limit} MiB") from None
        finally:
            self._tell(self.assembly.finish())
        return None

    def rest(self) -> str | None:
        """Where the rest of a response in the background is streamed, whose stream broke off, after
        the last event that came (Responses API: `starting_after`). None where that is not known, or
        nothing is left to be told. From then on the pieces of another reply are taken."""
        assembly = self.assembly
        name, number = assembly.response_id, assembly.last_number
        is_known = number is not None or assembly.heard == 1  # The first event has the number 0.
        if not is_known or not isinstance(assembly.verdict, Left):
            return None
        if name is None or not is_askable(name):
            return None
        assembly.go_on()
        return f"responses/{quote(name, safe='')}?stream=true&starting_after={number or 0}"

    async def _follow(self, reply: wire.Incoming, first: bytes) -> None:
        self._feed(reply, first)
        async for piece in reply:
            self._feed(reply, piece)

    def _feed(self, reply: wire.Incoming, piece: bytes) -> None:
        if self.assembly.is_ended:
            return
        assembly = self.assembly
        heard, was_broken = assembly.heard, assembly.is_broken
        self._tell(assembly.feed(piece))
        if assembly.is_ended:
            reply.wait_at_most(_AFTER_END_S)
        elif assembly.is_broken and not was_broken:
            reply.wait_at_most(_AFTER_ERROR_S)
        elif assembly.heard > heard and not was_broken:
            reply.wait_at_most(SILENCE_S)

    def _tell(self, deltas: list[Delta]) -> None:
        for delta in deltas:
            if self._watch is None:
                return
            try:
                self._watch(delta)
            except Exception:
                self._watch = None  # Who watches is not worth an answer that is paid for.


def _may_be_stream(reply: wire.Incoming) -> bool:
    """Whether the body is worth a look: errors are not streamed, what is packed is none unless it
    says so."""
    packed = reply.headers.get("content-encoding", "identity").strip().lower()
    is_plain = packed in ("", "identity")
    return 200 <= reply.status < 300 and (is_plain or _content_type(reply) == _EVENT_STREAM)


_EVENT_STREAM = "text/event-stream"


def _content_type(reply: wire.Incoming) -> str:
    return reply.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _beginning(reply: wire.Incoming) -> bytes:
    """The body as far as its first letters, which tell what it is."""
    first = b""
    async for piece in reply:
        first += piece
        if len(first.lstrip(_BLANK)) >= _TELLING or len(first) > _SNIFFED:
            break
    return first


def _is_stream(first: bytes, content_type: str) -> bool:
    """Whether a body that begins so is a stream of events; servers name its type wrongly."""
    start = first.lstrip(_BLANK)[:_TELLING]
    if content_type == _EVENT_STREAM:
        return start[:1] not in (b"{", b"[", b"<")
    return start.startswith(_FIELDS)
