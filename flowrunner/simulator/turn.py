"""One request on its way to an answer: what all parts of the answer look at.

What is made of it is left to `answers` and `output`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from flowrunner.simulator.dice import Dice, dice_for
from flowrunner.simulator.state.context import Context
from flowrunner.simulator.state.items import Item
from flowrunner.simulator.state.pairs import since_compaction
from flowrunner.simulator.subject import Subject

# A stored prompt brings its own model, which nobody outside the dashboard knows.
_MODEL_OF_PROMPTS = "gpt-5.4"
# What does not change what a model is asked does not change its answer either.
_NOT_ASKED = frozenset(
    {"stream", "stream_options", "background", "background_options", "store", "include"}
    | {"metadata", "safety_identifier", "user", "service_tier", "previous_response_id"}
    | {"prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "conversation"}
    | {"context_management", "moderation"}
)


@dataclass(frozen=True)
class Turn:
    """One request on its way to an answer. `names` is unique to the call and makes its ids."""

    body: dict[str, Any]
    names: Dice
    seed: int
    at: float
    context: Context = field(default_factory=Context)

    @property
    def model(self) -> str:
        return self.body.get("model") or _MODEL_OF_PROMPTS

    @property
    def include(self) -> tuple[str, ...]:
        return tuple(self.body.get("include") or ())

    @cached_property
    def asked(self) -> Dice:
        """Choices that are the same whenever the same is asked."""
        asked = {name: value for name, value in self.body.items() if name not in _NOT_ASKED}
        return dice_for(self.seed, json.dumps(asked, sort_keys=True))

    @cached_property
    def subject(self) -> Subject:
        """What the answer speaks of."""
        items = list(self.context.items)
        return Subject.of({**self.body, "input": items} if items else self.body)

    @cached_property
    def since_user(self) -> tuple[Item, ...]:
        """What was said since the user spoke last: the calls of this turn and their outputs."""
        items = since_compaction(self.context.items)
        for place in range(len(items) - 1, -1, -1):
            if items[place]["type"] == "message" and items[place].get("role") == "user":
                return tuple(items[place + 1 :])
        return tuple(items)
