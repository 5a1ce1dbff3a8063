"""Faults to order: which calls go wrong, and how.

`effects` says what a fault is, `reading` reads a plan, `plan` picks from it; what comes of a picked
fault on the wire is left to `api` and `connection`.
"""

from __future__ import annotations

from flowrunner.simulator.faults.effects import Effect, Endpoint, Match, Rule
from flowrunner.simulator.faults.errors import error_of
from flowrunner.simulator.faults.plan import FaultPlan, Incoming, Striking

__all__ = [
    "Effect",
    "Endpoint",
    "FaultPlan",
    "Incoming",
    "Match",
    "Rule",
    "Striking",
    "error_of",
]
