"""The end of a run on a terminal: what came of it, what went wrong, what to do next.

Made from the report document, so that it says what the page says; the caller prints it.
"""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flowrunner.events import JSON
from flowrunner.report.figures import clock, count, counted, duration, money
from flowrunner.report.terminal import Style, shown_price, shown_tokens
from flowrunner.report.trouble import NAMED, short_sentence, wrong_steps
from flowrunner.report.verdict import tally_words

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
    """The last block: good or bad, files in `folder`, how to go on.

    `folder` is the run's folder as it is reached from the current one: a run of another project is
    named by it in commands.
    """
    here = _Here(report, folder)
    lines = ["", _headline(report, style)]
    wrong = wrong_steps(report)
    for step in wrong[:NAMED]:
        lines += _trouble(step, here, style)
    if report["verdict"]["left_out"]:
        lines += _labelled("Left out", ", ".join(report["verdict"]["left_out"]), style)
    more = len(wrong) - NAMED
    if more > 0:
        lines += _labelled("", f"and {counted(more, 'more step')}, all in the report", style)
    lines += going_on_lines(report, style, here.command, beside=wrong[:NAMED])
    if report["result"] is not None:
        lines += _labelled("Result", f"{folder}/result.json", style, wrap=False)
    where = f"{folder}/report.html    open with: {here.opening}"
    return lines + _labelled("Report", where, style, wrap=False)


def going_on_lines(
    report: dict[str, JSON],
    style: Style,
    command: Callable[[str], str] = str,
    beside: Sequence[JSON] = (),
) -> list[str]:
    """What a person can do now: advice that none of the steps `beside` gave, and the commands."""
    lines: list[str] = []
    resume, help_ = report["commands"]["resume"], report["verdict"]["help"]
    if help_ and _is_own(report, help_) and help_ not in [step["help"] for step in beside]:
        lines += _labelled("Next", help_, style)
    for approve in report["commands"]["approve"][:NAMED]:
        lines += _labelled("Agree", command(approve), style, wrap=False)
    if resume:
        lines += _labelled("Continue", command(resume) + _keeps(report), style, wrap=False)
    return lines


@dataclass(frozen=True, slots=True)
class _Here:
    """How a run is named from the current folder."""

    report: JSON
    folder: str

    def command(self, text: str) -> str:
        """A command of the report that works from here."""
        if self._is_of_this_project:
            return text
        words = shlex.split(text)
        run = self.report["run"]["id"]
        return shlex.join(self._spec if word == run else word for word in words)

    @property
    def opening(self) -> str:
        """The command that opens the report."""
        if self._is_of_this_project:
            return "flowrunner report --open"
        return shlex.join(["flowrunner", "report", self._spec, "--open"])

    @property
    def _is_of_this_project(self) -> bool:
        return self.folder.replace("\\", "/").startswith(".flowrunner/")

    @property
    def _spec(self) -> str:
        # Without a separator in it a path would be read as the name of a run.
        has_separator = "/" in self.folder or "\\" in self.folder
        return self.folder if has_separator else f"./{self.folder}"


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
        cost = f"{cost}+unknown" if verdict["cost_usd"] else "unknown"
    told += [f"TOTAL={tally['total']}", f"COST={cost}", f"TIME={round(verdict['elapsed_s'])}s"]
    if report["run"]["simulated"]:
        told.append("SIMULATED=1" if report["run"]["replayed"] is None else "REPLAYED=1")
    return f"Done. {' '.join(told)} RUN={report['run']['id']}"


def _headline(report: JSON, style: Style) -> str:
    verdict, tally = report["verdict"], report["verdict"]["tally"]
    look, words = _HEADS[verdict["status"]]
    price = shown_price(
        verdict["cost_usd"],
        complete=verdict["cost_is_complete"],
        simulated=report["run"]["simulated"],
        replayed=report["run"]["replayed"],
    )
    if verdict["status"] == "succeeded":
        took = verdict["elapsed_s"]
        first = f"{words} {clock(took) if took >= 10 else duration(took)}"
        facts = [", ".join(tally_words(tally)), *_failed_items(report), price, *_saved(report)]
        facts.append(shown_tokens(verdict["tokens"], complete=verdict["tokens_are_complete"]))
    else:
        first = f"{words} {short_sentence(report).rstrip('.')}"
        others = {**tally, "total": 0} | {"failed": 0}
        is_known = verdict["cost_is_complete"] and not report["run"]["simulated"]
        facts = [*tally_words(others), f"{price} spent" if is_known else price]
    dot = " · " if style.utf8 else " - "
    said = dot.join([style.paint(style.line(first), "bold"), *(style.line(f) for f in facts if f)])
    return f"{style.mark(look)} {said}"


def _failed_items(report: JSON) -> list[str]:
    tallies = [step["items"] for step in report["steps"] if step["items"] and not step["parent"]]
    failed = sum(items["failed"] for items in tallies)
    total = sum(items["total"] for items in tallies)
    return [f"{failed:,} of {counted(total, 'item')} failed"] if failed else []


def _saved(report: JSON) -> list[str]:
    saved = report["money"]["saved"]
    return [f"saved {money(saved['usd'])}"] if saved["usd"] else []


def _trouble(step: JSON, here: _Here, style: Style) -> list[str]:
    lines = _labelled(step["unit"], step["message"] or f"{step['status']}.", style)
    if step["place"]:
        lines += _labelled("", step["place"], style, wrap=False)
    numbers = step["numbers"]
    facts = [counted(len(step["attempts"]), "attempt")] if step["attempts"] else []
    for word, key in (("request", "request_id"), ("client request", "client_request_id")):
        if numbers[key] and numbers[key] not in (step["message"] or ""):
            facts.append(f"{word} {numbers[key]}")
            break
    show = here.command(here.report["commands"]["show"])
    facts.append(f"more: {show} {shlex.quote(step['unit'])}")
    lines += _labelled("", " · ".join(facts), style, wrap=False)
    return lines + (_labelled("Try", step["help"], style) if step["help"] else [])


def _is_own(report: JSON, help_: str) -> bool:
    """Whether the run's advice says more than the line that follows it."""
    return report["commands"]["resume"] and not help_.startswith("It can go on")


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
