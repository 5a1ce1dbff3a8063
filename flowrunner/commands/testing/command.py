"""`test`: the files, their cases at the same time, the end of it all.

Every case is a run with a journal; those that ask nobody stand in a folder that is gone afterwards.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from flowrunner.commands.checking import find_tests, today
from flowrunner.commands.going import open_wire
from flowrunner.commands.running import RunOptions, operator_of
from flowrunner.commands.servers import open_endpoints
from flowrunner.commands.testing.cases import Prepared, Ran, prepare, run_case
from flowrunner.commands.testing.claims import claim_file, verdict
from flowrunner.commands.testing.covering import Coverage
from flowrunner.commands.testing.judging import Came, Failure
from flowrunner.commands.testing.scripting import Scripts
from flowrunner.commands.testing.telling import Tested, suites, tally, tested_lines
from flowrunner.commands.testing.updating import update
from flowrunner.commands.viewing import Viewer, style_of
from flowrunner.diagnostics import render
from flowrunner.engine.servers import SIMULATOR
from flowrunner.errors import (
    EnvironmentFault,
    ExitStatus,
    FlowrunnerError,
    InvalidWorkflow,
    UsageError,
)
from flowrunner.language.testing import Case, FileOfTests, read_tests
from flowrunner.platform import write_atomically
from flowrunner.project.settings import Settings as Operator
from flowrunner.report.junit import junit_xml
from flowrunner.simulator import Simulator
from flowrunner.wire import Endpoint, Secret, Wire

AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line decides. `record` asks the API where a case names a recording, `live`
    wherever replies are not scripted, and lets models judge; `update` writes literals anew."""

    record: bool = False
    live: bool = False
    update: bool = False
    junit: Path | None = None
    at_once: int = AT_ONCE
    only: str | None = None

    def is_paid(self, case: Case) -> bool:
        """Whether a case asks the API itself."""
        return (self.record and case.recording is not None) or (self.live and not case.replies)


def test(paths: Sequence[str], options: Options, viewer: Viewer) -> ExitStatus:
    """Run the tests in files and folders; the exit status.

    Raises InvalidWorkflow with all mistakes of the files, UsageError where there are no tests,
    EnvironmentFault where a key is missing that is needed.
    """
    began = time.monotonic()
    opened = [_opened(path, viewer) for path in _found(paths or ["."])]
    tests = [(file, operator) for file, operator in opened if file is not None]
    if len(tests) < len(opened):
        raise InvalidWorkflow("the tests have mistakes; nothing was run")
    with ExitStack() as closing:
        project = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="flowrunner-")))
        scripts = Scripts()
        simulator = closing.enter_context(Simulator(scripts=scripts.reply))
        at = Endpoint(SIMULATOR, simulator.base_url, key=Secret("simulated"))
        session = Session(options, project, scripts, at)
        found = [session.run_file(file, operator, closing) for file, operator in tests]
    return _tell(found, options, viewer, time.monotonic() - began)


def _found(paths: Iterable[str]) -> list[Path]:
    found = find_tests(paths)
    if not found:
        raise UsageError(
            "there are no tests here",
            help="a file of tests is called `NAME.test.yaml`; `flowrunner explain test.yaml` says "
            "what stands in it",
        )
    return found


def _opened(path: Path, viewer: Viewer) -> tuple[FileOfTests | None, Operator]:
    operator = operator_of(path, RunOptions())
    file, said = read_tests(path, str(path), today=today(), providers=operator.known_providers)
    text = render([each for each in said if each.severity != "hint"], colour=viewer.colour)
    if text:
        viewer.progress(text)
    return file, operator


@dataclass(slots=True)
class Session:
    """All cases of one command: their options, the folder of their runs, who answers scripts."""

    options: Options
    project: Path
    scripts: Scripts
    simulator: Endpoint
    _wires: list[Wire] = field(default_factory=list)

    def run_file(self, file: FileOfTests, operator: Operator, closing: ExitStack) -> Tested:
        """Run the cases of one file, several at the same time."""
        only = self.options.only
        cases = [case for case in file.cases if only is None or only in case.name]
        coverage = Coverage(file.workflow)
        ran = asyncio.run(self._run_all(file, cases, operator, coverage, closing))
        lines = tuple(coverage.lines()) if len(cases) == len(file.cases) else ()
        return Tested(file, tuple(ran), lines)

    async def _run_all(
        self,
        file: FileOfTests,
        cases: Sequence[Case],
        operator: Operator,
        coverage: Coverage,
        closing: ExitStack,
    ) -> list[Ran]:
        slots = asyncio.Semaphore(self.options.at_once)

        async def one(case: Case) -> Ran:
            async with slots:
                try:
                    return await self._run(file, case, operator, coverage, closing)
                except EnvironmentFault:
                    raise
                except FlowrunnerError as fault:
                    return Ran(case, (Failure(case.route, fault.message),))

        try:
            return list(await asyncio.gather(*map(one, cases)))
        finally:
            for wire in self._wires:
                await wire.aclose()
            self._wires.clear()

    async def _run(
        self,
        file: FileOfTests,
        case: Case,
        operator: Operator,
        coverage: Coverage,
        closing: ExitStack,
    ) -> Ran:
        is_paid = self.options.is_paid(case)
        prepared = prepare(file, case, operator, is_paid=is_paid, records=self.options.record)
        ran = await self._work(prepared, coverage.add, closing)
        if not (self.options.live and case.judge and is_paid) or ran.failures:
            return ran
        about, claim = claim_file(file, prepared, ran)
        asked = prepare(about, claim, operator, is_paid=True, records=False)
        judged = await self._work(asked, lambda _: None, closing)
        cost = ran.cost_usd + judged.cost_usd
        failures = tuple(verdict(prepared, judged))
        return Ran(case, failures, ran.seconds + judged.seconds, cost, ran.run, ran.result)

    async def _work(
        self, prepared: Prepared, after: Callable[[Came], None], closing: ExitStack
    ) -> Ran:
        plan, operator = prepared.plan, prepared.operator
        wire = open_wire(plan, operator.proxies, prepared.answering)
        self._wires.append(wire)
        project = operator.project if prepared.is_paid else self.project
        endpoints = self._endpoints(prepared, closing)

        def begin(run: str) -> None:
            self.scripts.cases[run] = (prepared.case, plan.workflow)

        return await run_case(prepared, project, wire, endpoints, begin, after)

    def _endpoints(self, prepared: Prepared, closing: ExitStack) -> Mapping[str, Endpoint]:
        settings, names = prepared.plan.settings, prepared.plan.providers
        if settings.simulated and settings.replays is None:
            return {SIMULATOR: self.simulator}
        replays = settings.replays is not None
        opening = open_endpoints(prepared.operator, names, simulate=False, replay=replays)
        return closing.enter_context(opening)


def _tell(tested: Sequence[Tested], options: Options, viewer: Viewer, seconds: float) -> ExitStatus:
    style = style_of(viewer)
    for each in tested:
        viewer.progress("\n".join(tested_lines(each, style)))
    viewer.progress("")
    for each in tested:
        viewer.progress("\n".join(style.line(line) for line in each.coverage))
    if options.junit is not None:
        write_atomically(options.junit, junit_xml(suites(tested)).encode(), private=False)
    failed = sum(each.failed for each in tested)
    if options.update:
        failures = [(each.file, ran.failures) for each in tested for ran in each.cases]
        written = _updated(failures)
        viewer.progress(f"{written} expectations written anew; run the tests again")
    viewer.progress(tally(tested, seconds))
    return ExitStatus.FAILED if failed else ExitStatus.DONE


def _updated(failures: Sequence[tuple[FileOfTests, tuple[Failure, ...]]]) -> int:
    by_file: dict[Path, tuple[FileOfTests, list[Failure]]] = {}
    for file, found in failures:
        by_file.setdefault(file.path, (file, []))[1].extend(found)
    return sum(update(file, found) for file, found in by_file.values())
