"""Changes since the last run of the same file: which run that is, what is told, and its bounds."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.catalog import load_schema
from flowrunner.errors import ExitStatus
from flowrunner.report.changes import words
from flowrunner.simulator import Simulator
from tests.cli_world import Project

pytestmark = pytest.mark.skipif(os.name == "nt", reason="programs are forked")

WORKFLOW = """\
flowrunner: 1
name: Letters
inputs: { letter: { type: text, default: Dear all }, word: { type: text, secret: true } }
defaults: { model: gpt-6-luna }
steps:
  - { id: same, prompt: "same" }
  - { id: kind, prompt: "Be kind to {{ inputs.letter }}" }
  - { id: told, prompt: "Use {{ inputs.word }} here" }
  - { id: maybe, if: "inputs.letter == 'Dear all'", prompt: "maybe" }
"""


def run(project: Project, *words: str) -> dict[str, Any]:
    done = project.run("run", "flow.yaml", "-i", "word=hunter2-hunter2", *words)
    assert done.status == ExitStatus.DONE, done.err
    return project.latest.report


EACH = (
    '  - { id: each, for_each: LIST, prompt: "{{ item }} {{ inputs.letter }} {{ inputs.word }}" }'
)


@pytest.fixture
def letters(project: Project, simulate: Callable[..., Simulator]) -> Project:
    simulator = simulate(replies=lambda body: f"It says: {body['input']}")
    project.at(simulator).write("flow.yaml", WORKFLOW)
    return project


def test_the_first_run_has_nothing_to_compare_with(letters: Project) -> None:
    assert run(letters)["changes"] is None
    page = (letters.latest.folder / "report.html").read_text(encoding="utf-8")
    assert 'id="changes"' not in page


def test_what_was_asked_and_answered_otherwise_is_told_word_by_word(letters: Project) -> None:
    run(letters)
    first = letters.latest.folder.name
    letters.write("flow.yaml", WORKFLOW.replace("Be kind", "Be </ins><script> brief"))
    found = run(letters, "-i", "letter=You all")["changes"]
    assert found["since"] == first
    assert found["is_there"]
    assert found["workflow"]
    assert found["inputs"] == ["letter"]
    by_unit = {unit["unit"]: unit for unit in found["different"]}
    assert set(by_unit) == {"kind", "maybe"}
    assert by_unit["maybe"]["status"] == ["succeeded", "skipped"]
    kind = by_unit["kind"]
    assert (kind["asked"], kind["answer"]) == ("other", "other")
    assert ["old", "kind"] in kind["asked_words"]
    assert any(piece[0] == "new" and "<script>" in piece[1] for piece in kind["asked_words"])
    page = (letters.latest.folder / "report.html").read_text(encoding="utf-8")
    assert "<del>kind</del>" in page
    assert "&lt;script&gt; brief" in page
    assert "<script> brief" not in page
    assert "2 steps as before." in page


def test_secrets_stay_masked(letters: Project) -> None:
    run(letters)
    letters.write("flow.yaml", WORKFLOW.replace("Use {{", "Now use {{"))
    found = run(letters)["changes"]
    assert [unit["unit"] for unit in found["different"]] == ["told"]
    for name in ("report.html", "report.json"):
        assert "hunter2" not in (letters.latest.folder / name).read_text(encoding="utf-8")


def test_a_report_that_is_written_again_says_the_same(letters: Project) -> None:
    run(letters)
    first = letters.latest.folder
    run(letters, "-i", "letter=You all")
    latest = letters.latest.folder
    before = (latest / "report.html").read_bytes()
    run(letters, "-i", "letter=Others")
    assert letters.run("report", latest.name).status == ExitStatus.DONE
    assert (latest / "report.html").read_bytes() == before
    shutil.rmtree(first)
    assert letters.run("report", latest.name).status == ExitStatus.DONE
    page = (latest / "report.html").read_text(encoding="utf-8")
    assert "That run is gone" in page
    found = json.loads((latest / "report.json").read_bytes())["changes"]
    assert (found["since"], found["is_there"]) == (first.name, False)


def test_only_runs_of_the_same_kind_and_file_are_compared(letters: Project) -> None:
    run(letters)
    real = letters.latest.folder.name
    assert run(letters, "--simulate")["changes"] is None
    letters.write("other.yaml", WORKFLOW)
    assert letters.run("run", "other.yaml", "-i", "word=hunter2-hunter2").status == 0
    assert letters.latest.report["changes"] is None
    assert run(letters)["changes"]["since"] == real


def test_of_very_many_units_only_some_are_told(letters: Project) -> None:
    text = (
        WORKFLOW.partition("steps:")[0] + "steps:\n" + EACH.replace("LIST", str(list(range(520))))
    )
    letters.write("flow.yaml", text)
    run(letters)
    found = run(letters, "-i", "letter=You all")["changes"]
    assert found["units"] == 521
    assert not found["answers_compared"]
    assert (len(found["different"]), found["not_listed"]) == (40, 480)
    page = (letters.latest.folder / "report.html").read_text(encoding="utf-8")
    assert "480 more units changed" in page


@given(st.text(alphabet="ab \n.", max_size=60), st.text(alphabet="ab \n.", max_size=60))
def test_both_texts_can_be_read_in_one(old: str, new: str) -> None:
    pieces = words(old, new)
    assert "".join(text for kind, text in pieces if kind != "new") == old
    assert "".join(text for kind, text in pieces if kind != "old") == new


def test_long_texts_are_bounded() -> None:
    same = "word " * 5_000
    pieces = words(f"{same}old{same}", f"{same}new{same}")
    assert [kind for kind, _ in pieces] == ["same", "old", "new", "same"]
    assert sum(len(text) for _, text in pieces) < 1_000
    pieces = words("a " * 50_000, "b " * 50_000)
    assert sum(len(text) for _, text in pieces) < 10_000


def test_the_schema_knows_the_part() -> None:
    assert "changes" in load_schema("report")["required"]
