"""Shapes as the strict JSON Schema of the API, and answers on their way back.

Strict means: every object has `additionalProperties: false` and requires all of its properties, and
what is optional is a union with null (Responses API: `text.format`, structured outputs).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowrunner.events import JSON
from flowrunner.language.shapes.shape import MISSING, Shape

WRAPPER = "value"
"""The only field of the object that carries a root which is no object."""

_TYPES = {"text": "string", "number": "number", "integer": "integer", "yes_no": "boolean"}


def to_json_schema(shape: Shape) -> dict[str, Any]:
    """The strict JSON Schema of a shape, for the wire."""
    schema = _core(shape)
    if shape.optional or shape.default is not MISSING:
        schema = _or_null(schema)
    return {**schema, "description": shape.describe} if shape.describe else schema


def wire_schema(shape: Shape) -> tuple[dict[str, Any], bool]:
    """The schema to send for an answer of this shape, and whether the answer comes wrapped.

    The API wants an object at the root; anything else goes as `{value: …}`.
    """
    schema = to_json_schema(shape)
    if schema.get("type") == "object":
        return schema, False
    return _object({WRAPPER: schema}), True


def from_wire(shape: Shape, answer: JSON) -> JSON:
    """The value inside an answer that passed `check_value`: defaults stand in for null."""
    if answer is None:
        return None if shape.default is MISSING else shape.default
    if shape.kind == "object" and isinstance(answer, Mapping) and not shape.free:
        return {name: from_wire(field, answer.get(name)) for name, field in shape.fields}
    if shape.kind == "list" and isinstance(answer, list) and shape.item is not None:
        return [from_wire(shape.item, item) for item in answer]
    return answer


def _core(shape: Shape) -> dict[str, Any]:
    match shape.kind:
        case "json" | "any":
            return {}
        case "choice":
            return {"type": "string", "enum": list(shape.choices)}
        case "date":
            return {"type": "string", "format": "date"}
        case "list":
            return {"type": "array", "items": to_json_schema(shape.item or Shape("text"))}
        case "object":
            return _of_fields(shape)
        case _:
            bounds = {"minimum": shape.minimum, "maximum": shape.maximum}
            given = {key: _plain(bound) for key, bound in bounds.items() if bound is not None}
            return {"type": _TYPES.get(shape.kind, "string"), **given}


def _of_fields(shape: Shape) -> dict[str, Any]:
    if shape.free:
        return {"type": "object", "additionalProperties": True}
    return _object({name: to_json_schema(field) for name, field in shape.fields})


def _plain(number: float) -> float:
    """The number without the spelling that the file's reader may have attached."""
    return int(number) if isinstance(number, int) else float(number)


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def is_strict(shape: Shape) -> bool:
    """Whether the schema of a shape keeps the rules of strict mode: it knows all that it holds."""
    if shape.kind in {"json", "any"} or (shape.kind == "object" and shape.free):
        return False
    parts = [field for _, field in shape.fields]
    return all(is_strict(part) for part in (*parts, *([shape.item] if shape.item else [])))


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    if "type" not in schema:
        return schema
    if schema["type"] in {"object", "array"}:
        return {"anyOf": [schema, {"type": "null"}]}
    nullable = {**schema, "type": [schema["type"], "null"]}
    if "enum" in schema:
        nullable["enum"] = [*schema["enum"], None]
    return nullable
