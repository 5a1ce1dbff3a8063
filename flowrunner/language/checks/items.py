"""`input`: typed items of the API as far as nobody doubts them: roles, places, what links them.

What stands inside an item is left to the API, whose own description of it has mistakes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowrunner.catalog import table
from flowrunner.diagnostics import Finding, Route, did_you_mean
from flowrunner.language.forms import has_template
from flowrunner.language.request import Prompt
from flowrunner.language.shapes import alternatives, quoted
from flowrunner.language.workflow import Workflow
from flowrunner.language.workflow.prompts import ROLES

_PARTS = ("input_text", "input_image", "input_file")
_LAST = "compaction_trigger"


def check_items(workflow: Workflow) -> Iterator[Finding]:
    """What is wrong with the entries of `input` in all prompt steps."""
    for step in workflow.all_steps():
        if isinstance(step.verb, Prompt):
            listed = workflow.written(step).get("input")
            if isinstance(listed, list):
                yield from _check_list(listed, (*step.route, "input"))


def _check_list(listed: list[Any], route: Route) -> Iterator[Finding]:
    for at, entry in enumerate(listed):
        if not isinstance(entry, Mapping):
            continue
        here = (*route, at)
        kind, role = entry.get("type"), entry.get("role")
        if isinstance(kind, str) and not has_template(kind):
            yield from _check_type(kind, entry, here)
        if kind in (None, "message") and isinstance(role, str) and not has_template(role):
            yield from _check_role(role, (*here, "role"))
        if kind == _LAST and at < len(listed) - 1:
            message = f"`{_LAST}` must be the last entry of `input`"
            yield Finding("item", message, (*here, "type"), "move it to the end")


def _check_type(kind: str, entry: Mapping[str, Any], route: Route) -> Iterator[Finding]:
    if kind in _PARTS:
        message = f"`{kind}` is a part of a message, no entry of its own"
        fix = f"write `- {{ role: user, content: [{{ type: {kind}, … }}] }}`"
        yield Finding("item", message, (*route, "type"), fix)
    elif kind not in table("input_item_types"):
        yield _unknown(kind, (*route, "type"))
    elif (link := _links().get(kind)) is not None and entry.get(link) is None:
        message = f"an item of type `{kind}` needs `{link}`"
        yield Finding("item", message, (*route, "type"), f"add `{link}: …`")


def _links() -> dict[str, str]:
    """The field by which an item names another, for the types that must have one."""
    linked = {str(reply["reply"]): str(reply["link"]["to"]) for reply in table("replies")}
    # A search that the server itself made has no id; a local shell may be named by another field
    # (Responses API: `tool_search_output`, `local_shell_call_output`).
    for kind in ("tool_search_output", "local_shell_call_output"):
        del linked[kind]
    return linked | {"item_reference": "id"}


def _unknown(kind: str, route: Route) -> Finding:
    near = did_you_mean(kind, table("input_item_types"))
    meant = f": did you mean `{near}`?" if near else ""
    message = f"{quoted(kind)} is not a type of item that flowrunner knows{meant}"
    return Finding("unknown-item", message, route, severity="warning")


def _check_role(role: str, route: Route) -> Iterator[Finding]:
    if role in ROLES:
        return
    near = did_you_mean(role, ROLES)
    fix = f"the roles are {alternatives(ROLES, 'and')}"
    if role in ("tool", "function"):
        fix = "what a tool gave is an item: `{ type: function_call_output, call_id: …, output: … }`"
    elif near is not None:
        fix = f"write `{near}`"
    yield Finding("item", f"there is no role {quoted(role)}", route, fix)
