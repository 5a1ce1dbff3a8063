"""Where a step stands and what its templates see from there: inputs, steps, item, round.

Finished steps are loaded from the journal when a template reads them, so that memory does not grow
with their texts. What a template may do with all this is left to `language.templates`.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path as FilePath
from typing import Any, Protocol

from flowrunner.engine.budget import Budget
from flowrunner.events import JSON, Segment, StepStatus, Usage
from flowrunner.journal.state import CallState, Totals
from flowrunner.language.templates import Empty, Record
from flowrunner.language.workflow import Branch, Step, Workflow

Path = tuple[Segment, ...]
Loader = Callable[[], Any]

_DIRECT = ("text", "cost_usd", "usage", "response_id", "request_id")


class Past(Protocol):
    """What is on record of the units of a run; a journal is one."""

    def result(self, unit: str) -> JSON: ...
    def calls(self, unit: str) -> list[CallState]: ...
    def body(self, seq: int, field: str) -> JSON: ...
    def spent_below(self, unit: str) -> Totals: ...


class _Nothing:
    """The record of what never ran."""

    def result(self, unit: str) -> JSON:  # noqa: ARG002
        return None

    def calls(self, unit: str) -> list[CallState]:  # noqa: ARG002
        return []

    def body(self, seq: int, field: str) -> JSON:
        raise KeyError(seq, field)

    def spent_below(self, unit: str) -> Totals:  # noqa: ARG002
        return Totals()


NOTHING = _Nothing()
"""The record of a run in which nothing happened."""


@dataclass(frozen=True, slots=True)
class GivenFile:
    """A file that people gave to a run: where it stands, and what it held."""

    path: FilePath
    sha256: str


@dataclass(slots=True)
class FileRun:
    """One workflow file at work in a run: the file itself or one that a step calls.

    `names` are what all its templates see; `is_stopped` says that a `stop` ended it. `path` is the
    unit that called it, `capped_to` the provider that whoever calls it holds it to. `given` are the
    files that people gave, by the paths that templates know them by, `of_answers` the inputs that
    may hold what answers gave.
    """

    workflow: Workflow
    names: Mapping[str, Any]
    is_stopped: bool = False
    path: Path = ()
    given: Mapping[str, GivenFile] = field(default_factory=dict)
    of_answers: frozenset[str] = frozenset()
    capped_to: str | None = None


def never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a list of steps stands. `path` is the unit around it, `names` what `for_each` and
    `repeat` bring, `above` the steps that may be mentioned, `standing` how those of the lists
    around it ended, `deadline` monotonic time, `budget` what requests count against,
    `is_over` whether nothing new may begin here, `is_touched` that something above is new in this
    process."""

    file: FileRun
    path: Path = ()
    names: Mapping[str, Any] = field(default_factory=dict)
    above: Mapping[str, Loader] = field(default_factory=dict)
    standing: Mapping[str, StepStatus] = field(default_factory=dict)
    deadline: float | None = None
    budget: Budget | None = None
    is_over: Callable[[], bool] = never
    is_touched: bool = False

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


def visible(journal: Past, steps: Sequence[Step], path: Path) -> Iterator[tuple[str, Loader]]:
    """The steps of a list as seen from beside and below it: each, and what stands inside branches,
    groups and repeated groups. What stands inside `for_each` is reached through `.results`."""
    for step in steps:
        unit = (*path, Segment(step.id))
        yield step.id, partial(load_step, journal, step, unit)
        if step.for_each is not None:
            continue
        for name, load in inside(journal, step, unit):
            last = partial(_of_last_round, journal, step, unit, name)
            yield name, load if step.repeat is None else last


def _of_this_go(
    journal: Past, within: tuple[Step, str | None], unit: Path, either: tuple[Loader, Loader]
) -> Any:
    """A step inside another as it ended; or as one that never ran, where the step around it was
    skipped or took another case: what an earlier go at the run left there counts no more."""
    step, case = within
    ended = journal.result(unit_name(unit)) or {}
    taken = ended.get("case", case)
    if isinstance(step.verb, Branch) and taken not in dict(step.verb.cases):
        taken = None
    was_run = ended.get("status") != "skipped" and taken == case
    seen, gone = either
    return seen() if was_run else gone()


def _never_run(steps: Sequence[Step], unit: Path, name: str) -> Any:
    return dict(visible(NOTHING, steps, unit))[name]()


def _of_last_round(journal: Past, step: Step, unit: Path, name: str) -> Any:
    rounds = (journal.result(unit_name(unit)) or {}).get("rounds")
    if not rounds:
        return dict(inside(NOTHING, step, unit))[name]()
    return dict(inside(journal, step, round_of(unit, rounds)))[name]()


def inside(journal: Past, step: Step, path: Path) -> Iterator[tuple[str, Loader]]:
    """The steps inside a step, of the unit at a path, by name."""
    for case, steps in step.lists:
        for name, load in visible(journal, steps, path):
            gone = partial(_never_run, steps, path, name)
            yield name, partial(_of_this_go, journal, (step, case), path, (load, gone))


def round_of(unit: Path, number: int) -> Path:
    """The path of a round of a unit."""
    last = unit[-1]
    return (*unit[:-1], Segment(last.step, last.item, number))


def load_step(journal: Past, step: Step, unit: Path) -> Record:
    """What a step offers to templates (language: section 4)."""
    result = journal.result(unit_name(unit))
    if step.for_each is not None:
        return _results(journal, step, unit, result)
    return _finished(journal, unit, step.id, result)


def _finished(journal: Past, unit: Path, name: str, result: JSON) -> Record:
    fields = unit_fields(journal, f"steps.{name}", unit_name(unit), result)
    return Record(f"steps.{name}", fields, unprintable=_unprintable(name))


def _unprintable(name: str) -> str:
    return f"`steps.{name}` is a whole step: write `.text` or `.output`"


def unit_fields(journal: Past, shown: str, unit: str, result: JSON) -> dict[str, Any]:
    """The fields of one finished unit. A group offers what the unit named in `offers` does."""
    result = result or {"status": "skipped"}
    status = result["status"]
    own = {key: result[key] for key in ("rounds", "reached") if key in result}
    if status == "succeeded" and result.get("offers"):
        offered = journal.result(result["offers"])
        of_last = unit_fields(journal, shown, result["offers"], offered)
        return of_last | _spent(journal, unit, shown) | own | {"status": status}
    absent = Empty("failed" if status == "failed" else "skipped", shown)
    is_there = status == "succeeded"
    fields: dict[str, Any] = {
        name: _field(result.get(name), f"{shown}.{name}") if is_there else absent
        for name in _DIRECT
    }
    if is_there and "called" in result:
        fields |= _spent(journal, unit, shown)
    fields["output"] = result.get("output") if is_there else absent
    fields["status"] = status
    fields["error"] = _error(result.get("error"), shown)
    for name in ("sources", "files", "tool_calls"):
        fields[name] = list(result.get(name) or [])
    fields["response"] = partial(_response, journal, unit)
    return fields | own


def _spent(journal: Past, unit: str, shown: str) -> dict[str, Any]:
    """Tokens and money of all calls of a unit and of what is inside it."""
    return {
        "usage": lambda: usage_fields(journal.spent_below(unit).usage),
        "cost_usd": lambda: _field(_cost_usd(journal.spent_below(unit)), f"{shown}.cost_usd"),
    }


def _cost_usd(spent: Totals) -> float | None:
    return None if spent.unknown_cost_calls else spent.cost_usd


def usage_fields(usage: Usage) -> dict[str, int]:
    """Tokens under the names that the API gives them."""
    return {
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "cached_tokens": usage.cached,
        "reasoning_tokens": usage.reasoning,
        "total_tokens": usage.input + usage.output,
    }


def _error(error: JSON, shown: str) -> Any:
    if error is None:
        return Empty("null", f"{shown}.error")
    fields = {key: _field(error.get(key), f"{shown}.error.{key}") for key in error}
    return Record(f"{shown}.error", fields)


def _field(value: JSON, shown: str) -> Any:
    return Empty("null", shown) if value is None else value


def _response(journal: Past, unit: str) -> Any:
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


def _results(journal: Past, step: Step, unit: Path, result: JSON) -> Record:
    shown = f"steps.{step.id}"
    many = f"`{shown}` has many results: write `.results`"
    if result is None or "items" not in result:
        fields = unit_fields(journal, shown, unit_name(unit), result)
        absent = Empty("failed" if fields["status"] == "failed" else "skipped", shown)
        fields |= dict.fromkeys(("results", "outputs", "texts", "failed"), absent)
        return Record(shown, fields, unprintable=many)
    results = Results(result["items"], partial(_item, journal, step, unit))
    good = partial(_of_successes, results)
    fields = {
        "status": result["status"],
        "error": _error(result.get("error"), shown),
        "files": [],
        "results": results,
        "failed": partial(_failures, results, partial(_item, journal, step, unit, in_view=True)),
        "outputs": partial(good, "output"),
        "texts": partial(good, "text"),
    }
    return Record(shown, fields | _spent(journal, unit_name(unit), shown), unprintable=many)


def _of_successes(results: Results, name: str) -> list[Any]:
    return [result[name] for result in results if result["ok"]]


def _failures(results: Results, load: Callable[[int], Record]) -> list[Record]:
    """The items that failed, as entries that functions on lists do not pass over."""
    failed = (at for at, result in enumerate(results) if result["status"] == "failed")
    return [load(at) for at in failed]


def _item(journal: Past, step: Step, unit: Path, index: int, *, in_view: bool = False) -> Record:
    path = (*unit[:-1], Segment(unit[-1].step, index + 1))
    name = f"{unit_name(path)}"
    result = journal.result(name)
    fields = unit_fields(journal, f"steps.{name}", name, result)
    ok = fields["status"] == "succeeded"
    fields |= {"ok": ok, "position": index + 1, "input": (result or {}).get("input")}
    if step.lists:
        last = path if step.repeat is None else round_of(path, (result or {}).get("rounds", 1))
        fields["steps"] = Record(f"steps.{name}.steps", dict(inside(journal, step, last)))
    return Record(f"steps.{name}", fields, passed_over=not (ok or in_view))
