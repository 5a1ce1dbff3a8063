"""One setting: its value, and where it was said. What it means is left to `settings`."""

from __future__ import annotations

from dataclasses import dataclass, field

COMMAND_LINE = "command line"
ENVIRONMENT = "environment"
DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Setting:
    """One value and where it was said: `command line`, `environment`, the path of a `.env`, path
    and line of a `flowrunner.yaml`, or `default`."""

    name: str
    value: str = field(repr=False)
    source: str
