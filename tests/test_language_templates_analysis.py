"""Mistakes that the shapes of values show before anything runs."""

from __future__ import annotations

import pytest

from flowrunner.language.shapes import Shape
from flowrunner.language.templates import analyse, parse_expression, parse_text, parse_value
from flowrunner.language.templates.analysis import Purpose
from flowrunner.language.templates.functions import FUNCTIONS
from flowrunner.language.templates.results import NEEDS, SIGNATURES

TEXT = Shape("text")
FREE = Shape("text", free=True)


def fields(**shapes: Shape) -> Shape:
    return Shape("object", fields=tuple(shapes.items()))


TRIAGE = fields(
    team=Shape("choice", choices=("billing", "bug", "other")),
    urgent=Shape("yes_no"),
    score=Shape("integer"),
    note=Shape("text", optional=True),
    place=Shape("object", optional=True, fields=(("city", TEXT),)),
    tags=Shape("list", item=Shape("choice", choices=("a", "b"))),
    rows=Shape("list", item=fields(total=Shape("number"), who=TEXT)),
    due=Shape("date"),
)
ROOTS = {
    "steps": fields(
        summary=fields(text=FREE, status=TEXT),
        triage=fields(text=FREE, output=TRIAGE, status=TEXT),
    ),
    "inputs": fields(
        ticket=TEXT,
        scan=Shape("file"),
        scans=Shape("files"),
        sheet=Shape("table"),
        typed=Shape("table", columns=(("amount", Shape("number")),)),
        note=Shape("text", optional=True),
        tone=Shape("text", optional=True, default="plain"),
        settings=Shape("json"),
    ),
    "run": fields(id=TEXT, date=Shape("date")),
}

RIGHT = [
    "no braces at all",
    "{{ steps.summary.text }} {{ run.date }}",
    "{{ inputs.settings.any.thing[0] + 1 }}{% if inputs.settings == 'x' %}{% endif %}",
    "{% if steps.triage.output.team == 'bug' %}{% endif %}",
    "{% if steps.triage.output.team in ['bug', 'other'] %}{% endif %}",
    "{% if steps.triage.output.team|lower == 'anything' %}{% endif %}",
    "{% if steps.triage.output.urgent == true %}{% endif %}",
    "{% if steps.triage.output.urgent and not steps.triage.output.urgent %}{% endif %}",
    "{% if 1 <= steps.triage.output.score <= 8.5 %}{% endif %}",
    "{% if steps.triage.output.due > '2026-01-01' %}{% endif %}",
    "{% if inputs.ticket == 'x' and 'y' in inputs.ticket %}{% endif %}",
    "{% if steps.summary.text == '' or steps.summary.text %}{% endif %}",
    "{% if steps.summary.text == steps.triage.text %}{% endif %}",
    "{% if steps.triage.output.note == null %}{% endif %}",
    "{% if steps.triage.output.note == 'x' %}{% endif %}",
    "{% if 'a' in steps.triage.output.tags %}{% endif %}",
    "{{ steps.triage.output.note|default('') }}",
    "{{ default(steps.triage.output.place.city, '') }}",
    "{{ first(steps.triage.output.note, 'x') }}",
    "{% if steps.triage.output.note %}{{ steps.triage.output.note }}{% endif %}",
    "{% if not steps.triage.output.note %}{% else %}{{ steps.triage.output.note }}{% endif %}",
    "{% if steps.triage.output.place %}{{ steps.triage.output.place.city }}{% endif %}",
    "{{ steps.triage.output.note if steps.triage.output.note else '' }}",
    "{{ steps.triage.output.note or 'none' }}",
    "{% if steps.triage.output.note and steps.triage.output.note|length > 3 %}{% endif %}",
    "{% if steps.triage.output.note is defined %}{{ steps.triage.output.note }}{% endif %}",
    "{{ inputs.tone }}",
    "{{ inputs.scan.text }}{{ inputs.scan.size + 1 }}",
    "{% for file in inputs.scans %}{{ file.name }}{% endfor %}",
    "{% for row in inputs.sheet %}{{ row.anything }}{% endfor %}",
    "{% for row in inputs.typed %}{{ row.amount + 1 }}{{ row.other|upper }}{% endfor %}",
    "{% for row in steps.triage.output.rows if row.total > 1 %}{{ row.who }}{% endfor %}",
    "{% for name, value in steps.triage.output|items %}{{ name }}{{ value }}{% endfor %}",
    "{{ steps.triage.output.rows|map(attribute='total')|sum + 1 }}",
    "{{ steps.triage.output.rows|sum(attribute='total') * 2 }}",
    "{{ steps.triage.output.rows|selectattr('who', '==', 'x')|map(attribute='who')|join(', ') }}",
    "{{ steps.triage.output.rows[0].who ~ steps.triage.output.rows[-1:] }}",
    "{{ share(steps.triage.output.rows, 'who', 'Ann') * 100 }}",
    "{% set row = steps.triage.output.rows[0] %}{{ row.total + 1 }}",
    "{% set all = [1] + [2] %}{{ all[0] + 1 }}",
    "{% set note %}text{% endset %}{{ note|upper }}",
    "{% if inputs.ticket %}{% set x = 1 %}{% else %}{% set x = 2 %}{% endif %}{{ x + 1 }}",
    "{% for x in [1] %}{{ loop.index + 1 }}{{ loop.last }}{% endfor %}",
    "{{ {'a': {'b': 1}}.a.b + 1 }}",
    "{{ number(inputs.ticket) + 1 }}{{ number(inputs.ticket, 2)|upper }}",
    "{{ days_before(run.date, 7)|date('D MMMM') }}",
    "{{ table(steps.triage.output.rows) }}{{ steps.triage.output.rows|tojson }}",
    "{{ steps.triage.output.rows|sort(attribute='total')|first|tojson }}",
]


@pytest.mark.parametrize("template", RIGHT)
def test_what_is_right_is_left_alone(template: str) -> None:
    assert analyse(parse_text(template), ROOTS) == []


WRONG = [
    ("{{ nope }}", "undefined", "nope", "there is nothing called `nope` here"),
    ("{{ rn.id }}", "undefined", "rn", "there is nothing called `rn` here: did you mean `run`?"),
    (
        "{{ steps.sumary.text }}",
        "undefined",
        "sumary",
        "there is no step `sumary`: did you mean `summary`?",
    ),
    (
        "{{ inputs.tickt }}",
        "undefined",
        "tickt",
        "there is no input `tickt`: did you mean `ticket`?",
    ),
    (
        "{{ steps.triage.outptu.team }}",
        "undefined",
        "outptu",
        "`steps.triage` has no field `outptu`: did you mean `output`?",
    ),
    (
        "{{ steps['triage']['output']['tem'] }}",
        "undefined",
        "'tem'",
        "`steps.triage.output` has no field `tem`: did you mean `team`?",
    ),
    (
        "{{ steps.summary.output.team }}",
        "undefined",
        "output",
        "the step `summary` has no `output`",
    ),
    ("{{ default(steps.triage.nope, 1) }}", "undefined", "nope", None),
    ("{% if false %}{{ steps.triage.nope }}{% endif %}", "undefined", "nope", None),
    (
        "{% for row in steps.triage.output.rows %}{{ row.totl }}{% endfor %}",
        "undefined",
        "totl",
        "`row` has no field `totl`: did you mean `total`?",
    ),
    ("{% for x in [1] %}{{ loop.indx }}{% endfor %}", "undefined", "indx", None),
    ("{% for x in [1] %}{% endfor %}{{ x }}", "undefined", "x", None),
    ("{{ inputs.scan.txt }}", "undefined", "txt", None),
    (
        "{{ steps.triage.output.rows|map(attribute='totl')|sum }}",
        "undefined",
        "'totl'",
        "an item of the list has no field `totl`: did you mean `total`?",
    ),
    ("{{ steps.triage.output.rows|selectattr('wo')|length }}", "undefined", "'wo'", None),
    (
        "{% if steps.summary.text == 'yes' %}{% endif %}",
        "free-text",
        "steps.summary.text == 'yes'",
        (
            "`steps.summary.text` is free text, which a model never words the same twice: "
            "comparing it with `yes` is left to chance"
        ),
    ),
    ("{{ 'yes' != steps.summary.text }}", "free-text", "'yes' != steps.summary.text", None),
    ("{{ 'yes' in steps.summary.text }}", "free-text", "'yes' in steps.summary.text", None),
    ("{{ steps.summary.text in ['a', 'b'] }}", "free-text", None, None),
    ("{{ steps.summary.text|trim|lower == 'yes' }}", "free-text", None, None),
    ("{{ default(steps.summary.text, '') == 'yes' }}", "free-text", None, None),
    ("{{ steps.summary.text < 'm' }}", "free-text", None, None),
    ("{% set t = steps.summary.text %}{{ t == 'yes' }}", "free-text", "t == 'yes'", None),
    ("{{ steps.summary.text is eq 'yes' }}", "free-text", None, None),
    (
        "{{ steps.triage.output.team == 'bugg' }}",
        "unknown-choice",
        "'bugg'",
        "`steps.triage.output.team` is never `bugg`: did you mean `bug`?",
    ),
    ("{{ 'Bug' != steps.triage.output.team }}", "unknown-choice", "'Bug'", None),
    ("{{ steps.triage.output.team in ['bug', 'biling'] }}", "unknown-choice", "'biling'", None),
    ("{{ 'c' in steps.triage.output.tags }}", "unknown-choice", "'c'", None),
    (
        "{{ default(steps.triage.output.team, 'none') == 'non' }}",
        "unknown-choice",
        "'non'",
        None,
    ),
    (
        "{{ steps.triage.output.urgent == 'yes' }}",
        "wrong-type",
        None,
        "`steps.triage.output.urgent` is `true` or `false`, never the text `yes`",
    ),
    (
        "{{ steps.triage.output.score >= '8' }}",
        "wrong-type",
        None,
        "`steps.triage.output.score` is a whole number, never the text `8`",
    ),
    ("{{ inputs.ticket == 3 }}", "wrong-type", None, None),
    ("{{ steps.triage.output.score == inputs.ticket }}", "wrong-type", None, None),
    ("{{ steps.triage.output.urgent > 1 }}", "wrong-type", None, None),
    ("{{ steps.triage.output.rows == 'x' }}", "wrong-type", None, None),
    ("{{ 1 in steps.triage.output.score }}", "wrong-type", None, None),
    ("{{ 1 in inputs.ticket }}", "wrong-type", None, None),
    ("{{ steps.triage.output.rows|selectattr('who', '==', 3) }}", "wrong-type", None, None),
    ("{{ inputs.ticket + 1 }}", "wrong-type", "inputs.ticket", None),
    ("{{ -inputs.ticket }}", "wrong-type", "inputs.ticket", None),
    ("{{ steps.triage.output.rows + 1 }}", "wrong-type", "1", None),
    ("{{ steps.triage.output.rows.who }}", "wrong-type", "who", None),
    ("{{ inputs.ticket.text }}", "wrong-type", "text", None),
    ("{{ steps.triage.output.rows|upper }}", "wrong-type", "steps.triage.output.rows", None),
    ("{{ inputs.ticket|sum }}", "wrong-type", "inputs.ticket", None),
    ("{{ steps.triage.output.score|date }}", "wrong-type", None, None),
    ("{% for x in inputs.ticket %}{% endfor %}", "wrong-type", "inputs.ticket", None),
    ("{% for x in steps.triage.output %}{% endfor %}", "wrong-type", None, None),
    (
        "{{ inputs.scan }}",
        "wrong-type",
        "inputs.scan",
        "`inputs.scan` cannot be printed as a whole",
    ),
    ("{{ inputs.scans }}", "wrong-type", None, None),
    (
        "{{ steps.triage }}",
        "wrong-type",
        "steps.triage",
        "`steps.triage` cannot be printed as a whole",
    ),
    (
        "a {{ steps.triage.output.note }}",
        "maybe-empty",
        "steps.triage.output.note",
        "`steps.triage.output.note` may be empty",
    ),
    ("{{ inputs.note ~ 'x' }}", "maybe-empty", "inputs.note", None),
    ("{{ inputs.note|upper }}", "maybe-empty", "inputs.note", None),
    ("{{ steps.triage.output.place.city }}", "maybe-empty", None, None),
    ("{% set x = inputs.note %}{{ x }}", "maybe-empty", "x", None),
    ("{{ first(inputs.note, steps.triage.output.note) }}", "maybe-empty", None, None),
    ("{{ default(inputs.note, steps.triage.output.note) }}", "maybe-empty", None, None),
    ("{{ 'x' if inputs.note }}", "maybe-empty", "'x' if inputs.note", None),
    ("{% if inputs.ticket %}{% set y = 1 %}{% endif %}{{ y }}", "maybe-empty", "y", None),
    (
        "{% if inputs.note %}{% endif %}{{ inputs.note }}",
        "maybe-empty",
        "inputs.note",
        None,
    ),
    (
        "{% if inputs.note %}{% set inputs_note = 1 %}{{ steps.triage.output.note }}{% endif %}",
        "maybe-empty",
        "steps.triage.output.note",
        None,
    ),
    ("{{ null }}", "maybe-empty", "null", None),
]


@pytest.mark.parametrize(("template", "code", "guilty", "message"), WRONG)
def test_one_mistake_is_one_fault(
    template: str, code: str, guilty: str | None, message: str | None
) -> None:
    (fault,) = analyse(parse_text(template), ROOTS)
    assert fault.code == code
    assert message in {None, fault.message}
    assert guilty in {None, template[fault.start : fault.start + fault.length]}


@pytest.mark.parametrize(
    ("template", "fix"),
    [
        ("{{ steps.summary.text == 'yes' }}", "declare `output:` in the step `summary`"),
        ("{{ steps.summary.output.x }}", "declare `output:` in the step `summary`"),
        ("{{ steps.triage.output.team == 'x' }}", "it is `billing`, `bug` or `other`"),
        ("{{ steps.triage.output.urgent == 'yes' }}", "`not steps.triage.output.urgent`"),
        ("{{ steps.triage.output.score > '8' }}", "write `8` without quotes"),
        ("{{ inputs.ticket > 8 }}", "`number(inputs.ticket)`"),
        ("{{ inputs.ticket + 1 }}", "join texts with `~`"),
        ("{{ inputs.note }}", "`default(inputs.note, '…')`"),
        ("{{ 'x' if inputs.note }}", "write `else ''`"),
        ("{{ inputs.scan }}", "`inputs.scan.text`"),
        ("{{ steps.triage }}", "`steps.triage.text`"),
        ("{% for x in steps.triage.output %}{% endfor %}", "`items(steps.triage.output)`"),
        ("{% for x in inputs.ticket %}{% endfor %}", "`split(inputs.ticket, ',')`"),
        ("{{ inputs.tickt }}", "the inputs are `ticket`, "),
    ],
)
def test_the_help_says_what_to_write(template: str, fix: str) -> None:
    (fault,) = analyse(parse_text(template), ROOTS)
    assert fix in (fault.help or "")


def test_all_mistakes_at_once_in_reading_order_and_each_once() -> None:
    template = (
        "{{ steps.sumary.text }}{{ inputs.tickt }}{{ steps.sumary.text }}"
        "{% if steps.triage.output.team == 'x' %}{{ inputs.note }}{% endif %}"
    )
    faults = analyse(parse_text(template), ROOTS)
    assert [fault.code for fault in faults] == [
        "undefined",
        "undefined",
        "unknown-choice",
        "maybe-empty",
    ]
    assert faults[0].start == template.index("sumary")


@pytest.mark.parametrize(
    ("expression", "used_as", "codes"),
    [
        ("steps.triage.output.rows", "list", []),
        ("inputs.sheet", "list", []),
        ("inputs.scans", "list", []),
        ("inputs.settings.rows", "list", []),
        ("steps.triage.output.team", "list", ["wrong-type"]),
        ("steps.triage.output", "list", ["wrong-type"]),
        ("inputs.note", "list", ["wrong-type"]),
        ("inputs.note", "condition", []),
        ("steps.summary.text", "condition", []),
        ("steps.summary.text == 'x'", "condition", ["free-text"]),
        ("inputs.note", "value", []),
        ("inputs.note", "text", ["maybe-empty"]),
    ],
)
def test_what_an_expression_is_for(expression: str, used_as: Purpose, codes: list[str]) -> None:
    faults = analyse(parse_expression(expression), ROOTS, used_as)
    assert [fault.code for fault in faults] == codes


def test_a_typed_value_may_be_null_but_its_text_form_may_not() -> None:
    assert analyse(parse_value("{{ inputs.note }}"), ROOTS, "value") == []
    (fault,) = analyse(parse_value("Note: {{ inputs.note }}"), ROOTS, "value")
    assert fault.code == "maybe-empty"


def test_places_are_those_of_the_source_also_with_braces_and_line_ends() -> None:
    source = "{{ steps.triage.output.team == 'bugg' }}"
    (fault,) = analyse(parse_expression(source), ROOTS, "condition")
    assert source[fault.start : fault.start + fault.length] == "'bugg'"
    source = "a\r\n\r\n{{ inputs.note }}"
    (fault,) = analyse(parse_text(source), ROOTS)
    assert source[fault.start : fault.start + fault.length] == "inputs.note"


def test_every_function_has_a_signature() -> None:
    assert set(SIGNATURES) == set(FUNCTIONS)
    for signature in SIGNATURES.values():
        assert signature.takes in NEEDS or len(signature.takes) == 5


def test_a_long_condition_is_read_in_reasonable_depth() -> None:
    expression = " or ".join(f"inputs.ticket == '{number}'" for number in range(200))
    assert analyse(parse_expression(expression), ROOTS, "condition") == []
