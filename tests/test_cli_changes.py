"""A workflow or an input that was edited since its run began: shown, refused, or accepted."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from flowrunner.errors import ExitStatus
from flowrunner.simulator import Simulator
from tests.cli_world import KEY, Project, check_books, kill, posts
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


SOURCES = """\
flowrunner: 1
name: Sourced
inputs:
  pages: files
  people: { type: table, columns: { age: number } }
defaults: { model: gpt-6-luna }
steps:
  - { id: page, for_each: inputs.pages, as: one, prompt: "page {{ one.text }}" }
  - { id: row, for_each: inputs.people, as: one, prompt: "{{ one.name }} is {{ one.age }}" }
  - { id: apart, prompt: "apart" }
result: { pages: "{{ steps.page.texts | length }}", people: "{{ steps.row.texts | length }}" }
"""


@pytest.fixture
def sourced(project: Project, simulate: Callable[..., Simulator]) -> tuple[Project, Simulator]:
    simulator = simulate()
    project.at(simulator).write("flows/flow.yaml", SOURCES)
    project.write("people.csv", "name,age\nAnn,30\nBo,40\n")
    for name in "bd":
        project.write(f"in/{name}.txt", f"text {name}")
    words = ("run", "flows/flow.yaml", "-i", "pages=in/*.txt", "-i", "people=people.csv")
    done = project.run(*words)
    assert done.status == ExitStatus.DONE, done.err
    return project, simulator


def _edit(project: Project, edit: str) -> None:
    match edit:
        case "row":
            project.write("people.csv", "name,age\nAnn,30\nBo,41\n")
        case "new-row":
            project.write("people.csv", "name,age\nZoe,9\nAnn,30\nBo,40\n")
        case "row-gone":
            project.write("people.csv", "name,age\nBo,40\n")
        case "new-file":
            project.write("in/a.txt", "text a")
        case "file-gone":
            (project.folder / "in/b.txt").unlink()
        case "renamed":
            (project.folder / "in/b.txt").rename(project.folder / "in/e.txt")


SOURCE_EDITS: dict[str, tuple[list[str], list[str]]] = {
    "row": (["row[2]"], ['-{"name": "Bo", "age": 40}', '+{"name": "Bo", "age": 41}']),
    "new-row": (["row[1]"], ['+{"name": "Zoe", "age": 9}']),
    "row-gone": ([], ['-{"name": "Ann", "age": 30}']),
    "new-file": (["page[1]"], ["../in/a.txt: it is new"]),
    "file-gone": ([], ["in/b.txt: it is gone"]),
    "renamed": ([], ["in/b.txt: it is gone", "in/e.txt: it is new"]),
}


@pytest.mark.parametrize("edit", SOURCE_EDITS)
def test_rows_and_files_that_are_new_or_gone_are_noticed(
    sourced: tuple[Project, Simulator], edit: str
) -> None:
    project, simulator = sourced
    assert "is done" in project.run("resume").err
    before = len(posts(simulator))
    _edit(project, edit)
    asked, shown = SOURCE_EDITS[edit]
    refused = project.run("resume")
    assert refused.status == ExitStatus.USAGE
    assert all(line.removeprefix("../") in refused.err for line in shown), refused.err
    assert "--accept-changes" in refused.err
    assert len(posts(simulator)) == before

    accepted = project.run("resume", "--accept-changes")
    assert accepted.status == ExitStatus.DONE, accepted.err
    assert _asked(simulator, before) == asked
    rows = len((project.folder / "people.csv").read_text(encoding="utf-8").splitlines()) - 1
    pages = len(list((project.folder / "in").iterdir()))
    assert accepted.result == {"pages": pages, "people": rows}
    again = project.run("resume")
    assert again.status == ExitStatus.USAGE
    assert "is done" in again.err
    check_books(project.latest, simulator)


def test_rows_that_read_the_same_are_no_change(sourced: tuple[Project, Simulator]) -> None:
    project, _ = sourced
    (project.folder / "people.csv").write_bytes(b"\xef\xbb\xbfname;age\r\nAnn;30\r\nBo;40\r\n")
    assert "is done" in project.run("resume").err


def test_a_table_that_cannot_be_read_any_more_is_said(sourced: tuple[Project, Simulator]) -> None:
    project, _ = sourced
    project.write("people.csv", "name\nAnn\n")
    for words in (("resume",), ("resume", "--accept-changes")):
        refused = project.run(*words)
        assert refused.status == ExitStatus.USAGE
        assert "has no column `age`" in refused.err


def test_what_a_run_that_is_done_would_do_now_is_shown(
    sourced: tuple[Project, Simulator],
) -> None:
    project, simulator = sourced
    before = len(posts(simulator))
    project.write("flows/flow.yaml", SOURCES.replace('"apart"', '"elsewhere"'))
    refused = project.run("resume")
    assert refused.status == ExitStatus.USAGE
    assert '+  - { id: apart, prompt: "elsewhere" }' in refused.err
    assert "is done" not in refused.err
    assert project.run("resume", "--accept-changes").status == ExitStatus.DONE
    assert _asked(simulator, before) == ["apart"]


def test_a_key_that_stands_in_a_changed_file_is_not_shown(
    sourced: tuple[Project, Simulator],
) -> None:
    project, simulator = sourced
    project.write("in/b.txt", f"the key is {KEY}")
    project.write("people.csv", f"name,age\n{KEY},30\nBo,40\n")
    assert KEY not in project.run("resume").err
    accepted = project.run("resume", "--accept-changes")
    assert accepted.status == ExitStatus.DONE, accepted.err
    assert not any(KEY in str(call.body) for call in posts(simulator))


SCHEMA = """\
{
  "type": "object",
  "properties": { "team": { "type": "string", "enum": ["bug", "other"] } },
  "required": ["team"],
  "additionalProperties": false
}
"""


def test_a_schema_in_a_file_is_part_of_the_run(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    simulator = simulate()
    steps = """
  - { id: sort, prompt: sort, schema: schemas/team.json }
  - { id: apart, prompt: "{{ steps.sort.output.team }}" }
"""
    head = "flowrunner: 1\nname: Schema\ndefaults: { model: gpt-6-luna }\nsteps:"
    project.at(simulator).write("flow.yaml", head + steps)
    project.write("schemas/team.json", SCHEMA)
    assert project.run("run", "flow.yaml").status == ExitStatus.DONE
    sent = posts(simulator)[0].body["text"]["format"]
    assert (sent["strict"], sent["schema"]["required"]) == (True, ["team"])

    project.write("schemas/team.json", SCHEMA.replace('"bug", "other"', '"desk"'))
    refused = project.run("resume")
    assert refused.status == ExitStatus.USAGE
    assert '+  "properties": { "team": { "type": "string", "enum": ["desk"] } },' in refused.err
    assert project.run("resume", "--accept-changes").status == ExitStatus.DONE
    assert _asked(simulator, 2) == ["apart", "sort"]

    project.write("schemas/team.json", SCHEMA.replace("string", "strnig"))
    broken = project.run("resume", "--accept-changes")
    assert broken.status == ExitStatus.INVALID
    assert "schemas/team.json:3:" in broken.err


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
