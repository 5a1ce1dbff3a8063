"""Conversations: each found or begun before it is spoken in, by one unit at a time, and on record.

Which units wait for which was settled by the order of the file; what is said is left to `prompts`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path as FilePath
from urllib.parse import quote

from flowrunner.engine.asking import Errand, ask
from flowrunner.engine.leaves import fingerprint
from flowrunner.engine.place import Path, unit_name
from flowrunner.engine.shared import Talk
from flowrunner.engine.units import Unit
from flowrunner.events import JSON, ConversationBegan, Segment, Warned
from flowrunner.responses.outcome import Refused, Told
from flowrunner.responses.retry import Asked, GiveUp

_LONGEST_VALUE = 512
"""Characters of a value in `metadata` (Responses API: `metadata`)."""


@dataclass(frozen=True, slots=True)
class Called:
    """A conversation as a request calls it: by the `id` of the API, or by a `name` of the file's
    own, which is `kept` over runs or not."""

    key: str
    id: str | None = None
    name: str = ""
    kept: bool = False

    @classmethod
    def of(cls, unit: Unit, body: Mapping[str, JSON], server: str) -> Called | None:
        """The conversation that a unit's request calls, as this server knows it; None without
        one."""
        found = body.get("conversation")
        if found is None:
            return None
        named = found if isinstance(found, Mapping) else {"id": found}
        if named.get("name") is None:
            told = str(named.get("id"))
            return cls(fingerprint("id", server, told), told)
        name, kept = str(named["name"]), named.get("keep") is True
        lasts = kept and not unit.shared.plan.settings.simulated
        scope = _file(unit) if lasts else unit_name(_scope(unit))
        return cls(fingerprint("name", server, scope, name), None, name, lasts)


def _scope(unit: Unit) -> Path:
    """Where a name is the same: in one item of the innermost `for_each`, in one file."""
    file = unit.place.file.path
    for at in range(len(unit.path) - 1, len(file) - 1, -1):
        segment = unit.path[at]
        if segment.item is not None:
            return (*unit.path[:at], Segment(segment.step, segment.item))
    return file


def _file(unit: Unit) -> str:
    """Where a name is the same that lasts: in one file."""
    workflow = unit.place.file.workflow
    folder = FilePath(os.path.relpath(workflow.folder, unit.shared.project))
    path = folder / FilePath(workflow.shown).name
    return path.as_posix()


@asynccontextmanager
async def turn(unit: Unit, called: Called) -> AsyncIterator[Talk]:
    """The conversation, for this unit alone; others wait without a slot."""
    talk = unit.shared.talks.setdefault(called.key, Talk())
    with unit.shared.resting():
        await talk.turn.acquire()
    try:
        yield talk
    finally:
        talk.turn.release()


async def find(
    unit: Unit, called: Called, talk: Talk, provider: str, asked: Asked
) -> GiveUp | None:
    """Let `talk` have the id of the conversation at a provider: the one that it was called by, the
    one on record, the one that lasted, or that of a new one. Raises Stopped.

    Its turn is the unit's.
    """
    if talk.id is not None:
        return None
    if called.id is not None:
        talk.id = called.id
        return None
    talk.id = unit.shared.known_talks.get(called.key)
    if talk.id is not None:
        return None
    seek = _lasting if called.kept else _new
    found = await seek(unit, called, provider, asked)
    if isinstance(found, GiveUp):
        return found
    await unit.shared.append(
        ConversationBegan(
            at=unit.shared.now(),
            address=unit.address,
            name=unit.shared.ports.scrubber.scrub(called.name),
            key=called.key,
            id=found.id,
            is_new=found.is_new,
        )
    )
    talk.id, talk.tokens = found.id, 0 if found.is_new else None
    return None


@dataclass(frozen=True, slots=True)
class _Found:
    id: str
    is_new: bool


async def _lasting(unit: Unit, called: Called, provider: str, asked: Asked) -> _Found | GiveUp:
    """The conversation that an earlier run began, where the server still has it; else a new one,
    which later runs find."""
    lasting, scrubber = unit.shared.ports.lasting, unit.shared.ports.scrubber
    known = None if lasting is None else lasting.get(called.key)
    if known is not None:
        errand = Errand("GET", f"conversations/{quote(known, safe='')}", "a conversation")
        told = await ask(errand, provider, unit.shared.ports, unit.shared.stop, asked)
        if not isinstance(told, Refused):
            return told if isinstance(told, GiveUp) else _Found(known, is_new=False)
        said = scrubber.scrub(f"the conversation `{called.name}` of earlier runs is gone")
        await unit.shared.append(
            Warned(
                at=unit.shared.now(),
                code="conversation",
                message=f"{said}; a new one begins",
                address=unit.address,
            )
        )
    new = await _new(unit, called, provider, asked)
    if isinstance(new, GiveUp) or lasting is None:
        return new
    note = {"name": scrubber.scrub(called.name), "workflow": unit.place.file.workflow.shown}
    kept = lasting.put(called.key, new.id, note, over=known)
    return new if kept == new.id else _Found(kept, is_new=False)


async def _new(unit: Unit, called: Called, provider: str, asked: Asked) -> _Found | GiveUp:
    name = unit.shared.ports.scrubber.scrub(called.name)
    metadata = {"flowrunner_run": unit.shared.plan.run, "flowrunner_name": name[:_LONGEST_VALUE]}
    errand = Errand("POST", "conversations", "a new conversation", {"metadata": metadata})
    told = await ask(errand, provider, unit.shared.ports, unit.shared.stop, asked)
    if isinstance(told, GiveUp):
        return told
    value = told.value if isinstance(told, Told) else None
    found = value.get("id") if isinstance(value, Mapping) else None
    if isinstance(found, str) and found:
        return _Found(found, is_new=True)
    why = "knows no conversations" if isinstance(told, Refused) else "gave one without an id"
    return GiveUp(
        reason="api-error",
        message=f"asked for a new conversation, {asked.host} {why}",
        help="go on from a step above with `continue` instead, which needs no conversation",
    )
