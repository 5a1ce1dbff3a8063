"""What a step continues: a prompt step above it in its own list, with one history at a time.

That both may run at all is left to `reach`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flowrunner.diagnostics import Finding, Route, did_you_mean
from flowrunner.language.checks.order import Places
from flowrunner.language.request import Continue, Prompt
from flowrunner.language.shapes import alternatives
from flowrunner.language.workflow.lifting import Place

_OTHERS = ("conversation", "previous_response_id")


def check_continues(places: Places) -> Iterator[Finding]:
    """What is wrong with `continue`."""
    for place in places.all:
        verb = place.step.verb
        if isinstance(verb, Prompt) and verb.continues is not None:
            route = (*place.step.route, "continue")
            yield from _check_others(verb, route)
            written = places.workflow.written(place.step).get("continue")
            route = (*route, "step") if isinstance(written, Mapping) else route
            yield from _check_parent(places, place, verb.continues, route)


def _check_others(prompt: Prompt, route: Route) -> Iterator[Finding]:
    """Two histories of one step exclude each other, also where `defaults` bring the second."""
    for key in _OTHERS:
        form = prompt.parameters.get(key)
        if form is not None:
            yield Finding(
                "conflict",
                f"`continue` and `{key}` cannot stand together: each brings its own history",
                route,
                f"keep one of them; `{key}: null` takes back what `defaults` say",
                aim="key",
            )


def _check_parent(
    places: Places, place: Place, continues: Continue, route: Route
) -> Iterator[Finding]:
    name = continues.step
    target = places.of.get(name)
    if target is None:
        if name not in places.workflow.hidden:
            yield _unknown(places, place, name, route)
        return
    wrong = _wrong_place(places, place, target) or _wrong_step(target)
    if wrong is not None:
        code, why, fix = wrong
        message = f"`{place.step.id}` cannot continue {why}"
        yield Finding(code, message, route, fix)


def _wrong_place(places: Places, place: Place, target: Place) -> tuple[str, str, str] | None:
    name = target.step.id
    if target is place:
        return "order", "itself", "name a prompt step above it"
    if _list_of(place) != _list_of(target):
        fix = (
            f'`previous_response_id: "{{{{ steps.{name}.response_id }}}}"` goes on from a stored '
            "response of any step that may be mentioned"
        )
        return "continue", f"`{name}`, which stands in another list of steps", fix
    if target.position > place.position:
        line = places.line(target.step)
        fix = f"move `{name}` up, above `{place.step.id}`"
        return "order", f"`{name}`, which stands below it on line {line}", fix
    return None


def _wrong_step(target: Place) -> tuple[str, str, str] | None:
    step = target.step
    if step.for_each is not None:
        why = f"`{step.id}`, which runs once per entry of its `for_each`"
        return "continue", why, "put both into a group: `steps:` with the `for_each` around them"
    if not isinstance(step.verb, Prompt):
        why = f"`{step.id}`, which asks no model: it is a `{step.verb_name}` step"
        return "continue", why, "name a prompt step"
    if step.verb.parameters.get("conversation") is not None:
        why = f"`{step.id}`, whose history is a conversation"
        return "continue", why, "write the same `conversation` instead of `continue`"
    return None


def _unknown(places: Places, place: Place, name: str, route: Route) -> Finding:
    fitting = [
        other.step.id
        for other in places.all
        if other.step.id
        and _wrong_place(places, place, other) is None
        and _wrong_step(other) is None
    ]
    near = did_you_mean(name, fitting)
    meant = f": did you mean `{near}`?" if near else ""
    fix = f"`continue` may name {alternatives(fitting)} here"
    if not fitting:
        fix = "no prompt step stands above it in this list"
    message = f"there is no step `{name}`{meant}"
    return Finding("unknown-step", message, route, None if near else fix)


def _list_of(place: Place) -> list[tuple[int, str | None]]:
    """The list that a step stands in, by the steps and cases around it."""
    return [(id(outer), case) for outer, case in place.around]
