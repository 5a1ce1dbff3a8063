"""Every workflow of the gallery, by the very commands that its comment gives."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from flowrunner.catalog import load_schema
from flowrunner.simulator import Simulator
from tests.cli_world import GALLERY, TOP, Done, Nursery, Project, check_books, posts
from tests.wire_server import RawServer, reply

FILES = sorted(path.name for path in GALLERY.glob("*.yaml"))
STATUSES = {
    "announce.yaml": (9, 0, 0),
    "newsletter.yaml": (9, 0, 0),
    "order_desk.yaml": (9, 0, 0),
}
"""How the documented commands end, where there are several."""


@dataclass
class Shown:
    """A workflow's documented commands, run once, one after the other; `done` is the last."""

    text: str
    project: Project
    commands: list[list[str]]
    done: Done


def _commands(text: str) -> list[list[str]]:
    """The words of the commands in the comment on top, each without `flowrunner`."""
    return [shlex.split(line) for line in re.findall(r"^#   flowrunner (.+)$", text, re.MULTILINE)]


def _run_all(project: Project, name: str, commands: list[list[str]]) -> Done:
    """Run the commands; each ends as documented. The end of the last."""
    ends = [project.run(*words) for words in commands]
    told = "\n".join(end.err for end in ends)
    assert tuple(end.status for end in ends) == STATUSES.get(name, (0,)), told
    assert all(end.out == "" for end in ends[:-1]), "a result comes once, at the end"
    return ends[-1]


@pytest.fixture(scope="module")
def channel() -> Iterator[RawServer]:
    """What `announce.yaml` posts to."""
    with RawServer(lambda peer, _: peer.send(reply(b"ok"))) as server:
        yield server


@pytest.fixture(scope="module", params=FILES)
def shown(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    nursery: Nursery,
    channel: RawServer,
) -> Shown:
    folder = tmp_path_factory.mktemp("gallery") / "project"
    (folder / ".git").mkdir(parents=True)
    project = Project(folder, nursery).with_gallery()
    project.environ["TEAM_WEBHOOK"] = channel.url
    text = (GALLERY / request.param).read_text(encoding="utf-8")
    commands = _commands(text)
    return Shown(text, project, commands, _run_all(project, request.param, commands))


def _errors(report: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(load_schema("report"))
    return [error.message for error in validator.iter_errors(report)]


def test_the_readme_lists_the_gallery() -> None:
    readme = (TOP / "README.md").read_text(encoding="utf-8")
    section = readme.partition("\n## The gallery\n")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"^\| `(\w+\.yaml)` \|", section, re.MULTILINE)) == FILES


def test_the_documented_commands_give_the_declared_result(shown: Shown) -> None:
    assert "--simulate" in shown.commands[0]
    assert set(shown.done.result) == set(yaml.safe_load(shown.text)["result"])
    assert all(value is not None for value in shown.done.result.values())
    assert shown.project.latest.report["run"]["simulated"] is True


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
    private = [
        path
        for path in home.rglob("*")
        if path.name != ".gitignore" and "files" not in path.parts  # made for others to read
    ]
    assert {oct(path.stat().st_mode & 0o077) for path in [home, *private]} == {"0o0"}


def test_validate_finds_no_mistake(shown: Shown) -> None:
    done = shown.project.run("validate", "--strict", shown.commands[0][1])
    assert (done.status, done.out) == (0, "")


def test_a_real_server_accepts_every_request(
    shown: Shown, tmp_path: Path, nursery: Nursery, simulator: Simulator, channel: RawServer
) -> None:
    (tmp_path / ".git").mkdir()
    project = Project(tmp_path, nursery).with_gallery().at(simulator)
    project.environ["TEAM_WEBHOOK"] = channel.url
    asking = [[word for word in words if word != "--simulate"] for words in shown.commands]
    done = _run_all(project, Path(asking[0][1]).name, asking)
    assert "SIMULATED" not in done.err
    assert posts(simulator)
    assert {call.status for call in simulator.ledger} == {200}
    assert done.result.keys() == shown.done.result.keys()
    assert project.latest.report["run"]["simulated"] is False
    for name in re.findall(r"^ +save_to: (\S+)$", shown.text, re.MULTILINE):
        assert (project.folder / "workflows" / name).is_file()
    check_books(project.latest, simulator)


def test_what_a_simulated_run_saves_lies_with_the_run(shown: Shown) -> None:
    for name in re.findall(r"^ +save_to: (\S+)$", shown.text, re.MULTILINE):
        assert (shown.project.latest.folder / "files" / "workflows" / name).is_file()
        assert not (shown.project.folder / "workflows" / name).exists()


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


TESTS = sorted(path.name for path in (GALLERY / "tests").glob("*.test.yaml"))
RECORDINGS = sorted((GALLERY / "recordings").glob("*.json"))
LARGEST_RECORDING = 20_000  # bytes; a recording is there to be read


def test_every_workflow_has_tests() -> None:
    assert [name.replace(".yaml", ".test.yaml") for name in FILES] == TESTS


def test_the_gallery_passes_its_own_tests(project: Project) -> None:
    done = project.with_gallery().run("test", "workflows/tests")
    assert done.status == 0, done.err
    assert done.out == ""
    assert project.runs == [], "no run of a test stays"
    assert not (project.folder / "workflows" / "out").exists(), "no test saves or changes anything"
    reached = re.findall(r"^workflows/(\w+\.yaml): (\d+) of (\d+) steps reached$", done.err, re.M)
    assert sorted(name for name, *_ in reached) == FILES
    assert [name for name, steps, of in reached if steps != of] == []
    assert "never:" not in done.err, "every branch and both sides of every `if` are tried"


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name)
def test_recordings_of_the_gallery_are_there_to_be_read(path: Path) -> None:
    written = path.read_bytes()
    jsonschema.Draft202012Validator(load_schema("recording")).validate(json.loads(written))
    assert len(written) < LARGEST_RECORDING
    tests = (GALLERY / "tests" / f"{path.stem}.test.yaml").read_text(encoding="utf-8")
    assert f"recording: {path.stem}\n" in tests


def test_the_gallery_shows_recordings_and_scripts() -> None:
    assert len(RECORDINGS) >= 2


def test_what_is_announced_is_what_was_agreed_to(
    project: Project, channel: RawServer, simulator: Simulator
) -> None:
    project.with_gallery().at(simulator)
    project.environ["TEAM_WEBHOOK"] = channel.url
    before = len(channel.requests)
    assert project.run("run", "workflows/announce.yaml").status == 9
    assert len(channel.requests) == before, "nothing is posted before somebody agreed"
    assert project.run("approve", "latest", "agree").status == 0
    text = project.run("resume", "latest").result["text"]
    (posted,) = channel.requests[before:]
    assert (posted.method, json.loads(posted.body)) == ("POST", {"text": text})


def test_an_address_that_the_environment_does_not_have_is_said_before_anything_is_sent(
    project: Project, simulator: Simulator
) -> None:
    project.with_gallery().at(simulator)
    done = project.run("run", "workflows/announce.yaml")
    assert done.status == 4
    assert "`post` needs the variable `TEAM_WEBHOOK`" in done.err
    assert posts(simulator) == []
