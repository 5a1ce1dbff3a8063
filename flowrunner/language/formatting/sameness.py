"""Whether two documents, or two workflows, mean the same.

The order of the keys of a file, a step and a case of tests counts for nothing, nor do braces
around a decision.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import Any

from flowrunner.language import forms
from flowrunner.language.document import Document
from flowrunner.language.formatting.order import DECISIONS, Role, ordered_keys, role_inside, role_of
from flowrunner.language.formatting.scalars import unbraced
from flowrunner.language.forms import Leaf
from flowrunner.language.templates import Expression, Template, Value
from flowrunner.language.workflow import Workflow

_UNORDERED = ("leaves", "waits_for")
_OF_THE_TEXT = ("document", "texts", "elsewhere", "refusals")


def same_document(one: Document, other: Document) -> bool:
    """Whether the values of two documents are the same, numbers by their spelling too."""
    return _same_value(one.value, other.value, role_of(one.value))


def _same_value(one: Any, other: Any, role: Role) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return _same_mapping(one, other, role)
    if isinstance(one, list):
        pairs = enumerate(zip(one, other, strict=False))
        return len(one) == len(other) and all(
            _same_value(mine, theirs, role_inside(role, at)) for at, (mine, theirs) in pairs
        )
    spellings = (getattr(each, "spelling", None) for each in (one, other))
    return bool(one == other) and len(set(spellings)) == 1


def _same_mapping(one: dict[str, Any], other: dict[str, Any], role: Role) -> bool:
    if ordered_keys(role):
        if one.keys() != other.keys():
            return False
    elif list(one) != list(other):
        return False
    bare = DECISIONS.get(role, frozenset())
    return all(
        _same_value(
            *((_bare(one[key]), _bare(other[key])) if key in bare else (one[key], other[key])),
            role_inside(role, key),
        )
        for key in one
    )


def _bare(value: Any) -> Any:
    return unbraced(value) if isinstance(value, str) else value


def same_workflow(one: Workflow, other: Workflow) -> bool:
    """Whether two workflows do the same: all that they are made of, but for the text itself."""
    return _same(one, other)


def _same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, Leaf | Template | Expression | Value):
        return bool(_known_by(one) == _known_by(other))
    if dataclasses.is_dataclass(one):
        return all(
            _same_field(each.name, getattr(one, each.name), getattr(other, each.name))
            for each in dataclasses.fields(one)
            if each.name not in _OF_THE_TEXT
        )
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _same_field(name: str, one: Any, other: Any) -> bool:
    """`text` of a loop is how reports show its list; the list itself is compared."""
    if name in _UNORDERED:
        return Counter(map(_known_by, one)) == Counter(map(_known_by, other))
    return (name == "text" and isinstance(one, str)) or _same(one, other)


def _known_by(value: Any) -> Any:
    """What a template is the same by: where it stands and what it says."""
    if isinstance(value, Leaf):
        is_decision = value.used_as in forms.DECISIONS
        return value.route, unbraced(value.source) if is_decision else value.source
    if isinstance(value, Value):
        return _known_by(value.parsed)
    return value.source.text.strip() if isinstance(value, Template | Expression) else value
