"""The small pieces that all parts of the page share: statuses, icons, facts, commands, sections.

Each status has a shape, a word and a colour, so that no meaning hangs on the colour alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from flowrunner.events import JSON
from flowrunner.report.figures import about_money, count, money, readable_utc
from flowrunner.report.html.markup import Child, Markup, element, several

STATUS_WORDS = {
    "succeeded": "done",
    "failed": "failed",
    "skipped": "skipped",
    "cancelled": "cancelled",
    "waiting": "waiting",
    "unknown": "outcome unknown",
    "running": "unfinished",
    "reused": "reused",
    "none": "not started",
}
RUN_WORDS = {
    "running": "Unfinished",
    "succeeded": "Done",
    "failed": "Failed",
    "interrupted": "Interrupted",
    "held": "Held",
    "waiting": "Waiting",
    "stopped": "Stopped",
}
_RUN_LOOKS = {"interrupted": "cancelled", "held": "unknown", "stopped": "failed"}

_DISC = "M8 .5a7.5 7.5 0 1 1 0 15 7.5 7.5 0 0 1 0-15Z"
_OCTAGON = "M4.9.5h6.2l4.4 4.4v6.2l-4.4 4.4H4.9L.5 11.1V4.9Z"
_DIAMOND = "M8 .3 15.7 8 8 15.7.3 8Z"
_SQUARE = "M3 1h10a2 2 0 0 1 2 2v10a2 2 0 0 1-2 2H3a2 2 0 0 1-2-2V3a2 2 0 0 1 2-2Z"
_RING = "M8 1.25a6.75 6.75 0 1 1 0 13.5 6.75 6.75 0 0 1 0-13.5Z"
_SHAPES: dict[str, tuple[str, str, str]] = {
    "succeeded": ("solid", _DISC, "m4.6 8.3 2.3 2.4 4.6-5"),
    "reused": ("solid", _DISC, "M4.8 6.4h6.4M4.8 9.6h6.4"),
    "failed": ("solid", _OCTAGON, "m5.3 5.3 5.4 5.4m0-5.4-5.4 5.4"),
    "skipped": ("hollow", _RING, "m5 5 3 3-3 3m3.6-6 3 3-3 3"),
    "cancelled": ("hollow", _RING, "m3.6 12.4 8.8-8.8"),
    "waiting": ("solid", _SQUARE, "M6.2 5v6m3.6-6v6"),
    "unknown": (
        "solid",
        _DIAMOND,
        "M6.2 6.3c0-2.3 3.6-2.3 3.6-.1 0 1.4-1.8 1.4-1.8 2.8m0 1.7v.3",
    ),
    "running": ("hollow", _RING, "M8 4.5V8l2.3 1.8"),
    "none": ("dotted", _RING, ""),
}


def symbols() -> Markup:
    """The icons once, hidden; `icon` shows one of them."""
    drawn = [
        element(
            "symbol",
            {"id": f"icon-{name}", "viewBox": "0 0 16 16"},
            element("path", {"class": f"{kind}-shape", "d": shape}),
            element("path", {"class": f"{kind}-sign", "d": sign}) if sign else None,
        )
        for name, (kind, shape, sign) in _SHAPES.items()
    ]
    hidden = {"class": "symbols", "aria-hidden": "true", "width": 0, "height": 0}
    return element("svg", hidden, *drawn)


def icon(look: str) -> Markup:
    """The shape of a status, 16 px; the word beside it says the same."""
    drawing = element("use", {"href": f"#icon-{look}"})
    return element("svg", {"class": f"icon look-{look}", "aria-hidden": "true"}, drawing)


def step_look(step: JSON) -> str:
    """Which look a step of the report has: its status, `reused`, or `none`."""
    return "reused" if step["reused"] else step["status"] or "none"


def run_look(status: str) -> str:
    """Which look the status of a run has."""
    return _RUN_LOOKS.get(status, status)


def slug(unit: str, position: int) -> str:
    """The fragment that leads to a step; for a name that fits in no address, by its position."""
    return f"step-{unit}" if re.fullmatch(r"[a-z][a-z0-9_]*", unit) else f"step-{position}-nested"


def section(name: str, title: str, *children: Child, note: Child = None) -> Markup:
    """A part of the page with its heading; `note` stands beside the heading."""
    heading = element("h2", {"id": name}, title)
    top = element("div", "section-head", heading, element("div", "note", note) if note else None)
    return element("section", {"aria-labelledby": name}, top, *children)


def facts(pairs: Iterable[tuple[str, Child]], classes: str = "facts") -> Markup:
    """A list of names with what stands behind them; pairs without a value are left out."""
    rows = [
        element("div", "", element("dt", "", name), element("dd", "", value))
        for name, value in pairs
        if value is not None
    ]
    return element("dl", classes, *rows)


def raw(text: str) -> Markup:
    """An id, a hash, a path: in monospace, breaking anywhere."""
    return element("code", "", text)


def copy_button(target: str, word: str = "Copy") -> Markup:
    """Copies the text of the element with that id; seen only where the script runs."""
    attributes = {"type": "button", "class": "quiet", "data-copy": target, "hidden": True}
    return element("button", attributes, word)


def command(text: str, name: str) -> Markup:
    """A command to copy; `name` becomes its id and must be unique on the page."""
    shown = element("code", {"id": name}, text)
    return element("span", "command", shown, copy_button(name))


def moment(iso: str | None) -> Markup | None:
    """A moment in UTC; the script adds the local time as a title."""
    return None if iso is None else element("time", {"datetime": iso}, readable_utc(iso))


def prose(text: str) -> Markup:
    """A sentence in which backticks mark code, as all our messages do."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return several(text)
    return several(*(raw(part) if odd % 2 else part for odd, part in enumerate(parts)))


def price(entry: JSON, simulated: bool) -> str:
    """Money of a step, a line or the run: says where it is not all, or not real."""
    cost, complete = entry["cost_usd"], entry["cost_is_complete"]
    if simulated and complete:
        return f"would be about {about_money(cost)}" if cost else "would be $0"
    if simulated:
        return f"would be at least {about_money(cost)}" if cost else "unknown"
    if complete:
        return money(cost)
    return f"{money(cost)} + unknown" if cost else "unknown"


def tokens_line(numbers: JSON) -> str | None:
    """`1,432 in (1,024 cached) → 96 out (58 reasoning)`; None without any."""
    tokens, more = numbers["tokens"], _uncounted(numbers)
    if not (tokens["input"] or tokens["output"]):
        return more
    from_cache = [f"{count(tokens['cached'])} cached"] if tokens["cached"] else []
    if tokens["cache_write"]:
        from_cache.append(f"{count(tokens['cache_write'])} written to the cache")
    cached = f" ({', '.join(from_cache)})" if from_cache else ""
    reasoning = f" ({count(tokens['reasoning'])} reasoning)" if tokens["reasoning"] else ""
    known = f"{count(tokens['input'])} in{cached} → {count(tokens['output'])} out{reasoning}"
    return f"{known} + {more}" if more else known


def short_tokens(numbers: JSON) -> str | None:
    """`1,432 → 96 tok`; None without any."""
    tokens, more = numbers["tokens"], _uncounted(numbers)
    if not (tokens["input"] or tokens["output"]):
        return f"{more} tok" if more else None
    known = f"{count(tokens['input'])} → {count(tokens['output'])} tok"
    return f"{known} + {more}" if more else known


def _uncounted(numbers: JSON) -> str | None:
    return None if numbers["tokens_are_complete"] else "unknown"
