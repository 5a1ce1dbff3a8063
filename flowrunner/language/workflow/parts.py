"""What a workflow file consists of, as frozen values in the words of the language.

Reading them from a document is left to `build`, the request of a prompt step to `request`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from flowrunner.diagnostics import Diagnostic, Finding, Route
from flowrunner.events import JSON
from flowrunner.language.beside import FileText
from flowrunner.language.document import Document
from flowrunner.language.forms import Form, Leaf, fill
from flowrunner.language.request import Prompt
from flowrunner.language.shapes import MISSING, Shape, check_by_schema, check_value, from_wire
from flowrunner.language.templates import Expression, Template
from flowrunner.language.tools import CallTool, Tool

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
class Money:
    """A budget: where to stop and where to warn in US dollars, and the most tokens in all."""

    stop_at_usd: float | None = None
    warn_at_usd: float | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class ForEach:
    """`for_each`: the step runs once per entry of a list, which is called `as_name` there.

    `over` is an expression, or the list itself with templates in it. `at_once` is None where the
    file says nothing; `text` is the source as reports show it.
    """

    over: Expression | list[Form]
    as_name: str = "item"
    at_once: int | None = None
    text: str = ""

    def entries(self, scope: Mapping[str, Any]) -> Any:
        """What the list is in this scope: a sequence, or an Empty. Raises TemplateFault."""
        if isinstance(self.over, Expression):
            return self.over.evaluate(scope)
        return fill(self.over, scope)


@dataclass(frozen=True, slots=True)
class Repeat:
    """`repeat`: rounds until an expression is true, `at_most` of them.

    `until` is evaluated after each round, in the scope of that round. With `or_fail` the step fails
    when the rounds are used up.
    """

    until: Expression | bool
    at_most: int
    or_fail: bool = False


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
class Steps:
    """A group: several steps as one."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Branch:
    """One of several groups: the case whose key is the value of `on` as text, else `otherwise`."""

    on: Expression
    cases: tuple[tuple[str, tuple[Step, ...]], ...]
    otherwise: tuple[Step, ...] | None = None

    def case(self, value: str) -> tuple[Step, ...] | None:
        """The steps for this value; None where there is no case for it and no `otherwise`."""
        return dict(self.cases).get(value, self.otherwise)


@dataclass(frozen=True, slots=True)
class Command:
    """A local command without a shell. The first word of `argv` is never a template.

    `env` are the names of the variables that it receives beside PATH, HOME and LANG. At most one of
    `output` and `schema` is given.
    """

    argv: tuple[Leaf | str, ...]
    stdin: Form = None
    output: Shape | None = None
    changes_things: bool = True
    env: tuple[str, ...] = ()
    schema: Mapping[str, JSON] | None = None

    @property
    def has_output(self) -> bool:
        """Whether stdout is JSON that later steps may read as `.output`."""
        return self.output is not None or self.schema is not None

    def words(self, scope: Mapping[str, Any]) -> tuple[str, ...]:
        """The command and its arguments in this scope; raises TemplateFault."""
        return tuple(word if isinstance(word, str) else str(word.fill(scope)) for word in self.argv)

    def read_output(self, answer: JSON) -> tuple[JSON, list[str]]:
        """The `.output` of what stdout held as JSON, and what is wrong with it in sentences."""
        if self.schema is not None:
            return answer, check_by_schema(self.schema, answer)
        if self.output is None:
            return answer, []
        faults = check_value(self.output, answer)
        return (None, faults) if faults else (from_wire(self.output, answer), [])


@dataclass(frozen=True, slots=True)
class CallWorkflow:
    """Another workflow file as one step; its result is this step's `.output`.

    `path` is as the file spells it. `output` is the shape of the result, None where that workflow
    declares none. `of_model` says that a model gave the arguments.
    """

    path: str
    workflow: Workflow
    arguments: Mapping[str, Form]
    output: Shape | None = None
    of_model: bool = False

    def evaluate(self, scope: Mapping[str, Any]) -> dict[str, JSON]:
        """The arguments in this scope; raises TemplateFault."""
        return {name: fill(form, scope) for name, form in self.arguments.items()}


@dataclass(frozen=True, slots=True)
class Approve:
    """A person must agree to this text before anything below goes on."""

    text: Template


@dataclass(frozen=True, slots=True)
class Stop:
    """Ends the run of this file early, as a success."""

    text: Template


@dataclass(frozen=True, slots=True)
class Fail:
    """Ends the run of this file early, as a failure."""

    text: Template


@dataclass(frozen=True, slots=True)
class Unbuilt:
    """A step whose verb is missing, wrong or refused; it only stands for its name."""


Verb: TypeAlias = (
    Prompt
    | Write
    | SetValues
    | Steps
    | Branch
    | Command
    | CallWorkflow
    | CallTool
    | Approve
    | Stop
    | Fail
    | Unbuilt
)

_VERB_NAMES: Mapping[type, str] = {
    Prompt: "prompt",
    Write: "write",
    SetValues: "set",
    Steps: "steps",
    Branch: "branch",
    Command: "run",
    CallWorkflow: "workflow",
    CallTool: "call",
    Approve: "approve",
    Stop: "stop",
    Fail: "fail",
    Unbuilt: "unbuilt",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    `condition` is the `if`: an expression, a literal, or None. `timeout_s` is wall-clock time.
    `on_unknown` is what the file says, else what follows from what the step may change. `reuse` is
    None or False where no earlier run may stand in, True for any, else how many seconds old it may
    be. `accept_risk` is why the step may do what a check would refuse. `leaves` are the templates
    of the step itself, not of the steps inside it.

    `waits_for` are the steps of the same list that must have ended first: those that this step and
    the steps inside it mention or need, where a step inside a group, branch or loop stands for the
    one of this list that holds it; gates above; the last step above with effects, where this one
    has effects; the last one that speaks in a conversation of this one. What stands in an enclosing
    list is waited for by the enclosing step.
    `unguarded` are the steps that make this one skipped when they were skipped, by their own ids as
    the step itself mentions them (they may stand in an enclosing list or inside another step), and
    the ids of `waits_for` that they stand for. `has_effects` says that the step or one inside it
    changes something outside the run, `shares_conversation` that all its items speak in one.
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
    for_each: ForEach | None = None
    repeat: Repeat | None = None
    budget: Money | None = None
    accept_risk: str | None = None
    reuse: bool | float | None = None
    leaves: tuple[Leaf, ...] = ()
    waits_for: tuple[str, ...] = ()
    unguarded: frozenset[str] = frozenset()
    has_effects: bool = False
    shares_conversation: bool = False

    @property
    def condition_text(self) -> str | None:
        """The `if` as the file spells it, or None."""
        if isinstance(self.condition, bool):
            return str(self.condition).lower()
        return self.source_of("if")

    def source_of(self, key: str) -> str | None:
        """The text of one of the step's templates as the file spells it, by its key."""
        route = (*self.route, key)
        return next((leaf.source for leaf in self.leaves if leaf.route == route), None)

    @property
    def verb_name(self) -> str:
        """The verb as the file spells it."""
        return _VERB_NAMES[type(self.verb)]

    @property
    def is_gate(self) -> bool:
        """Whether every step below it in its list waits for it."""
        return isinstance(self.verb, Approve | Stop | Fail)

    @property
    def lists(self) -> tuple[tuple[str | None, tuple[Step, ...]], ...]:
        """The lists of steps inside it, each with the case that it is for.

        The case is None for the steps of a group and for those of `otherwise`.
        """
        if isinstance(self.verb, Steps):
            return ((None, self.verb.steps),)
        if isinstance(self.verb, Branch):
            rest = self.verb.otherwise
            return (*self.verb.cases, *(() if rest is None else ((None, rest),)))
        return ()

    def inside(self) -> Iterator[Step]:
        """All steps inside it at any depth, in the order of the file."""
        for _, steps in self.lists:
            yield from walk(steps)


def walk(steps: tuple[Step, ...]) -> Iterator[Step]:
    """The steps of a list, each followed by those inside it, in the order of the file."""
    waiting = list(reversed(steps))
    while waiting:
        step = waiting.pop()
        yield step
        waiting += [inner for _, below in reversed(step.lists) for inner in reversed(below)]


@dataclass(frozen=True, slots=True)
class Workflow:
    """One workflow file. `folder` is where the paths it writes are relative to.

    `result` is None where the file declares none. `env` are the environment variables that its
    commands and tools may receive. `tools` are those that could be read. `texts` are, by the route
    of the key that names it, the files whose text stands in its place. `files` are all files that
    were read for it and for the workflows it calls, by their paths relative to `folder`: with them
    and its own text it can be loaded again. `refusals` are the keys that this version does not run;
    `hidden` the ids of steps inside steps that could not be built, of which nothing is known.
    `elsewhere` is what was found wrong in other files. `provider` is the one that its `defaults`
    name.
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
    budget: Money | None = None
    env: tuple[str, ...] = ()
    tools: Mapping[str, Tool] = field(default_factory=dict)
    texts: Mapping[Route, FileText] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    refusals: tuple[Finding, ...] = ()
    hidden: frozenset[str] = frozenset()
    elsewhere: tuple[Diagnostic, ...] = ()
    provider: str | None = None

    @property
    def shown(self) -> str:
        """The path of the file as messages show it."""
        return self.document.shown

    @property
    def sha256(self) -> str:
        return self.document.sha256

    def all_steps(self) -> Iterator[Step]:
        """Every step of the file, also those inside others, in the order of the file."""
        return walk(self.steps)

    def step(self, name: str) -> Step | None:
        """The first step with this id at any depth, or None."""
        return next((step for step in self.all_steps() if step.id == name), None)

    def written(self, step: Step) -> Mapping[str, Any]:
        """The keys of a step as the file has them."""
        value: Any = self.document.value
        for part in step.route:
            value = value[part]
        return value if isinstance(value, Mapping) else {}

    def fill_result(self, scope: Mapping[str, Any]) -> JSON:
        """The declared result in this scope; raises TemplateFault."""
        return fill(self.result, scope)
