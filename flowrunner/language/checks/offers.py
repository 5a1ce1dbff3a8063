"""What a finished step offers to the steps below it, as a shape.

Which shapes the values of its own templates have is left to `sights`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from flowrunner.language.request import Prompt
from flowrunner.language.shapes import ANY, Shape, shape_of_schema
from flowrunner.language.templates.typed import joined, optional
from flowrunner.language.tools import CallTool, WorkflowTool
from flowrunner.language.workflow import (
    CallWorkflow,
    Command,
    SetValues,
    Step,
    Unbuilt,
    Write,
)

Fields: TypeAlias = tuple[tuple[str, Shape], ...]

_TEXT = Shape("text")
_MAYBE_TEXT = Shape("text", optional=True)
_INTEGER = Shape("integer")
_YES_NO = Shape("yes_no")
_STATUS = Shape("choice", choices=("succeeded", "failed", "skipped"))
_ERROR = Shape(
    "object",
    optional=True,
    fields=(("kind", _TEXT), ("message", _TEXT), ("partial", _MAYBE_TEXT)),
)
_SOURCE = Shape("object", fields=(("title", _MAYBE_TEXT), ("url", _TEXT), ("kind", _TEXT)))
_FILES = Shape("list", item=_TEXT)
_USAGE = Shape(
    "object",
    fields=tuple(
        (f"{kind}_tokens", _INTEGER) for kind in ("input", "output", "cached", "reasoning", "total")
    ),
)
_COST: Fields = (("usage", _USAGE), ("cost_usd", Shape("number", optional=True)))
_OWN: Fields = (("status", _STATUS), ("error", _ERROR), ("files", _FILES))
_OF_A_RESPONSE: Fields = (
    *_COST,
    ("response_id", _TEXT),
    ("request_id", _MAYBE_TEXT),
    ("sources", Shape("list", item=_SOURCE)),
    ("tool_calls", Shape("list", item=ANY)),
    ("response", ANY),
)

RUN = Shape(
    "object",
    fields=(
        ("id", _TEXT),
        ("date", Shape("date")),
        ("started_at", _TEXT),
        ("time_zone", _TEXT),
    ),
)
"""What `run` offers."""

ALWAYS = frozenset({"status", "error"})
"""What can be read of a step whatever became of it."""


def output_shape(verb: Prompt | Command) -> Shape | None:
    """The shape of the `.output` that a verb declares; None where it declares none."""
    if verb.output is not None:
        return verb.output
    return None if verb.schema is None else shape_of_schema(verb.schema)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a step beyond what it declares.

    `values` are the shapes of what a `set` step sets, `inside` what the steps of each of its lists
    offer, by their ids, and `entry` the shape of what its `for_each` goes over.
    """

    values: Fields = ()
    inside: Sequence[Mapping[str, Shape]] = ()
    entry: Shape = ANY


def offered(step: Step, known: Known) -> Shape:
    """What a finished step offers."""
    one = _one_run(step, known)
    if one is None:
        return ANY
    if step.repeat is not None:
        one = (*_without(one, {"rounds", "reached"}), ("rounds", _INTEGER), ("reached", _YES_NO))
    if step.for_each is None:
        return Shape("object", fields=(*one, *_OWN))
    return _of_entries(step, one, known)


def _one_run(step: Step, known: Known) -> Fields | None:
    """What one run of the verb offers beside its status; None where nothing is known."""
    match step.verb:
        case Unbuilt():
            found: Fields | None = None
        case SetValues():
            found = (("output", Shape("object", fields=known.values)),)
        case Write():
            found = (("text", _TEXT),)
        case CallWorkflow(output=output):
            found = _COST if output is None else (("output", output), *_COST)
        case Prompt() | Command():
            found = _of_program(step.verb)
        case CallTool(tool=tool):
            given: Fields = () if tool.output is None else (("output", tool.output),)
            cost = _COST if isinstance(tool.kind, WorkflowTool) else ()
            found = (("text", _TEXT), *given, *cost)
        case _:
            found = _of_lists(step, known.inside) if step.lists else ()
    return found


def _of_program(verb: Prompt | Command) -> Fields:
    shape = output_shape(verb)
    output: Fields = () if shape is None else (("output", shape),)
    if isinstance(verb, Command):
        return (("text", _TEXT), *output)
    return (("text", Shape("text", free=shape is None)), *output, *_OF_A_RESPONSE)


def _of_lists(step: Step, inside: Sequence[Mapping[str, Shape]]) -> Fields | None:
    """What the last step of the list that runs offers, typed where all lists agree."""
    ends: list[Shape] = []
    for (_, steps), shapes in zip(step.lists, inside, strict=True):
        if not steps:
            return None
        last = steps[-1]
        end = shapes.get(last.id, ANY)
        if end.kind == "any":
            return None
        fields = _without(end.fields, {name for name, _ in _OWN})
        skippable = last.condition not in (None, True)
        ends.append(
            _object([(name, optional(field)) for name, field in fields] if skippable else fields)
        )
    agreed = join_fields(ends).fields
    return (*_without(agreed, {name for name, _ in _COST}), *_COST)


def _of_entries(step: Step, one: Fields, known: Known) -> Shape:
    """What a step with `for_each` offers."""
    entry: Fields = (
        ("input", known.entry),
        ("position", _INTEGER),
        ("ok", _YES_NO),
        *_without(one, {"input", "position", "ok"}),
        *_OWN,
    )
    if step.lists:
        below = {name: shape for shapes in known.inside for name, shape in shapes.items()}
        entry = (*entry, ("steps", _object(below.items())))
    results = Shape("list", item=_object(entry))
    fields: list[tuple[str, Shape]] = [("results", results), ("failed", results)]
    for name, plural in (("output", "outputs"), ("text", "texts")):
        shape = dict(one).get(name)
        if shape is not None:
            fields.append((plural, Shape("list", item=shape)))
    return _object([*fields, *_COST, *_OWN])


def _object(fields: Iterable[tuple[str, Shape]]) -> Shape:
    return Shape("object", fields=tuple(fields))


def _without(fields: Fields, names: Iterable[str]) -> Fields:
    left_out = set(names)
    return tuple((name, shape) for name, shape in fields if name not in left_out)


def join_fields(shapes: Sequence[Shape]) -> Shape:
    """The shape of a value that has one of several shapes, objects joined field by field.

    A field that not all of them have may be empty.
    """
    if any(shape.kind != "object" or not shape.fields for shape in shapes):
        return joined(shapes)
    names = dict.fromkeys(name for shape in shapes for name, _ in shape.fields)
    fields = []
    for name in names:
        found = [field for shape in shapes if (field := shape.field(name)) is not None]
        shape = join_fields(found)
        fields.append((name, shape if len(found) == len(shapes) else optional(shape)))
    return Shape("object", fields=tuple(fields), optional=any(each.optional for each in shapes))


def emptied(shape: Shape) -> Shape:
    """What a step offers that may have been skipped."""
    return dataclasses.replace(
        shape,
        fields=tuple(
            (name, field if name in ALWAYS else optional(field)) for name, field in shape.fields
        ),
    )
