"""What events add up to: a pure fold of each event into its step, its call and the totals.

The same fold keeps the rows of a living journal, rebuilds them, and checks them. Where earlier
rows come from and changed ones go to is left to its callers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from flowrunner import events
from flowrunner.events import Event
from flowrunner.journal.state import Approval, CallState, Notice, RunState, StepState, Totals

CallKey: TypeAlias = tuple[str, int, int, int]


class Stored(Protocol):
    """Where the fold finds steps and calls that it does not hold: each None when unknown."""

    def step(self, unit: str) -> StepState | None: ...
    def call(self, key: CallKey) -> CallState | None: ...


class Nothing:
    """No earlier rows: the fold holds everything itself."""

    def step(self, unit: str) -> StepState | None:  # noqa: ARG002
        return None

    def call(self, key: CallKey) -> CallState | None:  # noqa: ARG002
        return None


class Projection:
    """Steps, calls and totals after the events applied so far.

    Holds what it touched; `settle` lets go of what has ended, so that memory follows what is in
    flight and not the length of the run. `changed_steps` and `changed_calls` are what the last
    events touched, until `settle`.
    """

    def __init__(self, stored: Stored, totals: Totals) -> None:
        self.stored = stored
        self.totals = totals
        self.steps: dict[str, StepState] = {}
        self.calls: dict[CallKey, CallState] = {}
        self.changed_steps: dict[str, StepState] = {}
        self.changed_calls: dict[CallKey, CallState] = {}

    def apply(self, seq: int, event: Event) -> None:
        """Fold in the event that is record `seq`."""
        fold = _FOLDS.get(type(event))
        if fold is not None:
            fold(self, seq, event)

    def settle(self) -> None:
        """Forget which rows changed, and let go of steps and calls that have ended."""
        for unit, step in self.changed_steps.items():
            if step.ended_at is not None:
                self.steps.pop(unit, None)
        for key, call in self.changed_calls.items():
            if call.ended_at is not None:
                self.calls.pop(key, None)
        self.changed_steps.clear()
        self.changed_calls.clear()

    def _step(self, unit: str, seq: int) -> StepState:
        step = self.steps.get(unit) or self.stored.step(unit)
        if step is None:
            step = StepState(unit, seq=seq)
            self.totals.steps += 1
        self.steps[unit] = self.changed_steps[unit] = step
        return step

    def _call(self, key: CallKey) -> CallState | None:
        return self.calls.get(key) or self.stored.call(key)

    def _keep(self, call: CallState) -> None:
        self.calls[call.key] = self.changed_calls[call.key] = call
        self.totals.count(call)

    def step_started(self, seq: int, event: events.StepStarted) -> None:
        """A step begins, or goes on after a crash; one that had ended begins anew, but for one that
        says that it goes on, and one that was left waiting for a response in the background."""
        step = self._step(event.address.unit, seq)
        goes_on = bool(event.goes_on) or step.is_waiting_for_response
        if step.ended_at is not None and not goes_on:
            _begin_anew(step)
        if step.started_at is None:
            step.started_at = event.at
        step.verb, step.status = event.verb, "running"
        step.reason = step.message = step.help = step.reused_from = None
        step.ended_at = step.result_seq = None
        if not goes_on or step.started_seq is None:
            step.started_seq = seq
        step.fingerprint = event.fingerprint or step.fingerprint
        if step.approval is not None and step.approval.granted is None:
            step.status = "waiting"

    def step_finished(self, seq: int, event: events.StepFinished) -> None:
        """A step ends; a skipped one without having begun."""
        step = self._step(event.address.unit, seq)
        if step.ended_at is not None and not step.is_waiting_for_response:
            _begin_anew(step)
        step.verb, step.status, step.reason = event.verb, event.status, event.reason
        step.message, step.help = event.message, event.help
        step.ended_at, step.result_seq = event.at, seq
        step.fingerprint = event.fingerprint or step.fingerprint
        step.reused_from = event.reused_from

    def for_each_began(self, seq: int, event: events.ForEachBegan) -> None:
        """The list of a `for_each` is known."""
        step = self._step(event.address.unit, seq)
        step.items, step.status = event.items, step.status or "running"

    def approval_asked(self, seq: int, event: events.ApprovalAsked) -> None:
        """A person is asked. The same question put again stays the one it was."""
        step = self._step(event.address.unit, seq)
        asked = step.approval
        if asked is None or asked.granted is not None or asked.text != event.text:
            step.approval = Approval(event.text, event.at, seq)
        step.status = "waiting"
        step.ended_at = step.result_seq = None

    def approval_given(self, seq: int, event: events.ApprovalGiven) -> None:
        """A person answered; what follows from it is the step's to do."""
        step = self._step(event.address.unit, seq)
        asked = step.approval or Approval("", event.at, seq)
        answer = (event.granted, event.by, event.why, event.way, event.at)
        step.approval = Approval(asked.text, asked.asked_at, asked.asked_seq, *answer)
        step.status = "running"
        step.ended_at = step.result_seq = None

    def call_sent(self, seq: int, event: events.CallSent) -> None:
        """A request is announced."""
        address = event.address
        key = (address.unit, address.attempt, address.turn, address.post)
        earlier = self._call(key)
        if earlier is not None:
            self.totals.count(earlier, -1)
        sent = (event.model, event.client_request_id, event.at, seq)
        self._keep(CallState(*key, "sent", *sent, provider=event.provider))

    def call_accepted(self, seq: int, event: events.CallAccepted) -> None:
        """The API works on a request in the background."""
        call = self._ended(seq, event)
        call.ended_at = call.end_seq = None
        call.state, call.http_status, call.status = "accepted", event.http_status, event.status
        call.request_id, call.response_id = event.request_id, event.response_id
        call.served_model, call.polls = event.model, 0
        self._keep(call)

    def call_polled(self, seq: int, event: events.CallPolled) -> None:  # noqa: ARG002
        """A response in the background is further on; one that has ended stays so."""
        address = event.address
        call = self._call((address.unit, address.attempt, address.turn, address.post))
        if call is not None and call.state == "accepted":
            call.status, call.polls = event.status, event.polls
            self.calls[call.key] = self.changed_calls[call.key] = call

    def call_answered(self, seq: int, event: events.CallAnswered) -> None:
        """A Response came back; a later one for the same call replaces it."""
        call = self._ended(seq, event)
        call.state, call.http_status, call.status = "answered", event.http_status, event.status
        call.request_id, call.response_id = event.request_id, event.response_id
        call.served_model, call.service_tier = event.model, event.service_tier
        call.usage, call.cost_usd, call.elapsed_s = event.usage, event.cost_usd, event.elapsed_s
        call.polls = event.polls
        self._keep(call)

    def call_refused(self, seq: int, event: events.CallRefused) -> None:
        """The API said that the request failed."""
        call = self._ended(seq, event)
        call.state, call.http_status, call.error = "refused", event.http_status, event.error
        call.request_id, call.message = event.request_id, event.error.message
        call.retry_in_s, call.elapsed_s = event.retry_in_s, event.elapsed_s
        self._keep(call)

    def call_not_sent(self, seq: int, event: events.CallNotSent) -> None:
        """No byte of the request left."""
        call = self._ended(seq, event)
        call.state, call.kind, call.message = "not-sent", event.kind, event.message
        call.retry_in_s = event.retry_in_s
        self._keep(call)

    def call_lost(self, seq: int, event: events.CallLost) -> None:
        """The request left and its outcome is not known."""
        call = self._ended(seq, event)
        call.state, call.kind, call.message = "lost", event.kind, event.message
        call.http_status, call.request_id = event.http_status, event.request_id
        call.response_id, call.retry_in_s = event.response_id, event.retry_in_s
        self._keep(call)

    def _ended(self, seq: int, event: Any) -> CallState:
        """The call of an end, with what an earlier end had set taken back."""
        address = event.address
        key = (address.unit, address.attempt, address.turn, address.post)
        earlier = self._call(key)
        if earlier is None:
            call = CallState(*key, "sent", None, "", event.at, sent_seq=seq)
        else:
            self.totals.count(earlier, -1)
            sent = (earlier.model, earlier.client_request_id, earlier.sent_at, earlier.sent_seq)
            call = CallState(*key, "sent", *sent, provider=earlier.provider)
        call.ended_at, call.end_seq = event.at, seq
        return call


def _begin_anew(step: StepState) -> None:
    """Forget what belongs to the go at a step that has ended.

    One that ended waiting for a person still waits for the same answer.
    """
    if step.status != "waiting":
        step.approval = None
    step.started_at = step.fingerprint = step.items = None


_FOLDS: dict[type[Event], Callable[[Projection, int, Any], None]] = {
    events.StepStarted: Projection.step_started,
    events.StepFinished: Projection.step_finished,
    events.ForEachBegan: Projection.for_each_began,
    events.ApprovalAsked: Projection.approval_asked,
    events.ApprovalGiven: Projection.approval_given,
    events.CallSent: Projection.call_sent,
    events.CallAccepted: Projection.call_accepted,
    events.CallPolled: Projection.call_polled,
    events.CallAnswered: Projection.call_answered,
    events.CallRefused: Projection.call_refused,
    events.CallNotSent: Projection.call_not_sent,
    events.CallLost: Projection.call_lost,
}


def fold_run(run: RunState, seq: int, event: Event) -> None:
    """Fold an event of the run as a whole into its state; events of steps change nothing here."""
    match event:
        case events.RunStarted():
            _start(run, event)
        case events.RunResumed():
            run.resumes += 1
            run.resumed_at.append(event.at)
            run.origins.append(event.origin)
            _reopen(run)
        case events.RunFinished():
            run.status, run.exit_status = event.status, event.exit_status
            run.message, run.help = event.message, event.help
            run.ended_at, run.result_seq = event.at, seq
            run.left_out, run.given_up_by = event.left_out, event.given_up_by
        case events.FileUploaded():
            run.uploads[event.sha256, event.provider, event.purpose] = event
        case events.Warned(address=address):
            unit = None if address is None else address.unit
            run.warnings.append(Notice(event.at, event.code, event.message, unit))
        case events.Slowed(model=model, server=server, wait_s=wait_s):
            said = f"requests to `{model}` waited {wait_s:.0f} s or longer, as {server} asked"
            run.warnings.append(Notice(event.at, "slowed", said))
        case _:
            pass


def _start(run: RunState, event: events.RunStarted) -> None:
    run.run, run.workflow, run.path = event.run, event.workflow, event.path
    run.provider, run.base_url, run.simulated = event.provider, event.base_url, event.simulated
    run.started_at, run.others, run.replayed = event.at, event.others, event.replayed
    run.previous = event.previous
    run.origins.append(event.origin)
    for unit in event.steps:
        run.steps.setdefault(unit, StepState(unit))
    _reopen(run)


def _reopen(run: RunState) -> None:
    run.status, run.exit_status = "running", None
    run.message = run.help = run.ended_at = run.result_seq = None
    run.left_out = ()
