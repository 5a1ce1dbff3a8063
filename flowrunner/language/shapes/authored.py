"""JSON Schemas that experts write themselves: the rules of strict mode, before a call breaks them.

The rules are those of structured outputs (Responses API: `text.format` with `strict: true`). What a
sound schema tells about answers is left to the module `answers`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from flowrunner.diagnostics import Route, did_you_mean
from flowrunner.events import JSON
from flowrunner.language.shapes.words import alternatives, found, quoted

Fault: TypeAlias = tuple[Route, str]

MOST_LEVELS = 10
_MOST_PROPERTIES = 5_000
_MOST_CHOICES = 1_000
_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
_REFUSED = (
    "allOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "default",
    "patternProperties",
    "propertyNames",
    "unevaluatedProperties",
    "unevaluatedItems",
    "dependentRequired",
    "dependentSchemas",
    "prefixItems",
    "contains",
    "uniqueItems",
)
# Keys beside which a missing `type` is no mistake, or none of its own.
_SPEAKING = {"anyOf", "enum", "const", "oneOf", "allOf", "not", "if"}
_INSTEAD = {"oneOf": "write `anyOf`", "default": "say in `description` what to use"}


def check_strict_schema(schema: Mapping[str, Any]) -> list[Fault]:
    """What strict mode would refuse in a JSON Schema: routes into the schema, and sentences."""
    if "$ref" not in schema and schema.get("type") != "object":
        return [
            (
                ("type",) if "type" in schema else (),
                "the schema of an answer must be an object: `type: object` with `properties`",
            )
        ]
    return _Checker(schema).check()


class _Checker:
    """One walk over one schema; each part is looked at once, so that no reference can loop."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.root = schema
        self.properties = 0
        self.choices = 0

    def check(self) -> list[Fault]:
        faults = list(self.walk(self.root, (), 0))
        for key in ("$defs", "definitions"):
            defined = self.root.get(key)
            if isinstance(defined, Mapping):
                for name, part in defined.items():
                    faults += self.walk(part, (key, name), 1)
        if self.properties > _MOST_PROPERTIES:
            sentence = f"the schema has {self.properties:,} properties; the API takes"
            faults.append(((), f"{sentence} {_MOST_PROPERTIES:,}"))
        if self.choices > _MOST_CHOICES:
            sentence = f"the schema has {self.choices:,} enum values; the API takes"
            faults.append(((), f"{sentence} {_MOST_CHOICES:,}"))
        return faults

    def walk(self, part: JSON, route: Route, level: int) -> Iterator[Fault]:
        if not isinstance(part, Mapping):
            yield route, f"a schema must be a mapping, found {found(part)}"
            return
        if level > MOST_LEVELS:
            yield route, f"the schema is nested deeper than the {MOST_LEVELS} levels the API takes"
            return
        for key in _REFUSED:
            if key in part:
                instead = f": {_INSTEAD[key]}" if key in _INSTEAD else ""
                yield (*route, key), f"strict schemas know no `{key}`{instead}"
        if "$ref" in part:
            yield from self.check_reference(part["$ref"], (*route, "$ref"))
            return
        yield from _type_faults(part, route)
        yield from self.walk_values(part, route)
        yield from self.walk_parts(part, route, level)

    def walk_values(self, part: Mapping[str, Any], route: Route) -> Iterator[Fault]:
        if "enum" in part:
            enum = part["enum"]
            if isinstance(enum, list) and enum:
                self.choices += len(enum)
            else:
                yield (*route, "enum"), "`enum` must be a list with at least one value"
        if "pattern" in part and not _is_pattern(part["pattern"]):
            yield (*route, "pattern"), "`pattern` is not a regular expression that can be read"

    def walk_parts(self, part: Mapping[str, Any], route: Route, level: int) -> Iterator[Fault]:
        kinds = kinds_of(part)
        if "object" in kinds:
            yield from self.walk_object(part, route, level)
        if "array" in kinds:
            if "items" in part:
                yield from self.walk(part["items"], (*route, "items"), level + 1)
            else:
                yield route, "an array must say what it holds: add `items`"
        options = part.get("anyOf", [])
        if not isinstance(options, list) or ("anyOf" in part and not options):
            yield (*route, "anyOf"), "`anyOf` must be a list of schemas"
            return
        for position, option in enumerate(options):
            yield from self.walk(option, (*route, "anyOf", position), level)

    def walk_object(self, part: Mapping[str, Any], route: Route, level: int) -> Iterator[Fault]:
        if part.get("additionalProperties") is not False:
            here = (*route, "additionalProperties") if "additionalProperties" in part else route
            yield here, "an object of a strict schema must have `additionalProperties: false`"
        properties = part.get("properties", {})
        if not isinstance(properties, Mapping):
            yield (*route, "properties"), "`properties` must be a mapping of schemas"
            return
        self.properties += len(properties)
        yield from _required_faults(part, properties, route)
        for name, below in properties.items():
            yield from self.walk(below, (*route, "properties", name), level + 1)

    def check_reference(self, reference: JSON, route: Route) -> Iterator[Fault]:
        if not isinstance(reference, str) or not reference.startswith("#"):
            yield route, "`$ref` may only point into this schema, as in `#/$defs/name`"
        elif (target := look_up(self.root, reference)) is None:
            names = [f"#/$defs/{name}" for name in _defined(self.root)]
            near = did_you_mean(reference, names)
            meant = f": did you mean `{near}`?" if near else ""
            yield route, f"`$ref` points at {quoted(reference)}, which is not in this schema{meant}"
        elif self.leads_back(reference, target):
            yield route, f"`$ref` {quoted(reference)} leads back to itself without an end"

    def leads_back(self, reference: str, target: Mapping[str, Any]) -> bool:
        seen = {reference}
        waiting = [target]
        while waiting:
            part = waiting.pop()
            onward = part.get("$ref")
            if onward in seen:
                return True
            if isinstance(onward, str):
                seen.add(onward)
                waiting += filter(None, [look_up(self.root, onward)])
        return False


def _type_faults(part: Mapping[str, Any], route: Route) -> Iterator[Fault]:
    written = part.get("type")
    if written is None:
        if not _SPEAKING & part.keys():
            yield route, f"a schema must have a `type`: {alternatives(_TYPES)}"
        return
    for kind in written if isinstance(written, list) else [written]:
        if kind not in _TYPES:
            near = did_you_mean(str(kind), _TYPES)
            meant = f": did you mean `{near}`?" if near else ""
            yield (*route, "type"), f"{quoted(str(kind))} is not a type of JSON Schema{meant}"


def _required_faults(
    part: Mapping[str, Any], properties: Mapping[str, Any], route: Route
) -> Iterator[Fault]:
    required = part.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        yield (*route, "required"), "`required` must be a list of property names"
        return
    missing = [name for name in properties if name not in required]
    if missing:
        here = (*route, "required") if "required" in part else route
        names = alternatives(missing, "and")
        sentence = f"a strict schema requires every property: add {names} to `required`"
        yield here, f"{sentence} (what is optional as a union with `null`)"
    for name in required:
        if name not in properties:
            yield (*route, "required"), f"`required` names `{name}`, which is not a property"


def kinds_of(part: Mapping[str, Any]) -> set[str]:
    """The JSON types that a schema allows; empty where it does not say."""
    written = part.get("type")
    listed = written if isinstance(written, list) else [written]
    kinds = {kind for kind in listed if isinstance(kind, str)}
    if written is None and "properties" in part:
        kinds.add("object")
    return kinds


def _is_pattern(pattern: JSON) -> bool:
    try:
        re.compile(pattern)
    except (re.error, TypeError, OverflowError, RecursionError):
        return False
    return True


def _defined(root: Mapping[str, Any]) -> Mapping[str, Any]:
    defined = root.get("$defs")
    return defined if isinstance(defined, Mapping) else {}


def look_up(root: Mapping[str, Any], reference: str) -> Mapping[str, Any] | None:
    """The part of a schema that a local reference (`#/$defs/name`) points at, or None."""
    part: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        part = part.get(name) if isinstance(part, Mapping) else None
    return part if isinstance(part, Mapping) else None
