"""A local Responses API on a real socket: deterministic, checked by the API's own schemas, with
faults to order.

It knows nothing of workflows: whoever speaks the API may be its client.
"""

from __future__ import annotations

from flowrunner.simulator.background import Pace
from flowrunner.simulator.envelope import Refusal
from flowrunner.simulator.faults import FaultPlan
from flowrunner.simulator.ledger import Call, Ledger
from flowrunner.simulator.server import Simulator

__all__ = ["Call", "FaultPlan", "Ledger", "Pace", "Refusal", "Simulator"]
