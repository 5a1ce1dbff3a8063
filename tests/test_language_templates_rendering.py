"""What templates, expressions and typed values give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from flowrunner.language.templates import (
    Empty,
    Record,
    TemplateFault,
    parse_expression,
    parse_text,
    parse_value,
)

SKIPPED = Empty("skipped", "steps.reply")

SCOPE: Mapping[str, Any] = {
    "steps": {
        "reply": SKIPPED,
        "triage": Record(
            "steps.triage",
            {"text": "hi", "status": "succeeded", "output": {"team": "bug", "items": [1, 2]}},
            unprintable="print `.text`",
        ),
    },
    "inputs": {
        "ticket": "It broke",
        "note": None,
        "rows": [{"who": "Ann", "n": 2.5, "ok": True}, {"who": "bob", "n": 10, "ok": False}],
        "settings": {"deep": {"er": [1, {"x": None}]}},
    },
}


def render(template: str, **scope: Any) -> str:
    return parse_text(template).render({**SCOPE, **scope})


def evaluate(expression: str, **scope: Any) -> Any:
    return parse_expression(expression).evaluate({**SCOPE, **scope})


def fault_of(template: str, **scope: Any) -> TemplateFault:
    with pytest.raises(TemplateFault) as caught:
        render(template, **scope)
    return caught.value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("", ""),
        (12, "12"),
        (12.0, "12"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (2.50, "2.5"),
        (1e22, "10000000000000000000000"),
        (1e-7, "0.0000001"),
        (123456789012345678901234567890, "123456789012345678901234567890"),
        (True, "true"),
        (False, "false"),
        ([], "[]"),
        ({}, "{}"),
        ([1, "é", None, True, 12.0], '[1, "é", null, true, 12]'),
        ({"a": {"b": [1e22]}}, '{"a": {"b": [10000000000000000000000]}}'),
        (['line\n"quoted"'], '["line\\n\\"quoted\\""]'),
        ((1, 2), "[1, 2]"),
        (Record("r", {"a": 1, "b": lambda: [2]}), '{"a": 1, "b": [2]}'),
    ],
    ids=repr,
)
def test_values_as_text(value: Any, text: str) -> None:
    assert render("{{ v }}", v=value) == text
    assert render("{{ v ~ '' }}", v=value) == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("a\n{% if true %}\nb\n{% endif %}\nc\n", "a\nb\nc\n"),
        ("{% for x in [1, 2] %}\n- {{ x }}\n{% endfor %}\nend\n", "- 1\n- 2\nend\n"),
        ("  {% if true %}\n  b\n  {% endif %}\n", "  b\n"),
        ("a {{- 'b' -}} c", "abc"),
        ("a {#- x -#} c", "ac"),
        ("a\n{# a whole line #}\nb", "a\nb"),
        ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        ("{{ '{{' }}", "{{"),
        ("{{ 'a' }}\n", "a\n"),
        ("{{ 'a' }}\n\n", "a\n\n"),
        ("a\r\n{% if true %}\r\nb\r\n{% endif %}\r\nc", "a\r\nb\r\nc"),
        ("a\rb{{ 1 }}\r\n", "a\rb1\r\n"),
        ("{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}", "2"),
        ("{% set x = 1 %}{% for y in [1] %}{% set x = 2 %}{% endfor %}{{ x }}", "1"),
        ("{% set x %}a{{ 1 }}{% endset %}{{ x }}{{ x }}", "a1a1"),
        ("{% set a, b = [1, 2] %}{{ b }}{{ a }}", "21"),
        ("{% for k, v in {'a': 1, 'b': 2}|items %}{{ k }}={{ v }};{% endfor %}", "a=1;b=2;"),
        ("{% for x in [] %}{% else %}none{% endfor %}", "none"),
        (
            "{% for x in [1, 2, 3] if x > 1 %}{{ loop.index }}/{{ loop.length }} {% endfor %}",
            "1/2 2/2 ",
        ),
        ("{% for x in [1,2] %}{{ x }}{{ ', ' if not loop.last else '' }}{% endfor %}", "1, 2"),
        (
            (
                "{% for x in [1,2] %}{% for y in [3] %}{{ loop.last }}{% endfor %}"
                "{{ loop.last }} {% endfor %}"
            ),
            "truefalse truetrue ",
        ),
        ("{% if 0 %}a{% elif '' %}b{% elif [] %}c{% else %}d{% endif %}", "d"),
        ("{{ 'a' 'b' }}", "ab"),
        ("{{ 1, 2 }}", "[1, 2]"),
    ],
)
def test_tags_and_white_space(template: str, text: str) -> None:
    assert render(template) == text


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", 7),
        ("7 // 2", 3),
        ("7 % 4", 3),
        ("1 / 4", 0.25),
        ("2 ** 10", 1024),
        ("-3 + +1", -2),
        ("[1] + [2]", [1, 2]),
        ("'a' ~ 1 ~ true", "a1true"),
        ("1 == 1.0", True),
        ("true == 1", False),
        ("[true] == [1]", False),
        ("{'a': [1]} == {'a': [1.0]}", True),
        ("null == steps.reply.text", True),
        ("'a' != steps.reply.text", True),
        ("steps.reply.output.score > 3", False),
        ("steps.reply.output.score < 3", False),
        ("1 < 2 < 3", True),
        ("1 < 2 > 5", False),
        ("'a' < 'b'", True),
        ("'bro' in inputs.ticket", True),
        ("'x' in steps.reply.text", False),
        ("'x' not in steps.reply.text", True),
        ("2 in [1, 2.0]", True),
        ("'deep' in inputs.settings", True),
        ("not steps.reply.text", True),
        ("steps.reply.text or 'other'", "other"),
        ("'a' and 'b'", "b"),
        ("'yes' if 1 else 'no'", "yes"),
        ("inputs.settings.deep.er[0]", 1),
        ("inputs.settings['deep']['er'][-2]", 1),
        ("inputs.settings.deep.er.0", 1),
        ("inputs.ticket[:2]", "It"),
        ("inputs.ticket[-1]", "e"),
        ("[1, 2, 3, 4][1:3]", [2, 3]),
        ("[1, 2, 3, 4][::-1]", [4, 3, 2, 1]),
        ("steps.triage.output.items", [1, 2]),
        ("steps.triage.output['items']", [1, 2]),
        ("{'items': 1, 'keys': 2}.keys", 2),
        ("inputs.note is none", True),
        ("inputs.note is defined", False),
        ("inputs.settings.nothing is defined", False),
        ("inputs.ticket is defined", True),
        ("inputs.ticket is startswith 'It'", True),
        ("3 is in [1, 3]", True),
        ("inputs.rows[0].ok is true", True),
        ("2 is ge 2", True),
    ],
)
def test_expressions(expression: str, value: Any) -> None:
    result = evaluate(expression)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("first(steps.reply.text, inputs.note, 'c')", "c"),
        ("first(steps.reply.text, '')", ""),
        ("first(steps.reply.text|upper, 'c')", "c"),
        ("default(steps.reply.text, 'd')", "d"),
        ("steps.reply.text|default('d')", "d"),
        ("default(inputs.note, inputs.ticket)", "It broke"),
        ("default(inputs.settings.missing, 5)", 5),
        ("default(inputs.settings.missing.more, 5)", 5),
        ("default(inputs.rows[7], 5)", 5),
        ("default(false, 1)", False),
        ("default('', 'x', true)", "x"),
        ("inputs.note|default('x') ~ 'y'", "xy"),
        ("(inputs.note ~ 'y')|default('x')", "x"),
        ("length(inputs.rows)", 2),
        ("inputs.ticket|length", 8),
        ("['b', 1, true]|join('-')", "b-1-true"),
        ("inputs.rows|join(', ', attribute='who')", "Ann, bob"),
        ("[3, 4]|first", 3),
        ("[3, 4]|last", 4),
        ("sum([1, 2.5])", 3.5),
        ("inputs.rows|sum(attribute='n')", 12.5),
        ("[]|sum", 0),
        ("min([3, 1, 2])", 1),
        ("inputs.rows|max(attribute='n')", 10),
        ("max(['a', 'B'])", "B"),
        ("round(2.675, 2)", 2.68),
        ("round(2.5)", 3),
        ("round(-2.5)", -3),
        ("round(1e22)", 10**22),
        ("['b', 'A', 'c']|sort", ["A", "b", "c"]),
        ("[2, 1]|sort(reverse=true)", [2, 1]),
        ("inputs.rows|sort(attribute='who', reverse=true)|map(attribute='who')", ["bob", "Ann"]),
        ("[1, 2, 1.0, true]|unique", [1, 2, True]),
        ("[{'a': 1}, {'a': 1}]|unique", [{"a": 1}]),
        ("inputs.rows|unique(attribute='ok')|length", 2),
        ("inputs.rows|map(attribute='n')", [2.5, 10]),
        ("inputs.rows|map(attribute='x', default=0)", [0, 0]),
        ("[[1, 2]]|map(attribute=1)", [2]),
        ("[{'a': {'b': 3}}]|map(attribute='a.b')", [3]),
        ("inputs.rows|selectattr('ok')|map(attribute='who')", ["Ann"]),
        ("inputs.rows|rejectattr('ok')|map(attribute='who')", ["bob"]),
        ("inputs.rows|selectattr('n', '>', 3)|map(attribute='who')", ["bob"]),
        ("inputs.rows|selectattr('who', 'in', ['Ann'])|length", 1),
        ("inputs.rows|rejectattr('who', 'startswith', 'b')|length", 1),
        ("replace('a-b-c', '-', '')", "abc"),
        ("'a,b'|split(',')", ["a", "b"]),
        ("split(' a  b ')", ["a", "b"]),
        ("'  a '|trim", "a"),
        ("lower('AÉ')", "aé"),
        ("upper('straße')", "STRASSE"),
        ("capitalize('ABC def')", "Abc def"),
        ("title('it\\'s a-b')", "It's A-B"),
        ("upper(true)", "TRUE"),
        ("'abc'|startswith('ab')", True),
        ("'abc'|endswith('ab')", False),
        ("contains([1, 2], 2)", True),
        ("steps.reply.text|contains('x')", False),
        ("[1]|list", [1]),
        ("items({'a': 1})", [["a", 1]]),
        ("tojson({'a': [1.0, null]})", '{"a": [1, null]}'),
        ("tojson({'a': [1]}, indent=2)", '{\n  "a": [\n    1\n  ]\n}'),
        ("tojson([], 2)", "[]"),
        ("number(' 12.50 ')", 12.5),
        ("number('-7')", -7),
        ("number(12.5, 2)", "12.50"),
        ("number('1234.565', 2)", "1234.57"),
        ("number(-0.001, 2)", "0.00"),
        ("date('2026-03-01')", "2026-03-01"),
        ("date('2026-03-01T09:05:07', 'D MMMM YYYY, HH:mm:ss')", "1 March 2026, 09:05:07"),
        ("date('2026-03-01', 'DDDD DD.MM.YY')", "Sunday 01.03.26"),
        ("date('2026-03-01', 'Due: YYYYMMDD')", "Due: 20260301"),
        ("days_before('2026-03-01', 1)", "2026-02-28"),
        ("days_before('2026-03-01', -1)", "2026-03-02"),
        ("share(inputs.rows, 'ok')", 0.5),
        ("share(inputs.rows, 'who', 'bob')", 0.5),
        (
            "table(inputs.rows, ['who', 'n'])",
            "| who | n |\n| --- | --- |\n| Ann | 2.5 |\n| bob | 10 |",
        ),
        (
            "table([{'a': 'x|y\\nz'}, {'b': null}])",
            "| a | b |\n| --- | --- |\n| x\\|y z |  |\n|  |  |",
        ),
        ("csv(inputs.rows, ['who', 'n'])", "who,n\nAnn,2.5\nbob,10\n"),
        (
            "csv([{'a': 'x, \"y\"', 'b': -1, '=c': true}, {'a': '=1+1', 'b': null}])",
            'a,b,\'=c\n"x, ""y""",-1,true\n\'=1+1,,\n',
        ),
        ("csv([{'a': ['=x', 1.0], 'b': '@x\ny'}])", 'a,b\n"[""=x"", 1]","\'@x\ny"\n'),
        ("csv(['a', '-b', 3])", "value\na\n'-b\n3\n"),
        ("csv([])", "\n"),
    ],
)
def test_functions(expression: str, value: Any) -> None:
    result = evaluate(expression)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    "expression",
    ["[]|first", "[]|last", "min([])", "max([])", "share([], 'a')", "first(inputs.note)"],
)
def test_what_is_not_there_is_empty_and_no_fault_until_it_is_printed(expression: str) -> None:
    assert not evaluate(expression)
    assert evaluate(f"default({expression}, 1)") == 1
    assert fault_of(f"{{{{ {expression} }}}}").code == "maybe-empty"


def test_functions_that_walk_results_pass_over_failed_items() -> None:
    results = [
        Record("results[0]", {"ok": True, "total": 3}),
        Record("results[1]", {"ok": False, "total": None}, passed_over=True),
        Record("results[2]", {"ok": True, "total": 4}),
    ]
    assert evaluate("r|sum(attribute='total')", r=results) == 7
    assert evaluate("r|map(attribute='total')", r=results) == [3, 4]
    assert evaluate("share(r, 'ok')", r=results) == 1.0
    assert evaluate("r|length", r=results) == 3
    assert "null" not in evaluate("table(r)", r=results)
    assert evaluate("csv(r)", r=results) == "ok,total\ntrue,3\ntrue,4\n"


@pytest.mark.parametrize(
    ("template", "code", "message"),
    [
        (
            "{{ steps.reply.text }}",
            "maybe-empty",
            "`steps.reply.text` is empty: the step `reply` was skipped",
        ),
        ("{{ inputs.note }}", "maybe-empty", "`inputs.note` is empty: it has no value"),
        (
            "{{ inputs.note.more }}",
            "maybe-empty",
            "`inputs.note.more` is empty: `inputs.note` has no value",
        ),
        ("{{ inputs.note ~ 'a' }}", "maybe-empty", "`inputs.note` is empty: it has no value"),
        ("{{ inputs.note|upper }}", "maybe-empty", "`inputs.note` is empty: it has no value"),
        ("{{ inputs.note + 1 }}", "maybe-empty", "`inputs.note` is empty: it has no value"),
        ("{{ [steps.reply.text] }}", "maybe-empty", None),
        ("{% for x in inputs.note %}{% endfor %}", "maybe-empty", None),
        ("{{ 'x' if false }}", "maybe-empty", None),
        (
            "{% if false %}{% set y = 1 %}{% endif %}{{ y }}",
            "maybe-empty",
            "`y` is empty: `y` was not set, because its branch was not taken",
        ),
        (
            "{{ steps.triage.outptu }}",
            "undefined",
            "`steps.triage` has no field `outptu`: did you mean `output`?",
        ),
        (
            "{{ steps.triag.text }}",
            "undefined",
            "there is no step `triag`: did you mean `triage`?",
        ),
        ("{{ inputs.tickt }}", "undefined", "there is no input `tickt`: did you mean `ticket`?"),
        ("{{ nope }}", "undefined", "there is nothing called `nope` here"),
        ("{{ [nope] }}", "undefined", None),
        ("{{ {'a': nope} }}", "undefined", None),
        ("{{ 'x' ~ nope }}", "undefined", None),
        ("{{ default(nope, 1) }}", "undefined", None),
        ("{{ default(steps.triage.nope, 1) }}", "undefined", None),
        ("{{ upper }}", "undefined", "`upper` is a function, not a value"),
        (
            "{{ inputs.rows[2] }}",
            "undefined",
            "`inputs.rows` has 2 items, so there is no item `[2]`",
        ),
        ("{{ inputs.rows|map(attribute='whoo') }}", "undefined", None),
        ("{{ steps.triage }}", "wrong-type", "`steps.triage` cannot be used as a whole"),
        ("{{ inputs.rows.who }}", "wrong-type", "`inputs.rows` is a list and has no field `who`"),
        (
            "{{ inputs.ticket.text }}",
            "wrong-type",
            "`inputs.ticket` is a text and has no field `text`",
        ),
        ("{{ inputs.ticket + 1 }}", "wrong-type", "`+` needs numbers, found a text"),
        ("{{ true + 1 }}", "wrong-type", None),
        ("{{ 1 / 0 }}", "wrong-type", "`/` divides by zero here"),
        ("{{ 1 < 'a' }}", "wrong-type", None),
        ("{{ 1 in 'a1' }}", "wrong-type", None),
        ("{{ [1, 'a']|sort }}", "wrong-type", None),
        ("{{ 'a'|number }}", "wrong-type", None),
        ("{{ number('1,5') }}", "wrong-type", None),
        ("{{ date('soon') }}", "wrong-type", None),
        ("{{ days_before('0001-01-01', 1) }}", "wrong-type", None),
        ("{{ {1: 2} }}", "wrong-type", None),
        ("{% for c in 'abc' %}{% endfor %}", "wrong-type", "`for` needs a list, found a text"),
        ("{% for k in {'a': 1} %}{% endfor %}", "wrong-type", None),
        ("{% for a, b in [1] %}{% endfor %}", "wrong-type", None),
        ("{{ [1][::0] }}", "wrong-type", None),
        ("{{ 1.5|round('x') }}", "wrong-type", None),
    ],
)
def test_faults_of_rendering(template: str, code: str, message: str | None) -> None:
    fault = fault_of(template)
    assert fault.code == code
    assert message in {None, fault.message}
    assert template[fault.start : fault.start + fault.length]


@pytest.mark.parametrize(
    ("template", "guilty"),
    [
        ("Dear {{ steps.reply.text }}!", "steps.reply.text"),
        ("a\n{{ 1 }} {{ steps.triage.outptu }}", "outptu"),
        ("é {{ inputs.ticket + 1 }}", "inputs.ticket + 1"),
        ("a\r\nb\r\n{{ nope }}", "nope"),
        ("{% if inputs.rows[0].n == 2.5 and inputs.note|upper %}{% endif %}", "inputs.note|upper"),
        ("{{ (1 ~ 'a')|number(2) }}", "(1 ~ 'a')|number(2)"),
        ("{% for x in inputs.ticket %}{% endfor %}", "inputs.ticket"),
        ("{{ inputs['rows'][0]['whoo'] }}", "'whoo'"),
    ],
)
def test_a_fault_points_at_the_guilty_part(template: str, guilty: str) -> None:
    fault = fault_of(template)
    assert template[fault.start : fault.start + fault.length] == guilty


def test_the_help_of_an_empty_value_names_it() -> None:
    fault = fault_of("{{ steps.reply.text }}")
    assert fault.help == "write `default(steps.reply.text, '…')` or `first(steps.reply.text, …)`"


def test_an_unprintable_record_says_what_to_write() -> None:
    assert fault_of("{{ steps.triage }}").help == "print `.text`"
    assert fault_of("{{ [steps.triage] }}").help == "print `.text`"
    with pytest.raises(TemplateFault):
        parse_value("{{ steps.triage }}").evaluate(SCOPE)


@pytest.mark.parametrize(
    ("why", "reason"),
    [
        ("failed", "the step `reply` failed"),
        ("round", "there was no round before this one"),
        ("the run was stopped", "the run was stopped"),
    ],
)
def test_an_empty_says_why(why: str, reason: str) -> None:
    fault = fault_of("{{ steps.reply.text }}", steps={"reply": Empty(why, "steps.reply")})
    assert fault.message == f"`steps.reply.text` is empty: {reason}"


def test_an_empty_is_false_and_cannot_be_printed_by_accident() -> None:
    assert not SKIPPED
    assert "skipped" in repr(SKIPPED)
    with pytest.raises(TemplateFault):
        str(SKIPPED)
    with pytest.raises(TemplateFault):
        f"{SKIPPED}"


def test_records_load_a_field_once_and_only_when_it_is_read() -> None:
    loads: list[str] = []

    def load() -> str:
        loads.append("text")
        return "long"

    record = Record("steps.a", {"text": load, "never": lambda: loads.append("never")})
    assert render("{{ r.text }}{{ r.text }}{{ 'never' in r }}", r=record) == "longlongtrue"
    assert loads == ["text"]
    assert len(record) == 2
    assert repr(record) == "Record(steps.a)"


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("{{ inputs.rows[0].n }}", 2.5),
        ("  {{ inputs.rows[0].ok }}\n", True),
        ("{{ inputs.rows[0].n }} EUR", "2.5 EUR"),
        ("{{ 12.0 }}", 12.0),
        ("{{ inputs.note }}", None),
        ("{{ first(steps.reply.text, inputs.note) }}", None),
        ("{{ [steps.reply.text, 1] }}", [None, 1]),
        ("{{ [1, 2]|first }}", 1),
        ("{{ {'a': {'b': 1}} }}", {"a": {"b": 1}}),
        ("plain", "plain"),
        ("", ""),
        ("{{ 1 }}{{ 2 }}", "12"),
        ("{% if true %}a{% endif %}", "a"),
        ("{# note #}{{ 1 }}", "1"),
        ("{{- 1 -}}", 1),
        ("{{ '}}' }}", "}}"),
    ],
)
def test_a_whole_expression_keeps_its_type(source: str, value: Any) -> None:
    result = parse_value(source).evaluate(SCOPE)
    assert result == value
    assert type(result) is type(value)


def test_a_typed_value_of_a_record_is_plain_json() -> None:
    result = parse_value("{{ r }}").evaluate({"r": Record("r", {"a": lambda: (1, 2)})})
    assert result == {"a": [1, 2]}
    assert type(result) is dict


@pytest.mark.parametrize(
    "source",
    [
        "inputs.rows[0].ok",
        "{{ inputs.rows[0].ok }}",
        " {{inputs.rows[0].ok}}\n",
        "{{- inputs.rows[0].ok }}",
    ],
)
def test_braces_around_a_whole_expression_are_accepted(source: str) -> None:
    expression = parse_expression(source)
    assert expression.evaluate(SCOPE) is True
    (mention,) = expression.mentions
    assert source[mention.start : mention.start + mention.length] == "inputs.rows[0].ok"


def test_an_expression_gives_the_value_itself() -> None:
    rows = SCOPE["inputs"]["rows"]
    assert parse_expression("inputs.rows").evaluate(SCOPE) is rows
    assert parse_expression("steps.reply").evaluate(SCOPE) is SKIPPED


def test_a_parsed_template_can_be_rendered_again_and_again() -> None:
    template = parse_text("{% set x = v %}{% for y in [x] %}{{ y }}{{ loop.index }}{% endfor %}")
    assert [template.render({"v": value}) for value in (1, "a", 1)] == ["11", "a1", "11"]
