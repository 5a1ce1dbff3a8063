"""Numbers that fit the limits and the step of a schema.

Everything that is no number is left to `generate`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from flowrunner.simulator.dice import Dice

_WIDTH = 100
_TRIES = 2_000


class NoNumber(Exception):
    """No number fits the limits."""


def integer_for(schema: Mapping[str, Any], dice: Dice, place: str) -> int:
    """A whole number within the limits, a multiple of the step. Raises NoNumber."""
    step = Fraction(_step(schema) or 1).numerator
    for number in _candidates(schema, Fraction(step), dice, place):
        if _is_multiple(int(number), schema.get("multipleOf")):
            return int(number)
    raise NoNumber


def number_for(schema: Mapping[str, Any], dice: Dice, place: str) -> int | float:
    """A number within the limits, of few digits where the limits allow. Raises NoNumber."""
    step = _step(schema)
    if step is not None:
        for number in _candidates(schema, step, dice, place):
            if _fits(float(number), schema):
                return _plain(float(number))
        raise NoNumber
    for digits in (1, 2, 4, 8):
        try:
            found = float(next(_candidates(schema, Fraction(1, 10**digits), dice, place)))
        except NoNumber:
            continue
        if _fits(found, schema):
            return _plain(found)
    return _between(schema)


def _step(schema: Mapping[str, Any]) -> Fraction | None:
    step = schema.get("multipleOf")
    return None if step is None else Fraction(str(step))


def _limits(schema: Mapping[str, Any], step: Fraction) -> tuple[int | None, int | None]:
    """The lowest and the highest multiple of the step that is within the limits."""
    lows = [math.ceil(Fraction(schema["minimum"]) / step)] if "minimum" in schema else []
    if "exclusiveMinimum" in schema:
        lows.append(math.floor(Fraction(schema["exclusiveMinimum"]) / step) + 1)
    highs = [math.floor(Fraction(schema["maximum"]) / step)] if "maximum" in schema else []
    if "exclusiveMaximum" in schema:
        highs.append(math.ceil(Fraction(schema["exclusiveMaximum"]) / step) - 1)
    return max(lows, default=None), min(highs, default=None)


def _candidates(
    schema: Mapping[str, Any], step: Fraction, dice: Dice, place: str
) -> Iterator[Fraction]:
    low, high = _limits(schema, step)
    width = max(1, int(_WIDTH / step))
    if low is None:
        low = 0 if high is None or high >= 0 else high - width
    if high is None or (high - low > width and "maximum" not in schema):
        high = low + width
    if high < low:
        raise NoNumber
    count = high - low + 1
    first = dice.roll(place, count)
    return ((low + (first + turn) % count) * step for turn in range(min(count, _TRIES)))


def _fits(number: float, schema: Mapping[str, Any]) -> bool:
    return (
        schema.get("minimum", number) <= number <= schema.get("maximum", number)
        and ("exclusiveMinimum" not in schema or number > schema["exclusiveMinimum"])
        and ("exclusiveMaximum" not in schema or number < schema["exclusiveMaximum"])
        and _is_multiple(number, schema.get("multipleOf"))
    )


def _is_multiple(number: float, step: float | None) -> bool:
    """By the arithmetic of floats, as validators divide: 0.07 is no multiple of 0.01."""
    if step is None or isinstance(step, int):
        return step is None or number % step == 0
    quotient = number / step
    return math.isfinite(quotient) and int(quotient) == quotient


def _between(schema: Mapping[str, Any]) -> float:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is None or high is None:
        raise NoNumber
    for found in (low, high, low / 2 + high / 2):
        if _fits(found, schema):
            return float(found)
    raise NoNumber


def _plain(number: float) -> int | float:
    return int(number) if number.is_integer() and abs(number) < 2**53 else number
