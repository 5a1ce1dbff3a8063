"""What each template of a file can see, as shapes: one walk through the steps, nested ones too.

What is wrong with what they make of it is left to the checks beside this module.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from flowrunner.language.checks.offers import RUN, Fields, Known, emptied, offered
from flowrunner.language.forms import Form, Leaf
from flowrunner.language.shapes import ANY, Shape
from flowrunner.language.templates import Expression, shape_of
from flowrunner.language.templates.typed import INTEGER, NUMBER, TEXT, YES_NO, item_of, joined
from flowrunner.language.workflow import ForEach, SetValues, Step, Workflow
from flowrunner.language.workflow.lifting import step_mentions

Steps = Mapping[str, Shape]


@dataclass(frozen=True, slots=True)
class Sight:
    """What a template sees: the inputs, the run, the steps, and names such as `item`.

    `elsewhere` are ids of steps that it may not mention; who mentions one is told apart from here.
    """

    inputs: Shape
    steps: Steps
    elsewhere: frozenset[str]
    names: Mapping[str, Shape] = field(default_factory=dict)

    def roots(self, leaf: Leaf) -> dict[str, Shape]:
        """The names in scope and their shapes. Of all steps only those that matter are listed."""
        mentioned = dict.fromkeys(str(mention.path[1]) for mention in step_mentions(leaf))
        known = {name: self._step(name) for name in mentioned}
        if None in known.values():
            known = {**self.steps, **known}
        fields = tuple((name, shape) for name, shape in known.items() if shape is not None)
        steps = Shape("object", fields=fields)
        return {"inputs": self.inputs, "steps": steps, "run": RUN, **self.names}

    def _step(self, name: str) -> Shape | None:
        found = self.steps.get(name)
        return ANY if found is None and name in self.elsewhere else found

    def shape_of(self, form: Form) -> Shape:
        """The shape of what a form gives here."""
        if isinstance(form, Leaf):
            return shape_of(form.parsed, self.roots(form))
        if isinstance(form, Mapping):
            fields = tuple((str(name), self.shape_of(below)) for name, below in form.items())
            return Shape("object", fields=fields) if fields else ANY
        if isinstance(form, list):
            return Shape("list", item=joined(self.shape_of(below) for below in form))
        return _shape_of_plain(form)

    def naming(self, names: Mapping[str, Shape]) -> Sight:
        return replace(self, names={**self.names, **names})


def _shape_of_plain(value: Form) -> Shape:
    if value is None:
        return Shape("any", optional=True)
    for kind, shape in ((bool, YES_NO), (int, INTEGER), (float, NUMBER), (str, TEXT)):
        if isinstance(value, kind):
            return shape
    return ANY


@dataclass(frozen=True, slots=True)
class StepSight:
    """What the templates of one step see: `list_` those of `for_each`, `entry` those of `if`,
    `round_` those of the verb, `ended` that of `until`. `once` is what one entry offers."""

    list_: Sight
    entry: Sight
    round_: Sight
    ended: Sight
    once: Shape

    def of(self, step: Step, leaf: Leaf) -> Sight:
        """What one of the step's templates sees."""
        if leaf.route[: len(step.route)] != step.route:
            return self.round_  # it stands in `defaults`
        key = leaf.route[len(step.route)]
        return {"for_each": self.list_, "if": self.entry, "repeat": self.ended}.get(
            str(key), self.round_
        )


class Sights:
    """The sights of all templates of a workflow, and what all of its steps offer."""

    def __init__(self, workflow: Workflow) -> None:
        ids = {step.id for step in workflow.all_steps()} | workflow.hidden
        inputs = tuple((each.name, each.shape) for each in workflow.inputs)
        self._sights: dict[int, StepSight] = {}
        top = Sight(
            Shape("object", fields=inputs),
            ChainMap[str, Shape](),
            frozenset(ids),
        )
        self.top = replace(top, steps=self._walk(workflow.steps, top))

    def of(self, step: Step) -> StepSight:
        """What the templates of a step see."""
        return self._sights[id(step)]

    def ending(self, empties: Iterable[str]) -> Sight:
        """What the result sees: it is filled in whatever became of the steps."""
        may_be_empty = frozenset(empties)
        steps = {
            name: emptied(shape) if name in may_be_empty else shape
            for name, shape in self.top.steps.items()
        }
        return replace(self.top, steps=steps)

    def _walk(self, steps: tuple[Step, ...], outer: Sight) -> Steps:
        """What the steps of a list offer to those below them in it, by their ids."""
        assert isinstance(outer.steps, ChainMap)
        own: dict[str, Shape] = {}
        here = replace(outer, steps=outer.steps.new_child(own))
        for step in steps:
            for name, shape in self._step(step, here).items():
                own.setdefault(name, shape)
        return own

    def _step(self, step: Step, here: Sight) -> Steps:
        """What a step offers, and what the steps inside it do where they can be seen from below."""
        entry, item = here, ANY
        if step.for_each is not None:
            item = _entry_shape(step.for_each, here)
            entry = here.naming({step.for_each.as_name: item, "position": INTEGER})
        round_ = entry
        if step.repeat is not None:
            round_ = entry.naming({"previous": _previous(step)})
        inside = [self._walk(below, round_) for _, below in step.lists]
        values: Fields = ()
        if isinstance(step.verb, SetValues):
            values = tuple((name, round_.shape_of(form)) for name, form in step.verb.values.items())
        known = Known(values, inside, item)
        own = offered(step, known)
        once = own if step.for_each is None else offered(_of_one_entry(step), known)
        ended = round_
        if step.repeat is not None:
            # `until` looks at one round of one entry.
            assert isinstance(round_.steps, ChainMap)
            seen = {**_merged(inside), step.id: once}
            ended = replace(round_, steps=round_.steps.new_child(seen))
        self._sights[id(step)] = StepSight(here, entry, round_, ended, once)
        visible = {} if step.for_each is not None else _merged(inside)
        return {step.id: own, **visible} if step.id else visible


def _of_one_entry(step: Step) -> Step:
    return replace(step, for_each=None)


def _merged(inside: Iterable[Steps]) -> dict[str, Shape]:
    return {name: shape for shapes in inside for name, shape in shapes.items()}


def _entry_shape(for_each: ForEach, here: Sight) -> Shape:
    if isinstance(for_each.over, Expression):
        return item_of(here.shape_of(Leaf((), for_each.text, for_each.over, "list")))
    return item_of(here.shape_of(for_each.over)) if for_each.over else ANY


def _previous(step: Step) -> Shape:
    """The round before: what the step and those inside it declare to offer."""
    fields = _declared(_of_one_entry(step))
    return Shape("object", fields=tuple(fields.items()))


def _declared(step: Step) -> dict[str, Shape]:
    """What a step and those inside it offer by what they declare alone."""
    inside = [
        {name: shape for inner in below for name, shape in _declared(inner).items()}
        for _, below in step.lists
    ]
    values: Fields = ()
    if isinstance(step.verb, SetValues):
        values = tuple((name, ANY) for name in step.verb.values)
    visible = {} if step.for_each is not None else _merged(inside)
    return {step.id: offered(step, Known(values, inside)), **visible}
