"""Keys of services that were written into the file itself, where everybody can read them.

They are recognised by their form alone and never repeated; what a reader may do with a name in
their place is left to `tools`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowrunner.diagnostics import Finding, Route
from flowrunner.language.workflow import Workflow
from flowrunner.secrets import keys_in

_FIX = (
    "revoke it if the file was shared; put the new one into `.env`, and where a tool needs it "
    "write `{ env: NAME }`"
)


def check_literal_keys(workflow: Workflow) -> Iterator[Finding]:
    """A warning for each text that holds what looks like a key."""
    for route, text in _texts(workflow.document.value, ()):
        for start, length in keys_in(text):
            yield Finding(
                "literal-key",
                "this looks like the key of a service, and everybody who has the file has it",
                route,
                _FIX,
                severity="warning",
                start=start,
                length=length,
            )


def _texts(value: Any, route: Route) -> Iterator[tuple[Route, str]]:
    if isinstance(value, str):
        yield route, value
    elif isinstance(value, Mapping):
        for key, below in value.items():
            yield from _texts(below, (*route, key))
    elif isinstance(value, list):
        for position, below in enumerate(value):
            yield from _texts(below, (*route, position))
