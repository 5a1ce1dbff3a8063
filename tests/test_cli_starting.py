"""`demo` and `simulator`: the first minute, and a server for anything that speaks the API."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from flowrunner.simulator import Simulator
from tests.cli_world import BARE, Done, Nursery, Project, Recorded

# demo


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> tuple[Project, Done]:
    folder = tmp_path_factory.mktemp("demo")
    (folder / ".git").mkdir()
    project = Project(folder, nursery)
    return project, project.run("demo", "first")


def test_demo_makes_a_project_runs_it_and_says_what_next(shown: tuple[Project, Done]) -> None:
    project, done = shown
    assert done.status == 0, done.err
    assert "team" in done.result
    assert "SIMULATED" in done.err
    assert "cd first" in done.err
    assert "flowrunner report --open" in done.err
    made = project.folder / "first"
    assert (made / "workflows" / "ticket_triage.yaml").is_file()
    assert ".env" in (made / ".gitignore").read_text(encoding="utf-8")
    assert not (project.folder / ".flowrunner").exists(), "its runs are its own"
    (run,) = (made / ".flowrunner" / "runs").glob("2*")
    assert Recorded(run).report["verdict"]["status"] == "succeeded"
    assert (run / "report.html").stat().st_size > 1000


def test_the_commands_that_demo_names_work(shown: tuple[Project, Done]) -> None:
    project, done = shown
    made = project.folder / "first"
    assert project.run("validate", folder=made).status == 0
    assert Path(project.run("report", folder=made).out.strip()).is_file()
    (named,) = re.findall(r"flowrunner (run .*) -i ticket='(.*)'", done.err)
    again = project.run(*named[0].split(), "-i", f"ticket={named[1]}", folder=made)
    assert again.status == 0, again.err
    assert len(project.run("runs", folder=made).out.splitlines()) >= 2


def test_the_editor_finds_the_schema_of_the_project(shown: tuple[Project, Done]) -> None:
    made = shown[0].folder / "first"
    text = (made / "workflows" / "hello.yaml").read_text(encoding="utf-8")
    (named,) = re.findall(r"\$schema=(\S+)", text)
    assert json.loads((made / "workflows" / named).read_bytes())


def test_demo_spoils_no_folder_that_holds_something(project: Project) -> None:
    project.write("full/mine.txt", "precious")
    done = project.run("demo", "full")
    assert (done.status, done.out) == (2, "")
    assert "`full` is not empty" in done.err
    assert [path.name for path in (project.folder / "full").iterdir()] == ["mine.txt"]


def test_demo_finds_a_folder_of_its_own(project: Project, tmp_path: Path) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    done = project.run("demo", environ={"TMPDIR": str(place)})
    assert done.status == 0, done.err
    (made,) = place.iterdir()
    assert str(made) in done.err
    assert os.stat(made).st_mode & 0o077 == 0  # noqa: PTH116


# simulator


@pytest.fixture
def served(project: Project) -> Iterator[subprocess.Popen[str]]:
    program = subprocess.Popen(
        [sys.executable, "-m", "flowrunner", "simulator", "--port", "0"],
        cwd=project.folder,
        env=BARE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with program:
        yield program
        program.kill()


def test_the_simulator_serves_until_it_is_ended(
    served: subprocess.Popen[str], project: Project
) -> None:
    assert served.stdout is not None
    assert served.stderr is not None
    url = urlsplit(served.stdout.readline().strip())
    assert url.hostname == "127.0.0.1"
    connection = http.client.HTTPConnection(url.hostname, url.port or 0, timeout=10)
    body = json.dumps({"model": "gpt-6-luna", "input": "hello"})
    headers = {"Authorization": "Bearer simulated", "Content-Type": "application/json"}
    connection.request("POST", f"{url.path}/responses", body, headers)
    answer = connection.getresponse()
    assert answer.status == 200
    assert json.loads(answer.read())["status"] == "completed"
    connection.close()

    project.with_gallery()
    project.environ |= {"OPENAI_BASE_URL": url.geturl(), "OPENAI_API_KEY": "simulated"}
    assert project.run("run", "workflows/hello.yaml").status == 0

    served.send_signal(signal.SIGTERM)
    rest = served.stderr.read()
    assert served.wait(timeout=10) == 0
    assert f"OPENAI_BASE_URL={url.geturl()}" in rest
    assert "Traceback" not in rest


def test_a_port_that_is_taken_is_told(project: Project, simulator: Simulator) -> None:
    done = project.run("simulator", "--port", str(simulator.port))
    assert (done.status, done.out) == (4, "")
    assert f"port {simulator.port}" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("faults:\n  - do: { stauts: 500 }\n", "did you mean `status`"),
        ("faults: [", "not readable"),
        (None, "cannot be read"),
    ],
)
def test_faults_that_cannot_be_ordered(project: Project, text: str | None, said: str) -> None:
    if text is not None:
        project.write("faults.yaml", text)
    done = project.run("simulator", "--port", "0", "--faults", "faults.yaml")
    assert (done.status, done.out) == (2, "")
    assert said in done.err
