"""How a run ended, in one look: status, a sentence, what to do, and the tallies.

What each step says for itself is left to the steps; this is what stands above them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from flowrunner.errors import ExitStatus
from flowrunner.events import JSON, StepStatus
from flowrunner.journal.state import RunState, StepState
from flowrunner.report.figures import counted, iso_utc
from flowrunner.report.nesting import waiting_for_people
from flowrunner.report.record import ActiveClock
from flowrunner.report.survey import Spend, tokens

EXIT_MEANINGS = {
    ExitStatus.DONE: "done",
    ExitStatus.FAILED: "a step failed",
    ExitStatus.USAGE: "wrong command line or inputs",
    ExitStatus.INVALID: "the workflow is invalid; nothing was sent",
    ExitStatus.ENVIRONMENT: "key, quota, disk or network; nothing more was sent",
    ExitStatus.BUDGET: "stopped by budget or policy",
    ExitStatus.ITEMS_FAILED: "done, with failed items",
    ExitStatus.BUSY: "already running",
    ExitStatus.HELD: "held: a call's outcome is unknown",
    ExitStatus.WAITING: "waiting for a person, a background response or a batch",
    ExitStatus.JOURNAL: "the journal is unusable",
    ExitStatus.BUG: "a fault of flowrunner itself",
    ExitStatus.INTERRUPTED: "interrupted; can be resumed",
    ExitStatus.TERMINATED: "terminated; can be resumed",
}
_NAMED = 5
_STATUSES: tuple[StepStatus, ...] = (
    "succeeded",
    "failed",
    "skipped",
    "cancelled",
    "waiting",
    "unknown",
    "running",
)


def verdict(
    state: RunState, clock: ActiveClock, tally: dict[str, int], spend: Spend
) -> dict[str, JSON]:
    """The `verdict` of a report."""
    exit_status = state.exit_status if state.is_finished else None
    return {
        "status": state.status,
        "exit_status": None if exit_status is None else int(exit_status),
        "exit_meaning": None if exit_status is None else EXIT_MEANINGS[exit_status],
        "sentence": _sentence(state, tally),
        "help": _help(state),
        "started_at": iso_utc(state.started_at or 0.0),
        "ended_at": None if state.ended_at is None else iso_utc(state.ended_at),
        "elapsed_s": round(clock.length_s, 3),
        "cost_usd": spend.rounded_usd,
        "cost_is_complete": spend.is_complete,
        "possibly_billed": spend.possibly_billed,
        "tokens": tokens(spend.usage),
        "tokens_are_complete": not spend.uncounted,
        "left_out": list(state.left_out),
        "tally": tally,
    }


def tally_of(steps: Iterable[StepState]) -> dict[str, int]:
    """How many steps have which status."""
    listed = list(steps)
    counts = Counter(step.status for step in listed)
    return {
        "total": len(listed),
        **{status: counts[status] for status in _STATUSES},
        "not_started": counts[None],
        "reused": sum(is_reused(step.status, step.reason) for step in listed),
    }


def is_reused(status: str | None, reason: str | None) -> bool:
    """Whether a step took its result from an earlier run."""
    return status == "succeeded" and reason == "reused"


def is_resumable(state: RunState) -> bool:
    """Whether anything is left that `resume` could do."""
    if state.given_up_by is not None:
        return False
    is_partial = state.exit_status is ExitStatus.ITEMS_FAILED or bool(state.left_out)
    return state.status != "succeeded" or is_partial


def tally_words(tally: dict[str, int]) -> list[str]:
    """The tallies that are not zero, in words: `["3 ran", "1 skipped"]`."""
    words = {
        "succeeded": "ran",
        "reused": "reused",
        "failed": "failed",
        "skipped": "skipped",
        "cancelled": "cancelled",
        "waiting": "waiting",
        "unknown": "of unknown outcome",
        "running": "unfinished",
        "not_started": "not started",
    }
    shown = tally | {"succeeded": tally["succeeded"] - tally["reused"]}
    return [f"{shown[key]:,} {word}" for key, word in words.items() if shown[key]]


def _sentence(state: RunState, tally: dict[str, int]) -> str:
    if state.status == "running":
        return "No end is recorded: the run is still going, or its process died."
    if state.status == "succeeded":
        return state.message or _good_sentence(state, tally)
    if state.status == "waiting":
        return _waiting_sentence(state)
    return state.message or _plain_sentence(state, tally)


def _good_sentence(state: RunState, tally: dict[str, int]) -> str:
    words = tally_words(tally)
    lead = "Everything was done"
    if state.exit_status is ExitStatus.ITEMS_FAILED:
        lead = "Done, but not everything succeeded"
    return f"{lead}: {', '.join(words)}." if words else f"{lead}."


def failed_sentence(tally: dict[str, int]) -> str:
    """How many steps failed."""
    return f"{tally['failed']:,} of {counted(tally['total'], 'step')} failed."


def _plain_sentence(state: RunState, tally: dict[str, int]) -> str:
    return {
        "failed": failed_sentence(tally),
        "interrupted": "The run was interrupted.",
        "held": "A request was sent and its outcome is not known: it may have been billed.",
        "stopped": "The run was stopped by its budget or a policy.",
    }.get(state.status, "The run ended.")


def _waiting_sentence(state: RunState) -> str:
    asking = [f"`{step.unit}`" for step in waiting_for_people(state.steps.values())]
    if not asking:
        return state.message or "The run waits for a person, a background response or a batch."
    more = f" and {len(asking) - _NAMED:,} more" if len(asking) > _NAMED else ""
    return f"It waits for somebody to agree to {', '.join(asking[:_NAMED])}{more}."


def _help(state: RunState) -> str | None:
    asking = state.status == "waiting" and waiting_for_people(state.steps.values())
    if state.help and not asking:
        return state.help
    if not is_resumable(state):
        return None
    if state.status == "succeeded":
        return "Resuming asks again for what failed; what is done is kept and not paid again."
    if asking:
        return "Agree, or with `--deny` do not; then the run can go on."
    if state.status == "running":
        return "If nothing is running any more, it can go on: finished steps are kept."
    return "It can go on from here: finished steps are kept and not paid again."
