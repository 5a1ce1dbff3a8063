"""`python -m flowrunner` is the `flowrunner` command."""

from flowrunner.cli import main

main()
