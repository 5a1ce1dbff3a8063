"""How a step comes to its end: a value that the journal's event is made of."""

from __future__ import annotations

from dataclasses import dataclass

from flowrunner.events import StepResult, StepStatus


@dataclass(frozen=True, slots=True)
class Ending:
    """A step's end. `result` is what later steps may read; with `stops_run` no other step can
    succeed either, so that nothing more is sent."""

    status: StepStatus
    reason: str | None = None
    message: str | None = None
    help: str | None = None
    result: StepResult | None = None
    stops_run: bool = False


def skipped(reason: str, message: str) -> Ending:
    """A step that is not run, and why."""
    return Ending("skipped", reason, message, result=StepResult("skipped"))


def failed(reason: str, message: str, help: str | None = None) -> Ending:  # noqa: A002
    """A step that failed before or without a request."""
    error = {"kind": reason, "message": message, "partial": None}
    return Ending("failed", reason, message, help, StepResult("failed", error=error))
