"""One step from its `for_each` to its end: the modifiers, wrapped once around every verb.

They nest in the order of the language: `for_each`, `if`, `repeat`, `retry`, the verb. When a step
may start is decided in `lists`; what each verb does in `verbs`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import Any

from flowrunner.engine.endings import LOOSE_ENDS, PARTIAL, Ending, failed, skipped
from flowrunner.engine.lists import StepList
from flowrunner.engine.place import (
    Path,
    Place,
    inside,
    item_value,
    load_step,
    round_of,
    unit_name,
)
from flowrunner.engine.plan import gives_secrets
from flowrunner.engine.ports import Stopped
from flowrunner.engine.saving import save, target_of
from flowrunner.engine.shared import Shared
from flowrunner.engine.tally import Tally
from flowrunner.engine.together import together
from flowrunner.engine.units import Listed, Unit
from flowrunner.engine.verbs import VERBS
from flowrunner.events import (
    JSON,
    ForEachBegan,
    Segment,
    StepFinished,
    StepResult,
    Warned,
)
from flowrunner.journal.state import BACKGROUND
from flowrunner.language.request import Prompt
from flowrunner.language.shapes import found
from flowrunner.language.templates import Empty, Record, TemplateFault
from flowrunner.language.workflow import Repeat, Step

BACKGROUND_ITEMS = 200
"""So many items of a list may wait for responses in the background, where it has no `at_once`."""


@dataclass(slots=True)
class Runner:
    """Runs steps wherever they stand."""

    shared: Shared

    def list_of(self, steps: Sequence[Step], place: Place, recheck: bool) -> StepList:
        """A list of steps, ready to be run."""
        return StepList(self.shared, place, steps, self.run, self.record_step, recheck)

    async def run(self, step: Step, place: Place, recheck: bool) -> Ending | None:
        """Run a step that may start; None when the end of the run came first.

        The end is in the journal when this returns.
        """
        path = (*place.path, Segment(step.id))
        budget = self.shared.budget(step.budget, place.budget, f"`{step.id}`", path)
        unit = self._unit(step, replace(place, budget=budget), Segment(step.id), recheck)
        if step.for_each is None:
            return await self._run_unit(unit)
        try:
            ending = await self._items(unit)
        except TemplateFault as fault:
            ending = failed("template", fault.message, fault.help)
        except Stopped:
            return None
        await self.record(unit, ending)
        return ending

    async def alone(self, step: Step, place: Place, path: Path) -> Ending | None:
        """Run the unit at a path by itself; None when the end of the run came first."""
        budget = self.shared.budget(step.budget, place.budget, f"`{step.id}`", path)
        unit = self._unit(step, replace(place, budget=budget), path[-1], False)
        return await self._run_unit(unit)

    async def record_step(self, step: Step, place: Place, ending: Ending) -> None:
        """Put the end of a step into the journal that was not run."""
        await self.record(self._unit(step, place, Segment(step.id), False), ending)

    async def record(self, unit: Unit, ending: Ending) -> None:
        """Put an end into the journal, unless it stands there already."""
        if ending.status == "unknown" and (ending.result is not None or ending.is_kept):
            self.shared.held.append(unit.name)
        if ending.reason == BACKGROUND and ending.result is not None:
            self.shared.left.append(unit.name)
        if ending.is_kept and not unit.has_started:
            return
        scrubber = self.shared.ports.scrubber
        await self.shared.append(
            StepFinished(
                at=self.shared.now(),
                address=unit.address,
                verb=unit.step.verb_name,
                status=ending.status,
                reason=ending.reason,
                message=ending.message and scrubber.scrub(ending.message),
                help=ending.help,
                fingerprint=ending.fingerprint,
                reused_from=ending.reused_from,
                result=scrubber.scrub_json(ending.as_json()),
            )
        )

    def _unit(self, step: Step, place: Place, segment: Segment, recheck: bool) -> Unit:
        return Unit(
            shared=self.shared,
            step=step,
            place=place,
            path=(*place.path, segment),
            recheck=recheck,
            run_list=self._run_list,
        )

    async def _run_list(self, steps: Sequence[Step], place: Place, recheck: bool) -> Listed:
        listed = self.list_of(steps, place, recheck)
        ending = await listed.run()
        if ending.status == "succeeded" and not listed.is_complete and not place.file.is_stopped:
            raise Stopped
        return Listed(ending, listed.place)

    async def _run_unit(self, unit: Unit, **more: Any) -> Ending | None:
        """One item, or a step without `for_each`: its `if`, its rounds or its verb, its file."""
        try:
            ending = await self._guarded(unit)
        except Stopped:
            return None
        if more:
            ending = replace(ending, more={**ending.more, **more})
        await self.record(unit, ending)
        return ending

    async def _guarded(self, unit: Unit) -> Ending:
        """A template that fails ends the step before anything is sent."""
        try:
            if not _is_wanted(unit):
                return skipped("if", "its `if` is false")
            target = _target(unit)
            if isinstance(target, Ending):
                return target
            verb = self._verb if unit.step.repeat is None else self._rounds
            ending = self._cleaned(await verb(unit))
            if target is not None and ending.status == "succeeded" and not ending.is_kept:
                return _saved(unit, ending, target)
        except TemplateFault as fault:
            return failed("template", fault.message, fault.help)
        return ending

    def _cleaned(self, ending: Ending) -> Ending:
        """The end without secrets, before a file or a later step sees it."""
        if ending.result is None:
            return ending
        clean = self.shared.ports.scrubber.scrub_json(ending.result.as_json())
        return replace(ending, result=StepResult.from_json(clean))

    async def _verb(self, unit: Unit) -> Ending:
        return await VERBS[type(unit.step.verb)](unit)

    async def _items(self, whole: Unit) -> Ending:
        """Every item of a `for_each`, as many at once as may be; items are begun when there is
        room, so that a long list costs no memory."""
        loop = whole.step.for_each
        assert loop is not None
        source = loop.entries(whole.scope())
        if isinstance(source, Empty):
            return skipped("empty", f"`for_each`: {source.what} is empty")
        if not isinstance(source, Sequence) or isinstance(source, str):
            return failed("not-a-list", f"`for_each` needs a list, found {found(source)}")
        await self._begun(whole, len(source))
        most = self.shared.plan.at_once
        if isinstance(whole.step.verb, Prompt) and whole.step.verb.is_background:
            most = max(most, BACKGROUND_ITEMS)  # a response in the background holds no slot
        in_turn = whole.step.has_effects or whole.step.shares_conversation
        room = 1 if in_turn else min(loop.at_once or most, most)
        tally = Tally()
        work = iter(range(len(source)))
        tally.workers = min(room, len(source))
        if tally.workers:
            self.shared.works(tally.workers - 1)  # the step itself is one of them
        await together(self._worker(whole, source, work, tally) for _ in range(tally.workers))
        return tally.ending(len(source), whole)

    async def _begun(self, whole: Unit, items: int) -> None:
        before = whole.before
        if before is None or before.status != "running":
            await whole.started()
        if before is None or before.status != "running" or before.items != items:
            began = ForEachBegan(at=self.shared.now(), address=whole.address, items=items)
            await self.shared.append(began)

    async def _worker(
        self, whole: Unit, source: Sequence[Any], work: Iterator[int], tally: Tally
    ) -> None:
        await self._work(whole, source, work, tally)
        tally.workers -= 1
        if tally.workers:
            self.shared.works(-1)

    async def _work(
        self, whole: Unit, source: Sequence[Any], work: Iterator[int], tally: Tally
    ) -> None:
        is_kept = not whole.recheck and not gives_secrets(whole.step)
        for at in work:
            if self.shared.is_ending or tally.is_over or whole.place.file.is_stopped:
                tally.left += 1
                return
            unit = self._item(whole, source[at], at)
            if is_kept and unit.is_done:
                tally.count(Ending("succeeded", is_kept=True), whole.step)
                continue
            if self._leaves(unit):
                tally.count(self.shared.as_it_was(unit.name), whole.step)
                continue
            ending = await self._run_unit(unit, input=_plain(source[at]), position=at + 1)
            tally.count(ending, whole.step)
            if ending is not None and ending.stops is not None:
                self.shared.halt(ending)
            is_awaited = ending is not None and ending.reason == BACKGROUND
            if is_awaited and whole.step.shares_conversation:
                return  # nobody speaks while an answer is still to come

    def _item(self, whole: Unit, value: Any, at: int) -> Unit:
        assert whole.step.for_each is not None
        name = whole.step.for_each.as_name
        named = item_value(name, value)
        names = {**whole.place.names, name: named, "position": at + 1}
        place = replace(whole.place, names=names)
        return self._unit(whole.step, place, Segment(whole.step.id, at + 1), whole.recheck)

    async def _rounds(self, unit: Unit) -> Ending:
        """Rounds until the condition holds, each with the one before as `previous`."""
        repeat = unit.step.repeat
        assert repeat is not None
        previous: Any = Empty("round", "previous")
        kept, partial = True, False
        for number in range(1, repeat.at_most + 1):
            path = round_of(unit.path, number)
            recheck = unit.recheck or not kept
            place = replace(
                unit.place,
                names={**unit.place.names, "previous": previous},
                is_touched=unit.place.is_touched or not kept,
            )
            inner = replace(unit, place=place, path=path, has_started=False, recheck=recheck)
            ending = await self._round(inner)
            kept = kept and ending.is_kept
            partial = partial or ending.reason in LOOSE_ENDS
            if ending.status != "succeeded":
                return ending
            sees = self.sees_round(unit.step, path)
            reached = _is_reached(repeat, _with_steps(place, sees))
            if reached or number == repeat.at_most:
                return await self._last_round(unit, repeat, number, Ended(reached, kept, partial))
            previous = Record("previous", sees)
        raise AssertionError("a loop has at least one round")

    async def _round(self, inner: Unit) -> Ending:
        if not inner.recheck and inner.is_done and not gives_secrets(inner.step):
            return Ending("succeeded", is_kept=True)
        if self._leaves(inner):
            was = self.shared.as_it_was(inner.name)
            if was is None:
                raise Stopped
            return was
        ending = await self._verb(inner)
        await self.record(inner, ending)
        return ending

    def _leaves(self, unit: Unit) -> bool:
        is_touched = unit.place.is_touched
        return self.shared.leaves(unit.name, is_touched=is_touched, recheck=unit.recheck)

    def sees_round(self, step: Step, path: Path) -> dict[str, Any]:
        """The steps of the round at a path, as the next one sees them under `previous`."""
        journal = self.shared.ports.journal
        if step.lists:
            return dict(inside(journal, step, path))
        single = replace(step, for_each=None, repeat=None)
        return {step.id: lambda: load_step(journal, single, path)}

    async def _last_round(self, unit: Unit, repeat: Repeat, number: int, ended: Ended) -> Ending:
        offers = unit_name(round_of(unit.path, number))
        more: dict[str, JSON] = {"rounds": number, "reached": ended.reached, "offers": offers}
        if not ended.reached:
            message = f"`{unit.step.id}` did not reach its goal in {repeat.at_most} rounds"
            if repeat.or_fail:
                return replace(failed("not-reached", message), more=more)
            if not ended.kept:
                warned = Warned(
                    at=self.shared.now(), code="not-reached", message=message, address=unit.address
                )
                await self.shared.append(warned)
        reason = PARTIAL if ended.partial else None
        return Ending("succeeded", reason, more=more, is_kept=ended.kept and unit.is_done)


@dataclass(frozen=True, slots=True)
class Ended:
    """How the rounds of a loop ended: whether at their goal, whether nothing in them is new, and
    whether something in them failed."""

    reached: bool
    kept: bool
    partial: bool


def _is_wanted(unit: Unit) -> bool:
    condition = unit.step.condition
    if condition is None or isinstance(condition, bool):
        return condition is not False
    return bool(condition.evaluate(unit.scope()))


def _is_reached(repeat: Repeat, scope: dict[str, Any]) -> bool:
    until = repeat.until
    return until if isinstance(until, bool) else bool(until.evaluate(scope))


def _target(unit: Unit) -> FilePath | Ending | None:
    """Where the unit's result is to be saved, known to be allowed before anything is paid for."""
    if unit.step.save_to is None:
        return None
    written = unit.step.save_to.render(unit.scope())
    target = target_of(written, unit.place.file.workflow, unit.shared.project)
    if isinstance(target, str):
        return failed("save", target)
    if unit.shared.plan.settings.simulated:
        # What nobody paid for does not take the place of what somebody did.
        inside = target.relative_to(unit.shared.project.resolve())
        target = unit.shared.ports.journal.folder / "files" / inside
    if not unit.shared.claims(target, unit.name):
        return failed("save", f"another step saves to `{written}` already")
    return target


def _saved(unit: Unit, ending: Ending, target: FilePath) -> Ending:
    """The end after its result was saved; one that could not be saved keeps its result, so that a
    resume only saves again."""
    result = _offered(unit, ending)
    fault = None if result is None else save(result, target)
    if fault is None:
        return ending
    error = {"kind": "save", "message": fault, "partial": None}
    kept = replace(ending.result or StepResult("failed"), status="failed", error=error)
    help_ = f"make room for it, then `flowrunner resume {unit.shared.plan.run}` saves it again"
    return replace(ending, status="failed", reason="save", message=fault, help=help_, result=kept)


def _offered(unit: Unit, ending: Ending) -> StepResult | None:
    """The result of a unit; of a group, what its last step gave."""
    offers = ending.more.get("offers")
    if offers is None:
        return ending.result
    found = unit.shared.ports.journal.result(offers)
    return None if found is None else StepResult.from_json(found)


def _with_steps(place: Place, sees: dict[str, Any]) -> dict[str, Any]:
    return replace(place, above={**place.above, **sees}).scope()


def _plain(value: Any) -> Any:
    """An item as JSON, for the record: a result of another step by what identifies it."""
    if isinstance(value, Record):
        kept = ("input", "position", "output", "text", "path", "name", "size")
        return {
            key: value[key] for key in kept if key in value and not isinstance(value[key], Empty)
        }
    return None if isinstance(value, Empty) else value
