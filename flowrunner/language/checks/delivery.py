"""A response in the background said with what cannot go with it.

A step is taken with the `defaults` of its file below it; what the project says is looked at when a
run is planned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flowrunner.diagnostics import Finding, Route
from flowrunner.events import JSON
from flowrunner.language.request import Prompt
from flowrunner.language.workflow import Workflow
from flowrunner.language.workflow.reader import mapping

_STANDARD = (None, "auto", "default")
_DISCOUNTED = ("2h", "8h")


@dataclass(frozen=True, slots=True)
class _Written:
    """The keys of a step and those of `defaults` below them, each with its place in the file."""

    own: Mapping[str, Any]
    route: Route
    below: Mapping[str, Any]

    def value(self, key: str) -> JSON:
        """What counts, the step's own before the defaults'."""
        return self.own[key] if key in self.own else self.below.get(key)

    def place(self, key: str) -> Route:
        return (*self.route, key) if key in self.own else ("defaults", key)

    @property
    def asking(self) -> str | None:
        """The key that asks for a response in the background, None where nothing does."""
        for keys in (self.own, self.below):
            if "background" in keys:
                return "background" if keys["background"] is True else None
            if "delivery" in keys:
                return "delivery" if keys["delivery"] == "background" else None
        return None


def check_delivery(workflow: Workflow) -> Iterator[Finding]:
    """Keys that are at odds with a response in the background."""
    below = mapping(mapping(workflow.document.value).get("defaults"))
    told: set[Route] = set()
    for step in workflow.all_steps():
        if not isinstance(step.verb, Prompt):
            continue
        written = _Written(workflow.written(step), step.route, below)
        for finding in _background(written):
            if finding.route not in told:
                told.add(finding.route)
                yield finding


def _background(written: _Written) -> Iterator[Finding]:
    asking = written.asking
    if asking is None:
        if "background_options" in written.own:
            yield _conflict(
                "`background_options` needs a response in the background",
                written.place("background_options"),
                "write `delivery: background` in the step, or take it out",
            )
        return
    way = f"`{asking}: {'true' if asking == 'background' else 'background'}`"
    if written.value("store") is False:
        yield _conflict(
            f"{way} needs a stored response, but `store` is `false`",
            _guilty(written, asking, "store"),
            "take `store: false` out",
        )
    window = mapping(written.value("background_options")).get("completion_window")
    if window in _DISCOUNTED and written.value("service_tier") not in _STANDARD:
        yield _conflict(
            f"`completion_window: {window}` is for the standard tier, but `service_tier` is "
            f"`{written.value('service_tier')}`",
            _guilty(written, "background_options", "service_tier"),
            "take `service_tier` out, or do without the window",
        )
    if window in _DISCOUNTED and _is_streamed(written):
        yield _conflict(
            f"`completion_window: {window}` is for answers that are not streamed",
            _guilty(written, "background_options", "stream"),
            "take `stream` out, or do without the window",
        )


def _is_streamed(written: _Written) -> bool:
    return written.value("stream") is True


def _guilty(written: _Written, key: str, other: str) -> Route:
    """The place of the other key, or of the first where only that one stands in the step."""
    only_first = key in written.own and other not in written.own
    return written.place(key if only_first else other)


def _conflict(message: str, route: Route, help: str) -> Finding:  # noqa: A002
    return Finding("conflict", message, route, help, aim="key")
