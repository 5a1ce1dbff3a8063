"""The steps of a workflow in the order of a run: what becomes of each, how often, for how much.

Nothing is sent, started, read or written. What a single request may cost is left to `prompts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from flowrunner.engine.attaching import given_files
from flowrunner.engine.forecast import standins
from flowrunner.engine.forecast.costs import Cost, Row, one_of, times
from flowrunner.engine.forecast.fates import (
    Fate,
    Place,
    by_condition,
    by_gate,
    by_others,
    case_taken,
    of_case,
    stricter,
    usual,
)
from flowrunner.engine.forecast.items import EachItem
from flowrunner.engine.forecast.offering import both, offer_free, offer_last, offer_nothing
from flowrunner.engine.forecast.prompts import charge
from flowrunner.engine.forecast.reused import look_up, of_command
from flowrunner.engine.forecast.sight import Sight
from flowrunner.engine.forecast.terms import Terms
from flowrunner.engine.plan import needed
from flowrunner.events import JSON
from flowrunner.language.forms import leaves
from flowrunner.language.request import Prompt
from flowrunner.language.shapes import MISSING
from flowrunner.language.templates import Empty, TemplateFault
from flowrunner.language.workflow import (
    Branch,
    CallWorkflow,
    Input,
    Repeat,
    Step,
    Steps,
    Workflow,
)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run would do. `rows` are its steps in the order of the file, `cost` is all of them
    together, which is less than the sum of rows where only one of several ways is gone. `provider`
    is the run's."""

    rows: tuple[Row, ...]
    cost: Cost
    provider: str | None = None

    @property
    def unknown(self) -> tuple[tuple[str, str], ...]:
        """The units of which a bound is not known, each with the reason."""
        return tuple((row.unit, row.unknown) for row in self.rows if row.unknown and row.most != 0)


def forecast(workflow: Workflow, inputs: Mapping[str, JSON], terms: Terms) -> Forecast:
    """What a run of a valid workflow with these inputs would do, and what it may cost."""
    wanted = None if terms.until is None else needed(workflow, terms.until)
    walk = _Walk(terms.inside(workflow, frozenset(given_files(inputs, workflow))), wanted)
    rows, cost = walk.steps(workflow.steps, Sight.of(inputs, inputs, terms.now), Place())
    return Forecast(tuple(rows), cost, terms.own_provider)


@dataclass(frozen=True, slots=True)
class _Walk:
    terms: Terms
    wanted: frozenset[str] | None = None

    def steps(self, steps: Sequence[Step], sight: Sight, place: Place) -> tuple[list[Row], Cost]:
        """One list of steps, once."""
        rows: list[Row] = []
        total, waves = Cost(), dict[str, int]()
        gate = Fate(place.will, place.held)
        for step in steps:
            waves[step.id] = 1 + max((waves.get(name, 0) for name in step.waits_for), default=0)
            fate = stricter(gate, by_others(step, sight))
            if self.wanted is not None and not place.unit and step.id not in self.wanted:
                fate = Fate("skip", f"left out by `--until {self.terms.until}`")
            below, cost = self.step(step, sight, place, fate)
            sight.fate[step.id] = below[0].will
            rows += [replace(below[0], order=waves[step.id]), *below[1:]]
            total += cost
            gate = stricter(gate, by_gate(step, sight))
        return rows, total

    def step(self, step: Step, sight: Sight, place: Place, fate: Fate) -> tuple[list[Row], Cost]:
        """A step with all its items and rounds."""
        walk = self
        if step.budget is not None and not self.terms.limited:
            walk = _Walk(replace(self.terms, limited=True))
        if step.for_each is None:
            rows, cost = walk.once(step, sight, place, fate)
        else:
            rows, cost = EachItem(walk.once, step, step.for_each, sight).all(place, fate)
        limit = None if step.budget is None else step.budget.stop_at_usd
        cost = cost.within(limit)
        return [replace(rows[0], cost=cost), *rows[1:]], cost

    def once(self, step: Step, sight: Sight, place: Place, fate: Fate) -> tuple[list[Row], Cost]:
        """A step without items, or one of its items: its `if`, then its rounds."""
        fate = stricter(fate, by_condition(step, sight))
        if step.repeat is None or fate.will == "skip":
            rows, cost = self.verb(step, sight, place, fate)
        else:
            rows, cost = self.rounds(step, step.repeat, sight, place, fate)
        if fate.will == "skip":
            offer_nothing(step, sight)
        return rows, (cost.maybe() if fate.will == "maybe" else cost)

    def rounds(
        self, step: Step, repeat: Repeat, sight: Sight, place: Place, fate: Fate
    ) -> tuple[list[Row], Cost]:
        """The first round, then rounds that may see the one before."""
        inner = [step.id, *(below.id for below in step.inside())]
        nothing = {name: Empty("round", f"previous.{name}") for name in inner}
        seen = sight.with_names((), previous=(nothing, nothing))
        first, cost = self.verb(step, seen, place, fate)
        more = repeat.at_most - 1
        fewest = more if repeat.until is False else 0
        if more and repeat.until is not True:
            before = [{name: scope["steps"].get(name) for name in inner} for scope in both(sight)]
            seen = sight.with_names({"previous"}, previous=(before[0], before[1]))
            rest, again = self.verb(step, seen, place, fate)
            again = again.times(fewest, more, max(fewest, more / 2))
            rest = times(rest, fewest, more, max(fewest, more / 2))
            first = [
                replace(row, cost=row.cost + later.cost, most=_plus(row.most, later.most))
                for row, later in zip(first, rest, strict=True)
            ]
            cost += again
        for scope in both(sight):
            last = scope["steps"][step.id]
            scope["steps"][step.id] = standins.of_rounds(last.name, last, repeat.at_most)
        sight.unknown |= {("steps", name) for name in (step.id, *inner)}
        head = replace(first[0], rounds=repeat.at_most, most=_plus(first[0].most, 0), cost=cost)
        return [head, *first[1:]], cost

    def verb(self, step: Step, sight: Sight, place: Place, fate: Fate) -> tuple[list[Row], Cost]:
        """What the verb does once. The first row is the step's own."""
        head = Row(
            unit=place.of(step),
            depth=place.depth,
            order=0,
            verb=step.verb_name,
            fewest=int(fate.will == "run"),
            most=int(fate.will != "skip"),
            because=fate.because or usual(step),
        )
        match step.verb:
            case Prompt() as prompt:
                return self._prompt(step, prompt, sight, head)
            case Steps():
                return self._group(step, sight, place, head)
            case Branch() as branch:
                return self._branch(step, branch, sight, place, head)
            case CallWorkflow() as call:
                return self._call(step, call, sight, place, head)
            case _:
                offer_free(step, sight)
                return [of_command(step, head, self.terms)], Cost()

    def _prompt(
        self, step: Step, prompt: Prompt, sight: Sight, head: Row
    ) -> tuple[list[Row], Cost]:
        terms, elsewhere = self.terms.of(prompt)
        due = charge(prompt, step.retry.attempts, sight, terms)
        earlier = look_up(step, prompt, head, sight, terms)
        head = replace(earlier.tell(head), model=due.model, provider=elsewhere)
        if earlier.found is not None and head.reused:
            earlier.offer(step, sight, head.unit)
            return [head], Cost()
        shape = standins.declared(prompt.output, prompt.schema)
        name = f"steps.{step.id}"
        worst = standins.of_answer(name, standins.Answer(due.most_bytes, shape))
        likely = standins.of_answer(name, standins.Answer(due.likely_bytes, shape))
        sight.keep(step.id, worst, likely, size=due.most_bytes, known=False)
        sight.said[step.id] = due.said
        cost = due.cost if head.most and earlier.found is None else Cost()
        cost = cost.maybe() if head.will == "maybe" else cost
        row = replace(
            head,
            cost=cost,
            unknown=due.unknown if earlier.found is None else None,
            limit=due.limit,
            assumes=due.assumes,
        )
        return [row], cost

    def _group(self, step: Step, sight: Sight, place: Place, head: Row) -> tuple[list[Row], Cost]:
        ((_, steps),) = step.lists
        inner = place.inside(step, Fate(head.will, head.because))
        rows, cost = self.steps(steps, sight, inner)
        offer_last(step, steps, sight, is_sure=head.will == "run")
        return [replace(head, cost=cost), *rows], cost

    def _branch(
        self, step: Step, branch: Branch, sight: Sight, place: Place, head: Row
    ) -> tuple[list[Row], Cost]:
        """One of the lists."""
        taken = case_taken(branch, sight)
        rows: list[Row] = []
        costs: list[Cost] = []
        for case, steps in step.lists:
            fate = stricter(Fate(head.will, head.because), of_case(step, case, taken))
            below, cost = self.steps(steps, sight, place.inside(step, fate))
            rows += below
            if fate.will != "skip":
                costs.append(cost)
        cost = one_of(costs)
        if taken is None and branch.otherwise is None:
            cost = cost.maybe()
        going = [steps for _, steps in step.lists if steps and sight.fate[steps[-1].id] != "skip"]
        longest = max(going, key=lambda steps: sight.sizes.get(steps[-1].id, 0), default=())
        is_sure = head.will == "run" and taken is not None
        offer_last(step, longest, sight, is_sure=is_sure)
        return [replace(head, cost=cost), *rows], cost

    def _call(
        self, step: Step, call: CallWorkflow, sight: Sight, place: Place, head: Row
    ) -> tuple[list[Row], Cost]:
        """The steps of the workflow that is called, within its own budget and the caller's."""
        called = call.workflow
        own = called.budget.stop_at_usd if called.budget else None
        name = f"steps.{step.id}"
        seen, why = _called(call, sight, self.terms.now)
        inner = place.inside(step, Fate(head.will, head.because))
        rows, cost = _Walk(self.terms.inside(called)).steps(called.steps, seen, inner)
        for at, scope in enumerate(both(seen)):
            record = standins.of_nothing(name, "unset")
            try:
                record = standins.of_value(name, output=called.fill_result(scope))
            except TemplateFault as fault:
                why = why or fault.message
            both(sight)[at]["steps"][step.id] = record
        sight.sizes[step.id] = sum(seen.sizes.values())
        sight.unknown.add(("steps", step.id))
        cost = cost.within(own)
        return [replace(head, cost=cost, unknown=why), *rows], cost


def _plus(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def _called(call: CallWorkflow, sight: Sight, now: float) -> tuple[Sight, str | None]:
    """What the first step of the called workflow sees, and why its arguments are not known."""
    why = None
    given: list[dict[str, JSON]] = []
    for scope in both(sight):
        values = {known.name: _default(known) for known in call.workflow.inputs}
        try:
            values |= call.evaluate(scope)
        except TemplateFault as fault:
            why = fault.message
        given.append(values)
    seen = Sight.of(given[0], given[1], now)
    for name, form in call.arguments.items():
        if not all(map(sight.is_known, leaves(form))):
            seen.unknown.add(("inputs", name))
            seen.sizes[name] = len(str(given[0].get(name, "")))
    return seen, why


def _default(known: Input) -> JSON:
    return None if known.default is MISSING else known.default
