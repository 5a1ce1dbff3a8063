"""What `+`, `==`, `in` and their like do: numbers with numbers, texts with texts, bounded.

Comparing with what is empty is false (`!=` and `not in` true); calculating with it is a fault.
Functions that are called by name are left to `functions`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from flowrunner.language.templates.faults import TemplateFault
from flowrunner.language.templates.meter import Meter
from flowrunner.language.templates.values import empty_fault, found, is_empty, is_list, is_number

Operator: TypeAlias = Callable[[Meter, Any, Any], Any]

MAX_BITS = 4096
"""The largest whole number, in binary digits."""


def equal(meter: Meter, left: Any, right: Any) -> bool:
    """Whether two values are the same JSON; `true` is not 1, and null and Empty are one thing."""
    if isinstance(left, str) or isinstance(right, str):
        meter.spend(len(left) if isinstance(left, str) else 1)
        return isinstance(left, str) and isinstance(right, str) and left == right
    if is_empty(left) or is_empty(right):
        return is_empty(left) and is_empty(right)
    if is_number(left) or isinstance(left, bool):
        return is_number(left) is is_number(right) and bool(left == right)
    if is_list(left) and is_list(right):
        meter.parts(min(len(left), len(right)) + 1)
        return len(left) == len(right) and all(
            equal(meter, one, other) for one, other in zip(left, right, strict=True)
        )
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        meter.parts(min(len(left), len(right)) + 1)
        return left.keys() == right.keys() and all(
            equal(meter, left[key], right[key]) for key in left
        )
    return False


def unequal(meter: Meter, left: Any, right: Any) -> bool:
    """The opposite of `equal`."""
    return not equal(meter, left, right)


def contains(meter: Meter, holder: Any, part: Any) -> bool:
    """Whether a list has an item, an object a field, or a text a part."""
    if is_empty(holder):
        return False
    if isinstance(holder, str):
        if is_empty(part):
            return False
        if not isinstance(part, str):
            raise TemplateFault("wrong-type", f"a text can only contain text, found {found(part)}")
        meter.spend(len(holder) + len(part))
        return part in holder
    if isinstance(holder, Mapping):
        return isinstance(part, str) and part in holder
    if is_list(holder):
        meter.item_visits(len(holder))
        return any(equal(meter, item, part) for item in holder)
    raise TemplateFault(
        "wrong-type", f"`in` needs a list, an object or a text on its right, found {found(holder)}"
    )


def within(meter: Meter, part: Any, holder: Any) -> bool:
    """`part in holder`."""
    return contains(meter, holder, part)


def not_within(meter: Meter, part: Any, holder: Any) -> bool:
    """`part not in holder`."""
    return not contains(meter, holder, part)


def _ordering(sign: str, compare: Callable[[Any, Any], bool]) -> Operator:
    def ordered(meter: Meter, left: Any, right: Any) -> bool:
        if is_empty(left) or is_empty(right):
            return False
        if isinstance(left, str) and isinstance(right, str):
            meter.spend(min(len(left), len(right)))
        elif not (is_number(left) and is_number(right)):
            raise TemplateFault(
                "wrong-type",
                f"`{sign}` compares two numbers or two texts, "
                f"found {found(left)} and {found(right)}",
                "make a number of a text with `number(…)`",
            )
        return compare(left, right)

    return ordered


COMPARISONS: Mapping[str, Operator] = {
    "eq": equal,
    "ne": unequal,
    "lt": _ordering("<", operator.lt),
    "lteq": _ordering("<=", operator.le),
    "gt": _ordering(">", operator.gt),
    "gteq": _ordering(">=", operator.ge),
    "in": within,
    "notin": not_within,
}
"""By the names that the parser gives them."""


def bounded(number: Any) -> Any:
    """The number, unless it is larger than a template may make it."""
    if isinstance(number, int) and number.bit_length() <= MAX_BITS:
        return number
    if isinstance(number, float) and math.isfinite(number):
        return number
    raise TemplateFault("template-limit", "the result of this calculation is too large")


def need_number(sign: str, value: Any, name: str = "") -> Any:
    """The value, which must be a number. Raises maybe-empty or wrong-type."""
    if is_number(value):
        return value
    if is_empty(value):
        raise empty_fault(value, name or f"a value beside `{sign}`")
    fixes = {"+": "join texts with `~`", "*": None, "%": None}
    fix = "make a number of a text with `number(…)`" if isinstance(value, str) else None
    if isinstance(value, str) and fixes.get(sign):
        fix = f"{fixes[sign]}, or {fix}"
    raise TemplateFault("wrong-type", f"`{sign}` needs numbers, found {found(value)}", fix)


def _arithmetic(sign: str, compute: Callable[[Any, Any], Any]) -> Operator:
    def calculated(meter: Meter, left: Any, right: Any) -> Any:
        left, right = need_number(sign, left), need_number(sign, right)
        try:
            result = bounded(compute(left, right))
            meter.spend(result.bit_length() // 16 if isinstance(result, int) else 1)
            return result
        except ZeroDivisionError:
            fix = "test the divisor with `if` first"
            raise TemplateFault("wrong-type", f"`{sign}` divides by zero here", fix) from None
        except OverflowError:
            raise TemplateFault(
                "template-limit", "the result of this calculation is too large"
            ) from None

    return calculated


def _power(left: Any, right: Any) -> Any:
    too_large = isinstance(left, int) and isinstance(right, int) and right > 0
    if too_large and max(left.bit_length(), 1) * right > 2 * MAX_BITS:
        raise OverflowError
    result = left**right
    return math.nan if isinstance(result, complex) else result


def add(meter: Meter, left: Any, right: Any) -> Any:
    """The sum of two numbers, or one list after another."""
    if is_list(left) and is_list(right):
        meter.new_items(len(left) + len(right))
        return [*left, *right]
    return _add_numbers(meter, left, right)


_add_numbers = _arithmetic("+", operator.add)

ARITHMETIC: Mapping[str, Operator] = {
    "+": add,
    "-": _arithmetic("-", operator.sub),
    "*": _arithmetic("*", operator.mul),
    "/": _arithmetic("/", operator.truediv),
    "//": _arithmetic("//", operator.floordiv),
    "%": _arithmetic("%", operator.mod),
    "**": _arithmetic("**", _power),
}
