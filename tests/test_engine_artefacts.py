"""The files of answers: saved at once, under safe names, listed, tried again, brought along."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.journal.journal import Journal
from flowrunner.language.paths import path_fault, safe_name
from flowrunner.report.html import render_html
from flowrunner.report.report import build_report
from flowrunner.responses.artefacts import MOST_FILES, artefacts
from flowrunner.responses.outcome import Answered, Reply
from tests.engine_world import Ended, World, answered, in_turn, lost, refused, told
from tests.sample_files import png
from tests.test_engine_reuse import remembered

DRAW = """\
steps:
  - id: draw
    prompt: Draw it.
    tools: [image_generation, code_interpreter]
"""
LOOK = """\
  - id: look
    prompt: What is this?
    attach: ["{{ steps.draw.files }}"]
"""


def drawn(*contents: bytes) -> Answered:
    """An answer that holds pictures."""
    items = [
        {
            "type": "image_generation_call",
            "id": f"ig_{at}",
            "status": "completed",
            "result": base64.b64encode(content).decode(),
        }
        for at, content in enumerate(contents)
    ]
    return answered(output=items)


def cited(*names: str, container: str = "cntr_1") -> Answered:
    """An answer that names files in a container."""
    notes = [
        {
            "type": "container_file_citation",
            "container_id": container,
            "file_id": f"cfile_{at}",
            "filename": name,
            "start_index": 0,
            "end_index": 1,
        }
        for at, name in enumerate(names)
    ]
    part = {"type": "output_text", "text": "See the files.", "annotations": notes}
    return answered(output=[{"type": "message", "role": "assistant", "content": [part]}])


@pytest.fixture
def world(tmp_path: Path) -> World:
    (tmp_path / ".git").mkdir()
    world = World(tmp_path)
    world.tell = lambda method, path, content: told(None, f"{method} {path}".encode())
    return world


def files(ended: Ended, unit: str = "draw") -> list[str]:
    listed: list[str] = ended.result(unit)["files"]
    return listed


def content(world: World, name: str) -> bytes:
    return (world.run_folder / name).read_bytes()


def test_pictures_are_saved_and_can_be_attached(world: World) -> None:
    ended = world.run(DRAW + LOOK, in_turn(draw=[drawn(png(), png(9))]))
    assert files(ended) == ["files/draw/image-1.png", "files/draw/image-2.png"]
    assert content(world, "files/draw/image-2.png") == png(9)
    (message,) = ended.asked()["look"]
    kinds = [part["type"] for part in message["content"]]
    assert kinds == ["input_text", "input_image", "input_image"]


def test_files_in_a_container_are_fetched_at_once(world: World) -> None:
    ended = world.run(DRAW, in_turn(draw=[cited("/mnt/data/sums.csv", "chart.png")]))
    assert files(ended) == ["files/draw/sums.csv", "files/draw/chart.png"]
    path = "containers/cntr_1/files/cfile_0/content"
    assert content(world, "files/draw/sums.csv") == f"GET {path}".encode()
    assert ended.sender.errands[0][:2] == ("GET", path)


def test_items_and_rounds_have_folders_of_their_own(world: World) -> None:
    steps = """\
steps:
  - id: each
    for_each: [a, b]
    prompt: Draw {{ item }}.
    tools: [image_generation]
  - id: again
    repeat: { until: false, at_most: 2 }
    steps:
      - { id: draw, prompt: Draw it., tools: [image_generation] }
"""
    ended = world.run(steps, lambda unit, body: drawn(png()))
    assert files(ended, "each[2]") == ["files/each-2/image-1.png"]
    assert files(ended, "again#2/draw") == ["files/again-round-2/draw/image-1.png"]


def test_files_of_one_name_do_not_write_over_one_another(world: World) -> None:
    ended = world.run(DRAW, in_turn(draw=[cited("a.csv", "A/a.csv", "b")]))
    assert files(ended) == ["files/draw/a.csv", "files/draw/a-2.csv", "files/draw/b"]
    assert content(world, "files/draw/a.csv") != content(world, "files/draw/a-2.csv")


NAMES = {
    "up": ("../../../etc/passwd", "passwd"),
    "windows": ("C:\\Users\\x\\evil.exe", "evil.exe"),
    "hidden": (".bashrc", "bashrc"),
    "device": ("NUL.txt", "_NUL.txt"),
    "control": ("a\x00b\n\x1b[2Jc.csv", "ab[2Jc.csv"),
    "override": ("a\u202egnp.exe", "agnp.exe"),
    "signs": ('a<b>:"|?*.csv', "a_b_.csv"),
    "end": ("a.csv. . ", "a.csv"),
    "settings": ("flowrunner.yaml", "_flowrunner.yaml"),
    "nothing": ("///", "file"),
    "dots": ("..", "file"),
    "long": ("x" * 500 + ".csv", "x" * 116 + ".csv"),
    "long in bytes": ("é" * 100 + ".csv", "é" * 58 + ".csv"),
}


@pytest.mark.parametrize(("called", "name"), NAMES.values(), ids=NAMES)
def test_names_are_made_safe(world: World, called: str, name: str) -> None:
    ended = world.run(DRAW, in_turn(draw=[cited(called)]))
    assert files(ended) == [f"files/draw/{name}"]
    inside = sorted(path.name for path in (world.run_folder / "files" / "draw").iterdir())
    assert inside == [name]


@given(st.text(max_size=300))
def test_a_safe_name_is_one_that_may_be_written(written: str) -> None:
    name = safe_name(written)
    assert path_fault(Path("/project/workflows"), name) is None
    assert "/" not in name
    assert len(name.encode()) <= 121
    assert safe_name(name) == name


def test_a_link_in_the_way_is_not_followed(world: World, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    steps = f"""\
steps:
  - id: plant
    run: [ln, -s, "{elsewhere}", "{world.run_folder}/files"]
  - id: draw
    needs: [plant]
    prompt: Draw it.
    tools: [image_generation]
"""
    ended = world.run(steps, in_turn(draw=[drawn(png())]))
    assert ended.status("draw") == "succeeded"
    assert list(elsewhere.iterdir()) == []
    assert files(ended) == []


def test_a_file_that_cannot_be_had_is_a_warning_and_tried_again(world: World) -> None:
    world.tell = lambda method, path, content: refused(404, message="Container expired")
    ended = world.run(DRAW + LOOK, in_turn(draw=[cited("a.csv")]))
    assert ended.end.exit_status == 0
    assert (ended.status("draw"), files(ended)) == ("succeeded", [])
    (warning,) = ended.state.warnings
    assert "`a.csv` is gone from its container" in warning.message
    assert "flowrunner resume run-1" in warning.message

    world.tell = lambda method, path, content: told(None, b"a,b\n")
    again = world.resume()
    assert files(again) == ["files/draw/a.csv"]
    assert again.sender.units() == ["look"], "only what saw the files is asked again"
    assert again.state.steps["draw"].reason is None
    assert world.resume().sender.errands == []


def test_fetching_is_patient(world: World) -> None:
    replies: list[Reply] = [refused(500), lost(), told(None, b"a,b\n")]
    world.tell = lambda method, path, content: replies.pop(0)
    ended = world.run(DRAW, in_turn(draw=[cited("a.csv")]))
    assert content(world, files(ended)[0]) == b"a,b\n"


def test_an_item_with_a_missing_file_is_looked_at_again(world: World) -> None:
    steps = """\
steps:
  - id: each
    for_each: [a, b]
    prompt: Draw {{ item }}.
    tools: [code_interpreter]
"""
    world.tell = lambda method, path, content: refused(404)
    ended = world.run(steps, lambda unit, body: cited("a.csv"))
    assert ended.end.exit_status == 0
    world.tell = lambda method, path, content: told(None, b"1\n")
    again = world.resume()
    assert again.sender.units() == []
    assert [files(again, f"each[{at}]") for at in (1, 2)] == [
        ["files/each-1/a.csv"],
        ["files/each-2/a.csv"],
    ]


def test_what_is_reused_brings_its_files(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    first, second = World(tmp_path / "first"), World(tmp_path / "second")
    steps = DRAW + "    reuse: true\n"
    remembered(first, second, steps, script=in_turn(draw=[drawn(png())]))
    earlier = second.folder / "run-0"
    shutil.copytree(first.run_folder, earlier)
    again = second.run(steps)
    assert (again.sender.units(), again.reason("draw")) == ([], "reused")
    assert content(second, files(again)[0]) == png()


def test_what_lost_its_files_is_not_reused(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    first, second = World(tmp_path / "first"), World(tmp_path / "second")
    steps = DRAW + "    reuse: true\n"
    remembered(first, second, steps, script=in_turn(draw=[drawn(png())]))
    assert second.run(steps).sender.units() == ["draw"]


# What a response holds.

ODD: dict[str, Any] = {
    "no output": {},
    "output is a text": {"output": "x"},
    "items are texts": {"output": ["x", None, 3]},
    "picture under way": {"output": [{"type": "image_generation_call", "result": None}]},
    "no annotations": {"output": [{"type": "message", "content": [{"type": "output_text"}]}]},
    "ids are paths": cited("a", container="..").response,
    "ids have line breaks": cited("a", container="a\nb").response,
}


@pytest.mark.parametrize("response", ODD.values(), ids=ODD)
def test_odd_responses_hold_no_files(response: dict[str, Any]) -> None:
    assert artefacts(response) == []


@pytest.mark.parametrize("result", ["%%%", 3], ids=["no base64", "a number"])
def test_a_damaged_picture_is_a_warning_and_not_tried_again(world: World, result: Any) -> None:
    item = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": result}
    ended = world.run(DRAW, in_turn(draw=[answered(output=[item])]))
    assert ended.status("draw") == "succeeded"
    assert files(ended) == []
    said = "a file of the answer is missing: `image-1` is damaged: it came as no base64"
    assert [notice.message for notice in ended.state.warnings] == [said]
    assert ended.reason("draw") is None


def test_ids_are_quoted() -> None:
    (found,) = artefacts(cited("a", container="../x?y").response)
    assert found.path == "containers/..%2Fx%3Fy/files/cfile_0/content"


def test_there_is_an_end_to_files() -> None:
    assert len(artefacts(cited(*map(str, range(500))).response)) == MOST_FILES


def test_a_file_that_is_cited_twice_is_one(world: World) -> None:
    once, twice = cited("a.csv").response, cited("a.csv").response
    both = {**once, "output": [*once["output"], *twice["output"]]}
    assert len(artefacts(both)) == 1


# What a report shows.


def test_the_page_shows_small_pictures_and_links_files(world: World) -> None:
    ended = world.run(DRAW, in_turn(draw=[drawn(png())]))
    with Journal.open(world.run_folder) as journal:
        page = render_html(build_report(ended.state, journal))
    assert f"data:image/png;base64,{base64.b64encode(png()).decode()}" in page
    assert '<a href="files/draw/image-1.png">files/draw/image-1.png</a>' in page


def test_the_page_says_what_was_attached(world: World) -> None:
    (world.folder / "<b>.png").write_bytes(png())
    steps = """\
steps:
  - id: look
    prompt: What is this?
    attach: [{ file: "<b>.png", detail: low }, "https://example.com/a.pdf"]
"""
    ended = world.run(steps)
    with Journal.open(world.run_folder) as journal:
        report = build_report(ended.state, journal)
    (step,) = report["steps"]
    assert step["asked"]["attached"] == [
        {"name": "<b>.png", "media_type": "image/png", "bytes": len(png()), "detail": "low"},
        {"name": "https://example.com/a.pdf", "media_type": None, "bytes": None, "detail": None},
    ]
    assert step["asked"]["messages"][0]["content"] == {"value": "What is this?"}
    assert "&lt;b&gt;.png (image/png, " in render_html(report)
