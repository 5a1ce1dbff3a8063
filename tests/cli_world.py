"""A project in a folder of its own, programs that work in it, and the server's books to compare.

Programs talk to a simulator in the test's process over a real socket; nothing in flowrunner is
replaced.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import pytest

from flowrunner.events import CallNotSent, CallSent, Event
from flowrunner.journal.journal import Journal
from flowrunner.journal.runs import list_runs
from flowrunner.journal.state import RunState
from flowrunner.language.attachments import FileMark
from flowrunner.simulator import Call, FaultPlan, Simulator

TOP = Path(__file__).resolve().parent.parent
GALLERY = TOP / "workflows"
_OWN_PROGRAMS = str(Path(sys.executable).parent)
BARE = {
    "PATH": os.pathsep.join([_OWN_PROGRAMS, os.environ.get("PATH", os.defpath)]),
    "LC_ALL": "C.UTF-8",
}
"""What a program is given of an environment, as by cron; nothing of this machine's but the programs
that were installed beside flowrunner."""
if "PYTHONPATH" in os.environ:  # a checkout that is not installed
    BARE["PYTHONPATH"] = os.environ["PYTHONPATH"]
KEY = "sk-test-4711-0815-abcdef"


@dataclass(frozen=True)
class Done:
    """How a program ended. `status` is negative for a signal, as in subprocess."""

    status: int
    out: str
    err: str

    @property
    def result(self) -> Any:
        """What stands on stdout, which is one JSON document."""
        return json.loads(self.out)


class Nursery:
    """Forks programs; see `tests.cli_nursery`."""

    def __init__(self) -> None:
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._parent = subprocess.Popen(
                [sys.executable, "-m", "tests.cli_nursery", str(theirs.fileno())],
                cwd=TOP,
                env=BARE,
                pass_fds=[theirs.fileno()],
            )

    def start(self, streams: list[int], **order: Any) -> tuple[int, IO[str]]:
        """Start a program; its pid, and a line to come with its exit status."""
        reading, writing = os.pipe()
        try:
            with suppress(BrokenPipeError):
                socket.send_fds(self._orders, [json.dumps(order).encode()], [*streams, writing])
        finally:
            os.close(writing)
        telling = os.fdopen(reading)
        with ExitStack() as undo:
            undo.push(telling)
            pid = telling.readline()
            assert pid, "the program that forks others is dead: see what it said on stderr"
            undo.pop_all()
        return int(pid), telling

    def close(self) -> None:
        """Take no more orders."""
        self._orders.close()
        self._parent.wait(timeout=10)


class Running:
    """A program at work."""

    def __init__(self, pid: int, telling: IO[str], out: IO[bytes], err: IO[bytes]) -> None:
        self.pid = pid
        self._telling, self._out, self._err = telling, out, err

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def wait(self) -> Done:
        """Its end."""
        with self._telling, self._out, self._err:
            status = int(self._telling.readline())
            return Done(status, *(_text_of(stream) for stream in (self._out, self._err)))


def _text_of(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode()


@dataclass
class Project:
    """A project folder. `environ` is what every program in it is given, `folder` where it runs."""

    folder: Path
    nursery: Nursery
    environ: dict[str, str] = field(default_factory=lambda: dict(BARE))

    def write(self, name: str, text: str) -> Path:
        """A file of the project."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def with_gallery(self) -> Project:
        """The workflows that come with flowrunner, copied."""
        kept = shutil.ignore_patterns("out", ".*")
        shutil.copytree(GALLERY, self.folder / "workflows", ignore=kept)
        return self

    def at(self, simulator: Simulator, key: str = KEY) -> Project:
        """Let every program talk to this server."""
        self.environ |= {"OPENAI_BASE_URL": simulator.base_url, "OPENAI_API_KEY": key}
        return self

    def start(
        self,
        *words: str,
        environ: Mapping[str, str] | None = None,
        stdin: str = "",
        folder: Path | None = None,
        module: str = "flowrunner.cli",
        kill_at: int = 0,
    ) -> Running:
        """Start `flowrunner WORDS`. `kill_at` ends it before its nth touch of disk or network."""
        out, err = (tempfile.TemporaryFile() for _ in "oe")  # noqa: SIM115  # closed by `wait`
        with tempfile.TemporaryFile() as given, ExitStack() as undo:
            given.write(stdin.encode())
            given.seek(0)
            undo.push(out)
            undo.push(err)
            pid, telling = self.nursery.start(
                [given.fileno(), out.fileno(), err.fileno()],
                words=words,
                environ={**self.environ, **(environ or {})},
                folder=str(folder or self.folder),
                module=module,
                kill_at=kill_at,
            )
            undo.pop_all()
        return Running(pid, telling, out, err)

    def run(self, *words: str, **more: Any) -> Done:
        """Run `flowrunner WORDS` to its end; see `start`."""
        return self.start(*words, **more).wait()

    def run_from_nothing(
        self, *words: str, environ: Mapping[str, str] | None = None, **more: Any
    ) -> Done:
        """Run `python -m flowrunner WORDS`, its interpreter and imports included.

        `environ` replaces the project's; `more` is for subprocess.
        """
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        done = subprocess.run(
            [sys.executable, "-m", "flowrunner", *words],
            **{"cwd": self.folder, "stdin": subprocess.DEVNULL, **pipes} | more,
            env=dict(self.environ if environ is None else environ),
            timeout=60,
            check=False,
        )
        out, err = done.stdout or b"", done.stderr or b""
        return Done(done.returncode, out.decode(), err.decode())

    def start_at_a_terminal(
        self, *words: str, size: tuple[int, int] = (24, 80), **environ: str
    ) -> Any:
        """Start `python -m flowrunner WORDS` where a person sits, before so many lines and columns;
        a pexpect.spawn."""
        return pytest.importorskip("pexpect").spawn(
            sys.executable,
            ["-m", "flowrunner", *words],
            cwd=str(self.folder),
            env={**self.environ, "TERM": "xterm", "NO_COLOR": "1", **environ},
            encoding="utf-8",
            timeout=30,
            dimensions=size,
        )

    @property
    def runs(self) -> list[Path]:
        """The folders of its runs, the newest first."""
        return list_runs(self.folder)

    @property
    def latest(self) -> Recorded:
        """What the newest run left behind."""
        return Recorded(self.runs[0])


@dataclass
class Recorded:
    """What a run left on disk."""

    folder: Path

    @cached_property
    def state(self) -> RunState:
        """The whole run as its journal adds it up, every record verified."""
        with Journal.open(self.folder) as journal:
            journal.verify()
            return journal.replay()

    @cached_property
    def events(self) -> list[Event]:
        """Everything that happened, with bodies."""
        with Journal.open(self.folder) as journal:
            return [event for _, event in journal.events(bodies=True)]

    @cached_property
    def report(self) -> dict[str, Any]:
        """Its `report.json`."""
        found: dict[str, Any] = json.loads((self.folder / "report.json").read_bytes())
        return found

    def sent(self) -> dict[str, CallSent]:
        """The announced POSTs but for those that surely never left, by client request id."""
        never = {str(e.address) for e in self.events if isinstance(e, CallNotSent)}
        return {
            event.client_request_id: event
            for event in self.events
            if isinstance(event, CallSent) and str(event.address) not in never
        }

    def step(self, name: str) -> dict[str, Any]:
        """A step of the report."""
        (found,) = (step for step in self.report["steps"] if step["unit"] == name)
        return dict(found)


def told_apart(some: Iterable[Project], everyone: Iterable[Project]) -> list[Project]:
    """Those of some projects whose runs a server that all share can tell from those of the others:
    the id of a run is the only one in its project, and no more."""
    ids = Counter(run.name for project in everyone for run in project.runs)
    return [each for each in some if all(ids[run.name] == 1 for run in each.runs)]


def posts(simulator: Simulator, run: str = "", step: str = "") -> list[Call]:
    """The paid kind of requests that the server saw: all, or those of a run or one step of it."""
    begin = f"{run}/{step}/" if step else run
    return [
        call
        for call in simulator.ledger
        if call.method == "POST" and (call.client_request_id or "").startswith(begin)
    ]


def check_books(run: Recorded, simulator: Simulator, *, crashed: bool = False) -> None:
    """Hold what the server saw against what the run says: requests, bodies, money.

    Where a program was `crashed`, a request may be announced that never arrived; never the other
    way round.
    """
    seen = posts(simulator, run.folder.name)
    arrived = {call.client_request_id: call for call in seen}
    sent = run.sent()
    assert len(arrived) == len(seen), "every POST has an id of its own"
    assert arrived.keys() == sent.keys() if not crashed else arrived.keys() <= sent.keys()
    for name, call in arrived.items():
        plain = {} if call.path.endswith("/compact") else {"stream": False}
        request = {**plain, **sent[str(name)].request}
        assert without_bytes(call.body) == without_bytes(request)
    calls = [call for step in run.state.steps.values() for call in step.calls]
    answered = {call.client_request_id: call for call in calls if call.state == "answered"}
    priced = [name for name, call in answered.items() if call.cost_usd is not None]
    paid = sum(arrived[name].cost_usd or 0.0 for name in priced)
    money = run.report["money"]
    assert abs(money["cost_usd"] - paid) < 1e-9
    assert len(money["unknown"]) == len(answered) - len(priced), "what has no price is named"
    listed = {line["client_request_id"] for line in money["possibly_billed"]}
    hidden = {name for name, call in arrived.items() if call.is_paid} - answered.keys()
    assert hidden <= listed, "what was perhaps paid for is named"
    assert sent.keys() - arrived.keys() <= listed, "so is what was announced by a crashed program"


def without_bytes(value: Any) -> Any:
    """A request with what its files are, for their bytes and for what the journal keeps of them."""
    if isinstance(value, dict):
        return {key: without_bytes(below) for key, below in value.items()}
    if isinstance(value, list):
        return [without_bytes(below) for below in value]
    mark = FileMark.read(value)
    if mark is not None:
        return (mark.media_type, mark.size, mark.sha256)
    if isinstance(value, str) and value.startswith("data:") and ";base64," in value:
        kind, _, encoded = value.removeprefix("data:").partition(";base64,")
        content = base64.b64decode(encoded)
        return (kind, len(content), hashlib.sha256(content).hexdigest())
    return value


def simulating(faults: list[dict[str, Any]] | None = None, **more: Any) -> Simulator:
    """A server in this process, with faults to order."""
    return Simulator(faults=FaultPlan.parse(faults) if faults else None, **more)


def kill(pid: int) -> None:
    """End a program as a loss of power would."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
