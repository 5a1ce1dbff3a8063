"""Slots and lines: who goes when, what a pause holds up, and what it does not."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from engine_world import FakeClock, OrderlyClock, World, answered, in_turn, refused

from flowrunner.engine.limits import Limits, Slow
from flowrunner.errors import ExitStatus
from flowrunner.responses.rate import RateState

LUNA, SOL = ("https://api.test", "gpt-6-luna"), ("https://api.test", "gpt-6-sol")


class Street:
    """Limits under a clock that moves when nothing else can happen."""

    def __init__(self, at_once: int = 4) -> None:
        self.clock = FakeClock()
        self.slow: list[Slow] = []
        self.sleeping: list[tuple[float, asyncio.Future[None]]] = []
        self.limits = Limits(at_once, self.clock, self._sleep, lambda: 0.5, self.slow.append)
        self.log: list[tuple[str, float]] = []
        self._began = self.clock.time

    async def _sleep(self, seconds: float) -> None:
        wake = asyncio.get_running_loop().create_future()
        self.sleeping.append((self.clock.time + seconds, wake))
        await wake

    async def settle(self) -> None:
        """Let everything happen that needs no time."""
        for _ in range(50):
            await asyncio.sleep(0)

    async def pass_until_idle(self) -> None:
        """Let time pass from one alarm to the next until nobody sleeps."""
        await self.settle()
        while self.sleeping:
            self.sleeping.sort(key=lambda one: one[0])
            at, wake = self.sleeping.pop(0)
            if not wake.cancelled():
                self.clock.time = max(self.clock.time, at)
                wake.set_result(None)
            await self.settle()

    @property
    def passed_s(self) -> float:
        return round(self.clock.time - self._began, 3)

    async def ask(self, name: str, way: Any = LUNA, outcome: Any = None, takes: Any = None) -> None:
        async with self.limits.room(way) as room:
            self.log.append((name, self.passed_s))
            if takes is not None:
                await takes
            room.outcome = outcome or answered()


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def empty(reset_s: float, limit: int) -> Any:
    rate = RateState(limit_requests=limit, remaining_requests=0, reset_requests_s=reset_s)
    return refused(429, "rate_limit_exceeded", rate=rate, asked_wait_s=0.0)


def test_slots_bound_what_runs_and_are_served_in_order() -> None:
    async def work() -> None:
        world = Street(at_once=2)
        gate = asyncio.Event()
        tasks = [asyncio.ensure_future(world.ask(str(n), takes=gate.wait())) for n in range(5)]
        await world.settle()
        assert [name for name, _ in world.log] == ["0", "1"]
        gate.set()
        await asyncio.gather(*tasks)
        assert [name for name, _ in world.log] == ["0", "1", "2", "3", "4"]

    run(work())


def test_twenty_steps_wait_when_nothing_is_left_and_go_at_the_rate_of_the_server() -> None:
    async def work() -> None:
        world = Street(at_once=20)
        await world.ask("first", outcome=empty(360.0, limit=60))
        tasks = [asyncio.ensure_future(world.ask(str(n))) for n in range(20)]
        await world.settle()
        assert len(world.log) == 1, "nobody goes while nothing is left"
        await world.pass_until_idle()
        await asyncio.gather(*tasks)
        times = [at for _, at in world.log[1:]]
        assert times == pytest.approx([6.0 * n for n in range(1, 21)])
        assert world.slow == [Slow(LUNA, 6.0)], "told once"

    run(work())


def hundred_a_minute() -> Any:
    """An answer that says that one more is allowed in 0.6 s, and so on."""
    rate = RateState(limit_requests=100, remaining_requests=0, reset_requests_s=60.0)
    return dataclasses.replace(answered(), rate=rate)


def test_many_short_waits_are_told_as_one_pause() -> None:
    async def work() -> None:
        world = Street(at_once=20)
        await world.ask("first", outcome=hundred_a_minute())
        tasks = [asyncio.ensure_future(world.ask(str(n))) for n in range(20)]
        await world.pass_until_idle()
        await asyncio.gather(*tasks)
        assert world.passed_s == pytest.approx(12.0)
        assert [(slow.way, round(slow.wait_s, 3)) for slow in world.slow] == [(LUNA, 1.2)]

    run(work())


def test_a_short_wait_is_not_told() -> None:
    async def work() -> None:
        world = Street(at_once=20)
        await world.ask("first", outcome=hundred_a_minute())
        for _ in range(3):  # each alone, so that nobody is kept waiting for long
            waiting = asyncio.ensure_future(world.ask("next"))
            await world.pass_until_idle()
            await waiting
        assert world.passed_s == pytest.approx(1.8)
        assert world.slow == []

    run(work())


def test_a_pause_of_one_model_holds_no_slot_and_no_other_model_up() -> None:
    async def work() -> None:
        world = Street(at_once=1)
        await world.ask("first", outcome=refused(429, asked_wait_s=30.0))
        waiting = asyncio.ensure_future(world.ask("luna"))
        await world.settle()
        await world.ask("sol", SOL)
        await world.ask("command", None)
        assert [name for name, _ in world.log] == ["first", "sol", "command"]
        await world.pass_until_idle()
        await waiting
        assert world.log[-1] == ("luna", 30.0)

    run(work())


def test_after_a_pause_there_is_no_herd() -> None:
    async def work() -> None:
        world = Street(at_once=100)
        gate = asyncio.Event()
        no = refused(429, asked_wait_s=5.0)
        first = [asyncio.ensure_future(world.ask("a", LUNA, no, gate.wait())) for _ in range(100)]
        await world.settle()
        second = [asyncio.ensure_future(world.ask("b")) for _ in range(100)]
        gate.set()
        await asyncio.gather(*first)
        await world.pass_until_idle()
        await asyncio.gather(*second)
        times = [at for name, at in world.log if name == "b"]
        assert min(times) >= 5.0
        assert len(set(times[:20])) == 20, "the first leave one after another"
        assert max(times) < 15.0, "and it speeds up again"

    run(work())


def test_whoever_is_over_is_let_through_at_once() -> None:
    async def work() -> None:
        world = Street()
        is_over = False
        await world.ask("first", outcome=refused(429, asked_wait_s=100.0))

        async def wait() -> float:
            async with world.limits.room(LUNA, is_over=lambda: is_over):
                return world.passed_s

        waiting = asyncio.ensure_future(wait())
        await world.settle()
        is_over = True
        world.limits.review()
        assert await waiting == 0.0
        world.limits.close()

    run(work())


@pytest.mark.parametrize("already_let_go", [False, True])
def test_a_cancelled_wait_gives_its_place_on(already_let_go: bool) -> None:
    async def work() -> None:
        world = Street(at_once=1)
        held = world.limits.room(LUNA)
        await held.__aenter__()
        given_up = asyncio.ensure_future(world.ask("given up"))
        third = asyncio.ensure_future(world.ask("third"))
        await world.settle()
        if not already_let_go:
            given_up.cancel()
        await held.__aexit__(None, None, None)  # which lets the next go, that has not run yet
        given_up.cancel()
        await asyncio.gather(given_up, third, return_exceptions=True)
        assert [name for name, _ in world.log] == ["third"]
        assert given_up.cancelled()
        await world.ask("later")

    run(work())


def test_an_alarm_is_brought_forward_for_a_line_that_may_go_earlier() -> None:
    async def work() -> None:
        world = Street()
        await world.ask("luna", LUNA, refused(429, asked_wait_s=60.0))
        late = asyncio.ensure_future(world.ask("late", LUNA))
        await world.settle()
        await world.ask("sol", SOL, refused(429, asked_wait_s=2.0))
        soon = asyncio.ensure_future(world.ask("soon", SOL))
        await world.pass_until_idle()
        await asyncio.gather(late, soon)
        assert world.log[-2:] == [("soon", 2.0), ("late", 60.0)]

    run(work())


class Quota:
    """A server that answers so many requests in each ten seconds and refuses all others."""

    def __init__(self, world: World, most: int, *, tells: bool) -> None:
        self.world, self.most, self.tells = world, most, tells
        self.good: list[float] = []
        self.refused: list[float] = []

    def __call__(self, unit: str, body: dict[str, Any]) -> Any:
        now = self.world.clock.time
        within = [at for at in self.good if at > now - 10]
        if len(within) < self.most:
            self.good.append(now)
            left = self.most - len(within) - 1
            rate = RateState(self.most, left, 10.0) if self.tells else RateState()
            return dataclasses.replace(answered(), rate=rate)
        self.refused.append(now)
        wait_s = within[0] + 10 - now if self.tells else None
        return refused(429, "rate_limit_exceeded", asked_wait_s=wait_s)


@pytest.mark.parametrize("tells", [True, False], ids=["a server that tells", "one that does not"])
def test_sixty_at_once_against_a_quota_of_ten(tmp_path: Path, tells: bool) -> None:
    world = World(tmp_path, clock=OrderlyClock())
    quota = Quota(world, 10, tells=tells)
    steps = "steps:\n" + "".join(f"  - {{ id: s{n}, prompt: x }}\n" for n in range(60))
    ended = world.run(steps, quota, at_once=60)
    assert ended.end.exit_status is ExitStatus.DONE
    assert len(quota.good) == 60
    first = [at for at in quota.refused if at == quota.refused[0]]
    assert len(first) == 50, "nobody knew"
    assert len(quota.refused) - len(first) <= 30, "then they wait together"
    assert quota.good[-1] - quota.good[0] <= 90, "and lose little time by it"


def test_a_failure_elsewhere_ends_a_pause(tmp_path: Path) -> None:
    world = World(tmp_path, clock=OrderlyClock())
    began = world.clock.time
    steps = """
limits: { at_once: 1 }
steps:
  - { id: slow, prompt: one, retry: 2 }
  - { id: late, prompt: two }
  - { id: bad, prompt: three, model: gpt-6-sol }
"""
    pause = refused(429, asked_wait_s=100.0)
    no = refused(400, "invalid_value")
    ended = world.run(steps, in_turn(slow=[pause, answered()], bad=[no]))
    assert ended.end.exit_status is ExitStatus.FAILED
    assert ended.status("late") is None
    assert ended.status("slow") == "succeeded", "what has begun may finish"
    assert [one.code for one in ended.state.warnings] == ["slowed"]
    assert world.clock.time - began <= 110
