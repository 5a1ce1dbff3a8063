"""A prompt step: requests until an answer is good, and what the answer gives to later steps.

`retry:` counts attempts at a good answer; what the network and the API do is handled in `calls`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from flowrunner.engine.artefacts import with_missing_files
from flowrunner.engine.attaching import Unattachable, attached_parts
from flowrunner.engine.background import DEFAULT_BACKGROUND_TIMEOUT_S, Follower
from flowrunner.engine.books import Books
from flowrunner.engine.budget import BudgetRefusal
from flowrunner.engine.calls import Caller
from flowrunner.engine.compacting import shorten
from flowrunner.engine.continuing import Past, past_of, with_thoughts
from flowrunner.engine.conversations import Called, find, turn
from flowrunner.engine.endings import MISSING_FILES, Ending, failed
from flowrunner.engine.estimate import with_limits
from flowrunner.engine.leaves import already, begun_at, fingerprint, from_elsewhere, question
from flowrunner.engine.outcomes import has_acted
from flowrunner.engine.place import usage_fields
from flowrunner.engine.plan import DEFAULT_STEP_TIMEOUT_S
from flowrunner.engine.ports import Stopped
from flowrunner.engine.shared import Talk
from flowrunner.engine.tools.answering import held, lost_calls
from flowrunner.engine.tools.dialogue import Dialogue, Said
from flowrunner.engine.tools.offering import Offered, offered_by
from flowrunner.engine.tools.telling import tool_calls
from flowrunner.engine.units import Unit
from flowrunner.errors import ExitStatus
from flowrunner.events import JSON, CallAnswered, StepResult, Usage
from flowrunner.journal.state import BACKGROUND, CallState
from flowrunner.json_text import NotJson
from flowrunner.language.attachments import with_parts
from flowrunner.language.request import Prompt
from flowrunner.responses.advice import advice
from flowrunner.responses.history import as_items
from flowrunner.responses.items import Answer, read_output
from flowrunner.responses.retry import Asked, GiveUp, Hold, Later, RetryPolicy

_RETRY_KINDS = {
    "not-json": "wrong_shape",
    "wrong-shape": "wrong_shape",
    "incomplete": "incomplete",
    "failed": "failed",
    "empty": "failed",
    "refused": "refusal",
}
_FIXES = {
    "not-json": "say in the prompt what each field of `output` means",
    "wrong-shape": "say in the prompt what each field of `output` may hold, or allow a second "
    "attempt with `retry: 2`",
}

_NO_TALKS = "go on from a step above with `continue` instead, which needs no conversation"
_GONE = (
    "the answer that this step continues was taken from an earlier run, which is gone",
    "run it again without `reuse` for the step that is continued",
)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an answer cannot be used: the step's reason, a sentence, what to show the model."""

    reason: str
    message: str
    correction: str | None = None


async def prompt(unit: Unit) -> Ending:
    """Ask until an answer is good; or take what was answered already, here or (with `reuse`) in an
    earlier run. Raises TemplateFault, Stopped."""
    verb = unit.step.verb
    assert isinstance(verb, Prompt)
    settings, server = unit.shared.plan.settings, unit.server
    body = verb.body(unit.scope(), below=settings.below, above=settings.above)
    body = with_thoughts(unit, verb, body)
    offered = await offered_by(unit, verb)
    if isinstance(offered, Ending):
        return offered
    body = offered.joined(body)
    try:
        body = with_parts(body, await attached_parts(unit, verb))
    except Unattachable as fault:
        return failed("attach", fault.message, fault.help)
    if unit.place.budget is not None:
        body = with_limits(body)
    called = Called.of(unit, body, server.who)
    if called is not None and not server.does("conversation"):
        return failed("conversation", f"`{server.provider}` keeps no conversations", _NO_TALKS)
    body = server.fitted(body)
    if called is None:
        return await _prompt(unit, verb, body, offered)
    async with turn(unit, called) as talk:
        found = await find(unit, called, talk, server.provider, _asked(unit, verb))
        if found is not None:
            return _without_answer(found, {}, "")
        return await _prompt(unit, verb, {**body, "conversation": talk.id}, offered, talk)


async def _prompt(
    unit: Unit, verb: Prompt, body: dict[str, JSON], offered: Offered, talk: Talk | None = None
) -> Ending:
    """Ask, in a conversation that is this unit's for now, or outside any."""
    history = past_of(unit, verb)
    if history.is_gone:
        return failed("continue", *_GONE)
    await history.recall()
    try:
        if verb.continues is None or not verb.continues.compact:
            return await _go_on(unit, body, history, offered, talk)
        calling = partial(_caller, verb=verb)
        shorter = await shorten(unit, history, body, calling)
        if isinstance(shorter, GiveUp | Hold):
            return _without_answer(shorter, {}, "")
        if isinstance(shorter, Ending):
            return shorter
        return await _go_on(unit, body, shorter, offered)
    except BudgetRefusal as refusal:
        stops = ExitStatus.BUDGET
        unit.shared.halt(Ending("failed", "budget", refusal.message, refusal.help, stops=stops))
        raise Stopped from None


async def _go_on(
    unit: Unit, body: dict[str, JSON], history: Past, offered: Offered, talk: Talk | None = None
) -> Ending:
    """Ask with what was said before, unless the answer is there. Raises BudgetRefusal."""
    asked = [question(history.joined(body)), *offered.declarations()]
    mark = fingerprint("prompt", unit.server.who, *asked)
    known = already(unit, mark)
    if known is None and not _is_promised(unit, mark) and offered.may_be_reused(unit.step):
        known = from_elsewhere(unit, mark)
    # What was answered before something else was said in the conversation is no answer now.
    is_outdated = talk is not None and talk.is_changed
    if known is not None and not (is_outdated and known.status == "succeeded"):
        return await with_missing_files(unit, known)
    if lost := lost_calls(unit):
        return replace(held(unit, lost), fingerprint=mark)
    run = _PromptRun.of(unit, mark, history, talk, offered)
    await run.caller.close(run.past)
    try:
        return replace(await run.finish(body), fingerprint=mark)
    finally:
        await unit.shared.toolbox.end_of(unit.name)
        if talk is not None:
            talk.is_changed = talk.is_changed or run.caller.has_sent


@dataclass(slots=True)
class _PromptRun:
    """One prompt unit at work. `current` are its journaled calls of this go at it, `past` those of
    earlier goes; attempts are counted on."""

    unit: Unit
    prompt: Prompt
    caller: Caller
    dialogue: Dialogue
    current: Sequence[CallState]
    past: Sequence[CallState]

    @classmethod
    def of(
        cls, unit: Unit, mark: str, history: Past, talk: Talk | None, offered: Offered
    ) -> _PromptRun:
        """The unit with what its journal holds."""
        verb, before = unit.step.verb, unit.before
        assert isinstance(verb, Prompt)
        calls = [] if before is None else before.calls
        since = begun_at(before, mark, unit.shared.plan.settings.recheck)
        current = [call for call in calls if since is not None and call.sent_seq > since]
        past = [call for call in calls if call not in current]
        unit.goes_on = since is not None and before is not None and before.ended_at is not None
        caller = _caller(unit, mark, verb)
        caller.earlier_tokens = history.tokens if talk is None else talk.tokens
        dialogue = Dialogue(unit, caller, history, current, offered, verb.max_turns, talk)
        return cls(unit, verb, caller, dialogue, current, past)

    async def finish(self, body: dict[str, JSON]) -> Ending:
        """The unit's end. Raises Stopped, BudgetRefusal."""
        first = max((call.attempt for call in self.past), default=0) + 1
        retry = self.unit.step.retry
        ending: Ending | None = None
        for attempt in range(first, first + retry.attempts):
            said = await self.dialogue.until_done(attempt, body)
            if isinstance(said, Ending):
                return replace(said, result=self._cut_off(said.result, attempt))
            if not isinstance(said, Said):
                return _without_answer(said, self._numbers(attempt), self.caller.partial)
            output, fault = self._judge(said.answer)
            if fault is None:
                reason = MISSING_FILES if said.missing else None
                return Ending("succeeded", reason, result=self._result(said, output, attempt))
            ending = _failed(said.answer, fault, self._numbers(attempt))
            if self._has_acted(said, attempt) or _RETRY_KINDS.get(fault.reason) not in retry.on:
                break
            body = _corrected(body, said.answer, fault)
        assert ending is not None, "a step has at least one attempt"
        return ending

    def _has_acted(self, said: Said, attempt: int) -> bool:
        """Whether something may have been changed on the way to an answer."""
        if self.caller.may_change_things and any(map(has_acted, said.outcomes)):
            return True
        record = self.unit.shared.ports.journal.tool_record(self.unit.name)
        own = [call for call in record.calls if call.attempt == attempt]
        return any(call.changes_things and call.has_run for call in own)

    def _cut_off(self, result: StepResult | None, attempt: int) -> StepResult:
        """What an end between two turns gives, with what it cost by then."""
        return replace(result or StepResult("failed"), **self._numbers(attempt))

    def _numbers(self, attempt: int) -> dict[str, Any]:
        """Ids of the last answer, tokens and money of all that the unit was answered; the calls of
        tools from an attempt on."""
        answered = self._answered()
        if not answered:
            return {}
        journal = self.unit.shared.ports.journal
        usage = sum((call.usage for call in answered if call.usage), Usage())
        known = [call.cost_usd for call in answered if call.cost_usd is not None]
        return {
            "usage": usage_fields(usage),
            "cost_usd": sum(known) if len(known) == len(answered) else None,
            "response_id": answered[-1].response_id,
            "request_id": answered[-1].request_id,
            "tool_calls": tool_calls(journal, self.unit.name, attempt),
        }

    def _answered(self) -> Sequence[CallAnswered | CallState]:
        """Every answered call of the unit; those of earlier processes are in the journal alone."""
        if not self.past and not self.current:
            return self.caller.books.answered
        calls = self.unit.shared.ports.journal.calls(self.unit.name)
        return [call for call in calls if call.state == "answered"]

    def _result(self, said: Said, output: JSON, attempt: int) -> StepResult:
        return StepResult(
            "succeeded",
            text=said.answer.text,
            output=output,
            has_output=self.prompt.has_output,
            sources=said.sources,
            files=said.files,
            **self._numbers(attempt),
        )

    def _judge(self, answer: Answer) -> tuple[JSON, Fault | None]:
        """The parsed output of an answer, and what is wrong with the answer."""
        if answer.kind != "completed":
            message = answer.refusal and f"the model refused: {answer.refusal}"
            return None, Fault(answer.kind, message or answer.message or answer.kind)
        if not self.prompt.has_output:
            return None, None
        try:
            value = read_output(answer.text)
        except NotJson as fault:
            return None, Fault("not-json", f"the answer is not JSON: {fault}", str(fault))
        output, faults = self.prompt.read_output(value)
        if not faults:
            return output, None
        listed = "; ".join(faults)
        message = f"the answer does not have the shape that `output` asks for: {listed}"
        return None, Fault("wrong-shape", message, listed)


def _corrected(body: dict[str, JSON], answer: Answer, fault: Fault) -> dict[str, JSON]:
    """The request again, with the bad answer and what is wrong with it shown to the model."""
    if fault.correction is None:
        return body
    correction = {
        "role": "user",
        "content": f"That answer cannot be used: {fault.correction}. "
        "Answer again, with the whole JSON value and nothing else.",
    }
    if body.get("conversation") is not None:
        return body | {"input": [correction]}  # the conversation holds the rest
    said = {"role": "assistant", "content": answer.text}
    return body | {"input": [*as_items(body.get("input")), said, correction]}


def _is_promised(unit: Unit, mark: str) -> bool:
    """Whether the API works on an answer already."""
    before = unit.before
    since = begun_at(before, mark, unit.shared.plan.settings.recheck)
    calls = [] if before is None or since is None else before.calls
    return any(call.state == "accepted" and call.sent_seq > (since or 0) for call in calls)


def _asked(unit: Unit, verb: Prompt) -> Asked:
    """What sentences about the unit's requests may name."""
    tools = verb.parameters.get("tools")
    listed = tools if isinstance(tools, list) else []
    labels = [tool.get("server_label") for tool in listed if isinstance(tool, dict)]
    named = tuple(label for label in labels if isinstance(label, str))
    return replace(unit.server.asked, model=verb.model, mcp_servers=named)


def _caller(unit: Unit, mark: str, verb: Prompt) -> Caller:
    """Who sends the unit's requests."""
    plan, shared, server = unit.shared.plan, unit.shared, unit.server
    # What a person asks for again although it may have been paid for is asked for once.
    was_held = unit.before is not None and unit.before.status == "unknown"
    on_unknown = "hold" if was_held else plan.on_unknown(unit.step)
    asked = _asked(unit, verb)
    patience = DEFAULT_BACKGROUND_TIMEOUT_S if verb.is_background else DEFAULT_STEP_TIMEOUT_S
    return Caller(
        run=plan.run,
        server=server,
        ports=shared.ports,
        stop=shared.stop,
        limits=shared.limits,
        policy=RetryPolicy(on_unknown=on_unknown),
        asked=asked,
        left_s=unit.left_s(patience),
        fresh=on_unknown == "hold",
        begin=lambda: unit.started(mark),
        is_over=unit.is_over,
        follower=Follower(shared, server, asked, unit.is_over),
        may_change_things=verb.may_change_things,
        fill=partial(shared.outgoing.filled, server),
        budget=unit.place.budget,
        halt=lambda gave_up: shared.halt(_without_answer(gave_up, {}, "")),
        books=Books(shared.ports, server),
    )


def _without_answer(
    outcome: GiveUp | Hold | Later, numbers: dict[str, Any], partial: str
) -> Ending:
    if isinstance(outcome, Later):
        result = StepResult("waiting", **numbers)
        return Ending("waiting", BACKGROUND, outcome.message, outcome.help, result)
    held = isinstance(outcome, Hold)
    stops = isinstance(outcome, GiveUp) and outcome.stops_run
    reason = "lost" if isinstance(outcome, Hold) else outcome.reason
    error = {"kind": reason, "message": outcome.message, "partial": partial or None}
    return Ending(
        "unknown" if held else "failed",
        reason=reason,
        message=outcome.message,
        help=outcome.help,
        result=StepResult("failed", error=error, **numbers),
        stops=ExitStatus.ENVIRONMENT if stops else None,
    )


def _failed(answer: Answer, fault: Fault, numbers: dict[str, Any]) -> Ending:
    error = {"kind": fault.reason, "message": fault.message, "partial": answer.text or None}
    last = numbers.get("request_id")
    named = f" (request id {last})" if last else ""
    return Ending(
        "failed",
        reason=fault.reason,
        message=f"{fault.message}{named}",
        help=_FIXES.get(fault.reason) or advice(answer),
        result=StepResult("failed", error=error, **numbers),
    )
