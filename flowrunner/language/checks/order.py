"""Ids, `needs` and mentions: each step stands for itself and leans only on steps that it can see.

That is: on steps above it, in its own list or one around it. Steps that never run are left to
`reach`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flowrunner.diagnostics import Finding, Route, did_you_mean
from flowrunner.language.forms import Leaf, leaves
from flowrunner.language.shapes import alternatives
from flowrunner.language.templates import Mention
from flowrunner.language.workflow import Step, Workflow
from flowrunner.language.workflow.lifting import Place, places_of, shared_list, step_mentions


class Places:
    """Where every step of a workflow stands. Of two steps with one id the first counts."""

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self.all = places_of(workflow.steps)
        self.of: dict[str, Place] = {}
        for place in self.all:
            if place.step.id:
                self.of.setdefault(place.step.id, place)

    def line(self, step: Step) -> int:
        """The line of the id of a step."""
        return self.workflow.document.place((*step.route, "id")).line


@dataclass(frozen=True, slots=True)
class Wrong:
    """Why a step cannot lean on another: a rule code, the end of a sentence, and a fix."""

    code: str
    why: str
    fix: str


def check_ids(places: Places) -> Iterator[Finding]:
    """Every id once in the file, without regard to case."""
    seen: dict[str, Step] = {}
    for step in (place.step for place in places.all):
        earlier = seen.setdefault(step.id.casefold(), step)
        if step.id and earlier is not step:
            line = places.line(earlier)
            same = earlier.id == step.id
            yield Finding(
                "duplicate-id",
                f"the id `{step.id}` is given twice, here and on line {line}"
                if same
                else f"the id `{step.id}` differs from `{earlier.id}` on line {line} only in case",
                (*step.route, "id"),
                "choose another id",
            )


def check_needs(places: Places) -> Iterator[Finding]:
    """Every need is a step that can be seen."""
    for place in places.all:
        for position, needed in enumerate(place.step.needs):
            route = (*place.step.route, "needs", position)
            target = places.of.get(needed)
            if target is not None:
                wrong = _wrong(places, place, target, "needs")
                if wrong is not None:
                    message = f"`{place.step.id}` needs {wrong.why}"
                    yield Finding(wrong.code, message, route, wrong.fix)
            elif needed not in places.workflow.hidden:
                yield _unknown_need(places, place, needed, route)


def _unknown_need(places: Places, place: Place, needed: str, route: Route) -> Finding:
    above = [
        other.step.id
        for other in places.all
        if other.step.id and _wrong(places, place, other, "needs") is None
    ]
    near = did_you_mean(needed, above)
    meant = f": did you mean `{near}`?" if near else ""
    above = list(dict.fromkeys(above))
    fix = f"`needs` may name {alternatives(above)} here" if above else "no step stands above it"
    return Finding(
        "unknown-step", f"there is no step `{needed}`{meant}", route, None if near else fix
    )


def check_mentions(places: Places) -> Iterator[Finding]:
    """Templates mention only steps that they can see; those of `defaults` mention none."""
    for place in places.all:
        for leaf in place.step.leaves:
            for mention in step_mentions(leaf):
                yield from _check_mention(places, place, leaf, mention)
    for leaf in leaves(places.workflow.result):
        for mention in step_mentions(leaf):
            target = places.of.get(str(mention.path[1]))
            loops = [] if target is None else _loops_around(target, 0)
            if target is not None and loops:
                yield _at(leaf, mention, "`result` mentions", _one_per_entry(target, loops))


def _check_mention(places: Places, place: Place, leaf: Leaf, mention: Mention) -> Iterator[Finding]:
    name = str(mention.path[1])
    target = places.of.get(name)
    if leaf.route[0] == "defaults":
        if target is not None:
            why = f"`defaults` stand above all steps, so they cannot mention `{name}`"
            yield _at(leaf, mention, why, Wrong("order", "", "write it in the steps that use it"))
    elif target is not None:
        wrong = _wrong(places, place, target, "mentions", _is_until(place.step, leaf))
        if wrong is not None:
            yield _at(leaf, mention, f"`{place.step.id}` mentions", wrong)


def _is_until(step: Step, leaf: Leaf) -> bool:
    return leaf.route[: len(step.route) + 1] == (*step.route, "repeat")


def _at(leaf: Leaf, mention: Mention, message: str, wrong: Wrong) -> Finding:
    return Finding(
        wrong.code,
        f"{message} {wrong.why}".rstrip(),
        leaf.route,
        wrong.fix,
        start=mention.start,
        length=mention.length,
    )


def _wrong(
    places: Places, place: Place, target: Place, does: str, in_until: bool = False
) -> Wrong | None:
    """Why one step cannot lean on another, or None where it can."""
    shared = shared_list(place, target)
    if shared is None:
        return _other_case(place, target)
    mine, theirs = shared
    if mine is theirs:
        if not in_until or target in place.chain()[:-1]:
            return _of_itself(place, target, "take it out" if does == "needs" else None)
    elif theirs.position > mine.position:
        line = places.line(target.step)
        return Wrong(
            "order",
            f"`{target.step.id}`, which stands below it on line {line}",
            f"move `{theirs.step.id}` up, above `{mine.step.id}`",
        )
    loops = _loops_around(target, len(theirs.around) + (mine is theirs))
    return _one_per_entry(target, loops, does) if loops else None


def _of_itself(place: Place, target: Place, fix: str | None) -> Wrong:
    if target is place:
        return Wrong("order", "itself", fix or "mention a step above it")
    if place in target.chain():
        why = f"`{target.step.id}`, which stands inside it"
        return Wrong("order", why, fix or "mention it in a step below, or inside too")
    why = f"`{target.step.id}`, inside which it stands"
    return Wrong("order", why, fix or "mention a step above it")


def _other_case(place: Place, target: Place) -> Wrong:
    branch = next(
        mine[0]
        for mine, theirs in zip(place.around, target.around, strict=False)
        if mine[0] is theirs[0] and mine[1] != theirs[1]
    )
    return Wrong(
        "never-runs",
        f"`{target.step.id}`, which stands in another case of `{branch.step.id}`: only one of the "
        "two runs",
        f"move what both need above `{branch.step.id}`",
    )


def _loops_around(target: Place, depth: int) -> list[Place]:
    """The steps around another, from a depth inwards, that run once per entry."""
    around = target.chain()[depth:-1]
    return [place for place in around if place.step.for_each is not None]


def _one_per_entry(target: Place, loops: list[Place], does: str = "mentions") -> Wrong:
    name, groups = target.step.id, [loop.step.id for loop in loops]
    path = "".join(f"steps.{group}.results[0]." for group in groups) + f"steps.{name}"
    fix = f"write `{path}`, or loop over `steps.{groups[0]}.results`"
    return Wrong(
        "inside-for-each",
        f"`{name}`, which runs once per entry of `{groups[-1]}`",
        f"write `needs: [{groups[0]}]`" if does == "needs" else fix,
    )
