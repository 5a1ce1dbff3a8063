"""Runs that really happen, told as events; each is built and held to the report's schema."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from flowrunner.catalog import cost_usd, load_schema
from flowrunner.errors import ExitStatus
from flowrunner.events import (
    Address,
    ApiError,
    ApprovalAsked,
    ApprovalGiven,
    CallAccepted,
    CallAnswered,
    CallLost,
    CallNotSent,
    CallPolled,
    CallRefused,
    CallSent,
    Event,
    RunFinished,
    RunResumed,
    RunStarted,
    StepFinished,
    StepStarted,
    ToolCallBegan,
    ToolCallEnded,
    Usage,
    Warned,
)
from flowrunner.journal.journal import Journal
from flowrunner.journal.projection import Nothing, Projection, fold_run
from flowrunner.journal.state import RunState, StepState, Totals
from flowrunner.journal.tool_calls import ToolRecord, record_of
from flowrunner.report.files import report_json
from flowrunner.report.html import render_html
from flowrunner.report.report import build_report

START = 1_795_330_804.12
RUN = "20261122-0700-7f3a"
TICKET = (
    "Can you help me with a weird charge?  It's a pound charge that never goes away from the "
    "statement view on the app I'm using.  It's not described as anything but \"Pending\", and "
    "that status has never changed during the last two days."
)
SUMMARY = (
    "A customer sees a £1 charge in the app's statement view that has been marked “Pending” for "
    "two days. They want to know what it is and why it does not go away."
)
REPLY = (
    "Hi,\n\nThanks for getting in touch. Somebody is looking at this right now.\n\n"
    "A £1 charge marked “Pending” is usually a card check: a shop or an app asks us whether the "
    "card is real, and the pound is never taken. It normally goes away within seven days.\n\n"
    "If it is still there after that, or if you do not recognise who asked, just answer this "
    "message and we will remove it for you.\n\nBest wishes\nThe support desk"
)
TRIAGE = {
    "team": "billing",
    "urgent": True,
    "reason": "The customer asks about a charge that stays pending on the statement.",
}
TRIAGE_SCHEMA = {
    "type": "object",
    "properties": {
        "team": {"type": "string", "enum": ["billing", "bug", "other"]},
        "urgent": {"type": "boolean"},
        "reason": {"type": "string"},
    },
    "required": ["team", "urgent", "reason"],
    "additionalProperties": False,
}
GRAPH = {
    "steps": [
        {"id": "summary", "verb": "prompt", "line": 31, "waits_for": []},
        {"id": "triage", "verb": "prompt", "line": 36, "waits_for": ["summary"]},
        {
            "id": "bug_report",
            "verb": "prompt",
            "line": 45,
            "waits_for": ["triage"],
            "condition": "steps.triage.output.team == 'bug'",
        },
        {
            "id": "reply",
            "verb": "prompt",
            "line": 50,
            "describe": "A friendly first answer to the customer.",
            "waits_for": ["triage"],
            "condition": "steps.triage.output.team != 'bug'",
        },
    ]
}
ORIGIN = {
    "command": "flowrunner run workflows/ticket_triage.yaml -i ticket=@inputs/ticket_charge.txt",
    "flowrunner": "0.1.0",
    "python": "3.11.2",
    "system": "Linux 6.1 x86_64",
    "git_commit": "45c0b0b1a9d2c3e4f5061728394a5b6c7d8e9f00",
    "git_dirty": True,
    "workflow_sha256": "5b7f1f2e0c6d4a8b9e3c7d1a2f5e8b4c6d9a0f3e7b1c5d8a2e6f9b3c7d0a4e8f",
    "environment": ["OPENAI_API_KEY"],
}


@dataclass
class Story:
    """Events on a clock of their own, with everything that the engine would freeze."""

    simulated: bool = False
    graph: dict[str, Any] = field(default_factory=lambda: GRAPH)
    inputs: dict[str, Any] = field(default_factory=lambda: {"ticket": TICKET})
    events: list[Event] = field(default_factory=list)
    at: float = START
    calls: int = 0

    def begin(self, **changes: Any) -> Story:
        told = {
            "run": RUN,
            "workflow": "Ticket triage",
            "path": "workflows/ticket_triage.yaml",
            "provider": "simulator" if self.simulated else "openai",
            "base_url": "http://127.0.0.1:40123/v1"
            if self.simulated
            else "https://api.openai.com/v1",
            "simulated": self.simulated,
            "steps": tuple(step["id"] for step in self.graph["steps"]),
            "origin": ORIGIN,
        }
        self.events.append(RunStarted(at=self.at, **(told | changes)))
        return self

    def after(self, seconds: float) -> Story:
        self.at = round(self.at + seconds, 3)
        return self

    def start(self, step: str, verb: str = "prompt") -> Story:
        self.events.append(StepStarted(at=self.at, address=Address.parse(step), verb=verb))
        return self

    def send(
        self,
        step: str,
        prompt: Any,
        *,
        attempt: int = 1,
        turn: int = 1,
        post: int = 1,
        **body: Any,
    ) -> Story:
        self.calls += 1
        request = {"model": "gpt-6-luna", "input": prompt, "stream": False} | body
        self.events.append(
            CallSent(
                at=self.at,
                address=Address.parse(step, attempt, turn, post),
                model=request["model"],
                client_request_id=f"{RUN}.{step}.{attempt}.{turn}.{post}",
                request_sha256="0" * 64,
                request=request,
            )
        )
        return self

    def answer(self, step: str, text: str, usage: Usage, elapsed_s: float, **changes: Any) -> Story:
        self.after(elapsed_s)
        sent = self._sent(step)
        model = changes.pop("model", sent.model)
        status = changes.pop("status", "completed")
        response = response_object(text, usage, model, status, self.calls) | changes
        self.events.append(
            CallAnswered(
                at=self.at,
                address=sent.address,
                http_status=200,
                status=status,
                request_id=f"req_{self.calls:032x}",
                response_id=response["id"],
                model=model,
                service_tier="default",
                usage=usage,
                cost_usd=cost_usd(model, usage),
                elapsed_s=elapsed_s,
                response=response,
            )
        )
        return self

    def accept(self, step: str) -> Story:
        address = self._sent(step).address
        self.events.append(
            CallAccepted(
                at=self.at,
                address=address,
                http_status=200,
                status="queued",
                request_id=f"req_{self.calls:032x}",
                response_id=f"resp_{self.calls:048x}",
                model="gpt-6-luna",
                elapsed_s=0.4,
            )
        )
        return self

    def poll(self, step: str, polls: int) -> Story:
        address = self._sent(step).address
        event = CallPolled(at=self.at, address=address, status="in_progress", polls=polls)
        self.events.append(event)
        return self

    def refuse(self, step: str, error: ApiError, http_status: int, **changes: Any) -> Story:
        told = {"request_id": f"req_{self.calls:032x}", "retry_in_s": None, "elapsed_s": 0.3}
        told |= changes
        self.after(told["elapsed_s"])
        self.events.append(
            CallRefused(
                at=self.at,
                address=self._sent(step).address,
                http_status=http_status,
                error=error,
                raw='{"error": {"message": "…"}}',
                **told,
            )
        )
        return self

    def lose(self, step: str, kind: str, message: str, **changes: Any) -> Story:
        told: dict[str, Any] = {"http_status": None, "request_id": None, "retry_in_s": None}
        told |= {"raw": ""} | changes
        address = self._sent(step).address
        self.events.append(
            CallLost(at=self.at, address=address, kind=kind, message=message, **told)
        )
        return self

    def not_sent(self, step: str, kind: str, message: str, retry_in_s: float | None) -> Story:
        address = self._sent(step).address
        self.events.append(
            CallNotSent(
                at=self.at, address=address, kind=kind, message=message, retry_in_s=retry_in_s
            )
        )
        return self

    def call(self, step: str, name: str, arguments: Any, output: Any = None, **told: Any) -> Story:
        """A tool is called and answers; without a word about its end it is still open."""
        address, call_id = self._sent(step).address, f"call_{name}"
        changes, kind = told.pop("changes_things", False), told.pop("kind", "function_call")
        self.events.append(
            ToolCallBegan(
                at=self.at,
                address=address,
                call_id=call_id,
                name=name,
                kind=kind,
                tool=name,
                changes_things=changes,
                arguments=arguments,
            )
        )
        if told.pop("open", False):
            return self
        self.after(0.2)
        error = told.get("error")
        told = {"ok": error is None, "error": None, "elapsed_s": 0.2} | told
        self.events.append(
            ToolCallEnded(at=self.at, address=address, call_id=call_id, output=output, **told)
        )
        return self

    def ask(self, step: str, text: str, *call_ids: str) -> Story:
        address = self._sent(step).address
        self.events.append(ApprovalAsked(at=self.at, address=address, text=text, call_ids=call_ids))
        return self

    def decide(self, step: str, granted: bool, why: str | None = None) -> Story:
        address = self._sent(step).address
        self.events.append(
            ApprovalGiven(
                at=self.at, address=address, granted=granted, by="Ada", way="terminal", why=why
            )
        )
        return self

    def finish(self, step: str, status: str = "succeeded", **told: Any) -> Story:
        result = told.pop("result", None)
        verb = told.pop("verb", "prompt")
        self.events.append(
            StepFinished(
                at=self.at,
                address=Address.parse(step),
                verb=verb,
                status=status,  # type: ignore[arg-type]
                result={"status": status} | (result or {}),
                **told,
            )
        )
        return self

    def warn(self, code: str, message: str, step: str | None = None) -> Story:
        address = Address.parse(step) if step else None
        self.events.append(Warned(at=self.at, code=code, message=message, address=address))
        return self

    def resume(self, epoch: int) -> Story:
        self.events.append(RunResumed(at=self.at, epoch=epoch, origin=ORIGIN))
        return self

    def end(self, status: str, exit_status: ExitStatus, **told: Any) -> Story:
        self.events.append(
            RunFinished(at=self.at, status=status, exit_status=exit_status, **told)  # type: ignore[arg-type]
        )
        return self

    def _sent(self, step: str) -> CallSent:
        sent = [event for event in self.events if isinstance(event, CallSent)]
        return next(event for event in reversed(sent) if event.address.unit == step)


def response_object(
    text: str, usage: Usage, model: str | None, status: str, number: int
) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
    return {
        "id": f"resp_{number:048x}",
        "object": "response",
        "created_at": 1795330804,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": model,
        "service_tier": "default",
        "output": [
            {
                "type": "message",
                "id": f"msg_{number:048x}",
                "status": "completed",
                "role": "assistant",
                "content": content,
            }
        ],
        "usage": {
            "input_tokens": usage.input,
            "input_tokens_details": {"cached_tokens": usage.cached},
            "output_tokens": usage.output,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning},
            "total_tokens": usage.input + usage.output,
        },
        "metadata": {},
    }


def triaged(story: Story) -> Story:
    """The beginning that all triages share: summary and decision."""
    effort = {"effort": "low"}
    story.begin().after(0.02).start("summary")
    prompt = f"Summarise this message in two sentences:\n{TICKET}\n"
    story.send("summary", prompt, reasoning=effort)
    story.answer("summary", SUMMARY, Usage(input=81, output=118, reasoning=64), 3.1)
    story.finish("summary", result={"text": SUMMARY}).start("triage")
    form = {"type": "json_schema", "name": "triage", "schema": TRIAGE_SCHEMA, "strict": True}
    story.send(
        "triage",
        f"Choose the team for: {SUMMARY}\n",
        instructions="You sort the post of a bank's support desk.",
        reasoning=effort,
        text={"format": form},
    )
    text = '{"team":"billing","urgent":true,"reason":"' + TRIAGE["reason"] + '"}'  # type: ignore[operator]
    story.answer("triage", text, Usage(input=1432, output=96, cached=1024, reasoning=58), 2.4)
    result = {"text": text, "output": TRIAGE, "has_output": True}
    story.finish("triage", result=result)
    return story.finish("bug_report", "skipped", reason="if", message="Its `if` is false.")


def _reply_prompt() -> str:
    return f"Write a friendly reply to: {TICKET}\nBegin by saying that somebody is looking.\n"


def succeeded(simulated: bool = False) -> Story:
    story = triaged(Story(simulated=simulated))
    story.start("reply").send("reply", _reply_prompt(), reasoning={"effort": "low"})
    story.answer("reply", REPLY, Usage(input=97, output=301, reasoning=128), 5.6)
    story.finish("reply", result={"text": REPLY})
    result = {"team": "billing", "urgent": True, "draft": REPLY}
    return story.after(0.01).end("succeeded", ExitStatus.DONE, result=result)


def simulated() -> Story:
    return succeeded(simulated=True)


def with_tools() -> Story:
    """The reply looks something up, refunds it after a person agreed, and asks for what is not
    there."""
    story = triaged(Story())
    story.start("reply").send("reply", _reply_prompt())
    story.answer("reply", "", Usage(input=97, output=40), 1.2)
    story.call("reply", "find_order", {"order": "17"}, {"state": "<b>sent</b>"})
    story.ask("reply", 'call `refund`, which changes things\n  order: "17"', "call_refund")
    story.after(60).decide("reply", True, "it was late")
    story.call("reply", "refund", {"order": "17"}, "refunded", changes_things=True)
    story.call("reply", "nuke", {}, error="there is no tool `nuke`", not_run="undeclared")
    replies = [{"type": "function_call_output", "call_id": "call_refund", "output": "refunded"}]
    story.send("reply", replies, turn=2)
    story.answer("reply", REPLY, Usage(input=197, output=301, reasoning=128), 5.6)
    story.finish("reply", result={"text": REPLY})
    result = {"team": "billing", "urgent": True, "draft": REPLY}
    return story.end("succeeded", ExitStatus.DONE, result=result)


def retried() -> Story:
    """Rate limited, then overloaded, then answered; a second process finished it."""
    story = triaged(Story())
    story.start("reply").send("reply", _reply_prompt())
    limit = "Rate limit reached for gpt-6-luna on requests per min (RPM): Limit 3, Used 3."
    error = ApiError(limit, "requests", None, "rate_limit_exceeded")
    story.refuse("reply", error, 429, retry_in_s=4.0).after(4.0)
    story.send("reply", _reply_prompt(), post=2)
    story.not_sent("reply", "connect", "api.openai.com did not answer in time.", 2.0).after(1.5)
    story.warn("rate-limit", "The API slowed this run down for 4 s.", "reply")
    story.after(40_000).resume(2).send("reply", _reply_prompt(), post=3)
    story.answer("reply", REPLY, Usage(input=97, output=301, reasoning=128), 5.6)
    story.finish("reply", result={"text": REPLY})
    result = {"team": "billing", "urgent": True, "draft": REPLY}
    return story.end("succeeded", ExitStatus.DONE, result=result)


def failed() -> Story:
    """The answer has the wrong shape, twice."""
    story = Story().begin().after(0.02).start("summary")
    prompt = f"Summarise this message in two sentences:\n{TICKET}\n"
    story.send("summary", prompt)
    story.answer("summary", SUMMARY, Usage(input=81, output=118, reasoning=64), 3.1)
    story.finish("summary", result={"text": SUMMARY}).start("triage")
    bad = '{"team":"complaints","urgent":true,"reason":"The customer complains."}'
    form = {"type": "json_schema", "name": "triage", "schema": TRIAGE_SCHEMA, "strict": True}
    for attempt in (1, 2):
        story.send(
            "triage", f"Choose the team for: {SUMMARY}\n", attempt=attempt, text={"format": form}
        )
        story.answer("triage", bad, Usage(input=163, output=44), 1.9)
    message = "`team` must be one of `billing`, `bug`, `other`, found the text `complaints`."
    story.finish(
        "triage",
        "failed",
        reason="wrong-shape",
        message=f"The model's answer did not match the shape you asked for: {message}",
        help="add “choose billing, bug or other, and nothing else” to the prompt",
        result={"text": bad, "error": {"kind": "wrong-shape", "message": message, "partial": bad}},
    )
    for step in ("bug_report", "reply"):
        story.finish(
            step, "cancelled", reason="stopped", message="The run stopped before it began."
        )
    return story.end(
        "failed",
        ExitStatus.FAILED,
        message="1 of 4 steps failed.",
        help="Mend the step `triage`, then go on with `flowrunner resume`.",
    )


def refused_key() -> Story:
    """The key is refused: nothing ran."""
    story = Story().begin().after(0.02).start("summary").send("summary", TICKET)
    message = "Incorrect API key provided: sk-proj-***4f2a."
    story.refuse(
        "summary", ApiError(message, "invalid_request_error", None, "invalid_api_key"), 401
    )
    story.finish(
        "summary",
        "failed",
        reason="api-error",
        message="OpenAI refused the key in OPENAI_API_KEY (401, invalid_api_key).",
        help="set OPENAI_API_KEY to a key of your project",
    )
    return story.end(
        "failed",
        ExitStatus.ENVIRONMENT,
        message="OpenAI refused the key in OPENAI_API_KEY.",
        help="Set OPENAI_API_KEY to a key of your project, then go on with `flowrunner resume`.",
    )


def held() -> Story:
    """An answer was lost and the step says hold."""
    story = triaged(Story())
    story.start("reply").send("reply", _reply_prompt()).after(8.2)
    story.lose("reply", "reset", "The connection was reset before the whole answer came.")
    story.finish(
        "reply",
        "unknown",
        reason="lost",
        message="The request was sent and its answer was lost: it may have been paid.",
        help="look for the client request id at the provider, then `flowrunner resume`",
    )
    return story.end("held", ExitStatus.HELD, message="A call's outcome is unknown.")


def pending() -> Story:
    """A response in the background was left for a resume to collect."""
    story = triaged(Story())
    story.start("reply").send("reply", _reply_prompt(), background=True, store=True).after(0.4)
    story.accept("reply").after(60).poll("reply", 4)
    story.finish(
        "reply",
        "waiting",
        reason="background",
        message=f"at work in background, id resp_{story.calls:048x}, polled 4×",
        help=f"`flowrunner resume {RUN}` looks again and takes the answer",
    )
    message = "the API still works on `reply`, in the background"
    help_ = f"`flowrunner resume {RUN}` looks again and goes on with what is there"
    return story.end("waiting", ExitStatus.WAITING, message=message, help=help_)


def crashed() -> Story:
    """The process died while a request was on its way."""
    story = triaged(Story())
    return story.start("reply").send("reply", _reply_prompt())


def interrupted() -> Story:
    story = triaged(Story()).start("reply").send("reply", _reply_prompt()).after(1.2)
    story.lose("reply", "closed", "The run was interrupted while the answer was on its way.")
    return story.end("interrupted", ExitStatus.INTERRUPTED, message="Interrupted by Ctrl-C.")


def bare() -> Story:
    """Nothing but a beginning."""
    return Story(graph={"steps": []}, inputs={}).begin()


def wide(steps: int = 2000) -> Story:
    """Many independent steps."""
    graph = {
        "steps": [
            {"id": f"step_{number}", "verb": "prompt", "line": 10 + 3 * number, "waits_for": []}
            for number in range(1, steps + 1)
        ]
    }
    story = Story(graph=graph).begin()
    for number in range(1, steps + 1):
        step = f"step_{number}"
        story.start(step).send(step, f"Number {number}: {TICKET}")
        story.at = START + number % 40
        story.answer(step, SUMMARY, Usage(input=81, output=118, reasoning=64), 0.5)
        if number % 97 == 0:
            story.finish(step, "failed", reason="incomplete", message="The answer was cut off.")
        else:
            story.finish(step, result={"text": SUMMARY})
    story.at = START + 42
    return story.end("failed", ExitStatus.FAILED, message=f"{steps // 97} of {steps} steps failed.")


STORIES: dict[str, Callable[[], Story]] = {
    story.__name__: story
    for story in (
        succeeded, simulated, with_tools, retried, failed, refused_key, held, pending, crashed,
        interrupted, bare,
    )
}  # fmt: skip


class MemoryRecord:
    """A journal in memory: the same fold as the real one, bodies by number."""

    def __init__(self, story: Story) -> None:
        self._events = list(enumerate(story.events, start=1))
        self._frozen = {"graph": story.graph, "inputs": story.inputs}
        self._of_units: dict[str, list[tuple[int, Event]]] = defaultdict(list)
        for seq, event in self._events:
            address = getattr(event, "address", None)
            if address is not None:
                self._of_units[address.unit].append((seq, event))

    def body(self, seq: int, field: str) -> Any:
        return getattr(self._events[seq - 1][1], field)

    def event(self, seq: int) -> Event:
        return self._events[seq - 1][1]

    def frozen(self, name: str) -> bytes:
        return json.dumps(self._frozen[name]).encode()

    def frozen_names(self) -> list[str]:
        return sorted(self._frozen)

    def events(self) -> Iterable[tuple[int, Event]]:
        return iter(self._events)

    def tool_record(self, unit: str) -> ToolRecord:
        return record_of(unit, self._of_units[unit])

    def replay(self) -> RunState:
        projection, state = Projection(Nothing(), Totals()), RunState()
        for seq, event in self._events:
            projection.apply(seq, event)
            fold_run(state, seq, event)
        state.totals = projection.totals
        state.steps |= projection.steps
        for call in sorted(projection.calls.values(), key=lambda call: call.key):
            state.steps.setdefault(call.unit, StepState(call.unit)).calls.append(call)
        return state


def report_of(story: Story) -> dict[str, Any]:
    """The report of a story."""
    record = MemoryRecord(story)
    return build_report(record.replay(), record)


SCHEMA = load_schema("report")


@pytest.fixture(params=STORIES.values(), ids=STORIES)
def story(request: pytest.FixtureRequest) -> Story:
    told: Callable[[], Story] = request.param
    return told()


def test_the_schema_of_the_report_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_every_property_of_the_schema_says_what_it_is() -> None:
    for name, entry in _properties(SCHEMA):
        assert entry.get("description"), f"`{name}` has no description"


def _properties(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        properties = schema.get("properties")
        yield from (properties or {}).items()
        for value in schema.values():
            yield from _properties(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _properties(value)


def test_a_report_fits_its_schema(story: Story) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    faults = [f"{e.json_path}: {e.message}" for e in validator.iter_errors(report_of(story))]
    assert faults == []


def test_the_same_journal_gives_the_same_bytes(story: Story) -> None:
    first, second = report_of(story), report_of(story)
    assert report_json(first) == report_json(second)
    assert render_html(first) == render_html(second)


def test_report_json_is_the_report(story: Story) -> None:
    report = report_of(story)
    assert json.loads(report_json(report)) == report


def test_a_real_journal_gives_the_same_report(story: Story, tmp_path: Path) -> None:
    frozen = {"graph": json.dumps(story.graph), "inputs": json.dumps(story.inputs)}

    async def write() -> None:
        with Journal.create(tmp_path / RUN, frozen, lambda: START) as journal:
            await journal.append_many(story.events)

    asyncio.run(write())
    with Journal.open(tmp_path / RUN) as journal:
        assert build_report(journal.replay(), journal) == report_of(story)


def test_calls_of_tools_are_told_with_who_allowed_them() -> None:
    [step] = [each for each in report_of(with_tools())["steps"] if each["unit"] == "reply"]
    found = {call["name"]: call for call in step["tool_calls"]}
    assert {name: call["outcome"] for name, call in found.items()} == {
        "find_order": "succeeded",
        "refund": "succeeded",
        "nuke": "refused",
    }
    assert found["find_order"]["arguments"] == {"value": {"order": "17"}}
    assert found["find_order"]["output"] == {"value": {"state": "<b>sent</b>"}}
    assert found["refund"]["sentence"] == "It answered in 0.2s. Ada agreed: it was late."
    assert (found["refund"]["decided_by"], found["find_order"]["decided_by"]) == ("Ada", None)
    assert found["nuke"]["sentence"] == "It was not run: there is no tool `nuke`"
    assert step["asked"]["messages"][0]["role"] == "user"
    assert "Write a friendly reply" in step["asked"]["messages"][0]["content"]["value"]


def test_a_call_that_never_ended_is_open() -> None:
    story = triaged(Story()).start("reply").send("reply", _reply_prompt())
    story.answer("reply", "", Usage(input=97, output=40), 1.2)
    story.call("reply", "refund", {"order": "17"}, changes_things=True, open=True)
    [step] = [each for each in report_of(story)["steps"] if each["unit"] == "reply"]
    assert step["tool_calls"][0]["outcome"] == "open"
    assert "not recorded" in step["tool_calls"][0]["sentence"]
