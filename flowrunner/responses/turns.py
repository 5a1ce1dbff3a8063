"""The turns of one step: from a response with open calls, and the replies to them, to the next
request.

Pure. Who runs the tools and asks the people is left to `engine`, how a call is told from other
items to `items`, how one reply looks to `replies`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flowrunner.events import JSON
from flowrunner.responses.history import as_items, replayed, since_compaction
from flowrunner.responses.items import OpenCall


@dataclass(frozen=True, slots=True)
class Turn:
    """A request as it was answered, the response to it, and the replies to the calls in that."""

    request: Mapping[str, JSON]
    response: Mapping[str, JSON]
    replies: tuple[JSON, ...]


def next_request(turns: Sequence[Turn], *, by_id: bool) -> dict[str, JSON]:
    """The request that goes on from the last of the turns, of which there is at least one.

    Everything is sent again, tools, instructions and format too: the server carries nothing over.
    What was said is not, where it is kept: in a conversation, or (`by_id`) with the response. Else
    it is sent whole and in order, each response followed by the replies to it.
    """
    first, last = turns[0].request, turns[-1]
    body = {**first, "input": list(last.replies)}
    if first.get("conversation") is not None:
        pass
    elif by_id:
        body["previous_response_id"] = last.response.get("id")
    else:
        said = as_items(first.get("input"))
        for turn in turns:
            said += [*replayed(turn.response), *turn.replies]
        is_whole = first.get("previous_response_id") is None
        body["input"] = since_compaction(said) if is_whole else said
    if "tool_choice" in body:
        body["tool_choice"] = freed(body["tool_choice"])
    return body


def freed(choice: JSON) -> JSON:
    """What is left of a `tool_choice` after the first turn: one that forces a call would force it
    every time, and the loop would never end (Responses API: `tool_choice`)."""
    if choice in (None, "none", "auto"):
        return choice
    if isinstance(choice, Mapping) and choice.get("type") == "allowed_tools":
        return {**choice, "mode": "auto"}
    return "auto"


def unanswerable(calls: Sequence[OpenCall]) -> str | None:
    """Why the calls of a turn cannot be answered, in a sentence; None where they can be."""
    for call in calls:
        if not call.call_id:
            return f"the server gave a call of `{call.name or call.type}` no id to answer it by"
    if len({(call.type, call.call_id) for call in calls}) < len(calls):
        return "the server gave several calls of one turn the same `call_id`"
    return None
