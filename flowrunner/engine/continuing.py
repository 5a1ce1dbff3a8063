"""What a step goes on from: the response of its parent, kept by the server or sent again whole.

Which items the API takes back is left to `responses.history`, when a step may start to `plan`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from flowrunner import catalog
from flowrunner.engine.attaching import recall_parts
from flowrunner.engine.place import unit_name
from flowrunner.engine.pricing import undated
from flowrunner.engine.servers import Server
from flowrunner.engine.units import Unit
from flowrunner.events import JSON, Segment
from flowrunner.language.request import Prompt
from flowrunner.language.templates import TemplateFault
from flowrunner.responses.history import (
    as_items,
    is_code,
    is_reasoning,
    replayed,
    since_compaction,
    without_code,
    without_reasoning,
)
from flowrunner.responses.items import read_usage
from flowrunner.responses.refusals import CONTAINER_GONE

_THOUGHTS = "reasoning.encrypted_content"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and the response to it, as a journal keeps them."""

    request: Mapping[str, JSON]
    response: Mapping[str, JSON]

    @property
    def items(self) -> list[JSON]:
        """What was asked and answered, as the next request sends it again."""
        return [*as_items(self.request.get("input")), *replayed(self.response)]


@dataclass(slots=True)
class Memory:
    """A response and those before it, the latest first, once they were recalled. `of` are the unit
    that goes on and the step in its list that it goes on from."""

    exchanges: tuple[Exchange, ...] = ()
    of: tuple[Unit, str] | None = None

    async def recall(self) -> None:
        """Read them, unless that was done; what was attached is found again."""
        if self.exchanges or self.of is None:
            return
        unit, name = self.of
        assert isinstance(unit.step.verb, Prompt)
        await recall_parts(unit, unit.step.verb)
        hidden = _hidden(unit, name)
        found: list[Exchange] = []
        above: str | None = name
        while above is not None:
            exchanges = _turns_of(unit, above)
            for exchange in exchanges:
                asked = as_items(exchange.request.get("input"))
                plain = [_plain(item, hidden) for item in asked] if hidden else asked
                found.append(Exchange({**exchange.request, "input": plain}, exchange.response))
            first = exchanges[-1].request if exchanges else {}
            has_more = first.get("previous_response_id") is not None
            above = _parent_name(unit, above) if has_more else None
        self.exchanges = tuple(found)


@dataclass(slots=True)
class Past:
    """What the requests of a unit go on from: nothing, or the response `response_id`.

    `way` says how they carry it: by the `id` of a response that the server keeps; with the `items`
    of one that it does not keep; `whole`, with those of all before it too; or with the `window`
    that all of it was made shorter to. `memory` has that response and those before it; it is None
    where they are on no record any more. `tokens` are those of all that was said at most, None
    where nobody knows. `is_thoughtless` leaves out what the model thought, `is_codeless` the code
    that it ran. `owed` are replies that a conversation waits for before anything else.
    """

    response_id: str | None = None
    way: Literal["none", "id", "items", "whole", "window"] = "none"
    memory: Memory | None = None
    tokens: int | None = None
    is_thoughtless: bool = False
    is_codeless: bool = False
    owed: tuple[JSON, ...] = ()

    @property
    def is_gone(self) -> bool:
        """Whether there is no way to go on from it."""
        if self.way == "id":
            return self.response_id is None
        return self.way != "none" and self.memory is None

    async def recall(self) -> None:
        """Be ready to send what was said before, where requests carry it."""
        if self.way in ("items", "whole") and self.memory is not None:
            await self.memory.recall()

    def joined(self, body: Mapping[str, JSON]) -> dict[str, JSON]:
        """A request with what was said before it."""
        joined = dict(body)
        if self.way == "id":
            joined["previous_response_id"] = self.response_id
        elif self.way != "none":
            joined = self._with_items(body)
        if self.owed:
            joined["input"] = [*self.owed, *as_items(joined.get("input"))]
        if self.is_codeless:
            joined["input"] = without_code(as_items(joined.get("input")))
        if self.is_thoughtless:
            joined["input"] = without_reasoning(as_items(joined.get("input")))
        return joined

    def _with_items(self, body: Mapping[str, JSON]) -> dict[str, JSON]:
        said = () if self.memory is None else self.memory.exchanges
        said = said[:1] if self.way == "items" else said
        base = _base(said[-1])
        items = [item for one in reversed(said) for item in one.items]
        items += as_items(body.get("input"))
        if "previous_response_id" not in base and self.way != "window":
            items = since_compaction(items)
        return {**base, **body, "input": items}

    def within(self, response: Mapping[str, JSON]) -> Past:
        """The same, made shorter: `response` holds what stands for it (Responses API:
        `response.compaction`), which is sent whole."""
        return Past(way="window", memory=Memory((Exchange({}, response),)))

    def turns(self, code: str | None, joined: Mapping[str, JSON]) -> bool:
        """Whether there is another way where the API refused a request with this code; if so,
        requests go that way from now on, once `recall` was waited for.

        A response that is not kept after all is sent again; thoughts that the server cannot read
        are left out (Responses API: `invalid_encrypted_content`), and so is code whose container is
        gone.
        """
        if code == "previous_response_not_found" and self.way in ("id", "items"):
            self.way = self.way if self.memory is None else "whole"
            return self.way == "whole"
        if code == "invalid_encrypted_content" and not self.is_thoughtless:
            self.is_thoughtless = any(map(is_reasoning, as_items(joined.get("input"))))
            return self.is_thoughtless
        if code == CONTAINER_GONE and not self.is_codeless:
            self.is_codeless = any(map(is_code, as_items(joined.get("input"))))
            return self.is_codeless
        return False


def _base(exchange: Exchange) -> dict[str, JSON]:
    """What a request itself went on from, which is kept although its response is not."""
    asked = exchange.request
    return {key: asked[key] for key in ("previous_response_id", "prompt") if asked.get(key)}


def with_thoughts(unit: Unit, prompt: Prompt, body: dict[str, JSON]) -> dict[str, JSON]:
    """The request of a step that another one continues, or that goes on after calls of tools: where
    its response is not kept, with what the model thinks in it, so that it can be sent again."""
    model = body.get("model")
    if not (prompt.is_continued or prompt.tools) or not isinstance(model, str):
        return body
    if is_kept(unit.server, body):
        return body
    known = catalog.model(model) or catalog.model(undated(model))
    if known is None or not known.reasons:
        return body
    include = body.get("include")
    listed = include if isinstance(include, list) else []
    return {**body, "include": list(dict.fromkeys([*listed, _THOUGHTS]))}


def past_of(unit: Unit, prompt: Prompt) -> Past:
    """What a step goes on from."""
    if prompt.continues is None:
        return Past()
    name = prompt.continues.step
    result = unit.shared.ports.journal.result(_unit_of(unit, name)) or {}
    exchange = _found(unit, name)
    asked = _rendered(unit, name) if exchange is None else exchange.request
    own, elsewhere = unit.server_of(prompt), _is_elsewhere(unit, prompt, name)
    is_there, tokens = is_kept(own, asked) and not elsewhere, None
    if exchange is not None:
        is_there = is_there and exchange.response.get("store") is not False
        used = read_usage(exchange.response.get("usage"))
        tokens = None if used is None else used.input + used.output
    return Past(
        response_id=result.get("response_id"),
        way="id" if is_there else "whole" if elsewhere else "items",
        memory=None if exchange is None else Memory(of=(unit, name)),
        tokens=tokens,
        # What a model thought can be read only where it was thought.
        is_thoughtless=elsewhere,
    )


def _is_elsewhere(unit: Unit, prompt: Prompt, parent: str) -> bool:
    """Whether the response that a step goes on from is one of another provider."""
    step = unit.place.file.workflow.step(parent)
    above = step.verb if step and isinstance(step.verb, Prompt) else prompt
    return unit.server_of(above).provider != unit.server_of(prompt).provider


def is_kept(server: Server, asked: Mapping[str, JSON]) -> bool:
    """Whether the server keeps the response to a request, so that one can go on from its id."""
    needed = (server.does(name) for name in ("store", "previous_response_id"))
    return asked.get("store") is not False and all(needed)


def _parent_name(unit: Unit, name: str) -> str | None:
    step = unit.place.file.workflow.step(name)
    continues = step.verb.continues if step and isinstance(step.verb, Prompt) else None
    return None if continues is None else continues.step


def _unit_of(unit: Unit, name: str) -> str:
    """The unit of a step in the unit's list; where it has rounds, the last of them."""
    own = (*unit.place.path, Segment(name))
    result = unit.shared.ports.journal.result(unit_name(own)) or {}
    return str(result.get("offers") or unit_name(own))


def _found(unit: Unit, name: str) -> Exchange | None:
    """The request and the response of a step's good answer, from this run or the one that its
    result was taken from."""
    return next(iter(_turns_of(unit, name)), None)


def _turns_of(unit: Unit, name: str) -> list[Exchange]:
    """The turns of a step that ended in its good answer, the latest first, as far back as the first
    that does not go on from another by its id."""
    journal, shelf = unit.shared.ports.journal, unit.shared.ports.shelf
    own = _unit_of(unit, name)
    step = journal.step(own)
    if step is not None and step.reused_from is not None:
        run, _, there = step.reused_from.partition("/")
        pair = None if shelf is None else shelf.exchange(run, there)
        return [] if pair is None else [Exchange(*pair)]
    answered = [call for call in journal.calls(own) if call.state == "answered"]
    found: list[Exchange] = []
    for call in reversed(answered):
        if call.end_seq is None or call.attempt != answered[-1].attempt:
            break
        request = journal.body(call.sent_seq, "request")
        found.append(Exchange(request, journal.body(call.end_seq, "response")))
        if call.turn == 1 or request.get("previous_response_id") is None:
            break
    return found


def _hidden(unit: Unit, name: str) -> dict[str, JSON]:
    """The items of earlier requests in which a journal keeps no secrets, by what it keeps.

    They are filled in once more from where they stand, which gives what it gave.
    """
    scrubber = unit.shared.ports.scrubber
    found: dict[str, JSON] = {}
    above: str | None = name
    while above is not None:
        for item in as_items(_rendered(unit, above).get("input")):
            kept = scrubber.scrub_json(item)
            if kept is not item:
                found[_key(kept)] = item
                found |= _as_parts(kept, item)
        above = _parent_name(unit, above)
    return found


def _as_parts(kept: JSON, item: JSON) -> dict[str, JSON]:
    """The same of a message that has files behind its text: its text is a part then."""
    texts = [each.get("content") if isinstance(each, dict) else None for each in (kept, item)]
    if not all(isinstance(text, str) for text in texts):
        return {}
    hidden, plain = ({"type": "input_text", "text": text} for text in texts)
    return {_key(hidden): plain}


def _plain(item: JSON, hidden: Mapping[str, JSON]) -> JSON:
    """An item of a request with its secrets, whole or part by part."""
    content = item.get("content") if isinstance(item, dict) else None
    if _key(item) in hidden or not isinstance(content, list):
        return hidden.get(_key(item), item)
    return {**item, "content": [hidden.get(_key(part), part) for part in content]}


def _rendered(unit: Unit, name: str) -> dict[str, JSON]:
    """The request of a step in the unit's list, filled in once more."""
    step = unit.place.file.workflow.step(name)
    if step is None or not isinstance(step.verb, Prompt):
        return {}
    settings = unit.shared.plan.settings
    try:
        return step.verb.body(unit.scope(), below=settings.below, above=settings.above)
    except TemplateFault:  # it stands in rounds of its own, whose names are gone
        return {}


def _key(item: JSON) -> str:
    return json.dumps(item, ensure_ascii=False, sort_keys=True)
