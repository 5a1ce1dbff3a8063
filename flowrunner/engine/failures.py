"""What `resume --failed-only` does again: what failed, and what hangs on it; all else stays.

When a unit asks is left to `lists` and `steps`, what the run's end says of the rest to `run`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from flowrunner.engine.endings import Ending
from flowrunner.events import Address, StepStatus
from flowrunner.journal.state import StepState

_SHOWN = 5


@dataclass(slots=True)
class FailedOnly:
    """A go at a run that leaves alone what did not fail. `failed` are the units that failed and all
    that they stand in, `left` those that are left as they are although something is to be done in
    them, in the order in which they were come upon."""

    before: Mapping[str, StepState]
    failed: frozenset[str]
    left: dict[str, None] = field(default_factory=dict)

    @classmethod
    def of(cls, before: Mapping[str, StepState]) -> FailedOnly:
        """What there is to do by the journal of earlier processes."""
        names = (name for name, step in before.items() if step.status == "failed")
        return cls(before, frozenset(one for name in names for one in _around(name)))

    def goes_on(self, unit: str, *, recheck: bool) -> bool:
        """Whether a unit above which nothing is new is to be worked on; with `recheck` also one
        that ended, since it may do something else now."""
        return unit in self.failed or (recheck and self._status(unit) not in (None, "running"))

    def as_it_was(self, unit: str) -> Ending | None:
        """The end of a unit that is not worked on; None, and it is noted, where it has none."""
        known = self.before.get(unit)
        if known is None or known.status in (None, "running"):
            self.left[unit] = None
            return None
        assert known.status is not None
        return Ending(known.status, known.reason, known.message, known.help, is_kept=True)

    def sentence(self) -> str:
        """What was left as it was, for the end of the run."""
        was = "was" if len(self.left) == 1 else "were"
        return f"{named(list(self.left))} had not ended and {was} left"

    def _status(self, unit: str) -> StepStatus | None:
        known = self.before.get(unit)
        return None if known is None else known.status


def named(units: Sequence[str]) -> str:
    """The names of units in a sentence, the first of many."""
    more = f" and {len(units) - _SHOWN} more" if len(units) > _SHOWN else ""
    return ", ".join(f"`{unit}`" for unit in units[:_SHOWN]) + more


def _around(unit: str) -> Iterator[str]:
    """A unit and every unit that it stands in: `a[2]#1/b` is in `a[2]#1`, `a[2]` and `a`."""
    path = Address.parse(unit).path
    for end in range(len(path), 0, -1):
        outer = "/".join(map(str, path[: end - 1]))
        above = f"{outer}/" if outer else ""
        last = path[end - 1]
        item = "" if last.item is None else f"[{last.item}]"
        yield from dict.fromkeys((f"{above}{last}", f"{above}{last.step}{item}", above + last.step))
