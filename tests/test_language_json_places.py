"""Places in a JSON text, by route."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.language.json_places import span_of

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)


def _routes(value: Any, route: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    yield route, value
    if isinstance(value, dict):
        for name, below in value.items():
            yield from _routes(below, (*route, name))
    elif isinstance(value, list):
        for at, below in enumerate(value):
            yield from _routes(below, (*route, at))


@given(value=VALUES, indent=st.sampled_from([None, 0, 3]), ascii_only=st.booleans())
def test_a_plain_value_is_found_at_its_route(
    value: Any, indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    for route, wanted in _routes(value):
        start, length = span_of(text, route)
        seen = text[start : start + length]
        if not isinstance(wanted, dict | list):
            assert json.loads(seen) == wanted
        elif route and isinstance(route[-1], str):
            assert json.loads(seen) == route[-1]
        else:
            assert seen == ("{" if isinstance(wanted, dict) else "[")


@pytest.mark.parametrize(
    ("route", "seen"),
    [(("a", "nowhere"), '"a"'), (("a", "b", 1, "c"), "2"), (("z",), "{"), ((0,), "{")],
)
def test_what_is_not_there_is_told_where_it_would_stand(route: tuple[Any, ...], seen: str) -> None:
    text = '\ufeff {"a": {"b": [1, 2]}}'
    start, length = span_of(text, route)
    assert text[start : start + length] == seen
