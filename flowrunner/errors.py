"""What stops the program: the exception tree and the exit statuses.

What an author wrote wrong is not an exception but a `Diagnostic`; see `flowrunner.diagnostics`.

    FlowrunnerError
    ├── UsageError            2   wrong command line or inputs
    ├── InvalidWorkflow       3   the file has mistakes; nothing was sent
    ├── EnvironmentFault      4   key, quota, disk, network
    ├── RunBusy               7   another process owns this run
    └── JournalUnusable      10   the journal is damaged, foreign or from another version
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum


class ExitStatus(IntEnum):
    """The exit statuses of every command; the numbers never change their meaning."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    INVALID = 3
    ENVIRONMENT = 4
    BUDGET = 5
    ITEMS_FAILED = 6
    BUSY = 7
    HELD = 8
    WAITING = 9
    JOURNAL = 10
    BUG = 70
    INTERRUPTED = 130
    TERMINATED = 143


_BY_WEIGHT = (
    ExitStatus.BUG,
    ExitStatus.JOURNAL,
    ExitStatus.INTERRUPTED,
    ExitStatus.TERMINATED,
    ExitStatus.ENVIRONMENT,
    ExitStatus.HELD,
    ExitStatus.BUDGET,
    ExitStatus.FAILED,
    ExitStatus.WAITING,
    ExitStatus.ITEMS_FAILED,
    ExitStatus.DONE,
)


def weightiest(statuses: Iterable[ExitStatus]) -> ExitStatus:
    """The one status to exit with when several apply; `DONE` when none does."""
    present = set(statuses)
    return next((status for status in _BY_WEIGHT if status in present), ExitStatus.DONE)


class FlowrunnerError(Exception):
    """Base of all that ends a command with a sentence.

    `message` is one whole sentence for a person, without a secret in it; `help` says what to do.
    """

    exit_status = ExitStatus.BUG

    def __init__(self, message: str, *, help: str | None = None) -> None:  # noqa: A002
        super().__init__(message)
        self.message = message
        self.help = help


class UsageError(FlowrunnerError):
    """The command line or an input is wrong."""

    exit_status = ExitStatus.USAGE


class InvalidWorkflow(FlowrunnerError):
    """A workflow file has mistakes that were already shown as diagnostics."""

    exit_status = ExitStatus.INVALID


class EnvironmentFault(FlowrunnerError):
    """The surroundings do not allow the work: key, quota, disk, network."""

    exit_status = ExitStatus.ENVIRONMENT


class RunBusy(FlowrunnerError):
    """Another living process owns the run."""

    exit_status = ExitStatus.BUSY


class JournalUnusable(FlowrunnerError):
    """A journal cannot be trusted: damaged, of another version, or taken over."""

    exit_status = ExitStatus.JOURNAL
