"""Which results of earlier runs may stand in: by the step, the command line and what was asked.

The same for a run and for its plan. What a request is hashed from is left to those who make it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from flowrunner.engine.ports import Found, Shelf
from flowrunner.language.workflow import Step

ALL = "all"
"""In place of a step: nothing is reused."""


@dataclass(slots=True)
class Reuse:
    """Results of earlier runs on a shelf; None: there is nothing to take.

    `by_default` is for steps that say nothing about it. `forced` are the steps, by their place in
    the file (`group/step`), for which nothing is taken, nor for what is inside them.
    """

    shelf: Shelf | None = None
    by_default: bool = False
    forced: Collection[str] = ()
    _asked_for: Counter[str] = field(default_factory=Counter)

    def find(self, step: Step, place: str, mark: str, now: float) -> Found | None:
        """What stands on the shelf for the request of a step; each time another result of it."""
        wanted = self.wanted(step, place)
        if self.shelf is None or wanted is None:
            return None
        self._asked_for[mark] += 1
        oldest = None if wanted is True else now - wanted
        return self.shelf.look_up(mark, nth=self._asked_for[mark], newer_than=oldest)

    def wanted(self, step: Step, place: str) -> float | bool | None:
        """True for a result of any age, else how many seconds old it may be; None for none."""
        wanted = self.by_default if step.reuse is None else step.reuse
        return None if wanted is False or self._is_forced(place) else wanted

    def _is_forced(self, place: str) -> bool:
        around = place.split("/")
        outer = ("/".join(around[:end]) for end in range(1, len(around) + 1))
        return ALL in self.forced or any(one in self.forced for one in outer)
