"""Comparisons that cannot come out as meant, found before anything runs.

Free text against a literal, a choice that is not declared, values of different kinds. Values of
which nothing is known are left alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from flowrunner.language.shapes.words import alternatives, quoted
from flowrunner.language.templates.faults import TemplateFault, near_miss
from flowrunner.language.templates.typed import Typed, item_of
from flowrunner.language.templates.values import named

ORDER = {"lt": "<", "lteq": "<=", "gt": ">", "gteq": ">=", "le": "<=", "ge": ">="}


def comparison_faults(operator: str, left: Typed, right: Typed) -> Iterator[TemplateFault]:
    """What is wrong with a comparison. `operator` is the parser's name or a sign."""
    sign = ORDER.get(operator, operator)
    if sign in ORDER.values():
        yield from _order_faults(sign, left, right)
    elif operator in {"in", "notin", "not in"}:
        yield from _membership_faults(left, right)
    elif operator in {"eq", "ne", "==", "!="}:
        yield from _equality_faults(left, right)
    elif operator == "contains":
        yield from _membership_faults(right, left)


def _equality_faults(left: Typed, right: Typed) -> Iterator[TemplateFault]:
    if "unknown" in {left.group, right.group}:
        return
    for value, other in ((left, right), (right, left)):
        if value.shape.free and other.is_word:
            yield _free_text(value, other)
            return
        if value.shape.kind == "choice" and other.is_word and other.literal not in _choices(value):
            yield _unknown_choice(value, other)
            return
    if left.group != right.group:
        yield _different(left, right)


def _membership_faults(part: Typed, holder: Typed) -> Iterator[TemplateFault]:
    if holder.items:
        faults = [fault for item in holder.items for fault in _equality_faults(part, item)]
        yield from faults[:1] if part.shape.free else faults
    elif holder.group == "list":
        yield from _equality_faults(
            part, Typed(item_of(holder.shape), f"an item of {_name(holder)}")
        )
    elif holder.group == "text":
        if holder.shape.free and part.is_word:
            yield _free_text(holder, part)
        elif part.group not in {"text", "unknown"}:
            message = f"{_name(holder)} is {holder.kind}, which cannot contain {part.kind}"
            yield TemplateFault("wrong-type", message)
    elif holder.group in {"number", "yes_no"}:
        message = f"{_name(holder)} is {holder.kind}, in which nothing can be found"
        fix = "write `==` to compare" if holder.group == "number" else None
        yield TemplateFault("wrong-type", message, fix)


def _order_faults(sign: str, left: Typed, right: Typed) -> Iterator[TemplateFault]:
    groups = {left.group, right.group} - {"unknown"}
    for value, other in ((left, right), (right, left)):
        if value.shape.free and other.is_word:
            yield _free_text(value, other)
            return
    strange = next((side for side in (left, right) if side.group in _UNORDERED), None)
    if strange is not None:
        message = f"{_name(strange)} is {strange.kind}, which has no order"
        yield TemplateFault("wrong-type", message, f"`{sign}` compares numbers, texts or dates")
    elif len(groups) > 1:
        yield _different(left, right)


_UNORDERED = ("yes_no", "list", "object")


def _choices(value: Typed) -> tuple[str, ...]:
    return value.shape.choices


def _name(value: Typed) -> str:
    return named(value.name) if value.name else "this value"


def _free_text(value: Typed, other: Typed) -> TemplateFault:
    parts = value.name.split(".")
    step = f" in the step `{parts[1]}`" if parts[0] == "steps" and len(parts) > 1 else ""
    return TemplateFault(
        "free-text",
        f"{_name(value)} is free text, which a model never words the same twice: "
        f"comparing it with {quoted(str(other.literal))} is left to chance",
        f"declare `output:`{step} with the possible answers, such as "
        "`output: { answer: [one, two] }`, and compare that",
    )


def _unknown_choice(value: Typed, other: Typed) -> TemplateFault:
    near = near_miss(str(other.literal), value.shape.choices)
    return TemplateFault(
        "unknown-choice",
        f"{_name(value)} is never {quoted(str(other.literal))}{near}",
        f"it is {alternatives(value.shape.choices)}",
        *other.span,
    )


def _different(left: Typed, right: Typed) -> TemplateFault:
    value, other = (right, left) if left.is_word else (left, right)
    message = f"{_name(value)} is {value.kind}, never {other.kind}"
    return TemplateFault("wrong-type", message, _fix(value, other))


def _fix(value: Typed, other: Typed) -> str | None:
    name = value.name or "x"
    if value.group == "yes_no":
        return f"write `{name}` alone, or `not {name}`"
    if value.group == "number" and other.is_word:
        number = str(other.literal).strip()
        if number.replace(".", "", 1).isdecimal():
            return f"write `{number}` without quotes"
    if {value.group, other.group} == {"number", "text"}:
        text = value if value.group == "text" else other
        return f"make a number of the text with `number({text.name or '…'})`"
    return None
