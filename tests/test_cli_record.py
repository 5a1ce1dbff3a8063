"""Recordings from the command line: kept beside the workflow, answered from without a network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from flowrunner.catalog import load_schema
from flowrunner.errors import ExitStatus
from flowrunner.simulator import Pace, Simulator
from tests.cli_world import KEY, Done, Project, posts

FLOW = """\
flowrunner: 1
name: Notes
inputs: { who: { type: text, default: Ada } }
defaults: { model: gpt-6-luna }
steps:
  - { id: hello, prompt: "Greet {{ inputs.who }}." }
  - id: more
    prompt: "Say it again."
    continue: hello
result: { text: "{{ steps.more.text }}" }
"""
NAME = "recordings/notes.json"


@pytest.fixture
def notes(project: Project) -> Project:
    project.write("notes.yaml", FLOW)
    return project


def recorded(project: Project, name: str = NAME) -> Any:
    found = json.loads((project.folder / name).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(load_schema("recording")).validate(found)
    return found


def record(project: Project, simulator: Simulator, *words: str) -> Done:
    """Record a run against a server; afterwards nobody has a key or its address."""
    plain = dict(project.environ)
    done = project.at(simulator).run("run", *words, "--record")
    assert done.status == 0, done.err
    project.environ = plain
    return done


def replay(project: Project, *words: str) -> Done:
    return project.run("run", *words, "--replay")


def test_a_replay_asks_nobody_and_gives_the_same(notes: Project, simulator: Simulator) -> None:
    first = record(notes, simulator, "notes.yaml")
    assert f"Recorded 2 replies in {NAME}" in first.err
    assert first.err.rstrip().rpartition("\n")[2].startswith("Done. OK=2 ")
    assert [one["unit"] for one in recorded(notes)["replies"]] == ["hello", "more"]
    assert recorded(notes)["provider"] == "openai"
    asked = len(simulator.ledger)
    again = replay(notes, "notes.yaml")
    assert (again.status, again.result) == (0, first.result)
    assert len(simulator.ledger) == asked


def test_a_replayed_run_says_so_everywhere(notes: Project, simulator: Simulator) -> None:
    record(notes, simulator, "notes.yaml")
    done = replay(notes, "notes.yaml")
    assert f"REPLAYED from {NAME}: no model is asked and nothing is paid." in done.err
    assert "replayed, would be about $" in done.err
    assert "REPLAYED=1" in done.err
    run = notes.latest
    assert run.report["run"]["replayed"] == NAME
    assert run.report["run"]["simulated"] is True
    jsonschema.Draft202012Validator(load_schema("report")).validate(run.report)
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert f"Replayed from {NAME}." in page
    assert f"REPLAYED from {NAME}: no model was asked" in notes.run("show").out


def test_nothing_secret_is_kept(notes: Project, simulator: Simulator) -> None:
    record(notes, simulator, "notes.yaml", "-i", f"who={KEY} of org-abcdefghij0123456789ABCD")
    text = (notes.folder / NAME).read_text(encoding="utf-8")
    assert KEY not in text
    assert "org-abcdef" not in text
    assert "authorization" not in text.lower()
    assert replay(notes, "notes.yaml", "-i", f"who={KEY} of org-other0123456789ABCDEF").status == 0


def test_what_was_not_recorded_fails_with_what_is_nearest(
    notes: Project, simulator: Simulator
) -> None:
    record(notes, simulator, "notes.yaml")
    asked = len(simulator.ledger)
    done = replay(notes.at(simulator), "notes.yaml", "-i", "who=Grace")
    assert done.status == ExitStatus.FAILED
    assert len(simulator.ledger) == asked, "not even where there is a key"
    told = " ".join(done.err.split())
    assert "the nearest is that of `hello`, where `input` was" in told
    assert '"Greet Ada." and is "Greet Grace."' in told
    assert "flowrunner run --record" in told
    assert notes.latest.state.steps["hello"].reason == "no-recording"


def test_recording_again_replaces(notes: Project, simulator: Simulator) -> None:
    record(notes, simulator, "notes.yaml")
    record(notes, simulator, "notes.yaml", "-i", "who=Grace")
    assert "Ada" not in (notes.folder / NAME).read_text(encoding="utf-8")
    assert replay(notes, "notes.yaml", "-i", "who=Grace").status == 0
    assert replay(notes, "notes.yaml").status == ExitStatus.FAILED


def test_a_recording_may_have_a_name_of_its_own(notes: Project, simulator: Simulator) -> None:
    record(notes, simulator, "notes.yaml", "--recording", "ada")
    assert recorded(notes, "recordings/ada.json")
    assert replay(notes, "notes.yaml", "--recording", "ada").status == 0
    missing = replay(notes, "notes.yaml", "--recording", "adda")
    assert missing.status == ExitStatus.USAGE
    assert "did you mean `--recording ada`?" in missing.err
    assert len(notes.runs) == 2


def test_streams_and_answers_in_the_background_are_kept_whole(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    simulator = simulate(pace=Pace(polls_until_done=2, poll_after_ms=1))
    flow = FLOW.replace('Greet {{ inputs.who }}." }', 'Greet.", delivery: background }')
    flow = flow.replace("continue: hello", "continue: hello\n    delivery: stream")
    project.write("notes.yaml", flow)
    first = record(project, simulator, "notes.yaml", "--wait")
    kept = recorded(project)["replies"]
    assert [one["reply"]["status"] for one in kept] == ["completed", "completed"]
    assert not {"stream", "background"} & {key for one in kept for key in one["request"]}
    assert replay(project, "notes.yaml").result == first.result
    assert project.latest.report["verdict"]["status"] == "succeeded"


REPEATED = """\
flowrunner: 1
name: Dice
defaults: { model: gpt-6-luna }
steps:
  - id: throw
    for_each: [a, b, c]
    prompt: Throw a die.
result: { thrown: "{{ steps.throw.texts }}" }
"""


def test_the_same_request_gets_each_of_its_replies(
    project: Project, simulate: Callable[..., Simulator]
) -> None:
    thrown = iter("352")
    simulator = simulate(replies=lambda _: next(thrown))
    project.write("dice.yaml", REPEATED)
    first = record(project, simulator, "dice.yaml")
    assert sorted(first.result["thrown"]) == ["2", "3", "5"]
    assert replay(project, "dice.yaml").result == first.result
    project.write(
        "dice.yaml", REPEATED.replace("id: throw", "id: cast").replace("steps.throw", "steps.cast")
    )
    renamed = replay(project, "dice.yaml", "--recording", "dice", "--at-once", "1")
    assert renamed.result == first.result, "without their addresses they come in order"
    project.write("dice.yaml", REPEATED.replace("[a, b, c]", "[a, b, c, d]"))
    once_more = replay(project, "dice.yaml")
    assert once_more.status == ExitStatus.ITEMS_FAILED
    shown = " ".join(project.run("show", "latest", "throw[4]").out.split())
    assert "was recorded 3 times, and is asked once more" in shown


def test_a_limit_that_passed_is_not_kept(
    notes: Project, simulate: Callable[..., Simulator]
) -> None:
    simulator = simulate([{"match": {"call": 1}, "do": {"status": 429, "retry_after": 0}}])
    record(notes, simulator, "notes.yaml")
    assert len(posts(simulator)) == 3
    assert [one["status"] for one in recorded(notes)["replies"]] == [200, 200]


def test_a_refusal_for_good_is_kept(notes: Project, simulate: Callable[..., Simulator]) -> None:
    simulator = simulate([{"do": {"status": 400}}])
    plain = dict(notes.environ)
    assert notes.at(simulator).run("run", "notes.yaml", "--record").status == 1
    notes.environ = plain
    (kept,) = recorded(notes)["replies"]
    assert kept["status"] == 400
    done = replay(notes, "notes.yaml")
    assert done.status == ExitStatus.FAILED
    assert kept["reply"]["error"]["message"].split(".")[0] in " ".join(done.err.split())


def test_a_resume_goes_on_replaying(notes: Project, simulator: Simulator) -> None:
    record(notes, simulator, "notes.yaml")
    asked = len(simulator.ledger)
    assert replay(notes, "notes.yaml", "--until", "hello").status == 0
    done = notes.at(simulator).run("resume")
    assert (done.status, len(simulator.ledger)) == (0, asked)
    assert f"REPLAYED from {NAME}" in done.err
    assert len(notes.runs) == 2


def test_a_resume_completes_a_recording(notes: Project, simulator: Simulator) -> None:
    record(notes, simulator, "notes.yaml", "--until", "hello")
    assert len(recorded(notes)["replies"]) == 1
    assert notes.at(simulator).run("resume").status == 0
    assert len(recorded(notes)["replies"]) == 2


def test_what_was_replayed_is_never_reused(notes: Project, simulator: Simulator) -> None:
    record(notes, simulator, "notes.yaml")
    replay(notes, "notes.yaml")
    (notes.runs[1] / "journal.db").unlink()
    asked = len(simulator.ledger)
    assert notes.at(simulator).run("run", "notes.yaml", "--reuse=any").status == 0
    assert len(simulator.ledger) == asked + 2
    refused = notes.run("run", "notes.yaml", "--reuse", "@1")
    assert refused.status == ExitStatus.USAGE


def test_of_a_file_its_hash_is_kept(project: Project, simulator: Simulator, tmp_path: Path) -> None:
    project.with_gallery()
    words = ("workflows/receipts.yaml",)
    first = record(project, simulator, *words)
    text = (project.folder / "workflows/recordings/receipts.json").read_text(encoding="utf-8")
    assert "base64" not in text
    assert '"file": "sha256:' in text
    assert replay(project, *words).result == first.result


def test_a_prompt_may_name_its_run_and_its_day(notes: Project, simulator: Simulator) -> None:
    flow = FLOW.replace("Greet {{ inputs.who }}.", "{{ run.id }} of {{ run.started_at }}")
    notes.write("notes.yaml", flow)
    record(notes, simulator, "notes.yaml")
    found = recorded(notes)
    assert found["replies"][0]["request"]["input"].startswith("{run.id} of ")
    found["started_at"] += 86_400.0
    notes.write(NAME, json.dumps(found))
    assert replay(notes, "notes.yaml").status == ExitStatus.FAILED
    found["started_at"] -= 86_400.0
    notes.write(NAME, json.dumps(found))
    assert replay(notes, "notes.yaml").status == 0


def test_a_conversation_is_begun_without_the_server(project: Project, simulator: Simulator) -> None:
    flow = FLOW.replace("    continue: hello\n", "    conversation: { name: talk }\n")
    flow = flow.replace('inputs.who }}." }', 'inputs.who }}.", conversation: { name: talk } }')
    project.write("notes.yaml", flow)
    first = record(project, simulator, "notes.yaml")
    assert replay(project, "notes.yaml").result == first.result


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--record", "--replay"], "`--record` and `--replay` exclude each other"),
        (["--simulate", "--replay"], "`--simulate` and `--replay` exclude each other"),
        (["--record", "--reuse=any"], "`--record` and `--reuse` exclude each other"),
        (["--recording", "x"], "`--recording` names a recording for"),
        (["--record", "--recording", "../x"], "cannot be the name of a recording"),
        (["--replay"], "there is no recording `recordings"),
    ],
)
def test_what_does_not_go_together_is_refused(notes: Project, words: list[str], said: str) -> None:
    done = notes.run("run", "notes.yaml", *words)
    assert done.status == ExitStatus.USAGE
    assert said in done.err
    assert notes.runs == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no JSON"),
        ("[]", "is not as `recording.schema.json` says"),
        ('{"format": 2}', "its format is 2"),
    ],
)
def test_a_broken_recording_is_refused(notes: Project, text: str, said: str) -> None:
    notes.write(NAME, text)
    done = replay(notes, "notes.yaml")
    assert done.status == ExitStatus.USAGE
    assert said in " ".join(done.err.split())


def test_a_recording_that_cannot_be_written_costs_no_result(
    notes: Project, simulator: Simulator
) -> None:
    notes.write("recordings", "in the way")
    done = notes.at(simulator).run("run", "notes.yaml", "--record")
    assert done.status == 0
    assert done.result["text"]
    assert "warning: the recording" in done.err


def test_a_secret_input_is_masked_and_may_be_another_one_in_a_replay(
    notes: Project, simulator: Simulator
) -> None:
    flow = FLOW.replace("{ type: text, default: Ada }", "{ type: text, secret: true }")
    notes.write("notes.yaml", flow)
    record(notes, simulator, "notes.yaml", "-i", "who=hidden-4711")
    text = (notes.folder / NAME).read_text(encoding="utf-8")
    assert "hidden-4711" not in text
    assert "Greet ***." in text
    assert replay(notes, "notes.yaml", "-i", "who=another-0815").status == 0


def test_files_of_a_code_interpreter_are_kept_beside(
    project: Project, simulator: Simulator
) -> None:
    flow = """\
flowrunner: 1
name: Sums
defaults: { model: gpt-6-luna }
steps:
  - id: sums
    prompt: Make a sheet.
    tools: [{ type: code_interpreter, container: { type: auto } }]
result: { made: "{{ steps.sums.files }}" }
"""
    project.write("sums.yaml", flow)
    first = record(project, simulator, "sums.yaml")
    kept = recorded(project, "recordings/sums.json")["files"]
    assert len(kept) == len(first.result["made"]) == 1
    made = project.latest.folder / first.result["made"][0]
    done = replay(project, "sums.yaml")
    assert (done.status, done.result) == (0, first.result)
    assert (project.latest.folder / done.result["made"][0]).read_bytes() == made.read_bytes()
    project.write("sums.yaml", flow.split("    tools", maxsplit=1)[0] + "result: { made: [] }\n")
    record(project, simulator, "sums.yaml")
    assert not (project.folder / "recordings/sums.files").exists()
