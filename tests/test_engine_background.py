"""Responses in the background: accepted, looked at, collected by a later process, cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engine_world import (
    World,
    accepted,
    answered,
    in_turn,
    lost,
    not_sent,
    refused,
)

from flowrunner.engine.background import CANCEL_TRIES, DEFAULT_BACKGROUND_TIMEOUT_S
from flowrunner.engine.estimate import worst_case
from flowrunner.engine.ports import Stop
from flowrunner.engine.steps import BACKGROUND_ITEMS
from flowrunner.errors import ExitStatus
from flowrunner.events import CallAccepted, CallPolled
from flowrunner.journal.journal import Journal
from flowrunner.language.workflow import Money
from flowrunner.responses.outcome import Outcome
from flowrunner.responses.stream import Delta

ONE = "steps: [{ id: a, prompt: one, delivery: background }]\n"
TWO = """\
steps:
  - { id: a, prompt: one, delivery: background }
  - { id: b, prompt: "two {{ steps.a.text }}" }
"""


def looks(*outcomes: Outcome, cancel: tuple[Outcome, ...] = ()) -> Callable[[str, str], Outcome]:
    """What looks find one after another; the last again and again. And so for cancelling."""
    queues = {"retrieve": list(outcomes), "cancel": list(cancel)}

    def find(what: str, _: str) -> Outcome:
        queue = queues[what]
        assert queue, f"nobody asks to {what}"
        return queue.pop(0) if len(queue) > 1 else queue[0]

    return find


def to_come(status: str = "in_progress") -> Outcome:
    return accepted(status=status)


def cancelled() -> Outcome:
    return answered(status="cancelled", output=[], usage=None)


def posted() -> Callable[..., Outcome]:
    return in_turn(a=[accepted()])


def interrupting(stop: Stop, then: Outcome) -> Callable[[str, str], Outcome]:
    """Whoever looks finds that somebody pressed Ctrl-C."""

    def find(what: str, _: str) -> Outcome:
        stop.ask("interrupt")
        return then

    return find


def events_of(world: World, *kinds: type) -> list[Any]:
    with Journal.open(world.run_folder) as journal:
        return [event for _, event in journal.events() if isinstance(event, kinds)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


# From the POST to the answer.


def test_an_answer_that_comes_later_is_waited_for_and_read_on(world: World) -> None:
    ended = world.run(TWO, posted(), looks=looks(to_come(), to_come(), answered("later")))
    assert ended.end.exit_status == ExitStatus.DONE
    assert ended.asked()["b"] == "two later"
    assert ended.sender.units() == ["a", "b"]
    assert ended.sender.looked == [("retrieve", "resp_1")] * 3
    call = ended.state.steps["a"].calls[0]
    assert (call.state, call.response_id, call.polls) == ("answered", "resp_1", 3)
    assert call.usage is not None
    assert ended.state.totals.accepted_calls == 0


@pytest.mark.parametrize("way", ["delivery: background", "background: true"])
def test_the_request_says_that_it_is_stored(world: World, way: str) -> None:
    step = f"steps: [{{ id: a, prompt: one, {way} }}]\n"
    ended = world.run(step, posted(), looks=looks(answered()))
    (body,) = ended.sender.bodies.values()
    assert (body["background"], body["store"]) == (True, True)


def test_the_id_is_on_disk_before_the_first_look(world: World) -> None:
    seen: list[str | None] = []

    def find(what: str, response_id: str) -> Outcome:
        with Journal.open(world.run_folder) as journal:
            seen.append(journal.replay().steps["a"].calls[0].response_id)
        return answered()

    world.run(ONE, posted(), looks=find)
    assert seen == ["resp_1"]


def test_each_new_status_is_on_record_once(world: World) -> None:
    world.run(
        ONE,
        posted(),
        looks=looks(to_come("queued"), to_come(), to_come(), answered()),
    )
    (was_accepted,) = events_of(world, CallAccepted)
    assert was_accepted.status == "queued"
    assert [(e.status, e.polls) for e in events_of(world, CallPolled)] == [("in_progress", 2)]


def test_waiting_holds_no_slot(world: World) -> None:
    three = "steps: [{ id: each, for_each: [1, 2, 3], prompt: hi, delivery: background }]\n"
    open_at_once: list[int] = []
    ids = iter("abc")
    open_: set[str] = set()

    def post(unit: str, body: dict[str, Any]) -> Outcome:
        name = next(ids)
        open_.add(name)
        open_at_once.append(len(open_))
        return accepted(name)

    def find(what: str, response_id: str) -> Outcome:
        if len(open_at_once) < 3:
            return accepted(response_id, "in_progress")
        open_.discard(response_id)
        return answered(id=response_id)

    ended = world.run(three, post, looks=find, at_once=1)
    assert ended.end.exit_status == ExitStatus.DONE
    assert open_at_once == [1, 2, 3], "with one slot all three are under way"
    assert ended.sender.most_at_once == 1


def test_no_more_items_are_under_way_than_the_loop_allows(world: World) -> None:
    many = BACKGROUND_ITEMS + 50
    numbers = ", ".join(map(str, range(many)))
    step = f"steps: [{{ id: each, for_each: [{numbers}], prompt: hi, background: true }}]\n"
    sent = 0
    most = 0
    done: set[str] = set()

    def post(unit: str, body: dict[str, Any]) -> Outcome:
        nonlocal sent, most
        sent += 1
        most = max(most, sent - len(done))
        return accepted(unit)

    def find(what: str, response_id: str) -> Outcome:
        if sent < BACKGROUND_ITEMS:
            return accepted(response_id)
        done.add(response_id)
        return answered(id=response_id)

    ended = world.run(step, post, looks=find)
    assert ended.end.exit_status == ExitStatus.DONE
    assert most == BACKGROUND_ITEMS


@pytest.mark.parametrize("trouble", [refused(500), refused(429), lost(), not_sent(), refused(400)])
def test_looks_that_go_wrong_cost_nothing_but_time(world: World, trouble: Outcome) -> None:
    ended = world.run(ONE, posted(), looks=looks(*[trouble] * 20, answered()))
    assert ended.end.exit_status == ExitStatus.DONE
    assert len(ended.sender.bodies) == 1
    assert len(ended.sender.looked) == 21


def test_what_is_done_is_done_whatever_is_seen_later(world: World) -> None:
    ended = world.run(ONE, posted(), looks=looks(answered("done"), to_come()))
    assert ended.result("a")["text"] == "done"
    assert len(ended.sender.looked) == 1


def test_an_answer_at_once_is_an_answer(world: World) -> None:
    ended = world.run(ONE, in_turn(a=[answered("at once")]))
    assert ended.end.exit_status == ExitStatus.DONE
    assert ended.state.steps["a"].calls[0].polls is None


def test_a_response_that_failed_for_a_passing_reason_is_asked_for_again(world: World) -> None:
    failed = answered(status="failed", output=[], error={"code": "server_error", "message": "x"})
    ended = world.run(
        ONE, in_turn(a=[accepted("r1"), accepted("r2")]), looks=looks(failed, answered(id="r2"))
    )
    assert ended.end.exit_status == ExitStatus.DONE
    assert [call.post for call in ended.state.steps["a"].calls] == [1, 2]


def test_a_bad_answer_is_shown_to_the_model_in_the_background_too(world: World) -> None:
    step = "steps: [{ id: a, prompt: one, background: true, output: { n: integer }, retry: 2 }]\n"
    ended = world.run(
        step,
        in_turn(a=[accepted("r1"), accepted("r2")]),
        looks=looks(answered("no"), answered('{"n": 3}')),
    )
    assert ended.end.exit_status == ExitStatus.DONE
    assert [call.attempt for call in ended.state.steps["a"].calls] == [1, 2]


# What nobody knows, what others did.


def test_a_response_that_is_gone_is_unknown_and_never_asked_for_again(world: World) -> None:
    gone = refused(404, message="not found")
    ended = world.run(ONE, posted(), looks=looks(gone))
    assert ended.end.exit_status == ExitStatus.HELD
    assert (ended.status("a"), ended.reason("a")) == ("unknown", "lost")
    assert "resp_1" in (ended.state.steps["a"].message or "")
    assert len(ended.sender.looked) == 2, "one miss may be the server's haste"
    assert ended.state.totals.lost_calls == 1
    again = world.resume(posted())
    assert again.end.exit_status == ExitStatus.HELD
    assert again.sender.bodies == {}
    asked = world.resume(in_turn(a=[answered()]), asks_held=True, on_unknown="retry_once")
    assert asked.end.exit_status == ExitStatus.DONE


def test_one_miss_is_no_loss(world: World) -> None:
    ended = world.run(ONE, posted(), looks=looks(refused(404), to_come(), refused(404), answered()))
    assert ended.end.exit_status == ExitStatus.DONE


def test_a_response_that_others_cancelled(world: World) -> None:
    ended = world.run(ONE, posted(), looks=looks(cancelled()))
    assert ended.end.exit_status == ExitStatus.FAILED
    assert (ended.status("a"), ended.reason("a")) == ("failed", "cancelled")
    again = world.resume(in_turn(a=[answered()]))
    assert again.end.exit_status == ExitStatus.DONE


def test_one_id_for_two_requests_is_not_believed(world: World) -> None:
    steps = """\
steps:
  - { id: a, prompt: x, background: true }
  - { id: b, prompt: x, delivery: background, on_unknown: hold }
"""
    ended = world.run(
        steps, in_turn(a=[accepted("same")], b=[accepted("same")]), looks=looks(answered(id="same"))
    )
    assert ended.end.exit_status == ExitStatus.HELD
    assert ended.status("a") == "succeeded"
    assert ended.status("b") == "unknown"
    assert "the id of another" in (ended.state.steps["b"].message or "")


def test_a_key_that_is_refused_ends_the_run_and_leaves_the_response(world: World) -> None:
    ended = world.run(ONE, posted(), looks=looks(refused(401, "invalid_api_key")))
    assert ended.end.exit_status == ExitStatus.ENVIRONMENT
    assert ended.state.steps["a"].calls[0].state == "accepted"
    again = world.resume(posted(), looks=looks(answered()))
    assert again.end.exit_status == ExitStatus.DONE
    assert again.sender.bodies == {}


# Time.


def test_a_response_that_stays_in_the_queue_is_cancelled_at_the_timeout(world: World) -> None:
    step = "steps: [{ id: a, prompt: one, delivery: background, timeout: 5m }]\n"
    began = world.clock.now()
    ended = world.run(step, posted(), looks=looks(to_come("queued"), cancel=(cancelled(),)))
    assert ended.end.exit_status == ExitStatus.FAILED
    assert (ended.status("a"), ended.reason("a")) == ("failed", "timeout")
    assert world.clock.now() - began == pytest.approx(300)
    assert ended.sender.looked[-1] == ("cancel", "resp_1")
    assert len(ended.sender.bodies) == 1
    assert ended.state.steps["a"].calls[0].status == "cancelled"


def test_an_answer_that_outruns_the_cancelling_counts(world: World) -> None:
    step = "steps: [{ id: a, prompt: one, delivery: background, timeout: 5m }]\n"
    ended = world.run(
        step, posted(), looks=looks(to_come("queued"), cancel=(answered("just in time"),))
    )
    assert ended.end.exit_status == ExitStatus.DONE
    assert ended.result("a")["text"] == "just in time"


def test_a_server_that_refuses_to_cancel_what_is_done(world: World) -> None:
    step = "steps: [{ id: a, prompt: one, delivery: background, timeout: 1s }]\n"
    found = looks(to_come(), answered("done"), cancel=(refused(400, message="completed"),))
    ended = world.run(step, posted(), looks=found)
    assert ended.end.exit_status == ExitStatus.DONE


def test_what_cannot_be_cancelled_is_left_to_a_resume(world: World) -> None:
    step = "steps: [{ id: a, prompt: one, delivery: background, timeout: 5m }]\n"
    ended = world.run(step, posted(), looks=looks(to_come(), cancel=(refused(500),)))
    assert ended.end.exit_status == ExitStatus.WAITING
    assert (ended.status("a"), ended.reason("a")) == ("waiting", "background")
    assert ended.sender.looked.count(("cancel", "resp_1")) == CANCEL_TRIES
    again = world.resume(posted(), looks=looks(answered()))
    assert again.end.exit_status == ExitStatus.DONE
    assert again.sender.bodies == {}


def test_without_a_timeout_it_is_waited_for_longer_than_any_window(world: World) -> None:
    began = world.clock.now()
    found = looks(to_come("queued"), cancel=(cancelled(),))
    ended = world.run(ONE, posted(), looks=found)
    assert ended.reason("a") == "timeout"
    assert world.clock.now() - began == pytest.approx(DEFAULT_BACKGROUND_TIMEOUT_S)


# Ends and resumes.


def test_nobody_waits(world: World) -> None:
    ended = world.run(TWO, posted(), waits=False)
    assert ended.end.exit_status == ExitStatus.WAITING
    assert ended.end.status == "waiting"
    assert (ended.status("a"), ended.reason("a")) == ("waiting", "background")
    assert ended.status("b") is None
    assert "resp_1" in (ended.state.steps["a"].message or "")
    assert "flowrunner resume run-1" in (ended.end.help or "")
    assert "`a`" in (ended.end.message or "")
    assert ended.state.totals.accepted_calls == 1

    for _ in range(2):
        still = world.resume(posted(), looks=looks(to_come()), waits=False)
        assert still.end.exit_status == ExitStatus.WAITING
        assert still.sender.looked == [("retrieve", "resp_1")], "one look"
        assert still.sender.bodies == {}

    world.clock.time += 3 * 86_400
    done = world.resume(looks=looks(answered("days later")), waits=False)
    assert done.end.exit_status == ExitStatus.DONE
    assert done.asked() == {"b": "two days later"}
    call = done.state.steps["a"].calls[0]
    assert (call.state, call.polls) == ("answered", 2)
    assert done.state.steps["a"].started_at == ended.state.steps["a"].started_at


def test_where_nobody_waits_other_work_goes_on_and_the_response_is_looked_at(world: World) -> None:
    steps = """\
steps:
  - { id: a, prompt: one, delivery: background }
  - { id: b, prompt: two }
  - { id: c, prompt: "{{ steps.b.text }}" }
"""
    world.pauses = lambda: 200
    ended = world.run(steps, posted(), looks=looks(to_come(), answered()), waits=False)
    assert ended.end.exit_status == ExitStatus.DONE


def test_items_that_nobody_waits_for_are_all_sent(world: World) -> None:
    step = """\
steps:
  - { id: each, for_each: [1, 2, 3, 4, 5], at_once: 2, prompt: hi, background: true }
"""
    pending = lambda what, name: accepted(name)  # noqa: E731
    ended = world.run(step, lambda unit, body: accepted(unit), looks=pending, waits=False)
    assert ended.end.exit_status == ExitStatus.WAITING
    assert len(ended.sender.bodies) == 5
    assert ended.status("each") == "waiting"
    done = world.resume(looks=lambda what, name: answered(id=name), waits=False)
    assert done.end.exit_status == ExitStatus.DONE
    assert done.sender.bodies == {}
    assert len(done.sender.looked) == 5


@pytest.mark.parametrize(
    "steps",
    [
        (
            "steps: [{ id: g, steps: [{ id: a, prompt: x, background: true },"
            " { id: b, write: '{{ steps.a.text }}' }] }]\n"
        ),
        "steps: [{ id: a, prompt: x, background: true, repeat: { until: true, at_most: 2 } }]\n",
        (
            "steps: [{ id: s, branch: inputs.k, cases:"
            " { x: [{ id: a, prompt: x, background: true }], y: [{ id: c, write: x }] } }]\n"
            "inputs: { k: [x, y] }\n"
        ),
        "steps: [{ id: g, for_each: [1], steps: [{ id: a, prompt: x, background: true }] }]\n",
    ],
    ids=["group", "repeat", "branch", "items"],
)
def test_nested_steps_are_collected(world: World, steps: str) -> None:
    ended = world.run(steps, lambda unit, body: accepted(), waits=False, inputs={"k": "x"})
    assert ended.end.exit_status == ExitStatus.WAITING
    still = world.resume(looks=looks(to_come()), waits=False)
    assert still.end.exit_status == ExitStatus.WAITING
    done = world.resume(looks=looks(answered()), waits=False)
    assert done.end.exit_status == ExitStatus.DONE
    assert done.sender.bodies == {}


def test_an_interrupt_leaves_the_response_with_its_id(world: World) -> None:
    stop = Stop()
    ended = world.run(TWO, posted(), stop=stop, looks=interrupting(stop, to_come()))
    assert ended.end.exit_status == ExitStatus.INTERRUPTED
    assert ended.state.steps["a"].calls[0].state == "accepted"
    assert ("cancel", "resp_1") not in ended.sender.looked
    done = world.resume(looks=looks(answered("x")))
    assert done.end.exit_status == ExitStatus.DONE
    assert done.sender.units() == ["b"]


def test_a_run_that_takes_too_long_leaves_the_response(world: World) -> None:
    patient = {"timeout_s": 60.0, "cancels_background": True}
    ended = world.run(ONE, posted(), looks=looks(to_come()), **patient)
    assert ended.end.exit_status == ExitStatus.FAILED
    assert ended.state.steps["a"].calls[0].state == "accepted"
    done = world.resume(looks=looks(answered()))
    assert done.end.exit_status == ExitStatus.DONE


def test_a_changed_question_is_asked_anew_and_the_old_response_cancelled(world: World) -> None:
    world.run(ONE, posted(), waits=False)
    edited = ONE.replace("one", "two")
    ended = world.resume(
        in_turn(a=[accepted("resp_2")]),
        edited=edited,
        looks=looks(answered("new", id="resp_2"), cancel=(cancelled(),)),
    )
    assert ended.end.exit_status == ExitStatus.DONE
    assert ended.sender.looked[0] == ("cancel", "resp_1")
    first, second = ended.state.steps["a"].calls
    assert (first.status, second.status) == ("cancelled", "completed")
    assert ended.asked() == {"a": "two"}


def test_an_unchanged_question_is_kept_beside_a_changed_one(world: World) -> None:
    steps = "steps: [{ id: a, prompt: one, background: true }, { id: b, write: x }]\n"
    world.run(steps, posted(), waits=False)
    ended = world.resume(edited=steps.replace("write: x", "write: y"), looks=looks(answered()))
    assert ended.end.exit_status == ExitStatus.DONE
    assert ended.sender.bodies == {}


def test_a_response_to_come_is_not_given_up_for_a_budget_of_the_operator(world: World) -> None:
    world.run(ONE, posted(), waits=False)
    ended = world.resume(looks=looks(answered()), budget=Money(stop_at_usd=1.0))
    assert ended.end.exit_status == ExitStatus.DONE
    assert ended.sender.bodies == {}


# Money.

HEAD = "flowrunner: 1\nname: Test\ndefaults: {{ model: gpt-6-luna }}\nbudget: {budget} USD\n"


def test_what_is_to_come_stays_reserved_over_processes(world: World) -> None:
    steps = """\
steps:
  - { id: a, prompt: one, delivery: background, max_output_tokens: 1000 }
  - { id: b, prompt: two, max_output_tokens: 1000 }
"""
    request = {"model": "gpt-6-luna", "input": "one", "max_output_tokens": 1000}
    worst = worst_case(request).usd
    assert worst is not None
    head = HEAD.format(budget=f"{worst * 1.5:.6f}")
    stop = Stop()
    sent: list[str] = []

    def script(unit: str, body: dict[str, Any]) -> Outcome:
        sent.append(unit)
        return accepted() if unit == "a" else answered()

    def find(what: str, _: str) -> Outcome:
        if stop.reason is None:
            assert sent == ["a"], "at worst there is not enough for both"
            stop.ask("interrupt")
            return to_come()
        sent.append("answered")
        return answered()

    ended = world.run(steps, script, head=head, stop=stop, looks=find)
    assert ended.end.exit_status == ExitStatus.INTERRUPTED
    done = world.resume(script, looks=find)
    assert done.end.exit_status == ExitStatus.DONE
    assert sent == ["a", "answered", "b"], "what is to come is counted until its bill is known"


@pytest.mark.parametrize(("window", "share"), [("soonest", 1.0), ("2h", 0.7), ("8h", 0.6)])
def test_a_window_is_cheaper(world: World, window: str, share: float) -> None:
    step = (
        "steps: [{ id: a, prompt: one, background: true, "
        f"background_options: {{ completion_window: {window} }} }}]\n"
    )
    ended = world.run(step, posted(), looks=looks(answered()))
    direct = World(world.folder / "direct")
    direct.folder.mkdir()
    plain = direct.run("steps: [{ id: a, prompt: one }]\n", in_turn(a=[answered()]))
    assert ended.state.totals.cost_usd == pytest.approx(plain.state.totals.cost_usd * share)


# Streams in the background.

STREAMED = "steps: [{ id: a, prompt: one, background: true, stream: true }]\n"
NAMED = (Delta("response", "resp_1"), Delta("text", "hal"))


@pytest.fixture
def streaming(world: World) -> World:
    world.deltas = NAMED
    world.pauses = lambda: 5
    return world


def test_a_stream_in_the_background_is_on_record_before_its_end(streaming: World) -> None:
    ended = streaming.run(STREAMED, in_turn(a=[answered("half")]))
    assert ended.end.exit_status == ExitStatus.DONE
    (was_accepted,) = events_of(streaming, CallAccepted)
    assert was_accepted.response_id == "resp_1"
    call = ended.state.steps["a"].calls[0]
    assert (call.state, call.polls) == ("answered", None)
    (body,) = ended.sender.bodies.values()
    assert (body["background"], body["store"], body["stream"]) == (True, True, True)


@pytest.mark.parametrize(
    "broken", [lost("truncated"), lost("timeout"), lost("broken-off"), refused(500)]
)
def test_a_stream_that_breaks_off_is_looked_for(streaming: World, broken: Outcome) -> None:
    ended = streaming.run(STREAMED, in_turn(a=[broken]), looks=looks(to_come(), answered("whole")))
    assert ended.end.exit_status == ExitStatus.DONE
    assert ended.result("a")["text"] == "whole"
    assert len(ended.sender.bodies) == 1
    assert ended.state.totals.lost_calls == 0


def test_a_stream_that_breaks_off_before_it_is_named_is_lost(world: World) -> None:
    held = STREAMED.replace("stream: true", "stream: true, on_unknown: hold")
    ended = world.run(held, in_turn(a=[lost()]))
    assert ended.end.exit_status == ExitStatus.HELD


def test_a_direct_stream_that_breaks_off_is_lost_for_all_its_id(streaming: World) -> None:
    step = "steps: [{ id: a, prompt: one, stream: true, on_unknown: hold }]\n"
    ended = streaming.run(step, in_turn(a=[lost()]))
    assert ended.end.exit_status == ExitStatus.HELD
    assert events_of(streaming, CallAccepted) == []


def test_an_interrupted_stream_in_the_background_is_collected(streaming: World) -> None:
    stop = Stop()

    def hasten() -> int:
        asyncio.get_running_loop().call_later(0.05, stop.ask, "interrupt")
        return 1_000_000  # and so it never comes to its end

    streaming.pauses = hasten
    ended = streaming.run(STREAMED, in_turn(a=[answered()]), stop=stop)
    assert ended.end.exit_status == ExitStatus.INTERRUPTED
    assert ended.state.steps["a"].calls[0].state == "accepted"
    streaming.pauses = lambda: 1
    done = streaming.resume(looks=looks(answered()))
    assert done.end.exit_status == ExitStatus.DONE
    assert done.sender.bodies == {}


@pytest.mark.parametrize("name", ["a b", "x" * 600, ".."])
def test_a_name_that_nobody_can_ask_for_is_no_promise(world: World, name: str) -> None:
    world.deltas = (Delta("response", name),)
    world.pauses = lambda: 5
    ended = world.run(STREAMED, in_turn(a=[answered("whole")]))
    assert ended.end.exit_status == ExitStatus.DONE
    assert events_of(world, CallAccepted) == []


# Conversations.

TALKING = """\
steps:
  - id: each
    for_each: [1, 2]
    conversation: conv_1
    prompt: "number {{ item }}"
    delivery: background
"""


def test_nobody_speaks_in_a_conversation_while_an_answer_is_to_come(world: World) -> None:
    ended = world.run(TALKING, lambda unit, body: accepted(unit), waits=False)
    assert ended.end.exit_status == ExitStatus.WAITING
    assert ended.sender.units() == ["each[1]"]
    more = world.resume(
        lambda unit, body: accepted(unit), looks=lambda what, name: answered(id=name), waits=False
    )
    assert more.sender.units() == ["each[2]"]
    assert more.end.exit_status == ExitStatus.WAITING
    done = world.resume(looks=lambda what, name: answered(id=name), waits=False)
    assert done.end.exit_status == ExitStatus.DONE
    assert done.sender.bodies == {}
