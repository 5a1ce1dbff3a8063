"""What holds for every text, every value and every mistake."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment

from flowrunner.language.shapes import ANY, Shape
from flowrunner.language.templates import (
    TemplateFault,
    analyse,
    parse_expression,
    parse_text,
    parse_value,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=20
)
PIECES = [
    *("{{", "}}", "{%", "%}", "{#", "#}", "{%-", "-%}", "{% raw %}", "{% endraw %}"),
    *("if", "else", "elif", "endif", "for", "in", "endfor", "set", "endset", "is", "not", "and"),
    *("steps", "inputs", "previous", "x", "loop", "first", "default", "map", "null", "true"),
    *(".", "|", "(", ")", "[", "]", "{", "}", ",", ":", "=", "==", "!=", "<", "+", "-", "*", "/"),
    *("**", "~", "'", '"', "'a'", "1", "2.5", "0", "a", " ", " ", " ", "\n", "\r\n", "é", "\\"),
    *("attribute", "__class__", "upper", "{% if x %}", "{% endif %}", "{{ x }}", "defined", "𝒙"),
]
GARBAGE = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)
SCOPE = {"x": [1, "a", None, {"a": 2}], "inputs": {"a": "b"}, "steps": {"a": {"text": "t"}}}
ROOTS = {
    "x": ANY,
    "inputs": Shape("object", fields=(("a", Shape("text")),)),
    "steps": Shape("object", fields=(("a", Shape("object", fields=(("text", ANY),))),)),
}


@settings(deadline=None)
@given(TEXTS.filter(lambda text: not any(mark in text for mark in ("{{", "{%", "{#"))))
def test_a_text_without_braces_renders_to_itself(text: str) -> None:
    assert parse_text(text).render({}) == text
    assert parse_value(text).evaluate({}) == text


@settings(deadline=None)
@given(TEXTS)
def test_a_value_of_text_is_printed_as_it_is(text: str) -> None:
    assert parse_text("{{ x }}").render({"x": text}) == text
    assert parse_text("<{{ x ~ '' }}>").render({"x": text}) == f"<{text}>"


@settings(deadline=None)
@given(TEXTS.filter(lambda text: not any(mark in text for mark in ("{{", "{%", "{#"))))
def test_text_around_a_template_keeps_its_line_ends(text: str) -> None:
    tail = text if not text.endswith("{") else f"{text} "
    assert parse_text(f"{tail}{{{{ 1 }}}}{text}").render({}) == f"{tail}1{text}"


@settings(deadline=None)
@given(VALUES)
def test_json_comes_back_from_its_printed_form(value: Any) -> None:
    printed = parse_text("{{ x|tojson }}").render({"x": value})
    assert as_floats(json.loads(printed)) == as_floats(value)
    indented = parse_text("{{ x|tojson(2) }}").render({"x": value})
    assert json.loads(indented) == json.loads(printed)


def as_floats(value: Any) -> Any:
    """The value with every number as a float: 1e23 is printed as the whole number it stands for."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, list):
        return [as_floats(item) for item in value]
    if isinstance(value, dict):
        return {key: as_floats(item) for key, item in value.items()}
    return float(value) if abs(value) <= sys.float_info.max else value


@settings(deadline=None)
@given(VALUES)
def test_a_typed_value_is_the_value(value: Any) -> None:
    assert parse_value("{{ x }}").evaluate({"x": value}) == value


@settings(deadline=None)
@given(VALUES)
def test_nothing_of_python_is_printed(value: Any) -> None:
    templates = [
        "{{ x }}",
        "{{ [x] }}",
        "{{ {'k': x} }}",
        "{{ x|default('') }}",
        "{% for y in x %}{{ y }}{% endfor %}",
        "{{ x.items }}",
        "{{ x|list }}",
        "{{ x|join(' ') }}",
    ]
    own = json.dumps(value, ensure_ascii=False)
    for template in templates:
        try:
            text = parse_text(template).render({"x": value})
        except TemplateFault:
            continue
        for word in ("Undefined", "None", "<built-in", "object at 0x", "True", "False"):
            assert word not in text or word in own


@settings(deadline=None)
@given(GARBAGE)
def test_garbage_ends_in_a_text_or_a_fault_with_a_place(template: str) -> None:
    for parse in (parse_text, parse_expression, parse_value):
        try:
            parsed = parse(template)
            for fault in analyse(parsed, ROOTS):
                check(fault, template)
            run = parsed.render if hasattr(parsed, "render") else parsed.evaluate
            run(SCOPE)
        except TemplateFault as fault:
            check(fault, template)


@settings(deadline=None)
@given(GARBAGE)
def test_mentions_stand_inside_the_source(template: str) -> None:
    try:
        parsed = parse_text(template)
    except TemplateFault:
        return
    for mention in parsed.mentions:
        part = template[mention.start : mention.start + mention.length]
        assert part.startswith(str(mention.path[0]))


def check(fault: TemplateFault, template: str) -> None:
    for one in (fault, *fault.others):
        assert one.message
        assert one.start >= 0
        assert one.start + one.length <= len(template)
        assert one.length > 0 or not template


SAME = st.sampled_from(
    [
        "{% if x %}a{% elif y %}b{% else %}c{% endif %}",
        "{% for i in x %}{{ loop.index }}{% if not loop.last %},{% endif %}{% else %}-{% endfor %}",
        "  {% if y %}\n  z\n  {% endif %}\n",
        "{%- if y -%} a {%- endif +%}\n",
        "{{- y -}}",
        "{# note #}\n",
        "a\n\n  {% set z = y %}\n{{ z }}",
        "{% raw %}{{ x }}{% endraw %}\n",
        "\t{% for i in x if i > 1 %}\n{{ i * 2 + 1 }}\n{% endfor %}\n",
        "{{ (y ~ '!')|upper|replace('A', 'b') }} ",
        "{{ x|map(attribute='k')|join if false else x|length }}",
        "{{ x[1:]|join('-') }}{{ x|sort(reverse=true)|first|default(0) }}",
        " text \n",
    ]
)


@settings(deadline=None)
@given(st.lists(SAME, max_size=6).map("".join), st.lists(st.integers(0, 9), min_size=1), TEXTS)
def test_tags_and_white_space_are_those_of_jinja(template: str, x: list[int], y: str) -> None:
    settings = Environment(
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False
    )
    expected = settings.from_string(template).render(x=x, y=y)
    assert parse_text(template).render({"x": x, "y": y}) == expected


def test_the_limits_hold_whatever_the_stack_of_the_caller() -> None:
    def deep(levels: int) -> str:
        if levels:
            return deep(levels - 1)
        with pytest.raises(TemplateFault) as caught:
            parse_text("{{ " + "(" * 400 + "1" + ")" * 400 + " }}")
        return caught.value.code

    assert deep(300) == "template-limit"
