"""Run, wait for a save, run again what it touched: answers to the same requests are taken over.

A save amid a run lets what is under way come to its end, starts nothing more, and runs again: what
was paid for is taken over then.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from flowrunner.commands.checking import find_file
from flowrunner.commands.people import Ask
from flowrunner.commands.rerunning.reads import Reads
from flowrunner.commands.rerunning.saves import Saves
from flowrunner.commands.running import RunOptions, start
from flowrunner.commands.viewing import Viewer
from flowrunner.commands.wishes import ANY
from flowrunner.engine.plan import Plan
from flowrunner.errors import ExitStatus, FlowrunnerError, InvalidWorkflow, UsageError
from flowrunner.journal.state import RunState
from flowrunner.language.workflow import Input, Workflow
from flowrunner.project.input_file import STDIN
from flowrunner.project.inputs import Given, Sourced
from flowrunner.project.settings import Settings as Operator
from flowrunner.report.figures import counted, money
from flowrunner.visible import error_text, visible

LOOK_S = 0.25
_NAMED = 3


@dataclass(slots=True)
class Watcher:
    """Follows the goes of one watch: what they read, what they cost. A run calls it."""

    reads: Reads
    saves: Saves
    is_agreed: bool
    goes: int = 0
    cost_usd: float = 0.0
    is_priced: bool = True
    simulated: bool = False
    is_edited: bool = False

    def begins(self, workflow: Workflow, read: Sourced, operator: Operator, plan: Plan) -> None:
        """A run is about to begin. Raises UsageError where it would change things each time."""
        self.reads.take(workflow, read, operator)
        self.saves.widen()
        acting = [step.id for step in plan.steps if step.has_effects]
        if acting and not self.is_agreed:
            raise UsageError(
                f"`{acting[0]}` may change things outside, and would with every save; nothing was "
                "started",
                help="`--until STEP` leaves it out, `--may-act` lets it, `changes_things: false` "
                "in the step says that it changes nothing",
            )

    def is_saved(self) -> bool:
        """Whether something that counts was saved since the run began."""
        self.is_edited = bool(self.saves.changed())
        return self.is_edited

    def ended(self, state: RunState) -> None:
        """A run came to its end."""
        totals = state.totals
        self.goes += 1
        self.simulated = state.simulated
        self.cost_usd += totals.cost_usd
        self.is_priced &= not (totals.unknown_cost_calls or totals.lost_calls)

    def line(self) -> str:
        """What is watched, and what it cost so far."""
        files = counted(self.saves.there, "file")
        spent = "simulated" if self.simulated else money(self.cost_usd)
        more = "" if self.is_priced or self.simulated else " + unknown"
        goes = counted(self.goes, "run")
        return f"Watching {files} · {goes} · {spent}{more} · Ctrl-C ends"


@dataclass(slots=True)
class _Answers:
    """What a person answered once is not asked again."""

    ask: Callable[[Input], str]
    known: dict[str, str] = field(default_factory=dict)

    def __call__(self, wanted: Input) -> str:
        if wanted.name not in self.known:
            self.known[wanted.name] = self.ask(wanted)
        return self.known[wanted.name]


def watch(
    workflow: Path,
    given: Given,
    options: RunOptions,
    viewer: Viewer,
    ask: Ask | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> ExitStatus:
    """Run a workflow, and again with each save, until Ctrl-C; the exit status of the last run.

    `sleep` waits for so many seconds. Raises UsageError for what cannot be watched.
    """
    _check(given, options)
    find_file(workflow)
    given = replace(given, ask=None if given.ask is None else _Answers(given.ask))
    path = Path(os.path.abspath(workflow))  # noqa: PTH100
    reads = Reads(path, given)
    watcher = Watcher(reads, Saves(reads), is_agreed=options.may_act)
    status = ExitStatus.DONE
    try:
        while True:
            status = _go(workflow, given, options, watcher, viewer, ask)
            is_signal = status in (ExitStatus.INTERRUPTED, ExitStatus.TERMINATED)
            if is_signal and not watcher.is_edited:
                return status
            options = replace(options, reuse=options.reuse or ANY, yes=True, force=())
            if _is_spent(options, watcher, status):
                viewer.progress("\nThe bound of `--max-cost` is reached: nothing more is watched.")
                return ExitStatus.BUDGET
            viewer.progress(f"\n{watcher.line()}")
            _tell(_next_save(watcher, sleep), viewer)
    except KeyboardInterrupt:
        return status


def _check(given: Given, options: RunOptions) -> None:
    """Raises UsageError for what does not go together with watching."""
    once = [pair for pair in given.pairs if pair.partition("=")[2] == f"@{STDIN}"]
    if given.inputs_file == STDIN or once:
        raise UsageError(
            "`--watch` reads inputs again and again, and standard input can be read once",
            help="put them into a file",
        )
    if options.as_json:
        raise UsageError("`--watch` makes many runs, and `--json` prints one document")


def _go(
    workflow: Path,
    given: Given,
    options: RunOptions,
    watcher: Watcher,
    viewer: Viewer,
    ask: Ask | None,
) -> ExitStatus:
    """One run; a mistake is told, and waits for the next save."""
    watcher.is_edited = False
    watcher.saves.begin()
    if options.max_cost_usd is not None:
        options = replace(options, max_cost_usd=options.max_cost_usd - watcher.cost_usd)
    try:
        return start(workflow, given, options, viewer, ask, watcher)
    except InvalidWorkflow as error:
        viewer.progress(error.message)
        status = error.exit_status
    except FlowrunnerError as error:
        viewer.progress(error_text(error.message, error.help))
        status = error.exit_status
    watcher.reads.has_mistakes = True
    watcher.saves.widen()
    return status


def _is_spent(options: RunOptions, watcher: Watcher, status: ExitStatus) -> bool:
    """Whether the bound of the command line, which is one for all runs, leaves nothing to do."""
    if options.max_cost_usd is None:
        return False
    return status is ExitStatus.BUDGET or watcher.cost_usd >= options.max_cost_usd


def _next_save(watcher: Watcher, sleep: Callable[[float], None]) -> Sequence[Path]:
    while not (saved := watcher.saves.changed()):
        sleep(LOOK_S)
    return saved


def _tell(saved: Sequence[Path], viewer: Viewer) -> None:
    names = [visible(os.path.relpath(path)) for path in saved[:_NAMED]]
    more = f" and {len(saved) - _NAMED} more" if len(saved) > _NAMED else ""
    rule = "──" if viewer.utf8 else "--"
    viewer.progress(f"\n{rule} {', '.join(names)}{more} saved {rule}\n")
