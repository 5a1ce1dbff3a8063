"""What a run cost: by step, by model, what has no price, what was possibly billed, what was saved.

Prices were looked up when each answer came and are in the journal; nothing is priced here.
"""

from __future__ import annotations

from collections.abc import Mapping

from flowrunner.catalog import prices_date
from flowrunner.events import JSON
from flowrunner.journal.state import CallState, RunState
from flowrunner.language.document import parse
from flowrunner.language.workflow.modifiers import read_money
from flowrunner.report.attempts import sentence
from flowrunner.report.record import Record, body_of, frozen_json
from flowrunner.report.survey import Spend, Survey, served, tokens
from flowrunner.report.verdict import is_reused

_SAVINGS_READ = 5_000


def money(state: RunState, told: Survey, record: Record) -> dict[str, JSON]:
    """The `money` of a report."""
    whole = told.whole
    read = whole.usage.input
    return {
        "cost_usd": whole.rounded_usd,
        "cost_is_complete": whole.is_complete,
        "is_simulated": state.simulated,
        "prices_date": prices_date(),
        "cached_share": round(whole.usage.cached / read, 4) if read else None,
        "budget": _budget(record),
        "saved": _saved(state, record),
        "by_step": _lines(told.by_place),
        "by_model": _lines(told.by_model),
        "unpriced": whole.unpriced,
        "unknown": [_unpriced(call) for call in told.unpriced],
        "possibly_billed": [_possibly_billed(call) for call in told.possibly_billed],
    }


def saved_usd(result: JSON) -> float | None:
    """What a result cost that was taken from an earlier run; None where nobody knows."""
    cost = result.get("cost_usd") if isinstance(result, dict) else None
    return float(cost) if isinstance(cost, (int, float)) and cost >= 0 else None


def _saved(state: RunState, record: Record) -> dict[str, JSON]:
    reused = [step for step in state.steps.values() if is_reused(step.status, step.reason)]
    costs = [saved_usd(body_of(record, step.result_seq, "result")) for step in _first(reused)]
    known = [cost for cost in costs if cost is not None]
    return {
        "units": len(reused),
        "usd": round(sum(known), 10),
        "is_complete": len(known) == len(reused),
    }


def _first(steps: list[JSON]) -> list[JSON]:
    # Each costs a look into the journal.
    return steps[:_SAVINGS_READ]


def _budget(record: Record) -> dict[str, JSON] | None:
    """The limits on the whole run: of its operator, and of its file. Of two the smaller counts."""
    settings = frozen_json(record, "settings")
    operator = settings.get("budget") if isinstance(settings, dict) else None
    limits = [operator if isinstance(operator, dict) else {}, _budget_of_file(record)]
    smallest = {key: _smallest(limits, key) for key in ("stop_at_usd", "warn_at_usd", "tokens")}
    return smallest if any(value is not None for value in smallest.values()) else None


def _budget_of_file(record: Record) -> dict[str, JSON]:
    if "workflow" not in record.frozen_names():
        return {}
    document, _ = parse(record.frozen("workflow"), "workflow")
    value = None if document is None else document.value
    limit = read_money(value.get("budget")) if isinstance(value, dict) else None
    if limit is None:
        return {}
    return {
        "stop_at_usd": limit.stop_at_usd,
        "warn_at_usd": limit.warn_at_usd,
        "tokens": limit.tokens,
    }


def _smallest(limits: list[dict[str, JSON]], key: str) -> JSON:
    return min((limit[key] for limit in limits if limit.get(key) is not None), default=None)


def _lines(spends: Mapping[str, Spend]) -> list[dict[str, JSON]]:
    lines = [
        {
            "name": name,
            "calls": spend.answers,
            "tokens": tokens(spend.usage),
            "tokens_are_complete": not spend.uncounted,
            "cost_usd": spend.rounded_usd,
            "cost_is_complete": spend.is_complete,
        }
        for name, spend in spends.items()
    ]
    return sorted(lines, key=lambda line: -float(line["cost_usd"]))


def _unpriced(call: CallState) -> dict[str, JSON]:
    why = "the answer says nothing about its tokens"
    if call.usage is not None:
        tier = call.service_tier
        on_tier = f" on the tier `{tier}`" if tier and tier != "default" else ""
        why = f"no price is known for `{served(call)}`{on_tier}"
    return {"unit": call.unit, "model": call.served_model, "why": why}


def _possibly_billed(call: CallState) -> dict[str, JSON]:
    return {
        "unit": call.unit,
        "sentence": sentence(call),
        "request_id": call.request_id,
        "client_request_id": call.client_request_id,
    }
