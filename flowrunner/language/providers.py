"""What checks may know of the providers that the requests of a workflow go to.

Where they stand and whose key goes with them is left to `project`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from flowrunner.diagnostics import did_you_mean
from flowrunner.language.shapes import alternatives


@dataclass(frozen=True, slots=True)
class Providers:
    """The providers that are declared, and which of them a step goes to.

    `default` is that of a step for which no file names one, `forced` the one that every step goes
    to, whatever the files say. `names` are those that exist.
    """

    names: frozenset[str] = field(default_factory=frozenset)
    default: str = ""
    forced: str | None = None

    def name_for(self, named: str | None) -> str:
        """Where a step goes for which the files name this provider, or none."""
        return self.forced or named or self.default


def unknown_provider(name: str, known: Iterable[str]) -> str:
    """The sentence about a provider that nobody declared."""
    names = sorted(known)
    near = did_you_mean(name, names)
    hint = f"did you mean `{near}`?" if near else f"there is {alternatives(names, 'and')}"
    return f"there is no provider `{name}`: {hint}"
