"""`start_program`: the one way to start a program, without a shell; `run_command`: to its end.

`run_command` holds it to a deadline and a cap. Which steps and tools start one, and what follows
from its end, is left to others.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, TypeVar

from flowrunner.platform import file_of, limit_memory, new_group_options
from flowrunner.tools.child import Child, Patience, to_its_end, within
from flowrunner.tools.programs import find_program, quoted, refused
from flowrunner.tools.request import CannotStart, CommandEnd, CommandRequest

_PATIENCE = Patience()
ChildT = TypeVar("ChildT", bound=Child)


async def run_command(request: CommandRequest, *, patience: Patience = _PATIENCE) -> CommandEnd:
    """Start a program, feed it, and return how it ended, when nothing that it started is left.

    The argument list reaches the program as it is: no shell reads it. Both outputs are drained all
    the while, so none can block it. It is ended, with every program that it started and that did
    not leave its group on purpose, at its deadline, above its cap, after its own end, and when the
    caller is cancelled (which then goes on). A second cancellation ends it at once.

    Raises CannotStart, and NoSuchProgram of that kind, when nothing was started.
    """
    clock = asyncio.get_running_loop().time
    started_s = clock()
    with _input(request) as stdin:
        child = await start_program(request, stdin, lambda: Child(request.cap_bytes), patience)
    try:
        in_time = await within(started_s + request.timeout_s - clock(), child.notable)
        elapsed_s = clock() - started_s
        if child.has_exited:
            await child.listen_out(patience.linger_s)
    finally:
        await child.end(patience)
    return _end(request, child, elapsed_s, timed_out=not in_time)


async def start_program(
    request: CommandRequest,
    stdin: IO[bytes] | int,
    make: Callable[[], ChildT],
    patience: Patience = _PATIENCE,
) -> ChildT:
    """Start a program that `make` gives the watcher of; the caller is to end it.

    Where the caller is cancelled meanwhile it has ended, if it ever began. Raises CannotStart.
    """
    program = find_program(request)
    starting = asyncio.create_task(_spawn(program, request, stdin, make))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        # Cut off half-way the program might live on unknown: it is started, then ended.
        try:
            await to_its_end(starting)
        finally:
            if not starting.cancelled() and starting.exception() is None:
                await starting.result().end(patience)
        raise


def _input(request: CommandRequest) -> AbstractContextManager[IO[bytes] | int]:
    # A file, not a pipe: whatever the program reads of it and when, nobody waits for anybody, and
    # `/dev/stdin` can be opened by name.
    if not request.stdin:
        return nullcontext(subprocess.DEVNULL)
    try:
        return file_of(request.stdin)
    except OSError as fault:
        raise CannotStart(
            f"{quoted(request.argv[0])} did not start: there is no room for its "
            f"{len(request.stdin):,} bytes of input",
            help="free memory or disk space, or pass less by `stdin`",
        ) from fault


async def _spawn(
    program: Path, request: CommandRequest, stdin: IO[bytes] | int, make: Callable[[], ChildT]
) -> ChildT:
    try:
        _, child = await asyncio.get_running_loop().subprocess_exec(
            make,
            str(program),
            *request.argv[1:],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=request.folder,
            env=dict(request.env),
            close_fds=True,
            **new_group_options(),
        )
    except OSError as fault:
        raise refused(request, fault) from fault
    if request.memory_bytes is not None:
        limit_memory(child.pid, request.memory_bytes)
    return child


def _end(request: CommandRequest, child: Child, elapsed_s: float, *, timed_out: bool) -> CommandEnd:
    code = child.returncode
    return CommandEnd(
        program=request.argv[0],
        status=code if code is not None and code >= 0 else None,
        signal=-code if code is not None and code < 0 else None,
        stdout=child.stdout,
        stderr=child.stderr,
        truncated=child.truncated,
        timed_out=timed_out,
        left_behind=child.left_behind,
        elapsed_s=elapsed_s,
        timeout_s=request.timeout_s,
        cap_bytes=request.cap_bytes,
    )
