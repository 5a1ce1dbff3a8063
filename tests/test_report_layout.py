"""Where steps stand: below what they wait for, never on one another."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from flowrunner.report.html.layout import Sizes, lay_out, layers_of

SIZES = Sizes()


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    names = [f"s{n}" for n in range(draw(st.integers(0, 14)))]
    return {
        name: draw(st.lists(st.sampled_from(names[:n]), max_size=4)) if n else []
        for n, name in enumerate(names)
    }


def test_a_triage() -> None:
    graph = {"summary": [], "triage": ["summary"], "bug": ["triage"], "reply": ["triage"]}
    assert layers_of(graph) == [["summary"], ["triage"], ["bug", "reply"]]
    layout = lay_out(graph, SIZES)
    places = layout.places
    assert places["summary"][0] == places["triage"][0]
    assert places["bug"][0] < places["triage"][0] < places["reply"][0]
    assert layout.width == 2 * SIZES.width + SIZES.gap
    assert [(start, end) for start, end, _ in layout.edges] == [
        ("summary", "triage"), ("triage", "bug"), ("triage", "reply"),
    ]  # fmt: skip


def test_what_is_waited_for_anyway_needs_no_line() -> None:
    layout = lay_out({"a": [], "b": ["a"], "c": ["a", "b"]}, SIZES)
    assert [(start, end) for start, end, _ in layout.edges] == [("a", "b"), ("b", "c")]


def test_a_long_edge_runs_around_the_steps_between() -> None:
    graph = {"a": [], "x": [], "b": ["a"], "c": ["b"], "d": ["c", "x"]}
    layout = lay_out(graph, SIZES)
    points = next(points for start, _, points in layout.edges if start == "x")
    assert len(points) == 6
    for x, y in points[1:-1]:
        for name, (middle, top) in layout.places.items():
            inside = abs(x - middle) < SIZES.width / 2 and top < y < top + SIZES.height
            assert not inside, name


def test_no_steps() -> None:
    assert lay_out({}, SIZES).width == 0


@given(graphs())
def test_steps_stand_apart_and_below_what_they_wait_for(graph: dict[str, list[str]]) -> None:
    layout = lay_out(graph, SIZES)
    assert set(layout.places) == set(graph)
    for (_, (x1, y1)), (_, (x2, y2)) in combinations(layout.places.items(), 2):
        assert y1 != y2 or abs(x1 - x2) >= SIZES.width + SIZES.gap - 0.01
    for name, earlier in graph.items():
        for other in earlier:
            assert layout.places[other][1] < layout.places[name][1]
    for x, y in layout.places.values():
        assert x - SIZES.width / 2 >= -0.01
        assert x + SIZES.width / 2 <= layout.width + 0.01
        assert y + SIZES.height <= layout.height + 0.01


@given(graphs())
def test_the_same_graph_stands_the_same(graph: dict[str, list[str]]) -> None:
    assert lay_out(graph, SIZES) == lay_out(graph, SIZES)
