"""`validate`: every mistake in one pass, in four forms, and nothing is ever sent."""

from __future__ import annotations

import json

import pytest

from flowrunner.errors import ExitStatus
from flowrunner.simulator import Simulator
from tests.cli_world import Project

GOOD = "flowrunner: 1\nname: Good\nsteps:\n  - { id: a, model: gpt-6-luna, prompt: hi }\n"
BAD = """\
flowrunner: 1
name: Bad
defaults: { model: gpt-6-luna }
steps:
  - id: first
    promt: hello
  - id: second
    prompt: "{{ steps.frist.text }} {{ inputs.nope }}"
  - id: second
    prompt: again
    timeout: soon
"""
LINES = {6, 8, 9, 11}
WARNED = """\
flowrunner: 1
name: Warned
steps:
  - { id: a, model: gpt-6-lunar, prompt: hi }
"""


@pytest.fixture
def mistakes(project: Project) -> Project:
    project.write("bad.yaml", BAD)
    project.write("sub/good.yaml", GOOD)
    project.write("sub/warned.yml", WARNED)
    project.write("sub/other.yaml", "services: {}\n")
    project.write(".hidden/bad.yaml", BAD)
    return project


def test_all_mistakes_are_shown_at_once(mistakes: Project) -> None:
    done = mistakes.run("validate", "bad.yaml")
    assert done.status == 3
    for said in ("did you mean `prompt`", "did you mean `first`", "inputs.nope", "soon", "second"):
        assert said in done.out
    assert "1 file checked" in done.err
    assert "Traceback" not in done.out + done.err


@pytest.mark.parametrize("form", ["full", "concise", "json", "github"])
def test_every_form_names_every_line(mistakes: Project, form: str) -> None:
    done = mistakes.run("validate", "bad.yaml", "--format", form)
    assert done.status == 3
    if form == "json":
        lines = {one["line"] for one in json.loads(done.out)}
    elif form == "github":
        assert all(line.startswith("::error ") for line in done.out.splitlines())
        lines = {n for n in range(1, 20) if f"line={n}," in done.out}
    else:
        lines = {n for n in range(1, 20) if f"bad.yaml:{n}:" in done.out}
    assert lines >= LINES


def test_folders_are_searched_for_workflows(mistakes: Project) -> None:
    done = mistakes.run("validate", "--format", "concise")
    assert done.status == 3
    assert "bad.yaml:" in done.out
    assert "sub/warned.yml:" in done.out
    assert "other.yaml" not in done.out
    assert ".hidden" not in done.out
    assert "3 files checked" in done.err
    assert mistakes.run("validate", "sub").status == 0


def test_strict_counts_warnings(mistakes: Project) -> None:
    lenient = mistakes.run("validate", "sub/warned.yml")
    assert lenient.status == 0
    assert "warning" in lenient.out
    assert "gpt-6-luna" in lenient.out
    assert mistakes.run("validate", "--strict", "sub/warned.yml").status == 3
    assert mistakes.run("validate", "sub", environ={"FLOWRUNNER_STRICT": "1"}).status == 3


def test_a_path_that_is_not_there(mistakes: Project) -> None:
    done = mistakes.run("validate", "goood.yaml")
    assert (done.status, done.out) == (2, "")
    assert "there is no file `goood.yaml`" in done.err
    assert "bad.yaml" in done.err


def test_nothing_to_check_is_said(project: Project) -> None:
    done = project.run("validate")
    assert done.status == 0
    assert "0 files checked" in done.err


ODD = {
    "empty.yaml": b"",
    "list.yaml": b"- a\n- b\n",
    "latin.yaml": "flowrunner: 1\nname: Köln\n".encode("latin-1"),
    "tag.yaml": b"flowrunner: 1\nname: !!python/object/apply:os.system [id]\n",
    "deep.yaml": b"flowrunner: " + b"[" * 60_000,
    "nul.yaml": b"flowrunner: 1\nname: a\0b\n",
}


@pytest.mark.parametrize("name", ODD)
def test_odd_files_are_mistakes_and_nothing_worse(project: Project, name: str) -> None:
    (project.folder / name).write_bytes(ODD[name])
    for verb in ("validate", "run"):
        done = project.run(verb, name)
        assert done.status == 3, done.err
        assert f"{name}:" in done.out + done.err
        assert "Traceback" not in done.out + done.err


def test_run_shows_the_same_mistakes_and_sends_nothing(
    mistakes: Project, simulator: Simulator
) -> None:
    mistakes.at(simulator)
    told = mistakes.run("validate", "bad.yaml")
    done = mistakes.run("run", "bad.yaml")
    assert (done.status, done.out) == (3, "")
    assert told.out.strip() in done.err
    assert "nothing was sent" in done.err
    assert len(simulator.ledger) == 0
    assert not (mistakes.folder / ".flowrunner").exists()


@pytest.mark.parametrize("verb", ["validate", "run"])
def test_a_folder_or_a_broken_link_is_no_workflow(project: Project, verb: str) -> None:
    (project.folder / "gone.yaml").symlink_to("nowhere.yaml")
    assert project.run(verb, "gone.yaml").status in (2, 3)
    assert project.run("run", ".").status in (2, 3)


def test_warnings_are_shown_and_the_run_goes_on(mistakes: Project, simulator: Simulator) -> None:
    done = mistakes.at(simulator).run("run", "sub/warned.yml")
    assert "did you mean" in done.err
    assert len(simulator.ledger) == 1


TESTS = """\
flowrunner_test: 1
workflow: greet.yaml
cases:
  - name: a
    expct: { exit: 0 }
    expect: { ran: [helo] }
"""
GREET = """\
flowrunner: 1
name: Greet
steps:
  - { id: hello, prompt: Hello., modle: gpt-6-luna }
"""


def test_tests_in_folders_are_checked_as_tests(project: Project) -> None:
    project.write("greet.yaml", GREET)
    project.write("tests/greet.test.yaml", TESTS.replace("greet.yaml", "../greet.yaml"))
    project.write("other.test.yaml", "services: {}\n")
    done = project.run("validate", "--format", "concise")
    assert done.status == ExitStatus.INVALID
    assert [line.split(":")[:2] for line in done.out.splitlines()] == [
        ["greet.yaml", "4"],
        ["tests/greet.test.yaml", "5"],
    ], "the mistake of a workflow is told once"
    assert "2 files checked: 2 errors" in done.err
    project.write("greet.yaml", GREET.replace("modle", "model"))
    done = project.run("validate", "--format", "concise")
    assert "unknown key `expct` in entry 1 of `cases`" in done.out
    assert "the workflow has no step `helo`" in done.out


def test_a_file_of_tests_is_known_by_what_it_says_or_is_called(project: Project) -> None:
    project.write("greet.yaml", GREET.replace("modle", "model"))
    good = TESTS.replace("    expct: { exit: 0 }\n", "").replace("helo", "hello")
    project.write("cases.yaml", good)
    project.write("typo.test.yaml", good.replace("flowrunner_test", "flowrunner_tests"))
    project.write("smoke.test.yaml", GREET.replace("modle", "model"))
    done = project.run("validate", "cases.yaml", "smoke.test.yaml")
    assert (done.status, done.out) == (0, ""), done.out
    done = project.run("validate")
    assert done.status == ExitStatus.INVALID
    assert "typo.test.yaml:1:1: error[unknown-key]" in done.out
    assert "did you mean `flowrunner_test`?" in done.out
    assert "4 files checked" in done.err


@pytest.mark.parametrize("verb", ["run", "plan", "graph"])
def test_tests_are_not_taken_for_a_workflow(project: Project, verb: str) -> None:
    project.write("greet.test.yaml", TESTS)
    done = project.run(verb, "greet.test.yaml")
    assert done.status == ExitStatus.USAGE
    assert "flowrunner test greet.test.yaml" in done.err


RECORDED = """\
flowrunner_test: 1
workflow: ../hello.yaml
cases:
  - { name: one, recording: RECORDING, expect: { exit: 0 } }
"""


@pytest.mark.parametrize(
    ("name", "written", "status", "said"),
    [
        (
            "hello",
            None,
            3,
            "warning[case]: there is no recording `workflows/recordings/hello.json`",
        ),
        (
            "hello",
            "{",
            3,
            "error[case]: the recording `workflows/recordings/hello.json` is no JSON",
        ),
        ("hello", "{}", 3, "at `the top` it is not as `recording.schema.json` says"),
        ("../x", None, 3, "error[case]: `../x` cannot be the name of a recording"),
        ("lease", None, 0, ""),
    ],
)
def test_the_recordings_of_cases_are_looked_at(
    project: Project, name: str, written: str | None, status: int, said: str
) -> None:
    project.with_gallery()
    project.write("workflows/tests/more.test.yaml", RECORDED.replace("RECORDING", name))
    if written is not None:
        project.write(f"workflows/recordings/{name}.json", written)
    done = project.run("validate", "--strict")
    assert done.status == status
    assert said in done.out
    if said:
        assert "workflows/tests/more.test.yaml:4:29: " in done.out


def test_a_recording_can_be_checked_itself(project: Project) -> None:
    project.with_gallery()
    assert project.run("validate", "workflows/recordings/lease.json").status == 0
    path = project.folder / "workflows" / "recordings" / "lease.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"turn"', '"turns"', 1))
    done = project.run("validate", "workflows/recordings/lease.json")
    assert done.status == ExitStatus.INVALID
    assert "at `replies/0` it is not as `recording.schema.json` says" in done.out
