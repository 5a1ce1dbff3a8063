"""From a file of tests to its cases: read, shape, build, and what they say of their workflow.

All mistakes come together, those of the workflow among them.
"""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flowrunner.diagnostics import Diagnostic, Finding, Route, did_you_mean, in_order
from flowrunner.events import JSON
from flowrunner.language.checks import result_shape
from flowrunner.language.checks.offers import RUN
from flowrunner.language.checks.sights import Sight, Sights
from flowrunner.language.document import Document, read
from flowrunner.language.forms import Leaf, finding_of, plain, read_leaf
from flowrunner.language.load import load
from flowrunner.language.providers import Providers
from flowrunner.language.request import Prompt
from flowrunner.language.schema import check_shape
from flowrunner.language.shapes import ANY, Shape, alternatives, read_shape
from flowrunner.language.templates import analyse
from flowrunner.language.testing.addresses import (
    bare,
    mcp_tools,
    step_at,
    step_names,
    tools_of,
)
from flowrunner.language.testing.parts import (
    OF_PROGRAMS,
    Case,
    Check,
    Expected,
    FileOfTests,
    Kind,
    Reply,
)
from flowrunner.language.testing.patterns import pattern_fault
from flowrunner.language.workflow import Command, Step, Workflow
from flowrunner.language.workflow.modifiers import read_money
from flowrunner.language.workflow.reader import mapping, texts

ENDINGS = (".test.yaml", ".test.yml")

_MORE_OF_RUN = (
    ("status", Shape("text")),
    ("exit_status", Shape("integer")),
    ("message", Shape("text", optional=True)),
    ("cost_usd", Shape("number")),
)
_OTHER_FIXES = ("not-a-file", "root", "empty")  # their advice is for workflows
_INSTEAD = {
    "approve": "say under `approvals` whether somebody agrees",
    "call": "say under `tools` what its tool answers",
    "workflow": "name a step of the workflow that it calls, as `STEP/STEP`",
}
"""Where a case says what comes of steps that nobody answers."""
_BY_PATH: tuple[Kind, ...] = ("is", "contains", "matches", "shapes")


def read_tests(
    path: Path, shown: str, *, today: datetime.date, providers: Providers | None = None
) -> tuple[FileOfTests | None, list[Diagnostic]]:
    """The tests in a file and everything that is to say about it and its workflow, sorted by place.

    `shown` is the path as messages show it. None where any diagnostic is an error.
    """
    document, found = read(path, shown)
    found = [_of_tests(each) for each in found]
    if document is None:
        return None, in_order(found)
    shape = check_shape(document, "test")
    workflow, said = _workflow(document, path, today, providers)
    reading = _Reading(workflow)
    cases = reading.cases(document.value)
    refused = [each.route for each in shape]
    more = [each for each in [*said, *reading.findings] if isinstance(each, Finding)]
    fresh = [each for each in more if not any(each.route[: len(r)] == r for r in refused)]
    elsewhere = [each for each in said if isinstance(each, Diagnostic)]
    placed = [document.diagnose(each) for each in dict.fromkeys([*shape, *fresh])]
    everything = in_order([*found, *elsewhere, *placed])
    if workflow is None or any(each.severity == "error" for each in everything):
        return None, everything
    return FileOfTests(path, document, workflow, cases), everything


def _of_tests(found: Diagnostic) -> Diagnostic:
    message = found.message.replace("a file holds one workflow", "a file holds tests of one")
    message = message.replace("workflow file", "file of tests").replace("no workflow", "no tests")
    return replace(found, message=message, help=None if found.code in _OTHER_FIXES else found.help)


def _workflow(
    document: Document, path: Path, today: datetime.date, providers: Providers | None
) -> tuple[Workflow | None, list[Diagnostic | Finding]]:
    """The workflow that the tests are about, and what is wrong with it."""
    written = document.value.get("workflow")
    if not isinstance(written, str) or not written.strip():
        return None, []
    place = path.absolute().parent / written
    if not place.is_file():
        names = sorted(os.path.relpath(each, path.parent) for each in place.parent.glob("*.yaml"))
        near = did_you_mean(os.path.normpath(written), names)
        fix = f"did you mean `{near}`?" if near else "paths are relative to this file"
        return None, [Finding("missing-file", f"there is no file `{written}`", ("workflow",), fix)]
    shown = os.path.normpath(Path(document.shown).parent / written).replace(os.sep, "/")
    workflow, found = load(Path(os.path.normpath(place)), shown, today=today, providers=providers)
    return workflow, [each for each in found if each.severity == "error"]


@dataclass(slots=True)
class _Reading:
    """Builds the cases of one file, and collects what is wrong with them. Without a workflow
    nothing is held against it."""

    workflow: Workflow | None
    findings: list[Finding] = field(default_factory=list)
    _sight: Sight | None = None

    def __post_init__(self) -> None:
        if self.workflow is not None:
            result = result_shape(self.workflow) or ANY
            run = Shape("object", fields=(*RUN.fields, *_MORE_OF_RUN))
            self._sight = Sights(self.workflow).top.naming({"result": result, "run": run})

    def fault(self, code: str, message: str, route: Route, fix: str | None = None) -> None:
        self.findings.append(Finding(code, message, route, fix))

    def cases(self, value: Mapping[str, Any]) -> tuple[Case, ...]:
        written = value.get("cases")
        named: dict[str, int] = {}
        cases = []
        for at, each in enumerate(written if isinstance(written, list) else []):
            case = self._case(mapping(each), ("cases", at))
            if case.name and case.name in named:
                message = f"a case named `{case.name}` stands above already"
                self.fault("case", message, (*case.route, "name"), "give each a name of its own")
            named[case.name] = at
            cases.append(case)
        return tuple(cases)

    def _case(self, fields: Mapping[str, Any], route: Route) -> Case:
        inputs, recording = plain(mapping(fields.get("inputs"))), fields.get("recording")
        self._check_inputs(inputs, (*route, "inputs"))
        replies, programs = self._scripts(mapping(fields.get("replies")), (*route, "replies"))
        if recording is not None and replies:
            message = (
                "`recording` and `replies` of models exclude each other: each says who answers"
            )
            self.fault("case", message, (*route, "replies"), "make it two cases")
        approvals = mapping(fields.get("approvals"))
        for step in approvals:
            self._check_step(step, (*route, "approvals", step))
        tools = mapping(fields.get("tools"))
        for tool in tools:
            self._check_tool(tool, (*route, "tools", tool))
        return Case(
            name=str(fields.get("name") or ""),
            route=route,
            inputs=inputs,
            recording=recording if isinstance(recording, str) else None,
            replies=replies,
            programs=programs,
            tools={tool: tuple(_replies(plain(each))) for tool, each in tools.items()},
            approvals={step: each for step, each in approvals.items() if isinstance(each, bool)},
            expect=self._expected(mapping(fields.get("expect")), (*route, "expect")),
            judge=fields.get("judge") if isinstance(fields.get("judge"), str) else None,
        )

    def _check_inputs(self, given: Mapping[str, JSON], route: Route) -> None:
        if self.workflow is None:
            return
        known = [each.name for each in self.workflow.inputs]
        for name in given:
            if name not in known:
                near = did_you_mean(name, known)
                fix = f"did you mean `{near}`?" if near else None
                if fix is None and known:
                    fix = f"there is {alternatives(known, 'and')}"
                message = f"the workflow has no input `{name}`"
                self.findings.append(Finding("argument", message, (*route, name), fix, aim="key"))

    def _scripts(
        self, written: Mapping[str, Any], route: Route
    ) -> tuple[dict[str, tuple[Reply, ...]], dict[str, tuple[Reply, ...]]]:
        """What models answer and what programs print, by step."""
        models: dict[str, tuple[Reply, ...]] = {}
        programs: dict[str, tuple[Reply, ...]] = {}
        for unit, each in written.items():
            replies, step = tuple(_replies(plain(each))), self._check_step(unit, (*route, unit))
            if step is None:
                continue
            self._check_kinds(step, replies, (*route, unit))
            if isinstance(step.verb, Prompt):
                models[unit] = replies
            elif isinstance(step.verb, Command):
                programs[unit] = replies
        return models, programs

    def _check_kinds(self, step: Step, replies: tuple[Reply, ...], route: Route) -> None:
        """Whether a step is answered at all, and so."""
        found, fix = {reply.kind for reply in replies}, None
        if isinstance(step.verb, Command):
            odd, what = found - OF_PROGRAMS, "a program"
        elif isinstance(step.verb, Prompt):
            odd, what = found & {"fails"}, "a model"
            fix = "write `error` for a refusal of the API, `refusal` for one of the model"
        else:
            message = f"nobody answers `{step.id}`: it has no prompt and starts no program"
            fix = _INSTEAD.get(step.verb_name)
            self.findings.append(Finding("case", message, route, fix, aim="key"))
            return
        for kind in sorted(odd):
            message = f"`{step.id}` is answered by {what}, which knows no `{kind}`"
            known = "a text, `output` and `fails`"
            self.fault("case", message, route, fix or f"of a program there is {known}")

    def _check_asked(self, unit: str, route: Route) -> None:
        step = self._check_step(unit, route)
        if step is not None and not isinstance(step.verb, Prompt):
            message = f"`{step.id}` asks no model: it is a `{step.verb_name}` step"
            self.findings.append(Finding("case", message, route, aim="key"))

    def _check_tool(self, name: str, route: Route) -> None:
        if self.workflow is None or name in (known := tools_of(self.workflow)):
            return
        own, message = mcp_tools(self.workflow, name), f"the workflow has no tool `{name}`"
        near = did_you_mean(name, list(known))
        fix = f"did you mean `{near}`?" if near else None
        if own:
            message = f"`{name}` is a server of tools, not one of them"
            fix = f"it has {alternatives(own, 'and')}"
        elif fix is None and known:
            fix = f"there is {alternatives(list(known), 'and')}"
        self.findings.append(Finding("tool", message, route, fix, aim="key"))

    def _check_step(self, unit: JSON, route: Route) -> Step | None:
        """The step that is named, which is missing where it says so."""
        if self.workflow is None or not isinstance(unit, str):
            return None
        step = step_at(self.workflow, unit)
        if step is not None:
            return step
        known = step_names(self.workflow)
        near = did_you_mean(bare(unit), known)
        fix = f"did you mean `{near}`?" if near else f"there is {alternatives(known, 'and')}"
        message = f"the workflow has no step `{unit}`"
        self.findings.append(
            Finding(
                "unknown-step", message, route, fix, aim="key" if route[-1] == unit else "value"
            )
        )
        return None

    def _expected(self, fields: Mapping[str, Any], route: Route) -> Expected:
        exit_ = fields.get("exit")
        for key in ("ran", "skipped"):
            for at, step in enumerate(texts(fields.get(key))):
                self._check_step(step, (*route, key, at))
        asked = mapping(fields.get("asked"))
        for step in asked:
            self._check_asked(step, (*route, "asked", step))
        called = plain(mapping(fields.get("called")))
        for tool in called:
            self._check_tool(tool, (*route, "called", tool))
        money = read_money(fields.get("cost_below"))
        return Expected(
            status=fields.get("status") if isinstance(fields.get("status"), str) else None,
            exit=int(exit_) if isinstance(exit_, int) else None,
            has_result="result" in fields,
            result=plain(fields.get("result")),
            checks=tuple(self._checks(fields, route)),
            asked={step: _texts(each) for step, each in asked.items()},
            called=called,
            ran=texts(fields.get("ran")),
            skipped=texts(fields.get("skipped")),
            cost_below_usd=None if money is None else money.stop_at_usd,
        )

    def _checks(self, fields: Mapping[str, Any], route: Route) -> Iterator[Check]:
        for at, text in enumerate(texts(fields.get("that"))):
            here = (*route, "that", at)
            leaf = self._expression(text, here, is_key=False)
            if leaf is not None:
                yield Check("that", leaf, here)
        for kind in _BY_PATH:
            for text, value in mapping(fields.get(kind)).items():
                here = (*route, kind, text)
                leaf, wanted = self._expression(text, here, is_key=True), None
                if leaf is not None:
                    wanted = self._wanted(kind, value, here)
                    yield Check(kind, leaf, here, wanted)

    def _expression(self, text: str, route: Route, *, is_key: bool) -> Leaf | None:
        leaf, faults = read_leaf(text, route, "condition")
        if leaf is not None and self._sight is not None:
            roots = self._sight.roots(leaf)
            faults = [finding_of(each, route) for each in analyse(leaf.parsed, roots, "condition")]
        for each in faults:
            at_key = replace(each, aim="key", start=None, length=None) if is_key else each
            self.findings.append(at_key)
        return leaf

    def _wanted(self, kind: Kind, value: JSON, route: Route) -> Any:
        if kind == "contains":
            return _texts(value)
        if kind == "shapes":
            shape, faults = read_shape(value, route)
            self.findings += faults
            return shape or ANY
        if kind == "matches" and isinstance(value, str):
            fault = pattern_fault(value)
            if fault is None:
                return re.compile(value)
            self.fault("pattern", f"`{value}` {fault}", route)
        return plain(value)


def _texts(written: JSON) -> tuple[str, ...]:
    return (written,) if isinstance(written, str) else texts(written)


def _replies(written: JSON) -> Iterator[Reply]:
    for each in written if isinstance(written, list) else [written]:
        if isinstance(each, str):
            yield Reply("text", each)
        elif isinstance(each, Mapping):
            for kind, value in each.items():
                yield Reply(kind, value)
