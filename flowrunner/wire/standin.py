"""Replies in the place of the network: a transport that asks a function and opens nothing.

What is answered is left to whoever made the function: a recording, the script of a test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import httpx

from flowrunner.wire.transport import terms_of


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that would have left. `path` is that of its URL, without query; the names of
    headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """The reply that it gets instead."""

    status: int
    content: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


Answering: TypeAlias = Callable[[Asked], "Answer | None"]
"""Answers a request, or leaves it to what stands behind. It may raise NotSent."""


class StandIn(httpx.AsyncBaseTransport):
    """Answers by a function; what that has no answer to goes on to `behind`, which must be there
    for it."""

    def __init__(
        self, answering: Answering, behind: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._answering = answering
        self._behind = behind

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer to one request, whole."""
        asked = Asked(
            request.method,
            request.url.path,
            {name.lower(): value for name, value in request.headers.items()},
            await request.aread(),
        )
        answer = self._answering(asked)
        if answer is None:
            assert self._behind is not None, "nobody answers"
            return await self._behind.handle_async_request(request)
        terms_of(request).progress.left = True
        return httpx.Response(
            answer.status, headers=dict(answer.headers), stream=httpx.ByteStream(answer.content)
        )

    async def aclose(self) -> None:
        """Close what stands behind."""
        if self._behind is not None:
            await self._behind.aclose()
