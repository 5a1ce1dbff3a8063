"""The endpoints of the API, and the one table of their routes.

Each module holds those of one kind of thing and ends in its own `ROUTES`; the way to a handler is
left to `api`.
"""

from __future__ import annotations

from flowrunner.simulator.endpoints import (
    containers,
    conversations,
    files,
    progress,
    responses,
    windows,
)
from flowrunner.simulator.routes import Route

ROUTES: tuple[Route, ...] = (
    *responses.ROUTES,
    *progress.ROUTES,
    *windows.ROUTES,
    *conversations.ROUTES,
    *files.ROUTES,
    *containers.ROUTES,
)
