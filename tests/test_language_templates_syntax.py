"""Mistakes of writing: one sentence each, at the guilty place, in no words of the parser."""

from __future__ import annotations

import pytest

from flowrunner.language.templates import (
    FUNCTIONS,
    TemplateFault,
    parse_expression,
    parse_text,
    parse_value,
)

RAW = "{% raw %}"

TEXTS = [
    ("{{ a b }}", "template-syntax", "b", "`b` does not belong here"),
    ("{{ a = 1 }}", "template-syntax", "=", "`=` does not belong here"),
    ("x {{ a", "template-syntax", "{{", "`{{` is never closed"),
    ("{{ }}", "template-syntax", "{{ }}", "`{{ }}` holds nothing"),
    ("{{ a | }}", "template-syntax", "{{ a | }}", "`{{ a | }}` breaks off before its end"),
    ("{{ a. }}", "template-syntax", "{{ a. }}", "`{{ a. }}` breaks off before its end"),
    ("{{ a + }}", "template-syntax", "{{ a + }}", "`{{ a + }}` breaks off before its end"),
    ("{{ 'a }}", "template-syntax", "'", "the text that begins with ' is never closed"),
    ("{{ (a }}", "template-syntax", "}", "`}` closes nothing here"),
    ("{{ a ] }}", "template-syntax", "]", "`]` closes nothing here"),
    ("{{ a && b }}", "template-syntax", "&", "`&` does not belong here"),
    (
        "{{ '\\x' }}",
        "template-syntax",
        "'\\x'",
        "the text `'\\x'` holds a backslash that means nothing",
    ),
    ("{{ f(a=1, 2) }}", "template-syntax", "(", "the options of this call cannot be read"),
    ("{# a", "template-syntax", "{#", "`{#` is never closed"),
    ("{% raw %}a", "template-syntax", "{% raw %}", "`{% raw %}` is never closed"),
    ("{% %}", "template-syntax", "{%", "a tag begins with `if`, `for` or `set`"),
    ("{% if a %}", "template-syntax", "if", "`{% if %}` is never closed"),
    ("{% if %}{% endif %}", "template-syntax", "{% if %}", "`{% if %}` breaks off before its end"),
    ("{% iff a %}", "template-syntax", "iff", "`iff` is not a tag: did you mean `if`?"),
    ("{% endif %}", "template-syntax", "endif", "`{% endif %}` closes nothing"),
    ("{% else %}", "template-syntax", "else", "`{% else %}` stands outside of an `{% if %}`"),
    (
        "{% if a %}{% for b in c %}{% endif %}",
        "template-syntax",
        "endif",
        "`{% endif %}` stands where `{% for %}` is still open",
    ),
    ("{% for a in %}{% endfor %}", "template-syntax", "{% for a in %}", None),
    ("{% set 3 = 1 %}", "template-syntax", "3", "`3` is no name that can be set"),
    ("{% set a %}b", "template-syntax", "set", "`{% set %}` is never closed"),
    ("{% if a = 1 %}{% endif %}", "template-syntax", "=", None),
    ("a\r\nb {{ c d }}", "template-syntax", "d", "`d` does not belong here"),
    (
        "{{ a|uper }}",
        "template-syntax",
        "uper",
        "there is no function `uper`: did you mean `upper`?",
    ),
    (
        "{{ lenght(a) }}",
        "template-syntax",
        "lenght",
        "there is no function `lenght`: did you mean `length`?",
    ),
    (
        "{{ a is definde }}",
        "template-syntax",
        "is",
        "there is no test `is definde`: did you mean `defined`?",
    ),
    ("{{ a|upper(1) }}", "template-syntax", "upper", "`upper` has too many options"),
    ("{{ a|replace('b') }}", "template-syntax", "replace", "`replace` needs `new`"),
    ("{{ a|sort(by='x') }}", "template-syntax", "sort", "`sort` has no option `by` here"),
    ("{{ a|map('x') }}", "template-syntax", "map", "`map` has too many options"),
    ("{{ upper() }}", "template-syntax", "upper", "write `upper(text)`"),
    ("{{ first() }}", "template-syntax", "(", "write `first(a, b, …)`"),
    ("{{ a is eq }}", "template-syntax", "is", "`is eq` needs one value after it"),
    ("{{ 99999e999 }}", "template-limit", "99999e999", "this number is too large"),
    ("{{ x.upper() }}", "template-unsafe", "upper", None),
    ("{{ steps }}", "dynamic-step", "steps", "`steps` cannot be used as a whole"),
    ("{{ steps|length }}", "dynamic-step", "steps", "`steps` cannot be used as a whole"),
    ("{% set s = inputs %}", "dynamic-step", "inputs", "`inputs` cannot be used as a whole"),
    ("{% for s in previous %}{% endfor %}", "dynamic-step", "previous", None),
    ("{% set steps = 1 %}", "dynamic-step", "steps", "`steps` cannot be set to something else"),
    ("{% for inputs in [1] %}{% endfor %}", "dynamic-step", "inputs", None),
    ("{{ steps[x].text }}", "dynamic-step", "steps[x]", None),
    ("{{ steps['a' ~ 'b'] }}", "dynamic-step", "steps['a' ~ 'b']", None),
    ("{{ steps[0] }}", "dynamic-step", "steps[0]", None),
    ("{{ default(steps, 1) }}", "dynamic-step", "steps", None),
]


@pytest.mark.parametrize(("template", "code", "guilty", "message"), TEXTS)
def test_mistakes_in_texts(template: str, code: str, guilty: str, message: str | None) -> None:
    with pytest.raises(TemplateFault) as caught:
        parse_text(template)
    fault = caught.value
    assert fault.code == code
    assert template[fault.start : fault.start + fault.length] == guilty
    assert message in {None, fault.message}


@pytest.mark.parametrize(
    ("template", "fix"),
    [
        ("{{ a = 1 }}", "write `==`"),
        ("{{ a && b }}", "`and`"),
        ("{{ a || b }}", "`or`"),
        ("{{ !a }}", "`not`"),
        ("{{ a ? b : c }}", "`a if condition else b`"),
        ("{{ a b }}", "`~`"),
        ("{{ a|int }}", "`number`"),
        ("{{ a|truncate(9) }}", "`x[:1000]`"),
        ("{{ a.strip() }}", "`trim`"),
        ("{{ a.lower() }}", "`…|lower`"),
        ("{{ a._b }}", "`['_b']`"),
        ("{% include 'x' %}", "`prompt_file`"),
        ("{% if a %}", "{% endif %}"),
        ("{{ }}", RAW),
        ('{{"a": 1}}', RAW),
        ("{{#each items}}", RAW),
        ("{{/each}}", RAW),
        ("{{> partial}}", RAW),
        ("\\frac{{1}{2}}", RAW),
        ("a {% b", RAW),
        ("a {{ b", RAW),
        ("a {# b", RAW),
        ("{% comment %}", RAW),
        ("{{ $json.x }}", RAW),
        ("{{{ x }}}", RAW),
    ],
)
def test_the_help_says_how_to_write_it(template: str, fix: str) -> None:
    with pytest.raises(TemplateFault) as caught:
        parse_text(template)
    assert fix in (caught.value.help or "")


EXPRESSIONS = [
    ("", 0, "the expression is empty"),
    ("a b", 2, "`b` does not belong here"),
    ("a == 'x' and", 9, "the expression breaks off after `and`"),
    ("(a", 1, "the expression breaks off after `a`"),
    ("a)", 1, "`)` closes nothing here"),
    ("a }}", 2, "`}}` does not belong in an expression"),
    ("a = 1", 2, "`=` does not belong here"),
    ("!a", 0, "`!` does not belong here"),
    ("{{ a }} == 1", 0, "an expression stands alone: no text around it, no braces inside it"),
    ("{% if a %}", 0, "an expression stands alone: no text around it, no braces inside it"),
    (
        "steps.x == {{ a }}",
        11,
        "an expression stands alone: no text around it, no braces inside it",
    ),
    ("{{ a = 1 }}", 5, "`=` does not belong here"),
    ("  {{ a|uper }}", 7, "there is no function `uper`: did you mean `upper`?"),
]


@pytest.mark.parametrize(("expression", "start", "message"), EXPRESSIONS)
def test_mistakes_in_expressions(expression: str, start: int, message: str) -> None:
    with pytest.raises(TemplateFault) as caught:
        parse_expression(expression)
    assert (caught.value.start, caught.value.message) == (start, message)


def test_a_typed_value_is_held_to_the_same_rules() -> None:
    with pytest.raises(TemplateFault) as caught:
        parse_value("{{ a|uper }}")
    assert caught.value.start == 5


def test_all_mistakes_of_a_template_come_with_the_first() -> None:
    with pytest.raises(TemplateFault) as caught:
        parse_text("{{ steps }} {{ a|uper }} {{ b.c() }}")
    faults = [caught.value, *caught.value.others]
    assert [fault.code for fault in faults] == [
        "dynamic-step",
        "template-syntax",
        "template-unsafe",
    ]
    assert [fault.start for fault in faults] == [3, 17, 30]


PARSERS_WORDS = ("jinja", "token", "expected '", "lineno", "Traceback", "print statement")


@pytest.mark.parametrize("template", [template for template, *_ in TEXTS])
def test_no_word_of_the_parser_comes_through(template: str) -> None:
    with pytest.raises(TemplateFault) as caught:
        parse_text(template)
    said = f"{caught.value.message} {caught.value.help}"
    assert not [word for word in PARSERS_WORDS if word in said]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_described_and_can_be_called_as_written(name: str) -> None:
    function = FUNCTIONS[name]
    assert function.name == name
    assert function.about.endswith(".")
    assert len(function.about) < 160
    form = function.form.replace("…", "'x'").replace("object", "obj")
    if name == "first":
        form = "first(a, b)"
    parse_expression(form)
