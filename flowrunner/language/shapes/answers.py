"""What an author's own JSON Schema tells about answers: their shape, and where one does not fit.

Whether the schema keeps the rules of strict mode is left to the module `authored`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable

from flowrunner.events import JSON
from flowrunner.language.shapes.authored import MOST_LEVELS, kinds_of, look_up
from flowrunner.language.shapes.shape import ANY, Kind, Shape
from flowrunner.language.shapes.words import alternatives, found

_PLAIN: dict[str, Kind] = {
    "string": "text",
    "number": "number",
    "integer": "integer",
    "boolean": "yes_no",
}
_UNCHECKED = ("pattern", "format", "uniqueItems")


def shape_of_schema(schema: Mapping[str, Any]) -> Shape:
    """The shape that an author's own schema describes, as far as it is known; else `any`."""
    return _shape_of(schema, schema, 0)


def _shape_of(part: JSON, root: Mapping[str, Any], level: int) -> Shape:
    if not isinstance(part, Mapping) or level > MOST_LEVELS:
        return ANY
    if "$ref" in part:
        return _shape_of(look_up(root, str(part["$ref"])), root, level + 1)
    if "anyOf" in part:
        return _shape_of_union(part["anyOf"], root, level)
    kinds = kinds_of(part)
    optional = "null" in kinds
    kinds.discard("null")
    if len(kinds) != 1:
        return ANY
    return _shape_of_kind(kinds.pop(), part, root, level, optional)


def _shape_of_kind(
    kind: str, part: Mapping[str, Any], root: Mapping[str, Any], level: int, optional: bool
) -> Shape:
    enum = part.get("enum")
    if kind == "string" and isinstance(enum, list):
        choices = tuple(choice for choice in enum if isinstance(choice, str))
        return Shape("choice", choices=choices, optional=optional or None in enum)
    if kind == "string" and part.get("format") == "date":
        return Shape("date", optional=optional)
    if kind == "array":
        item = _shape_of(part.get("items"), root, level + 1)
        return Shape("list", item=item, optional=optional)
    if kind == "object" and isinstance(part.get("properties"), Mapping):
        fields = part["properties"].items()
        shapes = tuple((name, _shape_of(field, root, level + 1)) for name, field in fields)
        return Shape("object", fields=shapes, optional=optional)
    return Shape(_PLAIN[kind], optional=optional) if kind in _PLAIN else ANY


def _shape_of_union(options: JSON, root: Mapping[str, Any], level: int) -> Shape:
    if not isinstance(options, list):
        return ANY
    rest = [option for option in options if option != {"type": "null"}]
    if len(rest) != 1:
        return ANY
    shape = _shape_of(rest[0], root, level + 1)
    if len(rest) == len(options) or shape is ANY:
        return shape
    return Shape(
        shape.kind, optional=True, choices=shape.choices, item=shape.item, fields=shape.fields
    )


def check_by_schema(schema: Mapping[str, Any], value: JSON) -> list[str]:
    """What is wrong with an answer by an author's own schema, in sentences; [] when it fits.

    Nothing is fetched. Patterns are left to the API, which holds the model to them: here a pattern
    could take for ever on a text that a model chose.
    """
    validator = Draft202012Validator(_without_patterns(schema), registry=Registry())
    try:
        errors = sorted(validator.iter_errors(value), key=lambda error: str(error.absolute_path))
    except (Unresolvable, RecursionError):
        return ["the schema cannot be followed, so the answer was not checked"]
    return [_sentence(error) for error in errors[:20]]


def _without_patterns(part: JSON) -> Any:
    if isinstance(part, Mapping):
        kept = {key: below for key, below in part.items() if not _is_unchecked(key, below)}
        return {key: _without_patterns(below) for key, below in kept.items()}
    return [_without_patterns(below) for below in part] if isinstance(part, list) else part


def _is_unchecked(key: str, below: JSON) -> bool:
    # A property may be called `pattern`: then a schema stands there, not a text.
    return key in _UNCHECKED and not isinstance(below, Mapping)


def _sentence(error: ValidationError) -> str:
    path = ""
    for part in error.absolute_path:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    named = f"`{path}`" if path else "the value"
    rule, wanted, value = error.validator, error.validator_value, error.instance
    match rule:
        case "type":
            kinds = [str(kind) for kind in (wanted if isinstance(wanted, list) else [wanted])]
            return f"{named} must be of type {alternatives(kinds)}, found {found(value)}"
        case "enum" if isinstance(wanted, list):
            allowed = alternatives(str(choice) for choice in wanted)
            return f"{named} must be {allowed}, found {found(value)}"
        case "required" if isinstance(wanted, list) and isinstance(value, Mapping):
            missing = alternatives([name for name in wanted if name not in value], "and")
            return f"{missing} is missing in {named}"
        case "additionalProperties":
            return f"{named} has fields that the schema does not know"
        case _:
            return f"{named} does not fit the schema's `{rule}`, found {found(value)}"
