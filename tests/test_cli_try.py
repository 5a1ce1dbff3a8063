"""`try`: one unit asked anew with what a run gave to it; nothing above it is asked for again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flowrunner.errors import ExitStatus
from flowrunner.journal.runs import list_tries
from flowrunner.simulator import Simulator
from tests.cli_world import KEY, Done, Project, Recorded, check_books, posts

pytestmark = pytest.mark.skipif(os.name == "nt", reason="programs are forked")

Simulate = Callable[..., Simulator]

WORKFLOW = """\
flowrunner: 1
name: Letters
inputs:
  letter: { type: text, default: Dear all }
  words: { list: text, default: [a, b] }
defaults: { model: gpt-6-luna }
steps:
  - { id: summary, prompt: "Summary of {{ inputs.letter }}" }
  - id: answer
    if: "(steps.summary.text | length) > 1000"
    prompt: "Answer to {{ steps.summary.text }}"
  - id: each
    for_each: inputs.words
    as: word
    steps:
      - { id: look, prompt: "look at {{ word }}" }
      - { id: say, prompt: "{{ position }}: say {{ steps.look.text }}" }
  - id: polish
    repeat: { until: "steps.judge.output.good", at_most: 3 }
    steps:
      - { id: draft, prompt: "draft {{ default(previous.judge.output.advice, 'first') }}" }
      - id: judge
        prompt: "judge {{ steps.draft.text }}"
        output: { good: yes_no, advice: text, kind: [short, wide] }
  - id: route
    branch: steps.polish.output.kind
    cases:
      short: [{ id: brief, prompt: "brief {{ steps.summary.text }}" }]
    otherwise: [{ id: long, prompt: "long {{ steps.summary.text }}" }]
  - { id: more, continue: summary, prompt: "And then?" }
  - { id: note, write: "Note: {{ steps.summary.text }}", save_to: out/note.txt }
  - { id: touch, run: [touch, touched] }
result: "{{ steps.note.text }}"
"""


def said(call: dict[str, Any]) -> Any:
    """Answers of the model: what was asked in capitals; the second judge is content."""
    asked = call["input"][-1]["content"] if isinstance(call["input"], list) else call["input"]
    if asked.startswith("judge"):
        return json.dumps({"good": "ADVICE" in asked, "advice": "ADVICE", "kind": "wide"})
    return asked.upper()


@pytest.fixture
def letters(project: Project, simulate: Simulate) -> tuple[Project, Simulator]:
    """A project in which the workflow was run to its end."""
    simulator = simulate(replies=said)
    project.at(simulator).write("flow.yaml", WORKFLOW)
    done = project.run("run", "flow.yaml")
    assert done.status == ExitStatus.DONE, done.err
    (project.folder / "touched").unlink()
    shutil.rmtree(project.folder / "out")
    return project, simulator


def attempt(project: Project, *words: str, **more: Any) -> Done:
    return project.run("try", "flow.yaml", *words, **more)


def tried(project: Project) -> Recorded:
    """What the newest try left behind."""
    return Recorded(list_tries(project.folder)[0])


UNITS = {
    "answer": ("answer", "ANSWER TO SUMMARY OF DEAR ALL"),
    "each/say": ("each[1]/say", "1: SAY LOOK AT A"),
    "each[2]/say": ("each[2]/say", "2: SAY LOOK AT B"),
    "say": ("each[1]/say", "1: SAY LOOK AT A"),
    "polish/draft": ("polish#2/draft", "DRAFT ADVICE"),
    "polish#1/draft": ("polish#1/draft", "DRAFT FIRST"),
    "route/long": ("route/long", "LONG SUMMARY OF DEAR ALL"),
    "brief": ("route/brief", "BRIEF SUMMARY OF DEAR ALL"),
    "more": ("more", "AND THEN?"),
}


@pytest.mark.parametrize("spec", UNITS)
def test_one_unit_is_asked_with_what_the_run_gave(
    letters: tuple[Project, Simulator], spec: str
) -> None:
    project, simulator = letters
    before = len(posts(simulator))
    unit, answer = UNITS[spec]
    done = attempt(project, spec)
    assert done.status == ExitStatus.DONE, done.err
    assert done.out == f"{answer}\n"
    run = tried(project)
    (sent,) = posts(simulator)[before:]
    assert sent.client_request_id == f"{run.folder.name}/{unit}/1.1.1"
    check_books(run, simulator)


def test_a_step_that_continues_another_goes_on_from_the_response_of_the_run(
    letters: tuple[Project, Simulator],
) -> None:
    project, simulator = letters
    first = next(call for call in posts(simulator) if "/summary/" in str(call.client_request_id))
    before = len(posts(simulator))
    assert attempt(project, "more").status == ExitStatus.DONE
    (sent,) = posts(simulator)[before:]
    assert sent.body["previous_response_id"] == first.response_id


def test_a_simulated_step_goes_on_from_a_response_that_its_simulator_does_not_know(
    project: Project,
) -> None:
    project.write("flow.yaml", WORKFLOW)
    assert project.run("run", "flow.yaml", "--simulate", "--until", "summary").status == 0
    done = attempt(project, "more", "--simulate")
    assert done.status == ExitStatus.DONE, done.err
    assert "And then?" in done.out
    shown = attempt(project, "more", "--simulate", "--request").result
    assert shown["previous_response_id"].startswith("resp_")


def test_what_kept_a_step_from_being_asked_is_told(letters: tuple[Project, Simulator]) -> None:
    project, _ = letters
    done = attempt(project, "answer", "--max-cost", "0.0000001")
    assert "does not cover what is next" in done.err
    assert "otherwise than in" not in done.err


def test_a_step_is_tried_as_the_file_has_it_now_and_told_apart_from_the_last_time(
    letters: tuple[Project, Simulator],
) -> None:
    project, simulator = letters
    run = project.latest.folder.name
    path = project.write("flow.yaml", WORKFLOW.replace("say {{", "shout {{"))
    done = attempt(project, "say")
    assert done.out == "1: SHOUT LOOK AT A\n"
    assert f"`each[1]/say` with what the run {run} gave" in done.err
    assert f"otherwise than in {run}" in done.err
    assert '-  "input": "1: say LOOK AT A"' in done.err
    assert '+  "input": "1: shout LOOK AT A"' in done.err
    assert "+1: SHOUT LOOK AT A" in done.err
    last = tried(project).folder.name
    path.write_text(WORKFLOW.replace("say {{", "whisper {{"), encoding="utf-8")
    again = attempt(project, "say")
    assert f"otherwise than in {last}" in again.err, "the last try is nearer than the run"
    assert '-  "input": "1: shout LOOK AT A"' in again.err
    assert "$0.0000" in again.err or "cost: $" in again.err
    check_books(tried(project), simulator)


def test_the_edit_of_a_step_whose_result_is_taken_is_told(
    letters: tuple[Project, Simulator],
) -> None:
    project, _ = letters
    project.write("flow.yaml", WORKFLOW.replace("Summary of", "Gist of"))
    done = attempt(project, "answer")
    assert done.status == ExitStatus.DONE
    assert "warning: `summary` was edited since" in done.err


def test_a_try_is_no_run_and_costs_what_it_costs(letters: tuple[Project, Simulator]) -> None:
    project, simulator = letters
    run = project.latest.folder.name
    before = project.run("cost", "--json").result["total"]
    assert attempt(project, "answer").status == ExitStatus.DONE
    name = tried(project).folder.name
    assert [folder.name for folder in project.runs] == [run]
    assert name not in project.run("runs").out
    assert run in project.run("show").out
    after = project.run("cost", "--json").result["total"]
    paid = posts(simulator, name)[0].cost_usd
    assert paid
    assert after["cost_usd"] - before["cost_usd"] == pytest.approx(paid)
    assert "ANSWER TO SUMMARY" in project.run("show", name, "answer").out
    resumed = project.run("resume", name)
    assert resumed.status == ExitStatus.USAGE
    assert "nothing to resume" in resumed.err


def test_nothing_is_saved_and_nothing_outside_is_changed_without_a_word(
    letters: tuple[Project, Simulator],
) -> None:
    project, simulator = letters
    before = len(posts(simulator))
    assert attempt(project, "note").out == "Note: SUMMARY OF DEAR ALL\n"
    assert not (project.folder / "out").exists()
    refused = attempt(project, "touch")
    assert refused.status == ExitStatus.USAGE
    assert "nothing was started" in refused.err
    assert not (project.folder / "touched").exists()
    assert attempt(project, "touch", "--may-act").status == ExitStatus.DONE
    assert (project.folder / "touched").exists()
    assert len(posts(simulator)) == before


REFUSED = {
    "anwser": "did you mean `answer`?",
    "answer[1]": "`answer` has no `for_each`",
    "answer#1": "`answer` has no `repeat`",
    "each[0]/say": "counted from 1",
    "each": "name a step inside it: `each/look`, `each/say`",
    "Answer!": "has no step `Answer!`",
}


@pytest.mark.parametrize("spec", REFUSED)
def test_what_cannot_be_tried_is_refused(letters: tuple[Project, Simulator], spec: str) -> None:
    project, simulator = letters
    before = len(posts(simulator))
    done = attempt(project, spec)
    assert done.status == ExitStatus.USAGE
    assert REFUSED[spec] in done.err
    assert len(posts(simulator)) == before


def test_an_item_that_the_list_does_not_have_fails_before_anything_is_sent(
    letters: tuple[Project, Simulator],
) -> None:
    project, simulator = letters
    before = len(posts(simulator))
    done = attempt(project, "each[7]/look")
    assert done.status == ExitStatus.FAILED
    assert "`each` has no item 7: there are 2" in done.err
    assert len(posts(simulator)) == before


def test_without_a_run_both_ways_on_are_named(project: Project, simulator: Simulator) -> None:
    project.at(simulator).write("flow.yaml", WORKFLOW)
    done = attempt(project, "answer")
    assert done.status == ExitStatus.USAGE
    assert "this file was not run yet" in done.err
    assert "`flowrunner run flow.yaml --until summary`" in done.err
    assert attempt(project, "summary", "-i", "letter=Hello").status == ExitStatus.DONE
    assert posts(simulator)[0].body["input"] == "Summary of Hello"


def test_a_run_that_has_not_what_the_step_mentions_is_passed_over(
    letters: tuple[Project, Simulator],
) -> None:
    project, _ = letters
    first = project.latest.folder.name
    assert project.run("run", "flow.yaml", "--until", "each").status == ExitStatus.DONE
    second = project.latest.folder.name
    assert second != first
    assert f"what the run {first} gave" in attempt(project, "answer").err
    named = attempt(project, "answer", "--from", second)
    assert named.status == ExitStatus.USAGE
    assert f"of which the run {second} has no result" in named.err


def test_what_was_simulated_is_not_sent_to_a_model(project: Project, simulator: Simulator) -> None:
    project.at(simulator).write("flow.yaml", WORKFLOW)
    assert project.run("run", "flow.yaml", "--simulate", "--until", "summary").status == 0
    done = attempt(project, "answer", "--from", "latest")
    assert done.status == ExitStatus.USAGE
    assert "was simulated" in done.err
    assert attempt(project, "answer").status == ExitStatus.USAGE
    assert attempt(project, "answer", "--simulate").status == ExitStatus.DONE
    assert posts(simulator) == []


def test_other_inputs_take_the_place_of_those_of_the_run(
    letters: tuple[Project, Simulator],
) -> None:
    project, simulator = letters
    assert attempt(project, "summary", "-i", "letter=Other").out == "SUMMARY OF OTHER\n"
    done = attempt(project, "summary", "-i", "leter=Other")
    assert done.status == ExitStatus.USAGE
    assert "did you mean `letter`?" in done.err
    assert posts(simulator)[-1].body["input"] == "Summary of Other"


def test_a_bound_on_the_cost_holds_before_anything_is_sent(
    letters: tuple[Project, Simulator],
) -> None:
    project, simulator = letters
    before = len(posts(simulator))
    done = attempt(project, "answer", "--max-cost", "0.0000001")
    assert done.status == ExitStatus.BUDGET
    assert len(posts(simulator)) == before


def test_all_of_it_as_json(letters: tuple[Project, Simulator]) -> None:
    project, _ = letters
    found = attempt(project, "say", "--json").result
    assert found["try"] == tried(project).folder.name
    assert found["unit"] == "each[1]/say"
    assert found["against"] == project.latest.folder.name
    assert found["difference"]["asked"] == []
    assert found["step"]["answered"]["text"]["value"] == "1: SAY LOOK AT A"
    assert found["step"]["numbers"]["cost_usd"] > 0


def test_a_failed_try_says_why(project: Project, simulate: Simulate) -> None:
    fault = [{"match": {"call": 2}, "do": {"status": 400, "error": "invalid_prompt"}}]
    simulator = simulate(fault)
    project.at(simulator).write("flow.yaml", WORKFLOW)
    assert project.run("run", "flow.yaml", "--until", "summary").status == ExitStatus.DONE
    done = attempt(project, "answer")
    assert done.status == ExitStatus.FAILED
    assert done.out == ""
    assert "answer" in done.err
    check_books(tried(project), simulator)


SECRET = """\
flowrunner: 1
name: Secret
inputs: { word: { type: text, secret: true } }
defaults: { model: gpt-6-luna }
steps:
  - id: ask
    prompt: |
      Use {{ inputs.word }} $(touch pwned) `touch pwned` 'y' " \\ $HOME
      REQUEST
      touch pwned
"""


def test_a_request_is_shown_and_nothing_is_sent(project: Project, simulator: Simulator) -> None:
    project.at(simulator).write("flow.yaml", SECRET)
    done = attempt(project, "ask", "--request", "-i", "word=hunter2-hunter2")
    assert done.status == ExitStatus.DONE, done.err
    assert done.result["model"] == "gpt-6-luna"
    assert "hunter2" not in done.out + done.err
    assert "$(touch pwned)" in done.result["input"]
    assert list_tries(project.folder) == []
    assert posts(simulator) == []


CURL = """\
#!/bin/sh
# What curl is given: its arguments, a line each, then what it reads.
for word in "$@"; do printf '%s\\n' "$word" >> words.txt; done
cat > body.json
"""


def test_curl_is_given_the_request_whatever_stands_in_it(
    project: Project, simulator: Simulator
) -> None:
    project.at(simulator).write("flow.yaml", SECRET)
    shown = attempt(project, "ask", "--curl", "-i", "word=hunter2-hunter2")
    assert shown.status == ExitStatus.DONE, shown.err
    assert KEY not in shown.out
    assert "hunter2" not in shown.out
    programs = project.write("bin/curl", CURL).parent
    (programs / "curl").chmod(0o755)
    path = os.pathsep.join([str(programs), project.environ["PATH"]])
    environ = {**project.environ, "PATH": path}
    script = project.write("send.sh", shown.out)
    subprocess.run(["sh", str(script)], cwd=project.folder, env=environ, check=True, timeout=30)
    words = (project.folder / "words.txt").read_text(encoding="utf-8").splitlines()
    assert f"Authorization: Bearer {KEY}" in words
    assert f"{simulator.base_url}/responses" in words
    asked = attempt(project, "ask", "--request", "-i", "word=hunter2-hunter2").result
    assert json.loads((project.folder / "body.json").read_text(encoding="utf-8")) == asked
    assert not Path(project.folder / "pwned").exists()


def test_a_request_that_depends_on_another_one_is_not_made_up(
    project: Project, simulator: Simulator
) -> None:
    before, _, _ = WORKFLOW.partition("  - id: answer")
    text = before.replace("prompt:", "conversation: { name: talk }, prompt:")
    project.at(simulator).write("flow.yaml", text)
    done = attempt(project, "summary", "--curl")
    assert done.status == ExitStatus.USAGE
    assert "a conversation is begun first" in done.err
    assert posts(simulator) == []


def test_a_try_that_was_killed_is_taken_up_and_what_was_paid_for_is_named(
    project: Project, simulate: Simulate
) -> None:
    simulator = simulate(replies=said)
    project.at(simulator).write("flow.yaml", WORKFLOW)
    assert project.run("run", "flow.yaml", "--until", "summary").status == ExitStatus.DONE
    before = len(posts(simulator))
    at, ended = 0, False
    while not ended:
        at += 7
        done = attempt(project, "answer", kill_at=at)
        ended = done.status == ExitStatus.DONE
        for folder in list_tries(project.folder):
            if not (folder / "journal.db").exists() or Recorded(folder).state.is_finished:
                continue  # nothing was begun, or it is done
            again = project.run("resume", folder.name)
            if "was begun" in again.err:
                shutil.rmtree(folder)
                continue
            assert again.status == ExitStatus.DONE, again.err
            check_books(Recorded(folder), simulator, crashed=True)
    most = len(list_tries(project.folder))
    assert before + most >= len(posts(simulator)) > before
