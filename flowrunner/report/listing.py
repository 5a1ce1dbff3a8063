"""Runs and steps as tables and texts in the terminal: what `runs` and `show` print.

The rows come from run states, the texts from the report document; the caller prints them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flowrunner.events import JSON
from flowrunner.journal.state import RunState, Totals
from flowrunner.report.bounds import compact
from flowrunner.report.brought import TITLES, tier_line
from flowrunner.report.closing import going_on_lines, summary_line
from flowrunner.report.figures import (
    attached_words,
    count,
    counted,
    duration,
    iso_utc,
    money,
    readable_utc,
)
from flowrunner.report.nesting import inside_facts
from flowrunner.report.terminal import Style, outcome_words, shown_price, stand_in_words
from flowrunner.report.tool_calls import call_line
from flowrunner.report.units import depth_of
from flowrunner.report.wrapping import wrapped_line

_LOOKS = {
    "interrupted": "cancelled",
    "held": "unknown",
    "stopped": "failed",
}
_NARROW = 8


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run in the history."""

    run: str
    workflow: str
    status: str
    started_at: float | None
    ended_at: float | None
    cost_usd: float
    cost_is_complete: bool
    simulated: bool


def run_row(state: RunState) -> RunRow:
    """The row of a run, from its state with or without its steps."""
    totals = state.totals
    return RunRow(
        run=state.run,
        workflow=state.workflow,
        status=state.status,
        started_at=state.started_at,
        ended_at=state.ended_at,
        cost_usd=totals.cost_usd,
        cost_is_complete=not _is_open(totals),
        simulated=state.simulated,
    )


def _is_open(totals: Totals) -> bool:
    return bool(totals.unknown_cost_calls or totals.lost_calls or totals.accepted_calls)


def run_lines(rows: Iterable[RunRow], style: Style) -> list[str]:
    """The table of runs in the order given, with its head; a sentence where there is none."""
    listed = list(rows)
    if not listed:
        return ["No run yet. Start one with: flowrunner run WORKFLOW"]
    cells = [[style.line(cell) for cell in _cells(row)] for row in listed]
    head = ["run", "workflow", "status", "started", "took", "cost"]
    widths = [max(len(line[n]) for line in [head, *cells]) for n in range(len(head))]
    lines = [style.paint(f"   {_columns(head, widths)}", "dim")]
    for row, line in zip(listed, cells, strict=True):
        lines.append(f" {style.mark(_LOOKS.get(row.status, row.status))} {_columns(line, widths)}")
    return lines


def _cells(row: RunRow) -> list[str]:
    started = "" if row.started_at is None else readable_utc(iso_utc(row.started_at))
    took = ""
    if row.started_at is not None and row.ended_at is not None:
        took = duration(row.ended_at - row.started_at)
    cost = _cost(row.cost_usd, complete=row.cost_is_complete)
    if row.simulated:
        cost = "simulated"
    status = "unfinished" if row.status == "running" else row.status
    return [row.run, row.workflow, status, started, took, cost]


def _cost(cost_usd: float, *, complete: bool) -> str:
    if complete:
        return money(cost_usd)
    return f"{money(cost_usd)} + unknown" if cost_usd else "unknown"


def _columns(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def show_lines(report: dict[str, JSON], style: Style) -> list[str]:
    """A run for reading: how it ended, its steps, its result, where to look further."""
    run, verdict = report["run"], report["verdict"]
    title = style.paint(style.line(run["workflow"]), "bold")
    lines = [f"{title}  {style.line(run['path'])}", summary_line(report, style)]
    lines.append(style.line(f"started {readable_utc(verdict['started_at'])}, run {run['id']}"))
    if run["simulated"]:
        said = style.line(stand_in_words(run["replayed"], "was"))
        lines.append(style.paint(said, "yellow"))
    lines.append("")
    width = max((len(style.line(_name(step))) for step in report["steps"]), default=0)
    lines += [_step_line(step, max(width, _NARROW), report, style) for step in report["steps"]]
    lines += _not_listed(report, style)
    if report["result"] is not None:
        lines += ["", style.paint("Result", "bold"), *_indented(_text_of(report["result"]), style)]
    for warning in report["warnings"]:
        about = f"{warning['unit']}: " if warning["unit"] else ""
        word = style.paint("warning", "yellow")
        lines.append(f"{word} {style.line(about + warning['message'])}")
    lines += ["", *going_on_lines(report, style)]
    return [*lines, style.line(f"One step: {report['commands']['show']} STEP")]


def _not_listed(report: JSON, style: Style) -> list[str]:
    units = report["units"]
    more = units["total"] - units["listed"]
    if more <= 0:
        return []
    return [style.line(f"   and {counted(more, 'more unit')}; one of them: {units['see']}")]


def show_step_lines(step: dict[str, JSON], style: Style) -> list[str]:
    """One step of a report with all that is known of it."""
    look = "reused" if step["reused"] else step["status"] or "none"
    place = f"  {step['place']}" if step["place"] else ""
    word = outcome_words(step["status"] or "not started", step["message"])
    lines = [
        f"{style.mark(look)} {style.paint(style.line(step['unit']), 'bold')}{style.line(place)}"
    ]
    lines += _indented(word, style)
    lines += _indented(f"Try: {step['help']}", style) if step["help"] else []
    lines += _part("Inside", inside_facts(step), style)
    lines += _part("Agreed", _approval(step["approval"]), style)
    lines += _part("Why", [_why(step["why"])], style)
    lines += _part("Asked", _asked(step["asked"]), style)
    lines += _part("Tools", [_tool_call(one) for one in step["tool_calls"]], style)
    lines += _part("Answered", _answered(step["answered"]), style)
    lines += _part("Attempts", [_attempt(one) for one in step["attempts"]], style)
    return lines + _part("Numbers", _numbers(step["numbers"]), style)


def try_lines(told: JSON, message: str | None, where: str, style: Style) -> list[str]:
    """What came of a try: what was asked and came of it, how both differ from the last."""
    step, lines = told["step"], []
    if step is not None:
        lines = show_step_lines({**step, "answered": _beside(step["answered"])}, style)
        if step["status"] in (None, "running") and message:
            lines += ["", f"{style.mark('failed')} {style.line(message)}"]
    elif message:
        lines = [f"{style.mark('failed')} {style.line(message)}"]
    if told["difference"] is not None:
        for key, title in (("asked", "asked"), ("answer", "answered")):
            heading = f"What is {title} otherwise than in {told['against']}"
            found = told["difference"][key]
            lines += _part(heading, ["\n".join(found)] if found else ["nothing"], style)
    return ["", *lines, "", style.line(f"Report  {where}")]


def _beside(answered: JSON) -> JSON:
    """What stands beside an answer that is printed by itself."""
    return None if answered is None else {**answered, "output": None, "text": None}


def _step_line(step: JSON, width: int, report: JSON, style: Style) -> str:
    look = "reused" if step["reused"] else step["status"] or "none"
    numbers = step["numbers"]
    told = [style.line(_name(step)).ljust(width)]
    if step["status"] == "succeeded":
        told.append(duration(step["elapsed_s"] or 0).rjust(7))
        if numbers["calls"]:
            told.append(_price(numbers, report))
        told += [style.line(fact) for fact in inside_facts(step)]
    else:
        told.append(style.line(outcome_words(step["status"] or "not started", step["message"])))
    return f" {style.mark(look)} {'  '.join(told)}".rstrip()


def _name(step: JSON) -> str:
    return f"{'  ' * depth_of(step['unit'])}{step['id']}"


def _approval(given: JSON) -> list[str]:
    if given is None:
        return []
    if given["granted"] is None:
        return [given["text"], "Nobody has said yes or no yet."]
    why = f": {given['why']}" if given["why"] else ""
    word = "agreed" if given["granted"] else "did not agree"
    when = readable_utc(given["decided_at"]) if given["decided_at"] else "some time"
    return [given["text"], f"{given['by']} {word}, {when}{why}"]


def _price(numbers: JSON, report: JSON) -> str:
    return shown_price(
        numbers["cost_usd"],
        complete=numbers["cost_is_complete"],
        simulated=report["run"]["simulated"],
        replayed=report["run"]["replayed"],
    )


def _part(title: str, texts: list[str], style: Style) -> list[str]:
    if not texts:
        return []
    lines = ["", style.paint(title, "bold")]
    for text in texts:
        lines += _indented(text, style)
    return lines


def _indented(text: str, style: Style) -> list[str]:
    lines: list[str] = []
    for line in style.block(text).split("\n"):
        wrapped = wrapped_line(line, max(24, style.width - 2))
        lines += [f"  {part}" for part in wrapped] or [""]
    return lines


def _text_of(held: JSON) -> str:
    if "value" not in held:
        return f"{held['beginning']} …\n({count(held['bytes'])} bytes; all of it: {held['see']})"
    value = held["value"]
    return value if isinstance(value, str) else compact(value)


def _why(why: JSON) -> str:
    values = [f"{entry['name']} = {_text_of(entry['value'])}" for entry in why["values"]]
    return "\n".join([why["sentence"], *values])


def _asked(asked: JSON) -> list[str]:
    if asked is None:
        return []
    messages = [f"{one['role']}: {_text_of(one['content'])}" for one in asked["messages"]]
    if asked["instructions"]:
        messages.insert(0, f"instructions: {_text_of(asked['instructions'])}")
    messages += [f"attached: {attached_words(each)}" for each in asked["attached"]]
    if asked["tools"]:
        messages.append(f"tools: {', '.join(asked['tools'])}")
    if asked["output_schema"]:
        messages.append(f"shape: {_text_of(asked['output_schema'])}")
    return messages


def _answered(answered: JSON) -> list[str]:
    if answered is None:
        return []
    told = []
    if answered["refusal"] is not None:
        told.append(f"The model refused: {answered['refusal']}")
    if answered["incomplete"] is not None:
        told.append(f"The answer is not whole: {answered['incomplete']}")
    given = answered["output"] or answered["text"]
    told += [_text_of(given)] if given else []
    told += [
        f"source: {one.get('title') or ''} {one.get('url') or one.get('file_id') or ''}"
        for one in answered["sources"]
    ]
    told += [f"file: {name}" for name in answered["files"]]
    return told + [
        f"{TITLES[name]}: {_text_of(held)}" for name, held in answered["brought"].items()
    ]


def _tool_call(one: JSON) -> str:
    given = _text_of(one["arguments"])
    lines = [f"{call_line(one)} {given}", f"  {one['sentence']}"]
    return "\n".join(lines if one["output"] is None else [*lines, f"  {_text_of(one['output'])}"])


def _attempt(one: JSON) -> str:
    wait = f" Then a pause of {duration(one['wait_s'])}." if one["wait_s"] is not None else ""
    ids = " ".join(one[key] for key in ("request_id", "client_request_id") if one[key])
    return f"{one['sentence']}{wait} [{ids}]"


def _numbers(numbers: JSON) -> list[str]:
    if not numbers["calls"]:
        return []
    tokens = numbers["tokens"]
    cost = _cost(numbers["cost_usd"], complete=numbers["cost_is_complete"])
    written = f", {count(tokens['cache_write'])} written to it" if tokens["cache_write"] else ""
    counted_tokens = (
        f"{count(tokens['input'])} in ({count(tokens['cached'])} cached{written}), "
        f"{count(tokens['output'])} out ({count(tokens['reasoning'])} reasoning)"
    )
    if not numbers["tokens_are_complete"]:
        known = tokens["input"] or tokens["output"]
        counted_tokens = f"{counted_tokens} + unknown" if known else "unknown"
    facts = {
        "tokens": counted_tokens,
        "cost": cost,
        "model asked": numbers["model_asked"],
        "model served": numbers["model_served"],
        "service tier": tier_line(numbers),
        "provider": numbers["provider"],
        "request id": numbers["request_id"],
        "response id": numbers["response_id"],
        "client request id": numbers["client_request_id"],
    }
    return [f"{name}: {value}" for name, value in facts.items() if value]
