"""The official client of the protocol, over a program of ours or over our wire.

Imports the extra `mcp`, and is imported by `server` alone, when it is needed.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import httpx2
import mcp_types
from anyio.abc import TaskGroup
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage

from flowrunner import __version__
from flowrunner.events import JSON
from flowrunner.tools.answer import CAP_BYTES_OF_PARTS
from flowrunner.tools.servers.carrier import Carrier
from flowrunner.tools.speaking import Speaker
from flowrunner.wire import Secret, Wire

# What it would say to whoever listens is for its developers; without this it goes to stderr.
logging.getLogger("mcp").addHandler(logging.NullHandler())
logging.getLogger("mcp").propagate = False

_MOST_PAGES = 20


class Connection:
    """One session with a server."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def list_tools(self) -> list[Mapping[str, JSON]]:
        """All tools of the server, as the protocol writes them."""
        found: list[Mapping[str, JSON]] = []
        cursor = None
        for _ in range(_MOST_PAGES):
            page = await self._client.list_tools(cursor=cursor)
            found += [_plain(tool) for tool in page.tools]
            cursor = page.next_cursor
            if cursor is None:
                break
        return found

    async def call_tool(self, name: str, arguments: Mapping[str, JSON]) -> Mapping[str, Any]:
        """The result of a call, as the protocol writes it."""
        return _plain(await self._client.call_tool(name, dict(arguments)))

    @property
    def server_name(self) -> str | None:
        """How the server calls itself."""
        info = self._client.server_info
        return None if info is None else f"{info.name} {info.version or ''}".strip()


def _plain(model: Any) -> dict[str, Any]:
    plain: dict[str, Any] = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    return plain


@asynccontextmanager
async def over_program(
    speaker: Speaker, on_change: Callable[[], None]
) -> AsyncIterator[Connection]:
    """A session with a started program, over its lines."""
    async with Client(_over(_program_streams(speaker)), **_options(on_change)) as client:
        yield Connection(client)


@asynccontextmanager
async def over_wire(
    wire: Wire, url: str, headers: Mapping[str, str | Secret], on_change: Callable[[], None]
) -> AsyncIterator[Connection]:
    """A session with a server elsewhere. A failure to reach it comes out as OSError."""
    carrier = Carrier(wire, url, headers)
    try:
        async with httpx2.AsyncClient(transport=carrier, timeout=None, trust_env=False) as http:
            streams = streamable_http_client(
                url, http_client=http, max_sse_event_size=CAP_BYTES_OF_PARTS
            )
            async with Client(_over(streams), **_options(on_change)) as client:
                yield Connection(client)
    except Exception as fault:
        if carrier.fault is None:
            raise
        raise OSError(carrier.fault) from fault


def _options(on_change: Callable[[], None]) -> dict[str, Any]:
    async def notice(message: object) -> None:
        if isinstance(message, mcp_types.ToolListChangedNotification):
            on_change()

    info = mcp_types.Implementation(name="flowrunner", version=__version__)
    return {"client_info": info, "message_handler": notice, "cache": None}


@asynccontextmanager
async def _over(streams: Any) -> AsyncIterator[Any]:
    async with streams as (read, write):
        yield _Filtered(read), write


class _Filtered:
    """What the server says, without the schemas of results: the client would check each result by
    them, with patterns that the server chooses."""

    def __init__(self, read: Any) -> None:
        self._read = read

    async def receive(self) -> Any:
        return _without_schemas(await self._read.receive())

    async def aclose(self) -> None:
        await self._read.aclose()

    def close(self) -> None:
        self._read.close()

    @property
    def last_context(self) -> Any:
        return getattr(self._read, "last_context", None)

    def __aiter__(self) -> _Filtered:
        return self

    async def __anext__(self) -> Any:
        return _without_schemas(await anext(self._read))

    async def __aenter__(self) -> _Filtered:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _without_schemas(item: Any) -> Any:
    message = item.message if isinstance(item, SessionMessage) else None
    if isinstance(message, mcp_types.JSONRPCResponse):
        tools = message.result.get("tools")
        for tool in tools if isinstance(tools, list) else ():
            if isinstance(tool, dict):
                tool.pop("outputSchema", None)
    return item


@asynccontextmanager
async def _program_streams(speaker: Speaker) -> AsyncIterator[Any]:
    said, hearing = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    asked, asking = anyio.create_memory_object_stream[SessionMessage](0)

    async def hear() -> None:
        async with said:
            while (line := await speaker.hear()) is not None:
                if line.strip():
                    await said.send(_message(line))

    async def speak() -> None:
        async with asking:
            async for item in asking:
                text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
                if not await speaker.say(text.encode()):
                    break

    async with said, hearing, asked, asking, anyio.create_task_group() as group:
        _begin(group, hear, speak)
        yield hearing, asked
        group.cancel_scope.cancel()


def _begin(group: TaskGroup, *works: Callable[[], Any]) -> None:
    for work in works:
        group.start_soon(_until_closed, work)


async def _until_closed(work: Callable[[], Any]) -> None:
    with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):  # the session has ended
        await work()


def _message(line: bytes) -> SessionMessage | Exception:
    try:
        return SessionMessage(mcp_types.jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as fault:
        return fault
