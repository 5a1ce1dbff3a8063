"""What becomes of a step and why: by its `if`, the steps it mentions, gates and branches."""

from __future__ import annotations

from dataclasses import dataclass

from flowrunner.engine.forecast.costs import Will
from flowrunner.engine.forecast.sight import Sight
from flowrunner.language.forms import text_of
from flowrunner.language.templates import TemplateFault
from flowrunner.language.workflow import Approve, Branch, Fail, Step, Stop


@dataclass(frozen=True, slots=True)
class Place:
    """Where a list of steps stands: the unit that holds it, how deep, and what becomes of all of it
    (`held` says why it may not run at all)."""

    unit: str = ""
    depth: int = 0
    will: Will = "run"
    held: str = ""

    def inside(self, step: Step, fate: Fate) -> Place:
        """One deeper, in a step of this fate; units of what is inside stand under its own."""
        held = "" if fate.will == "run" else fate.because
        return Place(f"{self.of(step)}/", self.depth + 1, fate.will, held)

    def of(self, step: Step) -> str:
        """The unit of a step that stands here."""
        return f"{self.unit}{step.id}"


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a step, and why."""

    will: Will
    because: str


def stricter(one: Fate, other: Fate) -> Fate:
    """What becomes of a step by two reasons; the first one counts where they weigh the same."""
    weight = {"run": 0, "maybe": 1, "skip": 2}
    return other if weight[other.will] > weight[one.will] else one


def by_others(step: Step, sight: Sight) -> Fate:
    """What the steps that it mentions mean for it."""
    fates = {name: sight.fate.get(name, "run") for name in sorted(step.unguarded)}
    for will, word in (("skip", "is skipped"), ("maybe", "runs")):
        names = [name for name, fate in fates.items() if fate == will]
        if names:
            only = "only if " if will == "maybe" else ""
            return Fate("maybe" if will == "maybe" else "skip", f"{only}`{names[0]}` {word}")
    return Fate("run", "")


def by_condition(step: Step, sight: Sight) -> Fate:
    holds = sight.decide(step.condition)
    if holds is None:
        return Fate("maybe", f"only if {step.condition_text}")
    return Fate("run", "") if holds else Fate("skip", "its `if` is false")


def by_gate(step: Step, sight: Sight) -> Fate:
    """What a step means for those below it in its list."""
    will = sight.fate[step.id]
    if isinstance(step.verb, Approve) and will != "skip":
        return Fate("maybe", f"only if a person agrees at `{step.id}`")
    if step.for_each is not None:
        return Fate("run", "")
    # What ends the run may stand inside a group or a branch.
    ends = [one for one in (step, *step.inside()) if isinstance(one.verb, Stop | Fail)]
    for end in ends:
        fate = sight.fate.get(end.id, "skip")
        if fate == "run":
            return Fate("skip", f"`{end.id}` ends the run before it")
        if fate == "maybe":
            return Fate("maybe", f"unless `{end.id}` ends the run before it")
    return Fate("run", "")


def usual(step: Step) -> str:
    """Why a step runs that nothing holds back."""
    if not step.waits_for:
        return "at once"
    names = [f"`{name}`" for name in step.waits_for[:3]]
    more = f" and {len(step.waits_for) - 3} more" if len(step.waits_for) > 3 else ""
    return f"after {', '.join(names)}{more}"


def case_taken(branch: Branch, sight: Sight) -> tuple[str | None] | None:
    """The key of the case that is taken, where that is known; in a tuple, since None is
    `otherwise`."""
    if not sight.is_known(branch.on):
        return None
    try:
        value = text_of(branch.on.evaluate(sight.worst))
    except TemplateFault:
        return None
    return (value if value in dict(branch.cases) else None,)


def of_case(step: Step, case: str | None, taken: tuple[str | None] | None) -> Fate:
    """What becomes of the steps of one case of a branch, by which one is `taken` (see there)."""
    asked = f"`{step.id}` takes `{case}`" if case is not None else f"`{step.id}` takes no other"
    if taken is None:
        return Fate("maybe", f"only if {asked}")
    return Fate("run", "") if taken[0] == case else Fate("skip", f"`{step.id}` takes another way")
