"""What a workflow file consists of, as frozen values in the words of the language.

Reading them from a document is left to `build`, the request of a prompt step to `request`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from flowrunner.diagnostics import Finding, Route
from flowrunner.events import JSON
from flowrunner.language.document import Document
from flowrunner.language.forms import Form, Leaf, fill
from flowrunner.language.request import Prompt
from flowrunner.language.shapes import MISSING, Shape
from flowrunner.language.templates import Expression, Template

RetryKind: TypeAlias = Literal["wrong_shape", "incomplete", "failed", "refusal"]

RETRY_KINDS: tuple[RetryKind, ...] = ("wrong_shape", "incomplete", "failed", "refusal")
"""The kinds of answer that `retry: { on: […] }` may name."""

DEFAULT_RETRY_ON: frozenset[str] = frozenset({"wrong_shape", "incomplete", "failed"})
"""A refusal is asked again only where the author says so."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How many attempts at a good answer a step has in all, and after which kinds of answer."""

    attempts: int = 1
    on: frozenset[str] = DEFAULT_RETRY_ON


@dataclass(frozen=True, slots=True)
class Limits:
    """`limits:` of the file; None where it says nothing."""

    at_once: int | None = None
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Input:
    """One input. `default` is MISSING where none is written; an optional one is null then."""

    name: str
    shape: Shape

    @property
    def required(self) -> bool:
        return not self.shape.optional and self.shape.default is MISSING

    @property
    def describe(self) -> str | None:
        return self.shape.describe

    @property
    def secret(self) -> bool:
        return self.shape.secret

    @property
    def default(self) -> JSON:
        return self.shape.default


@dataclass(frozen=True, slots=True)
class Write:
    """Text without a call: the step's `.text`."""

    template: Template


@dataclass(frozen=True, slots=True)
class SetValues:
    """Named values without a call: the step's `.output`."""

    values: Mapping[str, Form]

    def evaluate(self, scope: Mapping[str, Any]) -> dict[str, JSON]:
        """The named values in this scope; raises TemplateFault."""
        return {name: fill(form, scope) for name, form in self.values.items()}


@dataclass(frozen=True, slots=True)
class Unbuilt:
    """A step whose verb is missing, wrong or refused; it only stands for its name."""


Verb: TypeAlias = Prompt | Write | SetValues | Unbuilt


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    `condition` is the `if`: an expression, a literal, or None. `timeout_s` is wall-clock time.
    `on_unknown` is what the file says, else what follows from what the step may change.
    `waits_for` are the steps that it mentions anywhere, and then its `needs`; `unguarded` are those
    that make this step skipped when they were. `leaves` are all its templates.
    """

    id: str
    route: Route
    verb: Verb
    describe: str | None = None
    condition: Expression | bool | None = None
    needs: tuple[str, ...] = ()
    timeout_s: float | None = None
    retry: Retry = field(default_factory=Retry)
    on_error: Literal["stop", "continue"] = "stop"
    on_unknown: Literal["hold", "retry_once"] = "retry_once"
    save_to: Template | None = None
    leaves: tuple[Leaf, ...] = ()
    waits_for: tuple[str, ...] = ()
    unguarded: frozenset[str] = frozenset()

    @property
    def condition_text(self) -> str | None:
        """The `if` as the file spells it, or None."""
        if isinstance(self.condition, bool):
            return str(self.condition).lower()
        return next((leaf.source for leaf in self.leaves if leaf.used_as == "condition"), None)

    @property
    def verb_name(self) -> str:
        """The verb as the file spells it."""
        names = {Prompt: "prompt", Write: "write", SetValues: "set", Unbuilt: "unbuilt"}
        return names[type(self.verb)]


@dataclass(frozen=True, slots=True)
class Workflow:
    """One workflow file. `folder` is where the paths it writes are relative to.

    `result` is None where the file declares none. `refusals` are the keys that this version does
    not run; `hidden` the ids of steps inside refused groups, `names` the variables that refused
    keys of the step at a position would bring: both stand for values of which nothing is known.
    """

    document: Document
    folder: Path
    name: str
    description: str | None
    inputs: tuple[Input, ...]
    defaults: Mapping[str, Form]
    limits: Limits
    steps: tuple[Step, ...]
    result: Form
    refusals: tuple[Finding, ...] = ()
    hidden: frozenset[str] = frozenset()
    names: Mapping[int, frozenset[str]] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """The path of the file as messages show it."""
        return self.document.shown

    @property
    def sha256(self) -> str:
        return self.document.sha256

    def step(self, name: str) -> Step | None:
        """The step with this id, or None."""
        return next((step for step in self.steps if step.id == name), None)

    def fill_result(self, scope: Mapping[str, Any]) -> JSON:
        """The declared result in this scope; raises TemplateFault."""
        return fill(self.result, scope)
