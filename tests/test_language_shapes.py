"""Shapes: how they are written, what they become on the wire, which values they take."""

from __future__ import annotations

import dataclasses
import datetime
import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.language.shapes import (
    ANY,
    Shape,
    UnreadableValue,
    check_by_schema,
    check_strict_schema,
    check_value,
    from_wire,
    read_plain,
    read_shape,
    shape_of_schema,
    to_json_schema,
    wire_schema,
)

ROUTE = ("steps", 0, "output")


def shape_of(written: Any, **how: Any) -> Shape:
    shape, findings = read_shape(written, ROUTE, **how)
    assert findings == []
    assert shape is not None
    return shape


@pytest.mark.parametrize("kind", ["text", "number", "integer", "yes_no", "date"])
def test_a_plain_shape_is_its_name(kind: str) -> None:
    assert shape_of(kind).kind == kind


@pytest.mark.parametrize("kind", ["file", "files", "table", "json"])
def test_some_shapes_are_for_inputs_only(kind: str) -> None:
    assert shape_of(kind, for_input=True).kind == kind
    shape, findings = read_shape(kind, ROUTE)
    assert shape is None
    assert [finding.message for finding in findings] == [f"`{kind}` is a shape of inputs only"]


def test_a_list_of_words_is_a_choice() -> None:
    assert shape_of(["billing", "bug"]).choices == ("billing", "bug")
    assert shape_of([1, True, "x"]).choices == ("1", "true", "x")


def test_lists_and_objects_nest() -> None:
    shape = shape_of({"items": {"list": {"name": "text", "tags": {"list": ["a", "b"]}}}})
    items = shape.field("items")
    assert items is not None
    assert items.kind == "list"
    assert items.item is not None
    assert [name for name, _ in items.item.fields] == ["name", "tags"]


def test_long_forms_carry_their_settings() -> None:
    shape = shape_of(
        {"type": "number", "describe": "From 0 to 10", "minimum": 0, "maximum": 10, "default": 5}
    )
    assert (shape.kind, shape.describe, shape.minimum, shape.maximum, shape.default) == (
        "number",
        "From 0 to 10",
        0,
        10,
        5,
    )
    assert shape_of({"list": "text", "describe": "d"}).describe == "d"
    fields = shape_of({"fields": {"type": "text", "list": "text"}, "describe": "d"})
    assert [name for name, _ in fields.fields] == ["type", "list"]
    assert shape_of({"type": ["a", "b"], "optional": True}).optional is True


def test_null_as_a_default_makes_a_value_optional() -> None:
    shape = shape_of({"type": "text", "default": None})
    assert shape.optional
    assert shape.default is None


def test_secret_and_columns_belong_to_inputs() -> None:
    assert shape_of({"type": "text", "secret": True}, for_input=True).secret
    table = shape_of({"type": "table", "columns": {"amount": "number"}}, for_input=True)
    assert table.columns == (("amount", Shape("number")),)


FIELDS_FIX = (
    "to declare an object with a field named `type`, write the fields under `fields:`, as in "
    "`fields: { type: text, name: text }`"
)
FAULTS: dict[str, tuple[Any, str, str | None]] = {
    "near miss": ("txt", "`txt` is not a shape: did you mean `text`?", None),
    "word of another notation": (
        "boolean",
        "`boolean` is not a shape: did you mean `yes_no`?",
        None,
    ),
    "array": ("array", "`array` is not a shape: did you mean `{ list: text }`?", None),
    "nothing": (None, "`output` must be a shape, found nothing", None),
    "number": (3, "`output` must be a shape, found the number `3`", None),
    "no choices": ([], "a list of choices needs at least one choice", None),
    "same choice": (["a", "a"], "the choice `a` stands in this list twice", None),
    "choice of a list": ([["a"]], "a choice must be a word or a text, found a list", None),
    "list meant": (
        ["text"],
        "`[text]` is a choice with the only answer `text`",
        "for a list, write `{ list: text }`",
    ),
    "no fields": ({}, "an object needs at least one field", "write `{ name: text }`"),
    "field named type": (
        {"type": "text", "name": "text"},
        "`name` cannot stand beside `type`, which makes this the long form of a shape",
        FIELDS_FIX,
    ),
    "misspelt key": (
        {"type": "text", "descibe": "x"},
        "`descibe` is not a key of a shape with `type`: did you mean `describe`?",
        None,
    ),
    "two forms": ({"type": "text", "list": "text"}, "a shape has one of", None),
    "bounds of a text": ({"type": "text", "minimum": 1}, "only `number` and `integer`", None),
    "bound that is a text": (
        {"type": "number", "minimum": "1"},
        "`minimum` must be a number, found the text `1`",
        None,
    ),
    "bounds the wrong way": (
        {"type": "number", "minimum": 5, "maximum": 1},
        "`minimum` is 5, which is more than the `maximum`, 1",
        None,
    ),
    "default of another kind": (
        {"type": "integer", "default": "x"},
        "`default` must be a whole number, found the text `x`",
        None,
    ),
    "optional that is no boolean": (
        {"type": "text", "optional": "yes"},
        "`optional` must be `true` or `false`, found the text `yes`",
        None,
    ),
    "secret output": ({"type": "text", "secret": True}, "`secret` belongs to inputs only", None),
    "type of a list": (
        {"type": {"list": "text"}},
        "`type` must be the name of a plain shape or a list of choices, found an object",
        None,
    ),
    "fields of a list": (
        {"fields": ["a"]},
        "`fields` must be a mapping of shapes, found a list",
        None,
    ),
}


@pytest.mark.parametrize(("written", "message", "fix"), FAULTS.values(), ids=FAULTS)
def test_what_is_no_shape_is_named_with_its_fix(
    written: Any, message: str, fix: str | None
) -> None:
    _, findings = read_shape(written, ROUTE)
    assert len(findings) == 1
    assert findings[0].message.startswith(message)
    assert findings[0].code == "shape"
    if fix:
        assert findings[0].help == fix


def test_a_secret_has_no_default_and_is_a_text() -> None:
    _, findings = read_shape({"type": "text", "secret": True, "default": "x"}, (), for_input=True)
    assert "would stand in the file" in findings[0].message
    _, findings = read_shape({"type": "number", "secret": True}, (), for_input=True)
    assert findings[0].message == "only an input of type `text` can be secret"


def test_columns_belong_to_tables() -> None:
    _, findings = read_shape({"type": "text", "columns": {"a": "text"}}, (), for_input=True)
    assert findings[0].message == "only an input of type `table` has `columns`"
    _, findings = read_shape({"type": "table", "columns": "a"}, (), for_input=True)
    assert findings[0].message == "`columns` must be a mapping of shapes, found the text `a`"


def test_a_fault_inside_leaves_the_rest_readable() -> None:
    shape, findings = read_shape({"good": "text", "bad": "txt"}, ROUTE)
    assert shape is not None
    assert shape.field("bad") == ANY
    assert [finding.route for finding in findings] == [(*ROUTE, "bad")]


# What goes over the wire.


def test_objects_compile_to_strict_schemas() -> None:
    shape = shape_of(
        {"team": ["a", "b"], "urgent": "yes_no", "score": {"type": "number", "minimum": 0}}
    )
    assert wire_schema(shape) == (
        {
            "type": "object",
            "properties": {
                "team": {"type": "string", "enum": ["a", "b"]},
                "urgent": {"type": "boolean"},
                "score": {"type": "number", "minimum": 0},
            },
            "required": ["team", "urgent", "score"],
            "additionalProperties": False,
        },
        False,
    )


def test_what_is_optional_is_a_union_with_null() -> None:
    written = {
        "a": {"type": "text", "optional": True, "describe": "d"},
        "b": {"type": ["x"], "optional": True},
        "c": {"list": "date", "optional": True},
    }
    properties = to_json_schema(shape_of(written))["properties"]
    assert properties == {
        "a": {"type": ["string", "null"], "description": "d"},
        "b": {"type": ["string", "null"], "enum": ["x", None]},
        "c": {
            "anyOf": [
                {"type": "array", "items": {"type": "string", "format": "date"}},
                {"type": "null"},
            ]
        },
    }


@pytest.mark.parametrize(
    "written", ["text", ["a", "b"], {"list": "text"}, {"fields": {"a": "text"}, "optional": True}]
)
def test_a_root_that_is_no_object_is_wrapped(written: Any) -> None:
    schema, wrapped = wire_schema(shape_of(written))
    assert wrapped
    assert list(schema["properties"]) == ["value"]
    assert check_strict_schema(schema) == []


def test_defaults_stand_in_for_null_in_answers() -> None:
    shape = shape_of(
        {"a": {"type": "text", "default": "x"}, "b": {"list": {"type": "text", "optional": True}}}
    )
    assert from_wire(shape, {"a": None, "b": [None, "y"]}) == {"a": "x", "b": [None, "y"]}
    assert check_value(shape, {"a": None, "b": []}) == []


# Values.

TRIAGE = Shape(
    "object",
    fields=(
        ("team", Shape("choice", choices=("billing", "bug", "other"))),
        ("reason", Shape("text")),
        ("items", Shape("list", item=Shape("object", fields=(("total", Shape("number")),)))),
    ),
)

NO_DAY = "the value must be a date that exists, written as `2026-01-31`, found the text "
NO_TEAM = "`team` must be `billing`, `bug` or `other`, found the text "
VALUES: dict[str, tuple[Shape, Any, list[str]]] = {
    "text": (Shape("text"), "x", []),
    "no text": (Shape("text"), 3, ["the value must be text, found the number `3`"]),
    "number": (Shape("number"), 1.5, []),
    "a boolean is no number": (Shape("number"), True, ["the value must be a number, found `true`"]),
    "not a number": (
        Shape("number"),
        float("nan"),
        ["the value must be a number, found the number `nan`"],
    ),
    "whole float": (Shape("integer"), 3.0, []),
    "no whole number": (
        Shape("integer"),
        3.5,
        ["the value must be a whole number, found the number `3.5`"],
    ),
    "yes_no": (Shape("yes_no"), False, []),
    "no yes_no": (
        Shape("yes_no"),
        "yes",
        ["the value must be `true` or `false`, found the text `yes`"],
    ),
    "day": (Shape("date"), "2024-02-29", []),
    "no such day": (
        Shape("date"),
        "2024-13-01",
        [NO_DAY + "`2024-13-01`"],
    ),
    "day in another form": (
        Shape("date"),
        "20240229",
        [NO_DAY + "`20240229`"],
    ),
    "optional": (Shape("text", optional=True), None, []),
    "empty": (Shape("text"), None, ["the value must be text, found nothing"]),
    "too small": (Shape("number", minimum=0), -1, ["the value must be at least 0, found -1"]),
    "too large": (Shape("integer", maximum=9), 10, ["the value must be at most 9, found 10"]),
    "anything": (ANY, {"a": [1]}, []),
    "good object": (TRIAGE, {"team": "bug", "reason": "r", "items": [{"total": 1}]}, []),
    "faults inside": (
        TRIAGE,
        {"team": "biling", "reason": 3, "items": [{"total": 1}, {"total": "x"}]},
        [
            NO_TEAM + "`biling`: did you mean `billing`?",
            "`reason` must be text, found the number `3`",
            "`items[1].total` must be a number, found the text `x`",
        ],
    ),
    "missing and extra": (
        TRIAGE,
        {"team": "bug", "items": [], "reasn": "x"},
        ["`reason` is missing", "`reasn` is not a declared field: did you mean `reason`?"],
    ),
    "a list for an object": (
        TRIAGE,
        [],
        ["the value must be an object with `team`, `reason` and `items`, found an empty list"],
    ),
}


@pytest.mark.parametrize(("shape", "value", "faults"), VALUES.values(), ids=VALUES)
def test_values_are_checked_with_sentences(shape: Shape, value: Any, faults: list[str]) -> None:
    assert check_value(shape, value) == faults


def test_the_value_as_a_whole_may_have_a_name() -> None:
    assert check_value(Shape("text"), 3, "ticket") == [
        "`ticket` must be text, found the number `3`"
    ]


def test_a_long_list_of_faults_ends() -> None:
    assert len(check_value(Shape("list", item=Shape("text")), list(range(1000)))) == 20


READ: dict[str, tuple[Shape, str, Any]] = {
    "text as it is": (Shape("text"), " 012 ", " 012 "),
    "integer": (Shape("integer"), "-12", -12),
    "number": (Shape("number"), "1.50", 1.5),
    "whole number": (Shape("number"), "12", 12),
    "true": (Shape("yes_no"), "true", True),
    "no": (Shape("yes_no"), "No", False),
    "day": (Shape("date"), "2024-02-29", "2024-02-29"),
    "choice": (Shape("choice", choices=("a", "b")), "a", "a"),
    "list": (Shape("list", item=Shape("text")), '["a"]', ["a"]),
    "json": (Shape("json"), "null", None),
    "file": (Shape("file"), "a/b.txt", "a/b.txt"),
}


@pytest.mark.parametrize(("shape", "text", "value"), READ.values(), ids=READ)
def test_plain_text_becomes_a_value(shape: Shape, text: str, value: Any) -> None:
    assert read_plain(shape, text) == value


UNREADABLE: dict[str, tuple[Shape, str, str]] = {
    "word for a number": (
        Shape("number"),
        "ten",
        "the value must be a number, found the text `ten`",
    ),
    "comma": (
        Shape("number"),
        "1,5",
        "the value must be a number with a point, such as `1.5`, found `1,5`",
    ),
    "infinite": (Shape("number"), "1e999", "the value must be a number, found the text `1e999`"),
    "half": (Shape("integer"), "1.5", "the value must be a whole number, found the text `1.5`"),
    "maybe": (
        Shape("yes_no"),
        "maybe",
        "the value must be `true` or `false`, found the text `maybe`",
    ),
    "no day": (
        Shape("date"),
        "2024-13-01",
        NO_DAY + "`2024-13-01`",
    ),
    "near choice": (
        Shape("choice", choices=("billing", "bug")),
        "biling",
        "the value must be `billing` or `bug`, found the text `biling`: did you mean `billing`?",
    ),
    "cut JSON": (
        Shape("json"),
        "[1,",
        "the value must be JSON, found `[1,`, which breaks off at line 1, column 4",
    ),
    "no number of JSON": (
        Shape("json"),
        "NaN",
        "the value must be JSON: `NaN` is not a JSON value",
    ),
}


@pytest.mark.parametrize(("shape", "text", "sentence"), UNREADABLE.values(), ids=UNREADABLE)
def test_plain_text_that_is_no_value_is_refused(shape: Shape, text: str, sentence: str) -> None:
    with pytest.raises(UnreadableValue) as raised:
        read_plain(shape, text)
    assert str(raised.value) == sentence


def test_a_key_that_is_given_twice_is_not_dropped() -> None:
    with pytest.raises(UnreadableValue, match="the key `a` is given twice in one object"):
        read_plain(Shape("json"), '{"a": 1, "a": 2}')


def test_deep_json_is_refused() -> None:
    with pytest.raises(UnreadableValue, match="nested more than"):
        read_plain(Shape("json"), "[" * 200_000)


# Authors' own schemas.


def strict(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


STRICT: dict[str, tuple[dict[str, Any], tuple[str | int, ...], str]] = {
    "root": (
        {"type": "array", "items": {}},
        ("type",),
        "the schema of an answer must be an object",
    ),
    "open object": (
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        (),
        "an object of a strict schema must have `additionalProperties: false`",
    ),
    "not required": (
        strict(a={"type": "string"}) | {"required": []},
        ("required",),
        "a strict schema requires every property: add `a` to `required`",
    ),
    "required but absent": (
        strict() | {"required": ["a"]},
        ("required",),
        "`required` names `a`, which is not a property",
    ),
    "no type": (strict(a={}), ("properties", "a"), "a schema must have a `type`"),
    "unknown type": (
        strict(a={"type": "strng"}),
        ("properties", "a", "type"),
        "`strng` is not a type of JSON Schema: did you mean `string`?",
    ),
    "array of what": (
        strict(a={"type": "array"}),
        ("properties", "a"),
        "an array must say what it holds",
    ),
    "inside items": (
        strict(a={"type": "array", "items": {"type": "object"}}),
        ("properties", "a", "items"),
        "an object of a strict schema must have",
    ),
    "keyword": (
        strict(a={"type": "string", "oneOf": []}),
        ("properties", "a", "oneOf"),
        "strict schemas know no `oneOf`: write `anyOf`",
    ),
    "remote": (
        strict(a={"$ref": "file:///etc/passwd"}),
        ("properties", "a", "$ref"),
        "`$ref` may only point into this schema",
    ),
    "nowhere": (
        strict(a={"$ref": "#/$defs/persn"}) | {"$defs": {"person": {"type": "string"}}},
        ("properties", "a", "$ref"),
        "`$ref` points at `#/$defs/persn`, which is not in this schema: did you mean `#/$",
    ),
    "loop": (
        strict(a={"$ref": "#/$defs/x"}) | {"$defs": {"x": {"$ref": "#/$defs/x"}}},
        ("properties", "a", "$ref"),
        "`$ref` `#/$defs/x` leads back to itself",
    ),
    "regex": (
        strict(a={"type": "string", "pattern": "("}),
        ("properties", "a", "pattern"),
        "`pattern` is not a regular expression",
    ),
    "empty enum": (
        strict(a={"type": "string", "enum": []}),
        ("properties", "a", "enum"),
        "`enum` must be a list with at least one value",
    ),
    "no mapping": (strict(a="text"), ("properties", "a"), "a schema must be a mapping"),
}


@pytest.mark.parametrize(("schema", "route", "sentence"), STRICT.values(), ids=STRICT)
def test_what_strict_mode_would_refuse_is_found(
    schema: dict[str, Any], route: tuple[str | int, ...], sentence: str
) -> None:
    faults = check_strict_schema(schema)
    assert faults[0][0] == route
    assert faults[0][1].startswith(sentence)


def test_recursion_through_properties_is_sound() -> None:
    schema = strict(name={"type": "string"}, children={"type": "array", "items": {"$ref": "#"}})
    assert check_strict_schema(schema) == []
    assert shape_of_schema(schema).field("children") is not None
    assert check_by_schema(schema, {"name": "a", "children": [{"name": 1, "children": []}]}) == [
        "`children[0].name` must be of type `string`, found the number `1`"
    ]


def test_deep_and_wide_schemas_are_refused() -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(12):
        deep = strict(a=deep)
    assert "nested deeper than the 10 levels" in check_strict_schema(deep)[0][1]
    wide = strict(**{f"p{number}": {"type": "string"} for number in range(5001)})
    assert "5,001 properties" in check_strict_schema(wide)[0][1]
    choices = strict(a={"type": "string", "enum": [str(number) for number in range(1001)]})
    assert "1,001 enum values" in check_strict_schema(choices)[0][1]


def test_a_schema_tells_its_shape() -> None:
    schema = strict(
        team={"type": "string", "enum": ["a", "b"]},
        due={"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
        score={"type": ["number", "null"]},
        tags={"type": "array", "items": {"$ref": "#/$defs/tag"}},
        odd={"enum": [1, 2]},
    ) | {"$defs": {"tag": {"type": "string"}}}
    assert shape_of_schema(schema) == Shape(
        "object",
        fields=(
            ("team", Shape("choice", choices=("a", "b"))),
            ("due", Shape("date", optional=True)),
            ("score", Shape("number", optional=True)),
            ("tags", Shape("list", item=Shape("text"))),
            ("odd", ANY),
        ),
    )


def test_answers_are_checked_by_an_authors_schema_in_sentences() -> None:
    schema = strict(team={"type": "string", "enum": ["a", "b"]}, name={"type": "string"})
    assert check_by_schema(schema, {"team": "a", "name": "x"}) == []
    assert check_by_schema(schema, {"team": "c"}) == [
        "`team` must be `a` or `b`, found the text `c`",
        "`name` is missing in the value",
    ]


def test_patterns_cannot_hold_an_answer_up() -> None:
    schema = strict(a={"type": "string", "pattern": "^(a+)+$"}, pattern={"type": "string"})
    assert check_by_schema(schema, {"a": "a" * 40 + "!", "pattern": "x"}) == []
    assert check_by_schema(schema, {"a": "a", "pattern": 1}) != []


def test_an_endless_schema_ends_in_a_sentence() -> None:
    schema = strict(a={"$ref": "#/$defs/x"}) | {"$defs": {"x": {"anyOf": [{"$ref": "#/$defs/x"}]}}}
    assert "cannot be followed" in check_by_schema(schema, {"a": 1})[0]


# Whatever the shape: its schema keeps the rules of strict mode, and agrees with `check_value`.

PLAIN = st.sampled_from([Shape(kind) for kind in ("text", "number", "integer", "yes_no", "date")])
NAMES = st.text("abcdefgh", min_size=1, max_size=3)
CHOICES = st.lists(NAMES, min_size=1, max_size=3, unique=True).map(
    lambda names: Shape("choice", choices=tuple(names))
)


def _optional(shape: Shape) -> st.SearchStrategy[Shape]:
    return st.booleans().map(lambda optional: dataclasses.replace(shape, optional=optional))


def _nested(inner: st.SearchStrategy[Shape]) -> st.SearchStrategy[Shape]:
    fields = st.dictionaries(NAMES, inner, min_size=1, max_size=3)
    return (
        st.one_of(
            inner.map(lambda item: Shape("list", item=item)),
            fields.map(lambda found: Shape("object", fields=tuple(found.items()))),
        )
    ).flatmap(_optional)


SHAPES = st.recursive(st.one_of(PLAIN, CHOICES).flatmap(_optional), _nested, max_leaves=6)


@st.composite
def values_of(draw: st.DrawFn, shape: Shape) -> Any:
    if shape.optional and draw(st.booleans()):
        return None
    if shape.kind == "list":
        assert shape.item is not None
        return draw(st.lists(values_of(shape.item), max_size=2))
    if shape.kind == "object":
        return {name: draw(values_of(field)) for name, field in shape.fields}
    plain: dict[str, st.SearchStrategy[Any]] = {
        "text": st.text(max_size=5),
        "number": st.floats(allow_nan=False, allow_infinity=False),
        "integer": st.integers(),
        "yes_no": st.booleans(),
        "date": st.dates().map(datetime.date.isoformat),
        "choice": st.sampled_from(shape.choices or ("",)),
    }
    return draw(plain[shape.kind])


@given(SHAPES)
def test_every_schema_is_strict(shape: Shape) -> None:
    assert check_strict_schema(wire_schema(shape)[0]) == []


@given(st.data())
def test_what_fits_a_shape_fits_its_schema(data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    value = data.draw(values_of(shape))
    assert check_value(shape, value) == []
    jsonschema.Draft202012Validator(to_json_schema(shape)).validate(value)
    assert from_wire(shape, json.loads(json.dumps(value))) == value


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=5,
)


@given(SHAPES, JSON_VALUES)
def test_shape_and_schema_judge_alike(shape: Shape, value: Any) -> None:
    schema = to_json_schema(shape)
    checker = jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    fits = check_value(shape, value) == []
    assert fits or not checker.is_valid(value)
    # An optional field may be left out of a value; on the wire it is null.
    assert not fits or checker.is_valid(from_wire(shape, value))


@given(JSON_VALUES)
def test_anything_may_be_written_as_a_shape(written: Any) -> None:
    shape, findings = read_shape(written, ROUTE, for_input=True)
    assert shape is not None or findings
