"""The turns of one prompt step: asked, its calls answered, asked again, until the model is done.

One POST and its retries are left to `calls`, the calls of a turn to `answering`, what an answer is
worth to `prompts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from flowrunner.engine.artefacts import Kept, keep_files
from flowrunner.engine.budget import BudgetRefusal
from flowrunner.engine.calls import Caller
from flowrunner.engine.continuing import Past, is_kept
from flowrunner.engine.endings import Ending, failed
from flowrunner.engine.shared import Talk
from flowrunner.engine.tools.answering import Answering
from flowrunner.engine.tools.offering import Offered
from flowrunner.engine.tools.settling import replies_owed
from flowrunner.engine.units import Unit
from flowrunner.events import JSON, Address, Usage
from flowrunner.journal.state import CallState
from flowrunner.responses.history import as_items, without_reasoning
from flowrunner.responses.items import Answer, OpenCall, read_answer
from flowrunner.responses.outcome import Answered
from flowrunner.responses.refusals import CALLS_OPEN
from flowrunner.responses.retry import GiveUp, Hold, Later
from flowrunner.responses.turns import Turn, next_request, unanswerable

MAX_TURNS = "max-turns"
"""The reason of a step whose model asked for tools in every turn that it had."""


@dataclass(frozen=True, slots=True)
class Said:
    """The answers of all turns, the last of which (`answer`) asks for nothing more. `files` are
    what they held, `missing` says what of it could not be had."""

    outcomes: tuple[Answered, ...]
    answer: Answer
    files: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[dict[str, JSON], ...]:
        """The sources of all answers, each once."""
        answers = [read_answer(outcome.response) for outcome in self.outcomes[:-1]]
        found: dict[JSON, dict[str, JSON]] = {}
        for source in (source for each in (self.answer, *answers) for source in each.sources):
            found.setdefault(source["url"], source)
        return tuple(found.values())


@dataclass(slots=True)
class Dialogue:
    """One prompt unit and its model. `calls` are its journaled requests of this go at it. `by_id`
    says that the server keeps responses; it is found out with the first."""

    unit: Unit
    caller: Caller
    history: Past
    calls: Sequence[CallState]
    offered: Offered
    max_turns: int
    talk: Talk | None = None
    by_id: bool = True
    _turns: list[Turn] = field(default_factory=list)
    _outcomes: list[Answered] = field(default_factory=list)

    async def until_done(
        self, attempt: int, body: dict[str, JSON]
    ) -> Said | GiveUp | Hold | Later | Ending:
        """Ask, and answer the calls of the model, until it asks for none or may ask no more.

        Raises Stopped, BudgetRefusal.
        """
        self._turns, self._outcomes = [], []
        kept: list[Kept] = []
        for number in range(1, self.max_turns + 1):
            address = replace(self.unit.address, attempt=attempt, turn=number)
            request, outcome = await self._ask(address, body)
            if not isinstance(outcome, Answered):
                return self._with_calls(outcome)
            self._outcomes.append(outcome)
            self.history.owed = ()
            self._note_length(request, outcome)
            # At once: what stands in a container does not last while people are waited for.
            kept.append(await keep_files(self.unit, outcome.response))
            answer = read_answer(outcome.response)
            if answer.kind != "open-calls":
                return _said(self._outcomes, answer, kept)
            fault = unanswerable(answer.open_calls)
            if fault is not None:
                return failed("open-calls", fault)
            if number == self.max_turns:
                return self._exhausted(answer.open_calls)
            replies = await self._answered(address, answer.open_calls)
            if isinstance(replies, Ending):
                return replies
            self._turns.append(Turn(request, outcome.response, replies))
        raise AssertionError("a dialogue has at least one turn")

    async def _ask(
        self, address: Address, body: dict[str, JSON]
    ) -> tuple[dict[str, JSON], Answered | GiveUp | Hold | Later]:
        """A request and its answer; in another way where the API does not take the first.

        Raises Stopped, BudgetRefusal.
        """
        turn = (address.attempt, address.turn)
        calls = [call for call in self.calls if (call.attempt, call.turn) == turn]
        before = self.unit.before
        asks_again = before is not None and before.status == "unknown"
        while True:
            request = self._request(body)
            try:
                outcome = await self.caller.answer(address, request, calls, asks_again=asks_again)
            except BudgetRefusal as refusal:
                message = self._so_far(refusal.message)
                raise type(refusal)(message, help=refusal.help) from None
            if not isinstance(outcome, GiveUp) or not await self._finds_a_way(outcome, request):
                return request, outcome
            await self.history.recall()
            sent = self.unit.shared.ports.journal.calls(self.unit.name)
            calls = [call for call in sent if (call.attempt, call.turn) == turn]

    def _request(self, body: dict[str, JSON]) -> dict[str, JSON]:
        if not self._turns:
            return self.history.joined(body)
        request = next_request(self._turns, by_id=self.by_id)
        if self.history.is_thoughtless and not self.by_id:
            request["input"] = without_reasoning(as_items(request.get("input")))
        return request

    async def _finds_a_way(self, end: GiveUp, request: dict[str, JSON]) -> bool:
        """Whether the request can be asked in another way. Raises Stopped."""
        if self._turns and end.code == "previous_response_not_found":
            was_by_id, self.by_id = self.by_id, False
            return was_by_id and request.get("conversation") is None
        if end.code != CALLS_OPEN:
            return self.history.turns(end.code, request)
        is_first = self.talk is not None and not self._turns and not self.history.owed
        if is_first and self.talk is not None and self.talk.id is not None:
            self.history.owed = await replies_owed(self.unit, self.talk.id)
        return is_first and bool(self.history.owed)

    def _note_length(self, request: dict[str, JSON], outcome: Answered) -> None:
        """What the next request goes on from."""
        usage: Usage | None = outcome.usage
        tokens = None if usage is None else usage.input + usage.output
        kept = is_kept(self.unit.server, request) and outcome.response.get("store") is not False
        self.by_id = self.by_id and kept and isinstance(outcome.response.get("id"), str)
        if self.talk is not None:
            self.talk.tokens = self.caller.earlier_tokens = tokens
        elif self.by_id:
            self.caller.earlier_tokens = tokens

    async def _answered(
        self, address: Address, calls: tuple[OpenCall, ...]
    ) -> tuple[JSON, ...] | Ending:
        unit, caller = self.unit, self.caller
        await caller.begin()
        record = unit.shared.ports.journal.tool_record(unit.name)
        answering = Answering(unit, address, self.offered, caller.left_s, record)
        replies = await answering.replies(calls)
        caller.left_s -= answering.spent_s
        return replies

    def _with_calls(self, outcome: GiveUp | Hold | Later) -> GiveUp | Hold | Later:
        if isinstance(outcome, Later):
            return outcome
        return replace(outcome, message=self._so_far(outcome.message))

    def _so_far(self, message: str) -> str:
        """A reason with the tools that were called by then, where there were any."""
        return f"{message} ({self._told()})" if self._turns else message

    def _exhausted(self, calls: tuple[OpenCall, ...]) -> Ending:
        wanted = ", ".join(dict.fromkeys(f"`{call.name or call.type}`" for call in calls))
        turns = "1 turn" if self.max_turns == 1 else f"{self.max_turns} turns"
        so_far = f"; {self._told()}" if self._turns else ""
        return failed(
            MAX_TURNS,
            f"the model asked for tools in each of {turns}, at last for {wanted}{so_far}",
            "raise `max_turns`, or say in the prompt when the model is to stop",
        )

    def _told(self) -> str:
        """The tools that were called, for a sentence."""
        record = self.unit.shared.ports.journal.tool_record(self.unit.name)
        names = [call.name for call in record.calls]
        told = [f"`{name}`" + ("" if names.count(name) == 1 else f" {names.count(name)}×")
                for name in dict.fromkeys(names)]  # fmt: skip
        return f"tools called so far: {', '.join(told)}"


def _said(outcomes: Sequence[Answered], answer: Answer, kept: Sequence[Kept]) -> Said:
    files = dict.fromkeys(name for each in kept for name in each.files)
    missing = tuple(sentence for each in kept for sentence in each.missing)
    return Said(tuple(outcomes), answer, tuple(files), missing)
