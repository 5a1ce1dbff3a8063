"""`run --cron`: not a byte where all goes well, the whole story where not, one at a time."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from flowrunner.commands.unattended import Quiet, unattended
from flowrunner.commands.viewing import Viewer
from flowrunner.errors import ExitStatus, RunBusy
from flowrunner.platform import FileLock
from flowrunner.simulator import Simulator
from tests.cli_world import KEY, Project, posts

pytestmark = pytest.mark.skipif(os.name == "nt", reason="programs are forked")

Simulate = Callable[..., Simulator]

WORKFLOW = """\
flowrunner: 1
name: Nightly
defaults: { model: gpt-6-luna }
steps:
  - { id: gather, prompt: "gather" }
  - { id: digest, prompt: "digest {{ steps.gather.text }}" }
result: "{{ steps.digest.text }}"
"""
REFUSED = {"match": {"call": 2}, "do": {"status": 400, "error": "invalid_prompt"}}


def cron(project: Project, *words: str, **more: object) -> tuple[int, str, str]:
    done = project.run("run", "flow.yaml", "--cron", *words, **more)
    return done.status, done.out, done.err


def lock_of(project: Project) -> Path:
    (path,) = (project.folder / ".flowrunner" / "locks").glob("*.lock")
    return path


def test_where_all_goes_well_nothing_is_printed(project: Project, simulator: Simulator) -> None:
    project.at(simulator).write("flow.yaml", WORKFLOW)
    assert cron(project) == (ExitStatus.DONE, "", "")
    assert (project.latest.folder / "result.json").exists()
    assert (project.latest.folder / "report.html").exists()


def test_where_not_the_whole_story_is(project: Project, simulate: Simulate) -> None:
    project.at(simulate([REFUSED])).write("flow.yaml", WORKFLOW)
    status, out, err = cron(project)
    run = project.latest.folder.name
    assert (status, out) == (ExitStatus.FAILED, "")
    assert " ✓ gather" in err
    assert "1 of 2 steps failed" in err
    assert "flow.yaml:6" in err
    assert f"flowrunner resume {run}" in err
    assert f".flowrunner/runs/{run}/report.html" in err
    assert "COST=$" in err


def test_a_poor_environment_and_another_folder_are_enough(
    project: Project, simulate: Simulate, tmp_path: Path
) -> None:
    simulator = simulate([REFUSED])
    project.write("flow.yaml", WORKFLOW)
    project.write(".env", f"OPENAI_API_KEY={KEY}\nOPENAI_BASE_URL={simulator.base_url}\n")
    path = str(project.folder / "flow.yaml")
    done = project.run_from_nothing(
        "run",
        path,
        "--cron",
        environ={name: project.environ[name] for name in ("PYTHONPATH",) if name in project.environ}
        | {"LC_ALL": "C"},
        cwd=tmp_path,
    )
    assert done.status == ExitStatus.FAILED
    assert KEY not in done.out + done.err
    resume = next(line for line in done.err.splitlines() if line.startswith("  Continue"))
    spec = resume.split("flowrunner resume ")[1].split()[0]
    again = project.run("resume", spec, folder=tmp_path, environ={"OPENAI_API_KEY": KEY})
    assert again.status == ExitStatus.DONE, again.err
    assert len(posts(simulator)) == 3


def test_mistakes_and_wrong_words_are_told(project: Project, simulator: Simulator) -> None:
    project.at(simulator).write("flow.yaml", WORKFLOW.replace("prompt", "promt", 1))
    status, _, err = cron(project)
    assert status == ExitStatus.INVALID
    assert "did you mean `prompt`?" in err
    for words in (("--watch",), ("--json",)):
        status, _, err = cron(project, *words)
        assert status == ExitStatus.USAGE
        assert "exclude each other" in err
    alone = project.run("run", "flow.yaml", "--on-overlap", "skip")
    assert alone.status == ExitStatus.USAGE
    assert "belongs to `--cron`" in alone.err
    assert posts(simulator) == []


def test_nobody_is_asked(project: Project, simulator: Simulator) -> None:
    text = WORKFLOW.replace("steps:", "inputs: { day: text }\nsteps:", 1)
    project.at(simulator).write("flow.yaml", text.replace('"gather"', '"gather {{ inputs.day }}"'))
    program = project.start_at_a_terminal("run", "flow.yaml", "--cron")
    program.expect("the input `day` is missing")
    program.expect(pytest.importorskip("pexpect").EOF)
    program.close()
    assert program.exitstatus == ExitStatus.USAGE


def test_one_at_a_time(project: Project, simulator: Simulator) -> None:
    project.at(simulator).write("flow.yaml", WORKFLOW)
    assert cron(project)[0] == ExitStatus.DONE
    before = len(posts(simulator))
    held = FileLock(lock_of(project))
    assert held.acquire()
    status, out, err = cron(project)
    assert (status, out) == (ExitStatus.BUSY, "")
    assert f"at work already, by pid {os.getpid()}" in err
    assert cron(project, "--on-overlap", "skip") == (ExitStatus.DONE, "", "")
    assert project.run("run", "flow.yaml").status == ExitStatus.DONE, "a person is not held up"
    assert len(posts(simulator)) == before + 2
    held.release()
    assert cron(project) == (ExitStatus.DONE, "", "")


def test_of_many_at_once_one_works(project: Project, simulate: Simulate) -> None:
    simulator = simulate([{"match": {"call": 1}, "do": {"delay": 1.0}}])
    project.at(simulator).write("flow.yaml", WORKFLOW)
    running = [project.start("run", "flow.yaml", "--cron") for _ in range(6)]
    ends = sorted(each.wait().status for each in running)
    assert ends == [ExitStatus.DONE, *[ExitStatus.BUSY] * 5]
    assert len(posts(simulator)) == 2


def test_a_lock_dies_with_its_holder(project: Project, simulate: Simulate) -> None:
    arrived, gone = threading.Event(), threading.Event()

    def answer(_: object) -> str:
        arrived.set()
        assert gone.wait(timeout=30)
        return "done"

    project.at(simulate(replies=answer)).write("flow.yaml", WORKFLOW)
    first = project.start("run", "flow.yaml", "--cron")
    assert arrived.wait(timeout=30)
    first.signal(signal.SIGKILL)
    first.wait()
    gone.set()
    assert cron(project) == (ExitStatus.DONE, "", "")


class Told:
    """A viewer that nobody is behind."""

    is_live = colour = False
    utf8 = True
    width, height = 100, 24

    def __init__(self) -> None:
        self.lines: list[str] = []

    def result(self, text: str) -> None:
        self.lines.append(text)

    def progress(self, text: str) -> None:
        self.lines.append(text)

    def redraw(self, below: object, above: object = ()) -> None:
        raise AssertionError("nobody watches")


@pytest.fixture
def flow(project: Project) -> Path:
    return project.write("flow.yaml", WORKFLOW)


def test_whoever_waits_goes_on_when_the_other_has_ended(project: Project, flow: Path) -> None:
    def go(viewer: Viewer) -> ExitStatus:
        viewer.progress("the story")
        viewer.result("the result")
        return ExitStatus.ITEMS_FAILED

    told = Told()
    assert unattended(flow, go, "fail", told) is ExitStatus.ITEMS_FAILED
    assert told.lines == ["the story"]
    held = FileLock(lock_of(project))
    assert held.acquire()
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            held.release()

    assert unattended(flow, go, "wait", told, sleep) is ExitStatus.ITEMS_FAILED
    assert naps == [1.0, 1.0, 1.0]


def test_a_fault_ends_with_the_story_and_lets_go(project: Project, flow: Path) -> None:
    def breaks(viewer: Viewer) -> ExitStatus:
        assert isinstance(viewer, Quiet)
        viewer.progress("so far")
        raise RunBusy("something else")

    told = Told()
    with pytest.raises(RunBusy):
        unattended(flow, breaks, "fail", told)
    assert told.lines == ["so far"]
    lock = FileLock(lock_of(project))
    assert lock.acquire()
    lock.release()
    shutil.rmtree(project.folder / ".flowrunner")
    assert unattended(flow, lambda _: ExitStatus.DONE, "fail", told) is ExitStatus.DONE
