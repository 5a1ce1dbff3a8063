"""What a step can see before the run: values that are known, sizes of those that are not.

Decisions are taken on known values only; what depends on anything else stays undecided.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flowrunner.engine.forecast.costs import Will
from flowrunner.engine.place import run_names
from flowrunner.events import JSON
from flowrunner.language.forms import Leaf
from flowrunner.language.templates import Expression, Mention, TemplateFault

_RUN = "20260131-235959-abcd"
_LOOP = re.compile(r"\{%[-+]?\s*for\b")


@dataclass(frozen=True, slots=True)
class Said:
    """All that was said up to an answer: tokens at most, None where nobody knows, and the bytes
    that it probably has."""

    most_tokens: int | None
    likely_bytes: int


@dataclass(slots=True)
class Sight:
    """Two scopes for the same templates: every unknown text as long as it may become in `worst`,
    as long as it will probably be in `likely`.

    `unknown` are the roots of paths that stand for what is unknown (`("steps", "reply")`), `names`
    variables that do. `sizes` are the most bytes of what steps offer, `fate` what becomes of them,
    `said` what those go on from that continue them.
    """

    worst: dict[str, Any]
    likely: dict[str, Any]
    unknown: set[tuple[str | int, ...]] = field(default_factory=set)
    names: frozenset[str] = frozenset()
    sizes: dict[str, int] = field(default_factory=dict)
    fate: dict[str, Will] = field(default_factory=dict)
    said: dict[str, Said] = field(default_factory=dict)

    @classmethod
    def of(cls, worst: Mapping[str, JSON], likely: Mapping[str, JSON], now: float) -> Sight:
        """The sight of the first step of a workflow with these inputs."""
        scopes = [run_names(inputs, _RUN, now) | {"steps": {}} for inputs in (worst, likely)]
        return cls(scopes[0], scopes[1])

    def with_names(self, names: Iterable[str], **values: tuple[Any, Any]) -> Sight:
        """The same with further variables, each as it is in the worst case and probably; those in
        `names` stand for what is unknown."""
        return replace(
            self,
            worst=self.worst | {name: pair[0] for name, pair in values.items()},
            likely=self.likely | {name: pair[1] for name, pair in values.items()},
            names=(self.names - values.keys()) | frozenset(names),
        )

    def keep(self, step: str, worst: Any, likely: Any, *, size: int | None, known: bool) -> None:
        """What a step offers to those below it. `size` is None where nobody knows."""
        self.worst["steps"][step] = worst
        self.likely["steps"][step] = likely
        self.sizes[step] = size or 0
        (self.unknown.discard if known else self.unknown.add)(("steps", step))

    def is_known(self, leaf: Leaf | Expression) -> bool:
        """Whether a template reads nothing but what is known before the run."""
        text = leaf.source if isinstance(leaf, Leaf) else leaf.source.text
        if any(mention.path[:2] in self.unknown for mention in _mentions(leaf)):
            return False
        return not any(re.search(rf"\b{re.escape(name)}\b", text) for name in self.names)

    def decide(self, condition: Expression | bool | None) -> bool | None:
        """Whether a condition holds; None where that is not known before the run."""
        if condition is None or isinstance(condition, bool):
            return condition is not False
        if not self.is_known(condition):
            return None
        try:
            return bool(condition.evaluate(self.worst))
        except TemplateFault:
            return None

    def unseen_bytes(self, leaves: Iterable[Leaf]) -> int:
        """The most bytes that the texts of these templates may have beyond what they have in the
        worst scope: of values that they may take instead of others, of branches not taken.

        Raises TemplateFault where a loop runs over a list of unknown length.
        """
        more = 0
        for leaf in leaves:
            if _LOOP.search(leaf.source) and not self.is_known(leaf):
                self._check_loop(leaf)
            if "{%" in leaf.source:
                more += len(leaf.source.encode())
            guarded = (mention.path for mention in _mentions(leaf) if mention.guarded)
            more += sum(self.sizes.get(str(path[1]), 0) for path in guarded if path[0] != "inputs")
        return more

    def _check_loop(self, leaf: Leaf) -> None:
        """A loop over the results of known items is seen whole; over an answer's list it is not."""
        paths = [mention.path for mention in _mentions(leaf) if mention.path[:2] in self.unknown]
        if any(path[2:3] not in (("results",), ("texts",)) for path in paths) or not paths:
            message = "how often a loop in its text repeats is not known beforehand"
            raise TemplateFault("unknown-size", message, None, 0, 1)


def _mentions(leaf: Leaf | Expression) -> tuple[Mention, ...]:
    return leaf.parsed.mentions if isinstance(leaf, Leaf) else leaf.mentions
