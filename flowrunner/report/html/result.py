"""The result of a run, rendered for reading, and its JSON for copying and saving."""

from __future__ import annotations

from flowrunner.events import JSON
from flowrunner.report.html.markup import Markup, element
from flowrunner.report.html.pieces import copy_button, section
from flowrunner.report.html.values import raw_json, readable


def result_section(report: JSON) -> Markup | None:
    """What the workflow gives; None where it gives nothing."""
    held = report["result"]
    if held is None:
        return None
    whole = "value" in held
    buttons = element("div", "buttons", copy_button("result-json", "Copy JSON"), _save(whole))
    source = raw_json(held, "result-json", "As JSON")
    return section("result", "Result", element("div", "card", readable(held)), source, note=buttons)


def _save(whole: bool) -> Markup | None:
    if not whole:
        return None
    attributes = {
        "type": "button",
        "class": "quiet",
        "data-save": "result-json",
        "data-name": "result.json",
        "hidden": True,
    }
    return element("button", attributes, "Download")
