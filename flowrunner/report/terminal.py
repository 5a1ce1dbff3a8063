"""What a terminal or a log sees while a run goes on: a header, then a line for each finished step.

Pure: events in, lines out. Whether there is a terminal, colour or UTF-8 is decided by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass

from flowrunner.events import (
    JSON,
    ApprovalAsked,
    ApprovalGiven,
    CallAccepted,
    CallAnswered,
    CallLost,
    CallNotSent,
    CallPolled,
    CallRefused,
    Event,
    ForEachBegan,
    RunResumed,
    RunStarted,
    Slowed,
    StepFinished,
    StepStarted,
    ToolCallBegan,
    ToolCallEnded,
    Warned,
)
from flowrunner.report.figures import about_money, count, counted, duration, money
from flowrunner.report.going import AtWork, Going, Items
from flowrunner.report.units import depth_of, parent_of
from flowrunner.report.verdict import is_reused
from flowrunner.report.words import pending
from flowrunner.visible import one_line, visible

_MARKS = {
    "succeeded": ("✓", "+", "green"),
    "reused": ("=", "=", "green"),
    "failed": ("✗", "x", "red"),
    "skipped": ("»", "-", "dim"),
    "cancelled": ("⊘", "-", "dim"),
    "waiting": ("‖", "|", "yellow"),
    "unknown": ("?", "?", "magenta"),
    "running": ("…", ".", "cyan"),
    "none": ("·", ".", "dim"),
}
_CODES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "magenta": "35",
    "cyan": "36",
}
_ASCII = str.maketrans(
    {"·": "-", "→": "->", "…": "...", "×": "x", "≈": "~", "–": "-", "—": "-", "’": "'", "‘": "'",
     "“": '"', "”": '"', "\N{NO-BREAK SPACE}": " "}
)  # fmt: skip
_NAMES_WIDTH = 28
_LEAST_ROOM = 40
_TELLING_WAIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Style:
    """How lines may look: colour by plain ANSI codes or none, UTF-8 or ASCII, columns at most."""

    colour: bool = False
    utf8: bool = True
    width: int = 100

    def paint(self, text: str, *names: str) -> str:
        """The text in a colour, where colours are wanted."""
        if not self.colour or not text:
            return text
        codes = ";".join(_CODES[name] for name in names)
        return f"\x1b[{codes}m{text}\x1b[0m"

    def mark(self, look: str) -> str:
        """The sign of a status: a shape, so that no meaning hangs on the colour."""
        fancy, plain, colour = _MARKS[look]
        return self.paint(fancy if self.utf8 else plain, colour)

    def line(self, text: str) -> str:
        """Text of others on one line, nothing in it obeyed."""
        return self._sayable(one_line(text))

    def block(self, text: str) -> str:
        """Text of others on its own lines, nothing in it obeyed."""
        return self._sayable(visible(text))

    def _sayable(self, text: str) -> str:
        if self.utf8 or text.isascii():
            return text
        return text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")


class ProgressLines:
    """Lines for the events of a run, one a finished step; `verbose` also tells what begins.

    The items of a long list are told together, at every tenth of it. With `live` nothing is told
    of what goes on: that stands below the lines for as long as it does. `feed` takes every event in
    order, as the journal gives them after the commit.
    """

    def __init__(
        self,
        style: Style,
        *,
        verbose: bool = False,
        simulated: bool = False,
        replayed: str | None = None,
        live: bool = False,
    ) -> None:
        self.style = style
        self.verbose = verbose
        self._live = live
        self._names = 12
        self._simulated, self._replayed = simulated, replayed
        # What the line above stands in: below it a short name says enough.
        self._around: str | None = None
        self._at_work = AtWork()

    def feed(self, event: Event) -> list[str]:
        """The lines that an event adds, without line ends."""
        if isinstance(event, StepFinished):
            return self._ended(event)
        if isinstance(event, CallAccepted | CallPolled | CallAnswered):
            return self._came(event)
        if isinstance(event, StepStarted | ForEachBegan):
            return self._started(event)
        if isinstance(event, CallRefused | CallNotSent | CallLost):
            return self._troubled(event)
        if isinstance(event, ApprovalAsked | ApprovalGiven):
            return self._approval(event)
        return self._of_the_rest(event)

    def _of_the_rest(self, event: Event) -> list[str]:
        """Calls of tools, and what happens to the run as a whole."""
        if isinstance(event, ToolCallBegan | ToolCallEnded):
            return self._tool(event)
        if isinstance(event, RunStarted):
            return self._begin(event)
        if isinstance(event, Warned):
            return [self._warned(event)]
        if isinstance(event, Slowed):
            return [] if self._live else [self._slowed(event)]
        if isinstance(event, RunResumed):
            # What an earlier process began took an unknown time.
            self._at_work.clear()
            said = f"Resumed by process {event.epoch} of this run."
            return [self.style.line(said), *self._banner()]
        return []

    def _started(self, event: StepStarted | ForEachBegan) -> list[str]:
        unit = event.address.unit
        going = self._at_work.unit(unit)
        crowd = self._at_work.crowd_of(unit)
        if isinstance(event, ForEachBegan):
            going.items = Items(event.items)
            if crowd or self._live or not going.items.are_many:
                return []
            going.is_announced = True
            return self._lines("running", unit, counted(event.items, "item"))
        going.started_at = event.at if going.started_at is None else going.started_at
        going.verb = event.verb
        if not self.verbose or crowd:
            return []
        return self._lines("running", unit, f"{event.verb} begins")

    def _troubled(self, event: CallRefused | CallNotSent | CallLost) -> list[str]:
        """A request that did not succeed, where somebody has to wait for the next, or wants to
        know. Of a crowd of items that wait one is told, until its wait is over."""
        unit, wait_s = event.address.unit, event.retry_in_s or 0.0
        if wait_s < _TELLING_WAIT_S:
            told = self.verbose and not self._at_work.crowd_of(unit)
            return self._lines("running", unit, _trouble(event), whole=True) if told else []
        crowd = self._at_work.crowd_of(unit)
        going = self._at_work.unit(crowd or unit)
        if self._live or event.at < going.waits_until:
            return []
        going.waits_until = event.at + wait_s
        some = f", so {unit} waits" if crowd else ""
        said = f"waiting {duration(wait_s)}: {_why(event)}{some}"
        return self._lines("waiting", crowd or unit, said)

    def _came(self, event: CallAccepted | CallPolled | CallAnswered) -> list[str]:
        """An answer, or that one comes later and under which id; of a crowd of items none is
        told."""
        unit = event.address.unit
        if isinstance(event, CallAnswered):
            going = self._at_work.unit(unit)
            going.add(event)
            going.model = event.model
            return []
        is_first = isinstance(event, CallAccepted)
        if self._live or self._at_work.crowd_of(unit) or not (is_first or self.verbose):
            return []
        return self._lines("running", unit, _pending(event))

    def _approval(self, event: ApprovalAsked | ApprovalGiven) -> list[str]:
        unit = event.address.unit
        if isinstance(event, ApprovalAsked):
            self._at_work.unit(unit).has_asked = True
            text = " ".join(event.text.split())
            return self._lines("waiting", unit, f"somebody must agree: {text}")
        why = f": {event.why}" if event.why else ""
        said = f"{event.by} {'agreed' if event.granted else 'did not agree'}{why}"
        return self._lines("succeeded" if event.granted else "cancelled", unit, said)

    def _tool(self, event: ToolCallBegan | ToolCallEnded) -> list[str]:
        """What came of the call of a tool; of a `call` step its own end tells it."""
        unit = event.address.unit
        going = self._at_work.unit(unit)
        if isinstance(event, ToolCallBegan):
            going.tools[event.call_id] = (event.name, event.kind)
            return []
        name, kind = going.tools.pop(event.call_id, (event.call_id, ""))
        if kind == "call" or self._at_work.crowd_of(unit):
            return []
        if event.ok:
            said = f"{name} answered in {duration(event.elapsed_s)}"
        else:
            said = f"{name} {'failed' if event.not_run is None else 'was not run'}: {event.error}"
        look = "running" if event.ok else "cancelled" if event.not_run == "denied" else "failed"
        return self._lines(look, unit, said)

    def _lines(self, look: str, unit: str, said: str, *, whole: bool = False) -> list[str]:
        """A line about a unit, behind the names of what it stands in where those are not out."""
        return [*self._heads(unit), self._line(look, unit, said, whole=whole)]

    def _heads(self, unit: str) -> list[str]:
        lines = []
        for above, going in self._at_work.unannounced(unit):
            lines.append(self._line("running", above, going.verb or "").rstrip())
            self._around = above
        return lines

    def _line(self, look: str, unit: str, said: str, *, whole: bool = False) -> str:
        name, shown = self._name(unit), self.style.line(said)
        self._around = parent_of(unit)
        return f" {self.style.mark(look)} {name}  " + (
            shown if whole else self._cut(shown, len(name) + 5)
        )

    def _cut(self, text: str, used: int) -> str:
        """No more of a sentence than one line shows: the end of the run and `show` tell it all."""
        room = max(_LEAST_ROOM, self.style.width - used)
        dots = "…" if self.style.utf8 else "..."
        return text if len(text) <= room else text[: room - len(dots)].rstrip() + dots

    def _begin(self, event: RunStarted) -> list[str]:
        longest = max((len(self.style.line(step)) for step in event.steps), default=0)
        self._names = min(_NAMES_WIDTH, max(8, longest))
        self._simulated, self._replayed = event.simulated, event.replayed
        return [*header_lines(event, self.style), *self._banner(), ""]

    def _banner(self) -> list[str]:
        """What no run goes without in which no model is asked."""
        if not self._simulated:
            return []
        said = stand_in_words(self._replayed, "is")
        return [self.style.paint(self.style.line(said), "yellow")]

    def _name(self, unit: str) -> str:
        parent = parent_of(unit)
        is_clear = parent is None or parent == self._around
        name = unit.rpartition("/")[2] if is_clear else unit
        name = self.style.line("  " * depth_of(unit) + name)
        self._names = max(self._names, min(_NAMES_WIDTH, len(name)))
        return name.ljust(self._names)

    def _ended(self, event: StepFinished) -> list[str]:
        unit = event.address.unit
        crowd = self._at_work.crowd_of(unit)
        if crowd is None:
            going = self._at_work.end(unit)
            if going.has_asked and event.status == "waiting":
                return []
            return [*self._heads(unit), self._finished(event, going)]
        self._at_work.end(unit)
        whole = self._at_work.unit(crowd).items
        is_item_of_it = unit.startswith(f"{crowd}[") and unit.count("]", len(crowd)) == 1
        if whole is None or not (is_item_of_it and unit.endswith("]")):
            return []
        is_told = whole.count(event.status) and not self._live
        return self._lines("running", crowd, _so_far(whole)) if is_told else []

    def _finished(self, event: StepFinished, going: Going) -> str:
        name = self._name(event.address.unit)
        self._around = parent_of(event.address.unit)
        look = "reused" if is_reused(event.status, event.reason) else event.status
        kind = self.style.line(going.model or event.verb).ljust(14)
        columns = [name, kind]
        if event.status == "succeeded":
            columns += self._figures(event, going)
        else:
            words = self.style.line(outcome_words(event.status, event.message))
            columns.append(self._cut(words, sum(len(column) + 2 for column in columns) + 3))
        return f" {self.style.mark(look)} {'  '.join(columns)}".rstrip()

    def _figures(self, event: StepFinished, going: Going) -> list[str]:
        took = "" if going.started_at is None else duration(event.at - going.started_at)
        figures = [took.rjust(7)]
        if going.answers:
            figures += [self._tokens(going).rjust(22), self._price(going).rjust(11)]
        if going.items is not None:
            figures.append(_ended_items(going.items))
        if event.reused_from:
            figures.append(self.style.line(f"reused from {event.reused_from}"))
        return figures

    def _tokens(self, going: Going) -> str:
        if not going.is_counted and not (going.usage.input or going.usage.output):
            return "unknown tok"
        arrow = "→" if self.style.utf8 else "->"
        more = "" if going.is_counted else " + unknown"
        return f"{count(going.usage.input)} {arrow} {count(going.usage.output)} tok{more}"

    def _price(self, going: Going) -> str:
        if self._simulated:
            return "simulated" if self._replayed is None else "replayed"
        if going.is_priced:
            return money(going.cost_usd)
        return f"{money(going.cost_usd)} + unknown" if going.cost_usd else "unknown"

    def _slowed(self, event: Slowed) -> str:
        said = f"{event.model} pauses for {duration(event.wait_s)}: the server allows no more now"
        return f" {self.style.mark('waiting')} {self.style.line(said)}"

    def _warned(self, event: Warned) -> str:
        about = f"{event.address.unit}: " if event.address else ""
        word = self.style.paint("warning", "yellow")
        return f" {word}  {self.style.line(f'{about}{event.message} [{event.code}]')}"


def _so_far(items: Items) -> str:
    failed = f" · {items.failed:,} failed" if items.failed else ""
    if items.total is None:
        return f"{counted(items.ended, 'more item')}{failed}"
    return f"{count(items.ended)} of {counted(items.total, 'item')}{failed}"


def _ended_items(items: Items) -> str:
    number = items.ended if items.total is None else items.total
    failed = f", {items.failed:,} failed" if items.failed else ""
    return f"{counted(number, 'item')}{failed}"


def header_lines(event: RunStarted, style: Style) -> list[str]:
    """The first line of a run."""
    steps = counted(len(event.steps), "step")
    dot = " · " if style.utf8 else " - "
    asked = ", ".join([event.provider, *event.others])
    facts = [style.line(fact) for fact in (steps, asked, f"run {event.run}")]
    return [dot.join([style.paint(style.line(event.workflow), "bold"), *facts])]


def stand_in_words(replayed: str | None, verb: str) -> str:
    """Who answers, or answered (`verb` is "was"), where no model is asked."""
    nobody = f"no model {verb} asked and nothing {verb} paid."
    return f"SIMULATED: {nobody}" if replayed is None else f"REPLAYED from {replayed}: {nobody}"


def outcome_words(status: str, message: str | None) -> str:
    """The word for a status with its sentence: `failed: The answer was cut off.`"""
    word = {"unknown": "outcome unknown"}.get(status, status)
    return f"{word}: {message}" if message else word


def shown_price(
    cost_usd: float, *, complete: bool, simulated: bool, replayed: str | None = None
) -> str:
    """Money of a run on one line; of a simulated one what it would have cost."""
    word = "simulated" if replayed is None else "replayed"
    if simulated and complete:
        return f"{word}, would be about {about_money(cost_usd)}"
    if simulated:
        known = f"at least {about_money(cost_usd)}" if cost_usd else "an unknown amount"
        return f"{word}, would be {known}"
    if complete:
        return money(cost_usd)
    return f"{money(cost_usd)} and an unknown part" if cost_usd else "cost unknown"


def shown_tokens(tokens: JSON, *, complete: bool) -> str:
    """The tokens of a run in one number; what is not known is said to be unknown."""
    known = tokens["input"] + tokens["output"]
    if complete:
        return counted(known, "token")
    return f"{counted(known, 'token')} and an unknown part" if known else "tokens unknown"


def _why(event: CallRefused | CallNotSent | CallLost) -> str:
    if isinstance(event, CallRefused):
        return f"the API answered {event.http_status} ({event.error.message})"
    if isinstance(event, CallNotSent):
        return f"the request did not leave ({event.message})"
    return f"the answer was lost ({event.message})"


def _pending(event: CallAccepted | CallPolled) -> str:
    said = pending(event)
    return f"{said}, id {event.response_id}" if isinstance(event, CallAccepted) else said


def _trouble(event: CallRefused | CallNotSent | CallLost) -> str:
    if isinstance(event, CallRefused):
        said = f"refused ({event.http_status}): {event.error.message}"
    else:
        said = f"{'never left' if isinstance(event, CallNotSent) else 'lost'}: {event.message}"
    if event.retry_in_s is None:
        return said
    return f"{said} Next attempt in {duration(event.retry_in_s)}."
