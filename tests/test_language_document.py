"""YAML with places: what is read, what is refused, and where every character of a value stands."""

from __future__ import annotations

import json
import os
import pickle
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flowrunner.diagnostics import Diagnostic, Finding, Route
from flowrunner.language.document import Document, SpelledFloat, SpelledInt, composing, parse, read

NAMES = {"'": "single", '"': "double", "|": "literal", ">": "folded"}


def composed(text: str | bytes) -> Document:
    document, diagnostics = parse(text, "a.yaml")
    assert document is not None
    assert diagnostics == []
    return document


def codes(text: str | bytes) -> list[str]:
    return [diagnostic.code for diagnostic in parse(text, "a.yaml")[1]]


def pointed_at(document: Document, diagnostic: Diagnostic) -> str:
    return _source(document.text, diagnostic.place.line, diagnostic.place.column,
                   diagnostic.place.length)  # fmt: skip


def _source(text: str, line: int, column: int, length: int) -> str:
    return text.split("\n")[line - 1][column - 1 : column - 1 + length]


def at(document: Document, route: Route, **aim: Any) -> str:
    place = document.place(route, **aim)
    return _source(document.text, place.line, place.column, place.length)


# What scalars are worth


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("", None),
        ("0", 0),
        ("-7", -7),
        ("3.10", 3.1),
        ("0.5", 0.5),
        ("'true'", "true"),
        ('"3"', "3"),
    ],
)
def test_only_the_plainest_scalars_are_typed(written: str, value: object) -> None:
    found = composed(f"a: {written}\n").value["a"]
    assert found == value
    assert isinstance(found, bool) == isinstance(value, bool)


@pytest.mark.parametrize(
    "written",
    [
        "True",
        "TRUE",
        "yes",
        "no",
        "on",
        "off",
        "~",
        "Null",
        "012",
        "0o17",
        "0x1F",
        "1e3",
        "1_000",
        "+1",
        ".5",
        "1.",
        "1:30",
        "12:30:45",
        "2026-01-31",
        ".inf",
        ".nan",
        "-.inf",
        "1.2.3",
    ],
)
def test_all_other_plain_scalars_are_text_as_spelled(written: str) -> None:
    assert composed(f"a: {written}\n").value["a"] == written


def test_numbers_remember_their_spelling() -> None:
    document = composed("a: 3.10\nb: 12\nc: '3.10'\nd:\ne: true\n")
    assert [document.spelling((key,)) for key in "abcde"] == ["3.10", "12", "3.10", "", "true"]
    assert [document.is_plain((key,)) for key in "abc"] == [True, True, False]
    assert document.spelling(()) is None
    assert document.is_plain(("nope",)) is False


def test_spelled_numbers_are_numbers_for_json_and_copies() -> None:
    values = [SpelledFloat("3.10"), SpelledInt(12)]
    assert json.dumps(values) == "[3.1, 12]"
    assert [each.spelling for each in deepcopy(values)] == ["3.10", "12"]
    assert pickle.loads(pickle.dumps(values))[0].spelling == "3.10"


def test_an_endless_number_is_text() -> None:
    assert composed(f"a: {'9' * 5000}\n").value["a"] == "9" * 5000


def test_keys_are_always_text() -> None:
    assert composed("1: a\ntrue: b\n1.0: c\nno: d\n").value == {
        "1": "a",
        "true": "b",
        "1.0": "c",
        "no": "d",
    }


def test_aliases_repeat_a_value_and_its_place() -> None:
    document = composed("a: &x { deep: [1, two] }\nb: *x\n")
    assert document.value["b"] == {"deep": [1, "two"]}
    assert at(document, ("b", "deep", 1)) == "two"
    assert at(document, ("b",)) == "*x"
    assert document.spelling(("b", "deep", 1)) == "two"


def test_a_byte_order_mark_and_line_ends_change_nothing() -> None:
    plain = composed("a: |\n  x\n  y\nb: 1\n")
    for other in ("\ufeffa: |\n  x\n  y\nb: 1\n", "a: |\r\n  x\r\n  y\r\nb: 1\r\n"):
        for text in (other, other.encode()):
            document = composed(text)
            assert (document.value, document.sha256) == (plain.value, plain.sha256)
            assert document.place(("b",)) == plain.place(("b",))


# Where things stand


def test_a_place_is_of_the_value_or_of_its_key() -> None:
    document = composed("steps:\n  - id: one\n    needs: [a, 'b c']\n")
    assert at(document, ("steps", 0, "needs", 1)) == "'b c'"
    assert at(document, ("steps", 0, "needs"), aim="key") == "needs"
    assert at(document, ("steps", 0, "needs")) == "[a, 'b c']"


@pytest.mark.parametrize(
    ("route", "shown"),
    [
        (("steps", 0, "prompt"), "one"),
        (("steps", 1, "id"), "prompt"),
        (("steps", 1, "text", "format"), "text"),
        (("name",), "steps"),
        (("steps", 9), "steps"),
        (("steps", 1, "empty"), "empty"),
    ],
)
def test_something_missing_is_placed_at_what_is_above_it(route: Route, shown: str) -> None:
    text = "steps:\n  - id: one\n  - prompt: x\n    text: { a: b }\n    empty:\n"
    assert at(composed(text), route) == shown


@pytest.mark.parametrize(
    "written",
    [
        "Hello {{ x }} you",
        "Hello\n    {{ x }}\n\n    you",
        "'it''s {{ x }} ''here'''",
        "'a\n\n  b  \n  {{ x }} c'",
        '"tab\\t \\u00e9 \\x41 \\U0001F600 {{ x }} \\\n   end"',
        '"a  \n\n   {{ x }}"',
        "|\n    one\n  \n      {{ x }}\n    end",
        "|2\n     one\n    {{ x }}",
        "|+\n    {{ x }}\n\n\n",
        "|-\n    a\n    {{ x }}\n",
        ">\n    one\n    {{ x }}\n\n    three\n      more\n    end",
        ">-2\n     a\n    b {{ x }}\n",
        "|  # a comment\n    é日本 {{ x }}",
        "{{ x }}",
    ],
    ids=lambda written: written[:12].replace("\n", "/"),
)
def test_an_offset_in_a_value_is_found_in_the_source(written: str) -> None:
    document, _ = parse(f"top:\n  key: {written}\nnext: 1\n", "a.yaml")
    assert document is not None
    value = document.value["top"]["key"]
    found = at(document, ("top", "key"), start=value.index("{{ x }}"), length=7)
    assert found == "{{ x }}"


def test_a_span_over_lines_is_cut_at_the_end_of_its_first() -> None:
    document = composed("a: |\n  one two\n  three\n")
    assert at(document, ("a",), start=4, length=9) == "two"


def test_a_finding_becomes_a_diagnostic_with_its_line() -> None:
    document = composed("a: 1\nb: wrong here\n")
    finding = Finding("wrong-type", "no", ("b",), "fix", start=6, length=4)
    diagnostic = document.diagnose(finding)
    assert (diagnostic.place.line, diagnostic.place.column, diagnostic.place.length) == (2, 10, 4)
    assert (diagnostic.source_line, diagnostic.help) == ("b: wrong here", "fix")


LETTERS = st.characters(
    exclude_categories=["Cc", "Cs", "Cn", "Co", "Zl", "Zp"],
    exclude_characters="\ufeff\u2028\u2029\x85",
)
TEXTS = st.text(st.one_of(st.sampled_from("ab '\"\\:#-{}|>\n\t"), LETTERS), min_size=1)


@settings(deadline=None, max_examples=300)
@given(value=TEXTS, style=st.sampled_from(["'", '"', "|", ">", None]), width=st.integers(10, 40))
@example(value="a\n\n b\n", style=">", width=10)
@example(value=" lead\n\ttab\n\n", style="|", width=10)
def test_every_character_of_a_value_is_found_in_the_source(
    value: str, style: str | None, width: int
) -> None:
    """Whatever style the value is written in, the place of each offset shows that character."""
    written = yaml.dump(
        {"outer": [{"key": value, "after": 1}]},
        default_style=style,
        width=width,
        allow_unicode=True,
    )
    document, _ = parse(written, "a.yaml")
    assert document is not None
    key = next(iter(document.value))
    route = (key, 0, next(name for name in document.value[key][0] if name == "key"))
    found = document.value[key][0]["key"]
    if not isinstance(found, str):
        return
    lines = document.text.split("\n")
    for offset, character in enumerate(found):
        place = document.place(route, start=offset, length=1)
        line = lines[place.line - 1]
        shown = line[place.column - 1 : place.column]
        if character == "\n" and shown != "\\":
            assert place.column > len(line.rstrip(" \t")) or not line.strip()
        elif character == " ":
            assert shown in (" ", "\\", "")
        else:
            assert shown == character or shown == "\\"


# What is refused


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["empty"]),
        ("# only this\n", ["empty"]),
        ("---\n", ["empty"]),
        ("- a\n", ["root"]),
        ("just text\n", ["root"]),
        ("a: 1\n---\nb: 2\n", ["multi-doc"]),
        ("a: 1\nb: 2\na: 3\na: 4\n", ["dup-key", "dup-key"]),
        ("a: { b: 1, b: 2 }\n", ["dup-key"]),
        ("a:\n\tb: 1\n", ["tab"]),
        ("a: {{ x }}\n", ["quote-template"]),
        ("- {{ x }}\n", ["root", "quote-template"]),
        ("a: [{{ x }}, {{ y }}]\n", ["quote-template", "quote-template"]),
        ("a: { b: {{ x }} }\n", ["quote-template"]),
        ("a: {{ x }} and more\n", ["quote-template"]),
        ("a: {{ [1, 2, &x y] }}\nb: *x\n", ["quote-template", "alias"]),
        ("a: {% if x %}y{% endif %}\n", ["quote-template"]),
        ("{{ x }}: 1\n", ["quote-template"]),
        ("a: Do this: now\n", ["colon"]),
        ("a: Do this: now\nb: And: that\nc: 'x' y\n", ["colon", "colon", "quoting"]),
        ("a: { b: Do this: now }\n", ["colon"]),
        ("a: &hi there\n", ["special-start"]),
        ("a: *bold*\n", ["special-start"]),
        ("a: !important thing\n", ["special-start"]),
        ("a: @user\nb: %d\nc: `x`\nd: > 5\n", ["special-start"] * 4),
        ("a: !include x.txt\n", ["tag"]),
        ("a: !!binary aGk=\n", ["tag"]),
        ("a: !!omap [b: 1]\n", ["tag"]),
        ("a: !!python/object/apply:os.system [id]\n", ["tag"]),
        ("a: *nope\n", ["alias"]),
        ("a: &x [*x]\n", ["cycle"]),
        ("a: &x 1\nb: &x 2\nc: *x\n", ["alias"]),
        ("<<: { a: 1 }\nb: 2\n", ["merge"]),
        ("b: 1\n~: 2\n", ["key-type"]),
        ("b: 1\n? [x]\n: 2\n", ["key-type"]),
        ("b: 1\n? { x: 1 }\n: 2\n", ["key-type"]),
        ("a: { b, c: 1 }\n", ["no-value"]),
        ("a: { type:text }\n", ["no-value"]),
        ("a: 'x\n", ["syntax"]),
        ("a: [1, 2\nb: 3\n", ["syntax"]),
        ('a: "\\q"\n', ["syntax"]),
        ("%YAML 3.0\n---\na: 1\n", ["syntax"]),
        (f"{'k' * 2000}: v\n", ["syntax"]),
        ("a: 1\n b: 2\n", ["syntax"]),
        ("a:1\nb: 2\n", ["syntax"]),
        ("st\u200beps: 1\n", ["invisible"]),
        ("\u0455teps: 1\n", ["invisible"]),
        ("steps\u202e: 1\n", ["invisible"]),
        ("a:\u00a0b\nc: 1\n", ["invisible"]),
        ("a: x\n\u00a0b: 1\n", ["invisible"]),
        ("a: x\u2028y\n", ["invisible"]),
        ("a: x\x00y\x1b\n", ["encoding", "encoding"]),
        ("a: \ud800\n", ["encoding"]),
        (b"a: caf\xe9\n", ["encoding"]),
        ("a: 1\n".encode("utf-16"), ["encoding"]),
        ("a: 1\n".encode("utf-16-be"), ["encoding"]),
    ],
    ids=lambda value: None if isinstance(value, list) else repr(value)[:30],
)
def test_what_yaml_would_misread_is_refused(text: str | bytes, expected: list[str]) -> None:
    assert codes(text) == expected


@pytest.mark.parametrize(
    ("text", "route", "value"),
    [
        ("a: {{ x }}\n", "a", "{{ x }}"),
        ("a: {{ x }} and\n", "a", "{{ x }} and"),
        ("a: Do this: now\n", "a", "Do this: now"),
        ("a: 'x' in y # why\n", "a", "'x' in y"),
        ("a: *bold* it\n", "a", "*bold* it"),
        ("a: !important it\n", "a", "!important it"),
        ("a: Do this: now\n  and that\n", "a", "Do this: now and that"),
        ("st\u200beps: 1\n", "steps", 1),
        ("a: 1\n\u0455teps: 2\n", "steps", 2),
    ],
)
def test_a_mended_value_is_what_its_author_meant(text: str, route: str, value: object) -> None:
    """So that what looks at the document next adds no second error for the same cause."""
    document, diagnostics = parse(text, "a.yaml")
    assert document is not None
    assert document.value[route] == value
    assert len(diagnostics) == 1


def test_a_mended_value_has_places_too() -> None:
    document, _ = parse("if: 'urgent' in inputs.note\n", "a.yaml")
    assert document is not None
    assert at(document, ("if",), start=12, length=6) == "inputs"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: issue #12\n", ["hash"]),
        ("a: #fff\n", ["hash"]),
        ("prompt: Use C # not Java\n", ["hash"]),
        ("a: [x #1\n]\n", ["hash"]),
        ("a: gpt-6 # the cheap one\n", []),
        ("if: a == 'b'  # only then\n", []),
        ("a: >\n  - x\n  - y\n", ["folded-list"]),
        ("a: >\n  text\n  1. x\n  2. y\n", ["folded-list"]),
        ("a: text\n  - x\n  - y\n", ["folded-list"]),
        ("a: |\n  - x\n  - y\n", []),
        ("a: >\n  text\n\n  - x\n", []),
        ("a: \u202eabc\n", ["invisible"]),
    ],
    ids=lambda value: None if isinstance(value, list) else repr(value)[:30],
)
def test_what_yaml_would_drop_is_warned_of(text: str, expected: list[str]) -> None:
    document, diagnostics = parse(text, "a.yaml")
    assert document is not None
    assert [each.code for each in diagnostics] == expected
    assert all(each.severity == "warning" for each in diagnostics)


def test_the_guilty_token_is_pointed_at() -> None:
    text = "a: 1\nb: Do this: now\nc: &hi there\nd: x\nd: y\n"
    document, diagnostics = parse(text, "a.yaml")
    assert document is not None
    assert [pointed_at(document, each) for each in diagnostics] == [":", "&hi", "d"]


# Monsters


def laughs() -> str:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]"
        for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[" * 100_000, "too-deep"),
        ("a: " + "{a: " * 100_000, "too-deep"),
        ("- " * 100_000, "too-deep"),
        ("".join(" " * depth + "a:\n" for depth in range(1000)), "too-deep"),
        (laughs(), "too-complex"),
        ("a: [" + "1," * 300_000 + "1]", "too-big"),
        ("- a\n" * 300_000, "too-big"),
        ("a" * (16 * 1024 * 1024 + 1), "too-big"),
        ("'" * 1_000_000, "root"),
        ("\t" * 1_000_000 + "a", "tab"),
        ("a: " + "b: " * 100_000, "colon"),
    ],
    ids="brackets braces dashes indents laughs wide long huge quotes tabs colons".split(),  # noqa: SIM905
)
def test_monsters_end_in_one_sentence(text: str, code: str) -> None:
    assert code in codes(text)


def test_a_file_with_countless_mistakes_ends() -> None:
    assert len(codes("a: x: y\n" * 5000)) <= 20
    assert len(codes("a: 1\n" * 100_000)) <= 200
    assert len(codes("a: &x 1\n" * 50_000)) <= 200
    assert len(codes("".join(f"k{n}: &a{n} [1]\n" for n in range(20_000)))) == 0
    assert len(codes("a: x #y\n" * 50_000)) <= 200


def test_deep_but_allowed_nesting_is_read() -> None:
    assert codes("a: " + "[" * 63 + "]" * 63) == []
    assert codes("a: " + "[" * 64 + "]" * 64) == ["too-deep"]


# Files


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: \xc3\xa9\r\n")
    document, diagnostics = read(path, "shown.yaml")
    assert document is not None
    assert (document.value, document.shown, diagnostics) == ({"name": "é"}, "shown.yaml", [])


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "device", "link", "below a file"])
def test_what_is_no_file_is_never_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.yaml"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path = Path("/dev/zero")
    elif kind == "link":
        path.symlink_to(tmp_path / "gone.yaml")
    elif kind == "below a file":
        path.write_text("a: 1\n")
        path = path / "b.yaml"
    document, diagnostics = read(path, "a.yaml")
    assert document is None
    assert [each.code for each in diagnostics] == ["not-a-file"]
    assert diagnostics[0].place.line == 1


def test_a_file_beyond_the_limit_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert [each.code for each in read(path, "a.yaml")[1]] == ["too-big"]


# Anything at all

SOUND = (
    "flowrunner: 1\nname: 'A ''b'''\nsteps:\n  - id: a\n    prompt: |\n      Hi {{ x }}\n"
    '  - { id: b, needs: [a], prompt: "c\\n" }\n  - id: c\n    text: >-\n      d\n      e\n'
)
MARKS = "{{ }} {% : # ' \" &a *a !x [ ] { } , - | > ? --- % @ ` <<:".split()  # noqa: SIM905
PIECES = st.sampled_from(
    [*MARKS, ": ", " #", "\t", "\n", "\n  ", "- ", "---\n", "\\", "\x00", "\u200b", "\u00a0"]
)


@settings(deadline=None, max_examples=300)
@given(where=st.lists(st.tuples(st.integers(0, len(SOUND)), PIECES), min_size=1, max_size=4))
def test_no_change_of_a_sound_file_raises(where: list[tuple[int, str]]) -> None:
    text = SOUND
    for position, piece in where:
        text = text[:position] + piece + text[position:]
    _assert_whole(*parse(text, "a.yaml"))


@settings(deadline=None, max_examples=200)
@given(content=st.binary(max_size=200))
def test_no_bytes_raise(content: bytes) -> None:
    _assert_whole(*parse(content, "a.yaml"))


@settings(deadline=None, max_examples=200)
@given(text=st.text(st.one_of(st.characters(), st.sampled_from(":{}[]'\"\n -#&*!|>%@`,?~"))))
def test_no_text_raises(text: str) -> None:
    _assert_whole(*parse(text, "a.yaml"))


def _assert_whole(document: Document | None, diagnostics: list[Diagnostic]) -> None:
    assert document is not None or diagnostics
    for diagnostic in diagnostics:
        assert diagnostic.place.line >= 1
        assert diagnostic.place.column >= 1
    if document is not None:
        _visit(document, document.value, ())


def _visit(document: Document, value: object, route: Route) -> None:
    document.place(route)
    document.place(route, aim="key")
    document.spelling(route)
    if isinstance(value, dict):
        for key, below in value.items():
            _visit(document, below, (*route, key))
    elif isinstance(value, list):
        for position, below in enumerate(value):
            _visit(document, below, (*route, position))
    elif isinstance(value, str):
        document.place(route, start=len(value) // 2, length=1)


def test_without_libyaml_the_pure_parser_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composing, "_LOADER", yaml.Loader)
    document = composed(SOUND)
    assert document.value["steps"][2]["text"] == "d e"
    assert at(document, ("steps", 0, "prompt"), start=3, length=7) == "{{ x }}"
    assert codes("a: Do this: now\nb: 'x' y\nc: {{ x }}\nd: @x\n") == [
        "colon",
        "quoting",
        "quote-template",
        "special-start",
    ]
    assert codes("[" * 5000) == ["too-deep"]
