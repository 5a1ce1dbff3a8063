"""Results of earlier processes of a run, by what was asked, for lists whose items have moved.

Whether one may stand in is left to `leaves`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flowrunner.events import Address, Segment
from flowrunner.journal.state import StepState


def place_of(path: tuple[Segment, ...]) -> str:
    """The place of a unit in the file, whatever its item and round: `extract/read`."""
    return "/".join(segment.step for segment in path)


@dataclass(slots=True)
class Moved:
    """Looked through when something is first asked for; each result is given once."""

    before: Mapping[str, StepState]
    _found: dict[tuple[str, str], list[StepState]] | None = None
    _staying: set[str] = field(default_factory=set)

    def stays(self, step: StepState) -> None:
        """A unit does what it did: its result is its own."""
        self._staying.add(step.unit)

    def take(self, place: str, mark: str) -> StepState | None:
        """A unit at the same place of the file that did the same, ended well and does another thing
        now, or nothing."""
        if self._found is None:
            self._found = self._look()
        waiting = self._found.get((place, mark), [])
        while waiting:
            step = waiting.pop(0)
            if step.unit not in self._staying:
                return step
        return None

    def _look(self) -> dict[tuple[str, str], list[StepState]]:
        found: dict[tuple[str, str], list[StepState]] = {}
        for unit, step in self.before.items():
            if step.status != "succeeded" or step.fingerprint is None:
                continue
            path = Address.parse(unit).path
            if any(segment.item is not None for segment in path):
                found.setdefault((place_of(path), step.fingerprint), []).append(step)
        return found
