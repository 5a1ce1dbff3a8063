"""The simulator as a whole: a loopback socket, a thread, and an event loop of its own.

What happens on a connection is left to `connection`, what is answered to `api`.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from flowrunner.errors import EnvironmentFault
from flowrunner.platform import WINDOWS
from flowrunner.simulator.answers import Replies, Scripts
from flowrunner.simulator.api import Api
from flowrunner.simulator.backend import Behaviour
from flowrunner.simulator.background import Pace
from flowrunner.simulator.connection import Connection, Hall
from flowrunner.simulator.faults import FaultPlan
from flowrunner.simulator.ledger import Ledger

_HOST = "127.0.0.1"
_BACKLOG = 4096


@dataclass(slots=True, kw_only=True)
class Simulator:
    """A local Responses API on 127.0.0.1, deterministic under its seed, with faults to order.

    `port` 0 takes any free port. `faults` go wrong as they say. `replies` may script answers, or
    `scripts`, which is told of the client request id too; it is
    called on the simulator's thread and must not block. `latency_s` passes before each reply,
    `event_delay_s` between the events of a stream; `pace` says how long the background takes.
    More than `requests_a_minute` are refused with 429.
    `clock` gives Unix time in seconds. Use it as `with Simulator() as simulator:` or call `start`
    and `stop`; a stopped simulator can be started again, on the same port, and has forgotten what
    it stored, but its `ledger` goes on.

    Each open connection takes one file; together with a client in the same process that is two
    a call in flight (`platform.raise_open_file_limit`).
    """

    port: int = 0
    faults: FaultPlan | None = None
    seed: int = 0
    replies: Replies | None = None
    scripts: Scripts | None = None
    latency_s: float = 0.0
    event_delay_s: float = 0.0
    pace: Pace = field(default_factory=Pace)
    requests_a_minute: int | None = None
    clock: Callable[[], float] = time.time
    ledger: Ledger = field(default_factory=Ledger, init=False)
    _running: _Running | None = field(default=None, init=False, repr=False)

    @property
    def base_url(self) -> str:
        """What a client takes for `OPENAI_BASE_URL`: `http://127.0.0.1:PORT/v1`."""
        return f"http://{_HOST}:{self.port}/v1"

    def start(self) -> Simulator:
        """Listen. Raises EnvironmentFault where the port cannot be had."""
        assert self._running is None, "the simulator is running already"
        behaviour = Behaviour(
            faults=self.faults,
            seed=self.seed,
            replies=self.replies,
            scripts=self.scripts,
            latency_s=self.latency_s,
            event_delay_s=self.event_delay_s,
            pace=self.pace,
            requests_a_minute=self.requests_a_minute,
            clock=self.clock,
        )
        hall = Hall(Api(behaviour, self.ledger), self.ledger)
        listening = _listen(self.port)
        self.port = listening.getsockname()[1]
        self._running = _Running(hall, listening)
        return self

    def stop(self) -> None:
        """End every connection and the thread; harmless when nothing runs."""
        if self._running is not None:
            running, self._running = self._running, None
            running.stop()

    def serve_until(self, stop: threading.Event) -> None:
        """Serve until the event is set, for a command that does nothing else."""
        with self:
            stop.wait()

    def __enter__(self) -> Simulator:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class _Running:
    """The thread of a simulator that is listening."""

    def __init__(self, hall: Hall, listening: socket.socket) -> None:
        self._hall = hall
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(listening,), name="simulator", daemon=True
        )
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self, listening: socket.socket) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(listening))

    async def _serve(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: Connection(self._hall), sock=listening, backlog=_BACKLOG
        )
        self._ready.set()
        await self._stop.wait()
        server.close()
        await self._hall.close()
        await server.wait_closed()


def _listen(port: int) -> socket.socket:
    # Only of a socket that is said to be TCP does asyncio turn Nagle's algorithm off, which would
    # hold each reply back for 40 ms.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if not WINDOWS:  # there it would share the port with another program
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((_HOST, port))
    except (OSError, OverflowError) as fault:
        listening.close()
        why = getattr(fault, "strerror", None) or "it is no port number"
        raise EnvironmentFault(
            f"The simulator cannot listen on port {port} of {_HOST}: {why}.",
            help="choose another port, or 0 for any that is free",
        ) from fault
    return listening
