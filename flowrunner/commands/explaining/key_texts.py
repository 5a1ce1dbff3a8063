"""One key as lines for people: meaning, value, default, allowed words, an example that is valid.

Which keys there are is left to `keys`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flowrunner.catalog import load_schema
from flowrunner.commands.explaining.keys import PROJECT, Key, all_keys
from flowrunner.events import JSON
from flowrunner.language.formatting.dumping import to_yaml
from flowrunner.language.schema.validating import verbs
from flowrunner.language.shapes import alternatives

_SHAPE_WORDS = ("type", "list", "fields")
_KIND_WITH = {"minimum": "number", "maximum": "number", "columns": "table"}


def key_lines(key: Key) -> list[str]:
    """What is to be said of one key, unwrapped."""
    facts = {
        "Where": where(key),
        "Value": key.kind,
        "Default": None if key.default is None else key.default,
        "Needed": "yes" if key.is_needed else None,
        "Keys": ", ".join(f"`{name}`" for name in key.inside) or None,
        "API": "sent to the API as it stands" if key.is_parameter else None,
    }
    told = [f"  {name:<9} {fact}" for name, fact in facts.items() if fact]
    shown = [f"    {line}" for line in to_yaml(example(key)).splitlines()]
    return [key.name, f"  {key.meaning}", "", *told, "", "  For example", *shown]


def where(key: Key) -> str:
    """Where the key may stand, in words."""
    if key.file == "project":
        return f"`{PROJECT}`"
    if key.file == "test":
        inside = f"`{'.'.join(key.path[:-1])}` of " if len(key.path) > 1 else ""
        return f"{inside}a file of tests"
    if key.path[0] != "step":
        return "the workflow file" if len(key.path) == 1 else f"`{'.'.join(key.path[:-1])}`"
    if len(key.path) > 2:
        return f"`{'.'.join(key.path[1:-1])}` of a step"
    if key.path[1] in key.verbs:
        return "a step, whose verb it is"
    all_of_them = len(key.verbs) == len(verbs())
    where = "any step" if all_of_them else f"a step with {alternatives(key.verbs)}"
    return f"{where}; `defaults` too" if f"defaults.{key.path[1]}" in all_keys() else where


def example(key: Key) -> dict[str, JSON]:
    """A part of a file with the key in it."""
    value = _first(key.examples)
    below: Key = key
    while below.parent is not None:
        value = _beside_others(below, value)
        below = below.parent
    value = value if value is not None else "…"
    if key.path[0] != "step":
        return {key.path[0]: value}
    step = verbs()[key.verbs[0]] if key.verbs else "prompt_step"
    base: dict[str, JSON] = dict(load_schema("workflow")["$defs"][step]["examples"][0])
    if key.path[1] in verbs():
        base = {name: below for name, below in base.items() if name not in verbs()}
    return {"steps": [{**base, key.path[1]: value}]}


def _beside_others(key: Key, value: JSON) -> JSON:
    """The value of the key's parent: with what it cannot go without, where an example has both."""
    parent, name = key.parent, key.path[-1]
    assert parent is not None
    inside = [{_label(parent): each} for each in parent.examples_inside]
    listed = [[each] for each in parent.examples_inside]
    for known in (*parent.examples, *(inside if parent.holds_names else listed)):
        for label, mapping_ in _mappings(parent, known, name):
            if name in mapping_:
                kept = mapping_ if value is None else {**mapping_, name: value}
                return _held(parent, name, kept, label)
    alone: dict[str, JSON] = {name: "…" if value is None else value}
    if _is_shape(key) and name not in _SHAPE_WORDS:
        alone = {"type": _KIND_WITH.get(name, "text"), **alone}
    return _held(parent, name, alone, _label(parent))


def _is_shape(key: Key) -> bool:
    """Whether the key is a setting of the long form of a shape."""
    return set(_SHAPE_WORDS) <= set((key.around or {}).get("properties", {}))


def _mappings(parent: Key, known: JSON, name: str) -> Iterator[tuple[str, Mapping[str, JSON]]]:
    """The mappings in an example of a key that may hold the key inside it."""
    if parent.holds_names and isinstance(known, Mapping):
        yield from ((label, each) for label, each in known.items() if isinstance(each, Mapping))
    elif parent.holds_list(name) and isinstance(known, list):
        yield from (("", each) for each in known if isinstance(each, Mapping))
    elif isinstance(known, Mapping):
        yield "", known


def _held(parent: Key, name: str, value: JSON, label: str) -> JSON:
    if parent.holds_names:
        return {label: value}
    return [value] if parent.holds_list(name) else value


def _label(parent: Key) -> str:
    """A name such as an author gives."""
    named = (next(iter(each), "name") for each in parent.examples if isinstance(each, Mapping))
    return str(next(named, "name"))


def _first(values: tuple[JSON, ...]) -> JSON:
    return values[0] if values else None
