"""How a step, an item or a round comes to its end: a value that the journal's event is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flowrunner.errors import ExitStatus
from flowrunner.events import JSON, StepResult, StepStatus

PARTIAL = "items"
"""The reason of a good end in which something failed and the run went on: a resume looks again."""
MISSING_FILES = "files"
"""The reason of a good end of which a file could not be saved: a resume tries to save it again."""
LOOSE_ENDS = frozenset({PARTIAL, MISSING_FILES})
"""The reasons of good ends at which a resume looks again."""


@dataclass(frozen=True, slots=True)
class Ending:
    """An end. `result` is what later steps may read, `more` what a group, an item or a loop adds to
    it. `is_kept` says that the journal of an earlier process holds it already. `stops` is set where
    no other step can succeed either: nothing more is sent, and the run has that exit status."""

    status: StepStatus
    reason: str | None = None
    message: str | None = None
    help: str | None = None
    result: StepResult | None = None
    more: Mapping[str, JSON] = field(default_factory=dict)
    fingerprint: str | None = None
    reused_from: str | None = None
    is_kept: bool = False
    stops: ExitStatus | None = None

    def as_json(self) -> dict[str, JSON]:
        """The `result` of the journal's event."""
        result = self.result or StepResult(self.status)
        return result.as_json() | {"status": self.status} | dict(self.more)


def succeeded(result: StepResult | None = None, **more: JSON) -> Ending:
    """A good end."""
    return Ending("succeeded", result=result or StepResult("succeeded"), more=more)


def skipped(reason: str, message: str) -> Ending:
    """A step that is not run, and why."""
    return Ending("skipped", reason, message, result=StepResult("skipped"))


def failed(reason: str, message: str, help: str | None = None) -> Ending:  # noqa: A002
    """A step that failed before or without an answer."""
    error = {"kind": reason, "message": message, "partial": None}
    return Ending("failed", reason, message, help, StepResult("failed", error=error))
