"""Texts where the API wants texts: numbers and truth values in their author's spelling.

`metadata: { version: 3.10 }` is sent as `"3.10"`. Whether a value fits otherwise is left to the
workflow schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowrunner.catalog import load_schema
from flowrunner.events import JSON
from flowrunner.language.forms import text_of

_UNIONS = ("anyOf", "allOf", "oneOf")


def spell(parameter: str, value: JSON) -> JSON:
    """The value of an API parameter with texts wherever the create schema takes nothing else."""
    schema = load_schema("openai/response-create")
    return _spell(value, [schema["properties"].get(parameter, {})], schema)


def _spell(value: JSON, places: list[Any], root: Mapping[str, Any]) -> JSON:
    if isinstance(value, Mapping):
        return {key: _spell(below, _field(places, key, root), root) for key, below in value.items()}
    if isinstance(value, list):
        items = [part["items"] for part in _open(places, root) if "items" in part]
        return [_spell(below, items, root) for below in value]
    if isinstance(value, int | float) and _takes_text_only(places, root):
        return text_of(value)
    return value


def _takes_text_only(places: list[Any], root: Mapping[str, Any]) -> bool:
    kinds: set[str] = set()
    for part in _open(places, root):
        written = part.get("type", [])
        kinds.update([written] if isinstance(written, str) else written)
    return "string" in kinds and not kinds & {"number", "integer", "boolean"}


def _field(places: list[Any], key: str, root: Mapping[str, Any]) -> list[Any]:
    found = []
    for part in _open(places, root):
        field = part.get("properties", {}).get(key, part.get("additionalProperties"))
        if isinstance(field, Mapping):
            found.append(field)
    return found


def _open(
    places: list[Any], root: Mapping[str, Any], depth: int = 0
) -> Iterator[Mapping[str, Any]]:
    """The schemas themselves behind references and unions; which branch applies is not asked."""
    for place in places:
        if not isinstance(place, Mapping) or depth > 8:
            continue
        yield place
        if "$ref" in place:
            name = str(place["$ref"]).rpartition("/")[2]
            yield from _open([root["$defs"].get(name)], root, depth + 1)
        for union in _UNIONS:
            yield from _open(place.get(union, []), root, depth + 1)
        if "then" in place:
            yield from _open([place["then"]], root, depth + 1)
