"""The schema of a structured output is judged as strict mode judges it."""

from __future__ import annotations

from typing import Any

import pytest

from flowrunner.simulator.strict import BadSchema, check_schema, resolve


def closed(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = closed(a=schema)
    return schema


TREE = {
    **closed(tree={"$ref": "#/$defs/tree"}),
    "$defs": {
        "tree": closed(
            label={"type": "string"},
            left={"anyOf": [{"$ref": "#/$defs/tree"}, {"type": "null"}]},
        )
    },
}


@pytest.mark.parametrize(
    "schema",
    [
        closed(),
        closed(a={"type": ["string", "null"]}, b={"enum": [1, "x"]}, c={"const": 3}),
        closed(a={"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}),
        closed(a={"type": "string", "pattern": "^[a-z]+$"}, b={"type": "string", "format": "date"}),
        closed(a={"$ref": "#"}),
        {"$ref": "#/$defs/tree", "$defs": TREE["$defs"]},
        TREE,
        nested(10),
    ],
    ids=["empty", "values", "array", "texts", "itself", "root reference", "tree", "ten levels"],
)
def test_a_strict_schema_is_taken(schema: dict[str, Any]) -> None:
    check_schema(schema, strict=True)


@pytest.mark.parametrize(
    ("schema", "route", "sentence"),
    [
        ({"type": "array", "items": {}}, (), "got 'type: \"array\"'"),
        ({"anyOf": [closed()]}, (), "got 'type: None'"),
        ({"type": "object"}, (), "'additionalProperties' is required"),
        ({**closed(), "additionalProperties": True}, (), "to be false"),
        ({**closed(a={"type": "string"}), "required": []}, (), "Missing 'a'"),
        ({**closed(), "required": ["b"]}, (), "names 'b', which is no property"),
        (closed(a={}), ("properties", "a"), "must have a 'type' key"),
        (closed(a=True), ("properties", "a"), "must have a 'type' key"),
        (closed(a={"type": "array"}), ("properties", "a"), "array schema missing items"),
        (closed(a={"allOf": []}), ("properties", "a", "allOf"), "should be non-empty"),
        (closed(a={"oneOf": [{"type": "string"}]}), ("properties", "a"), "'oneOf' is not perm"),
        (
            closed(a={"type": "array", "items": {"type": "object"}}),
            ("properties", "a", "items"),
            "'additionalProperties' is required",
        ),
        (
            closed(a={"anyOf": [{"type": "null"}, {"type": "object"}]}),
            ("properties", "a", "anyOf", "1"),
            "'additionalProperties' is required",
        ),
        (closed(a={"$ref": "#/$defs/none"}), ("properties", "a"), "points to nothing"),
        (closed(a={"$ref": "http://x/y"}), ("properties", "a"), "definitions of this schema"),
        (closed(a={"type": "strng"}), ("properties", "a", "type"), "'strng' is not valid"),
        ({**closed(), "$defs": {"x": {"type": "object"}}}, ("$defs", "x"), "'additionalProp"),
        (nested(11), ("properties", "a") * 11, "levels of nesting exceed the limit of 10"),
        (closed(a={"enum": list(range(1001))}), (), "at most 1000 enum values"),
        (closed(**{f"p{n}": {"const": n} for n in range(5001)}), (), "at most 5000 prop"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_part_that_strict_mode_refuses_is_named(
    schema: dict[str, Any], route: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(BadSchema) as caught:
        check_schema(schema, strict=True)
    assert caught.value.route == route
    assert sentence in caught.value.sentence


def test_without_strict_only_what_is_no_schema_is_refused() -> None:
    check_schema({"type": "object"}, strict=False)
    with pytest.raises(BadSchema, match="is not of type"):
        check_schema({"type": "object", "properties": []}, strict=False)


def test_the_refusal_names_format_field_and_place() -> None:
    refusal = BadSchema(("properties", "a"), "'not' is not permitted").refusal("out")
    assert refusal.message == (
        "Invalid schema for response_format 'out': "
        "In context=('properties', 'a'), 'not' is not permitted."
    )
    assert (refusal.param, refusal.code) == ("text.format.schema", "invalid_json_schema")


def test_references_are_resolved_with_their_escapes() -> None:
    root = {"$defs": {"a/b~c": {"type": "null"}, "list": [1, 2]}}
    assert resolve(root, "#/$defs/a~1b~0c") == {"type": "null"}
    assert resolve(root, "#/$defs/list/1") == 2
    assert resolve(root, "#") is root
