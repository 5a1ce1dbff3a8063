"""`diff` and `cost`: several runs together, from their journals alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from flowrunner.errors import ExitStatus
from flowrunner.simulator import Simulator
from tests.cli_world import Project

WORKFLOW = """\
flowrunner: 1
name: Compared
inputs: { word: text }
defaults: { model: gpt-6-luna }
steps:
  - { id: same, prompt: "the same" }
  - { id: each, for_each: ["a", "b"], prompt: "{{ item }} of {{ inputs.word }}" }
  - { id: last, if: inputs.word == 'one', write: "{{ inputs.word }}" }
result: "{{ steps.each.texts | length }}"
"""


@pytest.fixture
def runs(project: Project, simulate: Callable[..., Simulator]) -> tuple[Project, list[str]]:
    project.at(simulate()).write("flow.yaml", WORKFLOW)
    assert project.run("run", "flow.yaml", "-i", "word=one").status == ExitStatus.DONE
    project.write("flow.yaml", WORKFLOW.replace("name: Compared", "name: Changed"))
    assert project.run("run", "flow.yaml", "-i", "word=two").status == ExitStatus.DONE
    return project, [folder.name for folder in reversed(project.runs)]


def test_two_runs_are_held_against_each_other(runs: tuple[Project, list[str]]) -> None:
    project, (one, two) = runs
    done = project.run("diff", one, two)
    assert done.status == ExitStatus.DONE, done.err
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert lines[0].startswith(f"- {one} Compared succeeded $")
    assert lines[1].startswith(f"+ {two} Changed succeeded $")
    assert "the workflow changed" in lines
    assert "other inputs: word" in lines
    assert any(line.startswith("~ each[1] other request, other answer") for line in lines)
    assert any(line.startswith("~ last succeeded → skipped") for line in lines)
    assert not any("same " in line and "~" in line for line in lines)
    assert lines[-1] == "2 units the same in both"


def test_a_comparison_as_json(runs: tuple[Project, list[str]]) -> None:
    project, (one, two) = runs
    found = project.run("diff", one, two, "--json").result
    assert [run["run"] for run in found["runs"]] == [one, two]
    assert (found["workflow"], found["files"], found["inputs"]) == ("other", "same", ["word"])
    different = {unit["unit"]: unit for unit in found["different"]}
    assert different.keys() == {"each[1]", "each[2]", "last"}
    assert different["last"]["status"] == ["succeeded", "skipped"]
    assert found["units"] == 5
    assert project.run("diff", one, one, "--json").result["different"] == []


def test_one_step_of_two_runs(runs: tuple[Project, list[str]]) -> None:
    project, (one, two) = runs
    done = project.run("diff", one, two, "each[1]")
    assert '-  "input": "a of one",' in done.out
    assert '+  "input": "a of two",' in done.out
    assert "each[1]  succeeded" in done.out
    same = project.run("diff", one, two, "same")
    assert same.out.count("the same in both") == 2
    refused = project.run("diff", one, two, "eahc[1]")
    assert refused.status == ExitStatus.USAGE
    assert "did you mean `each[1]`?" in refused.err


def test_what_was_reused_is_no_difference(runs: tuple[Project, list[str]]) -> None:
    project, (_, two) = runs
    again = project.run("run", "flow.yaml", "-i", "word=two", "--reuse", two)
    assert again.status == ExitStatus.DONE
    found = project.run("diff", two, "latest", "--json").result
    assert found["different"] == []


@pytest.mark.parametrize("by", ["step", "model", "day"])
def test_costs_add_up(runs: tuple[Project, list[str]], by: str) -> None:
    project, names = runs
    found = project.run("cost", "--by", by, "--json").result
    paid = [project.run("diff", name, name, "--json").result["runs"][0] for name in names]
    total = sum(run["cost_usd"] for run in paid)
    assert abs(found["total"]["cost_usd"] - total) < 1e-9
    assert abs(sum(part["cost_usd"] for part in found["parts"]) - total) < 1e-9
    assert sum(part["requests"] for part in found["parts"]) == 6
    keys = [part[by] for part in found["parts"]]
    wanted = {"step": {"flow.yaml: each", "flow.yaml: same"}, "model": {"gpt-6-luna"}}
    assert set(keys) == wanted.get(by, set(keys))
    assert (found["runs"], found["simulated_runs"]) == (2, 0)


def test_costs_as_a_table(runs: tuple[Project, list[str]]) -> None:
    project, _ = runs
    assert project.run("run", "flow.yaml", "-i", "word=x", "--simulate").status == ExitStatus.DONE
    lines = [line.split() for line in project.run("cost", "--by", "step").out.splitlines()]
    assert lines[0] == ["step", "cost", "requests", "tokens"]
    assert lines[1][:2] == ["flow.yaml:", "each"]
    assert lines[3][:2] == ["in", "all"]
    assert " ".join(lines[4]) == "2 runs; 1 simulated run left out"


def test_a_project_without_runs_cost_nothing(project: Project) -> None:
    assert project.run("cost").out == " 0 runs\n"
    assert project.run("diff", "latest", "@1").status == ExitStatus.USAGE


def test_a_damaged_run_is_named_and_left_out(runs: tuple[Project, list[str]]) -> None:
    project, (one, _) = runs
    journal = project.folder / ".flowrunner/runs" / one / "journal.db"
    shutil.copyfile(project.folder / "flow.yaml", journal)
    done = project.run("cost", "--json")
    assert done.result["runs"] == 1
    assert one in done.err
