"""Each step of a run on the page: a line to scan, and behind it all that is known of the step.

Failed steps are open; the others wait for a click. Filters and sorting are the script's, what
stands behind a line is `step_body`'s.
"""

from __future__ import annotations

from flowrunner.events import JSON
from flowrunner.report.figures import count, counted, duration
from flowrunner.report.html.markup import Child, Markup, element
from flowrunner.report.html.nesting import item_table
from flowrunner.report.html.pieces import (
    STATUS_WORDS,
    icon,
    price,
    raw,
    section,
    short_tokens,
    slug,
    step_look,
)
from flowrunner.report.html.step_body import Telling, step_parts
from flowrunner.report.nesting import inside_facts
from flowrunner.report.trouble import wrong_steps
from flowrunner.report.units import ancestors

_OPEN_FAILURES = 10
_PRETTY_STEPS = 150
_TOLD_WHOLE = 100
_ORDER = ("failed", "unknown", "waiting", "running", "cancelled", "none", "succeeded", "reused")


def steps_section(report: JSON) -> Markup | None:
    """All steps with chips, search and sort; None for a run without steps."""
    steps = report["steps"]
    if not steps:
        return None
    page = _Page(report, _opened(report))
    top = [step for step in steps if step["parent"] not in page.positions]
    told = [page.step(step) for step in top]
    listed = element("div", {"class": "steps", "id": "step-list"}, *told)
    empty = element("p", {"id": "no-step", "class": "soft", "hidden": True}, "No step fits.")
    note = _expand(len(steps)) if len(steps) > 1 else None
    return section(
        "steps", "Steps", _controls(steps), listed, empty, _rest(report, len(steps)), note=note
    )


def _opened(report: JSON) -> set[str]:
    """The steps that are open: the first that failed, and what they stand in."""
    wrong = [step["unit"] for step in wrong_steps(report)[:_OPEN_FAILURES]]
    return {unit for one in wrong for unit in (one, *ancestors(one))}


def _rest(report: JSON, shown: int) -> Markup | None:
    more = report["units"]["total"] - shown
    if more <= 0:
        return None
    words = f"and {counted(more, 'more unit')} that are only counted here. One of them: "
    return element("p", "soft rest", words, raw(report["units"]["see"]))


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


class _Page:
    """The steps of a page by what they stand in."""

    def __init__(self, report: JSON, opened: set[str]) -> None:
        steps = report["steps"]
        simulated, show = report["run"]["simulated"], report["commands"]["show"]
        pretty = len(steps) <= _PRETTY_STEPS
        self.whole = Telling(simulated, pretty, show)
        self.brief = Telling(simulated, pretty, show, brief=True)
        self.opened = opened
        self.positions = {step["unit"]: n for n, step in enumerate(steps)}
        self.inner: dict[str, list[JSON]] = {}
        for step in steps:
            if step["parent"] in self.positions:
                self.inner.setdefault(step["parent"], []).append(step)

    def step(self, step: JSON) -> Markup:
        """A step with those inside of it."""
        position, look = self.positions[step["unit"]], step_look(step)
        telling = self.brief if _is_brief(position, step) else self.whole
        attributes = {
            "class": f"step look-{look}",
            "open": step["unit"] in self.opened,
            "data-looks": " ".join(_chips_of(step)),
            "data-order": position,
            "data-rank": _ORDER.index(look) if look in _ORDER else len(_ORDER),
            "data-time": step["elapsed_s"] or 0,
            "data-cost": f"{step['numbers']['cost_usd']:.9f}",
        }
        body = {"class": "step-body", "id": slug(step["unit"], position)}
        parts = [*step_parts(position, step, telling), *self._inside(step, telling.simulated)]
        return element(
            "details", attributes, _summary(step, look, telling), element("div", body, *parts)
        )

    def _inside(self, step: JSON, simulated: bool) -> list[Child]:
        inner = self.inner.get(step["unit"], [])
        if not inner:
            return []
        told = [self.step(one) for one in inner]
        return [
            item_table(step, self.inner, self._link, simulated),
            element("div", "steps inner", *told),
        ]

    def _link(self, step: JSON) -> str:
        return slug(step["unit"], self.positions[step["unit"]])


def _summary(step: JSON, look: str, telling: Telling) -> Markup:
    numbers = step["numbers"]
    figures = [
        duration(step["elapsed_s"]) if step["elapsed_s"] is not None else None,
        short_tokens(numbers),
        _price(numbers, telling.simulated),
    ]
    kind = numbers["model_served"] or numbers["model_asked"] or step["verb"] or ""
    told = " · ".join([kind, *inside_facts(step)] if kind else inside_facts(step))
    return element(
        "summary",
        "",
        icon(look),
        element("span", {"class": "step-name", "title": step["unit"]}, step["id"]),
        element("span", "step-kind", element("span", "step-word", STATUS_WORDS[look]), " ", told),
        element("span", "step-figures", *(element("span", "", figure) for figure in figures)),
    )


def _price(numbers: JSON, simulated: bool) -> str | None:
    if not numbers["calls"]:
        return None
    return price(numbers, simulated).replace("would be about ", "≈ ").removeprefix("would be ")
