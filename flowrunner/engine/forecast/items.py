"""The items of a `for_each` in a plan: one by one where they are known, else the longest so often.

What one item does is left to `walking`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from flowrunner.engine.forecast import standins
from flowrunner.engine.forecast.costs import Cost, Row, times, together
from flowrunner.engine.forecast.fates import Fate, Place, usual
from flowrunner.engine.forecast.offering import both
from flowrunner.engine.forecast.reused import KnownItem, offer_items
from flowrunner.engine.forecast.sight import Sight
from flowrunner.engine.place import item_value
from flowrunner.language.forms import leaves
from flowrunner.language.templates import Empty, Record, TemplateFault
from flowrunner.language.workflow import ForEach, Step

Once: TypeAlias = Callable[[Step, Sight, Place, Fate], tuple[list[Row], Cost]]

MOST_ITEMS = 1_000
"""So many items of a `for_each` are looked at one by one; more are taken to be like them."""


@dataclass(frozen=True, slots=True)
class EachItem:
    """A step with `for_each`."""

    once: Once
    step: Step
    each: ForEach
    sight: Sight
    known: list[KnownItem | None] = field(default_factory=list)

    def all(self, place: Place, fate: Fate) -> tuple[list[Row], Cost]:
        """Its items one by one where they are known, else the longest one so often."""
        entries, number = self._entries()
        if fate.will == "skip" or number == 0:
            fate = fate if fate.will == "skip" else Fate("skip", "there are no items")
            rows, cost = self._one(None, 1, place, fate, known=False)
            number, longest = 0, None
        elif entries is not None and number is not None:
            rows, cost, longest = self._each(entries, place, fate)
        else:
            rows, cost = self._one(self._standin(), number or 1, place, fate, known=False)
            fewest = 0 if number is None or fate.will == "maybe" else number
            fewest = 0 if self._is_filtered() else fewest
            rows, cost = times(rows, fewest, number, number), cost.times(fewest, number, number)
            rows = [replace(row, of=number) for row in rows]
            longest = None
        self._offer(number, longest, skipped=fate.will == "skip" and number != 0)
        said = fate.because or self._said(rows[0], number)
        unknown = rows[0].unknown
        if number is None:
            unknown = "how many items there will be is not known beforehand"
        return [replace(rows[0], because=said, cost=cost, unknown=unknown), *rows[1:]], cost

    def _entries(self) -> tuple[Sequence[Any] | None, int | None]:
        """The items where they are known; and how many there are at most, where that is known."""
        over = self.each.over
        found = self._evaluated()
        if isinstance(over, list):
            known = all(map(self.sight.is_known, leaves(over)))
            return (found if known else None), len(over)
        if self.sight.is_known(over) and found is not None:
            return found, len(found)
        return None, None if found is None else len(found)

    def _evaluated(self) -> Sequence[Any] | None:
        """The list, also of stand-ins where it is as long as the items of an earlier step."""
        over = self.each.over
        if not isinstance(over, list) and not self.sight.is_known(over) and not self._is_path():
            return None
        try:
            found = self.each.entries(self.sight.worst)
        except TemplateFault:
            return None
        if isinstance(found, Empty) or found is None:
            return []
        return found if isinstance(found, Sequence) and not isinstance(found, str) else None

    def _is_path(self) -> bool:
        """Whether the list is the results of a step as they are, whose number is known."""
        parts = self.each.text.strip().strip("{}").strip().split(".")
        return len(parts) == 3 and parts[0] == "steps" and parts[2] in _LISTS

    def _is_filtered(self) -> bool:
        """Whether there may be fewer items than the earlier step had, since some failed."""
        return not isinstance(self.each.over, list) and not self.each.text.endswith("results")

    def _standin(self) -> Any:
        """What stands for any item: the first of the list as far as there is one beforehand."""
        try:
            found = self.each.entries(self.sight.worst)
        except TemplateFault:
            found = None
        if isinstance(found, Sequence) and not isinstance(found, str) and found:
            return found[0]
        return Record(self.each.as_name, {}, unprintable="is not known beforehand")

    def _each(
        self, entries: Sequence[Any], place: Place, fate: Fate
    ) -> tuple[list[Row], Cost, Any]:
        step = max(1, -(-len(entries) // MOST_ITEMS))
        seen = entries[::step]
        walks, total, longest, size = [], Cost(), entries[0], -1
        self.known.clear()
        for position, entry in enumerate(seen):
            rows, cost = self._one(entry, position * step + 1, place, fate, known=True)
            walks.append(rows)
            total += cost
            is_sure = all(row.will != "maybe" for row in rows)
            self.known.append(KnownItem.seen(self.step, entry, self.sight) if is_sure else None)
            if self.sight.sizes.get(self.step.id, 0) > size:
                longest, size = entry, self.sight.sizes.get(self.step.id, 0)
        merged = together(walks)
        if step > 1:
            self.known.append(None)
            merged, total = _stretched(merged, total, len(entries), len(seen))
        return merged, total, longest

    def _one(
        self, entry: Any, position: int, place: Place, fate: Fate, *, known: bool
    ) -> tuple[list[Row], Cost]:
        unknown = () if known else (self.each.as_name, "position")
        entry = item_value(self.each.as_name, entry)
        values = {self.each.as_name: (entry, entry), "position": (position, position)}
        return self.once(self.step, self.sight.with_names(unknown, **values), place, fate)

    def _offer(self, number: int | None, longest: Any, *, skipped: bool) -> None:
        if skipped:
            return
        known = [item for item in self.known if item is not None]
        if known and len(known) == len(self.known):
            offer_items(self.step, known, self.sight)
            return
        inner = [below.id for below in self.step.inside()]
        for scope in both(self.sight):
            steps = scope["steps"]
            about = standins.Items(number, longest, steps)
            name = f"steps.{self.step.id}"
            steps[self.step.id] = standins.of_items(name, steps[self.step.id], inner, about)
        self.sight.sizes[self.step.id] = self.sight.sizes.get(self.step.id, 0) * (number or 0)
        self.sight.unknown.add(("steps", self.step.id))

    def _said(self, row: Row, number: int | None) -> str:
        text = f" of `{self.each.text}`" if self.each.text else ""
        if row.because != usual(self.step) and row.will == "maybe":
            return f"for each item{text} {row.because}"
        if number is None:
            return f"for each item{text}"
        if row.reused:
            new = f"{row.most or 0:,} of {number:,} items{text} are new"
            return new if row.most else f"{number:,} items{text}, all answered before"
        if row.most is not None and row.most < number:
            return f"its `if` is true for {row.most:,} of {number:,} items{text}"
        return f"{number:,} item{'s' * (number != 1)}{text}"


_LISTS = ("results", "outputs", "texts")


def _stretched(rows: Sequence[Row], cost: Cost, number: int, seen: int) -> tuple[list[Row], Cost]:
    """What was seen of some items, for all of them."""
    factor = number / seen
    like = f"{number - seen:,} items to be like the {seen:,} that were looked at"
    more = [
        replace(
            row,
            fewest=round(row.fewest * factor),
            most=None if row.most is None else round(row.most * factor),
            of=number,
            cost=_grown(row.cost, factor),
            assumes=(*row.assumes, like) if row.cost.high != 0 else (),
        )
        for row in rows
    ]
    return more, _grown(cost, factor)


def _grown(cost: Cost, factor: float) -> Cost:
    high = None if cost.high is None else cost.high * factor
    return Cost(cost.low * factor, high, None if cost.about is None else cost.about * factor)
