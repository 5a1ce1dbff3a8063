"""The top of the page: how the run ended, why, what it cost, and what to do now.

A person who sees only this part knows enough; everything else stands below.
"""

from __future__ import annotations

from flowrunner.events import JSON
from flowrunner.report.figures import about_money, count, counted, duration
from flowrunner.report.html.markup import Child, Markup, element, several
from flowrunner.report.html.pieces import (
    RUN_WORDS,
    STATUS_WORDS,
    command,
    facts,
    icon,
    moment,
    price,
    prose,
    raw,
    run_look,
    slug,
    step_look,
)
from flowrunner.report.html.step_body import advice

_TROUBLES_SHOWN = 3


def ribbon(report: JSON) -> Markup | None:
    """A band over the page of a simulated run; no such run may pass for a real one."""
    if not report["run"]["simulated"]:
        return None
    cost = report["money"]["cost_usd"]
    would = f" It would be about {about_money(cost)}." if cost else ""
    words = f" No model was asked and nothing was paid.{would}"
    return element("p", "ribbon", element("strong", "", "Simulated."), words)


def verdict_section(report: JSON) -> Markup:
    """Status, name, sentence, troubles, what to do, facts."""
    verdict, run = report["verdict"], report["run"]
    look = run_look(verdict["status"])
    word = element("p", "status", icon(look), element("span", "", RUN_WORDS[verdict["status"]]))
    return element(
        "header",
        f"verdict look-{look}",
        word,
        element("h1", "", run["workflow"] or "A workflow without a name"),
        element("p", "lead", prose(verdict["sentence"])),
        *_troubles(report),
        _next(report),
        facts(_facts(report)),
    )


def _troubles(report: JSON) -> list[Markup]:
    wrong = [
        (n, step)
        for n, step in enumerate(report["steps"])
        if step["status"] in ("failed", "unknown")
    ]
    shown = [_trouble(n, step) for n, step in wrong[:_TROUBLES_SHOWN]]
    if len(wrong) > _TROUBLES_SHOWN:
        more = f"… and {counted(len(wrong) - _TROUBLES_SHOWN, 'more step')} below."
        shown.append(element("p", "soft", more))
    return shown


def _trouble(position: int, step: JSON) -> Markup:
    name = element("a", {"href": f"#{slug(step['unit'], position)}"}, step["unit"])
    place = element("span", "place", step["place"]) if step["place"] else None
    message = step["message"] or f"This step is {STATUS_WORDS[step_look(step)]}."
    return element(
        "div",
        "trouble",
        element("p", "trouble-name", element("strong", "", name), " ", place),
        element("p", "", prose(message)),
        advice(step),
    )


def _next(report: JSON) -> Markup | None:
    resume, advice = report["commands"]["resume"], report["verdict"]["help"]
    if resume is None and advice is None:
        return None
    lines: list[Child] = [element("p", "", prose(advice))] if advice else []
    if resume:
        lines.append(element("p", "", command(resume, "resume-command")))
    return element("div", "next", *lines)


def _facts(report: JSON) -> list[tuple[str, Child]]:
    verdict, run = report["verdict"], report["run"]
    tokens = verdict["tokens"]
    processes = f" in {run['processes']} processes" if run["processes"] > 1 else ""
    return [
        ("Started", moment(verdict["started_at"])),
        ("Took", f"{duration(verdict['elapsed_s'])}{processes}"),
        ("Cost", _cost(report)),
        ("Tokens", count(tokens["input"] + tokens["output"])),
        ("Run", raw(run["id"])),
    ]


def _cost(report: JSON) -> Child:
    verdict = report["verdict"]
    shown = price(verdict, report["run"]["simulated"])
    if not verdict["possibly_billed"]:
        return shown
    lost = f"{counted(verdict['possibly_billed'], 'request')} possibly billed on top"
    return several(shown, " ", element("span", "soft", lost))
