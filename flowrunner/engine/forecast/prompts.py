"""What one prompt step may cost, and how long its answer may become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flowrunner.engine.estimate import (
    Worst,
    least_usd,
    likely,
    likely_output_tokens,
    with_limits,
    worst_case,
)
from flowrunner.engine.forecast.attached import with_attached
from flowrunner.engine.forecast.costs import Cost
from flowrunner.engine.forecast.sight import Said, Sight
from flowrunner.engine.forecast.standins import BYTES_A_TOKEN
from flowrunner.engine.forecast.terms import Terms
from flowrunner.events import JSON
from flowrunner.language.forms import Form, leaves, merge, plain
from flowrunner.language.request import Prompt
from flowrunner.language.templates import TemplateFault

_CORRECTION_BYTES = 2_000
"""What an answer that cannot be used is sent back with, beside itself."""

_UNSEEN = "a response of which nobody knows how long it is"

_ANSWERS_OF_TOOLS = "how often its tools are called, and how much they answer, only a run shows"

_TURNS = 2
"""The requests of a step with tools that a plan counts on: one that asks for calls, one after."""

_TOO_LONG = "with the answers before it at their longest, its text is too long to work out"


@dataclass(frozen=True, slots=True)
class Charge:
    """The cost of one run of a prompt step, and the bytes of its answer at most and probably.

    `said` is what a step goes on from that continues this one. `unknown` says why a bound is
    missing, `limit` is the `max_output_tokens` that a budget sets.
    """

    cost: Cost
    most_bytes: int | None
    likely_bytes: int
    model: str | None
    unknown: str | None
    limit: int | None
    assumes: tuple[str, ...]
    said: Said


def charge(prompt: Prompt, attempts: int, sight: Sight, terms: Terms) -> Charge:
    """What the step may cost when it runs once, with all its attempts at a good answer."""
    before = _said_before(prompt, sight)
    form = merge(merge(terms.below, prompt.parameters), terms.above)
    constant = _sent(_constants(form), terms)
    reply = worst_case(constant, terms.prices)
    worst, why = _worst(prompt, sight, terms, before)
    seen = _likely_body(prompt, sight, terms)
    alone = seen or constant
    guess = _padded(alone, before.likely_bytes)
    is_known = all(map(sight.is_known, leaves(form)))
    counted = None
    if seen and worst and is_known and prompt.continues is None and terms.counts is not None:
        counted = terms.counts.tokens(seen, terms.asked.provider if terms.asked else "")
    shortening = _shortening(prompt, constant, before, terms)
    high = None
    if worst is not None:
        high = _sum(_of_attempts(worst, attempts, terms, counted), shortening.high)
    turn = likely(guess, terms.prices, counted).usd
    about = _sum(turn if turn is None or not prompt.tools else turn * _TURNS, shortening.about)
    set_here = terms.limited and _constants(form).get("max_output_tokens") is None
    least = least_usd(alone if is_known else constant, terms.prices, counted)
    return Charge(
        cost=Cost(min(least or 0.0, high or least or 0.0), high, about),
        most_bytes=None if reply.output_tokens is None else reply.output_tokens * BYTES_A_TOKEN,
        likely_bytes=likely_output_tokens(guess) * BYTES_A_TOKEN,
        model=_name(constant),
        unknown=why,
        limit=reply.output_tokens if set_here else None,
        assumes=()
        if worst is None
        else worst_case(worst, terms.prices, counted_tokens=counted).assumes,
        said=_said(worst, guess, attempts),
    )


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


def _shortening(prompt: Prompt, constant: Mapping[str, JSON], before: Said, terms: Terms) -> Cost:
    """What it costs to make shorter what was said before, which is no longer then than it was."""
    if prompt.continues is None or not prompt.continues.compact:
        return Cost()
    asked = {key: constant[key] for key in ("model", "service_tier") if key in constant}
    longest = {**asked, "previous_response_id": _UNSEEN}
    if before.most_tokens is not None:
        longest["max_output_tokens"] = before.most_tokens
    guess = _padded(asked, before.likely_bytes)
    worst = worst_case(longest, terms.prices, before.most_tokens)
    return Cost(0.0, worst.usd, likely(guess, terms.prices).usd)


def _said_before(prompt: Prompt, sight: Sight) -> Said:
    """What was said before a step: nothing, or all up to the answer that it continues."""
    if prompt.continues is None:
        return Said(0, 0)
    return sight.said.get(prompt.continues.step, Said(None, 0))


def _said(worst: Mapping[str, JSON] | None, guess: Mapping[str, JSON], attempts: int) -> Said:
    """What is said when a step has its good answer, at the last of its attempts."""
    about = likely(guess)
    likely_bytes = (about.input_tokens + about.output_tokens) * BYTES_A_TOKEN
    if worst is None:
        return Said(None, likely_bytes)
    again = ((worst_case(worst).output_tokens or 0) * BYTES_A_TOKEN) + _CORRECTION_BYTES
    return Said(worst_case(_padded(worst, (attempts - 1) * again)).tokens, likely_bytes)


def _worst(
    prompt: Prompt, sight: Sight, terms: Terms, before: Said
) -> tuple[dict[str, JSON] | None, str | None]:
    """The longest body that the step may send; None and why where it or its price is unknown."""
    try:
        body = _body(prompt, sight.worst, sight, terms)
        form = {**prompt.parameters, **prompt.request}
        body = _padded(body, sight.unseen_bytes(leaves(form)) + (before.most_tokens or 0))
        if before.most_tokens is None:
            body["previous_response_id"] = _UNSEEN
    except TemplateFault as fault:
        return None, _TOO_LONG if fault.code == "template-limit" else fault.message
    why = worst_case(body, terms.prices).why_unknown
    if why is None and prompt.tools:
        why = _ANSWERS_OF_TOOLS
    return (None, why) if why else (body, None)


def _likely_body(prompt: Prompt, sight: Sight, terms: Terms) -> dict[str, JSON] | None:
    try:
        return _body(prompt, sight.likely, sight, terms)
    except TemplateFault:
        return None


def _body(prompt: Prompt, scope: Mapping[str, Any], sight: Sight, terms: Terms) -> dict[str, JSON]:
    """The request in a scope, with what it attaches. Raises TemplateFault."""
    body = prompt.body(scope, below=terms.below, above=terms.above)
    return _sent(with_attached(body, prompt, scope, sight, terms), terms)


def _of_attempts(
    body: Mapping[str, JSON], attempts: int, terms: Terms, counted: int | None
) -> float | None:
    """All attempts: each shows the model the bad answers before it."""
    total = 0.0
    for attempt in range(attempts):
        one: Worst = worst_case(body, terms.prices)
        more = attempt * ((one.output_tokens or 0) * BYTES_A_TOKEN + _CORRECTION_BYTES)
        in_all = None if counted is None else counted + more
        longer = worst_case(_padded(body, more), terms.prices, counted_tokens=in_all)
        if longer.usd is None:
            return None
        total += longer.usd
    return total


def _padded(body: Mapping[str, JSON], more: int) -> dict[str, JSON]:
    """The body with so many bytes more for the model to read."""
    if not more:
        return dict(body)
    return {**body, "instructions": f"{body.get('instructions') or ''}{'x' * more}"}


def _sent(body: Mapping[str, JSON], terms: Terms) -> dict[str, JSON]:
    sent = with_limits(body) if terms.limited else dict(body)
    return sent if terms.asked is None else terms.asked.fitted(sent)


def _constants(form: Mapping[str, Form]) -> dict[str, JSON]:
    """The parameters that are the same in every run."""
    return {
        key: plain(value)
        for key, value in form.items()
        if value is not None and not any(True for _ in leaves(value))
    }


def _name(body: Mapping[str, JSON]) -> str | None:
    name = body.get("model")
    return name if isinstance(name, str) else None
