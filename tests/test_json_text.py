"""JSON of strangers: one value, or a sentence and its place; never an exception of another kind."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.json_text import MAX_DEPTH, NotJson, parse, parse_bytes


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2.5, true, null, "ü"]}', {"a": [1, 2.5, True, None, "ü"]}),
        ("\ufeff[]", []),
        (" 7 ", 7),
        (r'"\ud83d\ude00"', "😀"),
        (r'"\ud83d cut"', "\ufffd cut"),
        (r'"cut \uD83D"', "cut \ufffd"),
        (r'"\\ud83d"', r"\ud83d"),
        (r'"\ude00\ud83d"', "\ufffd\ufffd"),
        ('"raw \ud83d half"', "raw \ufffd half"),
        ("[" * MAX_DEPTH + "]" * MAX_DEPTH, None),
        (json.dumps(["[" * 500, '{\\"'] * 200), None),
    ],
)
def test_what_is_json(text: str, value: object) -> None:
    found = parse(text)
    assert found == (json.loads(text) if value is None else value)
    json.dumps(found, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("text", "said", "place"),
    [
        ("", "empty", (1, 1)),
        ("  \n ", "empty", (2, 2)),
        ('{"a": 1', "cut off", (1, 8)),
        ('{"a": ', "cut off", (1, 7)),
        ('{"a": "x', "never closed", (1, 7)),
        ("{'a': 1}", "double quotes", (1, 2)),
        ('{"a": 1} and more', "more text follows", (1, 10)),
        ("[NaN]", "`NaN` is not", (None, None)),
        ("[-Infinity]", "`-Infinity` is not", (None, None)),
        ("[1e999]", "too large", (None, None)),
        ("9" * 5000, "thousands of digits", (None, None)),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "`c` is given twice", (None, None)),
        ("[" * 100_000, "nested more than 200", (None, None)),
        ('{"a":' * 100_000, "nested more than 200", (None, None)),
        ("[" * 201 + "]" * 201, "nested more than 200", (None, None)),
        ("undefined", "not JSON", (1, 1)),
        ('{"a" 1}', "`:`", (1, 6)),
        ('{"a": 1 "b": 2}', "`,`", (1, 9)),
        ('"line\nbreak"', "control character", (1, 6)),
        ('"\\x41"', "backslash", (1, 2)),
        ('"\\u12"', "`\\u`", (1, 3)),
    ],
)
def test_what_is_not(text: str, said: str, place: tuple[int | None, int | None]) -> None:
    with pytest.raises(NotJson) as fault:
        parse(text)
    assert said in fault.value.message
    assert (fault.value.line, fault.value.column)[: 1 if place[0] is None else 2] == (
        place[:1] if place[0] is None else place
    )


def test_other_encodings() -> None:
    assert parse_bytes(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}
    for content in ('"ü"'.encode("latin-1"), '"a"'.encode("utf-16")):
        with pytest.raises(NotJson, match="not UTF-8"):
            parse_bytes(content)


@given(st.text() | st.text(alphabet='[]{}",:\\u0d8 1eE.-+truefalsn'))
def test_no_text_raises_anything_else(text: str) -> None:
    try:
        value = parse(text)
    except NotJson:
        return
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


@given(st.binary())
def test_no_bytes_raise_anything_else(content: bytes) -> None:
    with suppress(NotJson):
        parse_bytes(content)


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(), below, max_size=4),
    max_leaves=20,
)


@given(_VALUES, st.booleans())
def test_what_was_written_is_read(value: object, ascii_only: bool) -> None:
    assert parse(json.dumps(value, ensure_ascii=ascii_only)) == value
