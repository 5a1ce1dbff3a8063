"""What people see of tests: a line a case, what differs below it, coverage, a tally."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flowrunner.commands.testing.cases import Ran
from flowrunner.language.testing import FileOfTests
from flowrunner.report.figures import counted, duration, money
from flowrunner.report.junit import Suite, Tried
from flowrunner.report.terminal import Style


@dataclass(frozen=True, slots=True)
class Tested:
    """The cases of one file that were run, in its order, and the lines about its coverage."""

    file: FileOfTests
    cases: tuple[Ran, ...]
    coverage: tuple[str, ...]

    @property
    def failed(self) -> int:
        """How many cases are not as expected."""
        return sum(bool(case.failures) for case in self.cases)


def tested_lines(tested: Tested, style: Style) -> list[str]:
    """A file and its cases."""
    lines = [style.paint(style.line(tested.file.document.shown), "bold")]
    for ran in tested.cases:
        mark = style.mark("failed" if ran.failures else "succeeded")
        cost = f"  {money(ran.cost_usd)}" if ran.cost_usd else ""
        lines.append(f" {mark} {style.line(ran.case.name)}  {duration(ran.seconds)}{cost}")
        lines += [f"     {style.line(line)}" for line in _failed(tested.file, ran)]
    return lines


def _failed(file: FileOfTests, ran: Ran) -> Iterator[str]:
    for failure in ran.failures:
        yield f"{file.document.shown}:{file.line(failure.route)}  {failure.message}"
        yield from (f"  {line}" for line in failure.lines)


def tally(tested: Sequence[Tested], seconds: float) -> str:
    """The last line."""
    failed = sum(each.failed for each in tested)
    cases = sum(len(each.cases) for each in tested)
    cost = sum(ran.cost_usd for each in tested for ran in each.cases)
    spent = f", {money(cost)}" if cost else ""
    said = f"{cases - failed} passed, {failed} failed" if failed else f"{cases} passed"
    return f"{said} ({counted(len(tested), 'file')}, {duration(seconds)}{spent})"


def suites(tested: Sequence[Tested]) -> list[Suite]:
    """The same for JUnit."""
    return [
        Suite(
            each.file.document.shown,
            tuple(
                Tried(ran.case.name, ran.seconds, tuple(_failed(each.file, ran)))
                for ran in each.cases
            ),
        )
        for each in tested
    ]
