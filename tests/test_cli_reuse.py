"""Earlier results and parts of a file, said on the command line: `run` does what `plan` says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flowrunner.errors import ExitStatus
from flowrunner.simulator import Simulator
from tests.cli_world import Project, posts

WORKFLOW = """\
flowrunner: 1
name: Digest
inputs: { words: { list: text } }
defaults: { model: gpt-6-luna }
steps:
  - { id: notes, run: [echo, notes], changes_things: false }
  - { id: glossary, prompt: "glossary" }
  - { id: each, for_each: inputs.words, as: word, prompt: "about {{ word }}" }
  - { id: sum, prompt: "{{ steps.each.texts | length }} {{ steps.glossary.text }}" }
  - id: inside
    steps:
      - { id: below, prompt: "below {{ steps.glossary.text }}" }
  - { id: mail, if: "(steps.inside.text | length) > 1000", write: "{{ steps.sum.text }}" }
result: "{{ steps.sum.text }}"
"""


@pytest.fixture
def digest(project: Project, simulate: Callable[..., Simulator]) -> tuple[Project, Simulator]:
    simulator = simulate()
    project.at(simulator).write("flow.yaml", WORKFLOW)
    done = project.run("run", "flow.yaml", "-i", "words=a", "-i", "words=b")
    assert done.status == ExitStatus.DONE, done.err
    return project, simulator


def _asked(simulator: Simulator, before: int) -> list[str]:
    names = [str(call.client_request_id).split("/", 1)[1] for call in posts(simulator)[before:]]
    return sorted(name.rsplit("/", 1)[0] for name in names)


def _plan(project: Project, *words: str) -> dict[str, Any]:
    done = project.run("plan", "flow.yaml", "--json", *words)
    assert done.status == ExitStatus.DONE, done.err
    found: dict[str, Any] = done.result
    return found | {"steps": {step["unit"]: step for step in found["steps"]}}


ABC = ("-i", "words=a", "-i", "words=b", "-i", "words=c")
CASES: dict[str, tuple[tuple[str, ...], list[str]]] = {
    "nothing-new": (("-i", "words=a", "-i", "words=b", "--reuse"), []),
    "one-item-new": ((*ABC, "--reuse"), ["each[3]", "sum"]),
    "of-the-latest": ((*ABC, "--reuse", "latest"), ["each[3]", "sum"]),
    "not-at-all": (ABC, ["each[1]", "each[2]", "each[3]", "glossary", "inside/below", "sum"]),
    "forced": ((*ABC, "--reuse", "--force", "each"), ["each[1]", "each[2]", "each[3]", "sum"]),
    "forced-in-a-group": (
        (*ABC, "--reuse", "--force", "below"),
        ["each[3]", "inside/below", "sum"],
    ),
    "forced-group": ((*ABC, "--reuse", "--force", "inside"), ["each[3]", "inside/below", "sum"]),
    "forced-all": (
        (*ABC, "--reuse", "--force", "all"),
        ["each[1]", "each[2]", "each[3]", "glossary", "inside/below", "sum"],
    ),
    "until": ((*ABC, "--reuse", "--until", "each"), ["each[3]"]),
}


@pytest.mark.parametrize("case", CASES)
def test_a_run_asks_for_what_the_plan_says(digest: tuple[Project, Simulator], case: str) -> None:
    project, simulator = digest
    words, asked = CASES[case]
    plan = _plan(project, *words)
    before = len(posts(simulator))
    ran = project.run("run", "flow.yaml", *words)
    assert ran.status == ExitStatus.DONE, ran.err
    assert _asked(simulator, before) == asked
    prompts = {unit: step for unit, step in plan["steps"].items() if step["verb"] == "prompt"}
    least = sum(step["fewest"] for step in prompts.values())
    most = sum(step["most"] for step in prompts.values())
    assert least <= len(asked) <= most
    saved = project.latest.report["money"]["saved"]["usd"]
    assert abs(plan["saved_usd"] - saved) < 1e-9


def test_the_table_says_what_is_reused_and_what_it_saves(
    digest: tuple[Project, Simulator],
) -> None:
    project, _ = digest
    run = project.latest.folder.name
    wide = {"COLUMNS": "200"}
    done = project.run("plan", "flow.yaml", *ABC, "--reuse", "latest", environ=wide)
    lines = {line.split()[1]: " ".join(line.split()) for line in done.out.splitlines()[:-1]}
    assert lines["notes"] == "1 notes run commands are never reused $0"
    assert lines["glossary"].startswith(
        f"1 glossary reuse the same was answered in {run} $0 (saves"
    )
    assert lines["each"].startswith("1 each ×3 run 1 1 of 3 items of `inputs.words` are new")
    assert lines["sum"].startswith("2 sum run after `each`, `glossary`")
    assert lines["below"].startswith("1 below reuse")
    assert lines["mail"].startswith("3 mail skip its `if` is false")
    assert " · saves $" in done.out.splitlines()[-1]


def test_what_another_run_took_from_others_counts_as_its_own(
    digest: tuple[Project, Simulator],
) -> None:
    project, _ = digest
    first = project.latest.folder.name
    words = ("-i", "words=a", "-i", "words=b")
    assert project.run("run", "flow.yaml", *words, "--reuse").status == ExitStatus.DONE
    plan = _plan(project, *words, "--reuse", "latest")
    assert plan["steps"]["glossary"]["because"] == f"the same was answered in {first}"
    assert plan["high_usd"] == 0


def test_only_the_run_that_is_named_gives_results(digest: tuple[Project, Simulator]) -> None:
    project, simulator = digest
    first = project.latest.folder.name
    assert project.run("run", "flow.yaml", "-i", "words=x").status == ExitStatus.DONE
    before = len(posts(simulator))
    ran = project.run("run", "flow.yaml", "-i", "words=x", "--reuse", first)
    assert ran.status == ExitStatus.DONE
    assert _asked(simulator, before) == ["each[1]", "sum"]


def test_until_says_what_was_left_out_and_a_resume_does_it(
    digest: tuple[Project, Simulator],
) -> None:
    project, simulator = digest
    before = len(posts(simulator))
    ran = project.run("run", "flow.yaml", *ABC, "--until", "glossary")
    assert ran.status == ExitStatus.DONE, ran.err
    assert ran.out == ""
    assert "Left out    notes, each, sum, inside, mail\n" in ran.err
    verdict = project.latest.report["verdict"]
    assert verdict["sentence"].startswith("done until `glossary`; left out: `notes`, `each`")
    assert "5 not started" in ran.err
    assert _asked(simulator, before) == ["glossary"]
    assert project.run("runs", "--failed").out == "None of the 2 runs here failed.\n"
    rest = project.run("resume")
    assert rest.status == ExitStatus.DONE, rest.err
    assert sorted(set(_asked(simulator, before)) - {"glossary"}) == [
        "each[1]",
        "each[2]",
        "each[3]",
        "inside/below",
        "sum",
    ]
    assert rest.result
    assert project.run("resume").status == ExitStatus.USAGE, "nothing is left"


def test_a_plan_until_a_step_leaves_out_the_rest(digest: tuple[Project, Simulator]) -> None:
    project, _ = digest
    plan = _plan(project, *ABC, "--until", "each")
    will = {unit: step["will"] for unit, step in plan["steps"].items() if not step["depth"]}
    assert will == dict.fromkeys(("notes", "glossary", "sum", "inside", "mail"), "skip") | {
        "each": "run"
    }
    assert plan["steps"]["sum"]["because"] == "left out by `--until each`"


@pytest.mark.parametrize("verb", ["run", "plan"])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--until", "glosary"), "did you mean `glossary`?"),
        (("--until", "below"), "write `--until inside`"),
        (("--force", "nobody"), "has no step `nobody`"),
        (("--reuse", "20990101"), "No run here begins with"),
    ],
    ids=["misspelt", "inside", "force", "run"],
)
def test_what_does_not_exist_is_refused(
    digest: tuple[Project, Simulator], verb: str, words: tuple[str, ...], said: str
) -> None:
    project, simulator = digest
    before = len(posts(simulator))
    refused = project.run(verb, "flow.yaml", *ABC, *words)
    assert refused.status == ExitStatus.USAGE
    assert said in refused.err
    assert len(posts(simulator)) == before
    assert len(project.runs) == 1


def test_a_simulated_run_has_nothing_to_give(project: Project) -> None:
    project.write("flow.yaml", WORKFLOW)
    assert project.run("run", "flow.yaml", "--simulate", *ABC).status == ExitStatus.DONE
    refused = project.run("plan", "flow.yaml", *ABC, "--reuse", "latest")
    assert refused.status == ExitStatus.USAGE
    assert "was simulated" in refused.err


@pytest.mark.parametrize(
    ("words", "environ", "reused"),
    [
        (("--reuse", "flow.yaml"), {}, 4),
        (("flow.yaml", "--reuse"), {}, 4),
        (("--reuse=latest", "flow.yaml"), {}, 4),
        (("flow.yaml",), {"FLOWRUNNER_REUSE": "1"}, 4),
        (("flow.yaml",), {"FLOWRUNNER_REUSE": "latest"}, 4),
        (("flow.yaml",), {"FLOWRUNNER_REUSE": "0"}, 0),
    ],
)
def test_reuse_may_stand_alone_before_the_file(
    digest: tuple[Project, Simulator], words: tuple[str, ...], environ: dict[str, str], reused: int
) -> None:
    project, _ = digest
    given = ("-i", "words=a", "-i", "words=b", "--json")
    done = project.run("plan", *words, *given, environ=environ)
    assert done.status == ExitStatus.DONE, done.err
    assert sum(step["will"] == "reuse" for step in done.result["steps"]) == reused
