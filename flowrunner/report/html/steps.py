"""Each step of a run on the page: a line to scan, and behind it all that is known of the step.

Failed steps are open; the others wait for a click. Filters and sorting are the script's, what
stands behind a line is `step_body`'s.
"""

from __future__ import annotations

from flowrunner.events import JSON
from flowrunner.report.figures import count, counted, duration
from flowrunner.report.html.markup import Markup, element
from flowrunner.report.html.pieces import (
    STATUS_WORDS,
    icon,
    price,
    section,
    short_tokens,
    slug,
    step_look,
)
from flowrunner.report.html.step_body import TROUBLE, Telling, step_parts

_OPEN_FAILURES = 10
_PRETTY_STEPS = 150
_TOLD_WHOLE = 100
_ORDER = ("failed", "unknown", "waiting", "running", "cancelled", "none", "succeeded", "reused")


def steps_section(report: JSON) -> Markup | None:
    """All steps with chips, search and sort; None for a run without steps."""
    steps = report["steps"]
    if not steps:
        return None
    simulated, show = report["run"]["simulated"], report["commands"]["show"]
    pretty = len(steps) <= _PRETTY_STEPS
    whole = Telling(simulated, pretty, show)
    brief = Telling(simulated, pretty, show, brief=True)
    wrong = [step["unit"] for step in steps if step["status"] in TROUBLE]
    opened = set(wrong[:_OPEN_FAILURES])
    told = [
        _step(n, step, brief if _is_brief(n, step) else whole, step["unit"] in opened)
        for n, step in enumerate(steps)
    ]
    listed = element("div", {"class": "steps", "id": "step-list"}, *told)
    empty = element("p", {"id": "no-step", "class": "soft", "hidden": True}, "No step fits.")
    note = _expand(len(steps)) if len(steps) > 1 else None
    return section("steps", "Steps", _controls(steps), listed, empty, note=note)


def _is_brief(position: int, step: JSON) -> bool:
    """In a long run only the first steps and those with a story are told whole."""
    uneventful = step["status"] == "succeeded" and len(step["attempts"]) <= 1
    return position >= _TOLD_WHOLE and uneventful


def _expand(steps: int) -> Markup | None:
    if steps > _PRETTY_STEPS:
        return element("span", "", counted(steps, "step"))
    attributes = {"type": "button", "class": "quiet", "id": "open-all", "hidden": True}
    return element("button", attributes, "Open all")


def _controls(steps: JSON) -> Markup:
    counts: dict[str, int] = {}
    for step in steps:
        for look in _chips_of(step):
            counts[look] = counts.get(look, 0) + 1
    looks = [look for look in (*_ORDER, "skipped", "retried") if look in counts]
    chips = [_chip("all", "All", len(steps), pressed=True)]
    chips += [_chip(look, STATUS_WORDS.get(look, look), counts[look]) for look in looks]
    search = {
        "type": "search",
        "id": "search",
        "placeholder": "Search",
        "aria-label": "Search the steps",
        "autocomplete": "off",
    }
    options = [
        ("order", "File order"),
        ("status", "Worst first"),
        ("time", "Longest first"),
        ("cost", "Dearest first"),
    ]
    sort = element(
        "select",
        {"id": "sort", "aria-label": "Sort the steps"},
        *(element("option", {"value": value}, word) for value, word in options),
    )
    group = element("div", {"class": "chips", "role": "group", "aria-label": "Show only"}, *chips)
    attributes = {"class": "controls", "id": "controls", "hidden": True}
    return element("div", attributes, group, element("input", search), sort)


def _chip(look: str, word: str, number: int, *, pressed: bool = False) -> Markup:
    attributes = {
        "type": "button",
        "class": "chip",
        "data-filter": look,
        "aria-pressed": "true" if pressed else "false",
    }
    return element("button", attributes, f"{word} ", element("span", "number", count(number)))


def _chips_of(step: JSON) -> list[str]:
    return [step_look(step)] + ["retried"] * (len(step["attempts"]) > 1)


def _step(position: int, step: JSON, telling: Telling, is_open: bool) -> Markup:
    look = step_look(step)
    attributes = {
        "class": f"step look-{look}",
        "open": is_open,
        "data-looks": " ".join(_chips_of(step)),
        "data-order": position,
        "data-rank": _ORDER.index(look) if look in _ORDER else len(_ORDER),
        "data-time": step["elapsed_s"] or 0,
        "data-cost": f"{step['numbers']['cost_usd']:.9f}",
    }
    body = {"class": "step-body", "id": slug(step["unit"], position)}
    parts = step_parts(position, step, telling)
    return element(
        "details", attributes, _summary(step, look, telling), element("div", body, *parts)
    )


def _summary(step: JSON, look: str, telling: Telling) -> Markup:
    numbers = step["numbers"]
    figures = [
        duration(step["elapsed_s"]) if step["elapsed_s"] is not None else None,
        short_tokens(numbers["tokens"]),
        _price(numbers, telling.simulated),
    ]
    kind = numbers["model_served"] or numbers["model_asked"] or step["verb"] or ""
    return element(
        "summary",
        "",
        icon(look),
        element("span", "step-name", step["unit"]),
        element("span", "step-kind", element("span", "step-word", STATUS_WORDS[look]), " ", kind),
        element("span", "step-figures", *(element("span", "", figure) for figure in figures)),
    )


def _price(numbers: JSON, simulated: bool) -> str | None:
    if not numbers["calls"]:
        return None
    return price(numbers, simulated).replace("would be about ", "≈ ").removeprefix("would be ")
