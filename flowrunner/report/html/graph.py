"""The steps of a run as a picture: shapes by status, lines for what waits for what, and a list.

A graph of many steps becomes a map of small shapes, layer by layer; where they stand is left to
`layout`.
"""

from __future__ import annotations

from flowrunner.events import JSON
from flowrunner.report.figures import count, counted, duration
from flowrunner.report.html.layout import Sizes, lay_out, layers_of
from flowrunner.report.html.markup import Child, Markup, element, several
from flowrunner.report.html.pieces import (
    STATUS_WORDS,
    icon,
    price,
    raw,
    section,
    slug,
    step_look,
)
from flowrunner.report.html.strokes import arrows, brief, curve, shortened

_DRAWN_IN_FULL = 60
_MAP = (40, 22, 16)
_DENSE_MAP = (56, 15, 11)
_DENSE = 400
_SIZES = Sizes()
_MARGIN = 6
_LETTERS = 17
_BADGE_LETTERS = 9
_SMALL_LETTERS = 24
_FITS = 460


def graph_section(report: JSON) -> Markup | None:
    """What happened, as a picture and as the same in words; None for a run without steps."""
    if not report["graph"]:
        return None
    steps = {step["unit"]: step for step in report["steps"]}
    fragments = {step["unit"]: slug(step["unit"], n) for n, step in enumerate(report["steps"])}
    drawn = [
        _Drawn(
            entry,
            steps.get(entry["id"]),
            fragments.get(entry["id"], ""),
            report["run"]["simulated"],
        )
        for entry in report["graph"]
    ]
    full = len(drawn) <= _DRAWN_IN_FULL
    picture = _picture(drawn) if full else _map(drawn)
    note = counted(len(drawn), "step")
    scroll = {"class": "scroll graph", "tabindex": 0, "role": "group", "aria-label": "Graph"}
    return section(
        "graph", "What happened", element("div", scroll, picture), _words(drawn), note=note
    )


class _Drawn:
    """One step with all that its shape shows; what is inside of it is a number on it."""

    def __init__(self, entry: JSON, step: JSON, fragment: str, simulated: bool) -> None:
        self.id: str = entry["id"]
        self.waits_for: list[str] = entry["waits_for"]
        self.condition: str | None = entry["condition"]
        self.verb: str = entry["verb"] or "step"
        self.fragment = fragment
        self.look = "none" if step is None else step_look(step)
        self.word = "unknown" if self.look == "unknown" else STATUS_WORDS[self.look]
        self.holds_others = bool(entry["inside"] or entry["for_each"])
        self.badge = "" if step is None else _badge(step)
        self.figures = [] if step is None else _figures(step, simulated)

    @property
    def line(self) -> str:
        """The second line of the shape: the word for the status, time and money."""
        return " · ".join([self.word, *self.figures])

    @property
    def spoken(self) -> str:
        """The whole shape in words."""
        badge = f" {self.badge}" if self.badge else ""
        return f"{self.id}{badge}: {self.line}"


def _badge(step: JSON) -> str:
    """What a step with others inside of it did with them: `×3,080`, `3 rounds`, `→ billing`."""
    if step["items"]:
        return f"×{count(step['items']['total'])}"
    if step["rounds"]:
        return counted(step["rounds"]["count"], "round")
    return f"→ {step['case']}" if step["case"] is not None else ""


def _figures(step: JSON, simulated: bool) -> list[str]:
    figures = []
    if step["elapsed_s"] is not None and step["started_at"]:
        figures.append(duration(step["elapsed_s"]))
    if step["numbers"]["cost_usd"] and not simulated:
        figures.append(price(step["numbers"], simulated=False))
    return figures


def _picture(drawn: list[_Drawn]) -> Markup:
    layout = lay_out({step.id: step.waits_for for step in drawn}, _SIZES)
    by_id = {step.id: step for step in drawn}
    width, height = layout.width + 2 * _MARGIN, layout.height + 2 * _MARGIN
    lines = [_line(points, by_id[end]) for _, end, points in layout.edges]
    shapes = [_shape(step, *layout.places[step.id]) for step in drawn]
    attributes = {
        "class": "picture fits" if width <= _FITS else "picture",
        "width": width,
        "height": height,
        "viewBox": f"{-_MARGIN} {-_MARGIN} {width:.0f} {height:.0f}",
        "role": "group",
        "aria-label": "The graph of the steps; the same in words stands below it.",
    }
    return element("svg", attributes, element("defs", "", *arrows()), *lines, *shapes)


def _line(points: list[tuple[float, float]], end: _Drawn) -> Markup:
    faded = end.look in ("skipped", "cancelled", "none")
    classes = ["edge"] + ["dashed"] * (end.condition is not None) + ["faded"] * faded
    arrow = "arrow-faded" if faded else "arrow"
    attributes = {
        "class": " ".join(classes),
        "d": curve(points),
        "marker-end": f"url(#{arrow})",
    }
    return element("path", attributes)


def _shape(step: _Drawn, x: float, y: float) -> Markup:
    left = x - _SIZES.width / 2
    box = {"width": _SIZES.width, "height": _SIZES.height, "rx": 10, "class": "box"}
    condition = None
    if step.condition:
        text = shortened(f"if {brief(step.condition)}", _SMALL_LETTERS)
        condition = element("text", {"x": 12, "y": 58, "class": "condition"}, text)
    name, line = (30, 50) if condition is None else (24, 42)
    drawing = {"href": f"#icon-{step.look}", "x": 12, "y": name - 13, "width": 16, "height": 16}
    group = element(
        "g",
        {"transform": f"translate({left:.1f} {y:.1f})", "class": f"step-shape look-{step.look}"},
        element("rect", {**box, "x": 4, "y": 4}) if step.holds_others else None,
        element("rect", box),
        element("use", {"class": "icon", **drawing}),
        *_named(step, name),
        element(
            "text",
            {"x": 12, "y": line, "class": "line"},
            shortened(step.line, _SMALL_LETTERS),
        ),
        condition,
        element("title", "", step.spoken + (f" (if {step.condition})" if step.condition else "")),
    )
    return _linked(step, group)


def _named(step: _Drawn, y: int) -> list[Child]:
    badge = shortened(step.badge, _BADGE_LETTERS)
    room = _LETTERS - (len(badge) + 1 if badge else 0)
    name = element("text", {"x": 36, "y": y, "class": "name"}, shortened(step.id, room))
    at = {"x": _SIZES.width - 10, "y": y, "class": "badge", "text-anchor": "end"}
    return [name, element("text", at, badge) if badge else None]


def _linked(step: _Drawn, shape: Child) -> Markup:
    if not step.fragment:
        return element("g", "", shape)
    return element("a", {"href": f"#{step.fragment}", "aria-label": step.spoken}, shape)


def _map(drawn: list[_Drawn]) -> Markup:
    """Many steps: one small shape each, in rows, a gap between layers."""
    columns, cell, size = _DENSE_MAP if len(drawn) > _DENSE else _MAP
    by_id = {step.id: step for step in drawn}
    shapes: list[Markup] = []
    y = 0
    for layer in layers_of({step.id: step.waits_for for step in drawn}):
        for n, name in enumerate(layer):
            place = (n % columns * cell, y + n // columns * cell)
            shapes.append(_small_shape(by_id[name], place, size))
        y += (1 + (len(layer) - 1) // columns) * cell + cell // 2
    attributes = {
        "class": "picture",
        "width": columns * cell,
        "height": y,
        "role": "group",
        "aria-label": "A map of the steps; the same in words stands below it.",
    }
    return element("svg", attributes, *shapes)


def _small_shape(step: _Drawn, place: tuple[int, int], size: int) -> Markup:
    drawing = {"x": place[0], "y": place[1], "width": size, "height": size, "class": "icon"}
    shape = element("use", drawing | {"href": f"#icon-{step.look}"})
    title = element("title", "", step.spoken)
    return _linked(step, element("g", f"look-{step.look}", shape, title))


def _words(drawn: list[_Drawn]) -> Markup:
    entries = [element("li", "", *_entry(step)) for step in drawn]
    return element(
        "details",
        "words",
        element("summary", "", "The same in words"),
        element("ol", "", *entries),
    )


def _entry(step: _Drawn) -> list[Child]:
    name = raw(step.id)
    linked = element("a", {"href": f"#{step.fragment}"}, name) if step.fragment else name
    waits = f", waits for {', '.join(step.waits_for)}" if step.waits_for else ""
    condition = several(", only if ", raw(step.condition)) if step.condition else None
    badge = f" {step.badge}" if step.badge else ""
    return [icon(step.look), " ", linked, f" ({step.verb}{badge}): {step.line}{waits}", condition]
