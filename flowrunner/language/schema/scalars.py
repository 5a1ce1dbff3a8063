"""Scalars where a number or `true` and `false` was wanted, and how they ought to be written.

YAML 1.1 and 1.2 read `012`, `1e3`, `1_000` and `yes` differently, so nobody may guess.
"""

from __future__ import annotations

import re
from typing import Any

from flowrunner.diagnostics import Route
from flowrunner.language.schema.validating import spelled
from flowrunner.language.schema.words import in_backticks

_TRUE = frozenset({"y", "yes", "on", "true"})
_FALSE = frozenset({"n", "no", "off", "false"})
_DECIMAL = re.compile(r"[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?|[-+]?\.[0-9_]+")
_BASED = re.compile(r"[-+]?0(?:[xX][0-9a-fA-F_]+|[oO][0-7_]+|[bB][01_]+)")
_SIXTIES = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_NOT_FINITE = re.compile(r"[-+]?\.?(?:inf(?:inity)?|nan)", re.IGNORECASE)
_LONG_DURATION = re.compile("[0-9]{10,}[smhd]")
_DURATION = re.compile(
    r"([0-9]{1,9}(?:\.[0-9]{1,3})?)\s*"
    r"(s|m|h|d|sec|secs|seconds?|min|mins|minutes?|hrs?|hours?|days?)?",
    re.IGNORECASE,
)
_LONGEST = 40


def misread(text: str, wanted: list[Any], *, is_plain: bool) -> tuple[str, str, str] | None:
    """A text in place of a number or truth value: the rule code, what was found, the fix.

    `KEY` in the fix stands for the key. None when the text is not like any of them.
    """
    if "boolean" in wanted and text.casefold() in _TRUE | _FALSE:
        return _truth(text, is_plain)
    if not {"number", "integer"} & set(wanted):
        return None
    if "{{" in text or "{%" in text:
        return "wrong-type", f"the template {in_backticks(text)}", "write the number itself"
    if _NOT_FINITE.fullmatch(text):
        return "number", f"{in_backticks(text)}, which cannot be sent", "write a finite number"
    plain = _plain_number(text)
    return None if plain is None else _number(text, plain, is_plain)


def _number(text: str, plain: str, is_plain: bool) -> tuple[str, str, str]:
    if len(plain) > _LONGEST:
        return "number", "a number with too many digits", f"use {_LONGEST} digits at most"
    fix = f"`KEY: {plain}`" if plain else "the number in plain digits"
    if not is_plain:
        return "wrong-type", f"the text {in_backticks(text)}", f"write {fix}, without quotes"
    said = f"{in_backticks(text)}, which YAML reads in different ways"
    return "ambiguous-scalar", said, f"write {fix}"


def _truth(text: str, is_plain: bool) -> tuple[str, str, str]:
    word = "true" if text.casefold() in _TRUE else "false"
    if is_plain:
        said = f"{in_backticks(text)}, which YAML reads in different ways"
        return "ambiguous-scalar", said, f"write `KEY: {word}`"
    return "wrong-type", f"the text {in_backticks(text)}", f"write `KEY: {word}` without quotes"


def _plain_number(text: str) -> str | None:
    """The number as everybody reads it; empty where only its author knows; None for no number."""
    if _SIXTIES.fullmatch(text):
        return ""
    bare = text.replace("_", "").removeprefix("+")
    if _BASED.fullmatch(text):
        return str(int(bare, 0))
    if not _DECIMAL.fullmatch(text):
        return None
    if len(bare) > _LONGEST:
        return bare
    if "e" in bare.lower():
        return _without_exponent(bare)
    sign, digits = ("-", bare[1:]) if bare.startswith("-") else ("", bare)
    whole, _, part = digits.partition(".")
    return sign + (whole.lstrip("0") or "0") + (f".{part}" if part else "")


def _without_exponent(text: str) -> str:
    number = float(text)
    if abs(number) >= 1e16 or (number and abs(number) < 1e-9):
        return ""
    return str(int(number)) if number.is_integer() else f"{number:.12f}".rstrip("0")


def plain_duration(value: Any, route: Route) -> str:
    """How a duration was probably meant to be written."""
    text = (spelled(value) or "").strip()
    match = _DURATION.fullmatch(text)
    if _LONG_DURATION.fullmatch(text):
        return "the longest is a year: `365d`"
    if match is None or not float(match[1]):
        return "write a number and `s`, `m`, `h` or `d`, such as `5m`"
    unit = (match[2] or "s")[0].lower()
    return f"write `{route[-1]}: {match[1]}{unit}`"
