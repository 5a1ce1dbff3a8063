"""The keys that every step may have beside its verb, read one by one.

What is missing or wrong gives the value that stands where nothing was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from flowrunner.diagnostics import Route
from flowrunner.events import JSON
from flowrunner.language.forms import Leaf, leaves, text_of
from flowrunner.language.request import Prompt
from flowrunner.language.templates import Expression
from flowrunner.language.tools import CallTool
from flowrunner.language.workflow.durations import read_duration
from flowrunner.language.workflow.parts import (
    DEFAULT_RETRY_ON,
    ForEach,
    Money,
    Repeat,
    Retry,
    Verb,
)
from flowrunner.language.workflow.reader import Reader, mapping, texts, whole

OnUnknown: TypeAlias = Literal["hold", "retry_once"]
_CURRENCY = "USD"


def read_money(written: JSON) -> Money | None:
    """A budget: `0.50 USD`, or a mapping with `stop_at`, `warn_at` and `tokens`."""
    if isinstance(written, str):
        stop_at = _dollars(written)
        return None if stop_at is None else Money(stop_at)
    if not isinstance(written, Mapping):
        return None
    stop_at, warn_at = _dollars(written.get("stop_at")), _dollars(written.get("warn_at"))
    money = Money(stop_at, warn_at, whole(written.get("tokens")))
    return None if money == Money() else money


def _dollars(written: JSON) -> float | None:
    amount = written.removesuffix(_CURRENCY) if isinstance(written, str) else ""
    try:
        return float(amount.strip())
    except ValueError:
        return None


def read_for_each(
    reader: Reader, fields: Mapping[str, Any], route: Route
) -> tuple[ForEach | None, list[Leaf]]:
    """`for_each` with `as` and `at_once`, and its templates."""
    written, here = fields.get("for_each"), (*route, "for_each")
    named = fields.get("as")
    as_name = named if isinstance(named, str) and named else "item"
    at_once = whole(fields.get("at_once"))
    if isinstance(written, list):
        entries = reader.form(written, here, "value")
        assert isinstance(entries, list)
        text = f"{len(entries)} entries"
        return ForEach(entries, as_name, at_once, text), list(leaves(entries))
    leaf = reader.expression(written, here, "list")
    if leaf is None or not isinstance(leaf.parsed, Expression):
        # Without a list that can be read the step still knows the name of its entries.
        return (ForEach([], as_name, at_once), []) if "for_each" in fields else (None, [])
    return ForEach(leaf.parsed, as_name, at_once, leaf.source), [leaf]


def read_repeat(
    reader: Reader, fields: Mapping[str, Any], route: Route
) -> tuple[Repeat | None, list[Leaf]]:
    """`repeat`, and the template of its `until`."""
    written, here = mapping(fields.get("repeat")), (*route, "repeat", "until")
    if "repeat" not in fields:
        return None, []
    at_most = whole(written.get("at_most")) or 1
    or_fail = written.get("or_fail") is True
    until = written.get("until")
    leaf = None if isinstance(until, bool) else reader.expression(until, here, "condition")
    if leaf is None or not isinstance(leaf.parsed, Expression):
        return Repeat(until is True, at_most, or_fail), []
    return Repeat(leaf.parsed, at_most, or_fail), [leaf]


def read_condition(
    reader: Reader, fields: Mapping[str, Any], route: Route
) -> tuple[Expression | bool | None, list[Leaf]]:
    """The `if`, and its template."""
    written = fields.get("if")
    if isinstance(written, bool):
        return written, []
    leaf = reader.expression(written, (*route, "if"), "condition")
    if leaf is None or not isinstance(leaf.parsed, Expression):
        return None, []
    return leaf.parsed, [leaf]


def read_retry(written: JSON) -> Retry:
    """`retry: 3`, or a mapping with `attempts` and `on`."""
    if isinstance(written, Mapping):
        named = frozenset(texts(written.get("on")))
        return Retry(whole(written.get("attempts")) or 1, named or DEFAULT_RETRY_ON)
    return Retry(whole(written) or 1)


def read_on_error(written: JSON, for_each: ForEach | None) -> Literal["stop", "continue"]:
    """What the file says; else a list of entries goes on and everything else stops."""
    if written == "stop" or (written != "continue" and for_each is None):
        return "stop"
    return "continue"


def read_on_unknown(written: JSON, verb: Verb) -> OnUnknown:
    """What the file says; else hold where a second try could change something a second time."""
    if written == "hold":
        return "hold"
    if written == "retry_once":
        return "retry_once"
    if isinstance(verb, CallTool):
        return "hold" if verb.tool.changes_things else "retry_once"
    return "hold" if isinstance(verb, Prompt) and verb.may_change_things else "retry_once"


def read_reuse(written: JSON) -> bool | float | None:
    """`true`, `false`, or the seconds of a duration."""
    if isinstance(written, bool):
        return written
    text = text_of(written)
    return None if text is None else read_duration(text)
