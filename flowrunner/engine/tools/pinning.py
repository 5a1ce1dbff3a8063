"""What servers of tools say of their tools is trusted the first time, and asked about once changed.

The hash is made by `tools.servers`; that a server changes while a run is at work is refused there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from flowrunner.engine.approvals import decided
from flowrunner.engine.endings import Ending, failed
from flowrunner.engine.leaves import fingerprint
from flowrunner.engine.units import Unit
from flowrunner.events import JSON, ApprovalAsked, ApprovalGiven, StepResult, ToolsListed
from flowrunner.language.tools import McpTool, Tool
from flowrunner.tools.servers import Listing

_LONGEST = 2_000
"""Characters of what one tool says of itself that people are shown."""
_DENIED = "denied"


async def pinned(unit: Unit, tool: Tool, listing: Listing) -> Ending | None:
    """Nothing where a server says what it said before, or speaks for the first time, or a person
    agrees to what it says now; else the end of the unit. Raises Stopped."""
    shared = unit.shared
    key = _key(unit, tool)
    lasting = None if shared.ports.pins is None else shared.ports.pins.get(key)
    known = shared.pins.get(key, lasting)
    told: list[ApprovalGiven] = []
    if known not in (None, listing.digest):
        said = await _agreed(unit, tool, listing)
        if isinstance(said, Ending):
            return said
        told = [said]
    if shared.pins.get(key) != listing.digest:
        listed = ToolsListed(
            at=shared.now(),
            address=unit.address,
            tool=tool.name,
            key=key,
            digest=listing.digest,
        )
        await shared.ports.journal.append_many([*told, listed])
        shared.pins[key] = listing.digest
    if shared.ports.pins is not None and lasting != listing.digest:
        note = {"tool": tool.name, "workflow": unit.place.file.workflow.shown}
        shared.ports.pins.put(key, listing.digest, note, over=lasting)
    return None


def _key(unit: Unit, tool: Tool) -> str:
    """What tells a server from others of the project: where it is declared, and as what. Where a
    secret is to be placed, its name."""
    workflow, kind = unit.place.file.workflow, tool.kind
    assert isinstance(kind, McpTool)
    folder = Path(os.path.relpath(workflow.folder, unit.shared.project))
    path = (folder / Path(workflow.shown).name).as_posix()
    where = list(kind.command) if kind.command is not None else repr(kind.url)
    return fingerprint("server", path, tool.name, where, sorted(kind.allowed_tools))


async def _agreed(unit: Unit, tool: Tool, listing: Listing) -> ApprovalGiven | Ending:
    """That a person agreed, still to be put on record; the end of the unit where none did."""
    shared = unit.shared
    text = shared.ports.scrubber.scrub(_question(tool, listing))
    before_all = replace(unit.address, attempt=0, turn=0)
    await shared.append(ApprovalAsked(at=shared.now(), address=before_all, text=text))
    decision = await decided(unit, text)
    if decision is None:
        return _waiting(unit, tool)
    given = ApprovalGiven(
        at=shared.now(),
        address=before_all,
        granted=decision.granted,
        by=decision.by,
        way=decision.way,
        why=decision.why,
    )
    if decision.granted:
        return given
    await shared.append(given)
    why = f": {decision.why}" if decision.why else ""
    return failed(
        _DENIED,
        f"`{tool.name}` has changed what it says of its tools, and {decision.by} did not agree to "
        f"that{why}",
        "nothing was sent to it; `flowrunner resume` asks again",
    )


def _question(tool: Tool, listing: Listing) -> str:
    """What a person is to agree to: all that a model is told of the tools now."""
    head = f"`{tool.name}` has changed what it says of its tools. A model would now be told:"
    return "\n\n".join([head, *map(_told, listing.tools)])


def _told(each: Mapping[str, JSON]) -> str:
    lines = [f"{each['name']}: {each.get('description') or 'no description'}"]
    lines += [
        f"  {key}: {json.dumps(each[key], ensure_ascii=False)}"
        for key in ("title", "inputSchema", "annotations")
        if each.get(key) is not None
    ]
    text = "\n".join(lines)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _waiting(unit: Unit, tool: Tool) -> Ending:
    again = f"flowrunner approve {unit.shared.plan.run} {unit.name}"
    return Ending(
        "waiting",
        "approval",
        f"`{tool.name}` has changed what it says of its tools, and somebody must agree to that",
        f"`flowrunner show {unit.shared.plan.run} {unit.name}` says what it says now; `{again}` "
        f"agrees, `{again} --deny` does not; then `flowrunner resume` goes on",
        StepResult("waiting"),
    )
