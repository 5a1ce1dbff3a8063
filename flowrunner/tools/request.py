"""What is to be started, how it ended, and why it could not start: plain values.

Starting it is left to `command`, telling its end to people to `words`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

CAP_BYTES = 16 * 1024 * 1024
"""What a program may write to stdout unless the caller says otherwise."""

STDERR_BYTES = 64 * 1024
"""How much of the end of stderr is kept."""


class CannotStart(Exception):
    """A program was not started. `message` is one sentence for people, `help` says what to do."""

    def __init__(self, message: str, *, help: str | None = None) -> None:  # noqa: A002
        super().__init__(message)
        self.message = message
        self.help = help


class NoSuchProgram(CannotStart):
    """Under its name no program was found."""


@dataclass(frozen=True)
class CommandRequest:
    """One program to start, without a shell.

    `argv` is the program and its arguments, each arriving as it is. `folder` is where it starts,
    and what a program written with a slash is relative to. `env` is its whole environment.
    `stdin` is all that it can read; None means that it reads nothing. After `timeout_s` seconds
    on the clock, or `cap_bytes` of stdout, it is ended with all that it started. `memory_bytes` is
    what each of its programs may fill; on systems that know no such limit it is not held.
    """

    argv: tuple[str, ...]
    folder: Path
    env: Mapping[str, str] = field(repr=False)
    stdin: bytes | None = field(repr=False)
    timeout_s: float
    cap_bytes: int = CAP_BYTES
    memory_bytes: int | None = None


@dataclass(frozen=True)
class CommandEnd:
    """How a program ended.

    Exactly one of `status` and `signal` is a number, unless the system would not let the program
    go even when killed: then both are None. `stdout` holds at most `cap_bytes`, `stderr` the last
    STDERR_BYTES. `truncated`: it wrote more than `cap_bytes` and was ended. `timed_out`: it was
    ended at its deadline. `left_behind`: it ended itself, but a program that it had started kept
    the output open and was ended; what that one would still have written is missing.
    """

    program: str
    status: int | None
    signal: int | None
    stdout: bytes = field(repr=False)
    stderr: bytes = field(repr=False)
    truncated: bool
    timed_out: bool
    left_behind: bool
    elapsed_s: float
    timeout_s: float
    cap_bytes: int

    @property
    def succeeded(self) -> bool:
        """Whether it ended by itself, in time and within its cap, with exit status 0."""
        return self.status == 0 and not self.truncated and not self.timed_out
