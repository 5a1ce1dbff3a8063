"""Calls that somebody left open in a conversation: replied to before anything else is said in it,
since the API takes nothing else then ("No tool output found").

It may have been a step that ended amid its calls, an earlier run or another program. What a reply
looks like is left to `responses.replies`.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from flowrunner.engine.asking import Errand, ask
from flowrunner.engine.units import Unit
from flowrunner.events import JSON
from flowrunner.responses.items import read_answer
from flowrunner.responses.outcome import Told
from flowrunner.responses.replies import Given, replies_to
from flowrunner.responses.turns import unanswerable

_NOT_DONE = Given(ok=False, error="this call was not run: whoever was to answer it has ended")


async def replies_owed(unit: Unit, conversation: str) -> tuple[JSON, ...]:
    """The replies to calls that are open in a conversation: that they were not run. None of them
    where there are none, or nobody can tell. Raises Stopped."""
    shared, server = unit.shared, unit.server
    path = f"conversations/{quote(conversation, safe='')}/items?limit=100&order=desc"
    errand = Errand("GET", path, "the items of a conversation")
    told = await ask(errand, server.provider, shared.ports, shared.stop, server.asked)
    value = told.value if isinstance(told, Told) else None
    items = value.get("data") if isinstance(value, Mapping) else None
    latest = list(reversed(items)) if isinstance(items, list) else []
    calls = read_answer({"status": "completed", "output": latest}).open_calls
    if unanswerable(calls) is not None:
        return ()
    return tuple(item for call in calls for item in replies_to(call, _NOT_DONE))
