"""What a declared tool is: its kind, its arguments, what it may change, whether people are asked.

How it is offered to a model is left to `objects`, running it to the room `tools`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from flowrunner.events import JSON
from flowrunner.language.forms import Form, fill
from flowrunner.language.shapes import Shape, check_by_schema, check_value, from_wire

if TYPE_CHECKING:
    from flowrunner.language.workflow.parts import Workflow

Ask: TypeAlias = Literal["always", "never"]


@dataclass(frozen=True, slots=True)
class EnvName:
    """`{ env: NAME }`: the value of an environment variable, which no file and no line may show."""

    name: str


Placed: TypeAlias = str | EnvName
"""A text, or a secret by the name of its variable."""


@dataclass(frozen=True, slots=True)
class CommandTool:
    """A program, started without a shell: arguments as JSON on stdin, the answer on stdout.

    `env` are the names of the variables that it receives beside PATH, HOME and LANG.
    """

    argv: tuple[str, ...]
    env: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PythonTool:
    """A function, called by keyword with its arguments as plain JSON values.

    It is in `file` (as the workflow spells it, relative to the workflow's folder) or in the
    installed module `module`: exactly one is given. `defaulted` are the parameters that have a
    default in Python, and are left out where their argument is null.
    """

    file: str | None
    module: str | None
    function: str
    is_async: bool = False
    env: tuple[str, ...] = ()
    defaulted: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class HttpTool:
    """A request: arguments are the query of a GET, else a JSON body.

    `hosts` may be reached beside the host of `url`, by redirects; a private address only where it
    stands in `hosts`, that of `url` too.
    """

    method: str
    url: Placed
    headers: Mapping[str, Placed] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkflowTool:
    """Another workflow file, whose inputs are the arguments and whose result is the answer.

    `path` is as the file spells it.
    """

    path: str
    workflow: Workflow


@dataclass(frozen=True, slots=True)
class McpTool:
    """A server of tools that flowrunner asks itself: a program (`command`) or a `url`.

    Only `allowed_tools` may be called, under the names that `mcp_name` gives them. `authorization`
    is the bearer token. `hosts` is as of an HttpTool.
    """

    allowed_tools: tuple[str, ...]
    command: tuple[str, ...] | None = None
    url: Placed | None = None
    headers: Mapping[str, Placed] = field(default_factory=dict)
    authorization: Placed | None = None
    env: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ComputerTool:
    """A program that takes screenshots, clicks and types: one action as JSON on stdin at a time."""

    command: tuple[str, ...]
    env: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShellTool:
    """A shell for the model. `folder` is as the file spells it."""

    folder: str
    env: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PatchTool:
    """Changes to the files of one folder, by patches of the model. `folder` is as it is spelled."""

    folder: str


@dataclass(frozen=True, slots=True)
class CustomTool:
    """A program or function that takes one free text instead of arguments (Responses API: custom).

    A program reads the text on stdin, a function has it as its only argument. `grammar` is the
    API's `format` of type `grammar` where the text must keep to one.
    """

    runs: CommandTool | PythonTool
    grammar: Mapping[str, JSON] | None = None


Kind: TypeAlias = (
    CommandTool
    | PythonTool
    | HttpTool
    | WorkflowTool
    | McpTool
    | ComputerTool
    | ShellTool
    | PatchTool
    | CustomTool
)


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool of the file's `tools`.

    `takes` is the shape of its arguments and `arguments` the same as JSON Schema of an object, for
    the wire; both are None where the kind brings its own (mcp, computer, shell, apply_patch) or
    takes a text (custom). `is_strict` says that the schema keeps the rules of strict mode. `output`
    is the shape of its answer where one is declared. `changes_things`: something outside the run;
    then it is never retried once started, and never reused. `ask` holds for calls of a model, and
    for a `call` step only where the file says so (`is_ask_written`): its author wrote that call.
    """

    name: str
    kind: Kind
    describe: str | None = None
    arguments: Mapping[str, JSON] | None = None
    takes: Shape | None = None
    is_strict: bool = True
    output: Shape | None = None
    changes_things: bool = True
    ask: Ask = "always"
    is_ask_written: bool = False
    timeout_s: float | None = None

    def read_arguments(self, given: JSON) -> tuple[dict[str, JSON], list[str]]:
        """The arguments to run it with, and what is wrong with them in sentences.

        Defaults of the file stand in for what is null or missing. With faults it must not be run.
        """
        if self.takes is None or self.arguments is None or not isinstance(given, Mapping):
            faults = [] if isinstance(given, Mapping) else ["the arguments must be an object"]
            return dict(given) if isinstance(given, Mapping) else {}, faults
        optional = {name for name, shape in self.takes.fields if shape.optional}
        whole = {**dict.fromkeys(optional), **given}
        faults = check_value(self.takes, whole)
        if not faults and not self.is_strict:
            faults = check_by_schema(self.arguments, whole)
        if faults:
            return {}, faults
        read: dict[str, Any] = from_wire(self.takes, whole)
        return {
            name: value for name, value in read.items() if not self._leaves_out(name, value)
        }, []

    def _leaves_out(self, name: str, value: JSON) -> bool:
        """Whether what is called fills in a null itself."""
        if isinstance(self.kind, PythonTool):
            return value is None and name in self.kind.defaulted
        return value is None and isinstance(self.kind, WorkflowTool)

    def read_output(self, answer: JSON) -> tuple[JSON, list[str]]:
        """The `.output` of an answer, and what is wrong with it in sentences."""
        if self.output is None:
            return answer, []
        faults = check_value(self.output, answer)
        return (None, faults) if faults else (from_wire(self.output, answer), [])


@dataclass(frozen=True, slots=True)
class CallTool:
    """One tool, called once, without a model.

    `name` is the tool's, for a server of tools that of one of them (`mcp_name`).
    """

    tool: Tool
    name: str
    with_: Mapping[str, Form] = field(default_factory=dict)

    @property
    def asks(self) -> bool:
        """Whether a person is asked before the call."""
        return self.tool.is_ask_written and self.tool.ask == "always"

    @property
    def output(self) -> Shape | None:
        """The shape of the step's `.output`; None where the tool declares none."""
        return self.tool.output

    def evaluate(self, scope: Mapping[str, Any]) -> dict[str, JSON]:
        """The arguments in this scope, not checked yet; raises TemplateFault."""
        return {name: fill(form, scope) for name, form in self.with_.items()}
