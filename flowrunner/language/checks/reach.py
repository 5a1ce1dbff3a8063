"""Steps that can never run, and steps that may be skipped.

Which steps may be mentioned at all is left to `order`.
"""

from __future__ import annotations

from collections.abc import Iterator

from flowrunner.diagnostics import Finding
from flowrunner.language.checks.order import Places
from flowrunner.language.forms import Leaf
from flowrunner.language.request import Prompt
from flowrunner.language.shapes import alternatives
from flowrunner.language.templates import Mention
from flowrunner.language.workflow import Branch, Step
from flowrunner.language.workflow.lifting import Place, step_mentions


def check_reach(places: Places) -> Iterator[Finding]:
    """Steps that lean on one that is switched off, or on two of which only one runs."""
    off: set[str] = set()
    for place in places.all:
        step = place.step
        if _is_off(step) or any(outer.step.id in off for outer, _ in place.around):
            off.add(step.id)
            continue
        leaned_on = [*_demanded(step), *_parents(step)]
        dead = [name for name in dict.fromkeys(leaned_on) if name in off and name != step.id]
        if dead:
            off.add(step.id)
            yield _never_runs(step, dead)
        else:
            yield from _check_cases(places, place)


def _is_off(step: Step) -> bool:
    # The `if` of a `for_each` is that of each entry: the step itself ends with an empty list.
    return step.condition is False and step.for_each is None


def _demanded(step: Step) -> dict[str, tuple[Leaf, Mention]]:
    """The steps that a step cannot do without, each with its first unguarded mention."""
    found: dict[str, tuple[Leaf, Mention]] = {}
    for leaf in step.leaves:
        for mention in step_mentions(leaf):
            if not mention.guarded and leaf.used_as != "condition":
                found.setdefault(str(mention.path[1]), (leaf, mention))
    return found


def _parents(step: Step) -> list[str]:
    """The step that it continues, which it cannot do without either."""
    continues = step.verb.continues if isinstance(step.verb, Prompt) else None
    return [] if continues is None else [continues.step]


def _never_runs(step: Step, dead: list[str]) -> Finding:
    names = alternatives(sorted(dead), "and")
    too = f"switch `{step.id}` off too"
    does, fix = "mentions", f"write `first(…)` or `default(…)` around the mention, or {too}"
    if set(dead) <= {*_parents(step)}:
        does, fix = "continues", f"take the `if` away, or {too}"
    return Finding(
        "never-runs",
        f"`{step.id}` never runs: it {does} {names}, which never runs",
        (*step.route, "id"),
        fix,
        severity="warning",
    )


def _check_cases(places: Places, place: Place) -> Iterator[Finding]:
    """Unguarded mentions of steps from different cases of one branch."""
    taken: dict[str, tuple[str | None, str]] = {}
    mine = {outer.step.id for outer in place.chain()}
    for name, (leaf, mention) in _demanded(place.step).items():
        target = places.of.get(name)
        for outer, case in () if target is None else target.around:
            if not isinstance(outer.step.verb, Branch) or outer.step.id in mine:
                continue
            first_case, first = taken.setdefault(outer.step.id, (case, name))
            if first_case != case:
                yield _two_cases(place.step, outer.step, (first, name), (leaf, mention))
                return


def _two_cases(
    step: Step, branch: Step, names: tuple[str, str], where: tuple[Leaf, Mention]
) -> Finding:
    first, second = names
    leaf, mention = where
    return Finding(
        "never-runs",
        f"`{step.id}` never runs: it mentions `{first}` and `{second}`, which stand in different "
        f"cases of `{branch.id}`",
        leaf.route,
        f"join them with `first(steps.{first}.…, steps.{second}.…)`, or mention `{branch.id}`",
        start=mention.start,
        length=mention.length,
    )


def may_be_empty(places: Places, complete: frozenset[str]) -> frozenset[str]:
    """The steps that may be skipped, or fail while the run goes on.

    `complete` are the branches that always take one of their cases. A `for_each` of which all
    entries failed is not counted: its lists are there, and empty.
    """
    empty: set[str] = set()
    risky = {place.step.id for place in places.all if _is_risky(place.step)}
    for place in places.all:
        step = place.step
        conditional = step.condition not in {None, True} and step.for_each is None
        in_case = any(isinstance(outer.step.verb, Branch) for outer, _ in place.around)
        inside = any(outer.step.id in empty for outer, _ in place.around)
        no_case = isinstance(step.verb, Branch) and step.id not in complete
        leaning = bool(empty & step.unguarded or risky & {*step.needs})
        if conditional or in_case or inside or no_case or leaning or step.id in risky:
            empty.add(step.id)
    return frozenset(empty)


def _is_risky(step: Step) -> bool:
    return step.on_error == "continue" and step.for_each is None
