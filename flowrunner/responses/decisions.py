"""The words of the retry policy: what it is told and the things it can decide.

How it decides is left to `retry`, which sentence it gives to `refusals`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from flowrunner.responses.outcome import Final, Lost, NotSent, Refused

OnUnknown: TypeAlias = Literal["hold", "retry_once"]
Reason: TypeAlias = Literal[
    "api-error",
    "no-recording",
    "key",
    "quota",
    "rate-limit",
    "server-error",
    "mcp-server",
    "network",
    "timeout",
    "file",
]
"""Why there is no answer. `timeout` is for callers that run out of time: `decide` has no clock;
`file` for those whose request names a file that is gone, `no-recording` for a replay that has no
reply."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patient one turn is. Times are in seconds.

    `max_posts` bounds all POSTs of a turn, `max_not_sent` those that never left. No wait is shorter
    than `min_wait_s`; one longer than `max_wait_s` is not waited for, nor more than `max_waited_s`
    in sum. Without an order from the server the wait doubles from `first_wait_s` to `backoff_s`.
    `on_unknown` says what follows a lost answer.
    """

    max_posts: int = 6
    max_not_sent: int = 4
    min_wait_s: float = 0.25
    first_wait_s: float = 1.0
    backoff_s: float = 20.0
    max_wait_s: float = 120.0
    max_waited_s: float = 900.0
    on_unknown: OnUnknown = "hold"


@dataclass(frozen=True, slots=True)
class Tries:
    """What a turn has behind it, *with* the outcome that is to be judged (see `counting`).

    `sent` counts every POST that was announced, whatever became of it; `refused_424` those of the
    refused that failed for an MCP server.
    """

    sent: int = 0
    refused: int = 0
    refused_424: int = 0
    not_sent: int = 0
    lost: int = 0
    waited_s: float = 0.0

    def counting(self, outcome: Final, waited_s: float = 0.0) -> Tries:
        """These tries and one more, before which `waited_s` seconds were waited."""
        is_424 = isinstance(outcome, Refused) and outcome.http_status == 424
        return replace(
            self,
            sent=self.sent + 1,
            refused=self.refused + isinstance(outcome, Refused),
            refused_424=self.refused_424 + is_424,
            not_sent=self.not_sent + isinstance(outcome, NotSent),
            lost=self.lost + isinstance(outcome, Lost),
            waited_s=self.waited_s + waited_s,
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """What sentences about a failure may name: the model asked for, the variable that holds the
    key (None where there is none), who was asked, the labels of the MCP servers that the request
    named. `models` says what a model is called by there, None where it is by OpenAI's names."""

    model: str | None = None
    key_name: str | None = "OPENAI_API_KEY"
    host: str = "the API"
    mcp_servers: tuple[str, ...] = ()
    models: str | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """Ask again after `wait_s` seconds; `why` completes "waiting 3 s: …"."""

    wait_s: float
    why: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No further attempt makes sense. With `stops_run` no other step can succeed either: nothing
    more is sent and the run ends with exit status 4. `code` is the API's own for a request that it
    refused for good (Responses API: `error.code`), or what stands for one that it does not give."""

    reason: Reason
    message: str
    help: str
    stops_run: bool = False
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """The outcome is unknown and stays so until a person decides."""

    message: str
    help: str


@dataclass(frozen=True, slots=True)
class Later:
    """The answer is still to come, in the background, and nobody waits for it here."""

    message: str
    help: str


@dataclass(frozen=True, slots=True)
class Accept:
    """The answer stands; `items.read_answer` says what it is worth."""


Decision: TypeAlias = Retry | GiveUp | Hold | Accept
