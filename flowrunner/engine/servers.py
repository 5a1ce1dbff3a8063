"""The servers that one run may send to, and which of them a step's requests go to.

Reading them out of the settings of the operator is left to `commands`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from flowrunner.catalog import Supports
from flowrunner.events import JSON
from flowrunner.language.providers import does
from flowrunner.language.request import Prompt
from flowrunner.language.workflow import CallWorkflow, Workflow
from flowrunner.responses.retry import Asked

SIMULATOR = "simulator"


@dataclass(frozen=True, slots=True)
class Server:
    """One provider as a run knows it. `provider` is its name, `key_name` the variable that holds
    its key, None where it has none; `prices` are what the operator pays there, by model, `supports`
    what it knows of the API. `models` says what a model is called by there, None where it is by the
    names of the catalogue. `is_elsewhere` says that it is not the run's own."""

    provider: str
    base_url: str
    key_name: str | None
    prices: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    supports: Supports = field(default_factory=dict)
    models: str | None = None
    is_elsewhere: bool = False
    is_simulated: bool = False

    @property
    def who(self) -> str:
        """Who answers, for telling whether the same was asked before."""
        return self.provider if self.is_simulated else self.base_url

    def is_of(self, provider: str | None) -> bool:
        """Whether a call went here that names this provider, or none where it went to the run's."""
        return provider == self.provider if self.is_elsewhere else provider is None

    @property
    def asked(self) -> Asked:
        """What sentences about its failures may name."""
        host = f"the provider `{self.provider}`" if self.is_elsewhere else "the API"
        return Asked(key_name=self.key_name, host=host, models=self.models)

    def does(self, key: str, value: str | None = None) -> bool:
        """Whether it knows a field of the API, or one value of a field that holds a list."""
        return does(self.supports, key, value)

    def fitted(self, body: Mapping[str, JSON]) -> dict[str, JSON]:
        """A request without what it does not know. What an author asks for in vain was refused
        before; so nothing is lost but what changes nothing and what the engine adds of its own."""
        fitted = {key: value for key, value in body.items() if key == "tools" or self.does(key)}
        if isinstance(fitted.get("include"), list):
            wanted = [key for key in fitted["include"] if self.does("include", key)]
            fitted = {**fitted, "include": wanted}
        return {key: value for key, value in fitted.items() if key != "include" or value}

    @classmethod
    def thaw(cls, frozen: Mapping[str, Any]) -> Server:
        """A server out of a journal; what else stands there is passed over."""
        names = [part.name for part in fields(cls)]
        return cls(**{name: frozen[name] for name in names if name in frozen})


def providers_named(
    workflow: Workflow, default: str, capped_to: str | None = None
) -> Iterator[str]:
    """For each prompt step of a file and of those that it calls the provider that the files name,
    else `default`. A file that another one calls is held to the provider that the caller's
    `defaults` name."""
    for step in workflow.all_steps():
        if isinstance(step.verb, Prompt):
            yield capped_to or step.verb.provider or default
        elif isinstance(step.verb, CallWorkflow):
            called, cap = step.verb.workflow, capped_to or workflow.provider
            yield from providers_named(called, default, cap)
