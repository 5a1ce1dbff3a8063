"""Where requests go: to the provider, or to a simulator of our own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flowrunner.project.settings import Settings as Operator
from flowrunner.simulator import Simulator
from flowrunner.wire import Endpoint, Secret


@contextmanager
def reach(operator: Operator, simulate: bool) -> Iterator[Endpoint]:
    """The provider, or a simulator that lives as long as the block. Raises what `endpoint` does."""
    if not simulate:
        yield operator.endpoint()
        return
    with Simulator() as simulator:
        yield Endpoint(name="simulator", base_url=simulator.base_url, key=Secret("simulated"))
