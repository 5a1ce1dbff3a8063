"""What a prompt step attaches: each path judged by whom it comes from, its file read and described.

In the request a file is a mark (`FileMark`); its bytes are put in its place by `outgoing`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flowrunner.catalog import media
from flowrunner.engine.artefacts import ARTEFACTS
from flowrunner.engine.place import FileRun, GivenFile
from flowrunner.engine.units import Unit
from flowrunner.events import JSON
from flowrunner.language.attachments import (
    Attachment,
    file_part,
    is_pattern,
    scheme_of,
    url_fault,
    url_part,
)
from flowrunner.language.forms import leaves
from flowrunner.language.paths import is_absolute, project_root
from flowrunner.language.request import Prompt
from flowrunner.language.templates import TemplateFault
from flowrunner.language.workflow import CallWorkflow, Input, Workflow
from flowrunner.language.workflow.origins import reads_answers, with_makers
from flowrunner.project.attachable import ChangedFile, Located
from flowrunner.project.files import UnreadableFile
from flowrunner.project.globs import matching_files, no_match
from flowrunner.visible import one_line

GO_ON = "`flowrunner resume --accept-changes` goes on with what is there now"
_SHOWN = 200


class Unattachable(Exception):
    """Something cannot be attached: a sentence, and what to do about it."""

    def __init__(self, message: str, help: str | None = None) -> None:  # noqa: A002
        super().__init__(message)
        self.message = message
        self.help = help


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One thing to attach: a file or a URL, as it is written, and how closely to look at it."""

    written: str
    detail: str | None
    at: Located | None


async def attached_parts(unit: Unit, prompt: Prompt) -> list[dict[str, JSON]]:
    """The content parts of what a step attaches, in the order of the file.

    Raises TemplateFault, Unattachable.
    """
    if not prompt.attach:
        return []
    finder = _Finder(unit, prompt)
    wanted = [each for entry in prompt.attach for each in finder.entry(entry)]
    return await asyncio.to_thread(_read_all, wanted, unit.shared.outgoing.located)


async def recall_parts(unit: Unit, prompt: Prompt) -> None:
    """Find again what was attached by the steps that this one goes on from: where the server does
    not keep it, it is sent again. What is gone is said when it is to be sent."""
    while prompt.continues is not None:
        step = unit.place.file.workflow.step(prompt.continues.step)
        if step is None or not isinstance(step.verb, Prompt):
            return
        prompt = step.verb
        with suppress(Unattachable, TemplateFault):
            await attached_parts(replace(unit, step=step), prompt)


def _read_all(wanted: Iterable[_Wanted], known: dict[str, Located]) -> list[dict[str, JSON]]:
    parts: list[dict[str, JSON]] = []
    size = 0
    for each in wanted:
        if each.at is None:
            parts.append(url_part(each.written, each.detail))
            continue
        try:
            mark = each.at.read().mark
        except ChangedFile as fault:
            raise Unattachable(_said(each.written, str(fault)), GO_ON) from None
        except UnreadableFile as fault:
            raise Unattachable(_said(each.written, str(fault))) from None
        size += mark.size
        if size > media.MAX_BYTES:
            most = media.MAX_BYTES // 1024**2
            said = f"what is attached is larger than {most} MB together, the most of one request"
            raise Unattachable(said, "attach fewer files, or ask about them one by one")
        known[mark.sha256] = Located(each.at.path, each.at.root, mark.sha256)
        parts.append(file_part(mark, each.detail))
    return parts


@dataclass(frozen=True, slots=True)
class _Finder:
    """Finds what the entries of one unit mean."""

    unit: Unit
    prompt: Prompt

    @property
    def _file(self) -> FileRun:
        return self.unit.place.file

    @property
    def _folder(self) -> Path:
        return self._file.workflow.folder

    def entry(self, entry: Attachment) -> Iterator[_Wanted]:
        scope = self.unit.scope()
        detail = entry.detail_in(scope)
        for written in entry.paths(scope):
            if scheme_of(written) is not None:
                yield _Wanted(self._url(entry, written), detail, None)
            elif entry.is_written_out:
                for each in _written_out(written, self._folder):
                    yield _Wanted(os.path.relpath(each.path, self._folder), detail, each)
            else:
                yield _Wanted(written, detail, self._filled_in(written))

    def _url(self, entry: Attachment, written: str) -> str:
        fault = url_fault(written)
        if fault is not None:
            raise Unattachable(_said(written, fault))
        workflow, step = self._file.workflow, self.unit.step
        if entry.is_written_out or not reads_answers(
            workflow, step, entry.file, self._file.of_answers
        ):
            return written
        raise Unattachable(
            _said(written, "is an address that may come out of an answer: it is not opened"),
            "let addresses come from inputs alone",
        )

    def _filled_in(self, written: str) -> Located:
        """The file of a path that a template gave: one that the run was given, one that a step
        made, one in the folder that the step names."""
        given = self._file.given.get(written)
        if given is not None:
            return Located(given.path, None, given.sha256)
        if is_absolute(written):
            raise Unattachable(_said(written, "is an absolute path, which data may not name"))
        made = self.unit.shared.ports.journal.folder / written
        if Path(written).parts[:1] == (ARTEFACTS,) and made.exists():
            return Located(made, self.unit.shared.ports.journal.folder / ARTEFACTS)
        if self.prompt.within is None:
            raise Unattachable(
                _said(written, "comes out of data, and is no file that the run was given or made"),
                "say in which folder such files may lie: `within: scans`",
            )
        folder = self._folder / self.prompt.within
        beside = self._folder / written
        is_inside = Path(os.path.normpath(beside)).is_relative_to(os.path.normpath(folder))
        return Located(beside if is_inside else folder / written, folder)


def _written_out(written: str, folder: Path) -> list[Located]:
    """The files of a path or pattern that stands in the workflow file. Raises Unattachable."""
    root = project_root(folder)
    literal = Path(os.path.abspath(folder / written))  # noqa: PTH100
    if not is_pattern(written) or literal.exists():
        return [Located(literal, root)]
    try:
        found = matching_files(written, folder)
    except UnreadableFile as fault:
        raise Unattachable(_said(written, str(fault))) from None
    if not found:
        raise Unattachable(f"`attach`: {no_match([written])}")
    return [Located(path, root) for path in found]


def _said(written: str, fault: str) -> str:
    shown = one_line(written)
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
    return f"`attach`: `{shown}` {fault}"


def given_files(inputs: Mapping[str, JSON], workflow: Workflow) -> dict[str, GivenFile]:
    """The files among the inputs of a run, by the paths that templates know them by."""
    found = (_files_in(inputs.get(known.name), known, workflow) for known in workflow.inputs)
    return {path: file for files in found for path, file in files}


def _files_in(value: JSON, known: Input, workflow: Workflow) -> Iterator[tuple[str, GivenFile]]:
    """The files of an input that takes files; a row of a table may look like one."""
    kinds = {known.shape.kind, known.shape.item.kind if known.shape.item else ""}
    if kinds.isdisjoint(("file", "files")):
        return
    folder = workflow.folder
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, dict) and each.keys() >= {"path", "sha256", "stem"}:
            path = Path(os.path.abspath(folder / each["path"]))  # noqa: PTH100
            yield each["path"], GivenFile(path, each["sha256"])


def written_out_files(workflow: Workflow, top: Path | None = None) -> dict[str, str]:
    """The hashes of the files that a workflow, and those it calls, write out and that no step
    makes, by their paths relative to its folder. What cannot be read is left out."""
    top = top or workflow.folder
    found: dict[str, str] = {}
    for step, may_be_made in with_makers(workflow):
        if isinstance(step.verb, CallWorkflow):
            found |= written_out_files(step.verb.workflow, top)
        entries = step.verb.attach if isinstance(step.verb, Prompt) and not may_be_made else ()
        written = [entry.file.source.strip() for entry in entries if entry.is_written_out]
        for path in written:
            with suppress(Unattachable):
                located = () if scheme_of(path) else _written_out(path, workflow.folder)
                found |= dict(_hashes(located, top))
    return found


def _hashes(located: Iterable[Located], top: Path) -> Iterator[tuple[str, str]]:
    for each in located:
        with suppress(UnreadableFile):
            yield Path(os.path.relpath(each.path, top)).as_posix(), each.read().mark.sha256


def chosen_by_answers(unit: Unit, call: CallWorkflow, values: Mapping[str, JSON]) -> str | None:
    """Why the arguments of a call would read a file that an answer named, or None.

    An answer may choose among the files that the run was given, and name no other.
    """
    caller = unit.place.file
    for known in call.workflow.inputs:
        named = set(_paths_in(values.get(known.name), known)) - caller.given.keys()
        if named and _may_hold_answers(unit, call, known.name, commands=False):
            shown = one_line(min(named))[:_SHOWN]
            return f"`{known.name}`: `{shown}` is a path that may come out of an answer"
    return None


def _paths_in(value: JSON, known: Input) -> Iterator[str]:
    kinds = {known.shape.kind, known.shape.item.kind if known.shape.item else ""}
    if kinds.isdisjoint(("file", "files", "table")):
        return
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, str):
            yield each


def _may_hold_answers(unit: Unit, call: CallWorkflow, name: str, *, commands: bool = True) -> bool:
    file = unit.place.file
    return call.of_model or any(
        reads_answers(file.workflow, unit.step, leaf, file.of_answers, commands=commands)
        for leaf in leaves(call.arguments.get(name))
    )


def called_run(unit: Unit, call: CallWorkflow, given: Mapping[str, JSON], names: Any) -> FileRun:
    """The run of a called workflow, which knows what of its inputs people gave and what came out
    of answers."""
    caller, called = unit.place.file, call.workflow
    of_answers = {name for name in call.arguments if _may_hold_answers(unit, call, name)}
    known: dict[str, GivenFile] = {}
    of_caller = frozenset(caller.given.values())
    for each in called.inputs:
        is_written_out = all(leaf.is_constant for leaf in leaves(call.arguments.get(each.name)))
        for path, file in _files_in(given.get(each.name), each, called):
            if is_written_out or file in of_caller:
                known[path] = file
    return FileRun(
        called,
        names,
        path=unit.path,
        given=known,
        of_answers=frozenset(of_answers),
        capped_to=caller.capped_to or caller.workflow.provider,
    )
