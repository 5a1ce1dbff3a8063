"""One step of a workflow tried alone, with what an earlier run gave to it.

A try is a run of one unit in a folder of its own (`.flowrunner/tries/`): journaled, priced and
bounded like any other, but no run is resumed from it and none reuses it. Which unit is meant is
found in `unit`, with which run in `source`, what it came to is told in `telling`.
"""

from flowrunner.commands.trying.command import Wish as Wish
from flowrunner.commands.trying.command import try_step as try_step
