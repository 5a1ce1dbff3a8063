"""What prompt steps ask: something, in entries that the API knows."""

from __future__ import annotations

from collections.abc import Iterator

from flowrunner.diagnostics import Finding, Route
from flowrunner.events import JSON
from flowrunner.language.request import Prompt
from flowrunner.language.workflow import Workflow
from flowrunner.language.workflow.reader import mapping


def check_asking(workflow: Workflow) -> Iterator[Finding]:
    """Prompts and inputs that are empty as they stand."""
    for step in workflow.steps:
        if not isinstance(step.verb, Prompt):
            continue
        fields = mapping(workflow.document.value["steps"][step.route[1]])
        for key in ("prompt", "input"):
            if key in fields:
                yield from _check_empty(key, fields[key], (*step.route, key))


def _check_empty(key: str, written: JSON, route: Route) -> Iterator[Finding]:
    if written == [] or (isinstance(written, str) and not written.strip()):
        yield Finding(
            "empty-prompt",
            f"`{key}` is empty",
            route,
            "write what the model is asked",
            aim="key",
        )
    for position, entry in enumerate(written if isinstance(written, list) else []):
        for role, said in mapping(entry).items():
            if isinstance(said, str) and not said.strip() and len(entry) == 1:
                message = f"the `{role}` message is empty"
                yield Finding("empty-prompt", message, (*route, position, role), aim="key")
