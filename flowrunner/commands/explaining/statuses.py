"""Each exit status in words: what happened, and what to do then."""

from __future__ import annotations

from flowrunner.errors import ExitStatus

STATUSES: dict[ExitStatus, tuple[str, str]] = {
    ExitStatus.DONE: ("Done: everything that was asked for is there.", "Nothing is left to do."),
    ExitStatus.FAILED: (
        "A step failed, so the run stopped; or `fmt --check` found a file that would change.",
        "`flowrunner show` says which step and why; `resume` goes on and pays for what is left.",
    ),
    ExitStatus.USAGE: (
        "The command line or an input is wrong; nothing was sent.",
        "`flowrunner COMMAND --help` shows what it takes.",
    ),
    ExitStatus.INVALID: (
        "The workflow has mistakes; nothing was sent.",
        "`flowrunner validate` shows all of them; `flowrunner explain CODE` tells more of one.",
    ),
    ExitStatus.ENVIRONMENT: (
        "Something is missing around the run: key, quota, disk, network. Nothing more was sent.",
        "`flowrunner doctor` says what; `flowrunner resume` goes on.",
    ),
    ExitStatus.BUDGET: (
        "The run stopped by its budget or a policy, before it would have cost more.",
        "Raise `budget` or `--max-cost`, then `flowrunner resume`.",
    ),
    ExitStatus.ITEMS_FAILED: (
        "Done, with failures that the file allows (`on_error: continue`).",
        "`flowrunner show` lists what failed; `flowrunner resume` tries it again.",
    ),
    ExitStatus.BUSY: (
        "Another process works on this run.",
        "Wait for it, or end it; a run that was killed is free at once.",
    ),
    ExitStatus.HELD: (
        "Held: a request was sent, its answer is not known, and asking again could pay twice.",
        "Look for its ids in the provider's log; `resume --on-unknown retry_once` asks again.",
    ),
    ExitStatus.WAITING: (
        "Waiting for a person, or for a response in the background.",
        "`flowrunner approve RUN STEP`, or `flowrunner resume` later to collect the response.",
    ),
    ExitStatus.JOURNAL: (
        "The journal of the run is damaged, or from another version; nothing was sent.",
        "The folder of the run says what was done; begin a new run.",
    ),
    ExitStatus.BUG: (
        "A mistake in flowrunner, not in your files.",
        "Please report the lines that were printed; nothing that was paid for is lost.",
    ),
    ExitStatus.INTERRUPTED: (
        "Interrupted, by Ctrl-C for one.",
        "`flowrunner resume` goes on.",
    ),
    ExitStatus.TERMINATED: (
        "Ended by a signal, by a shutdown for one.",
        "`flowrunner resume` goes on.",
    ),
}
"""What each status means and what to do, in two sentences."""


def status_lines(status: ExitStatus) -> list[str]:
    """What is to be said of one status, unwrapped."""
    meaning, advice = STATUSES[status]
    return [f"Exit status {int(status)}", f"  {meaning}", f"  {advice}"]
