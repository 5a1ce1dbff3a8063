"""The command line: reads options, calls one function below, chooses the exit status.

What a command does is left to `commands`. This is the only room with imports inside functions, so
that `--version` and `--help` do not wait for what they do not need.
"""

from __future__ import annotations

import sys
from typing import NoReturn

from flowrunner import __version__


def main() -> NoReturn:
    """Run the command of `sys.argv` and leave with its exit status."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        sys.stdout.write(f"flowrunner {__version__}\n")
        sys.exit(0)
    from flowrunner.cli.entry import enter

    sys.exit(enter(sys.argv[1:]))
