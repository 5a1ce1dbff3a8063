"""Names that cannot be names, each with why and with one that could be.

Which names are taken by other steps is left to `checks`.
"""

from __future__ import annotations

import re
import unicodedata

from flowrunner.diagnostics import Finding
from flowrunner.language.schema.validating import Violation, spelled
from flowrunner.language.schema.words import found, in_backticks

_SEVERAL = re.compile(r"[^a-z0-9]+")


def bad_name(violation: Violation) -> Finding:
    """A step id, or another name, that does not follow the rules for it."""
    text = spelled(violation.value) or ""
    kind, _, rule = str(violation.schema.get("title", "a name")).partition(": ")
    aim = "key" if violation.of_key else "value"
    if violation.keyword == "not":
        message = f"`{text}` is a word of the language and cannot be {kind}"
        fix = f"choose another name, for example `my_{text}`"
    elif violation.keyword == "maxLength":
        message = f"{kind} may have {violation.wanted} characters at most, found {len(text)}"
        fix = "choose a shorter name"
    else:
        message = f"{in_backticks(text)} cannot be {kind}: {_why(text, rule)}"
        message = message if text else f"{kind} must not be empty, found {found(text)}"
        fix = f"write `{_usable(text)}`" if _usable(text) else f"use {rule or 'letters and digits'}"
    return Finding("id", message, violation.route, fix, aim="key" if aim == "key" else "value")


def _why(text: str, rule: str) -> str:
    reasons = (
        (any(character.isspace() for character in text), "it contains a space"),
        (text[:1].isdigit(), "it begins with a digit"),
        (text.startswith("_"), "it begins with `_`"),
        ("-" in text, "it contains `-`"),
        ("." in text, "it contains `.`"),
        (not text.isascii(), "it contains letters beyond a to z"),
        (text != text.lower(), "it contains capital letters"),
    )
    return next((reason for is_so, reason in reasons if is_so), f"it must be {rule}")


def _usable(text: str) -> str:
    """The nearest name that follows the strictest rule, or an empty text."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    name = _SEVERAL.sub("_", plain).strip("_")[:64]
    return f"n{name}" if name[:1].isdigit() else name
