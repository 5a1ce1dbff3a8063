"""Values that stand for answers nobody has yet: of the right shape, as long as they may become.

What is computed with them is a size, never a decision: `sight` sees to that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from flowrunner.events import JSON
from flowrunner.language.shapes import Shape, shape_of_schema
from flowrunner.language.templates import Empty, Record, TemplateFault

BYTES_A_TOKEN = 4
"""How long a token of an answer is taken to be when a later step reads it: of English, more than
most; the bound of that step leans on it."""

_PLAIN: Mapping[str, JSON] = {
    "number": 12345.67,
    "integer": 12345,
    "yes_no": False,
    "date": "2026-01-31",
}
_ID = "x" * 60


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to come: `size` bytes of text, and perhaps a value of a shape."""

    size: int | None
    shape: Shape | None = None


def unsized(what: str) -> TemplateFault:
    """The fault of reading what may be of any size."""
    message = f"how large `{what}` will be is not known beforehand"
    return TemplateFault("unknown-size", message, None, 0, 1)


def declared(output: Shape | None, schema: Mapping[str, JSON] | None) -> Shape | None:
    """The shape of an `.output`, where one is declared."""
    return shape_of_schema(schema) if schema is not None else output


def of_answer(name: str, answer: Answer) -> Record:
    """What a step offers after one request or command."""
    fields: dict[str, Any] = {
        "text": _text(f"{name}.text", answer.size),
        "status": "succeeded",
        "error": Empty("null", f"{name}.error"),
        "cost_usd": 0.0123,
        "usage": dict.fromkeys(
            [f"{kind}_tokens" for kind in ("input", "output", "cached", "reasoning", "total")],
            12345,
        ),
        "response_id": _ID,
        "request_id": _ID,
        "files": [],
        **{field: _refusing(f"{name}.{field}") for field in ("sources", "tool_calls", "response")},
    }
    if answer.shape is not None:
        fields["output"] = _value(answer.shape, answer.size, f"{name}.output")
    return Record(name, fields)


def of_value(name: str, *, text: str | None = None, output: JSON = None) -> Record:
    """What a step offers that made text or values without an answer."""
    return Record(
        name,
        {
            "text": Empty("null", f"{name}.text") if text is None else text,
            "output": Empty("null", f"{name}.output") if output is None else output,
            "status": "succeeded",
            "error": Empty("null", f"{name}.error"),
            "files": [],
        },
    )


def of_nothing(name: str, why: str = "skipped") -> Record:
    """What a step offers that does not run."""
    absent = Empty(why, name)
    fields = dict.fromkeys(("text", "output", "results", "outputs", "texts"), absent)
    return Record(name, {**fields, "status": "skipped", "error": absent, "failed": []})


def of_rounds(name: str, last: Mapping[str, Any], rounds: int) -> Record:
    """What a step with `repeat` offers: its last round, and how many there were."""
    return Record(name, {**_fields(last), "rounds": rounds, "reached": True})


def of_items(name: str, one: Mapping[str, Any], inner: Sequence[str], about: Items) -> Record:
    """What a step with `for_each` offers, when every item offers the same as `one`."""
    if about.number is None:
        loaders = {field: _refusing(f"{name}.{field}") for field in ("results", "outputs", "texts")}
        return Record(name, {**loaders, "status": "succeeded", "failed": []})
    steps = {step: about.steps[step] for step in inner if step in about.steps}
    entry = Record(
        f"an item of {name}",
        {**_fields(one), "ok": True, "position": about.number, "input": about.item, "steps": steps},
    )
    lists = {
        "results": lambda: [entry] * (about.number or 0),
        "outputs": lambda: [entry["output"]] * (about.number or 0) if "output" in entry else [],
        "texts": lambda: [entry["text"]] * (about.number or 0) if "text" in entry else [],
    }
    error = Empty("null", f"{name}.error")
    return Record(name, {**lists, "status": "succeeded", "error": error, "failed": []})


@dataclass(frozen=True, slots=True)
class Items:
    """The items of a `for_each`: how many (None: nobody knows), the longest one, the steps that the
    last of them went through."""

    number: int | None
    item: Any
    steps: Mapping[str, Any]


def _fields(record: Mapping[str, Any]) -> dict[str, Callable[[], Any]]:
    """The fields of a record, still loaded when read."""
    return {field: _loader(record, field) for field in record}


def _loader(record: Mapping[str, Any], field: str) -> Callable[[], Any]:
    return lambda: record[field]


def _refusing(what: str) -> Callable[[], NoReturn]:
    def refuse() -> NoReturn:
        raise unsized(what)

    return refuse


def _text(what: str, size: int | None) -> Any:
    return _refusing(what) if size is None else lambda: "x" * size


def _value(shape: Shape, size: int | None, what: str) -> Any:
    """A value whose every text may have the size of the whole answer."""
    if size is None:
        return _refusing(what)
    return lambda: _filled(shape, size, what)


def _filled(shape: Shape, size: int, what: str) -> JSON:
    if shape.kind in _PLAIN:
        return _PLAIN[shape.kind]
    if shape.kind == "text":
        return "x" * size
    if shape.kind == "choice":
        return max(shape.choices, key=len, default="")
    if shape.kind == "list" and shape.item is not None:
        return [_filled(shape.item, size, what)]
    if shape.kind == "object":
        return {name: _filled(field, size, f"{what}.{name}") for name, field in shape.fields}
    raise unsized(what)
