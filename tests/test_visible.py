"""What is not seen, or is obeyed, is shown; what people write in any language stays."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.visible import escape_of, has_hidden, one_line, parts, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("\x1b[2J", "\\x1b[2J", id="escape-sequence"),
        pytest.param("\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07", id="clipboard"),
        pytest.param("\x9b31m", "\\x9b31m", id="c1"),
        pytest.param("done\rFAILED", "done\\rFAILED", id="carriage-return"),
        pytest.param("a\r\nb", "a\nb", id="line-end-of-windows"),
        pytest.param("a\n\tb", "a\n\tb", id="newline-and-tab-stay"),
        pytest.param("nul\x00", "nul\\x00", id="nul"),
        pytest.param("user\u202etxt.exe", "user\\u202etxt.exe", id="direction-override"),
        pytest.param("a\u2066b\u2069", "a\\u2066b\\u2069", id="isolates"),
        pytest.param("a\u200bb", "a\\u200bb", id="zero-width-space"),
        pytest.param("\ufeffa", "\\ufeffa", id="byte-order-mark"),
        pytest.param("a\xadb", "a\\xadb", id="soft-hyphen"),
        pytest.param("\U000e0041\U000e007f", "\\U000e0041\\U000e007f", id="tag-characters"),
        pytest.param("a\ufe0fb", "a\ufe0fb", id="one-selector-after-a-letter"),
        pytest.param("a\ufe0f\ufe0eb", "a\ufe0f\\ufe0eb", id="selectors-as-a-hiding-place"),
        pytest.param("a\U000e0101b", "a\\U000e0101b", id="ideographic-selector-after-latin"),
        pytest.param("a\u200db", "a\\u200db", id="joiner-between-latin"),
        pytest.param("\u3164", "\\u3164", id="hangul-filler"),
        pytest.param("\ud800", "\\ud800", id="lone-surrogate"),
        pytest.param("a\u2028b", "a\\u2028b", id="line-separator"),
    ],
)
def test_hidden_characters_are_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "Grüße, naïve café",
        "中文字符 日本語 한국어",
        "العربية والعبرية עברית",
        "می‌خواهم",  # Persian, with a non-joiner between its letters
        "क्‍ष",  # Devanagari, with a joiner
        "👨‍👩‍👧 ❤️ 🏳️‍🌈",
        "葛\U000e0101",
        "5 > 3 && \\n is two characters",
    ],
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert visible(text) == text
    assert not has_hidden(text)


def test_one_line_is_one_line() -> None:
    forged = "ok\nDone. OK=9 FAILED=0\r\n\ttail"
    assert one_line(forged) == "ok\\nDone. OK=9 FAILED=0\\n\\ttail"


@given(st.text(alphabet=st.characters()))
def test_nothing_shown_is_obeyed_by_a_terminal(text: str) -> None:
    for character in visible(text):
        assert unicodedata.category(character) not in {"Cc", "Cs"} or character in "\n\t"
        assert character not in "\u202e\u2066\u200b\u200e\ufeff"
    assert "\n" not in one_line(text)


@given(st.text())
def test_the_parts_say_what_visible_says(text: str) -> None:
    joined = "".join(escape_of(piece) if hidden else piece for hidden, piece in parts(text))
    assert joined == visible(text)
