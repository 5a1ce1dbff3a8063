"""Cases as JUnit XML, which build servers read.

What the cases are, and what became of them, is left to the caller.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Tried:
    """One case; `failure` has the lines about what is wrong with it, none where nothing is."""

    name: str
    seconds: float
    failure: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Suite:
    """The cases of one file."""

    name: str
    cases: tuple[Tried, ...]


def junit_xml(suites: Sequence[Suite]) -> str:
    """The document. Characters that XML cannot hold become U+FFFD."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<testsuites {_counts(suites)}>"]
    for suite in suites:
        lines.append(f"  <testsuite name={_attribute(suite.name)} {_counts([suite])}>")
        for case in suite.cases:
            lines += _case(suite, case)
        lines.append("  </testsuite>")
    return "\n".join([*lines, "</testsuites>", ""])


def _counts(suites: Sequence[Suite]) -> str:
    cases = [case for suite in suites for case in suite.cases]
    failures = sum(bool(case.failure) for case in cases)
    seconds = sum(case.seconds for case in cases)
    return f'tests="{len(cases)}" failures="{failures}" errors="0" time="{seconds:.3f}"'


def _case(suite: Suite, case: Tried) -> list[str]:
    names = f"classname={_attribute(suite.name)} name={_attribute(case.name)}"
    begin = f'    <testcase {names} time="{case.seconds:.3f}"'
    if not case.failure:
        return [f"{begin}/>"]
    text = escape(_clean("\n".join(case.failure)))
    failure = f"      <failure message={_attribute(case.failure[0])}>{text}</failure>"
    return [f"{begin}>", failure, "    </testcase>"]


def _attribute(text: str) -> str:
    return quoteattr(_clean(text))


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
