"""The foot of the page: warnings, where the run came from, commands to copy."""

from __future__ import annotations

from flowrunner.events import JSON
from flowrunner.report.bounds import compact
from flowrunner.report.html.markup import Child, Markup, element
from flowrunner.report.html.pieces import command, facts, moment, prose, raw, section
from flowrunner.report.html.values import readable

_NAMES = {
    "command": "Command",
    "flowrunner": "flowrunner",
    "python": "Python",
    "system": "System",
    "git_commit": "Git commit",
    "git_dirty": "Files changed since",
    "workflow_sha256": "Workflow SHA-256",
    "environment": "Environment variables read",
}


def warnings_section(report: JSON) -> Markup | None:
    """What a person should know; None where there is nothing."""
    warnings = report["warnings"]
    if not warnings:
        return None
    entries = [
        element("li", "", _about(one["unit"]), prose(one["message"]), " ", _code(one["code"]))
        for one in warnings
    ]
    return section("warnings", "Warnings", element("ul", "warnings", *entries))


def provenance_section(report: JSON) -> Markup:
    """Command, versions, hashes, inputs, and how to go on or run it again."""
    run, provenance, commands = report["run"], report["provenance"], report["commands"]
    where = [
        ("Workflow file", raw(run["path"])),
        ("Provider", run["provider"]),
        ("Base URL", raw(run["base_url"])),
        *((f"Provider {name}", raw(url)) for name, url in run["others"].items()),
    ]
    origin = [(_name(key), _shown(key, value)) for key, value in provenance["origin"].items()]
    resumed = [("Resumed", moment(one["at"])) for one in provenance["resumed"]]
    wanted = [
        ("Go on", "resume", "resume"),
        ("Run again", "run_again", "run-again"),
        ("Look closer", "show", "show"),
    ]
    copied = [
        (word, command(commands[key], f"{name}-copy"))
        for word, key, name in wanted
        if commands[key]
    ]
    return section(
        "provenance",
        "Where it came from",
        facts([*where, *origin, *resumed], "facts rows"),
        _inputs(provenance["inputs"]),
        element("h3", "", "Commands"),
        facts(copied, "facts rows"),
    )


def _name(key: str) -> str:
    return _NAMES.get(key, key.replace("_", " ").capitalize())


def _shown(key: str, value: JSON) -> Child:
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        value = (" " if key == "command" else ", ").join(map(str, value)) or "none"
    text = value if isinstance(value, str) else compact(value)
    return raw(text)


def _inputs(inputs: JSON) -> Markup | None:
    if not inputs:
        return None
    told = [
        element("div", "part", element("h4", "", name), element("div", "part-body", readable(held)))
        for name, held in inputs.items()
    ]
    return element("div", "inputs", element("h3", "", "Inputs"), *told)


def _about(unit: str | None) -> Child:
    return None if unit is None else element("span", "", raw(unit), ": ")


def _code(code: str) -> Markup:
    return element("span", "code", code)
