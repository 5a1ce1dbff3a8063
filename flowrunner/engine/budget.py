"""Money that is reserved before a request is sent and settled when its bill is known.

However many requests are under way, what was spent and what is reserved together never pass the
limit. How much to reserve is left to `estimate`, what follows from a refusal to the engine.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from flowrunner.engine.estimate import Worst
from flowrunner.errors import ExitStatus, FlowrunnerError
from flowrunner.report.figures import count, money

# Money is counted in whole trillionths of a dollar, so that sums and differences are exact.
_UNITS = 1_000_000_000_000

WarnPort: TypeAlias = Callable[["Budget"], None]


class BudgetRefusal(FlowrunnerError):
    """A request is not sent because of a budget."""

    exit_status = ExitStatus.BUDGET


class BudgetExhausted(BudgetRefusal):
    """What is left of a budget does not cover the most that the request may cost."""


class UnknownPrice(BudgetRefusal):
    """A budget is in force and the most that the request may cost is not known."""


@dataclass(frozen=True, slots=True)
class Amount:
    """Money in trillionths of a dollar, and tokens."""

    money: int = 0
    tokens: int = 0

    @classmethod
    def of(cls, usd: float | None, tokens: int | None) -> Amount:
        """An amount in US dollars and tokens; what is None counts as nothing."""
        return cls(round((usd or 0.0) * _UNITS), tokens or 0)

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.money + other.money, self.tokens + other.tokens)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.money - other.money, self.tokens - other.tokens)

    @property
    def usd(self) -> float:
        return self.money / _UNITS


@dataclass(slots=True, eq=False)
class Budget:
    """One limit on money, tokens or both, of a file, a group or a step.

    What is reserved here is reserved in every `parent` too, at once or not at all. `spent_usd` and
    `spent_tokens` are at first what earlier processes of the run spent. `on_warn` is called once,
    when what is spent reaches `warn_at_usd`; not again where it had been reached before. `name`
    says whose budget it is, for sentences: "the file", "`extract`".
    """

    stop_at_usd: float | None = None
    warn_at_usd: float | None = None
    tokens: int | None = None
    spent_usd: float = 0.0
    spent_tokens: int = 0
    parent: Budget | None = None
    name: str = "the file"
    on_warn: WarnPort | None = None
    _spent: Amount = field(init=False)
    _reserved: Amount = field(init=False, default=Amount())
    _has_warned: bool = field(init=False)
    _queue: deque[_Waiter] = field(init=False)

    def __post_init__(self) -> None:
        self._spent = Amount.of(self.spent_usd, self.spent_tokens)
        self._has_warned = self._is_past_warning()
        # Everything that may block one another waits in one line.
        self._queue = deque() if self.parent is None else self.parent._queue

    @property
    def reserved_usd(self) -> float:
        """What requests under way may cost at most, in US dollars."""
        return self._reserved.usd

    @property
    def left_usd(self) -> float | None:
        """What is neither spent nor reserved; negative where a bill exceeded its reservation."""
        if self.stop_at_usd is None:
            return None
        return Amount(round(self.stop_at_usd * _UNITS)).usd - (self._spent + self._reserved).usd

    async def reserve(self, worst: Worst) -> Reservation:
        """Set aside what a request may cost at most, here and in every parent.

        At once where it fits; where only other reservations are in its way it waits for them,
        first come first served. Raises BudgetExhausted where it can never fit, UnknownPrice where
        a limit cannot be held against it.
        """
        for budget in self.chain():
            budget._refuse_unknown(worst)
        granted = asyncio.get_running_loop().create_future()
        waiter = _Waiter(tuple(self.chain()), worst, granted)
        self._queue.append(waiter)
        _admit(self._queue)
        try:
            return await waiter.granted
        except asyncio.CancelledError:
            self._give_up(waiter)
            raise

    def take_back(self, worst: Worst) -> Reservation:
        """Reserve what counts as spent by an earlier process, since its bill is still to come."""
        amount = Amount.of(worst.usd, worst.tokens)
        for budget in self.chain():
            budget._turn(Amount() - amount, Amount() - amount)
        return Reservation(self, amount)

    def chain(self) -> Iterator[Budget]:
        """This budget and every one that it stands in."""
        budget: Budget | None = self
        while budget is not None:
            yield budget
            budget = budget.parent

    def _give_up(self, waiter: _Waiter) -> None:
        """Whoever waited was cancelled: leave the line, or give back what came too late."""
        granted = waiter.granted
        if waiter in self._queue:
            self._queue.remove(waiter)
        elif not granted.cancelled() and granted.exception() is None:
            granted.result().release()
        _admit(self._queue)

    def _refuse_unknown(self, worst: Worst) -> None:
        limits_money = self.stop_at_usd is not None or self.warn_at_usd is not None
        if limits_money and worst.usd is None:
            why = worst.why_unknown or "the price of the request is not known"
            raise UnknownPrice(
                f"{why}, so the budget of {self.name} could not be kept; nothing was sent",
                help=worst.help,
            )
        if self.tokens is not None and worst.tokens is None:
            raise UnknownPrice(
                f"how many tokens the request may take is not known, so the budget of {self.name} "
                "could not be kept; nothing was sent",
                help="give the step `max_output_tokens` and a `model` whose window is known",
            )

    def _stand(self, wanted: Amount) -> Literal["fits", "waits", "never"]:
        """Whether so much fits now, when reservations end, or never: what is spent stays spent."""
        if not self._holds(self._spent + wanted):
            return "never"
        return "fits" if self._holds(self._spent + self._reserved + wanted) else "waits"

    def _holds(self, amount: Amount) -> bool:
        stop_at, tokens = self.stop_at_usd, self.tokens
        within = stop_at is None or amount.money <= round(stop_at * _UNITS)
        return within and (tokens is None or amount.tokens <= tokens)

    def _turn(self, reserved: Amount, bill: Amount) -> None:
        """So much is no longer reserved; the bill is spent."""
        self._reserved -= reserved
        self._spent += bill
        self.spent_usd, self.spent_tokens = self._spent.usd, self._spent.tokens

    def _warn(self) -> None:
        if not self._has_warned and self._is_past_warning():
            self._has_warned = True
            if self.on_warn is not None:
                self.on_warn(self)

    def _is_past_warning(self) -> bool:
        warn_at = self.warn_at_usd
        return warn_at is not None and self._spent.money >= round(warn_at * _UNITS)

    def _exhausted(self, wanted: Amount, worst: Worst) -> BudgetExhausted:
        request = f"the next request to `{worst.model}`" if worst.model else "the next request"
        if self._holds(Amount((self._spent + wanted).money)):
            limit, spent = f"{count(self.tokens or 0)} tokens", count(self._spent.tokens)
            may = f"take up to {count(wanted.tokens)}"
        else:
            limit, spent = money(self.stop_at_usd), money(self._spent.usd)
            may = f"cost up to {money(wanted.usd)}"
        return BudgetExhausted(
            f"the budget of {self.name}, {limit}, does not cover what is next: {spent} is spent, "
            f"and {request} may {may}",
            help="raise `budget`, or lower `max_output_tokens` of the step; what is done is kept, "
            "and `flowrunner resume` goes on from there",
        )


@dataclass(slots=True, eq=False)
class _Waiter:
    """Somebody in line. `granted` is set to a Reservation or to a BudgetExhausted."""

    chain: tuple[Budget, ...]
    worst: Worst
    granted: asyncio.Future[Reservation]

    @property
    def wanted(self) -> Amount:
        return Amount.of(self.worst.usd, self.worst.tokens)


@dataclass(slots=True, eq=False)
class Reservation:
    """What is set aside for one request. It ends by exactly one of `settle`, `release`, `keep`.

    In a `with` it is kept at the end unless it was ended before: what may have been billed counts.
    """

    budget: Budget
    amount: Amount
    _is_open: bool = field(init=False, default=True)

    def __enter__(self) -> Reservation:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_open:
            self.keep()

    def settle(self, usd: float | None, tokens: int | None) -> float:
        """The bill is known, or None where it is not and all that is reserved counts as spent.

        Returns the US dollars by which the bill exceeds the reservation, mostly 0; they count too.
        """
        known_usd = usd if usd is not None and usd >= 0 else self.amount.usd
        known_tokens = tokens if tokens is not None and tokens >= 0 else self.amount.tokens
        bill = Amount.of(known_usd, known_tokens)
        self._end(bill)
        return max(0, bill.money - self.amount.money) / _UNITS

    def release(self) -> None:
        """Nothing was billed: the request was refused or never left."""
        self._end(Amount())

    def keep(self) -> None:
        """It may have been billed and nobody knows: all of it counts as spent."""
        self._end(self.amount)

    def _end(self, bill: Amount) -> None:
        if not self._is_open:
            raise RuntimeError("a reservation ends once")
        self._is_open = False
        for budget in self.budget.chain():
            budget._turn(self.amount, bill)
        _admit(self.budget._queue)
        for budget in self.budget.chain():
            budget._warn()


def _admit(queue: deque[_Waiter]) -> None:
    """Serve the line. Nobody overtakes whoever waits for the same budget."""
    blocked: set[Budget] = set()
    for waiter in list(queue):
        if waiter.granted.done() or not blocked.isdisjoint(waiter.chain):
            continue
        wanted = waiter.wanted
        stands = {budget: budget._stand(wanted) for budget in waiter.chain}
        never = next((budget for budget, stand in stands.items() if stand == "never"), None)
        waiting = {budget for budget, stand in stands.items() if stand == "waits"}
        if never is not None:
            queue.remove(waiter)
            waiter.granted.set_exception(never._exhausted(wanted, waiter.worst))
        elif not waiting:
            queue.remove(waiter)
            waiter.granted.set_result(_reserve(waiter.chain, wanted))
        elif waiter.chain[-1] in waiting:
            return
        else:
            blocked |= waiting


def _reserve(chain: tuple[Budget, ...], wanted: Amount) -> Reservation:
    for budget in chain:
        budget._reserved += wanted
    return Reservation(chain[0], wanted)
