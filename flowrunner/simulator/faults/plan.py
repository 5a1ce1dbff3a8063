"""A plan of faults, and which of its rules strikes a call: decided by counting, never by chance.

How a plan is written down is left to `reading`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowrunner.simulator.dice import dice_for
from flowrunner.simulator.faults import reading
from flowrunner.simulator.faults.effects import Effect, Endpoint, Match, Rule

_PARTS = 1_000_000


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Rules in order; the first that matches a call, and has not struck its `times`, strikes."""

    rules: tuple[Rule, ...] = ()

    @classmethod
    def parse(cls, value: Any, shown: str = "the fault plan") -> FaultPlan:
        """Read a plan from plain values: a list of `{match, times, do}`, or a mapping `faults:`.

        `shown` names it in messages. Raises UsageError with a sentence for each mistake.
        """
        return cls(reading.rules_of(value, shown))

    @classmethod
    def read(cls, path: Path) -> FaultPlan:
        """Read a plan from a YAML or JSON file. Raises UsageError with a sentence a mistake."""
        return cls.parse(reading.value_of(path), str(path))


@dataclass(frozen=True, slots=True)
class Incoming:
    """What a rule may look at in a call."""

    endpoint: Endpoint
    body: dict[str, Any] | None = None
    client_request_id: str = ""


class Striking:
    """A plan at work: counts calls and strikes. Not shared between simulators."""

    def __init__(self, plan: FaultPlan, seed: int) -> None:
        self._rules = plan.rules
        self._seed = seed
        self._calls: Counter[Endpoint] = Counter()
        self._strikes = [0] * len(plan.rules)

    def pick(self, incoming: Incoming) -> tuple[str, Effect] | None:
        """Count a call; the rule that strikes it (`rule 2`) and its effect, or None."""
        self._calls[incoming.endpoint] += 1
        for index, rule in enumerate(self._rules):
            if rule.times is not None and self._strikes[index] >= rule.times:
                continue
            if self._matches(index, rule.match, incoming):
                self._strikes[index] += 1
                return f"rule {index + 1}", rule.effect
        return None

    def _matches(self, index: int, match: Match, incoming: Incoming) -> bool:
        number = self._calls[incoming.endpoint]
        body = incoming.body or {}
        return (
            match.endpoint == incoming.endpoint
            and (not match.call or number in match.call)
            and (match.every is None or number % match.every == 0)
            and (match.chance is None or self._is_picked(index, number, match.chance))
            and (match.model is None or body.get("model") == match.model)
            and (match.client_request_id or "") in incoming.client_request_id
            and (match.contains is None or any(match.contains in text for text in _texts(body)))
        )

    def _is_picked(self, index: int, number: int, chance: float) -> bool:
        return dice_for(self._seed, index).roll(str(number), _PARTS) < chance * _PARTS


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)
