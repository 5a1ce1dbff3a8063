"""What a journal keeps of the plan that its run began with, and what of it is no longer so.

What goes on from there is left to `running`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from flowrunner.commands.changes import (
    Change,
    changed_attachments,
    changed_inputs,
    changed_table,
    changed_texts,
    new_files,
    paths_of,
)
from flowrunner.commands.checking import load_valid, today
from flowrunner.commands.freezing import freeze
from flowrunner.commands.viewing import Viewer
from flowrunner.engine.plan import Plan, thaw_settings
from flowrunner.errors import ExitStatus, JournalUnusable, UsageError
from flowrunner.events import JSON
from flowrunner.journal.journal import Journal
from flowrunner.journal.runs import HOME
from flowrunner.journal.state import RunState
from flowrunner.language.load import load_text
from flowrunner.language.providers import Providers
from flowrunner.language.workflow import Input, Workflow
from flowrunner.project.folders import find_project
from flowrunner.project.inputs import Given, read_sourced
from flowrunner.project.loading import Loader, UnusableFiles
from flowrunner.project.sources import Source, thaw_sources
from flowrunner.secrets import Scrubber

_REFROZEN = ("workflow", "files", "inputs", "sources", "graph", "attached")


def project_of(folder: Path) -> Path:
    """The project that a run folder stands in; of a copied one, the project it was copied to."""
    above = folder.absolute().parents
    inside = len(above) > 2 and above[1].name == HOME
    return above[2] if inside else find_project(folder)


@dataclass(frozen=True)
class Kept:
    """What a journal keeps of a plan; also where the process ended before its first record.

    `scrubber` keeps the secrets of the operator out of what is read again and shown; `providers`
    are those that an edited file may name.
    """

    journal: Journal
    state: RunState
    project: Path
    scrubber: Scrubber = field(default_factory=lambda: Scrubber(()))
    providers: Providers | None = None

    @cached_property
    def place(self) -> Mapping[str, str]:
        """`folder` of the workflow, relative to the project, and the path as it is `shown`."""
        place: Mapping[str, str] = json.loads(self.journal.frozen("place"))
        return place

    @property
    def folder(self) -> Path:
        """The workflow's folder."""
        return self.project / self.place["folder"]

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """What was edited, added or taken away since the run began, as far as the run sees it."""
        name = Path(self.place["shown"]).name
        kept = {name: self.journal.frozen("workflow").decode(), **self._texts}
        found = [*changed_texts(self.folder, kept), *changed_inputs(self.folder, self._inputs)]
        found += changed_attachments(self.folder, self._attached)
        return (*found, *self._changed_sources())

    def show(self, viewer: Viewer) -> None:
        """Show the changes to a person."""
        for change in self.changes:
            viewer.progress("\n".join(map(self.scrubber.scrub, change.lines())))

    def refusal(self) -> UsageError:
        """Why nothing goes on with changes that nobody accepted."""
        names = ", ".join(f"`{change.name}`" for change in self.changes)
        return UsageError(
            f"since the run began {names} changed; nothing was sent",
            help="`flowrunner resume --accept-changes` goes on with what is there now and does "
            "again exactly what the changes touch; or put the files back as they were",
        )

    def plan(self, viewer: Viewer) -> Plan:
        """The plan to go on with, with all changes taken in; its settings are those of the run."""
        settings = thaw_settings(self.journal.frozen("settings").decode())
        settings = replace(settings, until=None if self._is_reached else settings.until)
        plan = Plan(
            run=self.state.run or self.journal.folder.name,
            started_at=self.state.started_at or self.journal.created_at,
            workflow=self._edited(viewer) if self.changes else self._workflow,
            inputs=self._inputs,
            settings=replace(settings, recheck=bool(self.changes) or self._is_marked),
        )
        return self._accepted(plan) if self.changes else plan

    @property
    def _is_reached(self) -> bool:
        """Whether all that was wanted of the run so far is done, and a resume means the rest."""
        return self.state.exit_status in (ExitStatus.DONE, ExitStatus.ITEMS_FAILED)

    @cached_property
    def _texts(self) -> Mapping[str, str]:
        texts: Mapping[str, str] = json.loads(self.journal.frozen("files"))
        return texts

    @cached_property
    def _inputs(self) -> Mapping[str, JSON]:
        inputs: Mapping[str, JSON] = json.loads(self.journal.frozen("inputs"))
        return inputs

    @cached_property
    def _attached(self) -> Mapping[str, str]:
        """The files that steps attach, as the run found them; of none in an older journal."""
        if "attached" not in self.journal.frozen_names():
            return {}
        found: Mapping[str, str] = json.loads(self.journal.frozen("attached"))
        return found

    @cached_property
    def _sources(self) -> Mapping[str, Source]:
        if "sources" not in self.journal.frozen_names():
            return {}
        return thaw_sources(self.journal.frozen("sources").decode())

    def _changed_sources(self) -> Iterator[Change]:
        """Files that are new where a pattern was, and tables with other rows."""
        if not self._sources:
            return
        declared = {known.name: known for known in self._workflow.inputs}
        for name, source in self._sources.items():
            begin, kept = self.folder / source.folder, self._inputs[name]
            try:
                if source.kind == "files":
                    found = Loader(self.folder).matches(source.written, begin)
                    yield from new_files(self.folder, found, kept)
                else:
                    path = source.written[0]
                    rows = Loader(self.folder).table(path, begin, declared[name].shape)
                    yield from changed_table(path, kept, self.scrubber.scrub_json(rows))
            except UnusableFiles as fault:
                yield Change(source.written[0], "", None, "; ".join(fault.sentences))

    @cached_property
    def _workflow(self) -> Workflow:
        text = self.journal.frozen("workflow").decode()
        day = today()
        shown = self.place["shown"]
        found, said = load_text(text, shown, self.folder, today=day, files=self._texts)
        if found is None:
            run = self.journal.folder.name
            first = next((one.message for one in said if one.severity == "error"), "")
            raise JournalUnusable(
                f"the run {run} began with a workflow that this version does not take: {first}",
                help="start a new run",
            )
        return found

    def _edited(self, viewer: Viewer) -> Workflow:
        path = self.folder / Path(self.place["shown"]).name
        return load_valid(Path(os.path.relpath(path)), viewer.colour, self.providers)[0]

    def _accepted(self, plan: Plan) -> Plan:
        """The plan with its inputs as they are now, which from now on is the one that is kept."""
        inputs, sources = self._read_again(plan.workflow)
        plan = replace(plan, inputs=inputs)
        frozen = freeze(plan, self.project, Scrubber(()), sources)  # inputs are masked already
        kept = {name: frozen[name] for name in _REFROZEN} | {"settings": self._marked()}
        self.journal.refreeze(kept)
        return plan

    def _read_again(self, workflow: Workflow) -> tuple[Mapping[str, JSON], Mapping[str, Source]]:
        """The inputs as before, files and tables as they are now."""
        top = workflow.folder
        values: dict[str, JSON] = {}
        sources: dict[str, Source] = {}
        faults: list[str] = []
        for known in workflow.inputs:
            given = self._given(known, top)
            if given is None:
                was = known.name in self._inputs
                values |= {known.name: self._inputs[known.name]} if was else {}
                continue
            try:
                read = read_sourced([known], given)
            except UsageError as fault:
                faults.append(fault.message)
                continue
            values |= self.scrubber.scrub_json(read.values)
            sources |= read.sources
        if faults:
            raise UsageError("\n".join(faults))
        return values, sources

    def _given(self, known: Input, top: Path) -> Given | None:
        """What an input is read from again; None for what stays as it was, or is secret."""
        if known.secret:
            return None
        if known.name not in self._inputs:
            return Given(values={}, folder=top, workflow_folder=top)
        source = self._sources.get(known.name)
        if source is not None and source.kind == known.shape.kind:
            written = source.written[0] if source.kind == "table" else list(source.written)
            folder = top / source.folder
            return Given(values={known.name: written}, folder=folder, workflow_folder=top)
        paths = paths_of(self._inputs[known.name])
        if paths is None:
            return None
        return Given(values={known.name: paths}, folder=top, workflow_folder=top)

    @property
    def _is_marked(self) -> bool:
        """Whether changes were accepted before: what is done may still be that of the old files."""
        return bool(json.loads(self.journal.frozen("settings"))["recheck"])

    def _marked(self) -> str:
        settings = json.loads(self.journal.frozen("settings"))
        return json.dumps(settings | {"recheck": True}, ensure_ascii=False)
