"""Where something happens in a run: the path of a unit, and what of it is counted.

What happens there is left to the events.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Segment:
    """One step on the way to an address: `extract`, its item 3 `extract[3]`, round 2 `polish#2`.

    Items and rounds count from 1.
    """

    step: str
    item: int | None = None
    round: int | None = None

    def __str__(self) -> str:
        item = "" if self.item is None else f"[{self.item}]"
        rounds = "" if self.round is None else f"#{self.round}"
        return f"{self.step}{item}{rounds}"


_SEGMENT = re.compile(r"([a-z][a-z0-9_]*)(?:\[(\d+)\])?(?:#(\d+))?")


@dataclass(frozen=True, slots=True)
class Address:
    """Where something happens: the unit (a step, item or round), the answer attempt, turn and POST.

    `unit` is the text form of the path that people write (`extract[3]/read`).
    `attempt` counts tries at a good answer (`retry:`), `turn` requests of one tool loop, `post` the
    POSTs sent for that turn; all count from 1.
    """

    path: tuple[Segment, ...]
    attempt: int = 1
    turn: int = 1
    post: int = 1

    @property
    def unit(self) -> str:
        """The text form of the path, `extract[3]/read`."""
        return "/".join(str(segment) for segment in self.path)

    @property
    def step(self) -> str:
        """The id of the innermost step."""
        return self.path[-1].step

    @classmethod
    def parse(cls, unit: str, attempt: int = 1, turn: int = 1, post: int = 1) -> Address:
        """Read the text form of a unit. Raises ValueError where it is none."""
        segments = []
        for part in unit.split("/"):
            match = _SEGMENT.fullmatch(part)
            if match is None:
                raise ValueError(f"not an address: {unit!r}")
            name, item, rounds = match.groups()
            segments.append(
                Segment(name, int(item) if item else None, int(rounds) if rounds else None)
            )
        return cls(tuple(segments), attempt, turn, post)
