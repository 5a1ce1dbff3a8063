"""What a terminal or a log sees while a run goes on: a header, then a line for each finished step.

Pure: events in, lines out. Whether there is a terminal, colour or UTF-8 is decided by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from flowrunner.events import (
    CallAnswered,
    CallLost,
    CallNotSent,
    CallRefused,
    Event,
    RunResumed,
    RunStarted,
    StepFinished,
    StepStarted,
    Usage,
    Warned,
)
from flowrunner.report.figures import about_money, count, counted, duration, money
from flowrunner.report.verdict import is_reused
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


@dataclass(slots=True)
class _Going:
    """What is known of a step so far."""

    started_at: float | None = None
    usage: Usage = field(default_factory=Usage)
    cost_usd: float = 0.0
    is_priced: bool = True
    answers: int = 0
    model: str | None = None


class ProgressLines:
    """Lines for the events of a run, one a finished step; `verbose` also tells what begins.

    `feed` takes every event in order, as the journal gives them after the commit.
    """

    def __init__(self, style: Style, *, verbose: bool = False) -> None:
        self.style = style
        self.verbose = verbose
        self._names = 12
        self._simulated = False
        self._going: dict[str, _Going] = {}

    def feed(self, event: Event) -> list[str]:
        """The lines that an event adds, without line ends."""
        if isinstance(event, StepFinished):
            return [self._finished(event)]
        if isinstance(event, CallAnswered):
            self._count(event)
            return []
        if isinstance(event, StepStarted | CallRefused | CallNotSent | CallLost):
            return self._going_on(event)
        return self._of_the_run(event)

    def _of_the_run(self, event: Event) -> list[str]:
        if isinstance(event, RunStarted):
            return self._begin(event)
        if isinstance(event, Warned):
            return [self._warned(event)]
        if isinstance(event, RunResumed):
            # What an earlier process began took an unknown time.
            self._going.clear()
            return [self.style.line(f"Resumed by process {event.epoch} of this run.")]
        return []

    def _going_on(self, event: StepStarted | CallRefused | CallNotSent | CallLost) -> list[str]:
        unit = event.address.unit
        if isinstance(event, StepStarted):
            self._step(unit).started_at = event.at
        if not self.verbose:
            return []
        said = f"{event.verb} begins" if isinstance(event, StepStarted) else _trouble(event)
        return [f" {self.style.mark('running')} {self._name(unit)}  {self.style.line(said)}"]

    def _begin(self, event: RunStarted) -> list[str]:
        longest = max((len(self.style.line(step)) for step in event.steps), default=0)
        self._names = min(_NAMES_WIDTH, max(8, longest))
        self._simulated = event.simulated
        return header_lines(event, self.style)

    def _step(self, unit: str) -> _Going:
        return self._going.setdefault(unit, _Going())

    def _count(self, event: CallAnswered) -> None:
        going = self._step(event.address.unit)
        going.answers += 1
        going.usage += event.usage or Usage()
        going.cost_usd += event.cost_usd or 0.0
        going.is_priced &= event.cost_usd is not None
        going.model = event.model

    def _name(self, unit: str) -> str:
        return self.style.line(unit).ljust(self._names)

    def _finished(self, event: StepFinished) -> str:
        unit = event.address.unit
        going = self._going.pop(unit, _Going())
        look = "reused" if is_reused(event.status, event.reason) else event.status
        columns = [self._name(unit), self.style.line(going.model or event.verb).ljust(14)]
        if event.status == "succeeded":
            columns += self._figures(event, going)
        else:
            columns.append(self.style.line(outcome_words(event.status, event.message)))
        return f" {self.style.mark(look)} {'  '.join(columns)}".rstrip()

    def _figures(self, event: StepFinished, going: _Going) -> list[str]:
        took = "" if going.started_at is None else duration(event.at - going.started_at)
        if not going.answers:
            return [took.rjust(7)]
        arrow = "→" if self.style.utf8 else "->"
        tokens = f"{count(going.usage.input)} {arrow} {count(going.usage.output)} tok"
        return [took.rjust(7), tokens.rjust(22), self._price(going).rjust(11)]

    def _price(self, going: _Going) -> str:
        if self._simulated:
            return "simulated"
        return money(going.cost_usd) if going.is_priced else "unknown"

    def _warned(self, event: Warned) -> str:
        about = f"{event.address.unit}: " if event.address else ""
        word = self.style.paint("warning", "yellow")
        return f" {word}  {self.style.line(f'{about}{event.message} [{event.code}]')}"


def header_lines(event: RunStarted, style: Style) -> list[str]:
    """The first line of a run, and the banner that no simulated run goes without."""
    steps = counted(len(event.steps), "step")
    dot = " · " if style.utf8 else " - "
    facts = [style.line(fact) for fact in (steps, event.provider, f"run {event.run}")]
    lines = [dot.join([style.paint(style.line(event.workflow), "bold"), *facts])]
    if event.simulated:
        banner = "SIMULATED: no model is asked and nothing is paid."
        lines.append(style.paint(banner, "yellow"))
    return [*lines, ""]


def outcome_words(status: str, message: str | None) -> str:
    """The word for a status with its sentence: `failed: The answer was cut off.`"""
    word = {"unknown": "outcome unknown"}.get(status, status)
    return f"{word}: {message}" if message else word


def shown_price(cost_usd: float, *, complete: bool, simulated: bool) -> str:
    """Money of a run on one line; of a simulated one what it would have cost."""
    if simulated:
        return f"simulated, would be about {about_money(cost_usd)}"
    if complete:
        return money(cost_usd)
    return f"{money(cost_usd)} and an unknown part" if cost_usd else "cost unknown"


def _trouble(event: CallRefused | CallNotSent | CallLost) -> str:
    if isinstance(event, CallRefused):
        said = f"refused ({event.http_status}): {event.error.message}"
    else:
        said = f"{'never left' if isinstance(event, CallNotSent) else 'lost'}: {event.message}"
    if event.retry_in_s is None:
        return said
    return f"{said} Next attempt in {duration(event.retry_in_s)}."
