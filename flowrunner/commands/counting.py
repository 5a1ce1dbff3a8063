"""Requests counted by the server before a run: it charges nothing for that, and asks no model.

Which requests are known beforehand is left to `engine.forecast`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from flowrunner.engine.forecast.counts import Counts
from flowrunner.engine.outgoing import data_url, filled_input, to_upload
from flowrunner.engine.servers import SIMULATOR
from flowrunner.errors import EnvironmentFault
from flowrunner.events import JSON
from flowrunner.language.attachments import FileMark
from flowrunner.project.attachable import Located
from flowrunner.project.files import UnreadableFile
from flowrunner.responses.client import ResponsesClient
from flowrunner.responses.outcome import Refused, Reply, Told
from flowrunner.responses.refusals import classify, give_up
from flowrunner.responses.retry import Asked
from flowrunner.wire import Endpoint, Wire, WireSettings

_AT_ONCE = 8
_TIMEOUT_S = 60.0
_TRIES = 3


@dataclass(slots=True)
class Library:
    """The files that a plan read, by their hashes."""

    known: dict[str, Located] = field(default_factory=dict)

    def look_at(self, file: Located) -> FileMark:
        """What a file is, read whole. Raises UnreadableFile."""
        mark = file.read().mark
        self.known[mark.sha256] = Located(file.path, file.root, mark.sha256)
        return mark

    def filled(self, body: Mapping[str, JSON]) -> dict[str, JSON] | None:
        """A request with its files; None where one would have to be uploaded first, or is gone."""
        marks = list(FileMark.all_in(body.get("input")))
        if not marks:
            return dict(body)
        if to_upload(marks):
            return None
        try:
            inline = {
                str(mark): {"inline": data_url(mark, self.known[mark.sha256].read())}
                for mark in marks
            }
        except UnreadableFile:
            return None
        return {**body, "input": filled_input(body.get("input"), inline)}


def count(
    counts: Counts, library: Library, endpoints: Mapping[str, Endpoint], proxies: Mapping[str, str]
) -> str | None:
    """Ask for the tokens of every request; a sentence where some could not be counted. `endpoints`
    are those of their providers; a simulator stands for all.

    Raises EnvironmentFault where the key is not taken.
    """
    return asyncio.run(_count(counts, library, endpoints, proxies))


async def _count(
    counts: Counts, library: Library, endpoints: Mapping[str, Endpoint], proxies: Mapping[str, str]
) -> str | None:
    slots = asyncio.Semaphore(_AT_ONCE)
    wire = Wire(WireSettings(proxies=proxies, at_once=_AT_ONCE))
    clients = {name: ResponsesClient(wire, endpoint) for name, endpoint in endpoints.items()}
    simulator = clients.get(SIMULATOR)

    async def one(key: str) -> str | None:
        async with slots:
            provider, asked = counts.asked[key]
            body = library.filled(asked)
            if body is None:
                return "its files would have to be uploaded first"
            return _noted(counts, key, await _told(simulator or clients[provider], body))

    try:
        faults: Sequence[str | None] = await asyncio.gather(*map(one, list(counts.asked)))
    finally:
        await wire.aclose()
    said = [fault for fault in faults if fault is not None]
    if not said:
        return None
    return f"{len(said)} of {len(faults)} requests could not be counted: {said[0]}"


async def _told(client: ResponsesClient, body: dict[str, JSON]) -> Reply:
    content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    reply: Reply | None = None
    for _ in range(_TRIES):
        reply = await client.ask(
            "POST", "responses/input_tokens", timeout_s=_TIMEOUT_S, content=content
        )
        if isinstance(reply, Told) or (isinstance(reply, Refused) and reply.http_status < 429):
            break
    assert reply is not None
    return reply


def _noted(counts: Counts, key: str, reply: Reply) -> str | None:
    """Keep what was told; why it is none where it is not."""
    if isinstance(reply, Refused):
        if classify(reply) == "key":
            end = give_up(reply, Asked())
            raise EnvironmentFault(end.message, help=end.help)
        return reply.error.message
    if not isinstance(reply, Told):
        return reply.message
    tokens = reply.value.get("input_tokens") if isinstance(reply.value, dict) else None
    if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 0:
        return "the server told no number of tokens"
    counts.told[key] = tokens
    return None
