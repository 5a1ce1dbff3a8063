"""JSON values with templates for leaves: read once from a file, merged, and filled for every step.

What a template may say is left to `templates`; what the values mean to `request` and `workflow`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from flowrunner.diagnostics import Finding, Route
from flowrunner.events import JSON
from flowrunner.language.templates import (
    Expression,
    Template,
    TemplateFault,
    Value,
    parse_expression,
    parse_text,
    parse_value,
)

Reading: TypeAlias = Literal["text", "value", "condition", "list", "branch"]
"""What a string is: a text, a value that keeps its type, or the bare expression of a decision."""

DECISIONS: frozenset[Reading] = frozenset({"condition", "list", "branch"})

_OPENINGS = ("{{", "{%", "{#")
_PARSERS: dict[Reading, Callable[[str], Template | Value | Expression]] = {
    "text": parse_text,
    "value": parse_value,
    "condition": parse_expression,
    "list": parse_expression,
    "branch": parse_expression,
}


@dataclass(frozen=True, slots=True)
class Leaf:
    """One compiled string of the file, with the route at which it stands there."""

    route: Route
    source: str
    parsed: Template | Value | Expression
    used_as: Reading

    @property
    def is_constant(self) -> bool:
        """Whether the string says the same in every run."""
        return self.used_as not in DECISIONS and not has_template(self.source)

    def fill(self, scope: Mapping[str, Any]) -> JSON:
        """The value in this scope; raises TemplateFault."""
        if isinstance(self.parsed, Template):
            return self.parsed.fill(scope)
        return self.parsed.evaluate(scope)


Form: TypeAlias = "Mapping[str, Form] | list[Form] | Leaf | JSON"
"""A JSON value whose strings may be leaves."""


def has_template(text: str) -> bool:
    """Whether a string holds anything that a template would replace."""
    return any(opening in text for opening in _OPENINGS)


def text_of(value: JSON) -> str | None:
    """A scalar as the text its author wrote (`3.10` stays `3.10`), or None for what is no text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(getattr(value, "spelling", value))
    return value if isinstance(value, str) else None


def plain(value: JSON) -> JSON:
    """The value without the spellings that the file's reader attached to numbers."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        return {key: plain(below) for key, below in value.items()}
    return [plain(below) for below in value] if isinstance(value, list) else value


def read_leaf(text: str, route: Route, used_as: Reading) -> tuple[Leaf | None, list[Finding]]:
    """Compile one string; None and a finding where it cannot be read."""
    try:
        return Leaf(route, text, _PARSERS[used_as](text), used_as), []
    except TemplateFault as fault:
        return None, [finding_of(each, route) for each in (fault, *fault.others)]


def read_form(value: JSON, route: Route, used_as: Reading) -> tuple[Form, list[Finding]]:
    """Compile all strings of a value. Strings without a template stay strings."""
    if isinstance(value, str):
        return read_leaf(value, route, used_as) if has_template(value) else (value, [])
    if not isinstance(value, Mapping | list):
        return plain(value), []
    findings: list[Finding] = []
    pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
    read: list[tuple[Any, Form]] = []
    for key, below in pairs:
        form, faults = read_form(below, (*route, key), used_as)
        read.append((key, form))
        findings += faults
    return (dict(read) if isinstance(value, Mapping) else [form for _, form in read]), findings


def finding_of(fault: TemplateFault, route: Route) -> Finding:
    """A fault of a template as a finding at the string that holds it."""
    return Finding(
        fault.code, fault.message, route, fault.help, start=fault.start, length=fault.length
    )


def fill(form: Form, scope: Mapping[str, Any]) -> JSON:
    """The JSON value that a form gives in this scope; raises TemplateFault."""
    if isinstance(form, Leaf):
        return form.fill(scope)
    if isinstance(form, Mapping):
        return {key: fill(below, scope) for key, below in form.items()}
    return [fill(below, scope) for below in form] if isinstance(form, list) else form


def leaves(form: Form) -> Iterator[Leaf]:
    """Every leaf of a form, in the order of the file."""
    if isinstance(form, Leaf):
        yield form
    elif isinstance(form, Mapping):
        for below in form.values():
            yield from leaves(below)
    elif isinstance(form, list):
        for below in form:
            yield from leaves(below)


def merge(low: Mapping[str, Form], high: Mapping[str, Form]) -> dict[str, Form]:
    """`high` over `low`: mappings merge by key, everything else replaces. Nulls stay, as removals.

    A mapping with a `type` is one of the API's typed objects and replaces another as a whole.
    """
    merged = dict(low)
    for key, form in high.items():
        below = merged.get(key)
        if isinstance(form, Mapping) and isinstance(below, Mapping) and _merge_by_key(form, below):
            merged[key] = merge(below, form)
        else:
            merged[key] = form
    return merged


def _merge_by_key(one: Mapping[str, Form], other: Mapping[str, Form]) -> bool:
    return "type" not in one and "type" not in other
