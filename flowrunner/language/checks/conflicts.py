"""Keys that cannot stand together, and fields under `request:` that have a key of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowrunner.catalog import parameters
from flowrunner.diagnostics import Finding, Route, did_you_mean
from flowrunner.language.request import Prompt
from flowrunner.language.workflow import Step, Workflow
from flowrunner.language.workflow.reader import mapping


def check_conflicts(workflow: Workflow) -> Iterator[Finding]:
    """Pairs of keys of one step that exclude each other."""
    defaults = mapping(mapping(workflow.document.value).get("defaults"))
    yield from _deliveries(defaults, ("defaults",))
    for step in workflow.all_steps():
        fields = workflow.written(step)
        yield from _pairs(fields, step.route)
        yield from _histories(step, fields)
        yield from _deliveries(fields, step.route)
        if mapping(fields.get("stream_options")) and not _is_streamed(step):
            yield _conflict(
                "`stream_options` says how a stream is sent, but the step does not stream",
                (*step.route, "stream_options"),
                "write `delivery: stream` too, or take it out",
            )


def _histories(step: Step, fields: Mapping[str, Any]) -> Iterator[Finding]:
    """A response that is named and a conversation, also where `defaults` bring one of them."""
    if not isinstance(step.verb, Prompt) or step.verb.continues is not None:
        return
    given = step.verb.parameters
    if given.get("conversation") is None or given.get("previous_response_id") is None:
        return
    key = "previous_response_id" if "previous_response_id" in fields else "conversation"
    own = {"conversation", "previous_response_id"} <= fields.keys()
    other = "conversation" if key == "previous_response_id" else "previous_response_id"
    yield _conflict(
        "`conversation` and `previous_response_id` cannot stand together: each brings its own "
        "history",
        (*step.route, key),
        "keep one of them" if own else f"`{other}: null` here takes back what `defaults` say",
    )


def _pairs(fields: Mapping[str, Any], route: Route) -> Iterator[Finding]:
    if "output" in fields and "schema" in fields:
        yield _conflict(
            "`output` and `schema` both say what the answer looks like",
            (*route, "schema"),
            "keep one of them",
        )
    shaped = next((key for key in ("output", "schema") if key in fields), None)
    if shaped and "format" in mapping(fields.get("text")):
        yield _conflict(
            f"`text.format` and `{shaped}` both say what the answer looks like",
            (*route, "text", "format"),
            f"take `format` out: `{shaped}` writes it",
        )


def _deliveries(fields: Mapping[str, Any], route: Route) -> Iterator[Finding]:
    """`delivery` beside the API's own word for the same thing."""
    delivery = fields.get("delivery")
    for key in ("stream", "background"):
        said = fields.get(key)
        if isinstance(delivery, str) and isinstance(said, bool) and said != (delivery == key):
            yield _conflict(
                f"`delivery: {delivery}` and `{key}: {str(said).lower()}` do not agree",
                (*route, key),
                f"take `{key}` out: `delivery` says it all",
            )


def _is_streamed(step: Step) -> bool:
    return isinstance(step.verb, Prompt) and step.verb.parameters.get("stream") is True


def _conflict(message: str, route: Route, help: str) -> Finding:  # noqa: A002
    return Finding("conflict", message, route, help, aim="key")


def refusals_without_conflict(workflow: Workflow, conflicts: list[Finding]) -> Iterator[Finding]:
    """What this version does not run, but for keys that are at odds with another key already."""
    quarrels = {finding.route[:2] for finding in conflicts if finding.route[-1] in _PARTNERS}
    for refusal in workflow.refusals:
        if refusal.route[:2] not in quarrels or refusal.route[-1] not in _PARTNERS.values():
            yield refusal


_PARTNERS = {
    "previous_response_id": "conversation",
    "stream": "delivery",
    "background": "delivery",
}


def check_request(workflow: Workflow) -> Iterator[Finding]:
    """`request:` is for fields that this version does not know."""
    for step in workflow.all_steps():
        fields = workflow.written(step)
        for key in mapping(fields.get("request")):
            yield _request_field(str(key), (*step.route, "request", key))


def _request_field(key: str, route: Route) -> Finding:
    if key in parameters():
        return Finding(
            "known-parameter",
            f"`{key}` has a key of its own, so it does not belong under `request`",
            route,
            f"write `{key}:` in the step itself",
            aim="key",
        )
    near = did_you_mean(key, parameters())
    meant = f": did you mean `{near}`?" if near else ""
    return Finding(
        "unknown-parameter",
        f"`{key}` is not a field of the API that flowrunner knows{meant}",
        route,
        f"write `{near}:` in the step itself" if near else "it is sent as it stands",
        severity="warning",
        aim="key",
    )
