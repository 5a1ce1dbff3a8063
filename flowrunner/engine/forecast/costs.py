"""Money between bounds, and the line of a step in a plan: how they add up and multiply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

Will: TypeAlias = Literal["run", "maybe", "skip"]
Shown: TypeAlias = Literal["run", "maybe", "skip", "reuse"]


@dataclass(frozen=True, slots=True)
class Cost:
    """US dollars: at least `low`, at most `high`, probably `about`; None where nobody knows."""

    low: float = 0.0
    high: float | None = 0.0
    about: float | None = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.low + other.low, _sum(self.high, other.high), _sum(self.about, other.about)
        )

    def times(self, fewest: int, most: int | None, likely: float | None) -> Cost:
        """The cost of so many times the same; `most` and `likely` are None where nobody knows."""
        return Cost(self.low * fewest, _product(self.high, most), _product(self.about, likely))

    def maybe(self) -> Cost:
        """The cost of what may as well not happen."""
        return replace(self, low=0.0)

    def within(self, limit: float | None) -> Cost:
        """The cost under a budget, which is never passed."""
        if limit is None or (self.high is not None and self.high <= limit):
            return self
        about = None if self.about is None else min(self.about, limit)
        return Cost(min(self.low, limit), limit, about)


def one_of(costs: Sequence[Cost]) -> Cost:
    """The cost of exactly one of several ways, nobody knows which."""
    highs = [cost.high for cost in costs]
    abouts = [cost.about for cost in costs]
    return Cost(
        min((cost.low for cost in costs), default=0.0),
        None if None in highs else max((high or 0.0 for high in highs), default=0.0),
        None if None in abouts else sum(about or 0.0 for about in abouts) / max(1, len(costs)),
    )


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


def _product(usd: float | None, number: float | None) -> float | None:
    """Nothing stays nothing, however often it happens."""
    if usd == 0 or number == 0:
        return 0.0
    return None if usd is None or number is None else usd * number


@dataclass(frozen=True, slots=True)
class Row:
    """One step of a plan. `unit` is its address without items and rounds, `order` the wave of its
    list in which it may start, `provider` the one it asks where that is not the run's.

    It runs at least `fewest` and at most `most` times (None: nobody knows); `of` is the number of
    items that are asked about it. `rounds` is the most rounds of its own `repeat`. `unknown` says
    why a bound is missing; `limit` is the `max_output_tokens` that the budget sets. `reused` times
    it takes an earlier result instead, which had cost `saved_usd`.
    """

    unit: str
    depth: int
    order: int
    verb: str
    fewest: int
    most: int | None
    because: str
    cost: Cost = Cost()
    model: str | None = None
    provider: str | None = None
    of: int | None = None
    rounds: int | None = None
    unknown: str | None = None
    limit: int | None = None
    assumes: tuple[str, ...] = ()
    reused: int = 0
    saved_usd: float = 0.0

    @property
    def will(self) -> Will:
        """Whether it is sure to end, sure not to be done, or neither."""
        if self.reused:
            return "run"
        if self.most == 0:
            return "skip"
        return "run" if self.fewest else "maybe"

    @property
    def shown(self) -> Shown:
        """What it will do, for people: what is taken from earlier runs alone is reused."""
        return "reuse" if self.reused and self.most == 0 else self.will


def times(rows: Sequence[Row], fewest: int, most: int | None, likely: float | None) -> list[Row]:
    """The same rows so many times over."""
    return [
        replace(
            row,
            fewest=row.fewest * fewest,
            most=0 if 0 in (row.most, most) else _many(row.most, most),
            cost=row.cost.times(fewest, most, likely),
        )
        for row in rows
    ]


def _many(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one * other


def together(walks: Sequence[Sequence[Row]]) -> list[Row]:
    """The rows of several items as one: the walks are of the same steps in the same order."""
    return [_merged(rows) for rows in zip(*walks, strict=True)]


def _merged(rows: Sequence[Row]) -> Row:
    """What is said of the first that runs is said of all."""
    most = [row.most for row in rows]
    cost = Cost()
    for row in rows:
        cost += row.cost
    return replace(
        next((row for row in rows if row.most != 0), rows[0]),
        reused=sum(row.reused for row in rows),
        saved_usd=sum(row.saved_usd for row in rows),
        fewest=sum(row.fewest for row in rows),
        most=None if None in most else sum(number or 0 for number in most),
        of=sum(row.of or 1 for row in rows),
        cost=cost,
        unknown=next((row.unknown for row in rows if row.unknown), None),
    )
