"""Makes a value that fits a JSON Schema, always the same for the same seed and subject.

Choices follow the words of the subject where they can, so that a demonstration looks sensible.
Numbers are left to `numbers`, texts of a pattern or format to `patterns`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flowrunner.simulator.dice import Dice, Rolls
from flowrunner.simulator.numbers import NoNumber, integer_for, number_for
from flowrunner.simulator.patterns import FORMATS, Maker, UnknownPattern, maker_of
from flowrunner.simulator.strict import BadSchema, resolve
from flowrunner.simulator.subject import Subject

Place = tuple[str, ...]
Schema = Mapping[str, Any]

_SLACK = 4
_USUAL_ITEMS = 2
_LONGEST_TEXT = 2_000
# A value of more parts than this is finished by the shortest way.
_MANY = 2_000
# A schema may ask for any number of items and any length of text; an answer has an end.
_MOST_PARTS = 100_000
_MOST_CHARS = 1_000_000
_ONE_IN = 8
_TRIES = 64


def generate(schema: Schema, dice: Dice, subject: Subject) -> Any:
    """A value that fits the schema. Raises BadSchema where none is found."""
    return _Generator(schema, dice, subject).make()


class _Generator:
    """One value in the making. `room` is how many levels may still be opened below a place."""

    def __init__(self, schema: Schema, dice: Dice, subject: Subject) -> None:
        self._root = schema
        self._dice = dice
        self._subject = subject
        self._heights = heights(schema)
        self._made = 0

    def make(self) -> Any:
        height = self._height(self._root)
        if math.isinf(height):
            raise BadSchema((), "no finite value can match this schema")
        return self._value(self._root, (), int(height) + _SLACK)

    def _height(self, schema: Any) -> float:
        return self._heights.get(id(schema), 0)

    def _value(self, schema: Any, place: Place, room: int) -> Any:
        self._made += 1
        if self._made > _MOST_PARTS:
            raise BadSchema(place, f"no value has fewer than {_MOST_PARTS} parts")
        if not isinstance(schema, Mapping):
            return self._text({}, place)
        schema = self._flat(schema, place, room)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._choice(schema, place)
        return self._of_kind(self._kind(schema, place, room), schema, place, room)

    def _flat(self, schema: Schema, place: Place, room: int) -> Schema:
        """The schema with its references and alternatives decided."""
        for turn in range(_TRIES):
            branches = schema.get("anyOf") or schema.get("oneOf")
            if "$ref" in schema:
                chosen = resolve(self._root, schema["$ref"], place)
            elif branches:
                chosen = self._branch(branches, (*place, f"way {turn}"), room)
            elif "allOf" in schema:
                chosen = _merged(schema["allOf"])
            else:
                return schema
            rest = {
                word: value
                for word, value in schema.items()
                if word not in ("$ref", "anyOf", "oneOf", "allOf", "$defs", "definitions")
            }
            schema = _merged([chosen if isinstance(chosen, Mapping) else {}, rest])
        raise BadSchema(place, "its references lead nowhere")

    def _branch(self, branches: list[Any], place: Place, room: int) -> Any:
        lowest = min(map(self._height, branches))
        if self._made > _MANY:
            return next(branch for branch in branches if self._height(branch) == lowest)
        limit = max(room, lowest)
        open_ways = [branch for branch in branches if self._height(branch) <= limit]
        filled = [branch for branch in open_ways if not _is_null(branch)]
        if filled and (len(filled) == len(open_ways) or not self._is_absent(place)):
            return self._dice.pick(_text_of(place), filled)
        return self._dice.pick(_text_of(place), open_ways)

    def _is_absent(self, place: Place) -> bool:
        """What may be missing is missing now and then, so that workflows meet it."""
        return self._dice.roll(_text_of(place) + "?", _ONE_IN) == 0

    def _kind(self, schema: Schema, place: Place, room: int) -> str:
        kinds = _kinds(schema)
        if len(kinds) == 1:
            return kinds[0]
        if room <= 0 or self._made > _MANY:
            return min(kinds, key=lambda kind: _lowest_inside(kind, schema, self._height))
        filled = [kind for kind in kinds if kind != "null"]
        if "null" in kinds and (not filled or self._is_absent(place)):
            return "null"
        return self._dice.pick(_text_of(place) + ":", filled)

    def _of_kind(self, kind: str, schema: Schema, place: Place, room: int) -> Any:
        match kind:
            case "object":
                return self._object(schema, place, room)
            case "array":
                return self._array(schema, place, room)
            case "null":
                return None
            case "boolean":
                return self._yes_or_no(place)
            case "string":
                return self._text(schema, place)
        make = integer_for if kind == "integer" else number_for
        try:
            return make(schema, self._dice, _text_of(place))
        except NoNumber as fault:
            raise BadSchema(place, "no number is within the limits of this schema") from fault

    def _object(self, schema: Schema, place: Place, room: int) -> dict[str, Any]:
        fields = schema.get("properties", {})
        required = schema.get("required", ())
        made = {
            name: self._value(inner, (*place, name), room - 1)
            for name, inner in fields.items()
            if name in required or (self._height(inner) < room and self._made <= _MANY)
        }
        for name in required:
            if name not in made:
                made[name] = self._text({}, (*place, name))
        return made

    def _array(self, schema: Schema, place: Place, room: int) -> list[Any]:
        items = schema.get("items", {})
        least = schema.get("minItems", 0)
        most = schema.get("maxItems", max(least, _USUAL_ITEMS + 1))
        if self._height(items) >= room or self._made > _MANY:
            count = least
        else:
            wanted = 1 + self._dice.roll(_text_of(place) + "[]", _USUAL_ITEMS + 1)
            count = max(least, min(wanted, most))
        return [self._value(items, (*place, str(index)), room - 1) for index in range(count)]

    def _choice(self, schema: Schema, place: Place) -> Any:
        """The value of the enum that the subject speaks of most; else any of them."""
        values = [value for value in schema["enum"] if _is_of(value, schema.get("type"))]
        if not values:
            raise BadSchema(place, "no enum value is of the type of this schema")
        named = [value for value in values if value is not None] or values
        heard = [self._subject.mentions(value) for value in named]
        loudest = [value for value, times in zip(named, heard, strict=True) if times == max(heard)]
        return self._dice.pick(_text_of(place), loudest)

    def _yes_or_no(self, place: Place) -> bool:
        name = _label(place)
        return self._subject.mentions(name) > 0 or self._dice.roll(_text_of(place), 2) == 0

    def _text(self, schema: Schema, place: Place) -> str:
        least, most = schema.get("minLength", 0), schema.get("maxLength", _LONGEST_TEXT)
        if least > _MOST_CHARS:
            raise BadSchema(place, f"no text is shorter than {_MOST_CHARS} characters")
        maker = self._maker(schema, place)
        if maker is None:
            about = f": “{self._subject.quote}”" if self._subject.quote else ""
            text = f"[simulated] {_label(place)}{about}"
            return text[:most].ljust(least, ".")
        for turn in range(_TRIES):
            text = maker(Rolls(self._dice, f"{_text_of(place)}~{turn}"))
            if least <= len(text) <= most:
                return text
        raise BadSchema(place, "no text of this pattern or format has a length within the limits")

    def _maker(self, schema: Schema, place: Place) -> Maker | None:
        if "pattern" not in schema:
            return FORMATS.get(schema.get("format", ""))
        try:
            return maker_of(schema["pattern"])
        except UnknownPattern as fault:
            raise BadSchema(place, "the simulator cannot make a text of this 'pattern'") from fault


_TELLING = {
    "properties": "object",
    "items": "array",
    "minimum": "number",
    "maximum": "number",
    "multipleOf": "number",
}


def _kinds(schema: Schema) -> list[str]:
    """The types that a schema allows; where it names none, the one its other words tell of."""
    kinds = schema.get("type")
    if isinstance(kinds, str):
        return [kinds]
    if isinstance(kinds, list) and kinds:
        return kinds
    return [next((kind for word, kind in _TELLING.items() if word in schema), "string")]


def heights(root: Schema) -> dict[int, float]:
    """How many levels the lowest value of each part of a schema has, by the identity of the part.

    Infinite where a part can only be filled by itself. Grows from below until nothing changes,
    since recursive schemas define the height of a part by itself.
    """
    parts = list(_walk(root))
    known: dict[int, float] = {id(part): math.inf for part in parts}
    changed = True
    while changed:
        changed = False
        for part in reversed(parts):
            height = _lowest(part, root, known)
            if height < known[id(part)]:
                known[id(part)] = height
                changed = True
    return known


def _lowest(part: Schema, root: Schema, known: Mapping[int, float]) -> float:
    def of(inner: Any) -> float:
        return known.get(id(inner), 0)

    if "const" in part or "enum" in part:
        return 0
    bounds = [of(resolve(root, part["$ref"]))] if "$ref" in part else []
    for word in ("anyOf", "oneOf"):
        if word in part:
            bounds.append(min(map(of, part[word])))
    bounds += map(of, part.get("allOf", ()))
    if "type" in part or not bounds:
        bounds.append(min(_lowest_inside(kind, part, of) for kind in _kinds(part)))
    return max(bounds)


def _lowest_inside(kind: str, part: Schema, of: Callable[[Any], float]) -> float:
    if kind == "array":
        return 1 + of(part.get("items")) if part.get("minItems", 0) > 0 else 0
    if kind != "object":
        return 0
    required = part.get("required", ())
    inner = [of(field) for name, field in part.get("properties", {}).items() if name in required]
    return 1 + max(inner, default=-1)


def _walk(part: Any) -> Iterator[Schema]:
    if not isinstance(part, Mapping):
        return
    yield part
    for word in ("properties", "$defs", "definitions"):
        for inner in part.get(word, {}).values():
            yield from _walk(inner)
    for word in ("anyOf", "oneOf", "allOf"):
        for inner in part.get(word, ()):
            yield from _walk(inner)
    yield from _walk(part.get("items"))


def _merged(parts: list[Any]) -> Schema:
    merged: dict[str, Any] = {}
    for part in parts:
        if not isinstance(part, Mapping):
            continue
        fields = {**merged.get("properties", {}), **part.get("properties", {})}
        required = [*merged.get("required", ()), *part.get("required", ())]
        merged |= part
        if fields:
            merged |= {"properties": fields, "required": required}
    return merged


def _is_null(branch: Any) -> bool:
    return isinstance(branch, Mapping) and branch.get("type") == "null"


def _is_of(value: Any, kinds: Any) -> bool:
    if kinds is None:
        return True
    names = [kinds] if isinstance(kinds, str) else kinds
    return any(_TESTS[name](value) for name in names)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return _is_number(value) and float(value).is_integer()


_TESTS: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "number": _is_number,
    "integer": _is_whole,
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}


def _label(place: Place) -> str:
    """The name of the nearest field in words, and which item: `order numbers 2`."""
    name = next((part for part in reversed(place) if not part.isdecimal()), "value")
    item = f" {int(place[-1]) + 1}" if place and place[-1].isdecimal() else ""
    return name.replace("_", " ") + item


def _text_of(place: Place) -> str:
    return "/".join(place)
