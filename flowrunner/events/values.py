"""What all events are made of: JSON, statuses, tokens, errors of the API, and the event itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

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
