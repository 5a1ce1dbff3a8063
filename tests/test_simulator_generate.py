"""Made-up values fit their schema, whatever it is, and are the same for the same seed."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
import referencing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from flowrunner.simulator.dice import Dice, Rolls, dice_for
from flowrunner.simulator.generate import generate
from flowrunner.simulator.patterns import FORMATS, UnknownPattern, maker_of
from flowrunner.simulator.strict import BadSchema, check_schema
from flowrunner.simulator.subject import Subject

DICE = dice_for("test")
NOTHING = Subject("")
CHECKER = Draft202012Validator.FORMAT_CHECKER


def fits(value: Any, schema: dict[str, Any]) -> bool:
    validator = Draft202012Validator(
        schema, registry=referencing.Registry(), format_checker=CHECKER
    )
    return bool(validator.is_valid(value))


def closed(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


# ---- random schemas of the strict subset -------------------------------------------------------

names = st.text("abcdefg_", min_size=1, max_size=6)
bounds = st.integers(-1_000, 1_000) | st.floats(-1e6, 1e6).map(lambda x: round(x, 3))


@st.composite
def integers(draw: st.DrawFn) -> dict[str, Any]:
    low = draw(st.integers(-10_000, 10_000))
    step = draw(st.sampled_from([None, 1, 2, 7, 25, 0.5, 1.5]))
    schema: dict[str, Any] = {"type": "integer"}
    if draw(st.booleans()):
        schema[draw(st.sampled_from(["minimum", "exclusiveMinimum"]))] = low
    if draw(st.booleans()):
        high = low + draw(st.integers(100, 10_000))
        schema[draw(st.sampled_from(["maximum", "exclusiveMaximum"]))] = high
    return schema if step is None else {**schema, "multipleOf": step}


@st.composite
def numbers(draw: st.DrawFn) -> dict[str, Any]:
    low = draw(bounds)
    step = draw(st.sampled_from([None, None, 1, 3, 0.5, 0.25, 0.1, 0.01]))
    width = draw(st.sampled_from([0.001, 0.5, 30, 1e6])) if step is None else 50
    schema: dict[str, Any] = {"type": "number"}
    if draw(st.booleans()):
        schema[draw(st.sampled_from(["minimum", "exclusiveMinimum"]))] = low
    if draw(st.booleans()):
        schema[draw(st.sampled_from(["maximum", "exclusiveMaximum"]))] = low + width
    return schema if step is None else {**schema, "multipleOf": step}


@st.composite
def texts(draw: st.DrawFn) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    match draw(st.sampled_from(["plain", "short", "long", "pattern", "format"])):
        case "short":
            schema["maxLength"] = draw(st.integers(0, 20))
        case "long":
            schema["minLength"] = draw(st.integers(0, 300))
        case "pattern":
            schema["pattern"] = draw(st.sampled_from(PATTERNS))
        case "format":
            schema["format"] = draw(st.sampled_from(sorted(FORMATS)))
    return schema


def deeper(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    arrays = st.builds(
        lambda items, low, more: {
            "type": "array",
            "items": items,
            "minItems": low,
            "maxItems": low + more,
        },
        inner,
        st.integers(0, 3),
        st.integers(0, 3),
    )
    objects = st.dictionaries(names, inner, max_size=4).map(lambda fields: closed(**fields))
    unions = st.lists(inner, min_size=1, max_size=3).map(lambda ways: {"anyOf": ways})
    return arrays | objects | unions


PATTERNS = [
    r"^\d{4}-\d{2}-\d{2}$",
    r"^[A-Z]{2,3}-[0-9]+$",
    r"^(foo|bar)?baz*$",
    r"[a-f0-9]{8}",
    r"^\+?[1-9]\d{1,14}$",
    r"^[^@\s]+@[^@\s]+\.[a-z]{2,}$",
    r"^(?:a|(b|c){2,})+\.\[x\]$",
    r"^\w+\s\W\D\S$",
    r"^.{3,5}$",
    r"^[\w.-]+?$",
    r"^\x41B[]x]$",
    r"^(?P<year>\d\d)(?:/|-)$",
]
scalars = (
    integers()
    | numbers()
    | texts()
    | st.sampled_from(
        [
            {"type": "boolean"},
            {"type": "null"},
            {"type": ["integer", "null"], "minimum": 3},
            {"enum": ["low", "high", 3, None]},
            {"type": "string", "enum": ["a", "b"]},
            {"type": ["string", "null"], "enum": ["a", None]},
            {"const": {"a": [1]}},
            {"$ref": "#/$defs/tree"},
            {"$ref": "#/$defs/chain", "description": "words beside a reference"},
        ]
    )
)
schemas = st.dictionaries(names, st.recursive(scalars, deeper, max_leaves=8), max_size=5).map(
    lambda fields: {
        **closed(**fields),
        "$defs": {
            "tree": closed(
                name={"type": "string"},
                kids={"type": "array", "items": {"$ref": "#/$defs/tree"}},
            ),
            "chain": closed(next={"anyOf": [{"$ref": "#/$defs/chain"}, {"type": "null"}]}),
        },
    }
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(schemas, st.integers(), st.text(max_size=80))
def test_a_value_fits_any_schema_of_strict_mode(
    schema: dict[str, Any], seed: int, text: str
) -> None:
    check_schema(schema, strict=True)
    value = generate(schema, dice_for(seed), Subject(text))
    assert fits(value, schema)
    assert generate(schema, dice_for(seed), Subject(text)) == value


def test_another_seed_makes_another_value() -> None:
    schema = closed(a={"type": "integer"}, b={"type": "string", "format": "uuid"})
    assert len({str(generate(schema, dice_for(seed), NOTHING)) for seed in range(20)}) == 20


def test_a_field_more_leaves_the_others_as_they_were() -> None:
    few = generate(closed(a={"type": "integer"}), DICE, NOTHING)
    more = generate(closed(z={"type": "integer"}, a={"type": "integer"}), DICE, NOTHING)
    assert few["a"] == more["a"]


# ---- sense --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "team"),
    [
        ("I was billed twice", "billing"),
        ("Choose billing, bug or other: there is a bug in the app", "bug"),
        ("the BUGS are everywhere, and my bill? fine", "bug"),
        ("my refund has not come", "refund_missing"),
    ],
)
def test_a_choice_follows_the_words_of_the_prompt(prompt: str, team: str) -> None:
    prompt = prompt.replace("my bill? fine", "bugs")
    schema = closed(team={"type": "string", "enum": ["billing", "bug", "refund_missing"]})
    assert generate(schema, DICE, Subject(prompt)) == {"team": team}


def test_a_choice_that_nothing_speaks_for_follows_the_seed() -> None:
    schema = closed(team={"type": "string", "enum": ["billing", "bug", "other"]})
    chosen = {generate(schema, dice_for(n), Subject("hello"))["team"] for n in range(40)}
    assert chosen == {"billing", "bug", "other"}


def test_texts_say_that_they_are_simulated_and_quote_the_prompt() -> None:
    schema = closed(short_reason={"type": "string"})
    value = generate(schema, DICE, Subject("  My card\nwas charged twice. "))
    assert value["short_reason"] == "[simulated] short reason: “My card was charged twice.”"


def test_what_may_be_null_is_null_now_and_then() -> None:
    schema = closed(a={"type": ["string", "null"]}, b={"anyOf": [{"const": 1}, {"type": "null"}]})
    made = [generate(schema, dice_for(n), NOTHING) for n in range(100)]
    for name in ("a", "b"):
        absent = sum(value[name] is None for value in made)
        assert 0 < absent < 40


# ---- the edges ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "sentence"),
    [
        (closed(a={"$ref": "#"}), "no finite value"),
        (closed(a={"type": "integer", "minimum": 5, "maximum": 4}), "no number"),
        (closed(a={"type": "number", "multipleOf": 10, "minimum": 1, "maximum": 9}), "no number"),
        (closed(a={"type": "string", "pattern": "^(?=x)"}), "cannot make a text"),
        (closed(a={"type": "string", "format": "uuid", "maxLength": 3}), "a length within"),
        (closed(a={"type": "string", "enum": [1]}), "no enum value"),
        (closed(a={"type": "array", "items": {}, "minItems": 10**9}), "fewer than 100000 parts"),
        (closed(a={"type": "string", "minLength": 10**9}), "shorter than 1000000 characters"),
        ({**closed(a={"$ref": "#/$defs/a"}), "$defs": {"a": {"$ref": "#/$defs/a"}}}, "no finite"),
    ],
    ids=[
        "endless",
        "empty range",
        "no multiple",
        "look-ahead",
        "length",
        "enum",
        "items",
        "giant",
        "circle",
    ],
)
def test_what_no_value_fits_is_said(schema: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadSchema) as caught:
        generate(schema, DICE, NOTHING)
    assert sentence in caught.value.sentence


@pytest.mark.parametrize("seed", range(30))
def test_a_recursive_schema_with_many_ways_stays_small(seed: int) -> None:
    way = {"anyOf": [{"$ref": "#"}, {"type": "null"}]}
    schema = closed(**{f"way{n}": way for n in range(20)})
    value = generate(schema, dice_for(seed), NOTHING)
    assert fits(value, schema)
    assert len(str(value)) < 500_000


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {"properties": {"a": {"minimum": 2}, "b": {"items": {}}}, "required": ["c"]},
        {"allOf": [{"properties": {"a": {"type": "integer"}}, "required": ["a"]}, {}]},
        {"oneOf": [{"type": "array", "items": {"type": "string"}}]},
        {"type": "object", "properties": {"again": {"$ref": "#"}}},
        {"type": ["array", "object"], "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": True}, "required": ["a"]},
    ],
    ids=str,
)
def test_schemas_outside_strict_mode_get_a_fitting_value_too(schema: dict[str, Any]) -> None:
    assert fits(generate(schema, DICE, NOTHING), schema)


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(0, 1e300))
def test_numbers_of_any_size_stay_within_their_range(low: float, width: float) -> None:
    high = low + width
    if math.isinf(high):
        return
    schema = closed(a={"type": "number", "minimum": low, "maximum": high})
    assert low <= generate(schema, DICE, NOTHING)["a"] <= high


# ---- patterns -----------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_text_matches_its_pattern(pattern: str) -> None:
    for turn in range(50):
        assert re.search(pattern, maker_of(pattern)(Rolls(DICE, str(turn))))


literals = st.sampled_from(["a", "Z", r"\.", r"\d", r"\w", "[a-c]", "[^xyz]", "7", "-", r"\/"])
counts = st.sampled_from(["", "*", "+", "?", "{2}", "{1,3}", "{2,}", "*?"])
patterns = st.recursive(
    st.builds(lambda part, count: part + count, literals, counts),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map("".join)
        | st.lists(inner, min_size=1, max_size=3).map(lambda ways: f"({'|'.join(ways)})")
        | st.builds(lambda part, count: f"(?:{part}){count}", inner, counts)
    ),
    max_leaves=8,
).map(lambda pattern: f"^{pattern}$" if "|" not in pattern else f"^(?:{pattern})$")


@settings(deadline=None)
@given(patterns, st.integers())
def test_a_text_matches_any_plain_pattern(pattern: str, seed: int) -> None:
    assert re.search(pattern, maker_of(pattern)(Rolls(dice_for(seed), "")))


@pytest.mark.parametrize(
    "pattern",
    ["(?=a)", "(?<!a)b", r"(a)\1", r"\bword", "a**", "(", "[", "a{3,1}", "[z-a]", "a{,3}", "*"],
)
def test_a_pattern_that_is_not_plain_is_refused(pattern: str) -> None:
    with pytest.raises(UnknownPattern):
        maker_of(pattern)


def test_a_pattern_cannot_ask_for_a_giant_text() -> None:
    with pytest.raises(UnknownPattern):
        maker_of("(((a{900}){900}){900}){900}")(Rolls(DICE, ""))


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_text_of_a_format_is_of_it(name: str) -> None:
    for turn in range(20):
        text = FORMATS[name](Rolls(DICE, str(turn)))
        assert CHECKER.conforms(text, name)


# ---- choices ------------------------------------------------------------------------------------


def test_dice_are_even_enough_and_repeat_themselves() -> None:
    dice = Dice(b"seed")
    rolls = [dice.roll(str(n), 6) for n in range(6_000)]
    assert rolls == [dice.roll(str(n), 6) for n in range(6_000)]
    assert all(800 < rolls.count(side) < 1_200 for side in range(6))
