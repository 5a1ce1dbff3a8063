"""When what happened, as bars on one line of time: a Gantt chart that fits any width.

Widths are shares of the whole, so that it reads on a phone as on a wall.
"""

from __future__ import annotations

import math

from flowrunner.events import JSON
from flowrunner.report.figures import counted, duration
from flowrunner.report.html.markup import Child, Markup, element
from flowrunner.report.html.pieces import prose, section

_ROWS = 120
_ROW = 34
_TOP = 24
_WORDS = {
    "answered": "answered",
    "failed": "refused or never left",
    "lost": "answer lost, possibly billed",
    "waiting": "waiting for the next attempt",
    "open": "no outcome recorded",
    "pending": "at work in the background",
    "local": "work without a request",
    "inside": "the steps inside of it",
}


def timeline_section(report: JSON) -> Markup | None:
    """The chart with its legend; None where nothing took time."""
    timeline = report["timeline"]
    length = timeline["length_s"]
    rows = _rows(timeline)
    if not rows or not length:
        return None
    attributes = {
        "class": "gantt",
        "width": "100%",
        "height": _TOP + len(rows) * _ROW + 4,
        "role": "img",
        "aria-label": f"Timeline of {counted(len(rows), 'step')} over {duration(length)}",
    }
    chart = element(
        "svg",
        attributes,
        *_axis(length, len(rows)),
        *_resumes(timeline, length, len(rows)),
        *(piece for n, (unit, bars) in enumerate(rows) for piece in _row(n, unit, bars, length)),
    )
    return section(
        "timeline",
        "Timeline",
        chart,
        _legend(rows),
        *_remarks(timeline, len(rows)),
        note=_note(timeline),
    )


def _note(timeline: JSON) -> str:
    most = timeline["most_at_once"]
    return f"at most {counted(most, 'request')} at once" if most else "no requests"


def _rows(timeline: JSON) -> list[tuple[str, list[JSON]]]:
    by_unit: dict[str, list[JSON]] = {}
    for bar in timeline["bars"]:
        by_unit.setdefault(bar["unit"], []).append(bar)
    shown = by_unit
    if len(by_unit) > _ROWS:
        longest = sorted(by_unit, key=lambda unit: -_span(by_unit[unit]))[:_ROWS]
        shown = {unit: bars for unit, bars in by_unit.items() if unit in set(longest)}
    return sorted(shown.items(), key=lambda row: row[1][0]["from_s"])


def _span(bars: list[JSON]) -> float:
    return float(bars[-1]["to_s"] - bars[0]["from_s"])


def _row(n: int, unit: str, bars: list[JSON], length: float) -> list[Markup]:
    y = _TOP + n * _ROW
    said = "; ".join(bar["label"] for bar in bars)
    start = bars[0]["from_s"] / length
    # The words begin where the bar begins, or end where it ends when it stands far to the right.
    end = max(bar["to_s"] for bar in bars) / length
    attributes: dict[str, str | float] = {"y": y + 11, "class": "gantt-words"}
    if start > 0.55:
        attributes |= {"x": _percent(end), "text-anchor": "end"}
    else:
        attributes |= {"x": _percent(start)}
    words = element("text", attributes, element("tspan", "name", unit), f"  {_shown(said)}")
    return [words, *(_bar(bar, y, length) for bar in bars)]


def _shown(said: str) -> str:
    return said if len(said) <= 60 else said[:59] + "…"


def _bar(bar: JSON, y: float, length: float) -> Markup:
    share = max((bar["to_s"] - bar["from_s"]) / length, 0.003)
    thin = bar["kind"] == "waiting"
    attributes = {
        "class": f"bar bar-{bar['kind']}",
        "x": _percent(min(bar["from_s"] / length, 1 - 0.003)),
        "y": y + (19 if thin else 16),
        "width": _percent(share),
        "height": 4 if thin else 10,
        "rx": 2 if thin else 3,
    }
    label = f"{bar['unit']}: {bar['label']}, from {duration(bar['from_s'])}"
    return element("rect", attributes, element("title", "", label))


def _percent(share: float) -> str:
    return f"{share * 100:.2f}%"


def _axis(length: float, rows: int) -> list[Markup]:
    marks: list[Markup] = []
    step = _step(length)
    for n in range(int(length / step + 1e-9) + 1):
        at = n * step
        x = _percent(at / length)
        bottom = _TOP + rows * _ROW
        line = {"class": "tick", "x1": x, "x2": x, "y1": 16, "y2": bottom}
        anchor = "start" if n == 0 else "end" if at / length > 0.95 else "middle"
        text = {"class": "tick-words", "x": x, "y": 11, "text-anchor": anchor}
        marks += [element("line", line), element("text", text, _tick(at))]
    return marks


def _step(length: float) -> float:
    """A round distance between marks: four to eight of them."""
    rough = length / 5
    for unit in (60, 3600, 86400):
        if rough >= unit * 20:
            continue
        if rough >= unit / 2 and unit > 1:
            return float(unit * max(1, round(rough / unit)))
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * nice for nice in (1, 2, 5, 10) if power * nice >= rough)


def _tick(at: float) -> str:
    return "0" if at == 0 else duration(at).replace(".0s", "s")


def _resumes(timeline: JSON, length: float, rows: int) -> list[Markup]:
    marks: list[Markup] = []
    for at in timeline["resumed_s"]:
        x = _percent(at / length)
        line = {"class": "resumed", "x1": x, "x2": x, "y1": 16, "y2": _TOP + rows * _ROW}
        marks.append(element("line", line, element("title", "", "resumed here")))
    return marks


def _legend(rows: list[tuple[str, list[JSON]]]) -> Markup:
    kinds = {bar["kind"] for _, bars in rows for bar in bars}
    entries = [
        element("li", "", _swatch(kind), " ", word)
        for kind, word in _WORDS.items()
        if kind in kinds
    ]
    return element("ul", "legend", *entries)


def _swatch(kind: str) -> Markup:
    thin = kind == "waiting"
    attributes = {
        "class": f"bar bar-{kind}",
        "x": 1,
        "y": 4 if thin else 1,
        "width": 20,
        "height": 4 if thin else 10,
        "rx": 2,
    }
    drawing = {"width": 22, "height": 12, "aria-hidden": "true"}
    return element("svg", drawing, element("rect", attributes))


def _remarks(timeline: JSON, rows: int) -> list[Child]:
    remarks: list[Child] = []
    path = timeline["critical_path"]
    if len(path) > 1:
        chain = " → ".join(f"`{name}`" for name in path[:20])
        remarks.append(element("p", "soft", "The end had to wait for: ", prose(chain)))
    if timeline["resumed_s"]:
        words = (
            "A dashed line marks where the run was taken up again; the time between is left out."
        )
        remarks.append(element("p", "soft", words))
    all_units = len({bar["unit"] for bar in timeline["bars"]})
    if all_units > rows:
        remarks.append(element("p", "soft", f"The {rows} longest of {counted(all_units, 'step')}."))
    return remarks
