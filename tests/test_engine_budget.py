"""Budgets: what fits is granted at once, what may fit later waits in line, the rest is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowrunner.engine.budget import Budget, BudgetExhausted, Reservation, UnknownPrice
from flowrunner.engine.estimate import Worst
from flowrunner.errors import ExitStatus


def worst(usd: float | None, tokens: int | None = 100, **more: Any) -> Worst:
    return Worst(usd, tokens, None if tokens is None else 0, model="gpt-6-luna", **more)


UNPRICED = worst(None, why_unknown="the price of `x` is not known")


async def calm() -> None:
    """Until everybody who can go on has gone on."""
    for _ in range(6):
        await asyncio.sleep(0)


def waiting(work: Coroutine[Any, Any, Reservation]) -> asyncio.Task[Reservation]:
    return asyncio.ensure_future(work)


def test_what_fits_is_granted_at_once() -> None:
    async def story() -> None:
        budget = Budget(stop_at_usd=0.05)
        held = budget.reserve(worst(0.05))
        with pytest.raises(StopIteration) as granted:
            held.send(None)
        reservation = granted.value.value
        assert budget.reserved_usd == 0.05
        assert budget.left_usd == 0
        assert reservation.settle(0.02, 50) == 0
        assert (budget.spent_usd, budget.spent_tokens, budget.reserved_usd) == (0.02, 50, 0)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("end", "spent"),
    [
        pytest.param(lambda held: held.settle(0.01, 5), 0.01, id="settled"),
        pytest.param(lambda held: held.settle(None, None), 0.04, id="usage-missing"),
        pytest.param(lambda held: held.settle(-3.0, -5), 0.04, id="usage-negative"),
        pytest.param(lambda held: held.settle(float("nan"), 5), 0.04, id="usage-no-number"),
        pytest.param(lambda held: held.release(), 0.0, id="never-billed"),
        pytest.param(lambda held: held.keep(), 0.04, id="possibly-billed"),
        pytest.param(lambda held: held.__exit__(), 0.04, id="forgotten"),
    ],
)
def test_a_reservation_ends(end: Any, spent: float) -> None:
    async def story() -> None:
        budget = Budget(stop_at_usd=1.0)
        held = await budget.reserve(worst(0.04))
        end(held)
        assert budget.spent_usd == spent
        assert budget.reserved_usd == 0
        with pytest.raises(RuntimeError):
            held.release()

    asyncio.run(story())


def test_what_only_reservations_block_waits_for_them() -> None:
    async def story() -> None:
        budget = Budget(stop_at_usd=0.10)
        first = await budget.reserve(worst(0.08))
        second = waiting(budget.reserve(worst(0.08)))
        await calm()
        assert not second.done()
        first.settle(0.02, 10)
        await calm()
        assert second.result().amount.usd == 0.08

    asyncio.run(story())


def test_what_waits_is_refused_once_it_can_never_fit() -> None:
    async def story() -> None:
        budget = Budget(stop_at_usd=0.10)
        first = await budget.reserve(worst(0.08))
        second = waiting(budget.reserve(worst(0.08)))
        await calm()
        first.settle(0.03, 10)
        with pytest.raises(BudgetExhausted) as refused:
            await second
        assert refused.value.exit_status is ExitStatus.BUDGET
        assert refused.value.message == (
            "the budget of the file, $0.10, does not cover what is next: $0.03 is spent, and the "
            "next request to `gpt-6-luna` may cost up to $0.08"
        )
        assert "`flowrunner resume`" in (refused.value.help or "")

    asyncio.run(story())


def test_the_refused_do_not_block_those_behind_them() -> None:
    async def story() -> None:
        budget = Budget(stop_at_usd=0.10)
        first = await budget.reserve(worst(0.06))
        big, small = waiting(budget.reserve(worst(0.09))), waiting(budget.reserve(worst(0.05)))
        await calm()
        first.settle(0.05, 0)
        await calm()
        assert isinstance(big.exception(), BudgetExhausted)
        small.result().release()

    asyncio.run(story())


def test_nobody_overtakes() -> None:
    async def story() -> None:
        budget = Budget(stop_at_usd=0.10)
        first = await budget.reserve(worst(0.06))
        large = waiting(budget.reserve(worst(0.10)))
        small = waiting(budget.reserve(worst(0.01)))
        await calm()
        assert not large.done()
        assert not small.done(), "it would fit, and those before it would starve"
        first.release()
        await calm()
        large.result().release()
        await calm()
        small.result().release()

    asyncio.run(story())


def test_a_step_that_waits_for_its_own_budget_holds_nobody_else() -> None:
    async def story() -> None:
        file = Budget(stop_at_usd=1.0)
        step = Budget(stop_at_usd=0.10, parent=file, name="`extract`")
        first = await step.reserve(worst(0.06))
        second = waiting(step.reserve(worst(0.06)))
        other = await file.reserve(worst(0.50))
        await calm()
        assert not second.done()
        assert file.reserved_usd == pytest.approx(0.56)
        first.settle(0.01, 0)
        await calm()
        assert second.done()
        assert (step.spent_usd, file.spent_usd) == (0.01, 0.01)
        other.release()

    asyncio.run(story())


def test_both_budgets_count_and_the_one_in_the_way_is_named() -> None:
    async def story() -> None:
        file = Budget(stop_at_usd=1.0)
        step = Budget(stop_at_usd=0.10, parent=file, name="`extract`")
        with pytest.raises(BudgetExhausted, match=r"budget of `extract`, \$0\.10"):
            await step.reserve(worst(0.20))
        tight = Budget(stop_at_usd=5.0, parent=file, name="`extract`")
        with pytest.raises(BudgetExhausted, match=r"budget of the file, \$1\.00"):
            await tight.reserve(worst(2.0))
        assert file.reserved_usd == tight.reserved_usd == 0

    asyncio.run(story())


def test_what_earlier_processes_spent_counts() -> None:
    async def story() -> None:
        budget = Budget(stop_at_usd=0.50, spent_usd=0.45, tokens=1000, spent_tokens=950)
        with pytest.raises(BudgetExhausted, match=r"\$0.45 is spent"):
            await budget.reserve(worst(0.06, 10))
        with pytest.raises(
            BudgetExhausted, match=r"1,000 tokens, .* 950 is spent, .* take up to 60"
        ):
            await budget.reserve(worst(0.01, 60))
        (await budget.reserve(worst(0.05, 50))).release()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("limits", "asked", "is_refused"),
    [
        pytest.param({"stop_at_usd": 1.0}, UNPRICED, True, id="money"),
        pytest.param({"warn_at_usd": 1.0}, UNPRICED, True, id="warning"),
        pytest.param({"tokens": 500}, worst(None), False, id="tokens-need-no-price"),
        pytest.param({"tokens": 500}, worst(0.1, None), True, id="tokens-unknown"),
        pytest.param({"stop_at_usd": 1.0}, worst(0.1, None), False, id="money-needs-no-tokens"),
        pytest.param({}, worst(None, None), False, id="no-limit"),
    ],
)  # fmt: skip
def test_a_limit_is_not_held_against_what_is_unknown(
    limits: dict[str, Any], asked: Worst, is_refused: bool
) -> None:
    async def story() -> None:
        inner = Budget(parent=Budget(**limits), name="`extract`")
        if not is_refused:
            (await inner.reserve(asked)).release()
            return
        with pytest.raises(UnknownPrice) as refused:
            await inner.reserve(asked)
        assert refused.value.exit_status is ExitStatus.BUDGET
        assert "of the file could not be kept; nothing was sent" in refused.value.message

    asyncio.run(story())


def test_a_bill_above_its_reservation_is_counted_and_told() -> None:
    async def story() -> None:
        budget = Budget(stop_at_usd=0.10)
        held = await budget.reserve(worst(0.04))
        assert held.settle(0.06, 10) == pytest.approx(0.02)
        assert budget.spent_usd == 0.06
        held = await budget.reserve(worst(0.04))
        held.settle(0.07, 10)
        assert budget.left_usd == pytest.approx(-0.03)
        with pytest.raises(BudgetExhausted):
            await budget.reserve(worst(0.0))

    asyncio.run(story())


def test_a_warning_is_said_once() -> None:
    async def story() -> None:
        said: list[str] = []

        def tell(budget: Budget) -> None:
            said.append(f"{budget.name} {budget.spent_usd}")

        file = Budget(warn_at_usd=0.10, on_warn=tell)
        step = Budget(warn_at_usd=0.05, on_warn=tell, parent=file, name="`extract`")
        for _ in range(4):
            (await step.reserve(worst(0.05))).settle(0.03, 10)
        assert said == ["`extract` 0.06", "the file 0.12"]
        again = Budget(warn_at_usd=0.10, spent_usd=0.12, on_warn=tell)
        (await again.reserve(worst(0.05))).settle(0.03, 10)
        assert len(said) == 2, "an earlier process said it"

    asyncio.run(story())


def test_whoever_is_cancelled_leaves_the_line() -> None:
    async def story() -> None:
        budget = Budget(stop_at_usd=0.10)
        first = await budget.reserve(worst(0.06))
        large, small = waiting(budget.reserve(worst(0.10))), waiting(budget.reserve(worst(0.04)))
        await calm()
        large.cancel()
        await calm()
        assert large.cancelled()
        small.result().release()
        first.release()
        assert budget.reserved_usd == 0

    asyncio.run(story())


def test_whoever_is_cancelled_after_the_grant_gives_it_back() -> None:
    async def story() -> None:
        budget = Budget(stop_at_usd=0.10)
        first = await budget.reserve(worst(0.06))
        second, third = waiting(budget.reserve(worst(0.09))), waiting(budget.reserve(worst(0.09)))
        await calm()
        first.release()
        second.cancel()
        await calm()
        assert second.cancelled()
        third.result().release()
        late = waiting(budget.reserve(worst(0.5)))
        late.cancel()
        await calm()
        assert budget.reserved_usd == 0

    asyncio.run(story())


@dataclass(frozen=True)
class Order:
    """One request of a generated story: whose budget, the worst, how it ends, and its turn."""

    place: int
    cents: int
    share: float
    end: Literal["settle", "release", "keep", "cancel"]
    turn: int


@dataclass
class Story:
    """Requests against a file's budget and those of two of its steps, ended in any order."""

    budgets: list[Budget]
    granted: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    open: dict[int, asyncio.Event] = field(default_factory=dict)

    async def live(self, number: int, order: Order) -> None:
        try:
            held = await self.budgets[order.place].reserve(worst(order.cents / 100))
        except BudgetExhausted:
            self.refused.append(number)
            return
        self.granted.append(number)
        self.open[number] = asyncio.Event()
        with held:
            await self.open[number].wait()
            if order.end == "settle":
                held.settle(order.share * order.cents / 100, 10)
            elif order.end == "release":
                held.release()

    def check(self) -> None:
        for budget in self.budgets:
            assert budget.spent_usd + budget.reserved_usd <= (budget.stop_at_usd or 0) + 1e-9

    async def tell(self, orders: list[Order]) -> None:
        lives = [asyncio.ensure_future(self.live(n, order)) for n, order in enumerate(orders)]
        await calm()
        for turn in range(2 * len(orders)):
            self.check()
            for number, order in enumerate(orders):
                if order.end == "cancel" and order.turn == turn:
                    lives[number].cancel()
            await calm()
            if not self.open:
                break
            number = min(self.open, key=lambda one: (orders[one].turn, one))
            self.open.pop(number).set()
            await calm()
        self.check()
        assert all(life.done() for life in lives), "with nothing in flight nobody waits"
        assert all(budget.reserved_usd == 0 for budget in self.budgets)


ORDERS = st.builds(
    Order,
    place=st.integers(0, 2),
    cents=st.integers(0, 60),
    share=st.floats(0, 1),
    end=st.sampled_from(["settle", "settle", "release", "keep", "cancel"]),
    turn=st.integers(0, 20),
)


@settings(max_examples=150, deadline=None)
@given(
    limits=st.tuples(st.integers(1, 200), st.integers(1, 100), st.integers(1, 100)),
    orders=st.lists(ORDERS, max_size=25),
)
def test_no_order_of_ends_spends_more_than_the_limit(
    limits: tuple[int, int, int], orders: list[Order]
) -> None:
    async def story() -> None:
        file = Budget(stop_at_usd=limits[0] / 100)
        steps = [Budget(stop_at_usd=limit / 100, parent=file) for limit in limits[1:]]
        told = Story([file, *steps])
        await told.tell(orders)
        for place in range(3):
            mine = [number for number in told.granted if orders[number].place == place]
            assert mine == sorted(mine), "first come, first served"

    asyncio.run(story())


def test_what_an_earlier_process_left_under_way_is_reserved_again_in_every_budget() -> None:
    async def story() -> None:
        outer = Budget(stop_at_usd=0.10, spent_usd=0.06, spent_tokens=150)
        inner = Budget(stop_at_usd=0.05, spent_usd=0.04, spent_tokens=100, parent=outer)
        before = (outer.left_usd, inner.left_usd)
        with inner.take_back(worst(0.04)) as held:
            assert (outer.left_usd, inner.left_usd) == before, "not a cent is free meanwhile"
            assert (inner.spent_usd, inner.reserved_usd) == (0.0, 0.04)
            blocked = waiting(inner.reserve(worst(0.04)))
            await calm()
            assert not blocked.done(), "it may fit when the bill is known"
            held.settle(0.01, 20)
            await calm()
            (await blocked).release()
        assert (outer.spent_usd, inner.spent_usd) == (pytest.approx(0.03), 0.01)
        assert (outer.spent_tokens, inner.spent_tokens) == (70, 20)

    asyncio.run(story())
