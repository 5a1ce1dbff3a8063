"""Where a step stands and what its templates see from there: inputs, steps, item, round.

Finished steps are loaded from the journal when a template reads them, so that memory does not grow
with their texts. What a template may do with all this is left to `language.templates`.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from flowrunner.engine.budget import Budget
from flowrunner.events import JSON, Segment, StepStatus
from flowrunner.journal.journal import Journal
from flowrunner.language.templates import Empty, Record
from flowrunner.language.workflow import Step, Workflow

Path = tuple[Segment, ...]
Loader = Callable[[], Any]

_DIRECT = ("text", "cost_usd", "usage", "response_id", "request_id")


@dataclass(slots=True)
class FileRun:
    """One workflow file at work in a run: the file itself or one that a step calls.

    `names` are what all its templates see; `is_stopped` says that a `stop` ended it.
    """

    workflow: Workflow
    names: Mapping[str, Any]
    is_stopped: bool = False


def never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a list of steps stands. `path` is the unit around it, `names` what `for_each` and
    `repeat` bring, `above` the steps that may be mentioned, `standing` how those of the lists
    around it ended, `deadline` monotonic time, `budget` what requests count against,
    `is_over` whether nothing new may begin here."""

    file: FileRun
    path: Path = ()
    names: Mapping[str, Any] = field(default_factory=dict)
    above: Mapping[str, Loader] = field(default_factory=dict)
    standing: Mapping[str, StepStatus] = field(default_factory=dict)
    deadline: float | None = None
    budget: Budget | None = None
    is_over: Callable[[], bool] = never

    def scope(self) -> dict[str, Any]:
        """The names that templates see here."""
        return {**self.file.names, "steps": Record("steps", self.above), **self.names}

    def status_of(self, name: str) -> StepStatus | None:
        """How a visible step ended; None while it has not."""
        if name in self.standing:
            return self.standing[name]
        status: StepStatus = self.above[name]()["status"]
        return status


def unit_name(path: Path) -> str:
    """The text form of a path, `extract[3]/read`."""
    return "/".join(map(str, path))


def run_names(inputs: Mapping[str, JSON], run: str, started_at: float) -> dict[str, Any]:
    """The names that every template of a file may use besides `steps`."""
    return {
        "inputs": Record("inputs", {name: _input(name, inputs[name]) for name in inputs}),
        "run": _run(run, started_at),
    }


def item_value(name: str, value: JSON) -> Any:
    """A value of an input or a list as templates see it: files as records, null as empty."""
    if value is None:
        return Empty("null", name)
    if isinstance(value, dict) and value.keys() >= {"path", "sha256", "stem"}:
        fields = {key: value[key] for key in ("path", "name", "stem", "ext", "size", "text")}
        return Record(name, fields, unprintable=f"`{name}` is a file: write `.text` for its text")
    return value


def _input(name: str, value: JSON) -> Any:
    if isinstance(value, list):
        return [item_value(f"inputs.{name}", item) for item in value]
    return item_value(f"inputs.{name}", value)


def _run(run: str, started_at: float) -> Record:
    # The zone of the machine is what the author's "today" means.
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


def visible(journal: Journal, steps: Sequence[Step], path: Path) -> Iterator[tuple[str, Loader]]:
    """The steps of a list as seen from beside and below it: each, and what stands inside branches,
    groups and repeated groups. What stands inside `for_each` is reached through `.results`."""
    for step in steps:
        unit = (*path, Segment(step.id))
        yield step.id, partial(load_step, journal, step, unit)
        if step.for_each is not None:
            continue
        for _, inner in step.lists:
            for name, load in visible(journal, inner, unit):
                last = partial(_of_last_round, journal, step, unit, name)
                yield name, load if step.repeat is None else last


def _of_last_round(journal: Journal, step: Step, unit: Path, name: str) -> Any:
    rounds = (journal.result(unit_name(unit)) or {}).get("rounds")
    if not rounds:
        return _finished(journal, (*unit, Segment(name)), name, None)
    return dict(inside(journal, step, round_of(unit, rounds)))[name]()


def inside(journal: Journal, step: Step, path: Path) -> Iterator[tuple[str, Loader]]:
    """The steps inside a step, of the unit at a path, by name."""
    for _, steps in step.lists:
        yield from visible(journal, steps, path)


def round_of(unit: Path, number: int) -> Path:
    """The path of a round of a unit."""
    last = unit[-1]
    return (*unit[:-1], Segment(last.step, last.item, number))


def load_step(journal: Journal, step: Step, unit: Path) -> Record:
    """What a step offers to templates (language: section 4)."""
    result = journal.result(unit_name(unit))
    if step.for_each is not None:
        return _results(journal, step, unit, result)
    return _finished(journal, unit, step.id, result)


def _finished(journal: Journal, unit: Path, name: str, result: JSON) -> Record:
    fields = unit_fields(journal, f"steps.{name}", unit_name(unit), result)
    return Record(f"steps.{name}", fields, unprintable=_unprintable(name))


def _unprintable(name: str) -> str:
    return f"`steps.{name}` is a whole step: write `.text` or `.output`"


def unit_fields(journal: Journal, shown: str, unit: str, result: JSON) -> dict[str, Any]:
    """The fields of one finished unit. A group offers what the unit named in `offers` does."""
    result = result or {"status": "skipped"}
    status = result["status"]
    own = {key: result[key] for key in ("rounds", "reached") if key in result}
    if status == "succeeded" and result.get("offers"):
        offered = journal.result(result["offers"])
        return unit_fields(journal, shown, result["offers"], offered) | own | {"status": status}
    absent = Empty("failed" if status == "failed" else "skipped", shown)
    is_there = status == "succeeded"
    fields: dict[str, Any] = {
        name: _field(result.get(name), f"{shown}.{name}") if is_there else absent
        for name in _DIRECT
    }
    fields["output"] = result.get("output") if is_there else absent
    fields["status"] = status
    fields["error"] = _error(result.get("error"), shown)
    for name in ("sources", "files", "tool_calls"):
        fields[name] = list(result.get(name) or [])
    fields["response"] = partial(_response, journal, unit)
    return fields | own


def _error(error: JSON, shown: str) -> Any:
    if error is None:
        return Empty("null", f"{shown}.error")
    fields = {key: _field(error.get(key), f"{shown}.error.{key}") for key in error}
    return Record(f"{shown}.error", fields)


def _field(value: JSON, shown: str) -> Any:
    return Empty("null", shown) if value is None else value


def _response(journal: Journal, unit: str) -> Any:
    answered = [call for call in journal.calls(unit) if call.state == "answered"]
    if not answered or answered[-1].end_seq is None:
        return Empty("null", f"{unit}.response")
    return journal.body(answered[-1].end_seq, "response")


class Results(Sequence[Any]):
    """The results of a step with `for_each`, in the order of its items, each loaded when read."""

    def __init__(self, length: int, load: Callable[[int], Record]) -> None:
        self._length = length
        self._load = load

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self._load(at) for at in range(*index.indices(self._length))]
        at = index + self._length if index < 0 else index
        if not 0 <= at < self._length:
            raise IndexError(index)
        return self._load(at)


def _results(journal: Journal, step: Step, unit: Path, result: JSON) -> Record:
    shown = f"steps.{step.id}"
    if result is None or result["status"] != "succeeded":
        fields = unit_fields(journal, shown, unit_name(unit), result)
        absent = fields["text"]
        fields |= dict.fromkeys(("results", "outputs", "texts", "failed"), absent)
        return Record(shown, fields, unprintable=_unprintable(step.id))
    results = Results(result["items"], partial(_item, journal, step, unit))
    good = partial(_of_successes, results)
    fields = {
        "status": result["status"],
        "error": Empty("null", f"{shown}.error"),
        "results": results,
        "failed": result["failed"],
        "outputs": partial(good, "output"),
        "texts": partial(good, "text"),
        "usage": _field(result.get("usage"), f"{shown}.usage"),
        "cost_usd": _field(result.get("cost_usd"), f"{shown}.cost_usd"),
    }
    return Record(shown, fields, unprintable=f"`{shown}` has many results: write `.results`")


def _of_successes(results: Results, name: str) -> list[Any]:
    return [result[name] for result in results if result["ok"]]


def _item(journal: Journal, step: Step, unit: Path, index: int) -> Record:
    path = (*unit[:-1], Segment(unit[-1].step, index + 1))
    name = f"{unit_name(path)}"
    result = journal.result(name)
    fields = unit_fields(journal, f"steps.{name}", name, result)
    ok = fields["status"] == "succeeded"
    fields |= {"ok": ok, "position": index + 1, "input": (result or {}).get("input")}
    if step.lists:
        fields["steps"] = Record(f"steps.{name}.steps", dict(inside(journal, step, path)))
    return Record(f"steps.{name}", fields, passed_over=not ok)
