"""The unit that a person means: `reply`, `extract[3]`, `polish#2/draft`, in a file as it is now."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from flowrunner.diagnostics import did_you_mean
from flowrunner.errors import UsageError
from flowrunner.events import Segment
from flowrunner.events.address import Address
from flowrunner.language.request import Prompt
from flowrunner.language.workflow import CallWorkflow, Step, Workflow

Way = tuple[Step, ...]
"""A step with those around it, the outermost first."""

_WRITTEN = ("write", "set")
_WITH_EFFECTS = ("run", "call")


@dataclass(frozen=True, slots=True)
class Meant:
    """The unit at `path`; `way` has a step for each of its segments, `lists` the list of each."""

    path: tuple[Segment, ...]
    way: Way
    lists: tuple[Sequence[Step], ...]

    @property
    def step(self) -> Step:
        return self.way[-1]

    @property
    def name(self) -> str:
        """The unit as people write it."""
        return "/".join(map(str, self.path))

    def within(self, units: Collection[str]) -> Meant:
        """The same with an item and a round wherever there are several and none is named: the
        first item, the last round among the `units` on record."""
        found: list[Segment] = []
        for segment, step in zip(self.path, self.way, strict=True):
            item, number = segment.item, segment.round
            if step.for_each is not None:
                item = item or 1
            here = replace(segment, item=item, round=None)
            if step.repeat is not None:
                number = number or _last_round((*found, here), units)
            found.append(replace(here, round=number))
        return replace(self, path=tuple(found))

    def needed(self) -> Iterator[tuple[str, Step]]:
        """The units that must be on record for this one, with their steps: what it mentions."""
        verb = self.step.verb
        named = set(self.step.unguarded)
        if isinstance(verb, Prompt) and verb.continues is not None:
            named.add(verb.continues.step)
        for depth, steps in enumerate(self.lists):
            above = "".join(f"{segment}/" for segment in self.path[:depth])
            for step in steps:
                if step.id in named and step is not self.way[depth]:
                    yield f"{above}{step.id}", step


def _last_round(path: tuple[Segment, ...], units: Collection[str]) -> int:
    around = "/".join(map(str, path))
    number = 1
    while f"{around}#{number + 1}" in units:
        number += 1
    return number


def find(workflow: Workflow, spec: str) -> Meant:
    """What `spec` names: an address, or the id of a step wherever it stands in the file.

    Raises UsageError for what does not exist or cannot be tried.
    """
    path = _parsed(workflow, spec)
    ways = [way for way in _ways(workflow.steps) if _fits(way, path)]
    if not ways:
        raise _unknown(workflow, spec)
    way = ways[0]
    missing = tuple(Segment(step.id) for step in way[: len(way) - len(path)])
    meant = Meant((*missing, *path), way, tuple(_lists(workflow, way)))
    _check(meant, spec)
    return meant


def _parsed(workflow: Workflow, spec: str) -> tuple[Segment, ...]:
    try:
        return Address.parse(spec).path
    except ValueError:
        raise _unknown(workflow, spec) from None


def _ways(steps: Sequence[Step], around: Way = ()) -> Iterator[Way]:
    for step in steps:
        yield (*around, step)
        for _, inner in step.lists:
            yield from _ways(inner, (*around, step))


def _fits(way: Way, path: tuple[Segment, ...]) -> bool:
    ids = [step.id for step in way]
    named = [segment.step for segment in path]
    return ids == named or (len(named) == 1 and ids[-1] == named[0])


def _lists(workflow: Workflow, way: Way) -> Iterator[Sequence[Step]]:
    yield workflow.steps
    for outer, inner in pairwise(way):
        yield next(steps for _, steps in outer.lists if inner in steps)


def _check(meant: Meant, spec: str) -> None:
    for segment, step in zip(meant.path, meant.way, strict=True):
        if segment.item is not None and step.for_each is None:
            raise UsageError(f"`{spec}`: `{step.id}` has no `for_each`, and so no items")
        if segment.round is not None and step.repeat is None:
            raise UsageError(f"`{spec}`: `{step.id}` has no `repeat`, and so no rounds")
        if segment.item == 0 or segment.round == 0:
            raise UsageError(f"`{spec}`: items and rounds are counted from 1")
    step = meant.step
    if isinstance(step.verb, Prompt) or step.verb_name in (*_WRITTEN, *_WITH_EFFECTS):
        return
    raise UsageError(
        f"`{spec}` is `{step.verb_name}`, which asks nothing that could be tried",
        help=_instead(meant),
    )


def _instead(meant: Meant) -> str:
    step = meant.step
    if isinstance(step.verb, CallWorkflow):
        called = step.verb.workflow
        return f"try a step of that file: `flowrunner try {called.shown} {called.steps[0].id}`"
    inside = [inner.id for inner in step.inside()]
    if inside:
        return (
            f"name a step inside it: {', '.join(f'`{meant.name}/{name}`' for name in inside[:5])}"
        )
    return "name a step with a prompt"


def _unknown(workflow: Workflow, spec: str) -> UsageError:
    known = [step.id for step in workflow.all_steps()]
    near = did_you_mean(spec, known)
    there = ", ".join(f"`{name}`" for name in known[:8])
    return UsageError(
        f"{workflow.shown} has no step `{spec}`",
        help=f"did you mean `{near}`?" if near else f"its steps are {there}",
    )
