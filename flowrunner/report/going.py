"""What is known of the steps that are at work: lists with their items, requests, waits.

Memory follows what is in flight, not the length of a run. What of it is told is left to `terminal`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from flowrunner.events import CallAnswered, Usage
from flowrunner.report.units import ancestors, is_item, parent_of

FEW_ITEMS = 20
"""Up to so many items of a list have a line each."""

_STEPS_OF_PROGRESS = 10


@dataclass(slots=True)
class Items:
    """A list at work: how many of its items have ended, and how. `told` is the share, in tenths,
    that was last told; `total` is None for a list that an earlier process had begun."""

    total: int | None
    ended: int = 0
    failed: int = 0
    told: int = 0

    @property
    def are_many(self) -> bool:
        """Whether its items are told together."""
        return self.total is None or self.total > FEW_ITEMS

    def count(self, status: str) -> bool:
        """Count an item that ended; whether so much was done since that it should be told."""
        self.ended += 1
        self.failed += status == "failed"
        if self.total is None:
            return str(self.ended).rstrip("0") == "1"
        share = self.ended * _STEPS_OF_PROGRESS // max(self.total, 1)
        if share <= self.told or self.ended >= self.total:
            return False
        self.told = share
        return True


@dataclass(slots=True)
class Going:
    """What is known of a step so far; of one with others inside, of all of them together. `tools`
    are its calls of tools under way: the name and the kind of each."""

    started_at: float | None = None
    verb: str | None = None
    is_announced: bool = False
    usage: Usage = field(default_factory=Usage)
    cost_usd: float = 0.0
    is_priced: bool = True
    is_counted: bool = True
    answers: int = 0
    model: str | None = None
    items: Items | None = None
    waits_until: float = 0.0
    has_asked: bool = False
    tools: dict[str, tuple[str, str]] = field(default_factory=dict)

    def add(self, event: CallAnswered) -> None:
        """Count an answer."""
        self.answers += 1
        self.usage += event.usage or Usage()
        self.is_counted &= event.usage is not None
        self.cost_usd += event.cost_usd or 0.0
        self.is_priced &= event.cost_usd is not None

    def add_all(self, inner: Going) -> None:
        """Count what a unit inside of this one came to."""
        self.answers += inner.answers
        self.usage += inner.usage
        self.is_counted &= inner.is_counted
        self.cost_usd += inner.cost_usd
        self.is_priced &= inner.is_priced


class AtWork:
    """The units at work, by their address."""

    def __init__(self) -> None:
        self._going: dict[str, Going] = {}

    def unit(self, unit: str) -> Going:
        """What is known of a unit; new where nothing is."""
        return self._going.setdefault(unit, Going())

    def crowd_of(self, unit: str) -> str | None:
        """The outermost step with many items that a unit stands in; None where there is none."""
        crowd = None
        for one in (unit, *ancestors(unit)):
            above = parent_of(one)
            if above is not None and is_item(one) and self._is_crowd(above, one):
                crowd = above
        return crowd

    def _is_crowd(self, whole: str, item: str) -> bool:
        items = self.unit(whole).items
        if items is None and int(item[len(whole) + 1 : -1]) > FEW_ITEMS:
            items = self.unit(whole).items = Items(None)
        return items is not None and items.are_many

    def unannounced(self, unit: str) -> list[tuple[str, Going]]:
        """What a unit stands in and no line has named yet, the outermost first; from now on it
        counts as named."""
        above = [(one, self.unit(one)) for one in ancestors(unit)]
        fresh = [(one, going) for one, going in above if not going.is_announced]
        for _, going in fresh:
            going.is_announced = True
        return fresh[::-1]

    def end(self, unit: str) -> Going:
        """Forget a unit that has ended; its sums count for what it stands in."""
        going = self._going.pop(unit, None) or Going()
        above = next((one for one in ancestors(unit) if one in self._going), None)
        if above is not None:
            self._going[above].add_all(going)
        return going

    def clear(self) -> None:
        """Forget all."""
        self._going.clear()
