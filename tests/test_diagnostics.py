"""Diagnostics as text: in full with carets, a line each, as JSON, as GitHub annotations."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.diagnostics import RULES, Diagnostic, Place, did_you_mean, in_order, render

LINE = "    needs: draft"


def diagnostic(
    line: int = 7,
    column: int = 12,
    *,
    code: str = "wrong-type",
    source: str | None = LINE,
    length: int = 5,
    path: str = "workflows/brief.yaml",
    **more: object,
) -> Diagnostic:
    place = Place(path, line, column, length)
    severity = more.get("severity", "error")
    message = str(more.get("message", "`needs` must be a list of step ids, found the text `draft`"))
    help_ = str(more["help"]) if "help" in more else None
    return Diagnostic(severity, code, message, place, help_, source)  # type: ignore[arg-type]


def test_the_full_form_shows_the_line_the_caret_and_the_fix() -> None:
    assert render([diagnostic(help="write `needs: [draft]`")]) == (
        "workflows/brief.yaml:7:12: error[wrong-type]: "
        "`needs` must be a list of step ids, found the text `draft`\n"
        "  |\n"
        "7 |     needs: draft\n"
        "  |            ^^^^^\n"
        "  = help: write `needs: [draft]`\n"
    )


def test_the_full_form_of_a_file_as_a_whole_has_no_line() -> None:
    shown = render([diagnostic(1, 1, source=None, code="not-a-file", message="there is no file")])
    assert shown == "workflows/brief.yaml:1:1: error[not-a-file]: there is no file\n"


def test_the_gutter_is_as_wide_as_the_number() -> None:
    assert render([diagnostic(1234)]).splitlines()[1:] == [
        "     |",
        "1234 |     needs: draft",
        "     |            ^^^^^",
    ]


def test_the_concise_form_is_one_line_each() -> None:
    shown = render(
        [diagnostic(), diagnostic(8, message="two\nlines", severity="warning")], "concise"
    )
    assert shown.splitlines() == [
        f"workflows/brief.yaml:7:12: error[wrong-type]: {diagnostic().message}",
        "workflows/brief.yaml:8:12: warning[wrong-type]: two\\nlines",
    ]


def test_the_json_form_is_a_stable_list() -> None:
    shown = render([diagnostic(help="fix")], "json")
    assert json.loads(shown) == [
        {
            "path": "workflows/brief.yaml",
            "line": 7,
            "column": 12,
            "length": 5,
            "severity": "error",
            "code": "wrong-type",
            "message": "`needs` must be a list of step ids, found the text `draft`",
            "help": "fix",
        }
    ]
    assert render([], "json") == "[]\n"


def test_github_gets_annotations_with_its_escapes() -> None:
    shown = render([diagnostic(path="a,b:c.yaml", message="50% of it\nmore", help="fix")], "github")
    assert shown == (
        "::error file=a%2Cb%3Ac.yaml,line=7,col=12,title=error[wrong-type]"
        "::50%25 of it\\nmore%0Afix\n"
    )


def test_github_gets_the_nine_worst_and_how_many_more() -> None:
    many = [diagnostic(line, severity="warning") for line in range(1, 9)]
    many += [diagnostic(line) for line in range(10, 16)]
    lines = render(many, "github").splitlines()
    assert len(lines) == 10
    assert sum(line.startswith("::error file") for line in lines) == 6
    assert sum(line.startswith("::warning file") for line in lines) == 3
    assert lines[-1] == "::error::and 5 more"


def test_github_knows_hints_as_notices() -> None:
    assert render([diagnostic(severity="hint")], "github").startswith("::notice ")


def test_ten_annotations_need_no_more() -> None:
    assert len(render([diagnostic(line) for line in range(10)], "github").splitlines()) == 10


def test_diagnostics_are_sorted_and_said_once() -> None:
    first, second = diagnostic(2, 9), diagnostic(10, 1)
    other = diagnostic(1, 1, path="z.yaml")
    warning = diagnostic(2, 9, severity="warning")
    given_order = [other, second, warning, first, second]
    assert in_order(given_order) == [first, warning, second, other]
    assert render(given_order) == render(reversed(given_order))


def test_at_most_twenty_errors_of_a_file_are_shown() -> None:
    many = [diagnostic(line) for line in range(1, 31)]
    elsewhere = diagnostic(path="other.yaml")
    shown = render([*many, elsewhere], "concise").splitlines()
    assert len(shown) == 22
    assert shown[-1] == "workflows/brief.yaml: and 10 more"
    assert render(many, "concise", most=3).splitlines()[3:] == ["workflows/brief.yaml: and 27 more"]
    assert len(json.loads(render(many, "json"))) == 30


def test_warnings_do_not_crowd_out_errors() -> None:
    many = [diagnostic(line, severity="warning") for line in range(1, 31)]
    assert "error[" in render([*many, diagnostic(99)], "concise")


@pytest.mark.parametrize(
    ("source", "column", "length", "line", "caret"),
    [
        ("a: \x1b[31m", 4, 1, "a: \\x1b[31m", "   ^^^^"),
        ("a: \u202eb", 4, 1, "a: \\u202eb", "   ^^^^^^"),
        ("a:\u00a0b", 3, 1, "a:\\u00a0b", "  ^^^^^^"),
        ("\ta: b", 1, 1, "    a: b", "^^^^"),
        ("日本: xy", 5, 2, "日本: xy", "      ^^"),
        ("e\u0301: xy", 5, 2, "e\u0301: xy", "   ^^"),
        ("a: b", 9, 3, "a: b", "    ^"),
        ("", 1, 1, "", "^"),
    ],
    ids="escape direction nbsp tab wide combining beyond empty".split(),  # noqa: SIM905
)
def test_source_lines_are_safe_and_carets_stand_below(
    source: str, column: int, length: int, line: str, caret: str
) -> None:
    shown = render([diagnostic(7, column, source=source, length=length)]).splitlines()
    assert shown[2].removeprefix("7 |").removeprefix(" ") == line
    assert shown[3] == f"  | {caret}"


@pytest.mark.parametrize("column", [1, 50, 500, 990])
def test_a_long_line_is_cut_around_the_caret(column: int) -> None:
    source = "".join(chr(ord("a") + at % 26) for at in range(1000))
    shown = render([diagnostic(7, column, source=source)]).splitlines()
    text, caret = shown[2].removeprefix("7 | "), shown[3].removeprefix("  | ")
    assert len(text) <= 102
    assert text[len(caret) - 5 : len(caret)] == source[column - 1 : column + 4]


def test_colour_changes_no_word() -> None:
    plain, coloured = (
        render([diagnostic(help="fix")]),
        render([diagnostic(help="fix")], colour=True),
    )
    assert "\x1b[" not in plain
    assert "\x1b[1;31merror[wrong-type]" in coloured
    bare = coloured
    for code in ("\x1b[1;31m", "\x1b[2m", "\x1b[0m"):
        bare = bare.replace(code, "")
    assert bare == plain


@given(st.text(), st.text(), st.integers(1, 400), st.integers(1, 50))
def test_no_control_character_reaches_the_terminal(
    message: str, source: str, column: int, length: int
) -> None:
    shown = render([diagnostic(7, column, source=source, length=length, message=message)])
    assert all(character == "\n" or character.isprintable() or character.isspace() or ord(
        character) > 0x9F for character in shown)  # fmt: skip
    assert "\x1b" not in shown
    assert "\r" not in shown


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("promt", ["prompt", "model"], "prompt"),
        ("Model", ["prompt", "model"], "model"),
        ("seed", ["needs", "steps"], None),
        ("xyz", ["prompt"], None),
        ("a", [], None),
    ],
)
def test_a_near_miss_is_named(word: str, known: list[str], meant: str | None) -> None:
    assert did_you_mean(word, known) == meant


def test_every_rule_is_one_sentence() -> None:
    for code, sentence in RULES.items():
        assert code == code.lower()
        assert " " not in code
        assert sentence[0].isupper() or sentence[0] == "`", code
        assert sentence.endswith("."), code
