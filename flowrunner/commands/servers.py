"""The providers of a run out of the operator's settings: prices, addresses, endpoints with keys.

Which provider a step goes to is decided in `engine`, sending is left to `going`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from flowrunner.catalog import provider_kind
from flowrunner.engine.servers import SIMULATOR, Server, providers_named
from flowrunner.language.workflow import Workflow
from flowrunner.project.settings import Settings
from flowrunner.simulator import Simulator
from flowrunner.wire import Endpoint, Secret


def own_provider(workflow: Workflow, operator: Settings) -> str:
    """The name of the provider of a run: that of every step of the file that names none."""
    return operator.forced_provider or workflow.provider or operator.provider


def servers_of(
    workflow: Workflow, operator: Settings, own: str, *, only_own: bool
) -> dict[str, Server]:
    """The provider of a run and the others that its steps name, by their names.

    Raises UsageError for one that does not exist.
    """
    named = {own} if only_own else {*providers_named(workflow, own), own}
    return {name: _server(operator, name) for name in sorted(named)}


def _server(operator: Settings, name: str) -> Server:
    provider = operator.provider_named(name)
    kind = provider.abilities.kind
    return Server(
        provider=name,
        base_url=provider.url,
        key_name=provider.key_name,
        prices=operator.prices_at(name),
        supports=provider.abilities.supports,
        models="a name that this server knows" if kind is None else provider_kind(kind).models,
    )


@contextmanager
def open_endpoints(
    operator: Settings, names: Iterable[str], *, simulate: bool, replay: bool = False
) -> Iterator[Mapping[str, Endpoint]]:
    """Where requests go, by the name of the provider; or a simulator that lives as long as this.
    In a `replay` nobody's key is needed.

    Raises EnvironmentFault with all that is wrong with their keys and addresses.
    """
    if replay:
        yield {name: Endpoint(name, operator.provider_named(name).url) for name in names}
        return
    if simulate:
        with Simulator() as simulator:
            secret = Secret("simulated")
            yield {SIMULATOR: Endpoint(SIMULATOR, simulator.base_url, key=secret)}
        return
    names = sorted(names)
    yield dict(zip(names, operator.endpoints(names), strict=True))
