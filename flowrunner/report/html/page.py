"""The whole page: head, policy, parts in the order a person looks, style and script.

What each part says is left to its module; that nothing unescaped gets in, to `markup`.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from flowrunner.events import JSON
from flowrunner.report.html.changes import changes_section
from flowrunner.report.html.graph import graph_section
from flowrunner.report.html.markup import (
    Markup,
    document,
    element,
    own_icon,
    own_script,
    own_style,
    several,
)
from flowrunner.report.html.money import money_section
from flowrunner.report.html.pieces import RUN_WORDS, symbols
from flowrunner.report.html.provenance import provenance_section, warnings_section
from flowrunner.report.html.result import result_section
from flowrunner.report.html.steps import steps_section
from flowrunner.report.html.timeline import timeline_section
from flowrunner.report.html.verdict import ribbon, verdict_section
from flowrunner.report.units import listed_units

_ICON_COLOURS = {"succeeded": "#1f7a46", "failed": "#b3261e", "stopped": "#b3261e"}
_NESTED = 300
_PARTS = {
    "result": ("Result", result_section),
    "graph": ("Graph", graph_section),
    "steps": ("Steps", steps_section),
    "timeline": ("Timeline", timeline_section),
    "money": ("Money", money_section),
    "changes": ("Changes", changes_section),
    "warnings": ("Warnings", warnings_section),
    "provenance": ("Origin", provenance_section),
}


def render_html(report: dict[str, JSON]) -> str:
    """The page of a report document. Same document, same text; it needs no file beside it.

    Of very many units inside of steps those that failed come first, as in the document.
    """
    report = {**report, "steps": _shown_steps(report)}
    parts = {name: build(report) for name, (_, build) in _PARTS.items()}
    shown = {name: part for name, part in parts.items() if part is not None}
    body = element(
        "body",
        "",
        symbols(),
        ribbon(report),
        element("main", "", verdict_section(report), _contents(list(shown)), *shown.values()),
        _foot(report),
        own_script(_own_file("report.js")),
    )
    return document(_head(report), body).source


def _shown_steps(report: JSON) -> list[JSON]:
    by_unit = {step["unit"]: step for step in report["steps"]}
    statuses = {unit: step["status"] for unit, step in by_unit.items()}
    return [by_unit[unit] for unit in listed_units(statuses, _NESTED)]


def _head(report: JSON) -> Markup:
    status = report["verdict"]["status"]
    title = f"{RUN_WORDS[status]}: {report['run']['workflow']} · {report['run']['id']}"
    metas = [
        {"charset": "utf-8"},
        {"http-equiv": "Content-Security-Policy", "content": _policy()},
        {"name": "viewport", "content": "width=device-width, initial-scale=1"},
        {"name": "referrer", "content": "no-referrer"},
        {"name": "color-scheme", "content": "light dark"},
        {"name": "generator", "content": report["generator"]},
    ]
    return element(
        "head",
        "",
        *(element("meta", meta) for meta in metas),
        element("title", "", title),
        own_icon(_icon(status)),
        own_style(_own_file("report.css")),
    )


@cache
def _own_file(name: str) -> str:
    return files("flowrunner.report.html").joinpath(name).read_text(encoding="utf-8")


@cache
def _policy() -> str:
    """Nothing may be loaded; our own style and script run because their hashes are named."""
    style, script = (_hash(_own_file(name)) for name in ("report.css", "report.js"))
    return (
        f"default-src 'none'; style-src '{style}'; script-src '{script}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _icon(status: str) -> str:
    colour = _ICON_COLOURS.get(status, "#3a4f9a")
    return (
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>"
        f"<circle cx='8' cy='8' r='7' fill='{colour}'/></svg>"
    )


def _contents(names: list[str]) -> Markup:
    links = [element("a", {"href": f"#{name}"}, _PARTS[name][0]) for name in names]
    return element("nav", {"class": "contents", "aria-label": "Parts of this page"}, *links)


def _foot(report: JSON) -> Markup:
    words = several(
        "Written by ", report["generator"], " from the run's journal, format ", report["format"]
    )
    return element("footer", "", element("p", "", words))
