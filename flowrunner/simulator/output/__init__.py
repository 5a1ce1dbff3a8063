"""What the simulated model puts out: reasoning, calls of tools, and the message at the end.

Which tools it uses is decided in `plan`; the Response around it is left to `answers`.
"""

from __future__ import annotations

from flowrunner.simulator.output.making import Made, make_output
from flowrunner.simulator.output.messages import message_item
from flowrunner.simulator.output.using import tool_usage, web_searches

__all__ = ["Made", "make_output", "message_item", "tool_usage", "web_searches"]
