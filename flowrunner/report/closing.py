"""The end of a run on a terminal: what came of it, what went wrong, what to do next.

Made from the report document, so that it says what the page says; the caller prints it.
"""

from __future__ import annotations

import textwrap

from flowrunner.events import JSON
from flowrunner.report.figures import clock, count, counted, duration, money
from flowrunner.report.terminal import Style, shown_price
from flowrunner.report.verdict import tally_words

_TROUBLES = 5
_HEADS = {
    "succeeded": ("succeeded", "Done in"),
    "failed": ("failed", "Stopped:"),
    "stopped": ("failed", "Stopped:"),
    "interrupted": ("cancelled", "Interrupted:"),
    "held": ("unknown", "Held:"),
    "waiting": ("waiting", "Waiting:"),
    "running": ("running", "Unfinished:"),
}
_LABEL = 10


def closing_lines(report: dict[str, JSON], folder: str, style: Style) -> list[str]:
    """The last block: good or bad, files in `folder`, how to go on."""
    lines = ["", _headline(report, style)]
    for step in _wrong(report)[:_TROUBLES]:
        lines += _trouble(step, report, style)
    more = len(_wrong(report)) - _TROUBLES
    if more > 0:
        lines += _labelled("", f"and {counted(more, 'more step')}, all in the report", style)
    resume = report["commands"]["resume"]
    if resume:
        help_ = report["verdict"]["help"]
        lines += _labelled("Next", help_, style) if help_ and _is_own(report, help_) else []
        lines += _labelled("Continue", resume + _keeps(report), style, wrap=False)
    if report["result"] is not None:
        lines += _labelled("Result", f"{folder}/result.json", style, wrap=False)
    where = f"{folder}/report.html    open with: flowrunner report --open"
    return lines + _labelled("Report", where, style, wrap=False)


def tally_line(report: dict[str, JSON]) -> str:
    """The very last line of a log, for grep; its keys never change."""
    verdict, tally = report["verdict"], report["verdict"]["tally"]
    pairs = {
        "OK": tally["succeeded"] - tally["reused"],
        "REUSED": tally["reused"],
        "FAILED": tally["failed"],
        "SKIPPED": tally["skipped"],
    }
    rest = {
        "CANCELLED": tally["cancelled"] + tally["not_started"],
        "UNKNOWN": tally["unknown"],
        "WAITING": tally["waiting"],
        "UNFINISHED": tally["running"],
    }
    pairs |= {key: number for key, number in rest.items() if number}
    told = [f"{key}={number}" for key, number in pairs.items()]
    cost = money(verdict["cost_usd"])
    if not verdict["cost_is_complete"]:
        cost += "+unknown"
    told += [f"TOTAL={tally['total']}", f"COST={cost}", f"TIME={round(verdict['elapsed_s'])}s"]
    if report["run"]["simulated"]:
        told.append("SIMULATED=1")
    return f"Done. {' '.join(told)} RUN={report['run']['id']}"


def _headline(report: JSON, style: Style) -> str:
    verdict, tally = report["verdict"], report["verdict"]["tally"]
    look, words = _HEADS[verdict["status"]]
    price = shown_price(
        verdict["cost_usd"],
        complete=verdict["cost_is_complete"],
        simulated=report["run"]["simulated"],
    )
    if verdict["status"] == "succeeded":
        took = verdict["elapsed_s"]
        first = f"{words} {clock(took) if took >= 10 else duration(took)}"
        used = verdict["tokens"]
        facts = [", ".join(tally_words(tally)), price]
        facts.append(counted(used["input"] + used["output"], "token"))
    else:
        first = f"{words} {verdict['sentence'].rstrip('.')}"
        others = {**tally, "total": 0} | {"failed": 0}
        facts = [*tally_words(others), price]
    dot = " · " if style.utf8 else " - "
    said = dot.join([style.paint(style.line(first), "bold"), *(style.line(f) for f in facts if f)])
    return f"{style.mark(look)} {said}"


def _wrong(report: JSON) -> list[JSON]:
    return [step for step in report["steps"] if step["status"] in ("failed", "unknown")]


def _trouble(step: JSON, report: JSON, style: Style) -> list[str]:
    lines = _labelled(step["unit"], step["message"] or f"{step['status']}.", style)
    if step["place"]:
        lines += _labelled("", step["place"], style, wrap=False)
    numbers = step["numbers"]
    facts = [counted(len(step["attempts"]), "attempt")] if step["attempts"] else []
    for word, key in (("request", "request_id"), ("client request", "client_request_id")):
        if numbers[key]:
            facts.append(f"{word} {numbers[key]}")
            break
    facts.append(f"more: {report['commands']['show']} {step['unit']}")
    lines += _labelled("", " · ".join(facts), style, wrap=False)
    return lines + (_labelled("Try", step["help"], style) if step["help"] else [])


def _is_own(report: JSON, help_: str) -> bool:
    """Whether the run's advice says more than the line that follows it."""
    return not help_.startswith("It can go on") and report["verdict"]["status"] != "succeeded"


def _keeps(report: JSON) -> str:
    done = report["verdict"]["tally"]["succeeded"]
    if not done:
        return ""
    kept = "the finished step" if done == 1 else f"the {count(done)} finished steps"
    return f"    (keeps {kept}, pays only for what is left)"


def _labelled(label: str, text: str, style: Style, *, wrap: bool = True) -> list[str]:
    """A label and its text, the text's further lines below its first."""
    shown = style.line(label)
    width = max(_LABEL, len(shown))
    indent = " " * (2 + width + 2)
    head = f"  {style.paint(shown, 'bold')}{' ' * (width - len(shown))}  "
    line = style.line(text)
    room = max(24, style.width - len(indent))
    parts = textwrap.wrap(line, room, break_long_words=False, break_on_hyphens=False)
    if not wrap or len(parts) <= 1:
        return [head + line]
    return [head + parts[0], *(indent + part for part in parts[1:])]


def summary_line(report: dict[str, JSON], style: Style) -> str:
    """One line for a run that somebody looks at later."""
    verdict = report["verdict"]
    return f"{_headline(report, style)} ({duration(verdict['elapsed_s'])})"
