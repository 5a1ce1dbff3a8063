"""Files of tests: what they may say, and what is printed where they say it wrong.

`cases_tests/<code>.yaml` print their `.out`, with that code among the rest where the file is named
after one. With FLOWRUNNER_REWRITE_CASES=1 in the environment the `.out` files are written anew.
"""

from __future__ import annotations

import datetime
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from flowrunner.catalog import load_schema
from flowrunner.diagnostics import RULES, render
from flowrunner.language.testing import FileOfTests, read_tests
from flowrunner.language.testing.patterns import pattern_fault

FOLDER = Path(__file__).parent / "cases_tests"
CASES = sorted(path for path in FOLDER.glob("*.yaml") if path.stem != "sound")
TODAY = datetime.date(2026, 11, 22)


def read(path: Path) -> tuple[FileOfTests | None, str]:
    file, found = read_tests(path, f"{path.parent.name}/{path.name}", today=TODAY)
    assert {each.code for each in found} <= set(RULES)
    return file, render(found)


def test_a_sound_file_is_read_whole() -> None:
    file, said = read(FOLDER / "sound.yaml")
    assert said == ""
    assert file is not None
    first, second = file.cases
    assert [reply.kind for reply in first.replies["hello"]] == ["text", "refusal", "error"]
    assert (first.inputs, first.approvals) == ({"who": "Ada"}, {"agree": True})
    kinds = [check.kind for check in first.expect.checks]
    assert kinds == ["that"] * 3 + ["is", "contains", "matches", "shapes"]
    assert (first.expect.exit, first.expect.cost_below_usd) == (0, 0.5)
    assert first.expect.result == {"text": "Hello.", "score": 3}
    assert (second.recording, second.expect.has_result) == ("hello", False)
    assert file.line(first.route) == 4


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_wrong_file_prints_what_is_wrong(path: Path) -> None:
    file, printed = read(path)
    expected = path.with_suffix(".out")
    if os.environ.get("FLOWRUNNER_REWRITE_CASES"):
        expected.write_text(printed, encoding="utf-8")
    assert file is None
    assert printed == expected.read_text(encoding="utf-8")
    assert f"error[{path.stem}]" in printed


def test_every_property_is_described_with_an_example() -> None:
    for name in ("test", "recording"):
        schema = load_schema(name)
        Draft202012Validator.check_schema(schema)
        parts = [schema, *schema["$defs"].values()]
        while parts:
            part = parts.pop()
            for key, each in part.get("properties", {}).items():
                assert each.get("description") or "$ref" in each, key
                assert each.get("examples") or "$ref" in each, key
                parts.append(each)


@pytest.mark.parametrize(
    "pattern", ["(a+)+b", "(a*)*", "((a|b)+c)+", "(?:a{1,})+", "([a)]+)*", r"(\)a+)*"]
)
def test_a_repeat_inside_a_repeat_is_refused(pattern: str) -> None:
    assert pattern_fault(pattern) == "repeats what repeats, which may take for ever"


@pytest.mark.parametrize("pattern", ["^Dear ", "(a|b)+", "a+b+", r"[+*]+\(", "(ab)+c*", "(a+)b"])
def test_other_patterns_are_taken(pattern: str) -> None:
    assert pattern_fault(pattern) is None


@given(st.text(alphabet="()[]+*?{},ab1\\|^", max_size=30))
def test_every_text_is_judged_at_once(text: str) -> None:
    began = time.monotonic()
    pattern_fault(text)
    assert time.monotonic() - began < 5
