"""The run that a step is tried with: what it gave, and what of that is not what it would give now.

Nothing of it is asked for again, and nothing that was simulated is taken for something paid for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from flowrunner.commands.checking import today
from flowrunner.commands.trying.unit import Meant
from flowrunner.engine.plan import needed, thaw_file
from flowrunner.errors import FlowrunnerError, UsageError
from flowrunner.events import JSON, Event, ForEachBegan, Segment, StepFinished
from flowrunner.events.address import Address
from flowrunner.journal.journal import Journal
from flowrunner.journal.runs import find_run, list_runs
from flowrunner.journal.state import RunState, StepState
from flowrunner.language.load import load_text
from flowrunner.language.workflow import Workflow

_ENDED = ("succeeded", "failed", "skipped")


@dataclass(frozen=True)
class Source:
    """One run that may be tried with."""

    journal: Journal
    state: RunState

    @property
    def run(self) -> str:
        return self.state.run

    @cached_property
    def inputs(self) -> Mapping[str, JSON]:
        """The inputs of the run; secret ones are masked."""
        inputs: Mapping[str, JSON] = json.loads(self.journal.frozen("inputs"))
        return inputs

    def lacks(self, meant: Meant) -> str | None:
        """Why the unit cannot be tried with this run; None where it can."""
        for unit, step in meant.needed():
            mentions = f"`{meant.step.id}` mentions `{step.id}`"
            found = self.state.steps.get(unit)
            if found is None or found.status not in _ENDED:
                return f"{mentions}, of which the run {self.run} has no result"
            if found.status != "succeeded":
                return f"{mentions}, which {_ended(found)} in the run {self.run}"
        return None

    def given(self, workflow: Workflow, meant: Meant, at: float) -> Iterator[Event]:
        """What the run gave to the unit, as events of the try."""
        wanted = needed(workflow, meant.path[0].step)
        for unit, step in self.state.steps.items():
            address = Address.parse(unit)
            is_wanted = step.status in _ENDED and address.path[0].step in wanted
            if not is_wanted or not _is_beside(address.path, meant.path):
                continue
            if step.items is not None:
                yield ForEachBegan(at=at, address=address, items=step.items)
            yield self._end(step, address, at)

    def _end(self, step: StepState, address: Address, at: float) -> StepFinished:
        assert step.status is not None
        return StepFinished(
            at=at,
            address=address,
            verb=step.verb or "",
            status=step.status,
            reason=step.reason,
            message=step.message,
            help=step.help,
            fingerprint=step.fingerprint,
            reused_from=step.reused_from or f"{self.run}/{step.unit}",
            result=self.journal.result(step.unit),
        )

    def outdated(self, workflow: Workflow, meant: Meant) -> list[str]:
        """The steps whose results are taken and that were edited since."""
        began = self._began(workflow)
        if began is None:
            return []
        names = {step.id for _, step in meant.needed()}
        found = []
        for name in sorted(names):
            old, new = began.step(name), workflow.step(name)
            if old is None or new is None or began.written(old) != workflow.written(new):
                found.append(name)
        return found

    def _began(self, workflow: Workflow) -> Workflow | None:
        """The file as the run began with it; None where this version does not take it any more."""
        text = self.journal.frozen("workflow").decode()
        if text == workflow.document.text:
            return workflow
        files: Mapping[str, str] = json.loads(self.journal.frozen("files"))
        return load_text(text, workflow.shown, workflow.folder, today=today(), files=files)[0]


def _ended(step: StepState) -> str:
    return "was skipped" if step.status == "skipped" else "failed"


def _is_beside(path: tuple[Segment, ...], tried: tuple[Segment, ...]) -> bool:
    """Whether a unit is neither the tried one nor around or inside it, and can be seen from it."""
    for own, other in zip(path, tried, strict=False):
        if own.step != other.step:
            return True
        if own.item != other.item:
            return False
        if own.round != other.round:
            return own.round is not None and other.round is not None and own.round < other.round
    return False


def named(project: Path, spec: str, opened: ExitStack) -> Source:
    """The run that a person names. Raises UsageError."""
    journal = opened.enter_context(Journal.open(find_run(project, spec)))
    return Source(journal, journal.replay())


def newest(
    project: Path, workflow: Workflow, meant: Meant, opened: ExitStack, *, simulate: bool
) -> tuple[Source | None, str | None]:
    """The newest run of the file that has what the unit needs, or why the newest one has not.

    Runs that were simulated are passed over unless the try is simulated too.
    """
    why: str | None = None
    for folder in list_runs(project):
        with ExitStack() as here:
            try:
                journal = here.enter_context(Journal.open(folder))
                if not _is_of(journal, project, workflow):
                    continue
                if journal.summary().simulated and not simulate:
                    continue
                found = Source(journal, journal.replay())
            except UsageError:
                raise
            except FlowrunnerError:  # what cannot be read is passed over; `runs` names it
                continue
            lacks = found.lacks(meant.within(found.state.steps))
            if lacks is None:
                opened.push(here.pop_all())
                return found, None
            why = why or lacks
    return None, why


def _is_of(journal: Journal, project: Path, workflow: Workflow) -> bool:
    """Whether a run was one of this file."""
    began = project.joinpath(*thaw_file(journal.frozen("place").decode()))
    now = workflow.folder / Path(workflow.shown).name
    return began.resolve() == now.resolve()
