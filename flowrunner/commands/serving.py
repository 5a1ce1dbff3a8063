"""The simulator as a server of its own, until somebody ends it."""

from __future__ import annotations

import threading
from pathlib import Path

from flowrunner.commands.viewing import Viewer
from flowrunner.errors import ExitStatus
from flowrunner.platform import on_end_signals
from flowrunner.simulator import FaultPlan, Simulator


def serve(
    port: int, faults: Path | None, requests_a_minute: int | None, viewer: Viewer
) -> ExitStatus:
    """Serve on a port of this machine, 0 for any free one. Raises EnvironmentFault, UsageError."""
    plan = FaultPlan.read(faults) if faults else None
    stop = threading.Event()
    restore = on_end_signals(lambda _: stop.set())
    simulator = Simulator(port=port, faults=plan, requests_a_minute=requests_a_minute)
    try:
        simulator.start()
        viewer.result(simulator.base_url)
        viewer.progress(
            f"simulating the Responses API on this machine; use it with:\n"
            f"  export OPENAI_BASE_URL={simulator.base_url} OPENAI_API_KEY=simulated\n"
            "Ctrl-C ends it"
        )
        stop.wait()
    finally:
        simulator.stop()
        restore()
    return ExitStatus.DONE
