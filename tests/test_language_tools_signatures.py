"""Functions of Python as tools: read from their source, by annotation and docstring, never run."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.language.shapes import Shape, is_strict, to_json_schema
from flowrunner.language.tools.docstrings import read_docstring
from flowrunner.language.tools.signatures import Signature, SourceFault, read_signature

TYPES = """\
import datetime as dt
import typing
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, Optional, TypedDict, Union

Team = Literal["billing", "bug"]
Endless = Optional["Endless"]

class Position(TypedDict):
    article: str
    count: int

class Loose(TypedDict, total=False):
    article: str

class Tree(TypedDict):
    below: "list[Tree]"

class Model:
    name: str
"""


def read(source: str, function: str = "f", *declared: str) -> Signature:
    signature, faults = read_signature(textwrap.dedent(source), function, "shop.py", declared)
    assert faults == []
    assert signature is not None
    return signature


def faults_of(source: str, function: str = "f", *declared: str) -> list[SourceFault]:
    signature, faults = read_signature(textwrap.dedent(source), function, "shop.py", declared)
    assert signature is None
    return faults


def schema_of(annotation: str) -> dict[str, Any]:
    taken = read(f"{TYPES}\ndef f(a: {annotation}): ...\n").takes.field("a")
    assert taken is not None
    return to_json_schema(taken)


OBJECT = {
    "type": "object",
    "properties": {"article": {"type": "string"}, "count": {"type": "integer"}},
    "required": ["article", "count"],
    "additionalProperties": False,
}
READ: dict[str, dict[str, Any]] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "'str'": {"type": "string"},
    "Literal['a', 'b']": {"type": "string", "enum": ["a", "b"]},
    "typing.Literal['a', None]": {"type": ["string", "null"], "enum": ["a", None]},
    "Team": {"type": "string", "enum": ["billing", "bug"]},
    "str | None": {"type": ["string", "null"]},
    "None | int": {"type": ["integer", "null"]},
    "Optional[float]": {"type": ["number", "null"]},
    "Union[str, None]": {"type": ["string", "null"]},
    "list[str]": {"type": "array", "items": {"type": "string"}},
    "typing.List[list[int]]": {
        "type": "array",
        "items": {"type": "array", "items": {"type": "integer"}},
    },
    "list": {"type": "array", "items": {}},
    "dict": {"type": "object", "additionalProperties": True},
    "dict[str, int] | None": {
        "anyOf": [{"type": "object", "additionalProperties": True}, {"type": "null"}]
    },
    "Any": {},
    "Position": OBJECT,
    "list[Position]": {"type": "array", "items": OBJECT},
    "Annotated[str, 'The number']": {"type": "string", "description": "The number"},
    "Annotated[str, len, 'The number'] | None": {
        "type": ["string", "null"],
        "description": "The number",
    },
}


@pytest.mark.parametrize(("annotation", "schema"), READ.items(), ids=READ)
def test_an_annotation_is_a_shape(annotation: str, schema: dict[str, Any]) -> None:
    assert schema_of(annotation) == schema


REFUSED = {
    "str | int": "an argument is of one type, found a choice between several",
    "Union[str, int, None]": "an argument is of one type",
    "tuple[int, int]": "`tuple[int, int]` is not a type that an argument can have",
    "set[str]": "`set[str]` is not a type",
    "bytes": "`bytes` is not a type",
    "dt.date": "`dt.date` is not a type",
    "Decimal": "`Decimal` is not a type",
    "Path": "`Path` is not a type",
    "Literal[1, 2]": "a choice is made of texts",
    "Model": "`Model` is a class",
    "Loose": "a field that may be missing cannot be asked for",
    "Endless": "this type is nested too deep, or contains itself",
    "Tree": "this type is nested too deep, or contains itself",
    "3": "`3` is not a type",
    "'a b'": "`'a b'` is not a type",
    "None": "`None` is not a type",
    "unknown.Thing[str]": "`unknown.Thing[str]` is not a type",
}


@pytest.mark.parametrize(("annotation", "sentence"), REFUSED.items(), ids=REFUSED)
def test_what_json_cannot_carry_is_refused_with_a_fix(annotation: str, sentence: str) -> None:
    (fault,) = faults_of(f"{TYPES}\ndef f(a: {annotation}): ...\n")
    assert fault.message.startswith(f"`a`: {sentence}")
    assert fault.help


def test_a_fault_stands_at_its_token_in_the_source() -> None:
    source = "# Größe\ndef f(größe: str, b: set[str], c): ...\n"
    faults = faults_of(source)
    spans = [source[each.start : each.start + each.length] for each in faults if each.start]
    assert spans == ["set[str]", "c"]


def test_defaults_make_an_argument_optional_and_are_told() -> None:
    signature = read(
        "def f(a: str, b: int = 3, *, c: bool = True, d: str = '', e: int = LIMIT): ..."
    )
    shapes = dict(signature.takes.fields)
    assert [name for name, shape in shapes.items() if shape.optional] == ["b", "c", "d", "e"]
    assert [shape.describe for shape in shapes.values()] == [
        None,
        "(default: 3)",
        "(default: true)",
        None,
        None,
    ]
    assert signature.defaulted == {"b", "c", "d", "e"}


def test_a_keyword_without_a_default_is_required() -> None:
    signature = read("def f(*, a: str, b: str = 'x'): ...")
    assert signature.defaulted == {"b"}


def test_what_the_file_declares_needs_no_annotation() -> None:
    assert read("def f(a, b: str): ...", "f", "a").takes.field("a") == Shape("any")


def test_functions_that_wait_are_told_apart() -> None:
    assert read("async def f(): ...").is_async
    assert not read("def f(): ...").is_async


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("def g(): ...", "`shop.py` has no function `f` at its top level"),
        ("class A:\n    def f(self): ...", "`shop.py` has no function `f`"),
        ("f = len", "`shop.py` has no function `f`"),
        ("def f(a): ...", "`a` does not say its type"),
        ("def f(*a: str): ...", "`*a` takes any number of arguments"),
        ("def f(**a: str): ...", "`**a` takes any number of arguments"),
        ("def f(a: str, /): ...", "`a` is taken by position only"),
        ("def f():\n    yield 1", "`f` gives its values one by one"),
        ("async def f():\n    for x in y:\n        yield x", "`f` gives its values one by one"),
        ("def f(:\n", "`shop.py` is no Python that can be read"),
        ("def f(): '\0'", "`shop.py` is no Python that can be read"),
        ("(" * 5000, "`shop.py` is no Python that can be read"),
    ],
)
def test_a_function_that_cannot_be_a_tool_is_refused(source: str, sentence: str) -> None:
    faults = faults_of(source)
    assert len(faults) == 1
    assert faults[0].message.startswith(sentence)


def test_a_function_inside_may_give_values_one_by_one() -> None:
    assert read("def f():\n    def g():\n        yield 1\n    return list(g())").takes.fields == ()


def test_a_misspelt_function_has_a_suggestion() -> None:
    (fault,) = faults_of("def refund(): ...", "refnd")
    assert fault.message.endswith("did you mean `refund`?")


def test_nothing_of_a_module_runs_when_it_is_read() -> None:
    assert read("raise SystemExit(1)\ndef f(a: str = exit()): ...").defaulted == {"a"}


def test_odd_escapes_of_a_module_raise_no_warning() -> None:
    assert read("P = '\\\\d'\nQ = '\\d'\ndef f(): ...").describe is None


STYLES = {
    "google": """\
        Look up an order.

        It may take a while.

        Args:
            number (str): The number
                on the invoice.
            exact: Whether it must fit: all of it.

        Returns:
            dict: The order.
        """,
    "numpy": """\
        Look up an order.

        It may take a while.

        Parameters
        ----------
        number : str
            The number
            on the invoice.
        exact : bool, optional
            Whether it must fit: all of it.

        Returns
        -------
        dict
            The order.
        """,
    "rest": """\
        Look up an order.

        It may take a while.

        :param str number: The number
            on the invoice.
        :param exact: Whether it must fit: all of it.
        :returns: The order.
        """,
}


@pytest.mark.parametrize("text", STYLES.values(), ids=STYLES)
def test_a_docstring_tells_what_a_function_and_its_parameters_are(text: str) -> None:
    said = read_docstring(textwrap.dedent(text))
    assert said.about == "Look up an order.\n\nIt may take a while."
    assert said.parameters == {
        "number": "The number on the invoice.",
        "exact": "Whether it must fit: all of it.",
    }


def test_the_docstring_describes_the_arguments() -> None:
    signature = read(
        '''
        def f(a: str, b: int = 2):
            """Do it.

            Args:
                a: The first.
                b: The second.
            """
        '''
    )
    assert signature.describe == "Do it."
    assert [shape.describe for _, shape in signature.takes.fields] == [
        "The first.",
        "The second. (default: 2)",
    ]


@pytest.mark.parametrize("text", [None, "", "   ", "Args:", ":param x", "Parameters\n----------"])
def test_a_docstring_that_says_nothing_is_no_description(text: str | None) -> None:
    assert read_docstring(text).parameters == {}


LINES = st.sampled_from(
    ["Args:", "    a: b", "  c", "", "Parameters", "----------", "a : int", ":param x: y", "z", ":"]
)


@given(st.lists(LINES, max_size=12))
def test_no_docstring_breaks_the_reader(lines: list[str]) -> None:
    said = read_docstring("\n".join(lines))
    assert said.about is None or said.about.strip()


ANNOTATIONS = st.recursive(
    st.sampled_from(
        ["str", "int", "dict", "Any", "Position", "Team", "None", "Model", "'x y'", "1"]
    ),
    lambda inner: st.one_of(
        inner.map(lambda each: f"list[{each}]"),
        inner.map(lambda each: f"Optional[{each}]"),
        st.tuples(inner, inner).map(" | ".join),
        st.tuples(inner, inner).map(lambda pair: f"dict[{pair[0]}, {pair[1]}]"),
    ),
    max_leaves=12,
)


@given(ANNOTATIONS)
def test_every_annotation_is_a_shape_or_one_sentence(annotation: str) -> None:
    signature, faults = read_signature(f"{TYPES}\ndef f(a: {annotation}): ...\n", "f", "x")
    assert (signature is None) == bool(faults)
    if signature is not None:
        assert (
            is_strict(signature.takes)
            or "{}" in str(to_json_schema(signature.takes))
            or ("'additionalProperties': True" in str(to_json_schema(signature.takes)))
        )
