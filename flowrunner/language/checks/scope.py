"""What a template may read, as shapes: the inputs, the steps and the run.

What templates make of it is left to `templates.analyse`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from flowrunner.language.request import Prompt
from flowrunner.language.shapes import ANY, Shape, shape_of_schema
from flowrunner.language.workflow import SetValues, Step, Workflow, Write

_TEXT = Shape("text")
_MAYBE_TEXT = Shape("text", optional=True)
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
        (f"{kind}_tokens", Shape("integer"))
        for kind in ("input", "output", "cached", "reasoning", "total")
    ),
)
_RUN = Shape(
    "object",
    fields=(
        ("id", _TEXT),
        ("date", Shape("date")),
        ("started_at", _TEXT),
        ("time_zone", _TEXT),
    ),
)
_EVERY_STEP = (("status", _STATUS), ("error", _ERROR), ("files", _FILES))
_OF_A_RESPONSE = (
    ("usage", _USAGE),
    ("cost_usd", Shape("number", optional=True)),
    ("response_id", _TEXT),
    ("request_id", _MAYBE_TEXT),
    ("sources", Shape("list", item=_SOURCE)),
    ("tool_calls", Shape("list", item=ANY)),
    ("response", ANY),
)


def step_shape(step: Step) -> Shape:
    """What a finished step offers."""
    verb = step.verb
    if not isinstance(verb, SetValues | Prompt | Write):
        return ANY
    if isinstance(verb, SetValues):
        values = tuple((name, ANY) for name in verb.values)
        return Shape("object", fields=(("output", Shape("object", fields=values)), *_EVERY_STEP))
    if not isinstance(verb, Prompt):
        return Shape("object", fields=(("text", _TEXT), *_EVERY_STEP))
    output = () if not verb.has_output else (("output", output_shape(verb)),)
    text = Shape("text", free=not verb.has_output)
    return Shape("object", fields=(("text", text), *output, *_EVERY_STEP, *_OF_A_RESPONSE))


def output_shape(prompt: Prompt) -> Shape:
    """The shape of a prompt step's `.output`; `any` where none is known."""
    if prompt.output is not None:
        return prompt.output
    return ANY if prompt.schema is None else shape_of_schema(prompt.schema)


def scope_of(workflow: Workflow) -> dict[str, Shape]:
    """The roots of a template's names, the same for every step: the order is checked apart."""
    inputs = tuple((each.name, each.shape) for each in workflow.inputs)
    steps = tuple((step.id, step_shape(step)) for step in workflow.all_steps() if step.id)
    hidden = tuple((name, ANY) for name in sorted(workflow.hidden))
    return {
        "inputs": Shape("object", fields=inputs),
        "steps": Shape("object", fields=(*steps, *hidden)),
        "run": _RUN,
    }


def with_empties(scope: dict[str, Shape], maybe_empty: Collection[str]) -> dict[str, Shape]:
    """The scope of a place that runs whatever became of the steps: theirs may all be empty."""
    fields = tuple(
        (name, _emptied(shape) if name in maybe_empty else shape)
        for name, shape in scope["steps"].fields
    )
    return {**scope, "steps": Shape("object", fields=fields)}


def _emptied(step: Shape) -> Shape:
    always = {"status", "error"}
    return dataclasses.replace(
        step,
        fields=tuple(
            (name, field if name in always else dataclasses.replace(field, optional=True))
            for name, field in step.fields
        ),
    )
