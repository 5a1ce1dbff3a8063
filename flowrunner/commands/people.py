"""Those who may be asked to agree: a person at this terminal, or one at another shell."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from flowrunner.engine.ports import Decision
from flowrunner.journal.journal import Journal
from flowrunner.platform import user_name
from flowrunner.visible import visible

Ask = Callable[[str], str]
"""Shows a question and gives the line that was typed; empty at the end of input."""

_Question: TypeAlias = tuple[str, str]
"""Who asks, and the text that is shown."""

_YES = {"y", "yes"}
_NO = {"n", "no"}


@dataclass(slots=True)
class Somebody:
    """Looks into the journal for decisions, and asks at the terminal where `ask` is given.

    One question at a time; it is asked in a thread, so that nothing else waits for the person. An
    answer is one to the text that was shown, and to no other. `let_go` is called when the one that
    stands at the terminal was answered elsewhere.
    """

    journal: Journal
    ask: Ask | None
    let_go: Callable[[], None] = lambda: None
    _open: _Question | None = None
    _answers: dict[_Question, Decision] = field(default_factory=dict)

    @property
    def is_there(self) -> bool:
        """Whether somebody watches this process."""
        return self.ask is not None

    async def decided(self, unit: str, text: str) -> Decision | None:
        """What was decided about a unit by now; None while nothing was."""
        found = self.journal.decisions(unit)
        if found is not None:
            if self._open is not None and self._open[0] == unit:
                self.let_go()
            return Decision(found.granted, found.by, "command", found.why)
        question = (unit, text)
        if question in self._answers:
            return self._answers.pop(question)
        if self.ask is not None and self._open is None:
            self._open = question
            self._begin(self.ask, question)
        return None

    def _begin(self, ask: Ask, question: _Question) -> None:
        loop, unit = asyncio.get_running_loop(), question[0]

        def wait() -> None:
            decision = _answer(ask, *question)
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._take, question, decision)

        # A daemon: a person who says nothing keeps no process from ending.
        threading.Thread(target=wait, name=f"question {unit}", daemon=True).start()

    def _take(self, question: _Question, decision: Decision) -> None:
        self._open = None
        self._answers[question] = decision


def _answer(ask: Ask, unit: str, text: str) -> Decision:
    question = f"\n{unit} asks:\n{visible(text)}\nAgree? [y/n] "
    while True:
        said = ask(question).strip().casefold()
        word, _, why = said.partition(" ")
        if word in _YES:
            return Decision(True, user_name(), "terminal", why or None)
        if word in _NO:
            return Decision(False, user_name(), "terminal", why or None)
        question = "Write y or n: "
