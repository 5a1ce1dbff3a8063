"""What a run would do and what it may cost, step by step, before anything is sent.

Bounds of one request are left to `estimate`, the table that people see to `report`.
"""

from flowrunner.engine.forecast.costs import Cost, Row
from flowrunner.engine.forecast.terms import Terms
from flowrunner.engine.forecast.walking import Forecast, forecast

__all__ = ["Cost", "Forecast", "Row", "Terms", "forecast"]
