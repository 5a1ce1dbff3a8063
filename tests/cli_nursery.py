"""Programs forked from one that has imported flowrunner: processes of their own, with their own
streams, environment, signals and exit status, without paying for the imports every time.

Started as `python -m tests.cli_nursery FD` by `tests.cli_world`, which says what a program is to
do; that the command starts from nothing as well is left to the tests that start it so.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import socket
import sys
import time
from typing import Any

PRELOADED = (
    "flowrunner.cli.authoring",
    "flowrunner.cli.beginning",
    "flowrunner.cli.entry",
    "flowrunner.cli.explaining",
    "flowrunner.cli.formatting",
    "flowrunner.cli.looking",
    "flowrunner.cli.running",
    "flowrunner.cli.starting",
    "flowrunner.cli.testing",
    "tests.crash_driver",
)
_LONGEST = 1 << 20


def main() -> None:
    """Fork a program for every connection, until the other end is closed."""
    listening = socket.socket(fileno=int(sys.argv[1]))
    for name in PRELOADED:
        importlib.import_module(name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        order, fds, _, _ = socket.recv_fds(listening, _LONGEST, 4)
        if not order:
            return
        if os.fork() == 0:
            listening.close()
            _watch(json.loads(order), fds)
        for fd in fds:
            os.close(fd)


def _watch(order: dict[str, Any], fds: list[int]) -> None:
    """Fork the program, tell its pid and, when it has ended, its exit status. Never returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *streams, telling = fds
    pid = os.fork()
    if pid == 0:
        os.close(telling)
        _be(order, streams)
    for fd in streams:
        os.close(fd)
    os.write(telling, f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    os.write(telling, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _be(order: dict[str, Any], streams: list[int]) -> None:
    """Become the program: its streams, its folder, its environment, its words. Never returns."""
    status = 70
    try:
        for number, fd in enumerate(streams):
            os.dup2(fd, number)
            os.close(fd)
        os.chdir(order["folder"])
        os.environ.clear()
        os.environ.update(order["environ"])
        time.tzset()
        if order["kill_at"]:
            _kill_at(order["kill_at"])
        sys.argv = ["flowrunner", *order["words"]]
        importlib.import_module(order["module"]).main()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)


_TOUCHING = ("os.mkdir", "os.rename", "tempfile.mkstemp", "sqlite3.connect", "socket.connect")


def _kill_at(number: int) -> None:
    """End this program, as a loss of power would, before it touches disk or network for the
    `number`th time."""
    left = number

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT
        if event in _TOUCHING or writes:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


if __name__ == "__main__":
    main()
