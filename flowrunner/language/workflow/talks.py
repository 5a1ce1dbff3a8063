"""Which conversations a step speaks in, as far as the file tells: for the order of steps.

Two texts that a template makes equal only when it is filled in are kept apart by the engine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flowrunner.language.forms import Form, Leaf, text_of
from flowrunner.language.request import Prompt
from flowrunner.language.workflow.parts import CallWorkflow, Step


@dataclass(frozen=True, slots=True)
class Talk:
    """One conversation as a file names it: by an `id`, or by a `name` of its own, which each item
    of a `for_each` has for itself unless it is `kept` over runs."""

    text: str
    by: str
    kept: bool = False

    @property
    def is_shared(self) -> bool:
        """Whether all items mean the same, unless its text says which one."""
        return self.by == "id" or self.kept


def talks_of(step: Step) -> frozenset[Talk]:
    """The conversations that a step and the steps inside it speak in, as seen from beside it."""
    found = _inside(step)
    if step.for_each is not None:
        return frozenset(talk for talk in found if talk.is_shared)
    return found


def shares_talk(step: Step) -> bool:
    """Whether the items of a step speak in one conversation, and so one after the other."""
    if step.for_each is None:
        return False
    own = [step.for_each.as_name, "position", *(inner.id for inner in step.inside())]
    pattern = re.compile("|".join(rf"\b{re.escape(name)}\b" for name in own if name))
    found = _inside(step)
    return any(talk.is_shared and not _tells_apart(talk, pattern) for talk in found)


def _tells_apart(talk: Talk, pattern: re.Pattern[str]) -> bool:
    return "{" in talk.text and pattern.search(talk.text) is not None


def _inside(step: Step) -> frozenset[Talk]:
    if isinstance(step.verb, Prompt):
        talk = talk_of(step.verb)
        return frozenset() if talk is None else frozenset({talk})
    if isinstance(step.verb, CallWorkflow):
        # The names of another file are its own.
        return frozenset(talk for talk in _all(step.verb.workflow.steps) if talk.by == "id")
    return frozenset(talk for _, below in step.lists for talk in _all(below))


def _all(steps: Iterable[Step]) -> Iterable[Talk]:
    return (talk for step in steps for talk in talks_of(step))


def talk_of(prompt: Prompt) -> Talk | None:
    """The conversation of a prompt step (Responses API: `conversation`), None without one."""
    form = prompt.parameters.get("conversation")
    if not isinstance(form, Mapping):
        return None if form is None else Talk(_text(form), "id")
    by = "name" if "name" in form else "id"
    return Talk(_text(form.get(by)), by, form.get("keep") is True)


def _text(form: Form) -> str:
    return form.source if isinstance(form, Leaf) else text_of(form) or ""
