"""Attacks on the sandbox: every payload is refused, or its result is bounded."""

from __future__ import annotations

import contextlib
import itertools

import pytest

from flowrunner.language.templates import (
    FUNCTIONS,
    TemplateFault,
    parse_expression,
    parse_text,
    parse_value,
)
from flowrunner.language.templates.meter import MAX_TEXT

SCOPE = {
    "x": "x" * 1000,
    "big": "x" * 1_000_000,
    "rows": [{"n": number, "word": f"w{number}"} for number in range(1000)],
    "d": {"items": "field", "keys": 1, "format": "{0.__class__}", "_id": "under"},
    "n": 7,
    "day": "2026-01-01",
}

ESCAPES = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''['__class__'] }}",
    "{{ x.__class__.__base__.__subclasses__() }}",
    "{{ x['__class__']['__mro__'] }}",
    "{{ [].__class__ }}",
    "{{ {}.__class__.__bases__[0] }}",
    "{{ (1).__class__ }}",
    "{{ x|attr('__class__') }}",
    "{{ x|attr('for' ~ 'mat') }}",
    "{{ ('{0.__class__.__init__.__globals__}'|attr('format'))(x) }}",
    "{% set f = '{0.__class__}'.format %}{{ f(x) }}",
    "{{ '{0.__class__}'.format(x) }}",
    "{{ '%s' % x }}",
    "{{ '{0.__class__}'|format(x) }}",
    "{{ d.format(x) }}",
    "{{ d.items() }}",
    "{{ d['update']({'a': 1}) }}",
    "{% set _ = d.update({'a': 1}) %}",
    "{% set _ = rows.append(1) %}",
    "{{ rows.pop() }}",
    "{{ x.join(['a']) }}",
    "{{ x.upper }}",
    "{{ x.encode('utf-16') }}",
    "{{ x.format_map(d) }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ joiner.__init__.__globals__ }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ self.__init__.__globals__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ self }}",
    "{{ cycler }}",
    "{{ range }}",
    "{{ dict(a=1) }}",
    "{{ request.application }}",
    "{{ config.items() }}",
    "{{ get_flashed_messages.__globals__ }}",
    "{{ url_for.__globals__ }}",
    "{{ __builtins__ }}",
    "{{ __import__('os').system('id') }}",
    "{{ open('/etc/passwd').read() }}",
    "{{ eval('1+1') }}",
    "{{ print('x') }}",
    "{{ loop.__class__ }}",
    "{% for i in rows %}{{ loop.__class__ }}{% endfor %}",
    "{% for i in rows %}{{ loop(i) }}{% endfor %}",
    "{% for i in rows %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}",
    "{% call x() %}{% endcall %}",
    "{% import 'os' as os %}",
    "{% from 'x' import y %}",
    "{% include '/etc/passwd' %}",
    "{% extends '/etc/passwd' %}",
    "{% block a %}{% endblock %}",
    "{% filter upper %}x{% endfilter %}",
    "{% autoescape false %}{% endautoescape %}",
    "{% with a = 1 %}{% endwith %}",
    "{% do d.clear() %}",
    "{% debug %}",
    "{% set d.x = 1 %}",
    "{% set ns = namespace(a=1) %}",
    "{% set __builtins__ = x %}",
    "{{ rows|map('attr', '__class__')|list }}",
    "{{ rows|map(attribute='__class__')|list }}",
    "{{ rows|map(attribute='n.__class__')|list }}",
    "{{ rows|selectattr('__class__')|list }}",
    "{{ rows|sort(attribute='__class__') }}",
    "{{ rows|groupby('__class__') }}",
    "{{ x|xmlattr }}",
    "{{ x|pprint }}",
    "{{ default.__globals__ }}",
    "{{ upper.__call__ }}",
    "{{ upper }}",
    "{{ upper(*rows) }}",
    "{{ upper(**d) }}",
    "{{ (upper)(x)(x) }}",
    "{{ [upper][0](x) }}",
    "{{ d['ite' ~ 'ms2'] }}",
    "{{ x['__cla' ~ 'ss__'] }}",
    "{{ rows['__cla' ~ 'ss__'] }}",
    "{{ n['real'] }}",
    "{{ n.real }}",
    "{{ true.real }}",
    "{{ d._id }}",
    "{{ x is sameas(x) }}",
    "{{ x is callable }}",
]


@pytest.mark.parametrize("payload", ESCAPES)
def test_what_reaches_for_more_than_items_is_refused(payload: str) -> None:
    with pytest.raises(TemplateFault) as caught:
        parse_text(payload).render(SCOPE)
    fault = caught.value
    assert fault.code in {
        "template-unsafe",
        "template-off",
        "template-syntax",
        "undefined",
        "wrong-type",
    }
    assert "<" not in fault.message.replace("`<`", "")
    assert "jinja" not in f"{fault.message} {fault.help}".lower()


UNSAFE = [
    "{{ ''.__class__ }}",
    "{{ x['__class__'] }}",
    "{{ x._private }}",
    "{{ d.update({}) }}",
    "{{ x|attr('a') }}",
    "{{ __builtins__ }}",
    "{{ rows[0].n() }}",
    "{{ (x ~ x)() }}",
]


@pytest.mark.parametrize("payload", UNSAFE)
def test_reaching_past_data_is_called_unsafe_before_anything_runs(payload: str) -> None:
    with pytest.raises(TemplateFault) as caught:
        parse_text(payload)
    assert caught.value.code == "template-unsafe"


OFF = [
    *("autoescape", "block", "call", "do", "extends", "filter"),
    *("from", "import", "include", "macro", "print", "with"),
]


@pytest.mark.parametrize("tag", OFF)
def test_tags_that_are_off_say_so(tag: str) -> None:
    with pytest.raises(TemplateFault) as caught:
        parse_text(f"a {{% {tag} x %}}")
    assert caught.value.code == "template-off"
    assert (caught.value.start, caught.value.length) == (5, len(tag))
    assert caught.value.help


@pytest.mark.parametrize(
    "template",
    ["{% for a in rows recursive %}{% endfor %}", "{% set a | upper %}x{% endset %}"],
)
def test_forms_of_tags_that_are_off(template: str) -> None:
    with pytest.raises(TemplateFault) as caught:
        parse_text(template)
    assert caught.value.code == "template-off"


GREEDY = [
    "{{ 'a' * 10**10 }}",
    "{{ x * 1000000000 }}",
    "{{ [1] * 10**9 }}",
    "{{ 10**(10**10) }}",
    "{{ 9**(9**(9**9)) }}",
    "{{ 2**100000 }}",
    "{{ 2.0**100000 }}",
    "{{ 1e308 * 10 }}",
    "{{ 1e999 }}",
    "{{ 9" + "9" * 5000 + " }}",
    "{{ (-8)**0.5 }}",
    "{{ '%10000000000d' % 1 }}",
    "{{ lipsum(n=1000000) }}",
    "{{ range(10**9)|list }}",
    "{% for a in range(10**9) %}{% endfor %}",
    "{{ x|center(10**10) }}",
    "{{ x|indent(10**10) }}",
    "{{ x|wordwrap(1) }}",
    "{{ x|batch(10**10, 'y') }}",
    "{{ x|slice(10**10) }}",
    "{{ '{:>10000000000}'|format(x) }}",
    "{{ x|truncate(10**10) }}",
    "{{ big|replace('x', big) }}",
    "{{ big|replace('x', 'y' ~ big)|length }}",
    "{{ rows|join(big) }}",
    "{{ rows|map(attribute='word')|join(big) }}",
    "{{ rows|tojson(indent=100000000) }}",
    "{{ number(1, 100000000) }}",
    "{{ round(1.5, 100000000) }}",
    "{{ big ~ big ~ big ~ big ~ big ~ big ~ big }}",
    "{% for a in rows %}{{ big }}{% endfor %}",
    "{% for a in rows %}{% for b in rows %}{% for c in rows %}{% endfor %}{% endfor %}{% endfor %}",
    "{% for a in rows %}{% for b in rows if n %}{% for c in rows if 0 %}" + "{% endfor %}" * 3,
    "{% for a in rows %}{% if big|upper == x %}{% endif %}{% endfor %}",
    "{% for a in rows %}{% if x in big %}{% endif %}{% if 'y' in big %}{% endif %}{% endfor %}",
    "{% for a in rows %}{% set y = rows|sort(attribute='word') %}{% endfor %}",
    "{% for a in rows %}{% set y = rows|tojson %}{% endfor %}",
    "{% for a in rows %}{% set y = table(rows) %}{% endfor %}",
    "{% for a in rows %}{% set y = csv(rows) %}{% endfor %}",
    "{% for a in rows %}{% set y = rows|unique %}{% endfor %}",
    "{% for a in rows %}{% set y = rows + rows + rows %}{% endfor %}",
    "{% for a in rows %}{% set y = big[::-1] %}{% endfor %}",
    "{% for a in rows %}{% set y = big|split('x') %}{% endfor %}",
    "{{ big|split('x')|map(attribute='a')|list }}",
    "{% set a = [1, 1] %}" + "{% set a = [a, a] %}" * 50 + "{{ a }}",
    "{% set a = [1, 1] %}" + "{% set a = [a, a] %}" * 50 + "{{ a == [a[0], [a[0], a[0]]] }}",
    "{% set a = [1] %}{% set b = [1] %}"
    + "{% set a = [a, a] %}{% set b = [b, b] %}" * 50
    + "{{ a == b }}",
    "{% set a = {'k': 1} %}" + "{% set a = {'k': a, 'l': a} %}" * 50 + "{{ a|tojson(2) }}",
    "{% set a = big %}" + "{% set a = a ~ a %}" * 50 + "{{ a|length }}",
    "{% set a = x %}" + "{% set a = a|replace('x', a) %}" * 50 + "{{ a|length }}",
    "{% set a = rows %}" + "{% set a = a + a %}" * 50 + "{{ a|length }}",
    "{% set a = 2 %}" + "{% set a = a * a %}" * 50 + "{{ a }}",
    "{% for a in rows %}{% for b in rows %}" + "{% if n %}{% endif %}" * 1000 + "{% endfor %}"
    "{% endfor %}",
    "{% for a in rows %}{% for b in rows %}{{ round(2.5) ~ date(day) }}" + "{% endfor %}" * 2,
    "{% for a in rows %}{% set y = big|title %}{% endfor %}",
    "{{ rows|map(attribute='" + "a." * 50_000 + "a') }}",
    "".join(f"{{% set a{number} = 1 %}}" for number in range(5000))
    + "{% for a in rows %}{% for b in rows %}{% endfor %}{% endfor %}",
    "{% set a %}" + "{{ big }}" * 10 + "{% endset %}",
    "{% if true %}" * 200 + "x" + "{% endif %}" * 200,
    "{% for a in rows %}" * 25 + "{{ a.n }}" + "{% endfor %}" * 25,
    "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "{{ " + "[" * 5000 + "]" * 5000 + " }}",
    "{{ " + "not " * 5000 + "1 }}",
    "{{ " + "- " * 5000 + "1 }}",
    "{{ " + "1 + " * 5000 + "1 }}",
    "{{ " + "1 if " * 5000 + "1 }}",
    "{{ " + "1 if 1 else " * 5000 + "1 }}",
    "{{ x" + "|upper" * 5000 + " }}",
    "{{ x" + ".a" * 5000 + " }}",
    "{{ " + "n or " * 5000 + "n }}",
    "{{ " + "n and " * 5000 + "n }}",
    "{{ " + "1 ** " * 5000 + "1 }}",
    "{{ n is in " * 100 + " }}",
    "{{ " + "n < " * 40000 + "n }}",
    "{{ n }}" * 40000,
    "{{ " + "first(" * 500 + "1" + ")" * 500 + " }}",
]


@pytest.mark.parametrize("payload", GREEDY, ids=lambda payload: payload[:70])
def test_what_asks_for_too_much_is_refused(payload: str) -> None:
    with pytest.raises(TemplateFault) as caught:
        parse_text(payload).render(SCOPE)
    fault = caught.value
    assert fault.code in {"template-limit", "template-syntax", "wrong-type"}
    assert 0 <= fault.start <= fault.start + fault.length <= len(payload)


@pytest.mark.parametrize(
    ("template", "length"),
    [
        ("{{ big ~ big }}", 2_000_000),
        ("{% for row in rows %}{{ row.word }} {% endfor %}", 4890),
        ("{{ big[:10] }}", 10),
        ("{{ 2**1000 }}", 302),
        ("{{ rows|length * 3 }}", 4),
    ],
)
def test_what_a_workflow_needs_is_within_the_limits(template: str, length: int) -> None:
    assert len(parse_text(template).render(SCOPE)) == length


def test_a_text_longer_than_the_limit_is_refused_also_without_braces() -> None:
    with pytest.raises(TemplateFault) as caught:
        parse_text("a" * (MAX_TEXT + 1)).render({})
    assert caught.value.code == "template-limit"


@pytest.mark.parametrize("depth", [300, 5000, 100_000])
def test_values_nested_too_deeply_end_in_a_fault(depth: int) -> None:
    nested: list[object] = []
    for _ in range(depth):
        nested = [nested]
    for template in ("{{ a }}", "{{ a|tojson }}", "{{ [a]|unique }}"):
        with pytest.raises(TemplateFault, match="nested too deeply"):
            parse_text(template).render({"a": nested})
    with pytest.raises(TemplateFault, match="nested too deeply"):
        parse_value("{{ a }}").evaluate({"a": nested})


def test_comparing_endless_values_ends_in_a_fault() -> None:
    one: list[object] = []
    other: list[object] = []
    for _ in range(5000):
        one, other = [one], [other]
    with pytest.raises(TemplateFault) as caught:
        parse_expression("a == b").evaluate({"a": one, "b": other})
    assert caught.value.code == "template-limit"


SECOND_ORDER = [
    "{{ 7*7 }}",
    "{% for a in b %}",
    "{{ ''.__class__ }}",
    "{# x #}",
    "}}{{",
    "{% raw %}",
]


@pytest.mark.parametrize("text", SECOND_ORDER)
@pytest.mark.parametrize(
    "template",
    ["{{ x }}", "{{ [x][0] }}", "{% set y = x %}{{ y }}", "{{ x ~ '' }}", "{{ x|trim }}"],
)
def test_braces_that_come_out_of_values_stay(template: str, text: str) -> None:
    assert parse_text(template).render({"x": text}) == text


def test_values_are_never_changed_by_a_template() -> None:
    rows = [{"n": 2}, {"n": 1}]
    template = parse_text("{% set rows = rows|sort(attribute='n') %}{{ rows }}{{ rows + [1] }}")
    template.render({"rows": rows})
    assert rows == [{"n": 2}, {"n": 1}]


def test_a_typed_value_shares_nothing_with_its_source() -> None:
    rows = [{"n": [1]}]
    value = parse_value("{{ rows }}").evaluate({"rows": rows})
    value[0]["n"].append(2)
    assert rows == [{"n": [1]}]


def test_what_is_callable_in_a_scope_is_neither_called_nor_printed() -> None:
    def leak() -> str:
        return "leaked"

    for template in ("{{ f }}", "{{ [f] }}", "{{ f ~ '' }}", "{{ f|tojson }}", "{{ f|upper }}"):
        with pytest.raises(TemplateFault) as caught:
            parse_text(template).render({"f": leak})
        assert "0x" not in str(caught.value)
    with pytest.raises(TemplateFault):
        parse_text("{{ f() }}")


@pytest.mark.parametrize("value", ["sk-canary-1", "sk canary"])
@pytest.mark.parametrize(
    "template",
    [
        "{{ s.a }}",
        "{{ s + 1 }}",
        "{{ s|number }}",
        "{{ s|date }}",
        "{{ s|sum }}",
        "{{ s < 1 }}",
        "{% for a in s %}{% endfor %}",
        "{{ s|items }}",
        "{{ 1 in s }}",
    ],
)
def test_a_fault_does_not_show_the_text_it_found(template: str, value: str) -> None:
    with pytest.raises(TemplateFault) as caught:
        parse_text(template).render({"s": value})
    assert value not in f"{caught.value.message} {caught.value.help}"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_function_takes_what_it_cannot_use(name: str) -> None:
    """Odd values end in a result or a TemplateFault, never in an exception of Python."""
    for value, option in itertools.product(ODD_VALUES, ODD_OPTIONS):
        call = f"{name}({value}{', ' if option else ''}{option})"
        with contextlib.suppress(TemplateFault):
            parse_expression(call).evaluate({})
        with contextlib.suppress(TemplateFault):
            parse_text(f"{{{{ {value}|{name}({option}) }}}}").render({})


ODD_VALUES = [
    *("null", "''", "'a'", "'2026-01-01'", "0", "-1.5", "10**300", "true"),
    *("[]", "[null]", "[[1], {}]", "[1, 'a']", "{}", "{'a': 1}"),
]
ODD_OPTIONS = [
    *("", "null", "''", "-1", "1.5", "10**300", "true", "[]", "'a'", "'a', 'b'"),
    *("'a', '==', 1", "{}, {}", "attribute='a.b'", "attribute='0'", "attribute=''"),
]
