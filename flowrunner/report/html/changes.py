"""What is not as it was in the last run of the same file, word by word."""

from __future__ import annotations

from collections.abc import Callable

from flowrunner.events import JSON
from flowrunner.report.figures import counted, duration, money
from flowrunner.report.html.markup import Child, Markup, element, several
from flowrunner.report.html.pieces import STATUS_WORDS, facts, moment, prose, raw, section


def changes_section(report: JSON) -> Markup | None:
    """Numbers, then each unit that changed; None where there is nothing to compare with."""
    found = report["changes"]
    if found is None:
        return None
    since: Child = several("since the run ", raw(found["since"]))
    if not found["is_there"]:
        words = "That run is gone, so that nothing can be compared with it."
        return section("changes", "Changes", element("p", "soft", words), note=since)
    units = [_unit(unit) for unit in found["different"]]
    same = found["units"] - len(units) - found["not_listed"]
    rest = f"{counted(same, 'step')} as before." if same else None
    if found["not_listed"]:
        more = counted(found["not_listed"], "more unit")
        rest = f"{more} changed; `flowrunner diff` shows them. {rest or ''}"
    if not found["answers_compared"]:
        rest = f"{rest or ''} Of so many units only requests were compared, not answers."
    tail = element("p", "soft", prose(rest.strip())) if rest else None
    return section("changes", "Changes", _numbers(found, report), *units, tail, note=since)


def _numbers(found: JSON, report: JSON) -> Markup:
    simulated = report["run"]["simulated"]
    names = ", ".join(f"`{name}`" for name in found["inputs"])
    pairs = [
        ("That run", moment(found["at"])),
        ("Workflow file", "it was edited" if found["workflow"] else None),
        ("Inputs", prose(f"other values of {names}") if names else None),
        ("Cost", None if simulated else _pair(found["cost_usd"], money)),
        ("Time", _pair(found["elapsed_s"], duration)),
    ]
    return facts((name, value) for name, value in pairs)


def _pair(values: JSON, shown: Callable[[float], str]) -> Child:
    told = ["unknown" if value is None else shown(value) for value in values]
    return told[0] if told[0] == told[1] else f"{told[0]} → {told[1]}"


def _unit(unit: JSON) -> Markup:
    old, new = (STATUS_WORDS[status or "none"] for status in unit["status"])
    said = [f"{old} → {new}"] if old != new else []
    said += [word for key, word in _WORDS.items() if unit[key] == "other"]
    models = unit["model"]
    if None not in models and models[0] != models[1]:
        said.append(f"{models[0]} → {models[1]}")
    summary = element(
        "summary", "", raw(unit["unit"]), " ", element("span", "soft", ", ".join(said))
    )
    parts = [
        _words(title, unit[key])
        for key, title in (("asked_words", "Asked"), ("answer_words", "Answered"))
        if unit[key]
    ]
    if not parts:
        return element(
            "p", "change", raw(unit["unit"]), " ", element("span", "soft", ", ".join(said))
        )
    return element("details", "change", summary, *parts)


_WORDS = {"asked": "asked otherwise", "answer": "answered otherwise"}


def _words(title: str, words: JSON) -> Markup:
    """A text with what was taken out and what was put in; read out as such too."""
    tags = {"old": "del", "new": "ins", "same": "span"}
    pieces = [element(tags[kind], "", text) for kind, text in words]
    return element("div", "", element("h4", "", title), element("p", "words", *pieces))
