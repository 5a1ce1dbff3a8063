"""Streamed steps: what is on record of them, who sees them, and that delivery changes no result."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from test_engine_reuse import remembered

from flowrunner.engine.drafts import Draft
from flowrunner.errors import ExitStatus
from flowrunner.events import CallLost
from flowrunner.journal.journal import Journal
from flowrunner.responses.outcome import Lost, NotSent
from flowrunner.responses.stream import KEPT, Delta
from tests.engine_world import World, answered, in_turn, lost

STEPS = """
steps:
  - { id: live, prompt: Tell me. DELIVERY }
  - { id: after, prompt: "Go on from {{ steps.live.text }}" }
result: "{{ steps.after.text }}"
"""
DELTAS = (Delta("response", "resp_7"), Delta("text", "Once "), Delta("text", "upon"))


@dataclass
class Watcher:
    told: list[tuple[str, Delta]] = field(default_factory=list)

    def tell(self, unit: str, delta: Delta) -> None:
        self.told.append((unit, delta))


def steps(delivery: str) -> str:
    return STEPS.replace(" DELIVERY", f", {delivery}" if delivery else "")


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


@pytest.fixture
def world(tmp_path: Path, watcher: Watcher) -> World:
    return World(tmp_path, live=watcher, deltas=DELTAS)


@pytest.mark.parametrize("delivery", ["delivery: stream", "stream: true"])
def test_a_streamed_step_says_so_in_its_request_and_is_seen_live(
    world: World, watcher: Watcher, delivery: str
) -> None:
    ended = world.run(steps(delivery))
    assert ended.end.exit_status is ExitStatus.DONE
    first, second = ended.sender.bodies.values()
    assert first["stream"] is True
    assert "stream" not in second
    assert watcher.told == [("live", delta) for delta in DELTAS]
    with Journal.open(world.run_folder) as journal:
        sent = journal.body(ended.state.steps["live"].calls[0].sent_seq, "request")
    assert sent["stream"] is True


def test_defaults_stream_and_a_step_says_otherwise(world: World, watcher: Watcher) -> None:
    head = "flowrunner: 1\nname: T\ndefaults: { model: gpt-6-luna, delivery: stream, "
    head += "stream_options: { include_obfuscation: false } }\n"
    ended = world.run(steps("delivery: direct"), head=head)
    live, after = ended.sender.bodies.values()
    assert live.keys().isdisjoint(("stream", "stream_options"))
    assert (after["stream"], after["stream_options"]) == (True, {"include_obfuscation": False})
    assert {unit for unit, _ in watcher.told} == {"after"}
    ended = World(world.folder / "other").run(steps("stream: false"), head=head)
    assert "stream" not in next(iter(ended.sender.bodies.values()))


def test_a_stream_may_take_as_long_as_its_step(world: World) -> None:
    ended = world.run(steps("delivery: stream, timeout: 2h"))
    assert ended.sender.timeouts_s == [7200.0, 600.0]


def test_what_was_streamed_serves_who_asks_the_same_without_a_stream(tmp_path: Path) -> None:
    first, second = World(tmp_path / "1"), World(tmp_path / "2")
    remembered(first, second, steps("delivery: stream"))
    assert second.run(steps(""), reuse=True).sender.units() == []


def test_a_step_that_is_streamed_from_now_on_is_not_done_again(world: World) -> None:
    world.run(steps(""), in_turn(after=[lost()]), on_unknown="hold")
    ended = world.resume(edited=steps("delivery: stream"), asks_held=True)
    assert ended.sender.units() == ["after"]
    assert ended.end.exit_status is ExitStatus.DONE


def broken(**more: Any) -> Lost:
    return replace(lost("broken-off"), response_id="resp_7", partial="Once upon", **more)


def test_a_stream_that_broke_off_is_held_with_what_had_come(world: World) -> None:
    ended = world.run(steps("delivery: stream"), in_turn(live=[broken()]), on_unknown="hold")
    assert ended.end.exit_status is ExitStatus.HELD
    assert ended.sender.units() == ["live"]
    step = ended.state.steps["live"]
    assert (step.status, step.calls[0].state) == ("unknown", "lost")
    assert step.calls[0].response_id == "resp_7"
    assert ended.result("live")["error"]["partial"] == "Once upon"
    again = world.resume()
    assert again.sender.units() == []
    assert again.end.exit_status is ExitStatus.HELD


def test_a_stream_that_broke_off_is_asked_for_once_more_at_most(world: World) -> None:
    script = in_turn(live=[broken(), broken(), answered()])
    ended = world.run(steps("delivery: stream"), script, on_unknown="retry_once")
    assert ended.sender.units() == ["live", "live"]
    assert ended.end.exit_status is ExitStatus.HELD


def test_what_was_masked_in_a_journal_is_masked_in_what_had_come(tmp_path: Path) -> None:
    world = World(tmp_path, secrets=("Once upon",))
    ended = world.run(
        steps("delivery: stream"), in_turn(live=[broken(raw="x Once upon y")]), on_unknown="hold"
    )
    assert ended.result("live")["error"]["partial"] == "***"
    with Journal.open(world.run_folder) as journal:
        (event,) = (e for _, e in journal.events(bodies=True) if isinstance(e, CallLost))
    assert event.raw == "x *** y"


def test_a_draft_keeps_what_a_request_that_is_given_up_had_brought() -> None:
    draft = Draft("live")
    for delta in DELTAS:
        draft.take(delta)
    gone = draft.given_up(Lost(kind="interrupted", message="ended", elapsed_s=0.0))
    assert isinstance(gone, Lost)
    assert (gone.raw, gone.partial, gone.response_id) == ("Once upon", "Once upon", "resp_7")
    unsent = NotSent(kind="cancelled", message="ended")
    assert draft.given_up(unsent) == unsent


def test_a_draft_has_a_bound() -> None:
    draft = Draft("live")
    for _ in range(5):
        draft.take(Delta("text", "x" * 600_000))
    gone = draft.given_up(Lost(kind="interrupted", message="ended", elapsed_s=0.0))
    assert isinstance(gone, Lost)
    assert len(gone.raw) == KEPT
