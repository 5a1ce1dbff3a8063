"""Lists as the API gives them: a page of things that have ids, and what its query may ask.

What is listed is left to `endpoints`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowrunner.simulator import envelope
from flowrunner.simulator.envelope import Bound, Refusal

Query = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """How a list is paged where its query says nothing, and how far one may go."""

    limit: int = 20
    most: int = 100
    order: str = "desc"


def page(things: Sequence[dict[str, Any]], query: Query, paging: Paging) -> dict[str, Any]:
    """The page that a query asks for of things in the order of their making. Raises Refusal."""
    limit = _limit(query, paging)
    order = _one(query, "order") or paging.order
    if order not in ("asc", "desc"):
        raise envelope.invalid_value("order", ["asc", "desc"], order)
    ordered = list(things) if order == "asc" else list(reversed(things))
    after = _one(query, "after")
    if after is not None:
        ordered = ordered[_place_of(after, ordered) + 1 :]
    data = ordered[:limit]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": len(ordered) > limit,
    }


def include_of(query: Query, known: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    """What `include` asks for, written once or several times. Raises Refusal for unknown keys."""
    asked = [*query.get("include[]", ()), *query.get("include", ())]
    for index, key in enumerate(asked):
        if key not in known():
            raise envelope.invalid_value(f"include[{index}]", known(), key)
    return tuple(asked)


def _limit(query: Query, paging: Paging) -> int:
    text = _one(query, "limit")
    if text is None:
        return paging.limit
    try:
        limit = int(text)
    except ValueError:
        raise envelope.invalid_type("limit", ["integer"], text) from None
    if limit < 1:
        raise envelope.out_of_range("limit", "integer", Bound("minimum", 1, limit))
    if limit > paging.most:
        raise envelope.out_of_range("limit", "integer", Bound("maximum", paging.most, limit))
    return limit


def _one(query: Query, name: str) -> str | None:
    values = query.get(name)
    return values[-1] if values else None


def _place_of(after: str, ordered: Sequence[dict[str, Any]]) -> int:
    for place, thing in enumerate(ordered):
        if thing["id"] == after:
            return place
    raise Refusal(f"Invalid 'after': no object with id '{after}' is in this list.", "after")
