"""How the items of a `for_each` ended, and what comes of all of them together.

Working on them is left to `steps`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from flowrunner.engine.endings import LOOSE_ENDS, PARTIAL, Ending, failed
from flowrunner.engine.ports import Stopped
from flowrunner.engine.units import Unit
from flowrunner.errors import ExitStatus
from flowrunner.language.workflow import Step


@dataclass(slots=True)
class Tally:
    """The items so far. `left` counts workers that found the run ending, and items left alone."""

    good: int = 0
    failed: int = 0
    partial: int = 0
    workers: int = 0
    changed: int = 0
    left: int = 0
    blocked: Ending | None = None
    first_failure: Ending | None = None
    is_over: bool = False

    def count(self, ending: Ending | None, step: Step) -> None:
        """Count the end of an item; None is an item that has none."""
        if ending is None:
            self.left += 1
            return
        self.changed += not ending.is_kept
        if ending.status == "failed":
            self.failed += 1
            self.first_failure = self.first_failure or ending
            self.is_over = step.on_error == "stop" or ending.stops is not None
        elif ending.status in ("unknown", "waiting", "cancelled"):
            self.blocked = self.blocked or ending
        else:
            self.good += 1
            self.partial += ending.reason in LOOSE_ENDS

    def ending(self, items: int, whole: Unit) -> Ending:
        """What came of all items together."""
        if self.is_over and self.first_failure is not None:
            return replace(self.first_failure, result=None, more={})
        if self.left:
            raise Stopped
        if self.blocked is not None:
            return Ending(self.blocked.status, self.blocked.reason, self.blocked.message)
        more = {"items": items, "failed": self.failed}
        if self.failed and self.failed == items and self.first_failure is not None:
            said = f"all {items} items failed, the first so: {self.first_failure.message}"
            return replace(failed(PARTIAL, said, self.first_failure.help), more=more)
        if self.failed:
            whole.shared.exits.add(ExitStatus.ITEMS_FAILED)
        message = f"{self.failed} of {items} items failed" if self.failed else None
        return Ending(
            "succeeded",
            PARTIAL if self.failed or self.partial else None,
            message,
            more=more,
            is_kept=not self.changed and whole.is_done,
        )
