"""Every workflow of the gallery, by the very command that its comment gives."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from flowrunner.catalog import load_schema
from flowrunner.simulator import Simulator
from tests.cli_world import GALLERY, Done, Nursery, Project, check_books, posts

FILES = sorted(path.name for path in GALLERY.glob("*.yaml"))


@dataclass
class Shown:
    """A workflow's documented command, run once."""

    text: str
    project: Project
    done: Done

    @property
    def words(self) -> list[str]:
        return _command(self.text)


def _command(text: str) -> list[str]:
    """The words of the command in the comment on top, without `flowrunner`."""
    (command,) = re.findall(r"^#   flowrunner (.+)$", text, re.MULTILINE)
    return shlex.split(command)


@pytest.fixture(scope="module", params=FILES)
def shown(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, nursery: Nursery
) -> Shown:
    folder = tmp_path_factory.mktemp("gallery") / "project"
    (folder / ".git").mkdir(parents=True)
    project = Project(folder, nursery).with_gallery()
    text = (GALLERY / request.param).read_text(encoding="utf-8")
    return Shown(text, project, project.run(*_command(text)))


def _errors(report: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(load_schema("report"))
    return [error.message for error in validator.iter_errors(report)]


def test_the_gallery_has_its_three() -> None:
    assert {"hello.yaml", "ticket_triage.yaml", "release_digest.yaml"} <= set(FILES)


def test_the_documented_command_gives_the_declared_result(shown: Shown) -> None:
    assert shown.done.status == 0, shown.done.err
    assert "--simulate" in shown.words
    assert set(shown.done.result) == set(yaml.safe_load(shown.text)["result"])
    assert all(value is not None for value in shown.done.result.values())
    assert "SIMULATED" in shown.done.err


def test_stdout_is_the_result_and_nothing_else(shown: Shown) -> None:
    run = shown.project.latest
    assert (run.folder / "result.json").read_text(encoding="utf-8") == shown.done.out
    assert run.report["result"]["value"] == shown.done.result


def test_the_reports_stand_there(shown: Shown) -> None:
    run = shown.project.latest
    assert _errors(run.report) == []
    assert run.report["run"]["simulated"] is True
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert all(step["id"] in page for step in run.report["graph"])


def test_files_of_a_run_are_for_their_owner_only(shown: Shown) -> None:
    home = shown.project.folder / ".flowrunner"
    private = [path for path in home.rglob("*") if path.name != ".gitignore"]
    assert {oct(path.stat().st_mode & 0o077) for path in [home, *private]} == {"0o0"}


def test_validate_finds_no_mistake(shown: Shown) -> None:
    done = shown.project.run("validate", "--strict", shown.words[1])
    assert (done.status, done.out) == (0, "")


def test_a_real_server_accepts_every_request(
    shown: Shown, tmp_path: Path, nursery: Nursery, simulator: Simulator
) -> None:
    (tmp_path / ".git").mkdir()
    project = Project(tmp_path, nursery).with_gallery().at(simulator)
    words = [word for word in shown.words if word != "--simulate"]
    done = project.run(*words)
    assert done.status == 0, done.err
    assert "SIMULATED" not in done.err
    assert posts(simulator)
    assert {call.status for call in simulator.ledger} == {200}
    assert done.result.keys() == shown.done.result.keys()
    assert project.latest.report["run"]["simulated"] is False
    check_books(project.latest, simulator)


def test_triage_goes_either_way(project: Project, simulate: Callable[..., Simulator]) -> None:
    def answer(body: dict[str, Any]) -> str | None:
        if "text" not in body:
            return None
        team = "billing" if "charge" in json.dumps(body["input"]) else "bug"
        return json.dumps({"team": team, "urgent": True, "reason": "so"})

    simulator = simulate(replies=answer)
    project.with_gallery().at(simulator)
    run = ("run", "workflows/ticket_triage.yaml", "-i")
    assert project.run(*run, "ticket=a charge").result["team"] == "billing"
    charged = project.latest.state.steps
    assert (charged["reply"].status, charged["bug_report"].status) == ("succeeded", "skipped")
    urgent = posts(simulator)[-1].body["input"]
    assert "somebody is looking at it right now" in urgent
    assert project.run(*run, "ticket=a crash").result["team"] == "bug"
    crashed = project.latest.state.steps
    assert (crashed["reply"].status, crashed["bug_report"].status) == ("skipped", "succeeded")


def test_the_digest_is_saved_beside_the_workflow(shown: Shown) -> None:
    if "save_to" not in shown.text:
        return
    page = shown.project.folder / "workflows" / "out" / "release_digest.md"
    assert page.read_text(encoding="utf-8") == shown.done.result["page"]
