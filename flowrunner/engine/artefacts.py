"""The files of an answer, saved at once in the run's folder: containers do not last.

A file that cannot be had is a warning and no lost answer; a resume tries again. What a response
holds is told by `responses.artefacts`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from flowrunner import platform
from flowrunner.catalog import media
from flowrunner.engine.asking import Errand, ask
from flowrunner.engine.endings import MISSING_FILES, Ending
from flowrunner.engine.outcomes import journaled_answer
from flowrunner.engine.ports import Stopped
from flowrunner.engine.units import Unit
from flowrunner.events import JSON, Segment, StepResult, Warned
from flowrunner.language.paths import safe_name
from flowrunner.responses.artefacts import Artefact, artefacts
from flowrunner.responses.outcome import Answered, Refused
from flowrunner.responses.retry import GiveUp

ARTEFACTS = "files"
"""The folder of a run in which its artefacts stand; their paths begin with it."""

_FETCH_S = 120.0
_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Kept:
    """The artefacts of an answer: paths in the run's folder, and why others are not there."""

    files: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


async def keep_files(unit: Unit, response: Mapping[str, JSON]) -> Kept:
    """Save the files of a response. What could not be saved is warned of, in the journal."""
    found = artefacts(response)
    if not found:
        return Kept()
    folder = _Folder(unit.shared.ports.journal.folder, unit.path)
    files: list[str] = []
    missing: list[str] = []
    lost = [f"`{artefact.name}` {artefact.fault}" for artefact in found if artefact.fault]
    for artefact in found:
        if artefact.fault is not None:
            continue
        content = artefact.content or await _fetched(unit, artefact)
        saved = content if isinstance(content, str) else await _saved(folder, artefact, content)
        if saved.startswith(f"{ARTEFACTS}/"):
            files.append(saved)
        else:
            missing.append(f"`{safe_name(artefact.name)}` {saved}")
    again = f" (`flowrunner resume {unit.shared.plan.run}` tries again)"
    await _warn(unit, [*lost, *(f"{sentence}{again}" for sentence in missing)])
    return Kept(tuple(dict.fromkeys(files)), tuple(missing))


async def _warn(unit: Unit, sentences: Iterable[str]) -> None:
    for sentence in sentences:
        said = f"a file of the answer is missing: {sentence}"
        message = unit.shared.ports.scrubber.scrub(said)
        await unit.shared.append(
            Warned(at=unit.shared.now(), code="files", message=message, address=unit.address)
        )


async def with_missing_files(unit: Unit, known: Ending) -> Ending:
    """An end that the journal holds, with the files that could not be saved before, if any."""
    journal, before = unit.shared.ports.journal, unit.before
    if before is None or before.reason != MISSING_FILES or not known.is_kept:
        return known
    answered = [call for call in journal.calls(unit.name) if call.state == "answered"]
    turns = [call for call in answered if call.attempt == answered[-1].attempt]
    kept = await keep_files(unit, _all_items(journaled_answer(one, journal) for one in turns))
    result = StepResult.from_json(journal.result(unit.name))
    return replace(
        known,
        reason=MISSING_FILES if kept.missing else None,
        result=replace(result, files=kept.files),
        fingerprint=before.fingerprint,
        is_kept=False,
    )


def _all_items(answers: Iterable[Answered]) -> dict[str, JSON]:
    """The output of several responses as that of one."""
    outputs = [answer.response.get("output") for answer in answers]
    return {"output": [item for items in outputs if isinstance(items, list) for item in items]}


async def _saved(folder: _Folder, artefact: Artefact, content: bytes) -> str:
    return await asyncio.to_thread(folder.save, artefact.name, content)


async def _fetched(unit: Unit, artefact: Artefact) -> bytes | str:
    """The bytes of a file in a container; the end of a sentence where they cannot be had."""
    shared, server = unit.shared, unit.server
    errand = Errand("GET", artefact.path or "", "a file of a container", timeout_s=_FETCH_S)
    try:
        async with shared.limits.room():
            told = await ask(errand, server.provider, shared.ports, shared.stop, server.asked)
    except Stopped:
        return "was not fetched before the run was ended"
    if isinstance(told, Refused):
        return f"is gone from its container: {told.error.message}"
    if isinstance(told, GiveUp):
        return f"could not be fetched: {told.message}"
    return told.content


@dataclass(frozen=True, slots=True)
class _Folder:
    """The artefacts of one unit, in the folder of its run."""

    run: Path
    unit: tuple[Segment, ...]

    def save(self, name: str, content: bytes) -> str:
        """Write a file under a name of its own: `files/…`, or the end of a sentence.

        What stands there is never written over; the same bytes under the same name are one file.
        """
        parts = (ARTEFACTS, *map(_folder_name, self.unit))
        try:
            for each in _names(safe_name(_with_ending(name, content))):
                if self._stands(parts, each, content) or self._is_new(parts, each, content):
                    return "/".join((*parts, each))
        except OSError as fault:
            return f"was not saved: {(fault.strerror or 'it could not be written').lower()}"
        return "was not saved: too many files of this name are there"

    def _is_new(self, parts: tuple[str, ...], name: str, content: bytes) -> bool:
        try:
            platform.write_inside(self.run.resolve(), (*parts, name), content)
        except FileExistsError:
            return False
        return True

    def _stands(self, parts: tuple[str, ...], name: str, content: bytes) -> bool:
        """Whether this file was saved already, by a process that ended before it said so."""
        try:
            return _read(self.run, (*parts, name)) == content
        except OSError:
            return False


def _read(run: Path, parts: Sequence[str]) -> bytes:
    """The bytes of a file in the folder of a run. Raises OSError."""
    with platform.open_inside(run.resolve(), parts) as file:
        return b"".join(iter(partial(file.read, _PIECE), b""))


def _folder_name(segment: Segment) -> str:
    item = "" if segment.item is None else f"-{segment.item}"
    rounds = "" if segment.round is None else f"-round-{segment.round}"
    return f"{segment.step}{item}{rounds}"


def _with_ending(name: str, content: bytes) -> str:
    """A picture without an ending gets that of its kind."""
    if media.ending_of(name):
        return name
    kind = media.picture_type(content[: media.HEAD_BYTES])
    ending = next((each for each, known in media.IMAGES.items() if known == kind), None)
    return name if ending is None else f"{name}.{ending}"


def _names(name: str) -> Iterator[str]:
    yield name
    stem, dot, ending = name.rpartition(".")
    stem, ending = (stem, f".{ending}") if dot else (name, "")
    for number in range(2, 1000):
        yield f"{stem}-{number}{ending}"


def copied(files: tuple[str, ...], run: Path, unit: Unit) -> tuple[str, ...] | None:
    """The artefacts of an earlier run, brought into this one; None where one is not there."""
    folder = _Folder(unit.shared.ports.journal.folder, unit.path)
    brought: list[str] = []
    for name in files:
        parts = name.split("/")
        try:
            content = _read(run, parts)
        except OSError:
            return None
        saved = folder.save(parts[-1], content)
        if not saved.startswith(f"{ARTEFACTS}/"):
            return None
        brought.append(saved)
    return tuple(brought)
