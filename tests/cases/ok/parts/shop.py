"""Functions that a model may call."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

Team = Literal["billing", "bug"]


class Position(TypedDict):
    article: str
    count: int


async def refund(
    order: str,
    positions: list[Position],
    team: Team = "billing",
    *,
    note: Annotated[str, "What the customer is told"] | None = None,
) -> dict[str, object]:
    """Refund an order, or part of it.

    Args:
        order: The number on the invoice.
        positions: What is sent back.
    """
    return {"order": order, "positions": positions, "team": team, "note": note}
