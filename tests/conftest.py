"""What tests of several rooms share: a project with programs that run in it, a local server."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from flowrunner.simulator import Simulator
from tests.cli_world import Nursery, Project, simulating


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    if sys.platform == "win32":
        pytest.skip("programs are forked")
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture
def project(tmp_path: Path, nursery: Nursery) -> Project:
    """An empty project; the mark keeps what stands above the temporary folder out of it."""
    folder = tmp_path / "project"
    (folder / ".git").mkdir(parents=True)
    return Project(folder, nursery)


@pytest.fixture
def simulate() -> Iterator[Callable[..., Simulator]]:
    """Starts servers, with faults and scripted replies to order, and ends them after the test."""
    with ExitStack() as servers:

        def start(faults: list[dict[str, Any]] | None = None, **more: Any) -> Simulator:
            return servers.enter_context(simulating(faults, **more))

        yield start


@pytest.fixture
def simulator(simulate: Callable[..., Simulator]) -> Simulator:
    """A server that answers everything."""
    return simulate()
