"""A graph as one SVG file that opens by itself, in light and dark, without Graphviz.

Steps stand where the layout of the report puts them; steps with others inside are boxes around
theirs, laid out first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from flowrunner.report.graphs.nodes import Graph, Node
from flowrunner.report.html.layout import Sizes, lay_out
from flowrunner.report.html.markup import Markup, element, own_style
from flowrunner.report.html.strokes import arrows, brief, curve, shortened

_SIZES = Sizes(width=214, height=50)
_NOTE = 17
_PAD = 14
_HEAD = 44
_CASE_HEAD = 26
_GAP = 16
_MARGIN = 12
_LETTERS, _SMALL_LETTERS = 24, 31
_PIXELS_PER_LETTER = 7


@dataclass(slots=True)
class _Picture:
    """Something drawn, its size, and where its parts stand in it."""

    width: float
    height: float
    parts: list[Markup] = field(default_factory=list)

    def at(self, x: float, y: float) -> Markup:
        return element("g", {"transform": f"translate({x:.1f} {y:.1f})"}, *self.parts)


def to_svg(graph: Graph) -> str:
    """The whole file. Every text in it is escaped, and nothing is loaded or run."""
    picture = _list(graph.nodes)
    width, height = picture.width + 2 * _MARGIN, picture.height + 2 * _MARGIN
    attributes = {
        "xmlns": "http://www.w3.org/2000/svg",
        "width": round(width),
        "height": round(height),
        "viewBox": f"0 0 {width:.0f} {height:.0f}",
        "role": "img",
        "aria-label": f"The steps of {graph.name}",
    }
    drawn = element(
        "svg",
        attributes,
        element("title", "", graph.name),
        own_style(_style()),
        element("defs", "", *arrows()),
        element("rect", {"class": "ground", "width": "100%", "height": "100%"}),
        picture.at(_MARGIN, _MARGIN),
    )
    return f"{drawn.source}\n"


@cache
def _style() -> str:
    return (files(__package__ or "") / "graph.css").read_text(encoding="utf-8")


def _list(nodes: Sequence[Node]) -> _Picture:
    """The steps of one list with the lines between them."""
    pictures = {node.id: _group(node) if node.is_group else _step(node) for node in nodes}
    boxes = {name: (each.width, each.height) for name, each in pictures.items()}
    layout = lay_out({node.id: node.waits_for for node in nodes}, _SIZES, boxes)
    conditional = {node.id for node in nodes if node.is_conditional}
    parts = [_edge(points, dashed=end in conditional) for _, end, points in layout.edges]
    for name, picture in pictures.items():
        middle, top = layout.places[name]
        parts.append(picture.at(middle - picture.width / 2, top))
    return _Picture(layout.width, layout.height, parts)


def _edge(points: list[tuple[float, float]], *, dashed: bool) -> Markup:
    classes = "edge dashed" if dashed else "edge"
    return element("path", {"class": classes, "d": curve(points), "marker-end": "url(#arrow)"})


def _step(node: Node) -> _Picture:
    height = _SIZES.height + _NOTE * len(node.notes)
    box = {"class": "box", "width": _SIZES.width, "height": height, "rx": 10}
    lines = _texts(node, _LETTERS, _SMALL_LETTERS)
    return _Picture(_SIZES.width, height, [element("rect", box), *lines, _spoken(node)])


def _texts(node: Node, letters: int, small: int) -> list[Markup]:
    """The name, what it does, and below each note."""
    lines = [_text(node.id, "name", 21, letters), _text(node.what, "line", 38, small)]
    notes = (brief(note) for note in node.notes)
    return [
        *lines,
        *(_text(each, "note", 38 + _NOTE * n, small) for n, each in enumerate(notes, 1)),
    ]


def _text(text: str, look: str, y: float, letters: int) -> Markup:
    return element("text", {"class": look, "x": 12, "y": y}, shortened(text, letters))


def _spoken(node: Node) -> Markup:
    return element("title", "", ": ".join([node.id, ", ".join([node.what, *node.notes])]))


def _group(node: Node) -> _Picture:
    """A box around the steps inside; the cases of a branch stand side by side."""
    inner = [_case(case, _list(below)) for case, below in node.lists]
    head = _HEAD + _NOTE * len(node.notes)
    width = sum(each.width for each in inner) + _GAP * (len(inner) - 1) + 2 * _PAD
    width = max(width, _SIZES.width)
    height = head + max(each.height for each in inner) + _PAD
    box = {"class": "group", "width": width, "height": height, "rx": 12}
    room = max(int((width - 24) / _PIXELS_PER_LETTER), _LETTERS)
    parts = [element("rect", box), *_texts(node, room, room), _spoken(node)]
    x = (width - sum(each.width for each in inner) - _GAP * (len(inner) - 1)) / 2
    for picture in inner:
        parts.append(picture.at(x, head))
        x += picture.width + _GAP
    return _Picture(width, height, parts)


def _case(case: str | None, picture: _Picture) -> _Picture:
    if case is None:
        return picture
    width, height = picture.width + 2 * _PAD, picture.height + _CASE_HEAD + _PAD
    box = {"class": "case", "width": width, "height": height, "rx": 8}
    name = _text(case, "case-name", 18, max(int(width / _PIXELS_PER_LETTER) - 3, 3))
    return _Picture(width, height, [element("rect", box), name, picture.at(_PAD, _CASE_HEAD)])
