"""The top of the page: how the run ended, why, what it cost, and what to do now.

A person who sees only this part knows enough; everything else stands below.
"""

from __future__ import annotations

from flowrunner.events import JSON
from flowrunner.report.figures import about_money, count, counted, duration, money
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
from flowrunner.report.trouble import short_sentence, wrong_steps

_TROUBLES_SHOWN = 3
_ASKED = 600


def ribbon(report: JSON) -> Markup | None:
    """A band over the page of a run without a model; no such run may pass for a real one."""
    if not report["run"]["simulated"]:
        return None
    cost = report["money"]["cost_usd"]
    complete = report["verdict"]["cost_is_complete"]
    about = f"{'about' if complete else 'at least'} {about_money(cost)}"
    would = f" It would be {about}." if cost else ""
    if not (cost or complete):
        would = " What it would cost is not known."
    words = f" No model was asked and nothing was paid.{would}"
    replayed = report["run"]["replayed"]
    title = "Simulated." if replayed is None else f"Replayed from {replayed}."
    return element("p", "ribbon", element("strong", "", title), words)


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
        element("p", "lead", prose(short_sentence(report))),
        *_troubles(report),
        _next(report),
        facts(_facts(report)),
    )


def _troubles(report: JSON) -> list[Markup]:
    positions = {step["unit"]: n for n, step in enumerate(report["steps"])}
    wrong = [(positions[step["unit"]], step) for step in wrong_steps(report)]
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
    lines: list[Child] = []
    if advice and advice not in [step["help"] for step in wrong_steps(report)[:_TROUBLES_SHOWN]]:
        lines.append(element("p", "", prose(advice)))
    lines += _gates(report)
    if resume:
        lines.append(element("p", "", command(resume, "resume-command")))
    return element("div", "next", *lines)


def _gates(report: JSON) -> list[Child]:
    """What somebody must agree to, each with the command that does."""
    asking = [step for step in report["steps"] if step["status"] == "waiting" and step["approval"]]
    told: list[Child] = []
    for n, text in enumerate(report["commands"]["approve"][:_TROUBLES_SHOWN]):
        for step in asking[n : n + 1]:
            unit = element("strong", "", step["unit"])
            told.append(element("p", "", unit, " asks: ", step["approval"]["text"][:_ASKED]))
        told.append(element("p", "", command(text, f"approve-command-{n}")))
    return told


def _saved(report: JSON) -> str | None:
    saved = report["money"]["saved"]
    return money(saved["usd"]) if saved["usd"] else None


def _facts(report: JSON) -> list[tuple[str, Child]]:
    verdict, run = report["verdict"], report["run"]
    processes = f" in {run['processes']} processes" if run["processes"] > 1 else ""
    return [
        ("Started", moment(verdict["started_at"])),
        ("Took", f"{duration(verdict['elapsed_s'])}{processes}"),
        ("Cost", _cost(report)),
        ("Saved", _saved(report)),
        ("Tokens", _tokens(verdict)),
        ("Run", raw(run["id"])),
    ]


def _tokens(verdict: JSON) -> str:
    known = verdict["tokens"]["input"] + verdict["tokens"]["output"]
    if verdict["tokens_are_complete"]:
        return count(known)
    return f"{count(known)} + unknown" if known else "unknown"


def _cost(report: JSON) -> Child:
    verdict = report["verdict"]
    shown = price(verdict, report["run"]["simulated"])
    if not verdict["possibly_billed"]:
        return shown
    lost = f"{counted(verdict['possibly_billed'], 'request')} possibly billed on top"
    return several(shown, " ", element("span", "soft", lost))
