"""The files of a run: whole or not at all, private, the same for the same run."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest
from test_report_stories import REPLY, Story, bare, report_of, succeeded

from flowrunner.errors import ExitStatus
from flowrunner.report.files import result_json, write_reports


def test_a_run_leaves_three_files(tmp_path: Path) -> None:
    report = report_of(succeeded())
    written = write_reports(tmp_path, report)
    assert [path.name for path in written] == ["report.json", "report.html", "result.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(p.name for p in written)
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == report
    result = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert result == {"team": "billing", "urgent": True, "draft": REPLY}


def test_without_a_result_there_is_no_result_file(tmp_path: Path) -> None:
    written = write_reports(tmp_path, report_of(bare()))
    assert [path.name for path in written] == ["report.json", "report.html"]


def test_a_result_that_the_report_cuts_is_written_whole(tmp_path: Path) -> None:
    result = {"draft": "word " * 40_000}
    story = Story().begin().end("succeeded", ExitStatus.DONE, result=result)
    write_reports(tmp_path, report_of(story), result)
    assert json.loads((tmp_path / "result.json").read_text(encoding="utf-8")) == result


def test_writing_again_gives_the_same_bytes(tmp_path: Path) -> None:
    write_reports(tmp_path, report_of(succeeded()))
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write_reports(tmp_path, report_of(succeeded()))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_nobody_else_may_read_them(tmp_path: Path) -> None:
    for path in write_reports(tmp_path, report_of(succeeded())):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_lone_surrogates_do_not_stop_a_report(tmp_path: Path) -> None:
    story = Story(inputs={"x": "half \ud83d"}).begin().start("summary")
    story.finish("summary", "failed", message="broken \udc00 text")
    write_reports(tmp_path, report_of(story))
    assert json.loads((tmp_path / "report.json").read_bytes())["steps"]
    assert ">\\udc00</span> text" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_result_is_written_for_people_too() -> None:
    assert result_json({"ö": [1, True]}) == '{\n  "ö": [\n    1,\n    true\n  ]\n}\n'
    assert result_json(float("nan")) == '"nan"\n'


def test_a_result_holds_nothing_that_a_terminal_obeys() -> None:
    value = {"a": "x\x9b2J\x7f \u202egnp\x1b[2J"}
    text = result_json(value)
    assert text.isascii()
    assert "\x1b" not in text
    assert json.loads(text) == value


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "report.html" / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match=r"report\.html") as raised:
        write_reports(tmp_path, report_of(succeeded()))
    assert raised.value.filename == str(tmp_path / "report.html")
