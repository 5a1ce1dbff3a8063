"""`conversation`: an id or a name, and names that last told apart where many items have one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowrunner.diagnostics import Finding, Route
from flowrunner.language.checks.order import Places
from flowrunner.language.forms import has_template
from flowrunner.language.request import Prompt
from flowrunner.language.workflow.lifting import Place
from flowrunner.language.workflow.reader import mapping
from flowrunner.language.workflow.talks import talk_of


def check_conversations(places: Places) -> Iterator[Finding]:
    """What is wrong with `conversation` in steps and in `defaults`."""
    defaults = mapping(places.workflow.document.value).get("defaults")
    yield from _check_keys(mapping(defaults), ("defaults",))
    for place in places.all:
        if isinstance(place.step.verb, Prompt):
            fields = places.workflow.written(place.step)
            yield from _check_keys(fields, place.step.route)
            yield from _check_kept(places, place, place.step.verb)


def _check_keys(fields: Mapping[str, Any], route: Route) -> Iterator[Finding]:
    written = fields.get("conversation")
    if not isinstance(written, Mapping):
        return
    here = (*route, "conversation")
    if "id" in written and "name" in written:
        message = "a conversation has an `id` that the API gave it or a `name` of yours, not both"
        yield Finding("conversation", message, (*here, "name"), "keep one of them", aim="key")
    elif "id" not in written and "name" not in written:
        message = "a conversation needs an `id` or a `name`"
        yield Finding("conversation", message, here, "write `{ name: thread }`", aim="key")
    elif "keep" in written and "name" not in written:
        message = "`keep` belongs to `name`: a conversation with an `id` lasts anyway"
        yield Finding("conversation", message, (*here, "keep"), "take `keep` out", aim="key")


def _check_kept(places: Places, place: Place, prompt: Prompt) -> Iterator[Finding]:
    """Positions of items differ from run to run, so a kept name must itself say which one."""
    talk = talk_of(prompt)
    loops = [each.step for each in place.chain() if each.step.for_each is not None]
    if talk is None or not talk.kept or not loops or has_template(talk.text):
        return
    each = loops[-1].for_each
    name = each.as_name if each is not None else "item"
    own = "conversation" in places.workflow.written(place.step)
    route = (
        (*place.step.route, "conversation", "name") if own else ("defaults", "conversation", "name")
    )
    yield Finding(
        "conversation",
        f"all entries of `{loops[-1].id}` would speak in the one kept conversation `{talk.text}`",
        route,
        f'let the name say which entry it is for, such as `name: "{talk.text} {{{{ {name} }}}}"`',
    )
