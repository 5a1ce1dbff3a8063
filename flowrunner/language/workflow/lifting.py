"""Who waits for whom: mentions between nested lists, lifted to the list that both sides share.

Whether a step may be mentioned from where it is mentioned is left to `checks`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from flowrunner.language.forms import Leaf
from flowrunner.language.request import Prompt
from flowrunner.language.templates import Mention
from flowrunner.language.tools import CallTool
from flowrunner.language.workflow.parts import (
    Branch,
    CallWorkflow,
    Command,
    Step,
    Steps,
    Verb,
)
from flowrunner.language.workflow.talks import Talk, shares_talk, talks_of


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where a step stands: its position in its list, and the steps around it from the outside in,
    each with its own place and the case that this step is in."""

    step: Step
    position: int
    around: tuple[tuple[Place, str | None], ...] = ()

    def chain(self) -> tuple[Place, ...]:
        """The places around it, then its own."""
        return (*(place for place, _ in self.around), self)


def places_of(steps: tuple[Step, ...]) -> list[Place]:
    """The place of every step at any depth, in the order of the file."""
    return list(_places(steps, ()))


def _places(
    steps: tuple[Step, ...], around: tuple[tuple[Place, str | None], ...]
) -> Iterator[Place]:
    for position, step in enumerate(steps):
        place = Place(step, position, around)
        yield place
        for case, below in step.lists:
            yield from _places(below, (*around, (place, case)))


def shared_list(one: Place, other: Place) -> tuple[Place, Place] | None:
    """The two steps of one list that hold the two, or are them.

    None where they stand in different cases of one branch.
    """
    for mine, theirs in zip(one.around, other.around, strict=False):
        if mine[0] is not theirs[0]:
            return mine[0], theirs[0]
        if mine[1] != theirs[1]:
            return None
    depth = min(len(one.around), len(other.around))
    return one.chain()[depth], other.chain()[depth]


def step_mentions(leaf: Leaf) -> Iterator[Mention]:
    """The mentions of steps in a template."""
    for mention in leaf.parsed.mentions:
        if len(mention.path) > 1 and mention.path[0] == "steps":
            yield mention


@dataclass(slots=True)
class _Edges:
    """For one step the steps of its list that it waits for, mentions before needs."""

    mentioned: dict[str, None] = field(default_factory=dict)
    needed: dict[str, None] = field(default_factory=dict)
    unguarded: set[str] = field(default_factory=set)


def lift(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps with `waits_for`, `unguarded` and `has_effects` filled in, at every depth."""
    places = places_of(steps)
    known: dict[str, Place] = {}
    for place in places:
        known.setdefault(place.step.id, place)
    edges: dict[int, _Edges] = {id(place.step): _Edges() for place in places}
    for place in places:
        _add_mentions(place, known, edges)
        _add_parent(place, known, edges)
        for name in place.step.needs:
            lifted = _lifted(place, known.get(name))
            if lifted is not None:
                edges[id(lifted[0])].needed[lifted[1]] = None
    return _rebuilt(steps, edges)


def _add_mentions(place: Place, known: Mapping[str, Place], edges: Mapping[int, _Edges]) -> None:
    own = edges[id(place.step)]
    for leaf in place.step.leaves:
        for mention in step_mentions(leaf):
            name = str(mention.path[1])
            lifted = _lifted(place, known.get(name))
            if lifted is not None:
                edges[id(lifted[0])].mentioned[lifted[1]] = None
            # What an `if` or `until` asks about does not have to be there.
            if mention.guarded or leaf.used_as == "condition":
                continue
            own.unguarded |= {name} if lifted is None else {name, lifted[1]}


def _add_parent(place: Place, known: Mapping[str, Place], edges: Mapping[int, _Edges]) -> None:
    """A step leans on the one that it continues as on one that it mentions."""
    verb = place.step.verb
    if not isinstance(verb, Prompt) or verb.continues is None:
        return
    name = verb.continues.step
    lifted = _lifted(place, known.get(name))
    if lifted is not None:
        edges[id(lifted[0])].mentioned[lifted[1]] = None
        edges[id(place.step)].unguarded.add(name)


def _lifted(place: Place, target: Place | None) -> tuple[Step, str] | None:
    """The step that waits and the id it waits for; None where nothing is waited for."""
    shared = None if target is None else shared_list(place, target)
    if shared is None or shared[1].position >= shared[0].position:
        return None
    return shared[0].step, shared[1].step.id


def _rebuilt(steps: tuple[Step, ...], edges: Mapping[int, _Edges]) -> tuple[Step, ...]:
    gates: dict[str, None] = {}
    effect: str | None = None
    spoken: dict[Talk, str] = {}
    rebuilt = []
    for step in steps:
        own = edges[id(step)]
        verb = _rebuilt_verb(step, edges)
        done = dataclasses.replace(step, verb=verb)
        has_effects = _has_effects(done)
        talks = talks_of(done)
        earlier = [effect] if has_effects and effect is not None else []
        earlier += [id_ for talk, id_ in spoken.items() if talk in talks]
        waits_for = dict.fromkeys([*own.mentioned, *own.needed, *gates, *earlier])
        rebuilt.append(
            dataclasses.replace(
                done,
                waits_for=tuple(waits_for),
                unguarded=frozenset(own.unguarded),
                has_effects=has_effects,
                shares_conversation=shares_talk(done),
            )
        )
        if step.is_gate:
            gates[step.id] = None
        if has_effects:
            effect = step.id
        spoken |= dict.fromkeys(talks, step.id)
    return tuple(rebuilt)


def _rebuilt_verb(step: Step, edges: Mapping[int, _Edges]) -> Verb:
    verb = step.verb
    if isinstance(verb, Steps):
        return Steps(_rebuilt(verb.steps, edges))
    if isinstance(verb, Branch):
        cases = tuple((case, _rebuilt(below, edges)) for case, below in verb.cases)
        rest = None if verb.otherwise is None else _rebuilt(verb.otherwise, edges)
        return Branch(verb.on, cases, rest)
    return verb


def _has_effects(step: Step) -> bool:
    if isinstance(step.verb, Command):
        return step.verb.changes_things
    if isinstance(step.verb, CallTool):
        return step.verb.tool.changes_things
    if isinstance(step.verb, Prompt):
        return any(tool.changes_things for tool in step.verb.tools.values())
    if isinstance(step.verb, CallWorkflow):
        return any_effects(step.verb.workflow.steps)
    return any(any_effects(below) for _, below in step.lists)


def any_effects(steps: Iterable[Step]) -> bool:
    """Whether one of these steps changes something outside the run."""
    return any(step.has_effects for step in steps)
