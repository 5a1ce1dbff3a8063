"""`McpServer`: one declared server of tools, started when it is first needed, ended with the run.

What the protocol says is left to the official client behind `connection`.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowrunner.errors import EnvironmentFault
from flowrunner.events import JSON
from flowrunner.language.tools import McpTool, MissingSecret
from flowrunner.secrets import Scrubber
from flowrunner.tools.answer import CAP_BYTES_OF_PARTS, ToolAnswer, failed
from flowrunner.tools.child import Patience, to_its_end
from flowrunner.tools.reach import Secrets, Unreachable, open_wire, parts_of
from flowrunner.tools.request import CannotStart
from flowrunner.tools.servers.content import answer_of
from flowrunner.tools.servers.listing import Listing, make_listing
from flowrunner.tools.speaking import Speaker, start_speaker
from flowrunner.visible import one_line
from flowrunner.wire import Secret

if TYPE_CHECKING:
    from flowrunner.tools.servers.connection import Connection

_MISSING = (
    "servers of tools (MCP) need the package `mcp`: install it with `pip install 'flowrunner[mcp]'`"
)


class _Failed(Exception):
    """Why there is no answer; its message is a sentence."""


class McpServer:
    """One server for one run; belongs to one event loop.

    It is started by the first `list_tools` or `call`, and anew after it has died. The first listing
    is pinned, until another is trusted: no call is made while the server says anything else of its
    tools.
    """

    def __init__(
        self,
        kind: McpTool,
        *,
        folder: Path,
        environ: Mapping[str, str],
        patience: Patience | None = None,
    ) -> None:
        self._kind = kind
        self._folder = folder
        self._environ = environ
        self.patience = patience or Patience()
        self._secrets = Secrets(environ)
        self._session: _Session | None = None
        self._pinned: Listing | None = None
        self._starting = asyncio.Lock()

    async def list_tools(self, timeout_s: float) -> Listing:
        """The allowed tools, asked of the server now."""
        try:
            async with asyncio.timeout(timeout_s), self._starting:
                return await self._listed(await self._open())
        except TimeoutError:
            return Listing(fault=f"the server had not listed its tools after {timeout_s:g} s")
        except _Failed as fault:
            return Listing(fault=self._scrubber.scrub(str(fault)))

    def trust(self, listing: Listing) -> None:
        """Make calls while the server says this."""
        self._pinned = listing

    async def call(self, name: str, arguments: Mapping[str, JSON], timeout_s: float) -> ToolAnswer:
        """Call one tool of the server by the name that it has there."""
        if name not in self._kind.allowed_tools:
            return failed(f"the tool `{one_line(name)}` is not among the `allowed_tools`")
        try:
            async with asyncio.timeout(timeout_s):
                session = await self._trusted()
                result = await session.ask(lambda connection: connection.call_tool(name, arguments))
        except TimeoutError:
            return failed(f"the server had not answered after {timeout_s:g} s", self._facts())
        except _Failed as fault:
            return failed(self._scrubber.scrub(str(fault)), self._facts())
        return answer_of(self._scrubber.scrub_json(dict(result)), self._facts())

    async def aclose(self) -> None:
        """End the session and the program, if they run."""
        session, self._session = self._session, None
        if session is not None:
            await to_its_end(asyncio.create_task(session.aclose()))

    @property
    def _scrubber(self) -> Scrubber:
        return self._secrets.scrubber()

    def _facts(self) -> dict[str, JSON]:
        session = self._session
        if session is None:
            return {}
        facts: dict[str, JSON] = {} if session.name is None else {"server": one_line(session.name)}
        stderr = b"" if session.speaker is None else session.speaker.stderr[-4000:]
        if stderr:
            facts["stderr"] = self._scrubber.scrub(stderr.decode("utf-8", "replace"))
        return facts

    async def _trusted(self) -> _Session:
        """A session whose tools are those that are trusted. Raises _Failed."""
        async with self._starting:
            session = await self._open()
            if not session.is_listed:
                listing = await self._listed(session)
                if listing.fault is not None:
                    raise _Failed(listing.fault)
            if self._pinned is not None and session.digest != self._pinned.digest:
                raise _Failed(
                    "the server has changed what it says of its tools since the run began; the "
                    "call was not made"
                )
            return session

    async def _listed(self, session: _Session) -> Listing:
        session.is_listed = True
        tools = await session.ask(lambda connection: connection.list_tools())
        listing = make_listing(tools, self._kind.allowed_tools)
        session.is_listed = session.is_listed and listing.fault is None
        session.digest = listing.digest
        if listing.fault is None and self._pinned is None:
            self._pinned = listing
        return listing

    async def _open(self) -> _Session:
        if self._session is not None and self._session.is_over:
            await self.aclose()
        if self._session is None:
            self._session = _Session(self)
        await self._session.ready()
        return self._session

    @asynccontextmanager
    async def connected(self, session: _Session) -> AsyncIterator[Connection]:
        """What the session lives in, from the start of the program to its end. Raises _Failed."""
        try:
            # It takes a second, in which the run goes on.
            connections: Any = await asyncio.to_thread(
                importlib.import_module, "flowrunner.tools.servers.connection"
            )
        except ImportError as fault:
            raise _Failed(_MISSING) from fault
        over = self._over_wire if self._kind.command is None else self._over_program
        try:
            async with over(connections, session) as connection:
                yield connection
        except (CannotStart, MissingSecret, Unreachable, EnvironmentFault) as fault:
            raise _Failed(str(fault)) from fault

    @asynccontextmanager
    async def _over_program(self, connections: Any, session: _Session) -> AsyncIterator[Connection]:
        speaker = await start_speaker(
            self._kind.command or (), self._kind.env, folder=self._folder, environ=self._environ
        )
        session.speaker = speaker
        try:
            async with connections.over_program(speaker, session.distrust) as connection:
                yield connection
        finally:
            await to_its_end(asyncio.create_task(speaker.end(self.patience)))

    @asynccontextmanager
    async def _over_wire(self, connections: Any, session: _Session) -> AsyncIterator[Connection]:
        url, headers = self._place()
        wire = open_wire(self._kind.hosts, self._environ, CAP_BYTES_OF_PARTS)
        try:
            async with connections.over_wire(wire, url, headers, session.distrust) as connection:
                yield connection
        finally:
            await wire.aclose()

    def _place(self) -> tuple[str, dict[str, str | Secret]]:
        """Raises MissingSecret, Unreachable."""
        kind = self._kind
        url = self._secrets.text(kind.url or "")
        parts_of(url)
        headers = self._secrets.headers(kind.headers)
        if kind.authorization is not None:
            headers["Authorization"] = Secret(f"Bearer {self._secrets.text(kind.authorization)}")
        return url, headers


class _Session:
    """One connection from its beginning to its end, in a task of its own: the client has to be
    left where it was entered, whoever calls in between."""

    def __init__(self, server: McpServer) -> None:
        self.speaker: Speaker | None = None
        self.name: str | None = None
        self.is_listed = False
        self.digest = ""
        self._patience = server.patience
        self._opened: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._leave = asyncio.Event()
        self._task = asyncio.create_task(self._live(server))

    def distrust(self) -> None:
        """The server says that its tools have changed: look before the next call."""
        self.is_listed = False

    @property
    def is_over(self) -> bool:
        """Whether nothing more can be asked."""
        dead = self.speaker is not None and self.speaker.has_exited
        return self._task.done() or dead

    async def ready(self) -> None:
        """Wait until the server can be asked. Raises _Failed."""
        await self._or_its_end(asyncio.ensure_future(asyncio.shield(self._opened)))

    async def ask(self, question: Any) -> Any:
        """Ask the server. Raises _Failed where no answer comes."""
        asking = asyncio.ensure_future(question(self._opened.result()))
        try:
            return await self._or_its_end(asking)
        except _Failed:
            raise
        except Exception as fault:
            raise _Failed(await self._why(fault)) from fault

    async def aclose(self) -> None:
        """Leave the server; returns when nothing of it is left."""
        self._leave.set()
        if not self._opened.done():
            self._task.cancel()
        await asyncio.wait({self._task}, timeout=2 * self._patience.grace_s + 1)
        self._task.cancel()
        await to_its_end(self._task)
        with suppress(BaseException):
            self._task.result()

    async def _live(self, server: McpServer) -> None:
        async with server.connected(self) as connection:
            self.name = connection.server_name
            self._opened.set_result(connection)
            await self._leave.wait()

    async def _or_its_end(self, waiting: asyncio.Future[Any]) -> Any:
        """What is waited for, unless the session ends first. Raises _Failed."""
        try:
            await asyncio.wait({waiting, self._task}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return await waiting
        finally:
            waiting.cancel()
            await asyncio.wait({waiting})
        fault = None if self._task.cancelled() else self._task.exception()
        raise _Failed(await self._why(fault)) from fault

    async def _why(self, fault: BaseException | None) -> str:
        """Why there was no answer, in a sentence."""
        inner = fault
        while isinstance(inner, BaseExceptionGroup):
            inner = inner.exceptions[0]
        if isinstance(inner, _Failed | OSError):
            return str(inner)
        speaker = self.speaker
        if speaker is not None:
            how = await speaker.last_words(self._patience.linger_s)
            if speaker.has_exited or speaker.truncated:
                return f"{how}, without an answer"
        if inner is None:
            return "the server ended the session"
        told = one_line(str(inner).strip()[:2000]) or type(inner).__name__
        return (
            f"the server says: {told}"
            if type(inner).__name__ == "MCPError"
            else (f"what the server answered cannot be used: {told}")
        )
