"""What a person at a terminal sees of a run at work, from its events and from answers in writing.

What there is to see is left to `report`, when and how it is drawn to `telling` and the viewer.
"""

from __future__ import annotations

from flowrunner.commands.planning import in_force
from flowrunner.commands.viewing import Viewer, style_of
from flowrunner.engine.plan import Plan
from flowrunner.engine.ports import Clock
from flowrunner.events import Event
from flowrunner.journal.state import RunState
from flowrunner.report.live import live_lines, rows_of_screen
from flowrunner.report.underway import Outline, Underway
from flowrunner.report.writing import Writing
from flowrunner.secrets import Scrubber


class Watching:
    """A run as a viewer watches it. `before` is what its journal holds already."""

    def __init__(
        self, plan: Plan, before: RunState, viewer: Viewer, clock: Clock, scrubber: Scrubber
    ) -> None:
        self.writing = Writing(scrubber)
        self._viewer = viewer
        self._clock = clock
        self._underway = Underway(_outline(plan), before)

    def feed(self, event: Event) -> None:
        """What the journal was told."""
        self.writing.feed(event)
        self._underway.feed(event)

    def stop(self) -> None:
        """Somebody asked the run to end."""
        self._underway.stop()

    def lines(self) -> list[str]:
        """What stands at the bottom of the screen now."""
        height = self._viewer.height
        moment = self._underway.moment(self._clock.now(), rows_of_screen(height))
        if moment is None:
            return []
        return live_lines(moment, style_of(self._viewer), height, self.writing.shown)


def _outline(plan: Plan) -> Outline:
    budget = in_force([plan.workflow.budget, plan.settings.budget])
    return Outline(
        needs={step.id: step.waits_for for step in plan.steps},
        budget_usd=None if budget is None else budget.stop_at_usd,
        simulated=plan.settings.simulated,
    )
