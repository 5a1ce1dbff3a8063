"""What a plan knows of earlier results: a request that was answered is not made, and its answer is
what the steps below see.

Which results may stand in is left to `engine.reuse`, the cost of what is asked anew to `prompts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flowrunner.engine.estimate import with_limits
from flowrunner.engine.forecast.costs import Row
from flowrunner.engine.forecast.sight import Sight
from flowrunner.engine.forecast.terms import Terms
from flowrunner.engine.leaves import fingerprint, question
from flowrunner.engine.place import NOTHING, unit_fields
from flowrunner.engine.ports import Found
from flowrunner.engine.tools.offering import Offered
from flowrunner.language.forms import leaves, merge
from flowrunner.language.request import Prompt
from flowrunner.language.templates import Empty, Record, TemplateFault
from flowrunner.language.workflow import Command, Step


@dataclass(frozen=True, slots=True)
class Earlier:
    """What is known of the request of a step: answered before (`found`), surely new, or neither."""

    found: Found | None = None
    is_new: bool = False

    def tell(self, row: Row) -> Row:
        """The row of the step, with that."""
        if self.found is None:
            told = self.is_new and row.will == "run"
            return replace(row, because="its request is new") if told else row
        if row.will != "run":
            return replace(row, because=f"{row.because}; answered in {self.found.run}")
        return replace(
            row,
            fewest=0,
            most=0,
            reused=1,
            saved_usd=self.found.result.get("cost_usd") or 0.0,
            because=f"the same was answered in {self.found.run}",
        )

    def offer(self, step: Step, sight: Sight, unit: str) -> None:
        """Let the steps below see the answer that is there."""
        assert self.found is not None
        name = f"steps.{step.id}"
        offered = Record(name, unit_fields(NOTHING, name, unit, self.found.result))
        size = len(str(self.found.result.get("text") or "").encode())
        sight.keep(step.id, offered, offered, size=size, known=True)


def look_up(step: Step, prompt: Prompt, row: Row, sight: Sight, terms: Terms) -> Earlier:
    """Look for an earlier result of a prompt step, where all that it asks is known beforehand."""
    wanted = terms.reuse.wanted(step, row.unit)
    if terms.reuse.shelf is None or wanted is None or row.most == 0 or sight.names:
        return Earlier()
    offered = Offered(prompt.tools)
    is_more = prompt.continues or prompt.is_continued or prompt.attach or offered.has_servers
    if is_more or not offered.may_be_reused(step):
        return Earlier()  # what else is sent with it is known only when it is
    form = merge(merge(terms.below, {**prompt.parameters, **prompt.request}), terms.above)
    if not all(map(sight.is_known, leaves(form))):
        return Earlier()
    try:
        body = prompt.body(sight.worst, below=terms.below, above=terms.above)
    except TemplateFault:
        return Earlier()
    if "conversation" in body:
        return Earlier()
    body = with_limits(body) if terms.limited else body
    server = terms.asked
    asked = question(body if server is None else server.fitted(body))
    who = "" if server is None else server.who
    mark = fingerprint("prompt", who, asked, *offered.declarations())
    found = terms.reuse.find(step, row.unit, mark, terms.now)
    return Earlier(found, is_new=found is None)


def of_command(step: Step, row: Row, terms: Terms) -> Row:
    """The row of a step without a request, with a word about reuse where others are reused."""
    never = isinstance(step.verb, Command) and terms.reuse.by_default and row.will == "run"
    return replace(row, because="commands are never reused") if never else row


@dataclass(frozen=True, slots=True)
class KnownItem:
    """An item of a `for_each` all of whose steps are known beforehand: `inner` are those in it."""

    offered: Mapping[str, Any]
    input: Any
    inner: Mapping[str, Any]

    @classmethod
    def seen(cls, step: Step, entry: Any, sight: Sight) -> KnownItem | None:
        """The item that was just walked; None where anything of it is still to come."""
        inner = [below.id for below in step.inside()]
        if any(("steps", name) in sight.unknown for name in (step.id, *inner)):
            return None
        steps = sight.worst["steps"]
        within = {name: steps[name] for name in inner if name in steps}
        return cls(steps[step.id], entry, within)

    def record(self, name: str, position: int) -> Record:
        """The item as an entry of `.results`."""
        is_ok = self.offered["status"] == "succeeded"
        own = {"ok": is_ok, "position": position, "input": self.input, "steps": self.inner}
        fields = {field: self.offered[field] for field in self.offered}
        return Record(f"an item of {name}", {**fields, **own}, passed_over=not is_ok)


def offer_items(step: Step, items: Sequence[KnownItem], sight: Sight) -> None:
    """What a step with `for_each` offers that takes all its items from earlier runs."""
    name = f"steps.{step.id}"
    results = [item.record(name, at + 1) for at, item in enumerate(items)]
    good = [result for result in results if result["ok"]]
    fields = {
        "results": results,
        "outputs": [result["output"] for result in good if "output" in result],
        "texts": [result["text"] for result in good if "text" in result],
        "failed": [],
        "status": "succeeded",
        "error": Empty("null", f"{name}.error"),
    }
    size = sum(len(str(result.get("text", "")).encode()) for result in good)
    record = Record(name, fields)
    sight.keep(step.id, record, record, size=size, known=True)
