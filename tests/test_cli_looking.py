"""`runs`, `show` and `report` over runs that ended in every way, and over damaged ones."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from flowrunner.errors import ExitStatus
from tests.cli_world import KEY, Nursery, Project, Recorded, simulating

WORKFLOW = """\
flowrunner: 1
name: Looked at
defaults: { model: gpt-6-luna, on_unknown: hold }
steps:
  - { id: one, prompt: first }
  - { id: two, prompt: "second {{ steps.one.text }}" }
  - { id: three, prompt: never, if: false }
result: { text: "{{ steps.two.text }}" }
"""
ENDS = {"held": ExitStatus.HELD, "failed": ExitStatus.FAILED, "succeeded": ExitStatus.DONE}
FAULTS = [
    {"match": {"call": 2}, "do": {"status": 400}},
    {"match": {"call": 4}, "do": {"reset": "before"}},
]


@dataclass
class Seen:
    """A project with a run for each of ENDS, the newest first."""

    project: Project
    names: list[str]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> Seen:
    folder = tmp_path_factory.mktemp("looking")
    (folder / ".git").mkdir()
    project = Project(folder, nursery)
    project.write("looked.yaml", WORKFLOW)
    assert project.run("run", "looked.yaml", "--simulate").status == ExitStatus.DONE
    with simulating(FAULTS) as simulator:
        project.at(simulator)
        assert project.run("run", "looked.yaml").status == ExitStatus.FAILED
        assert project.run("run", "looked.yaml").status == ExitStatus.HELD
    return Seen(project, [run.name for run in project.runs])


def test_runs_lists_them_the_newest_first(seen: Seen) -> None:
    done = seen.project.run("runs")
    assert done.status == 0
    lines = [line for line in done.out.splitlines() if any(name in line for name in seen.names)]
    assert [name for line in lines for name in seen.names if name in line] == seen.names
    assert [status in line for status, line in zip(ENDS, lines, strict=True)] == [True] * 3


def test_runs_as_json_and_those_that_failed(seen: Seen) -> None:
    listed = seen.project.run("runs", "--json").result
    assert [row["status"] for row in listed] == list(ENDS)
    failed = seen.project.run("runs", "--failed", "--json").result
    assert [row["status"] for row in failed] == ["held", "failed"]


def test_runs_from_a_folder_below(seen: Seen) -> None:
    below = seen.project.folder / "deep" / "er"
    below.mkdir(parents=True, exist_ok=True)
    assert len(seen.project.run("runs", "--json", folder=below).result) == 3


@pytest.mark.parametrize(
    ("spec", "place"), [("latest", 0), ("latest-failed", 0), ("@0", 0), ("@1", 1), ("@2", 2)]
)
def test_a_run_has_many_names(seen: Seen, spec: str, place: int) -> None:
    done = seen.project.run("show", spec)
    assert done.status == 0
    assert seen.names[place] in done.out


def test_a_run_by_its_beginning_or_its_folder(seen: Seen) -> None:
    name = seen.names[1]
    assert name in seen.project.run("show", name).out
    assert name in seen.project.run("show", f".flowrunner/runs/{name}").out
    ambiguous = seen.project.run("show", name[:4])
    assert ambiguous.status == ExitStatus.USAGE
    assert "3 runs" in ambiguous.err


def test_show_tells_a_run(seen: Seen) -> None:
    out = seen.project.run("show", "@1").out
    assert "Looked at" in out
    for said in ("one", "two", "three", "400", "its `if` is false"):
        assert said in out


def test_show_tells_a_step_and_its_answer(seen: Seen) -> None:
    out = seen.project.run("show", "@2", "two").out
    assert "second [simulated]" in " ".join(out.split())
    assert "req_" in out
    assert "[simulated] No model wrote this answer." in " ".join(out.split())


def test_show_gives_the_result_alone(seen: Seen) -> None:
    done = seen.project.run("show", "@2", "--result")
    assert done.out == (seen.project.runs[2] / "result.json").read_text(encoding="utf-8")
    without = seen.project.run("show", "latest", "--result")
    assert (without.status, without.out) == (ExitStatus.USAGE, "")
    assert "has no result" in without.err


def test_a_report_is_made_again_from_the_journal_alone(seen: Seen) -> None:
    folder = seen.project.runs[2]
    before = {name: (folder / name).read_bytes() for name in ("report.html", "report.json")}
    for name in before:
        (folder / name).unlink()
    done = seen.project.run("report", "@2")
    assert (done.status, Path(done.out.strip())) == (0, folder / "report.html")
    assert {name: (folder / name).read_bytes() for name in before} == before
    as_json = seen.project.run("report", "@2", "--format", "json")
    assert json.loads(Path(as_json.out.strip()).read_bytes()) == Recorded(folder).report


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "lates"), "did you mean `latest`"),
        (("show", "19990101"), "No run here begins with `19990101`"),
        (("show", "@9"), "there are 3 in all"),
        (("show", "@x"), "@2"),
        (("show", "latest", "tow"), "has no step `tow`"),
        (("report", "elsewhere/run"), "`elsewhere/run`"),
        (("resume", "nope"), "nope"),
        (("resume", "@2"), "nothing to resume"),
        (("resume", "@2"), "--result` prints its result"),
    ],
)
def test_what_does_not_exist(seen: Seen, words: tuple[str, ...], said: str) -> None:
    done = seen.project.run(*words)
    assert (done.status, done.out) == (ExitStatus.USAGE, "")
    assert said.lower() in done.err.lower()


def test_a_project_without_runs(project: Project) -> None:
    listed = project.run("runs")
    assert listed.status == 0
    assert project.run("runs", "--json").result == []
    for verb in ("show", "resume", "report"):
        done = project.run(verb)
        assert (done.status, done.out) == (ExitStatus.USAGE, "")
        assert "flowrunner run" in done.err


@pytest.fixture
def damaged(project: Project) -> Project:
    project.write("looked.yaml", WORKFLOW)
    project.environ["OPENAI_API_KEY"] = KEY
    with simulating(FAULTS) as simulator:
        assert project.at(simulator).run("run", "looked.yaml").status == ExitStatus.FAILED
    return project


DAMAGES = {
    "cut": lambda content: content[: len(content) // 2],
    "garbage": lambda content: b"not a database at all" * 100,
    "flipped": lambda content: content.replace(b"second", b"sexond"),
    "empty": lambda content: b"",
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("verb", ["resume", "report"])
def test_a_damaged_journal_is_not_worked_with(damaged: Project, damage: str, verb: str) -> None:
    journal = damaged.runs[0] / "journal.db"
    content = DAMAGES[damage](journal.read_bytes())
    assert content != journal.read_bytes()
    journal.write_bytes(content)
    done = damaged.run(verb)
    assert (done.status, done.out) == (ExitStatus.JOURNAL, ""), done.err
    assert "Traceback" not in done.err
    assert "nothing was sent" in done.err or verb == "report"


def test_runs_names_a_damaged_one_and_lists_the_rest(damaged: Project) -> None:
    damaged.run("run", "looked.yaml", "--simulate")
    (damaged.runs[1] / "journal.db").write_bytes(b"")
    done = damaged.run("runs")
    assert done.status == 0
    assert damaged.runs[0].name in done.out
    assert f"warning: {damaged.runs[1].name}" in done.err
