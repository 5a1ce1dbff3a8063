"""What the templates of a run see: inputs, finished steps, the run itself.

Steps are loaded from the journal when a template reads them, so that memory does not grow with
their texts. What a template may do with all this is left to `language.templates`.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from flowrunner.events import JSON
from flowrunner.journal.journal import Journal
from flowrunner.language.templates import Empty, Record

_FILE = "is a file: write `.text` for its text"


def run_scope(
    inputs: Mapping[str, JSON], run: str, started_at: float, steps: Mapping[str, Any]
) -> dict[str, Any]:
    """The names that every template of a run may use. `started_at` is Unix time."""
    return {
        "inputs": Record("inputs", {name: _input(name, inputs[name]) for name in inputs}),
        "steps": steps,
        "run": _run(run, started_at),
    }


def _input(name: str, value: JSON) -> Any:
    if value is None:
        return Empty("null", f"inputs.{name}")
    if isinstance(value, dict) and value.keys() >= {"path", "sha256", "stem"}:
        fields = {key: value[key] for key in ("path", "name", "stem", "ext", "size", "text")}
        return Record(f"inputs.{name}", fields, unprintable=f"`inputs.{name}` {_FILE}")
    return value


def _run(run: str, started_at: float) -> Record:
    # The zone of the machine is what the author's "today" means; runs started by cron say it too.
    moment = datetime.datetime.fromtimestamp(started_at, datetime.UTC).astimezone()
    return Record(
        "run",
        {
            "id": run,
            "date": moment.date().isoformat(),
            "started_at": moment.strftime("%Y%m%d-%H%M%S"),
            "time_zone": str(moment.tzinfo),
        },
    )


def steps_record(journal: Journal, known: Iterable[str]) -> Record:
    """`steps`: every step above by its id, loaded when it is read."""
    return Record("steps", {step: partial(_step, journal, step) for step in known})


def _step(journal: Journal, step: str) -> Any:
    result = journal.result(step) or {"status": "skipped"}
    status = result["status"]
    absent = Empty("failed" if status == "failed" else "skipped", f"steps.{step}")
    fields: dict[str, Any] = {
        name: _field(result.get(name), step, name, absent if status != "succeeded" else None)
        for name in ("text", "cost_usd", "usage", "response_id", "request_id")
    }
    fields["output"] = absent if status != "succeeded" else result.get("output")
    fields["status"] = status
    fields["error"] = _field(result.get("error"), step, "error", None)
    fields["sources"] = list(result.get("sources") or [])
    fields["files"] = list(result.get("files") or [])
    fields["tool_calls"] = list(result.get("tool_calls") or [])
    fields["response"] = partial(_response, journal, step)
    return Record(f"steps.{step}", fields)


def _field(value: JSON, step: str, name: str, absent: Empty | None) -> Any:
    if absent is not None:
        return absent
    return Empty("null", f"steps.{step}.{name}") if value is None else value


def _response(journal: Journal, step: str) -> Any:
    answered = [call for call in journal.calls(step) if call.state == "answered"]
    if not answered or answered[-1].end_seq is None:
        return Empty("null", f"steps.{step}.response")
    return journal.body(answered[-1].end_seq, "response")
