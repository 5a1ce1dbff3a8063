"""A run without a network: a workflow text, scripted outcomes, a clock that only sleeping moves."""

from __future__ import annotations

import asyncio
import datetime
import heapq
import itertools
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flowrunner.engine.plan import Plan, Settings, thaw_settings
from flowrunner.engine.ports import Decision, Lasting, Live, Ports, Shelf, Stop
from flowrunner.engine.run import run
from flowrunner.events import ApiError, RunFinished, RunResumed, RunStarted, Usage
from flowrunner.journal.journal import Journal
from flowrunner.journal.state import RunState
from flowrunner.language.load import load_text
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
from flowrunner.responses.stream import Delta
from flowrunner.secrets import Scrubber
from flowrunner.wire import Progress

TODAY = datetime.date(2026, 11, 22)
HEAD = "flowrunner: 1\nname: Test\ndefaults: { model: gpt-6-luna }\n"


def answered(text: str = "an answer", **patch: Any) -> Answered:
    """A completed response whose message says `text`."""
    response: dict[str, Any] = {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "model": "gpt-6-luna",
        "output": [
            {
                "type": "message",
                "id": "msg_1",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": text, "annotations": []}],
            }
        ],
        "usage": {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100},
    } | patch
    return Answered(
        response=response,
        http_status=200,
        request_id="req_1",
        response_id=response["id"],
        status=response["status"],
        model=response["model"],
        service_tier=None,
        usage=Usage(1000, 100),
        elapsed_s=0.5,
    )


def declined(text: str = "I won't") -> Answered:
    """A completed response that is a refusal."""
    part = {"type": "refusal", "refusal": text}
    return answered(output=[{"type": "message", "role": "assistant", "content": [part]}])


def calling() -> Answered:
    """A completed response that waits for the answer to a function call."""
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    return answered(output=[call])


def refused(status: int, code: str | None = None, message: str = "no", **more: Any) -> Refused:
    """An answer that says that the request failed."""
    error = ApiError(message, type=more.pop("type", None), code=code)
    return Refused(
        http_status=status, error=error, request_id="req_2", elapsed_s=0.1, raw="{}", **more
    )


def lost(kind: str = "reset") -> Lost:
    """A request that left and was never answered."""
    return Lost(kind=kind, message="the connection was reset", elapsed_s=1.0)


def not_sent() -> NotSent:
    """A request that never left."""
    return NotSent(kind="refused", message="nobody listens")


def accepted(response_id: str = "resp_1", status: str = "queued") -> Accepted:
    """A request that is worked on in the background."""
    return Accepted(
        http_status=200,
        request_id="req_1",
        response_id=response_id,
        status=status,
        model="gpt-6-luna",
        elapsed_s=0.2,
    )


class FakeClock:
    """Time that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.time = 1_790_000_000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds
        await asyncio.sleep(0)


class OrderlyClock(FakeClock):
    """Time that moves to the next waking of whoever sleeps, once nothing else can happen."""

    def __init__(self) -> None:
        super().__init__()
        self._asleep: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = itertools.count()
        self._moving: asyncio.Future[None] | None = None

    async def sleep(self, seconds: float) -> None:
        wake = asyncio.get_running_loop().create_future()
        heapq.heappush(self._asleep, (self.time + seconds, next(self._number), wake))
        if self._moving is None:
            self._moving = asyncio.ensure_future(self._move())
        await wake

    async def _move(self) -> None:
        while self._asleep:
            for _ in range(30):
                await asyncio.sleep(0)
            at, _, wake = heapq.heappop(self._asleep)
            if not wake.done():
                self.time = max(self.time, at)
                wake.set_result(None)
        self._moving = None


@dataclass
class Crowd:
    """People who have decided beforehand; None is nobody."""

    journal: Journal
    answers: dict[str, bool] | None

    @property
    def is_there(self) -> bool:
        return self.answers is not None

    async def decided(self, unit: str, text: str) -> Decision | None:
        found = self.journal.decisions(unit)
        if found is not None:
            return Decision(found.granted, found.by, "command", found.why)
        if self.answers is None:
            return None
        return Decision(self.answers[unit], "ada", "terminal")


Script = Callable[[str, dict[str, Any]], Outcome]
Looks = Callable[[str, str], Outcome]
"""What a `retrieve` or a `cancel` of a response finds."""


def no_looks(what: str, response_id: str) -> Outcome:
    raise AssertionError(f"nobody asks to {what} {response_id}")


@dataclass
class FakeSender:
    """Answers by script; `bodies` holds every request under its client request id, `looked` every
    free one."""

    script: Script
    looks: Looks = no_looks
    looked: list[tuple[str, str]] = field(default_factory=list)
    bodies: dict[str, dict[str, Any]] = field(default_factory=dict)
    fresh: list[bool] = field(default_factory=list)
    timeouts_s: list[float] = field(default_factory=list)
    deltas: tuple[Delta, ...] = ()
    pauses: Callable[[], int] = lambda: 1
    errands: list[tuple[str, str, Any]] = field(default_factory=list)
    tell: Callable[[str, str, Any], Reply] | None = None
    at_once: int = 0
    most_at_once: int = 0
    most_tasks: int = 0

    async def send(
        self,
        body: dict[str, Any],
        *,
        client_request_id: str,
        timeout_s: float,
        fresh: bool = False,
        progress: Progress | None = None,
        watch: Callable[[Delta], None] | None = None,
    ) -> Outcome:
        assert progress is not None
        assert timeout_s > 0
        assert client_request_id not in self.bodies, "one POST, one id"
        self.bodies[client_request_id] = body
        self.fresh.append(fresh)
        self.timeouts_s.append(timeout_s)
        if body.get("stream") is True and watch is not None:
            for delta in self.deltas:
                watch(delta)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        if len(self.bodies) % 100 == 1:
            self.most_tasks = max(self.most_tasks, len(asyncio.all_tasks()))
        for _ in range(self.pauses()):
            await asyncio.sleep(0)
        self.at_once -= 1
        unit = client_request_id.split("/", 1)[1].rsplit("/", 1)[0]
        return self.script(unit, body)

    async def compact(
        self,
        body: dict[str, Any],
        *,
        client_request_id: str,
        timeout_s: float,
        fresh: bool = False,
        progress: Progress | None = None,
    ) -> Outcome:
        return await self.send(
            body,
            client_request_id=client_request_id,
            timeout_s=timeout_s,
            fresh=fresh,
            progress=progress,
        )

    async def ask(
        self,
        method: str,
        path: str,
        *,
        timeout_s: float,
        content: bytes = b"",
        content_type: str = "application/json",
    ) -> Reply:
        assert timeout_s > 0
        is_json = content_type == "application/json"
        body = json.loads(content) if content and is_json else content or None
        self.errands.append((method, path, body))
        await asyncio.sleep(0)
        if self.tell is None:
            raise AssertionError(f"nobody tells of {method} {path}")
        return self.tell(method, path, body)

    async def retrieve(self, response_id: str, *, timeout_s: float) -> Outcome:
        return await self._free("retrieve", response_id, timeout_s)

    async def cancel(self, response_id: str, *, timeout_s: float) -> Outcome:
        return await self._free("cancel", response_id, timeout_s)

    async def _free(self, what: str, response_id: str, timeout_s: float) -> Outcome:
        assert timeout_s > 0
        self.looked.append((what, response_id))
        await asyncio.sleep(0)
        return self.looks(what, response_id)

    def units(self) -> list[str]:
        """Whose requests were sent, in order."""
        return [name.split("/", 1)[1].rsplit("/", 1)[0] for name in self.bodies]


def told(value: Any, content: bytes = b"") -> Told:
    """What a resource beside the responses says, as JSON or else the bytes of a file."""
    content = content or json.dumps(value).encode()
    return Told(value=value, content=content, http_status=200, request_id="req_3", elapsed_s=0.1)


def in_turn(**outcomes: Iterable[Outcome]) -> Script:
    """Each step's outcomes one after another; a step without any is answered."""
    queues = {step: iter(found) for step, found in outcomes.items()}

    def script(unit: str, body: dict[str, Any]) -> Outcome:
        return next(queues[unit]) if unit in queues else answered(f"answer of {unit}")

    return script


@dataclass
class World:
    """One run folder and what happened in it over several processes. `pauses` says for how many
    turns of the loop an answer keeps one waiting, `shelf` holds results of earlier runs, `tell`
    answers what costs nothing. With many requests a journal that is not `inline` shares its commits
    among them. `live` is told the `deltas` of every answer that is streamed."""

    folder: Path
    pauses: Callable[[], int] = lambda: 1
    shelf: Shelf | None = None
    lasting: Lasting | None = None
    tell: Callable[[str, str, Any], Reply] | None = None
    inline: bool = True
    clock: FakeClock = field(default_factory=FakeClock)
    secrets: tuple[str, ...] = ()
    answers: dict[str, bool] | None = None
    live: Live | None = None
    deltas: tuple[Delta, ...] = ()

    @property
    def run_folder(self) -> Path:
        return self.folder / "run"

    def run(
        self,
        steps: str,
        script: Script | None = None,
        *,
        head: str = HEAD,
        stop: Stop | None = None,
        looks: Looks = no_looks,
        inputs: dict[str, Any] | None = None,
        **settings: Any,
    ) -> Ended:
        """Begin a run of the given `steps:` (and what follows them)."""
        workflow, found = load_text(head + steps, "flow.yaml", self.folder, today=TODAY)
        assert workflow is not None, found
        assert not [one for one in found if one.severity == "error"], found
        settings = {"simulated": False, **settings}
        chosen = Settings("fake", "http://fake/v1", "OPENAI_API_KEY", **settings)
        plan = Plan("run-1", self.clock.now(), workflow, inputs or {}, chosen)
        frozen = plan.frozen(self.folder)
        with Journal.create(self.run_folder, frozen, self.clock.now, inline=self.inline) as journal:
            first = RunStarted(
                at=self.clock.now(),
                run=plan.run,
                workflow=workflow.name,
                path="flow.yaml",
                provider="fake",
                base_url="http://fake/v1",
                simulated=False,
                steps=tuple(step.id for step in workflow.steps),
            )
            return self._work(plan, journal, first, script, stop, looks)

    def resume(
        self,
        script: Script | None = None,
        *,
        edited: str | None = None,
        head: str = HEAD,
        stop: Stop | None = None,
        looks: Looks = no_looks,
        **settings: Any,
    ) -> Ended:
        """Take the run up again, as another process would; `edited` are its steps as they now read,
        which is accepted."""
        with Journal.open(self.run_folder, writable=True, inline=self.inline) as journal:
            text = journal.frozen("workflow").decode()
            files = json.loads(journal.frozen("files"))
            if edited is not None:
                text, files = head + edited, None
                settings = {"recheck": True, **settings}
            workflow, found = load_text(text, "flow.yaml", self.folder, today=TODAY, files=files)
            assert workflow is not None
            assert not [one for one in found if one.severity == "error"], found
            chosen = thaw_settings(journal.frozen("settings").decode())
            state = journal.replay()
            assert state.started_at is not None
            inputs = json.loads(journal.frozen("inputs"))
            plan = Plan("run-1", state.started_at, workflow, inputs, replace(chosen, **settings))
            if edited is not None:
                journal.refreeze({"workflow": text})
            again = RunResumed(at=self.clock.now(), epoch=journal.epoch)
            return self._work(plan, journal, again, script, stop, looks)

    def _work(
        self,
        plan: Plan,
        journal: Journal,
        first: Any,
        script: Script | None,
        stop: Stop | None,
        looks: Looks,
    ) -> Ended:
        sender = FakeSender(
            script or in_turn(), looks, pauses=self.pauses, deltas=self.deltas, tell=self.tell
        )

        async def work() -> RunFinished:
            await journal.append(first)
            ports = Ports(
                senders=lambda _: sender,
                journal=journal,
                clock=self.clock,
                sleep=self.clock.sleep,
                random=lambda: 0.5,
                scrubber=Scrubber(self.secrets),
                people=Crowd(journal, self.answers),
                environ={"PATH": os.environ["PATH"], "SEEN": "yes", "UNSEEN": "no"},
                shelf=self.shelf,
                live=self.live,
                lasting=self.lasting,
            )
            return await run(plan, ports, stop or Stop(), self.folder)

        end = asyncio.run(work())
        return Ended(end, sender, journal.replay(), self)


@dataclass
class Ended:
    """What a process left behind."""

    end: RunFinished
    sender: FakeSender
    state: RunState
    world: World

    def status(self, step: str) -> str | None:
        """How a unit stands; None where it never began."""
        known = self.state.steps.get(step)
        return None if known is None else known.status

    def asked(self) -> dict[str, Any]:
        """What each unit asked last."""
        return {
            name.split("/", 1)[1].rsplit("/", 1)[0]: body["input"]
            for name, body in self.sender.bodies.items()
        }

    def reason(self, step: str) -> str | None:
        return self.state.steps[step].reason

    def result(self, step: str) -> Any:
        with Journal.open(self.world.run_folder) as journal:
            return journal.result(step)
