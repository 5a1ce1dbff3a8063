"""Whether a JSON Schema may be the schema of a structured output, judged as the API judges it.

Values that fit such a schema are made in `generate`. This is the server's own view, written apart
from the checks of `flowrunner.language`, so that each shows the other's mistakes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from flowrunner.simulator.envelope import Refusal

Route = tuple[str, ...]

# Structured outputs guide, "Supported schemas": composition, and type-specific keywords that the
# API answers with "is not permitted".
_FORBIDDEN = (
    *("allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas"),
    *("patternProperties", "propertyNames", "minProperties", "maxProperties"),
    *("unevaluatedProperties", "unevaluatedItems", "uniqueItems", "prefixItems"),
    *("contains", "minContains", "maxContains"),
)
_MOST_PROPERTIES = 5_000
_MOST_LEVELS = 10
_MOST_CHOICES = 1_000


class BadSchema(Exception):
    """A part of a schema that the API does not take: the route to it, and the API's sentence."""

    def __init__(self, route: Route, sentence: str) -> None:
        super().__init__(sentence)
        self.route = route
        self.sentence = sentence

    def refusal(self, name: str) -> Refusal:
        """The API's answer to a structured output called `name` with this schema."""
        place = f"In context={self.route!r}, {self.sentence}"
        message = f"Invalid schema for response_format '{name}': {place}."
        return Refusal(message, "text.format.schema", "invalid_json_schema")

    def refusal_of_function(self, name: str) -> Refusal:
        """The API's answer to a function called `name` with these parameters."""
        place = f"In context={self.route!r}, {self.sentence}"
        message = f"Invalid schema for function '{name}': {place}."
        return Refusal(message, "tools", "invalid_function_parameters")


def check_schema(schema: Mapping[str, Any], *, strict: bool) -> None:
    """Raise BadSchema where the API would refuse the schema of a structured output."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as fault:
        route = tuple(str(part) for part in fault.absolute_path)
        raise BadSchema(route, fault.message) from fault
    if strict:
        _check_root(schema)
        _Walk(schema).check()


def resolve(root: Mapping[str, Any], reference: str, route: Route = ()) -> Any:
    """What a `$ref` of the form `#/$defs/name` points to. Raises BadSchema where it is nothing."""
    found: Any = root
    if not reference.startswith("#"):
        raise BadSchema(route, "reference can only point to definitions of this schema")
    for part in filter(None, reference[1:].split("/")):
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        elif isinstance(found, dict) and name in found:
            found = found[name]
        else:
            raise BadSchema(route, f"reference '{reference}' points to nothing")
    return found


def _check_root(schema: Mapping[str, Any]) -> None:
    root: Any = schema
    seen = 0
    while isinstance(root, dict) and "$ref" in root and seen < _MOST_LEVELS:
        root, seen = resolve(schema, root["$ref"]), seen + 1
    if not isinstance(root, dict) or root.get("type") != "object":
        found = root.get("type") if isinstance(root, dict) else None
        shown = f'"{found}"' if isinstance(found, str) else str(found)
        raise BadSchema(
            (), f"schema must be a JSON Schema of 'type: \"object\"', got 'type: {shown}'"
        )


class _Walk:
    """One look at each part of a strict schema, in the order in which it is written."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._properties = 0
        self._choices = 0

    def check(self) -> None:
        self._check(self._root, (), 0)
        if self._properties > _MOST_PROPERTIES:
            raise BadSchema((), f"a schema may have at most {_MOST_PROPERTIES} properties")
        if self._choices > _MOST_CHOICES:
            raise BadSchema((), f"a schema may have at most {_MOST_CHOICES} enum values")

    def _check(self, part: Any, route: Route, level: int) -> None:
        if not isinstance(part, dict):
            raise BadSchema(route, "schema must have a 'type' key")
        if level > _MOST_LEVELS:
            raise BadSchema(route, f"{level} levels of nesting exceed the limit of {_MOST_LEVELS}")
        for word in _FORBIDDEN:
            if word in part:
                raise BadSchema(route, f"'{word}' is not permitted")
        if "$ref" in part:
            resolve(self._root, part["$ref"], route)
        elif not {"type", "anyOf", "enum", "const"} & part.keys():
            raise BadSchema(route, "schema must have a 'type' key")
        self._choices += len(part.get("enum", ()))
        self._check_object(part, route)
        for inner, where, deeper in _parts(part, route):
            self._check(inner, where, level + deeper)

    def _check_object(self, part: dict[str, Any], route: Route) -> None:
        kinds = part.get("type", ())
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if "array" in kinds and "items" not in part:
            raise BadSchema(route, "array schema missing items")
        if "object" not in kinds:
            return
        if part.get("additionalProperties") is not False:
            raise BadSchema(
                route, "'additionalProperties' is required to be supplied and to be false"
            )
        fields, required = part.get("properties", {}), part.get("required", [])
        self._properties += len(fields)
        for name in fields:
            if name not in required:
                raise BadSchema(
                    route,
                    "'required' is required to be supplied and to be an array including every "
                    f"key in properties. Missing '{name}'",
                )
        for name in required:
            if name not in fields:
                raise BadSchema(route, f"'required' names '{name}', which is no property")


def _parts(part: dict[str, Any], route: Route) -> Iterator[tuple[Any, Route, int]]:
    for name, inner in part.get("properties", {}).items():
        yield inner, (*route, "properties", name), 1
    if "items" in part:
        yield part["items"], (*route, "items"), 1
    for index, inner in enumerate(part.get("anyOf", ())):
        yield inner, (*route, "anyOf", str(index)), 0
    for keyword in ("$defs", "definitions"):
        for name, inner in part.get(keyword, {}).items():
            yield inner, (*route, keyword, name), 0
