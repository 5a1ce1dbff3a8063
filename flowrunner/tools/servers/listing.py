"""The tools of a server that may be called, pinned by a hash over all that a model is told of them.

Comparing a hash with the one of an earlier day, and what follows from a change, is left to others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from flowrunner.events import JSON
from flowrunner.visible import one_line

_PINNED = ("name", "title", "description", "inputSchema", "annotations")
_MOST_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Listing:
    """The allowed tools as `tools/list` describes them, and their hash.

    With a `fault`, a sentence, there are none.
    """

    tools: tuple[Mapping[str, JSON], ...] = ()
    digest: str = ""
    fault: str | None = None


def make_listing(listed: Iterable[Mapping[str, JSON]], allowed: Sequence[str]) -> Listing:
    """Of all that a server lists what is allowed, in the order of `allowed`."""
    by_name = {str(tool.get("name")): tool for tool in listed}
    missing = [name for name in allowed if name not in by_name]
    if missing:
        has = ", ".join(f"`{one_line(name[:64])}`" for name in sorted(by_name)[:50]) or "none"
        return Listing(fault=f"the server has no tool `{missing[0]}`; its tools: {has}")
    tools = tuple(_pinned(by_name[name]) for name in allowed)
    whole = json.dumps(sorted(tools, key=lambda tool: str(tool["name"])), sort_keys=True).encode()
    if len(whole) > _MOST_BYTES:
        return Listing(fault="the descriptions of the server's tools are longer than 1 MiB")
    return Listing(tools, hashlib.sha256(whole).hexdigest())


def _pinned(tool: Mapping[str, JSON]) -> dict[str, JSON]:
    return {key: tool[key] for key in _PINNED if tool.get(key) is not None}
