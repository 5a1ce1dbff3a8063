"""Events for the tests of the journal: one of each kind, any of a kind, and random histories."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from flowrunner import events
from flowrunner.errors import ExitStatus
from flowrunner.events import Address, ApiError, Event, Segment, Usage

NOW = 1_790_000_000.25


def clock() -> float:
    return NOW


def address(unit: str = "triage", attempt: int = 1, turn: int = 1, post: int = 1) -> Address:
    return Address.parse(unit, attempt, turn, post)


def run_started(*steps: str, at: float = NOW) -> events.RunStarted:
    return events.RunStarted(
        at=at,
        run="20260921-120000-7f3a",
        workflow="ticket",
        path="workflows/ticket.yaml",
        provider="openai",
        base_url="https://api.openai.com/v1",
        simulated=False,
        steps=steps,
        origin={"command": ["flowrunner", "run"]},
    )


def step_started(unit: str = "triage", at: float = NOW) -> events.StepStarted:
    return events.StepStarted(at=at, address=address(unit), verb="prompt")


def call_sent(where: Address | None = None, at: float = NOW) -> events.CallSent:
    where = where or address()
    return events.CallSent(
        at=at,
        address=where,
        model="gpt-5-mini",
        client_request_id=f"run/{where.unit}/{where.attempt}/{where.turn}/{where.post}",
        request_sha256="ab" * 32,
        request={"model": "gpt-5-mini", "input": f"Ticket of {where.unit}: größer 💸"},
    )


def call_answered(
    where: Address | None = None, at: float = NOW + 1, cost_usd: float | None = 0.25
) -> events.CallAnswered:
    return events.CallAnswered(
        at=at,
        address=where or address(),
        http_status=200,
        status="completed",
        request_id="req_1",
        response_id="resp_1",
        model="gpt-5-mini-2026",
        service_tier="default",
        usage=Usage(100, 20, 10, 0, 5),
        cost_usd=cost_usd,
        elapsed_s=1.0,
        response={"id": "resp_1", "output": [{"type": "message", "text": "billing"}]},
    )


def call_accepted(where: Address | None = None, at: float = NOW + 0.5) -> events.CallAccepted:
    return events.CallAccepted(
        at=at,
        address=where or address(),
        http_status=200,
        status="queued",
        request_id="req_1",
        response_id="resp_1",
        model="gpt-5-mini-2026",
        elapsed_s=0.2,
    )


def call_polled(
    where: Address | None = None, at: float = NOW + 2, polls: int = 3
) -> events.CallPolled:
    where = where or address()
    return events.CallPolled(at=at, address=where, status="in_progress", polls=polls)


def call_refused(where: Address | None = None, at: float = NOW + 1) -> events.CallRefused:
    return events.CallRefused(
        at=at,
        address=where or address(),
        http_status=429,
        error=ApiError("slow down", "requests", None, "rate_limit_exceeded"),
        request_id="req_2",
        retry_in_s=1.5,
        elapsed_s=0.1,
        raw='{"error": …}',
    )


def call_not_sent(where: Address | None = None, at: float = NOW + 1) -> events.CallNotSent:
    return events.CallNotSent(
        at=at, address=where or address(), kind="refused", message="no", retry_in_s=None
    )


def call_lost(where: Address | None = None, at: float = NOW + 1) -> events.CallLost:
    return events.CallLost(
        at=at,
        address=where or address(),
        kind="reset",
        message="the connection was reset",
        http_status=None,
        request_id=None,
        retry_in_s=None,
        raw="",
    )


def step_finished(
    unit: str = "triage", at: float = NOW + 2, status: Any = "succeeded", result: Any = None
) -> events.StepFinished:
    return events.StepFinished(
        at=at, address=address(unit), verb="prompt", status=status, result=result
    )


def approval_asked(
    unit: str = "send", text: str = "Send the mails?", at: float = NOW
) -> events.ApprovalAsked:
    return events.ApprovalAsked(at=at, address=address(unit), text=text)


def approval_given(
    unit: str = "send", granted: bool = True, why: str | None = "looks good", at: float = NOW + 7
) -> events.ApprovalGiven:
    where = address(unit)
    return events.ApprovalGiven(
        at=at, address=where, granted=granted, by="Ada", way="command", why=why
    )


def warned(where: Address | None = None, at: float = NOW) -> events.Warned:
    return events.Warned(at=at, code="old-model", message="`gpt-4` ends soon", address=where)


def run_finished(at: float = NOW + 3, **fields: Any) -> events.RunFinished:
    chosen = {"status": "succeeded", "exit_status": ExitStatus.DONE, "result": {"team": "billing"}}
    return events.RunFinished(at=at, **{**chosen, **fields})


def small_history() -> list[Event]:
    """A run of one step with a retry, from its start to its end."""
    return [
        run_started("triage", "reply"),
        events.RunResumed(at=NOW, epoch=1, origin={"pid": 1}),
        step_started(),
        call_sent(),
        call_refused(),
        call_sent(address(post=2)),
        call_answered(address(post=2)),
        step_finished(result={"status": "succeeded", "text": "billing"}),
        warned(address()),
        events.StepFinished(
            at=NOW + 2, address=address("reply"), verb="prompt", status="skipped", reason="if"
        ),
        run_finished(),
    ]


def item_history(items: int, seed: int = 0) -> Iterator[Event]:
    """A fan-out with long and short texts, item after item."""
    texts = random.Random(seed)
    yield run_started("extract")
    for number in range(1, items + 1):
        unit = f"extract[{number}]"
        text = "".join(texts.choices("abcdef ghi", k=texts.choice((40, 4000, 20_000))))
        yield step_started(unit)
        yield call_sent(address(unit))
        yield call_answered(address(unit))
        yield step_finished(unit, result={"status": "succeeded", "text": text})


# What JSON holds, without the numbers and texts that no JSON parser gives.
TEXTS = st.text(st.characters(exclude_categories=()), max_size=20)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
COUNTS = st.integers(1, 2**40)
SEGMENTS = st.builds(
    Segment,
    st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True),
    st.none() | COUNTS,
    st.none() | COUNTS,
)
ADDRESSES = st.builds(
    Address, st.lists(SEGMENTS, min_size=1, max_size=3).map(tuple), COUNTS, COUNTS, COUNTS
)

st.register_type_strategy(Address, ADDRESSES)
st.register_type_strategy(str, TEXTS)
st.register_type_strategy(float, NUMBERS)
st.register_type_strategy(dict, st.dictionaries(TEXTS, JSON_VALUES, max_size=4))

EVENT_CLASSES = [
    member
    for member in vars(events).values()
    if isinstance(member, type) and issubclass(member, Event) and member is not Event
]


def any_event(event_class: type[Event]) -> st.SearchStrategy[Event]:
    """Any event of a class; its JSON is any JSON."""
    fields = {name: JSON_VALUES for name in event_class.bodies if name != "raw"}
    if hasattr(event_class, "origin"):
        fields["origin"] = st.dictionaries(TEXTS, JSON_VALUES, max_size=4)
    return st.builds(event_class, **fields)


UNITS = ("triage", "reply", "extract[1]", "extract[2]", "polish#1/judge")


def _any_step_event(event_class: type[Event]) -> st.SearchStrategy[Event]:
    """Any event at one of a few addresses, so that events meet each other."""
    few = st.builds(
        Address.parse, st.sampled_from(UNITS), st.integers(1, 2), st.just(1), st.integers(1, 2)
    )
    fields: dict[str, Any] = {name: st.just("x") for name in event_class.bodies}
    fields["at"] = st.floats(0, 4e9)
    if event_class is events.CallAnswered:
        fields["usage"] = st.none() | st.builds(Usage, *[st.integers(0, 10**6)] * 5)
        fields["cost_usd"] = st.none() | st.floats(0, 10, allow_nan=False)
    if event_class is events.ApprovalAsked:
        fields["text"] = st.sampled_from(["Send?", "Publish?"])
    return st.builds(event_class, address=few, **fields)


STEP_EVENTS = [
    events.StepStarted,
    events.CallSent,
    events.CallAccepted,
    events.CallPolled,
    events.CallAnswered,
    events.CallRefused,
    events.CallNotSent,
    events.CallLost,
    events.StepFinished,
    events.ForEachBegan,
    events.ApprovalAsked,
    events.ApprovalGiven,
    events.Warned,
]
HISTORIES = st.lists(st.one_of(*map(_any_step_event, STEP_EVENTS)), max_size=40)
