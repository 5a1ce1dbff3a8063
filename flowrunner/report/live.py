"""What a terminal shows of a run at work: a few lines at the bottom, drawn anew at every moment.

Pure: a moment and the size of the screen in, lines out, each of them narrower than the screen. How
they replace the ones before is left to the viewer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

from flowrunner.report.figures import clock, count, counted, duration, money
from flowrunner.report.terminal import Style
from flowrunner.report.underway import Moment, Progress, Row
from flowrunner.visible import columns

Tail: TypeAlias = Callable[[str, int, Style], str | None]
"""What is being written for a unit, in at most so many columns; None where nothing is."""

_SPINNER = ("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\")
_TURNS_PER_S = 8
_KIND = 14
_LEAST_NAME, _MOST_NAME = 8, 28
_MARGIN = 4
"""Columns for the mark and the spaces around it, and one that stays empty: a terminal may go to the
next line as soon as its last column is used."""
_WIDE = 60
"""Columns below which a line leaves out what is least missed."""
_NARROWEST = 20
"""Nothing is drawn for fewer columns than these: lines are broken by the terminal there."""
_WIDEST_RULE = 100
_PART = 3
"""The part of the screen that is used at most: one line of so many."""
_HINTS = ("Ctrl-C stops safely (you can resume)", "Ctrl-C stops safely")
_STOPPING = ("stopping, Ctrl-C once more ends it at once", "stopping")


def rows_of_screen(height: int) -> int:
    """How many lines of a screen may be used."""
    return max(height // _PART, 1)


def live_lines(moment: Moment, style: Style, height: int, tail: Tail) -> list[str]:
    """The lines for a moment: units at work, models that are not asked, steps that have not begun,
    and how far it all is. No more of them than the screen has room for."""
    style = replace(style, width=max(style.width, _NARROWEST))
    most = rows_of_screen(height)
    foot = [_Foot(moment, style).line]
    if most > len(foot) + 2:
        foot.insert(0, _rule(style))
    view = _View(moment, style, tail)
    return [*view.lines(most - len(foot)), *foot]


@dataclass(frozen=True, slots=True)
class _View:
    """The lines above the last one."""

    moment: Moment
    style: Style
    tail: Tail

    def lines(self, room: int) -> list[str]:
        """At most so many: what is at work first; what has no room is counted."""
        moment = self.moment
        shown: list[Callable[[], str]] = [
            *(partial(self._at_work, row) for row in moment.rows),
            *(partial(self._paused, *pause) for pause in moment.pauses),
            *(partial(self._unbegun, *step) for step in moment.waiting),
        ]
        if len(shown) + bool(moment.more_rows + moment.more_waiting) <= room:
            return [make() for make in shown] + self._more(moment.more_rows, moment.more_waiting)
        kept = shown[: max(room - 1, 0)]
        begun = len(moment.rows) + moment.more_rows - min(len(kept), len(moment.rows))
        before = len(moment.rows) + len(moment.pauses)
        unbegun = len(moment.waiting) + moment.more_waiting - max(len(kept) - before, 0)
        return [make() for make in kept] + (self._more(begun, unbegun) if room > 0 else [])

    def _more(self, begun: int, unbegun: int) -> list[str]:
        facts = [f"{count(begun)} more at work"] if begun else []
        facts += [f"{count(unbegun)} more waiting" if not begun else f"{count(unbegun)} waiting"]
        said = f"and {', '.join(facts if unbegun else facts[:1])}"
        return [self._line(" ", said, "dim")] if begun or unbegun else []

    def _at_work(self, row: Row) -> str:
        head = f"{self._name(row.unit)}  {self._kind(row)}{duration(row.elapsed_s).rjust(7)}   "
        said = self._said(row, self.style.width - columns(head) - _MARGIN)
        mark = self.style.mark("waiting") if row.is_waiting else self._spinner()
        return self._line(mark, head + said)

    def _said(self, row: Row, room: int) -> str:
        if row.progress is not None:
            return _progress_words(row.progress, room, self.style)
        if row.wait_s is not None:
            return self.style.line(f"waiting {duration(row.wait_s)}: {row.said}")
        written = None if row.is_waiting else self.tail(row.unit, room, self.style)
        return self.style.line(row.said) if written is None else written

    def _paused(self, model: str, left_s: float) -> str:
        said = f"{model} pauses, {duration(left_s)} left: the server allows no more now"
        return self._line(self.style.mark("waiting"), self.style.line(said))

    def _unbegun(self, step: str, missing: Sequence[str]) -> str:
        said = f"waiting for {', '.join(missing)}" if missing else "waiting for its turn"
        return self._line(self.style.mark("none"), f"{self._name(step)}  {self.style.line(said)}")

    def _name(self, unit: str) -> str:
        """A unit in a column of its own: of a long one the end, which tells it from its kin."""
        widths = [len(step) for step in self.moment.steps]
        widths += [columns(self.style.line(row.unit)) for row in self.moment.rows]
        most = min(_MOST_NAME, self.style.width // 3)
        wide = max(min(max(widths, default=0), most), _LEAST_NAME)
        name = self.style.line(unit)
        if columns(name) > wide:
            dots = self.style.line("…")
            name = dots + _end_of(name, wide - len(dots))
        return name + " " * (wide - columns(name))

    def _kind(self, row: Row) -> str:
        if self.style.width < _WIDE:
            return ""
        kind = _cut(self.style.line(row.kind), _KIND, self.style)
        return f"{kind}{' ' * (_KIND - columns(kind))}  "

    def _spinner(self) -> str:
        frames = _SPINNER[0 if self.style.utf8 else 1]
        turn = int(self.moment.elapsed_s * _TURNS_PER_S) % len(frames)
        return self.style.paint(frames[turn], "cyan")

    def _line(self, mark: str, said: str, *colours: str) -> str:
        """A mark and as many of the words as there is room for."""
        room = self.style.width - _MARGIN
        return f" {mark} {self.style.paint(_cut(said.rstrip(), room, self.style), *colours)}"


@dataclass(frozen=True, slots=True)
class _Foot:
    """The last line: how far the run is, what it took and cost, how to stop it."""

    moment: Moment
    style: Style

    @property
    def line(self) -> str:
        """As many of the facts as there is room for, the first ones first."""
        long, short = _STOPPING if self.moment.is_stopping else _HINTS
        facts = [self._done, clock(int(self.moment.elapsed_s)), self._cost]
        room = max(self.style.width - 2, 0)
        for chosen in ([*facts, long], [*facts, short], facts, facts[:2], facts[:1]):
            said = self.style.line(" · ".join(fact for fact in chosen if fact))
            if columns(said) <= room:
                return f" {said}"
        return f" {_cut(said, room, self.style)}"

    @property
    def _done(self) -> str:
        moment = self.moment
        failed = f", {count(moment.failed)} failed" if moment.failed else ""
        return f"{count(moment.done)}/{count(len(moment.steps))} done{failed}"

    @property
    def _cost(self) -> str:
        moment = self.moment
        if moment.simulated:
            return "simulated"
        cost = money(moment.cost_usd)
        if not moment.cost_is_complete:
            cost = f"{cost} + unknown" if moment.cost_usd else "cost unknown"
        return cost if moment.budget_usd is None else f"{cost} of {money(moment.budget_usd)}"


def _progress_words(progress: Progress, room: int, style: Style) -> str:
    """`312/2,000 items · 3 failed · 24/s · 1m 10s left`, as much of it as there is room for."""
    if progress.total is None:
        facts = [counted(progress.ended, "more item")]
    else:
        facts = [f"{count(progress.ended)}/{counted(progress.total, 'item')}"]
    facts += [f"{count(progress.failed)} failed"] if progress.failed else []
    facts += [f"{_pace(progress.per_s)}/s"] if progress.per_s is not None else []
    facts += [f"{duration(progress.left_s)} left"] if progress.left_s is not None else []
    while len(facts) > 1 and columns(style.line(" · ".join(facts))) > room:
        facts.pop()
    return style.line(" · ".join(facts))


def _pace(per_s: float) -> str:
    return f"{per_s:.2f}" if per_s < 1 else f"{per_s:.1f}" if per_s < 10 else f"{per_s:,.0f}"


def _rule(style: Style) -> str:
    wide = max(min(style.width, _WIDEST_RULE) - 3, 0)
    return f" {style.paint(('─' if style.utf8 else '-') * wide, 'dim')}"


def _cut(text: str, room: int, style: Style) -> str:
    """The beginning of a text that is safe to show, in at most so many columns."""
    if columns(text) <= room:
        return text
    dots = style.line("…")
    kept = text[: max(room, 0)]
    while kept and columns(kept) > room - len(dots):
        kept = kept[:-1]
    return f"{kept.rstrip()}{dots}"[: max(room, 0)]


def _end_of(text: str, room: int) -> str:
    room = max(room, 0)
    kept = text[-room:] if room else ""
    while columns(kept) > room:
        kept = kept[1:]
    return kept
