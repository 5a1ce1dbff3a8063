"""Case files: what the checks print for a workflow file, byte for byte.

`cases/ok/*.yaml` give no diagnostic. `cases/err/<code>.yaml` and `<code>-<variant>.yaml` print
their `.out`, with that code among the rest. With FLOWRUNNER_REWRITE_CASES=1 in the environment the
`.out` files are written anew; the change is read in the diff.
"""

from __future__ import annotations

import os
from datetime import date
from functools import cache
from pathlib import Path

import pytest

from flowrunner.diagnostics import RULES, Diagnostic, render
from flowrunner.language.load import load
from flowrunner.project.project_file import ProjectFile, read_project_file
from flowrunner.project.providers import known_providers

CASES = Path(__file__).parent / "cases"
TODAY = date(2026, 11, 22)
SOUND = sorted((CASES / "ok").glob("*.yaml"))
WRONG = sorted((CASES / "err").glob("*.yaml"))

# Rules of the project file, and of files of tests, have their cases in folders of their own.
PROJECT = {path.stem for path in (CASES.parent / "cases_project").glob("*.yaml")}
PROJECT |= {path.stem for path in (CASES.parent / "cases_tests").glob("*.yaml")}

# A folder, a pipe and 16 MiB cannot stand in a repository: test_language_document has them.
NOT_IN_FILES = {"not-a-file", "too-big"}


def check(path: Path) -> list[Diagnostic]:
    shown = f"{path.parent.name}/{path.name}"
    return load(path, shown, today=TODAY, providers=known_providers(_project_file()))[1]


@cache
def _project_file() -> ProjectFile:
    """The project file that all cases stand under."""
    file, found = read_project_file(CASES / "flowrunner.yaml", "flowrunner.yaml")
    assert file is not None, found
    return file


def rule_of(path: Path) -> str:
    """The longest rule code that the file's name begins with."""
    fitting = [code for code in RULES if path.stem == code or path.stem.startswith(f"{code}-")]
    assert fitting, f"{path.name} is not named after a rule of flowrunner.diagnostics.RULES"
    return max(fitting, key=len)


@pytest.mark.parametrize("path", SOUND, ids=lambda path: path.stem)
def test_a_sound_file_gives_no_diagnostic(path: Path) -> None:
    assert render(check(path)) == ""


@pytest.mark.parametrize("path", WRONG, ids=lambda path: path.stem)
def test_a_wrong_file_prints_what_is_wrong(path: Path) -> None:
    diagnostics = check(path)
    printed = render(diagnostics)
    expected = path.with_suffix(".out")
    if os.environ.get("FLOWRUNNER_REWRITE_CASES"):
        expected.write_text(printed, encoding="utf-8")
    assert printed == expected.read_text(encoding="utf-8")
    assert rule_of(path) in {diagnostic.code for diagnostic in diagnostics}


@pytest.mark.parametrize("path", WRONG, ids=lambda path: path.stem)
def test_a_wrong_file_prints_only_rules_that_have_a_name(path: Path) -> None:
    assert {diagnostic.code for diagnostic in check(path)} <= set(RULES)


@pytest.mark.parametrize("code", sorted(RULES))
def test_every_rule_has_a_case(code: str) -> None:
    assert code in NOT_IN_FILES | PROJECT or code in {path.stem for path in WRONG}


def test_every_expected_text_has_its_file() -> None:
    texts = {path.stem for path in (CASES / "err").glob("*.out")}
    assert texts == {path.stem for path in WRONG}
