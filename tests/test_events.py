"""Addresses: the words by which people and the journal name a place in a run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.events import Address, Segment, Usage

ids = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
counts = st.none() | st.integers(1, 10**6)
segments = st.builds(Segment, ids, counts, counts)


@given(st.lists(segments, min_size=1, max_size=4), st.integers(1, 9))
def test_an_address_reads_back(path: list[Segment], attempt: int) -> None:
    address = Address(tuple(path), attempt=attempt)
    assert Address.parse(address.unit, attempt) == address
    assert address.step == path[-1].step


@pytest.mark.parametrize("text", ["", "A", "a[0x]", "a//b", "a#", "a[1", "a b"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        Address.parse(text)


def test_written_form() -> None:
    path = (Segment("extract", item=3), Segment("polish", round=2), Segment("draft"))
    assert Address(path).unit == "extract[3]/polish#2/draft"


def test_usage_adds_up() -> None:
    assert Usage(1, 2, 3, 4, 5) + Usage(10, 20, 30, 40, 50) == Usage(11, 22, 33, 44, 55)
