"""One unit of a file by itself, where all that it mentions is on record already.

Its modifiers that decide whether and how often it runs (`for_each`, `if`, `repeat`) have been
decided by whoever names the unit, and `save_to` saves nothing: a try leaves no traces outside. The
scheduler is not asked; what the unit does is left to `steps`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flowrunner.engine.endings import Ending, failed
from flowrunner.engine.place import Path, Place, item_value, round_of
from flowrunner.engine.steps import Runner
from flowrunner.events import Address, Segment
from flowrunner.language.templates import Empty, Record, TemplateFault
from flowrunner.language.workflow import Step

_ELSEWHERE = "look whether the run that it is tried with had so many"


class NoSuchUnit(Exception):
    """The unit cannot be reached with what is on record; the text says why."""


@dataclass(slots=True)
class Alone:
    """The unit at `unit` of a file whose steps stand at `place`, at work like a list of one."""

    runner: Runner
    place: Place
    steps: Sequence[Step]
    unit: str
    ended: Ending | None = field(default=None, init=False)

    async def run(self) -> Ending:
        """The unit's end, which is in the journal; that of the run where it came first."""
        try:
            step, path = self._reach()
        except TemplateFault as fault:
            return failed("template", fault.message, fault.help)
        except NoSuchUnit as fault:
            return failed("not-there", str(fault), _ELSEWHERE)
        ending = await self.runner.alone(step, self.place, path)
        if ending is None:
            return Ending("cancelled")
        self.ended = ending
        if ending.stops is not None:
            self.runner.shared.halt(ending)
        return ending

    @property
    def is_complete(self) -> bool:
        """Whether the unit came to an end."""
        return self.ended is not None

    def _reach(self) -> tuple[Step, Path]:
        """The step, stripped of what is decided, and its path; `place` is where it stands then."""
        path = Address.parse(self.unit).path
        steps = self.steps
        for depth, segment in enumerate(path, 1):
            self.place = self._among(steps)
            step = next(each for each in steps if each.id == segment.step)
            self._enter(step, segment, path[:depth])
            if depth < len(path):
                self.place = replace(self.place, path=path[:depth])
                steps = _list_with(step, path[depth].step)
        return replace(step, condition=None, for_each=None, repeat=None, save_to=None), path

    def _among(self, steps: Sequence[Step]) -> Place:
        """The place of a list, from which its own steps are seen too."""
        listed = self.runner.list_of(steps, self.place, False)
        return replace(self.place, above=listed.sees)

    def _enter(self, step: Step, segment: Segment, path: Path) -> None:
        """Give the place the names that an item and a round bring."""
        if segment.item is not None and step.for_each is not None:
            value = self._item(step, segment.item)
            name = step.for_each.as_name
            self._name(**{name: item_value(name, value), "position": segment.item})
        if segment.round is not None:
            self._name(previous=self._before(step, round_of(path, segment.round - 1)))

    def _before(self, step: Step, path: Path) -> Any:
        """What `previous` is in the round after the one at a path."""
        if path[-1].round == 0:
            return Empty("round", "previous")
        return Record("previous", self.runner.sees_round(step, path))

    def _item(self, step: Step, number: int) -> Any:
        assert step.for_each is not None
        source = step.for_each.entries(self.place.scope())
        if isinstance(source, Empty | str) or not isinstance(source, Sequence):
            raise NoSuchUnit(f"`for_each` of `{step.id}` gives no list here")
        if number > len(source):
            raise NoSuchUnit(f"`{step.id}` has no item {number}: there are {len(source)}")
        return source[number - 1]

    def _name(self, **names: Any) -> None:
        self.place = replace(self.place, names={**self.place.names, **names})


def _list_with(step: Step, inner: str) -> Sequence[Step]:
    """The list inside a step that holds another."""
    lists = (steps for _, steps in step.lists)
    return next(steps for steps in lists if any(each.id == inner for each in steps))
