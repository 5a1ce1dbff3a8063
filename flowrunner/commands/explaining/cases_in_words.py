"""A file of tests in plain English: of each case what is given, who answers, what must come of it.

Running it is left to `testing`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flowrunner.language.request import Prompt
from flowrunner.language.shapes import alternatives
from flowrunner.language.testing import Case, Expected, FileOfTests
from flowrunner.language.workflow import Workflow
from flowrunner.report.figures import counted


def case_lines(file: FileOfTests) -> list[str]:
    """The cases, unwrapped."""
    cases = counted(len(file.cases), "case")
    lines = [f"Tests of {file.workflow.name} ({file.workflow.shown}): {cases}"]
    for number, case in enumerate(file.cases, 1):
        lines += [
            "",
            f"  {number}. {case.name}",
            *(f"     {line}" for line in _case(case, file.workflow)),
        ]
    return lines


def _case(case: Case, workflow: Workflow) -> Iterator[str]:
    if case.inputs:
        yield f"Given: {_named(case.inputs)}."
    yield f"Answers: {_answers(case, workflow)}."
    agreed = [step for step, agrees in case.approvals.items() if agrees]
    if agreed:
        yield f"Somebody agrees to {_named(agreed)}."
    denied = [step for step in case.approvals if step not in agreed]
    if denied:
        yield f"Somebody does not agree to {_named(denied)}."
    yield f"It must {'; '.join(_expected(case.expect))}."
    if case.judge is not None:
        yield f"Under `--live` a model judges: {case.judge}"


def _answers(case: Case, workflow: Workflow) -> str:
    rest = f"the recording `{case.recording}`" if case.recording else "the simulator"
    stood_in = [*case.replies, *case.programs, *case.tools]
    prompts = {step.id for step in workflow.all_steps() if isinstance(step.verb, Prompt)}
    by_case = f"the case for {_named(stood_in)}"
    if not stood_in:
        return rest
    return by_case if prompts <= set(case.replies) else f"{by_case}, {rest} for other prompts"


def _expected(expect: Expected) -> Iterator[str]:
    status = expect.status or ("succeeded" if expect.exit is None else None)
    ends = [f"as `{status}`"] if status else []
    ends += [] if expect.exit is None else [f"with exit status {expect.exit}"]
    yield f"end {' and '.join(ends)}"
    if expect.has_result:
        yield "give the very `result` that stands there"
    if expect.checks:
        yield f"hold {counted(len(expect.checks), 'check')} of what came out"
    if expect.ran:
        yield f"run {_named(expect.ran)}"
    if expect.skipped:
        yield f"not run {_named(expect.skipped)}"
    if expect.asked:
        yield f"ask certain words in {_named(expect.asked)}"
    used = [name for name, how in expect.called.items() if how is not False]
    if used:
        yield f"call {_named(used)}"
    unused = [name for name in expect.called if name not in used]
    if unused:
        yield f"not call {_named(unused)}"
    if expect.cost_below_usd is not None:
        yield f"cost less than ${expect.cost_below_usd:g}"


def _named(names: Iterable[str]) -> str:
    return alternatives(list(dict.fromkeys(names)), "and")
