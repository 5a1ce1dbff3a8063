"""What happens in a run, as frozen values, and the addresses at which it happens.

The journal stores these and nothing else; state, report, cost and resume are computed from them.
How they are stored, and what they add up to, is left to `flowrunner.journal`, how an address is
spelled to `address`; what becomes of paid requests stands in `calls`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from flowrunner.errors import ExitStatus
from flowrunner.events.address import Address as Address
from flowrunner.events.address import Segment as Segment
from flowrunner.events.calls import CallAccepted as CallAccepted
from flowrunner.events.calls import CallAnswered as CallAnswered
from flowrunner.events.calls import CallLost as CallLost
from flowrunner.events.calls import CallNotSent as CallNotSent
from flowrunner.events.calls import CallPolled as CallPolled
from flowrunner.events.calls import CallRefused as CallRefused
from flowrunner.events.calls import CallSent as CallSent
from flowrunner.events.values import JSON as JSON
from flowrunner.events.values import ApiError as ApiError
from flowrunner.events.values import Event as Event
from flowrunner.events.values import RunStatus as RunStatus
from flowrunner.events.values import StepStatus as StepStatus
from flowrunner.events.values import Usage as Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """A run began. `origin` is provenance for the report: command, versions, git commit, hashes.

    `others` are the base URLs of the providers that steps go to beside the run's own, by name.
    `replayed` names the recording that answered in their place; such a run is `simulated`.
    `previous` is the run of the same file before this one, with which its report compares it.
    """

    run: str
    workflow: str
    path: str
    provider: str
    base_url: str
    simulated: bool
    steps: tuple[str, ...]
    origin: dict[str, JSON] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)
    replayed: str | None = None
    previous: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResumed(Event):
    """A process (the first or a later one) took the run over again."""

    epoch: int
    origin: dict[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted(Event):
    """A unit's own work began: its mentions and its `if` have been answered.

    `fingerprint` is a hash of what it is about to do, where that can be told beforehand. `goes_on`
    says that it had ended before its work was done, and takes it up where it was left.
    """

    address: Address
    verb: str
    fingerprint: str | None = None
    goes_on: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished(Event):
    """A step came to its end.

    `reason` says why it has its status where the status alone does not: timeout, refused,
    incomplete, not-json, wrong-shape, api-error, lost, needs, if, empty-mention, template, ...
    `result` is what later steps may read (see `StepResult`). `reused_from` names the run and unit
    that a result was taken from, `RUN/unit`.
    """

    bodies: ClassVar[tuple[str, ...]] = ("result",)
    address: Address
    verb: str
    status: StepStatus
    reason: str | None = None
    message: str | None = None
    help: str | None = None
    fingerprint: str | None = None
    reused_from: str | None = None
    result: JSON = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForEachBegan(Event):
    """A `for_each` has evaluated its list and begins with the items."""

    address: Address
    items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationBegan(Event):
    """A conversation is about to be spoken in that the file calls by a name (Responses API:
    `conversation`); a resume speaks in the same one.

    `key` tells it apart from others of the run, `id` is the API's. `is_new` is false for one that
    an earlier run began. `address` is the unit that speaks first.
    """

    address: Address
    name: str
    key: str
    id: str
    is_new: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolsListed(Event):
    """What a server of tools says of them is trusted from here on: said for the first time in the
    run, or a person agreed to what changed.

    `tool` is its declared name, `key` tells it from other servers of the run, `digest` is a hash
    over all that a model is told. `address` is the unit that asked it.
    """

    address: Address
    tool: str
    key: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallBegan(Event):
    """A tool is about to run; committed before it does.

    `address` has the attempt and the turn in which the model asked for it; `call_id` is the API's,
    for a `call` step its own. `tool` is the name of the declared tool, None where none of that name
    is declared; `kind` the type of the item (Responses API: output items), or `call`. `arguments`
    are as they were given: an object, or a text that is none.
    """

    bodies: ClassVar[tuple[str, ...]] = ("arguments",)
    address: Address
    call_id: str
    name: str
    kind: str
    tool: str | None
    changes_things: bool
    arguments: JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallEnded(Event):
    """A tool gave its answer, or was not run, which `not_run` says the reason of: undeclared,
    arguments, denied, no-executor, too-many.

    `output` is a text, a JSON value, or with `is_parts` content parts of the API. `error` is a
    sentence for the model where the call did not succeed. `facts` are for people.
    """

    bodies: ClassVar[tuple[str, ...]] = ("output",)
    address: Address
    call_id: str
    ok: bool
    error: str | None
    elapsed_s: float
    not_run: str | None = None
    is_parts: bool = False
    facts: dict[str, JSON] = field(default_factory=dict)
    output: JSON = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalAsked(Event):
    """A person is asked to agree to a text before anything below goes on.

    `call_ids` are the calls of a model that the text tells of; `address` has their turn.
    """

    address: Address
    text: str
    call_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalGiven(Event):
    """A person agreed or did not. `way`: terminal, command."""

    address: Address
    granted: bool
    by: str
    way: str
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileUploaded(Event):
    """A file stands at a provider, for this and later requests until it expires there.

    `provider` is the address or name by which results are told apart, `purpose` what the file may
    serve for (Responses API: files), `expires_at` Unix time. The same bytes are not sent again.
    """

    address: Address
    sha256: str
    file_id: str
    provider: str
    purpose: str
    name: str
    size: int
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned(Event):
    """Something a person should know that stopped nothing."""

    code: str
    message: str
    address: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowed(Event):
    """The server of a model allows no more for now: its requests wait, `wait_s` seconds at least.

    Told when the wait begins, and again only after all that waited was sent.
    """

    server: str
    model: str
    wait_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Event):
    """The process stopped working on the run. A later `RunResumed` may take it up again.

    `left_out` are the steps of the file that were not wanted (`--until`). `given_up_by` names the
    person who wants nothing more of the run: no process takes it up again.
    """

    bodies: ClassVar[tuple[str, ...]] = ("result",)
    status: RunStatus
    exit_status: ExitStatus
    message: str | None = None
    help: str | None = None
    left_out: tuple[str, ...] = ()
    given_up_by: str | None = None
    result: JSON = None


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a finished step offers to templates; every field under its name in the language.

    `error` is None or `{"kind", "message", "partial"}`. Stored as JSON in `StepFinished.result`;
    the raw response, `.response` in templates, is the body of the step's last `CallAnswered`.
    """

    status: StepStatus
    text: str | None = None
    output: JSON = None
    has_output: bool = False
    error: dict[str, JSON] | None = None
    usage: dict[str, int] | None = None
    cost_usd: float | None = None
    response_id: str | None = None
    request_id: str | None = None
    sources: tuple[dict[str, JSON], ...] = ()
    files: tuple[str, ...] = ()
    tool_calls: tuple[dict[str, JSON], ...] = ()

    def as_json(self) -> dict[str, JSON]:
        """The fields by name; nothing is copied."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, value: dict[str, JSON]) -> StepResult:
        """The result of what a journal holds; what else stands there is passed over."""
        return cls(**{name: value[name] for name in cls.__slots__ if name in value})
