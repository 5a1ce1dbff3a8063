"""What happens in a run, as frozen values, and the addresses at which it happens.

The journal stores these and nothing else; state, report, cost and resume are computed from them.
How they are stored, and what they add up to, is left to `flowrunner.journal`, how an address is
spelled to `address`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

from flowrunner.errors import ExitStatus
from flowrunner.events.address import Address as Address
from flowrunner.events.address import Segment as Segment

JSON: TypeAlias = Any
"""What `json.loads` gives: dict, list, str, int, float, bool or None."""

StepStatus: TypeAlias = Literal[
    "running", "succeeded", "failed", "skipped", "cancelled", "waiting", "unknown"
]
RunStatus: TypeAlias = Literal[
    "running", "succeeded", "failed", "interrupted", "held", "waiting", "stopped"
]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one response (Responses API: `usage`). `input` includes `cached` and `cache_write`,
    `output` includes `reasoning`."""

    input: int = 0
    output: int = 0
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input + other.input,
            self.output + other.output,
            self.cached + other.cached,
            self.cache_write + other.cache_write,
            self.reasoning + other.reasoning,
        )


@dataclass(frozen=True, slots=True)
class ApiError:
    """The API's error envelope, kept whole (Responses API: `error`)."""

    message: str
    type: str | None = None
    param: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened. `at` is Unix time in seconds from the run's clock.

    Fields listed in `bodies` may be large: the journal stores them apart from the rest and reads
    them only when asked, so that a state of 100,000 steps is rebuilt without their texts.
    """

    bodies: ClassVar[tuple[str, ...]] = ()
    at: float


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
class CallSent(Event):
    """A paid request is about to leave; committed before the first byte does (promise P2).

    `provider` is the one it goes to where that is not the run's. `filled` are the places of its
    texts that came out of values: start and length of each, by `instructions` or the position of
    the message.
    """

    bodies: ClassVar[tuple[str, ...]] = ("request",)
    address: Address
    model: str | None
    client_request_id: str
    request_sha256: str
    request: JSON
    provider: str | None = None
    filled: dict[str, JSON] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAccepted(Event):
    """The API works on a request in the background and answers it later, under `response_id`.

    Committed before the first look at it (promise P4). `status` is queued or in_progress.
    """

    address: Address
    http_status: int
    status: str
    request_id: str | None
    response_id: str
    model: str | None
    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPolled(Event):
    """A look at a background response found it further on. `polls` counts all looks by then."""

    address: Address
    status: str
    polls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAnswered(Event):
    """A Response object came back, whatever its status. `cost_usd` is None where it is unknown.

    `polls` counts the looks that a background response took; None for a direct answer.
    """

    bodies: ClassVar[tuple[str, ...]] = ("response",)
    address: Address
    http_status: int
    status: str
    request_id: str | None
    response_id: str | None
    model: str | None
    service_tier: str | None
    usage: Usage | None
    cost_usd: float | None
    elapsed_s: float
    response: JSON
    polls: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRefused(Event):
    """An answer that says the request failed (4xx, 5xx): nothing is unknown (promise P5)."""

    bodies: ClassVar[tuple[str, ...]] = ("raw",)
    address: Address
    http_status: int
    error: ApiError
    request_id: str | None
    retry_in_s: float | None
    elapsed_s: float
    raw: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallNotSent(Event):
    """The request surely never left: no connection, no name, no TLS. Never billed."""

    address: Address
    kind: str
    message: str
    retry_in_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLost(Event):
    """The request left and its outcome is not known: possibly billed (promise P3).

    `kind`: reset, closed, timeout, truncated, not-a-response, too-big, broken-off (the server gave
    up amid its answer), crash (found on resume), gone (a background response that the API no longer
    has). `response_id` is that of a stream which had begun, or of what is gone.
    """

    bodies: ClassVar[tuple[str, ...]] = ("raw",)
    address: Address
    kind: str
    message: str
    http_status: int | None
    request_id: str | None
    retry_in_s: float | None
    raw: str
    response_id: str | None = None


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
