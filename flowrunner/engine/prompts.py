"""A prompt step: requests until an answer is good, and what the answer gives to later steps.

`retry:` counts attempts at a good answer; what the network and the API do is handled in `calls`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flowrunner.engine.calls import Caller, call_cost_usd
from flowrunner.engine.endings import Ending
from flowrunner.events import JSON, Address, StepResult, Usage
from flowrunner.journal.state import CallState
from flowrunner.json_text import NotJson
from flowrunner.language.request import Prompt
from flowrunner.language.workflow import Step
from flowrunner.responses.items import Answer, read_answer, read_output
from flowrunner.responses.outcome import Answered
from flowrunner.responses.retry import GiveUp, Hold

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
    "incomplete": "raise `max_output_tokens`, or ask for less",
    "refused": "look at the refusal and change the prompt; `retry: { attempts: 2, on: [refusal] }` "
    "asks again",
    "open-calls": "take the tool out of `tools`: this version answers no tool calls",
    "pending": "leave out `background`: this version waits for direct answers only",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an answer cannot be used: the step's reason, a sentence, what to show the model."""

    reason: str
    message: str
    correction: str | None = None


@dataclass(slots=True)
class PromptRun:
    """One prompt step at work. `earlier` are its journaled calls of this go at it, and
    `first_attempt` the number of its first attempt, so that a resume counts on."""

    step: Step
    prompt: Prompt
    address: Address
    caller: Caller
    earlier: Sequence[CallState]
    first_attempt: int

    async def finish(self, scope: Mapping[str, Any], above: Mapping[str, JSON]) -> Ending:
        """The step's end. Raises TemplateFault, Stopped."""
        body = self.prompt.body(scope, above=above)
        answered: list[Answered] = []
        ending: Ending | None = None
        for attempt in range(self.first_attempt, self.first_attempt + self.step.retry.attempts):
            calls = [call for call in self.earlier if call.attempt == attempt]
            address = replace(self.address, attempt=attempt)
            outcome = await self.caller.answer(address, body, calls)
            if not isinstance(outcome, Answered):
                return _without_answer(outcome, answered, body.get("model"))
            answered.append(outcome)
            answer = read_answer(outcome.response)
            output, fault = self._judge(answer)
            numbers = _numbers(answered, body.get("model"))
            if fault is None:
                return Ending("succeeded", result=self._result(answer, output, numbers))
            ending = _failed(answer, fault, numbers)
            if _RETRY_KINDS.get(fault.reason) not in self.step.retry.on:
                break
            body = _corrected(body, answer, fault)
        assert ending is not None, "a step has at least one attempt"
        return ending

    def _result(self, answer: Answer, output: JSON, numbers: dict[str, Any]) -> StepResult:
        return StepResult(
            "succeeded",
            text=answer.text,
            output=output,
            has_output=self.prompt.has_output,
            sources=answer.sources,
            **numbers,
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
    asked = body.get("input")
    items = [{"role": "user", "content": asked}] if isinstance(asked, str) else list(asked or [])
    items += [
        {"role": "assistant", "content": answer.text},
        {
            "role": "user",
            "content": f"That answer cannot be used: {fault.correction}. "
            "Answer again, with the whole JSON value and nothing else.",
        },
    ]
    return body | {"input": items}


def _without_answer(outcome: GiveUp | Hold, answered: Sequence[Answered], model: JSON) -> Ending:
    held = isinstance(outcome, Hold)
    reason = "lost" if isinstance(outcome, Hold) else outcome.reason
    error = {"kind": reason, "message": outcome.message, "partial": None}
    return Ending(
        "unknown" if held else "failed",
        reason=reason,
        message=outcome.message,
        help=outcome.help,
        result=StepResult("failed", error=error, **_numbers(answered, model)),
        stops_run=isinstance(outcome, GiveUp) and outcome.stops_run,
    )


def _failed(answer: Answer, fault: Fault, numbers: dict[str, Any]) -> Ending:
    error = {"kind": fault.reason, "message": fault.message, "partial": answer.text or None}
    last = numbers.get("request_id")
    named = f" (request id {last})" if last else ""
    return Ending(
        "failed",
        reason=fault.reason,
        message=f"{fault.message}{named}",
        help=_FIXES.get(fault.reason),
        result=StepResult("failed", error=error, **numbers),
    )


def _numbers(answered: Sequence[Answered], model: JSON) -> dict[str, Any]:
    """Ids of the last answer, tokens and money of all."""
    if not answered:
        return {}
    usage = sum((one.usage for one in answered if one.usage), Usage())
    costs = [call_cost_usd(one, model) for one in answered]
    known = [cost for cost in costs if cost is not None]
    return {
        "cost_usd": sum(known) if len(known) == len(costs) else None,
        "usage": {
            "input_tokens": usage.input,
            "output_tokens": usage.output,
            "cached_tokens": usage.cached,
            "reasoning_tokens": usage.reasoning,
            "total_tokens": usage.input + usage.output,
        },
        "response_id": answered[-1].response_id,
        "request_id": answered[-1].request_id,
    }
