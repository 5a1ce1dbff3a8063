"""What a terminal shows of answers while they are written: the end of each, as far as it has come.

Fed from the run and read from the thread that writes to the terminal; both only ever wait for the
other to copy a few names. The line that it stands in is left to `live`.
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
from flowrunner.report.terminal import Style
from flowrunner.responses.stream import Delta
from flowrunner.secrets import Scrubber
from flowrunner.visible import columns

_KEPT = 8_000
"""Characters kept of each answer: far more than a line shows, so that a secret that begins before
the line is still known as one."""
_LEAST_ROOM = 8
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

    def shown(self, unit: str, room: int, style: Style) -> str | None:
        """What is being written of the answer to a unit, in at most so many columns; None where
        nothing is."""
        with self._lock:
            draft = self._drafts.get(unit)
            if draft is None:
                return None
            tail, doing = draft.tail, draft.doing
        dots = style.line("…")
        if doing is not None or not tail:
            return _fitting(f"{style.line(doing or 'writing')}{dots}", room, style)
        head = f'writing{dots} "'
        left = room - columns(head) - 1
        if left < _LEAST_ROOM:
            return _fitting(f"writing{dots}", room, style)
        return f'{head}{_fitting(self._scrubber.scrub_growing(tail), left, style)}"'


def _fitting(text: str, room: int, style: Style) -> str:
    """As much of the end of a text as fits into so many columns."""
    room = max(room, 0)
    kept = text[-room:] if room else ""
    while columns(shown := style.line(kept)) > room:
        kept = kept[1:]
    return shown
