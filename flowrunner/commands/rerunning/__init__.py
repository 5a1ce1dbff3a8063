"""`run --watch`: a workflow run again whenever a file that it reads was saved.

What a run read is found in `reads`, when a save counts in `saves`; `loop` runs again and again.
"""

from flowrunner.commands.rerunning.loop import watch as watch
