"""Lines, arrows and short words that all pictures of steps share.

Where steps stand is left to `layout`, what they look like to whoever draws them.
"""

from __future__ import annotations

from flowrunner.report.html.markup import Markup, element


def arrows() -> list[Markup]:
    """The heads of lines, plain and faded, which lines name by their ids."""
    shape = element("path", {"d": "M0 0 8 4 0 8Z"})
    attributes: dict[str, str | int] = {
        "viewBox": "0 0 8 8",
        "refX": 7,
        "refY": 4,
        "markerWidth": 8,
        "markerHeight": 8,
        "orient": "auto",
    }
    names = ("arrow", "arrow-faded")
    return [element("marker", {"id": n, "class": n, **attributes}, shape) for n in names]


def curve(points: list[tuple[float, float]]) -> str:
    """A line through the points of an edge, as the `d` of a path."""
    (x, y), *rest = points
    path = [f"M{x:.1f} {y:.1f}"]
    for n, (to_x, to_y) in enumerate(rest):
        # Every second stretch runs straight through a layer; the others bend between layers.
        if n % 2:
            path.append(f"L{to_x:.1f} {to_y:.1f}")
        else:
            middle = (y + to_y) / 2
            path.append(f"C{x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} {to_x:.1f} {to_y:.1f}")
        x, y = to_x, to_y
    return "".join(path)


def brief(condition: str) -> str:
    """A condition without what is the same in all of them."""
    return condition.replace("steps.", "").replace(".output.", ".").replace("inputs.", "")


def shortened(text: str, letters: int) -> str:
    """A text that fits, with a sign that it was longer."""
    return text if len(text) <= letters else text[: letters - 1].rstrip() + "…"
