"""Files in and out over a real socket: attached, uploaded, made, fetched, attached again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flowrunner.engine.outgoing import INLINE_BYTES
from flowrunner.errors import ExitStatus
from flowrunner.simulator import Simulator
from tests.cli_world import Project, check_books, posts
from tests.sample_files import pdf, png

WORKFLOW = """\
flowrunner: 1
name: Files
inputs: { scan: file }
defaults: { model: gpt-6-luna }
steps:
  - { id: read, prompt: Read this., attach: ["{{ inputs.scan }}", "page.pdf"] }
  - { id: long, prompt: Sum this up., attach: [long.txt] }
  - { id: again, needs: [long], prompt: Translate this., attach: [{ file: long.txt }] }
  - { id: draw, prompt: Draw it., tools: [image_generation], tool_choice: required }
  - { id: sums, prompt: Add it up., tools: [code_interpreter], tool_choice: required }
  - id: look
    prompt: What is this?
    attach: ["{{ steps.draw.files }}", "{{ steps.sums.files }}"]
result: { made: "{{ steps.draw.files }}", sums: "{{ steps.sums.files }}" }
"""


@pytest.fixture
def files(project: Project, simulate: Callable[..., Simulator]) -> tuple[Project, Simulator]:
    simulator = simulate()
    project.at(simulator).write("flow.yaml", WORKFLOW)
    (project.folder / "scan.png").write_bytes(png())
    (project.folder / "page.pdf").write_bytes(pdf())
    project.write("long.txt", "x" * (INLINE_BYTES + 1))
    return project, simulator


def _sent(simulator: Simulator, step: str) -> list[Any]:
    """What stood behind the text of a step's message."""
    (call,) = [each for each in posts(simulator) if f"/{step}/" in str(each.client_request_id)]
    (message,) = call.body["input"]
    return list(message["content"][1:])


def test_files_go_in_and_come_out(files: tuple[Project, Simulator]) -> None:
    project, simulator = files
    done = project.run("run", "flow.yaml", "-i", "scan=scan.png")
    assert done.status == ExitStatus.DONE, done.err
    assert done.result == {"made": ["files/draw/image-1.png"], "sums": ["files/sums/simulated.csv"]}
    run = project.latest
    for name in (*done.result["made"], *done.result["sums"]):
        path = run.folder / name
        assert path.stat().st_size > 0
        assert path.stat().st_mode & 0o077 == 0
    assert [part["type"] for part in _sent(simulator, "look")] == ["input_image", "input_file"]


def test_what_the_server_saw_is_what_the_journal_says(files: tuple[Project, Simulator]) -> None:
    project, simulator = files
    steps = WORKFLOW.partition("  - { id: long")[0]
    project.write("flow.yaml", steps + 'result: { said: "{{ steps.read.text }}" }\n')
    assert project.run("run", "flow.yaml", "-i", "scan=scan.png").status == ExitStatus.DONE
    check_books(project.latest, simulator)


def test_a_large_file_is_uploaded_once(files: tuple[Project, Simulator]) -> None:
    project, simulator = files
    assert project.run("run", "flow.yaml", "-i", "scan=scan.png").status == ExitStatus.DONE
    uploads = [call for call in simulator.ledger if call.path.endswith("/files")]
    assert [call.status for call in uploads] == [200]
    (first,), (second,) = _sent(simulator, "long"), _sent(simulator, "again")
    assert first == second
    assert first.keys() == {"type", "file_id"}


def test_a_report_shows_what_went_in_and_links_what_came_out(
    files: tuple[Project, Simulator],
) -> None:
    project, _ = files
    assert project.run("run", "flow.yaml", "-i", "scan=scan.png").status == ExitStatus.DONE
    shown = project.run("show", "latest", "read")
    assert "attached: scan.png (image/png, " in shown.out
    assert "file: files/sums/simulated.csv" in project.run("show", "latest", "sums").out
    page = (project.latest.folder / "report.html").read_text(encoding="utf-8")
    assert 'href="files/sums/simulated.csv"' in page
    assert 'src="data:image/png;base64,' in page


def test_a_run_on_the_simulator_of_its_own_does_the_same(project: Project) -> None:
    project.write("flow.yaml", WORKFLOW)
    (project.folder / "scan.png").write_bytes(png())
    (project.folder / "page.pdf").write_bytes(pdf())
    project.write("long.txt", "x" * (INLINE_BYTES + 1))
    done = project.run("run", "flow.yaml", "--simulate", "-i", "scan=scan.png")
    assert done.status == ExitStatus.DONE, done.err
    assert done.result["made"] == ["files/draw/image-1.png"]
