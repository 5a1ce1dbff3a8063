"""What came out of a run against what a case expects of it: each difference as a failure.

Expressions are those of the language, in its sandbox; what they see is what a workflow's own
`result` sees, with `result` beside it.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from flowrunner.diagnostics import Route
from flowrunner.engine.place import item_value, run_names, visible
from flowrunner.engine.plan import Plan
from flowrunner.errors import ExitStatus
from flowrunner.events import JSON, RunFinished
from flowrunner.journal.journal import Journal
from flowrunner.journal.state import RunState
from flowrunner.language.shapes import Shape, check_value
from flowrunner.language.templates import Empty, Expression, Record, TemplateFault, Value
from flowrunner.language.templates.mentions import constant_paths
from flowrunner.language.testing import Case, Check, names_of
from flowrunner.language.testing.patterns import MOST_SEARCHED
from flowrunner.report.figures import money

_LINES = 24
_REQUESTS = 3
_SAID = ("instructions", "input")
"""The fields of a request in which authors speak."""
_NOTHING = object()


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that is not as expected: where that stands, a sentence, and lines that show it.
    `found` is the value, where that could be written there instead."""

    route: Route
    message: str
    lines: tuple[str, ...] = ()
    found: Any = field(default=_NOTHING, repr=False)

    @property
    def may_be_written(self) -> bool:
        """Whether the file may hold what was found."""
        return self.found is not _NOTHING


@dataclass(frozen=True, slots=True)
class Came:
    """What came of the run of a case, while its journal is open."""

    plan: Plan
    journal: Journal
    state: RunState
    end: RunFinished

    def scope(self) -> dict[str, Any]:
        """The names that expectations see."""
        names = run_names(self.plan.inputs, self.plan.run, self.plan.moment)
        steps = dict(visible(self.journal, self.plan.workflow.steps, ()))
        message = self.end.message
        run = Record(
            "run",
            {
                **{name: names["run"][name] for name in names["run"]},
                "status": self.end.status,
                "exit_status": int(self.end.exit_status),
                "message": Empty("null", "run.message") if message is None else message,
                "cost_usd": self.state.totals.cost_usd,
            },
        )
        result = item_value("result", self.end.result)
        return {**names, "run": run, "result": result, "steps": Record("steps", steps)}

    def has_begun(self, name: str) -> bool:
        """Whether a step, or one unit of it, did its work."""
        return any(
            step.status not in (None, "skipped")
            for unit, step in self.state.steps.items()
            if name in names_of(self.plan.workflow, unit)
        )

    def requests(self, name: str) -> list[str]:
        """What a step, or one unit of it, asked: the texts of each request."""
        workflow, units = self.plan.workflow, self.state.steps.items()
        steps = [step for unit, step in units if name in names_of(workflow, unit)]
        bodies = (
            self.journal.body(call.sent_seq, "request") for step in steps for call in step.calls
        )
        fields = ([body.get(key) for key in _SAID] for body in bodies)
        return ["\n".join(_texts_in(each)) for each in fields]

    def calls_of(self, tool: str) -> list[JSON]:
        """The arguments of each call of a tool that was made indeed."""
        records = (self.journal.tool_record(unit).calls for unit in self.state.steps)
        calls = (call for record in records for call in record if call.name == tool)
        made = (call for call in calls if call.not_run is None)
        return [self.journal.body(call.began_seq, "arguments") for call in made]


def judge(case: Case, came: Came) -> list[Failure]:
    """All that is not as the case expects it."""
    return [
        *_ends(case, came),
        *_result(case, came),
        *_checks(case, came),
        *_asked(case, came),
        *_called(case, came),
        *_steps(case, came),
        *_cost(case, came),
    ]


def _ends(case: Case, came: Came) -> Iterator[Failure]:
    expect, end = case.expect, came.end
    route = (*case.route, "expect")
    status, exit_ = expect.status, expect.exit
    if status is None and exit_ is None:
        status = "succeeded"
    why = () if end.message is None else (f"the run says: {end.message}",)
    if status is not None and end.status != status:
        message = f"the run was to end as `{status}`, and ended as `{end.status}`"
        yield Failure((*route, "status"), message, why)
    elif exit_ is not None and end.exit_status != exit_:
        message = f"the exit status was to be {exit_}, and is {int(end.exit_status)}"
        yield Failure((*route, "exit"), message, why)


def _result(case: Case, came: Came) -> Iterator[Failure]:
    if case.expect.has_result and case.expect.result != came.end.result:
        found = came.end.result
        lines = _diff(case.expect.result, found)
        good = came.end.exit_status in (ExitStatus.DONE, ExitStatus.ITEMS_FAILED)
        route = (*case.route, "expect", "result")
        yield Failure(route, "`result` is another", lines, found if good else _NOTHING)


def _checks(case: Case, came: Came) -> Iterator[Failure]:
    scope = came.scope()
    for check in case.expect.checks:
        try:
            yield from _check(check, scope)
        except TemplateFault as fault:
            message = f"`{check.leaf.source}` has no value: {fault.message}"
            yield Failure(check.route, message)


def _check(check: Check, scope: Mapping[str, Any]) -> Iterator[Failure]:
    text, parsed, wanted = check.leaf.source, check.leaf.parsed, check.wanted
    assert isinstance(parsed, Expression)
    if check.kind == "that":
        if not parsed.evaluate(scope):
            yield Failure(check.route, f"`{text}` is not so", tuple(_parts(check, scope)))
        return
    found = Value(parsed).evaluate(scope)
    if check.kind == "is" and found != wanted:
        yield Failure(check.route, f"`{text}` is another", _diff(wanted, found), found)
    elif isinstance(wanted, Shape):
        faults = tuple(check_value(wanted, found, text))
        if faults:
            yield Failure(check.route, f"`{text}` has another shape", faults)
    elif isinstance(wanted, re.Pattern):
        if wanted.search(_text(found)[:MOST_SEARCHED]) is None:
            message = f"`{text}` does not match `{wanted.pattern}`"
            yield Failure(check.route, message, (f"found {_short(found)}",))
    elif check.kind == "contains" and isinstance(wanted, tuple):
        folded = _text(found).casefold()
        for each in wanted:
            if each.casefold() not in folded:
                message = f"`{text}` does not contain {_short(each)}"
                yield Failure(check.route, message, (f"found {_short(found)}",))


def _asked(case: Case, came: Came) -> Iterator[Failure]:
    for name, wanted in case.expect.asked.items():
        requests = came.requests(name)
        route = (*case.route, "expect", "asked", name)
        if not requests:
            yield Failure(route, f"`{name}` asked nothing", tuple(_why(name, came)))
            continue
        folded = [_folded(request) for request in requests]
        for each in wanted:
            if not any(_folded(each) in request for request in folded):
                lines = tuple(f"asked {_short(request)}" for request in requests[:_REQUESTS])
                yield Failure(route, f"`{name}` did not ask {_short(each)}", lines)


def _folded(text: str) -> str:
    """A text without what does not count: the case of its letters, where its lines break."""
    return " ".join(text.casefold().split())


def _called(case: Case, came: Came) -> Iterator[Failure]:
    for name, wanted in case.expect.called.items():
        calls = came.calls_of(name)
        route = (*case.route, "expect", "called", name)
        lines = tuple(f"called with {_short(call)}" for call in calls[:_REQUESTS])
        if wanted is False and calls:
            yield Failure(route, f"`{name}` was not to be called, and was", lines)
        elif wanted is not False and not calls:
            yield Failure(route, f"`{name}` was to be called, and was not")
        elif isinstance(wanted, Mapping) and not any(_has(call, wanted) for call in calls):
            yield Failure(route, f"`{name}` was not called with {_short(dict(wanted))}", lines)


def _has(call: JSON, wanted: Mapping[str, JSON]) -> bool:
    """Whether the arguments of a call are these, among others."""
    return isinstance(call, Mapping) and all(
        name in call and call[name] == value for name, value in wanted.items()
    )


def _texts_in(value: JSON) -> Iterator[str]:
    """The texts of a request's fields, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _texts_in(each)


def _parts(check: Check, scope: Mapping[str, Any]) -> Iterator[str]:
    """The values that an expression mentions, as far as they are constant paths."""
    assert isinstance(check.leaf.parsed, Expression)
    for path in constant_paths(check.leaf.parsed.tree):
        value: Any = scope
        try:
            for part in path:
                value = value[part]
            shown = _short(_plain(value))
        except (KeyError, IndexError, TypeError, TemplateFault):
            continue
        yield f"{'.'.join(map(str, path))} is {shown}"


def _plain(value: Any) -> JSON:
    if isinstance(value, Empty):
        return None
    if isinstance(value, Record):
        raise TypeError
    return value


def _steps(case: Case, came: Came) -> Iterator[Failure]:
    for key, names, wanted in (
        ("ran", case.expect.ran, True),
        ("skipped", case.expect.skipped, False),
    ):
        for at, name in enumerate(names):
            if came.has_begun(name) is not wanted:
                message = f"`{name}` was {'' if wanted else 'not '}to run, and did{' not' * wanted}"
                yield Failure((*case.route, "expect", key, at), message, tuple(_why(name, came)))


def _why(name: str, came: Came) -> Iterator[str]:
    step = came.state.steps.get(name)
    if step is not None and step.message is not None:
        yield f"{step.status}: {step.message}"


def _cost(case: Case, came: Came) -> Iterator[Failure]:
    most, spent = case.expect.cost_below_usd, came.state.totals
    if most is None:
        return
    route = (*case.route, "expect", "cost_below")
    if spent.unknown_cost_calls or spent.lost_calls:
        yield Failure(route, "what the run cost is not known")
    elif spent.cost_usd >= most:
        message = f"the run was to cost less than {money(most)}, and cost {money(spent.cost_usd)}"
        yield Failure(route, message)


def _diff(expected: JSON, found: JSON) -> tuple[str, ...]:
    """Both values line by line; lines that are the same only around what differs."""
    one, other = (_pretty(value).splitlines() for value in (expected, found))
    lines = list(difflib.unified_diff(one, other, "expected", "found", lineterm="", n=1))
    shown = [line for line in lines if not line.startswith("@@")]
    more = len(shown) - _LINES
    return (*shown[:_LINES], *([f"… and {more} lines more"] if more > 0 else []))


def _pretty(value: JSON) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)


def _text(value: JSON) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _short(value: JSON) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else f"{text[:299]}…"
