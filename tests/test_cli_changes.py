"""A workflow or an input that was edited since its run began: shown, refused, or accepted."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from flowrunner.errors import ExitStatus
from flowrunner.simulator import Simulator
from tests.cli_world import Project, check_books, kill, posts
from tests.sample_files import png

WORKFLOW = """\
flowrunner: 1
name: Edited
inputs: { note: file, pages: files }
defaults: { model: gpt-6-luna }
steps:
  - { id: one, prompt: "first {{ inputs.note.text }}" }
  - { id: two, prompt: "second" }
  - { id: three, for_each: inputs.pages, as: page, prompt: "page {{ page.text }}" }
  - { id: four, prompt: "fourth {{ steps.two.text }}", on_error: continue }
result: { text: "{{ steps.one.text }}" }
"""
FAIL_FOURTH = {"match": {"client_request_id": "/four/1.1.1"}, "do": {"status": 400}}


@pytest.fixture
def edited(project: Project, simulate: Callable[..., Simulator]) -> tuple[Project, Simulator]:
    simulator = simulate([FAIL_FOURTH])
    project.at(simulator).write("flow.yaml", WORKFLOW)
    project.write("note.txt", "the note")
    for name in "ab":
        project.write(f"pages/{name}.txt", f"page {name}")
    done = project.run("run", "flow.yaml", "-i", "note=note.txt", "-i", "pages=pages/*.txt")
    assert done.status == ExitStatus.ITEMS_FAILED, done.err
    return project, simulator


def _asked(simulator: Simulator, before: int) -> list[str]:
    names = [str(call.client_request_id).split("/", 1)[1] for call in posts(simulator)[before:]]
    return sorted(name.rsplit("/", 1)[0] for name in names)


EDITS = {
    "a prompt": ("flow.yaml", "second", "zweite", ["two"], ["-  - { id: two", "+  - { id: two"]),
    "a file": ("note.txt", "the note", "another note", ["one"], ["-the note", "+another note"]),
    "one of many files": ("pages/b.txt", "page b", "page B", ["three[2]"], ["-page b", "+page B"]),
}


@pytest.mark.parametrize("case", EDITS)
def test_an_edit_is_shown_and_refused_until_it_is_accepted(
    edited: tuple[Project, Simulator], case: str
) -> None:
    project, simulator = edited
    name, old, new, asked, shown = EDITS[case]
    before = len(posts(simulator))
    path = project.folder / name
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    refused = project.run("resume")
    assert refused.status == ExitStatus.USAGE
    assert all(line in refused.err for line in shown)
    assert "--accept-changes" in refused.err
    assert len(posts(simulator)) == before

    accepted = project.run("resume", "--accept-changes")
    assert accepted.status == ExitStatus.DONE, accepted.err
    again = _asked(simulator, before)
    assert again == sorted([*asked, "four"])
    assert project.run("resume").status == ExitStatus.USAGE, "nothing is left"
    check_books(project.latest, simulator)


def test_a_resume_that_dies_after_it_took_the_edit_still_does_all_of_it(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    pids: list[int] = []
    struck: list[int] = []
    born = threading.Event()

    def strike(body: dict[str, Any]) -> None:
        if body["input"] == "new one" and not struck:
            assert born.wait(30)
            kill(pids[0])
            struck.append(pids[0])

    simulator = simulate(replies=strike)
    text = WORKFLOW.split("inputs:", maxsplit=1)[0] + "defaults: { model: gpt-6-luna }\nsteps:\n"
    text += '  - { id: one, prompt: "old one" }\n'
    text += '  - { id: two, prompt: "old two", needs: [one] }\n'
    project.at(simulator).write("flow.yaml", text)
    assert project.run("run", "flow.yaml").status == ExitStatus.DONE
    project.write("flow.yaml", text.replace("old", "new"))
    running = project.start("resume", "--accept-changes")
    pids.append(running.pid)
    born.set()
    assert running.wait().status == -signal.SIGKILL
    assert project.run("resume").status == ExitStatus.DONE
    inputs = [call.body["input"] for call in posts(simulator)]
    assert inputs[:2] == ["old one", "old two"]
    assert inputs[-1] == "new two", "what the edit touched and the crash left is done"


def test_an_edit_that_is_no_workflow_is_refused_with_its_mistakes(
    edited: tuple[Project, Simulator],
) -> None:
    project, simulator = edited
    before = len(posts(simulator))
    project.write("flow.yaml", WORKFLOW.replace('prompt: "second"', "promt: second"))
    ended = project.run("resume", "--accept-changes")
    assert ended.status == ExitStatus.INVALID
    assert "did you mean `prompt`" in ended.err
    assert len(posts(simulator)) == before
    project.write("flow.yaml", WORKFLOW)
    assert project.run("resume", "--accept-changes").status == ExitStatus.DONE


def test_a_file_that_is_gone_is_named(edited: tuple[Project, Simulator]) -> None:
    project, _ = edited
    (project.folder / "note.txt").unlink()
    ended = project.run("resume", "--accept-changes")
    assert ended.status == ExitStatus.USAGE
    assert "note.txt" in ended.err


ATTACHED = """\
flowrunner: 1
name: Attached
defaults: { model: gpt-6-luna }
steps:
  - { id: one, prompt: first, attach: [scans/a.png] }
  - { id: two, prompt: second, attach: ["scans/*.txt"] }
  - { id: made, write: made, save_to: out/made.txt }
  - { id: three, needs: [made], prompt: third, attach: [out/made.txt] }
  - { id: four, prompt: fourth, on_error: continue }
result: { text: "{{ steps.one.text }}" }
"""


def test_a_file_that_is_attached_and_was_edited_is_attached_anew(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    simulator = simulate([FAIL_FOURTH])
    project.at(simulator).write("flow.yaml", ATTACHED)
    (project.folder / "scans").mkdir()
    (project.folder / "scans" / "a.png").write_bytes(png())
    project.write("scans/a.txt", "a note")
    assert project.run("run", "flow.yaml").status == ExitStatus.ITEMS_FAILED
    (project.folder / "scans" / "a.png").write_bytes(png(9))
    before = len(posts(simulator))
    refused = project.run("resume")
    assert refused.status == ExitStatus.USAGE
    assert "`scans/a.png` changed" in refused.err
    assert f"+({len(png(9))} bytes, sha256 " in refused.err
    assert len(posts(simulator)) == before
    project.run("resume", "--accept-changes")
    assert _asked(simulator, before) == ["four", "one"]


def test_a_file_that_a_step_made_is_no_change(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    simulator = simulate([FAIL_FOURTH])
    project.at(simulator).write("flow.yaml", ATTACHED)
    (project.folder / "scans").mkdir()
    (project.folder / "scans" / "a.png").write_bytes(png())
    project.write("scans/a.txt", "a note")
    project.write("out/made.txt", "made by an earlier run")
    assert project.run("run", "flow.yaml").status == ExitStatus.ITEMS_FAILED
    before = len(posts(simulator))
    project.run("resume")
    assert _asked(simulator, before) == ["four"]
