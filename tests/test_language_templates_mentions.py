"""What a template mentions, and whether it can do without it."""

from __future__ import annotations

import pytest

from flowrunner.language.templates import parse_expression, parse_text, parse_value


def mentions(template: str) -> list[tuple[str, bool]]:
    return [
        (".".join(map(str, mention.path)), mention.guarded)
        for mention in parse_text(template).mentions
    ]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("no braces", []),
        ("{{ x.y }}", []),
        ("{{ steps.a.text }}", [("steps.a.text", False)]),
        ("{{ steps['a']['output'].team }}", [("steps.a.output.team", False)]),
        (
            "{{ inputs.ticket }} {{ previous.b.text }}",
            [("inputs.ticket", False), ("previous.b.text", False)],
        ),
        ("{{ steps.a.results[0].text }}", [("steps.a.results.0.text", False)]),
        ("{{ steps.a.results[-1].text }}", [("steps.a.results.-1.text", False)]),
        ("{{ steps.g.results[i].steps.x }}", [("steps.g.results", False)]),
        (
            "{{ steps.g.results[steps.a.output.n].x }}",
            [("steps.g.results", False), ("steps.a.output.n", False)],
        ),
        ("{{ steps.a.text[:10] }}", [("steps.a.text", False)]),
        ("{{ steps.a.output|length }}", [("steps.a.output", False)]),
        ("{{ upper(steps.a.text) }}", [("steps.a.text", False)]),
        (
            "{{ [steps.a.text, {'k': steps.b.text}] }}",
            [("steps.a.text", False), ("steps.b.text", False)],
        ),
        ("{% if false %}{{ steps.a.text }}{% endif %}", [("steps.a.text", False)]),
        (
            "{% for x in steps.a.output.list if x > steps.b.output.n %}{{ x }}{% endfor %}",
            [("steps.a.output.list", False), ("steps.b.output.n", False)],
        ),
        ("{% set x = steps.a.text %}", [("steps.a.text", False)]),
        ("{% set x %}{{ steps.a.text }}{% endset %}", [("steps.a.text", False)]),
        ("{% raw %}{{ steps.a.text }}{% endraw %}", []),
        ("{# {{ steps.a.text }} #}", []),
        (
            "{{ first(steps.a.text, steps.b.text) }}",
            [("steps.a.text", True), ("steps.b.text", True)],
        ),
        (
            "{{ default(steps.a.text, steps.b.text) }}",
            [("steps.a.text", True), ("steps.b.text", True)],
        ),
        ("{{ steps.a.text|default('x') }}", [("steps.a.text", True)]),
        ("{{ steps.a.text|upper|default('x') }}", [("steps.a.text", True)]),
        (
            "{{ steps.a.text|default('x')|upper ~ steps.b.text }}",
            [("steps.a.text", True), ("steps.b.text", False)],
        ),
        ("{{ steps.a.results|first }}", [("steps.a.results", False)]),
        (
            "{{ steps.a.status }}{{ steps.a.error.kind }}",
            [("steps.a.status", True), ("steps.a.error.kind", True)],
        ),
        ("{{ steps.a.output.status }}", [("steps.a.output.status", False)]),
        ("{{ inputs.status }}", [("inputs.status", False)]),
        ("{{ steps.a.text is defined }}", [("steps.a.text", True)]),
        (
            "{% if steps.a.text %}{{ steps.a.output.x }}{% endif %}{{ steps.a.text }}",
            [("steps.a.text", True), ("steps.a.output.x", True), ("steps.a.text", False)],
        ),
        (
            "{% if not steps.a.text %}x{% else %}{{ steps.a.text }}{% endif %}",
            [("steps.a.text", True), ("steps.a.text", True)],
        ),
        (
            (
                "{% if steps.a.text %}{{ steps.b.text }}"
                "{% elif steps.b.text %}{{ steps.b.text }}{% endif %}"
            ),
            [
                ("steps.a.text", True),
                ("steps.b.text", False),
                ("steps.b.text", True),
                ("steps.b.text", True),
            ],
        ),
        (
            "{{ steps.a.text if steps.a.status == 'succeeded' else steps.b.text }}",
            [("steps.a.text", True), ("steps.a.status", True), ("steps.b.text", False)],
        ),
        ("{{ steps.a.text or 'x' }}", [("steps.a.text", False)]),
    ],
)
def test_mentions(template: str, expected: list[tuple[str, bool]]) -> None:
    assert mentions(template) == expected


def test_a_mention_knows_its_place() -> None:
    source = "a\r\n{{ upper(steps['a'] . output.team[x]) }}"
    (mention,) = parse_text(source).mentions
    assert mention.path == ("steps", "a", "output", "team")
    assert source[mention.start : mention.start + mention.length] == "steps['a'] . output.team"


def test_expressions_and_typed_values_have_mentions_too() -> None:
    (mention,) = parse_expression("steps.a.output.n >= 8").mentions
    assert (mention.path, mention.start, mention.length) == (("steps", "a", "output", "n"), 0, 16)
    (mention,) = parse_value(" {{ steps.a.text }}").mentions
    assert (mention.path, mention.start) == (("steps", "a", "text"), 4)
    (mention,) = parse_value("x {{ steps.a.text }}").mentions
    assert (mention.path, mention.start) == (("steps", "a", "text"), 5)


def test_the_same_path_twice_is_two_mentions() -> None:
    assert [mention.start for mention in parse_text("{{ inputs.a }}{{ inputs.a }}").mentions] == [
        3,
        17,
    ]
