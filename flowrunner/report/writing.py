"""What a terminal shows of answers while they are written: one line, which the next one replaces.

Fed from the run and read from the thread that writes to the terminal; both only ever wait for the
other to copy a few names. How a line is drawn over is left to the viewer.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from flowrunner.events import (
    CallAnswered,
    CallLost,
    CallNotSent,
    CallRefused,
    Event,
    RunFinished,
    StepFinished,
)
from flowrunner.report.figures import count
from flowrunner.report.terminal import Style
from flowrunner.responses.stream import Delta
from flowrunner.secrets import Scrubber
from flowrunner.visible import columns

_KEPT = 8_000
"""Characters kept of each answer: far more than a line shows, so that a secret that begins before
the line is still known as one."""
_LEAST_ROOM = 20
_ENDS = CallAnswered | CallRefused | CallLost | CallNotSent | StepFinished


@dataclass(slots=True)
class _Draft:
    tail: str = ""
    doing: str | None = None


class Writing:
    """The answers that are being written. `scrubber` masks what nobody may see."""

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber
        self._lock = threading.Lock()
        self._drafts: dict[str, _Draft] = {}

    def tell(self, unit: str, delta: Delta) -> None:
        """Something new of the answer to a unit."""
        with self._lock:
            draft = self._drafts.setdefault(unit, _Draft())
            if delta.news in ("text", "refusal"):
                draft.tail = (draft.tail + delta.text)[-_KEPT:]
                draft.doing = None
            elif delta.news == "began":
                draft.doing = None if delta.text == "message" else delta.text
            elif delta.news == "ended":
                draft.doing = None

    def feed(self, event: Event) -> None:
        """What the journal was told: an answer that has ended is not being written any more."""
        with self._lock:
            if isinstance(event, _ENDS):
                self._drafts.pop(event.address.unit, None)
            elif isinstance(event, RunFinished):
                self._drafts.clear()

    def line(self, style: Style) -> str:
        """The line for the answer that has been written the longest, no wider than the style's
        width; empty where none is."""
        with self._lock:
            unit = next(iter(self._drafts), None)
            if unit is None:
                return ""
            draft, others = self._drafts[unit], len(self._drafts) - 1
            tail, doing = draft.tail[-_KEPT:], draft.doing
        more = f" (and {count(others)} more)" if others else ""
        head = f"{style.line(unit)}  "
        dots = style.line("…")
        if doing is not None or not tail:
            said = f"{head}{_fitting(style.line(doing or 'writing'), 40, style)}{dots}{more}"
            return f" {style.mark('running')} {_from_left(said, style.width - 4)}"
        head = _from_left(f"{head}writing{dots} ", max(style.width // 2, _LEAST_ROOM))
        room = style.width - columns(head) - columns(more) - 6
        shown = _fitting(self._scrubber.scrub_growing(tail), room, style)
        return f' {style.mark("running")} {head}"{shown}"{more}'


def _fitting(text: str, room: int, style: Style) -> str:
    """As much of the end of a text as fits into so many columns."""
    kept = text[-max(room, 0) :] if room > 0 else ""
    while columns(shown := style.line(kept)) > room:
        kept = kept[1:]
    return shown


def _from_left(text: str, room: int) -> str:
    """As much of the beginning of a line as fits into so many columns."""
    while columns(text) > max(room, 0):
        text = text[:-1]
    return text
