"""What checks may know of the providers that the requests of a workflow go to.

Where they stand and whose key goes with them is left to `project`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flowrunner.catalog import Supports, provider_kind, providers_date
from flowrunner.diagnostics import did_you_mean
from flowrunner.events import JSON
from flowrunner.language.shapes import alternatives


@dataclass(frozen=True, slots=True)
class Abilities:
    """What one provider can do. `kind` is the kind of server that it is said to be, `said` what the
    operator says that it knows. `priced` are the models whose prices the operator names there."""

    kind: str | None = None
    said: Supports = field(default_factory=dict)
    priced: frozenset[str] = frozenset()

    @property
    def supports(self) -> Supports:
        """Everything that is known of it; what the operator says counts first."""
        if self.kind is None:
            return self.said
        return {**provider_kind(self.kind).supports, **self.said}

    @property
    def has_catalogue_models(self) -> bool:
        """Whether its models are those of the catalogue."""
        return self.kind is not None and provider_kind(self.kind).models is None

    def why_not(self, key: str) -> str:
        """Where it is said that it lacks something."""
        if key in self.said or self.kind is None:
            return "`supports` in `flowrunner.yaml` says so"
        return f"so it is with {provider_kind(self.kind).title} as of {providers_date()}"


@dataclass(frozen=True, slots=True)
class Providers:
    """The providers that are declared, and which of them a step goes to.

    `default` is that of a step for which no file names one, `forced` the one that every step goes
    to, whatever the files say. `below` are the API parameters of the whole project.
    """

    known: Mapping[str, Abilities]
    default: str
    forced: str | None = None
    below: Mapping[str, JSON] = field(default_factory=dict)

    def name_for(self, named: str | None) -> str:
        """Where a step goes for which the files name this provider, or none."""
        return self.forced or named or self.default

    def abilities(self, named: str | None) -> Abilities:
        """What is known of where such a step goes; of a provider that nobody declared, nothing."""
        return self.known.get(self.name_for(named), Abilities())


def does(supports: Supports, key: str, value: str | None = None) -> bool:
    """Whether a server knows a field of the API, or one value of a field that holds a list."""
    known = supports.get(key, True)
    if isinstance(known, bool):
        return known
    return bool(known) if value is None else value in known


def unknown_provider(name: str, known: Iterable[str]) -> str:
    """The sentence about a provider that nobody declared."""
    names = sorted(known)
    near = did_you_mean(name, names)
    hint = f"did you mean `{near}`?" if near else f"there is {alternatives(names, 'and')}"
    return f"there is no provider `{name}`: {hint}"
