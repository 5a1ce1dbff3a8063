"""Broken lines: nothing is lost, nothing is too wide."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flowrunner.report.wrapping import wrapped_line

LINES = st.lists(st.text("abc-", min_size=1, max_size=90), max_size=8).map(" ".join)


@given(LINES, st.integers(10, 40))
def test_all_letters_come_out_in_order_and_fit(line: str, width: int) -> None:
    lines = wrapped_line(line, width)
    assert "".join("".join(lines).split()) == "".join(line.split())
    assert all(len(part) <= width for part in lines)


def test_an_ordinary_line_is_broken_between_words() -> None:
    assert wrapped_line("one two three", 8) == ["one two", "three"]


def test_a_word_of_megabytes_is_cut() -> None:
    # A way of cutting that copies the rest for each piece would not come back for minutes.
    lines = wrapped_line("x" * 8_000_000, 80)
    assert (len(lines), lines[-1]) == (100_000, "x" * 80)
