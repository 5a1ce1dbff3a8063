"""`doctor`: what it says of a place where runs could work, and of one where they could not."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from flowrunner.commands.doctoring import doctor
from flowrunner.errors import ExitStatus, UsageError
from tests.cli_world import Project

KEY = "sk-CANARY-0123456789abcdef"
TWINS = {"FLOWRUNNER_MODEL", "FLOWRUNNER_AT_ONCE", "FLOWRUNNER_PROVIDER"}
PROJECT = """\
model: gpt-6-luna
limits: { at_once: 4 }
providers:
  gateway: { base_url: https://gateway.example/v1, key_env: GATEWAY_KEY }
  local: { base_url: http://127.0.0.1:11434/v1 }
"""


@dataclass
class Listener:
    """What is told to a plain stream."""

    said: list[str] = field(default_factory=list)
    is_live: bool = False
    colour: bool = False
    utf8: bool = True
    width: int = 100
    height: int = 24

    def result(self, text: str) -> None:
        self.said.append(text)

    def progress(self, text: str) -> None:
        raise AssertionError(text)

    def redraw(self, below: Sequence[str], above: Sequence[str] = ()) -> None:
        raise AssertionError(below)


@pytest.fixture
def top(tmp_path: Path) -> Path:
    (tmp_path / "project" / ".git").mkdir(parents=True)
    return tmp_path / "project"


def look(top: Path, **environ: str) -> tuple[ExitStatus, list[dict[str, Any]]]:
    listener = Listener()
    status = doctor(top, environ, TWINS, listener, as_json=True)
    told = json.loads(listener.said[0])
    assert told["ok"] == (status is ExitStatus.DONE)
    assert "CANARY" not in listener.said[0]
    return status, told["checks"]


def of(checks: list[dict[str, Any]], name: str) -> list[tuple[str, str, str | None]]:
    return [(c["mark"], c["value"], c["source"]) for c in checks if c["name"] == name]


def lines(top: Path, viewer: Listener, **environ: str) -> list[str]:
    doctor(top, environ, TWINS, viewer, as_json=False)
    return viewer.said[0].splitlines()


def test_a_place_where_runs_can_work(top: Path) -> None:
    status, checks = look(top, OPENAI_API_KEY=KEY)
    assert status is ExitStatus.DONE
    assert {check["mark"] for check in checks} <= {"fine", "note"}
    assert of(checks, "project") == [("fine", str(top), None)]
    assert of(checks, "flowrunner.yaml") == [("note", "none; it is not needed", None)]
    said = "openai (default): api.openai.com, the key in `OPENAI_API_KEY` is well-formed"
    assert of(checks, "provider") == [("fine", said, "default")]
    assert ("note", "OPENAI_API_KEY = set, not shown", "environment") in of(checks, "setting")
    assert ("note", "limits.at_once = 16", "default") in of(checks, "setting")
    assert of(checks, "proxy") == [("note", "none", None)]
    for name in ("flowrunner", "python", "open files", "runs", "locks", "journal", "disk", "git"):
        assert len(of(checks, name)) == 1, name


def test_nothing_is_left_behind_and_nothing_sent(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    look(top, OPENAI_API_KEY=KEY)
    assert [path.name for path in top.iterdir()] == [".git"]
    (top / ".flowrunner" / "runs").mkdir(parents=True)
    look(top, OPENAI_API_KEY=KEY)
    assert list((top / ".flowrunner").rglob("*")) == [top / ".flowrunner" / "runs"]


def test_every_setting_with_its_source(top: Path) -> None:
    (top / "flowrunner.yaml").write_text(PROJECT)
    (top / ".env").write_text(f"OPENAI_API_KEY={KEY}\nGATEWAY_KEY=gw-CANARY-0123456789\n")
    environ = {"FLOWRUNNER_MODEL": "gpt-6-sol", "FLOWRUNNER_AT_ONCE": "3"}
    status, checks = look(top, HTTPS_PROXY="http://me:CANARY-word@proxy:1", **environ)
    assert status is ExitStatus.DONE
    file, env_file = str(top / "flowrunner.yaml"), str(top / ".env")
    for line in (
        ("note", "model = gpt-6-luna", f"{file}:1"),
        ("note", "limits.at_once = 4", f"{file}:2"),
        ("note", "providers.gateway.base_url = https://gateway.example/v1", f"{file}:4"),
        ("note", "GATEWAY_KEY = set, not shown", env_file),
        ("note", "FLOWRUNNER_MODEL = gpt-6-sol", "environment"),
        ("note", "FLOWRUNNER_AT_ONCE = 3", "environment"),
    ):
        assert of(checks, "setting").count(line) == 1, line
    assert of(checks, "proxy") == [("note", "HTTPS_PROXY = http://***@proxy:1", "environment")]
    assert of(checks, ".env") == [("fine", env_file, None)]
    assert [mark for mark, _, _ in of(checks, "provider")] == ["fine"] * 3


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "`OPENAI_API_KEY` is not set"),
        ({"OPENAI_API_KEY": f"{KEY}\n"}, "`OPENAI_API_KEY` ends with a newline"),
        (
            {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "http://gateway.example/v1"},
            "`OPENAI_BASE_URL` begins with `http://`",
        ),
        ({"OPENAI_API_KEY": KEY, "FLOWRUNNER_PROVIDER": "azur"}, "`azur` is not declared"),
    ],
)
def test_what_is_in_the_way(top: Path, environ: dict[str, str], said: str) -> None:
    status, checks = look(top, **environ)
    assert status is ExitStatus.ENVIRONMENT
    (fault,) = [check for check in checks if check["mark"] == "fault"]
    assert said in fault["value"]


def test_a_provider_that_is_not_the_default_only_warns(top: Path) -> None:
    (top / "flowrunner.yaml").write_text(PROJECT)
    status, checks = look(top, OPENAI_API_KEY=KEY)
    assert status is ExitStatus.DONE
    (warned,) = [check for check in checks if check["mark"] == "warning"]
    assert warned["value"].startswith("gateway: `GATEWAY_KEY` is not set")


def test_a_project_file_with_mistakes(top: Path) -> None:
    (top / "flowrunner.yaml").write_text("modle: x\nbudget: 3 EUR\n")
    status, checks = look(top, OPENAI_API_KEY=KEY)
    assert status is ExitStatus.ENVIRONMENT
    ((mark, value, _),) = of(checks, "flowrunner.yaml")
    assert mark == "fault"
    assert "unknown key `modle`" in value
    assert value.endswith("(and 1 more)")
    assert of(checks, "runs")


def test_variables_that_nobody_reads(top: Path) -> None:
    _, checks = look(top, OPENAI_API_KEY=KEY, FLOWRUNNER_MODLE="x", FLOWRUNNER_QQQQ="y")
    warned = [(c["value"], c["help"]) for c in checks if c["mark"] == "warning"]
    assert warned == [
        ("FLOWRUNNER_MODLE is set, but nothing reads it", "did you mean `FLOWRUNNER_MODEL`?"),
        ("FLOWRUNNER_QQQQ is set, but nothing reads it", "no option has this name"),
    ]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(top: Path) -> None:
    top.chmod(0o500)
    status, checks = look(top, OPENAI_API_KEY=KEY)
    top.chmod(0o700)
    assert status is ExitStatus.ENVIRONMENT
    assert of(checks, "runs")[0][0] == "fault"


def test_runs_that_stand_in_a_file(top: Path) -> None:
    (top / ".flowrunner").write_text("")
    _, checks = look(top, OPENAI_API_KEY=KEY)
    assert of(checks, "runs")[0][0] == "fault"


def test_lines_have_marks_that_the_screen_can_show(top: Path) -> None:
    environ = {"FLOWRUNNER_MODLE": "x"}
    said = lines(top, Listener(), **environ)
    assert {line[0] for line in said} == {"✓", "·", "!", "✗", " "}
    assert "    help: did you mean `FLOWRUNNER_MODEL`?" in said
    said = lines(top, Listener(utf8=False), **environ)
    assert {line.split(" ")[0] for line in said} == {"ok", "-", "!", "x", ""}
    said = lines(top, Listener(colour=True), **environ)
    assert said[0].startswith("\x1b[32m✓\x1b[0m flowrunner")


def test_a_path_that_does_not_exist(top: Path) -> None:
    with pytest.raises(UsageError, match="no file or folder"):
        look(top / "nowhere")


def test_the_command(project: Project) -> None:
    project.write("flowrunner.yaml", PROJECT)
    project.write("flows/a.yaml", "flowrunner: 1\n")
    project.environ |= {"OPENAI_API_KEY": KEY, "FLOWRUNNER_AT_ONC": "3"}
    done = project.run("doctor", "flows/a.yaml")
    assert done.status == ExitStatus.DONE, done.err
    assert f"project         {project.folder}" in done.out
    assert "did you mean `FLOWRUNNER_AT_ONCE`?" in done.out
    assert "CANARY" not in done.out + done.err
    done = project.run("doctor", "--json", environ={"OPENAI_API_KEY": ""})
    assert done.status == ExitStatus.ENVIRONMENT
    assert done.result["ok"] is False
