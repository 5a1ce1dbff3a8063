"""What a file of tests consists of, as frozen values in its own words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from flowrunner.diagnostics import Route
from flowrunner.events import JSON
from flowrunner.language.document import Document
from flowrunner.language.forms import Leaf
from flowrunner.language.shapes import Shape
from flowrunner.language.workflow import Workflow

Kind: TypeAlias = Literal["that", "is", "contains", "matches", "shapes"]


@dataclass(frozen=True, slots=True)
class Check:
    """An expression over what came out, and what its value is held against: nothing (`that`, it
    must be true), a value, texts, a pattern or a shape. `route` is where that stands."""

    kind: Kind
    leaf: Leaf
    route: Route
    wanted: JSON | tuple[str, ...] | re.Pattern[str] | Shape = None


@dataclass(frozen=True, slots=True)
class Reply:
    """One scripted reply: a text, or what else a key of it says."""

    kind: Literal["text", "output", "refusal", "incomplete", "call", "error", "response", "fails"]
    value: JSON


OF_PROGRAMS = frozenset({"text", "output", "fails"})
"""The kinds of replies that programs and tools give."""


@dataclass(frozen=True, slots=True)
class Expected:
    """`expect:` of a case. `result` is None where `has_result` is false; `asked` are the texts that
    requests must hold, by step or unit; `called` the arguments of calls, or whether there is any,
    by tool."""

    status: str | None = None
    exit: int | None = None
    has_result: bool = False
    result: JSON = None
    checks: tuple[Check, ...] = ()
    asked: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    called: Mapping[str, Mapping[str, JSON] | bool] = field(default_factory=dict)
    ran: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    cost_below_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One case. `route` is where it stands in its file. `replies` (of models) and `programs` (what
    those of `run` steps print) are by step or unit, `tools` by the names of calls."""

    name: str
    route: Route
    inputs: Mapping[str, JSON] = field(default_factory=dict)
    recording: str | None = None
    replies: Mapping[str, tuple[Reply, ...]] = field(default_factory=dict)
    programs: Mapping[str, tuple[Reply, ...]] = field(default_factory=dict)
    tools: Mapping[str, tuple[Reply, ...]] = field(default_factory=dict)
    approvals: Mapping[str, bool] = field(default_factory=dict)
    expect: Expected = field(default_factory=Expected)
    judge: str | None = None


@dataclass(frozen=True, slots=True)
class FileOfTests:
    """A file of tests, and the workflow that it is about."""

    path: Path
    document: Document
    workflow: Workflow
    cases: tuple[Case, ...]

    def line(self, route: Route, aim: Literal["value", "key"] = "key") -> int:
        """The line at which something of it stands."""
        return self.document.place(route, aim).line
