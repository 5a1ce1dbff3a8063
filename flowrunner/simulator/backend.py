"""What stands behind every endpoint of one simulator: how it behaves, and all it remembers.

What an endpoint does with it is left to `endpoints`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from flowrunner.simulator.answers import Replies, Scripts
from flowrunner.simulator.background import Pace
from flowrunner.simulator.faults import FaultPlan
from flowrunner.simulator.state.context import Memory
from flowrunner.simulator.state.conversations import Conversations
from flowrunner.simulator.state.files import Containers, Files
from flowrunner.simulator.state.histories import Histories
from flowrunner.simulator.store import Store
from flowrunner.simulator.validation import BodyValidator


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How a simulator behaves. `clock` gives Unix time in seconds.

    `event_delay_s` passes between the events of a stream; `pace` is that of the background. Where
    `requests_a_minute` is given, more of them are refused.
    """

    faults: FaultPlan | None = None
    seed: int = 0
    replies: Replies | None = None
    scripts: Scripts | None = None
    latency_s: float = 0.0
    event_delay_s: float = 0.0
    pace: Pace = field(default_factory=Pace)
    requests_a_minute: int | None = None
    clock: Callable[[], float] = time.time


@dataclass(slots=True)
class Backend:
    """The state that endpoints share; each kind of stored thing has a field of its own."""

    behaviour: Behaviour
    validator: BodyValidator = field(default_factory=BodyValidator)
    store: Store = field(default_factory=Store)
    histories: Histories = field(default_factory=Histories)
    conversations: Conversations = field(default_factory=Conversations)
    files: Files = field(init=False)
    containers: Containers = field(init=False)

    def __post_init__(self) -> None:
        self.files = Files(self.behaviour.clock)
        self.containers = Containers(self.behaviour.clock)

    @property
    def memory(self) -> Memory:
        """Where what was said before is looked up."""
        return Memory(self.histories, self.conversations)
