"""`run` from the outside: inputs, settings, keys, streams, and what is said when they are wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from flowrunner.simulator import Simulator
from tests.cli_world import BARE, TOP, Project, posts

WORKFLOW = """\
flowrunner: 1
name: Asks
inputs:
  topic: { type: text, describe: What it is about }
  count: { type: integer, default: 3 }
  tone: { type: [plain, warm], default: plain }
defaults: { model: gpt-6-luna }
steps:
  - { id: one, prompt: "{{ inputs.topic }} {{ inputs.count }} {{ inputs.tone }}" }
  - { id: two, prompt: second }
result: { text: "{{ steps.one.text }}", count: "{{ inputs.count }}" }
"""
PLAIN = """\
flowrunner: 1
name: Plain
steps:
  - { id: one, model: gpt-6-luna, prompt: hello }
result: { text: "{{ steps.one.text }}" }
"""


@pytest.fixture
def asking(project: Project, simulator: Simulator) -> Project:
    project.write("asks.yaml", WORKFLOW)
    project.write("plain.yaml", PLAIN)
    return project.at(simulator)


def _asked(simulator: Simulator) -> str:
    return str(posts(simulator)[0].body["input"])


# Inputs


def test_inputs_come_from_pairs_files_and_a_document(asking: Project, simulator: Simulator) -> None:
    asking.write("topic.txt", "from a file")
    asking.write("all.yaml", "topic: from a document\ncount: 9\n")
    given: list[tuple[tuple[str, ...], str, str]] = [
        (("-i", "topic=tea"), "", "tea 3 plain"),
        (("-i", "topic=@topic.txt", "-i", "count=7"), "", "from a file 7 plain"),
        (("--inputs", "all.yaml", "-i", "tone=warm"), "", "from a document 9 warm"),
        (("--inputs", "all.yaml", "-i", "topic=wins"), "", "wins 9 plain"),
        (("--inputs", "-"), '{"topic": "from stdin"}', "from stdin 3 plain"),
        (("-i", "topic=@-"), "piped", "piped 3 plain"),
        (("-i", "topic=@@ada"), "", "@ada 3 plain"),
    ]
    for words, stdin, asked in given:
        before = len(posts(simulator))
        done = asking.run("run", "asks.yaml", *words, stdin=stdin)
        assert done.status == 0, done.err
        assert asked in {call.body["input"] for call in posts(simulator)[before:]}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "the input `topic` (What it is about) is missing"),
        (("-i", "topik=x"), "did you mean `topic`"),
        (("-i", "topic=x", "-i", "count=many"), "`count`"),
        (("-i", "topic=x", "-i", "tone=cold"), "`plain` or `warm`"),
        (("-i", "topic"), "`-i topic` has no `=`"),
        (("-i", "topic=a", "-i", "topic=b"), "2 times"),
        (("-i", "topic=@none.txt"), "`none.txt`"),
        (("--inputs", "none.yaml"), "none.yaml"),
    ],
)
def test_wrong_inputs_are_told_before_anything_is_sent(
    asking: Project, simulator: Simulator, words: tuple[str, ...], said: str
) -> None:
    done = asking.run("run", "asks.yaml", *words)
    assert (done.status, done.out) == (2, "")
    assert said in done.err
    assert len(simulator.ledger) == 0
    assert asking.runs == []


def test_all_wrong_inputs_are_told_at_once(asking: Project) -> None:
    done = asking.run("run", "asks.yaml", "-i", "count=many", "-i", "nope=1", "-i", "tone=cold")
    assert all(name in done.err for name in ("`count`", "`nope`", "`tone`", "`topic`"))


def test_a_person_at_a_terminal_is_asked_for_what_is_missing(
    asking: Project, simulator: Simulator
) -> None:
    terminal = asking.start_at_a_terminal("run", "asks.yaml")
    terminal.expect_exact("What it is about")
    terminal.expect_exact("topic: ")
    terminal.sendline("typed tea")
    terminal.expect_exact("Done in")
    terminal.expect(r'"count": 3')
    terminal.expect(terminal_end())
    terminal.close()
    assert terminal.exitstatus == 0
    assert "typed tea 3 plain" in {call.body["input"] for call in posts(simulator)}


def test_a_person_who_gives_nothing_is_told_what_was_wanted(
    asking: Project, simulator: Simulator
) -> None:
    terminal = asking.start_at_a_terminal("run", "asks.yaml")
    terminal.expect_exact("topic: ")
    terminal.sendeof()
    terminal.expect_exact("is missing")
    terminal.expect(terminal_end())
    terminal.close()
    assert terminal.exitstatus == 2
    assert len(simulator.ledger) == 0


def terminal_end() -> Any:
    return pytest.importorskip("pexpect").EOF


# Results


def test_json_prints_the_report(asking: Project) -> None:
    done = asking.run("run", "plain.yaml", "--json")
    assert done.status == 0
    assert done.result == asking.latest.report
    twin = asking.run("run", "plain.yaml", environ={"FLOWRUNNER_JSON": "1"})
    assert twin.result["verdict"]["status"] == "succeeded"


def test_the_last_line_of_a_log_is_for_grep(asking: Project) -> None:
    last = asking.run("run", "plain.yaml").err.splitlines()[-1]
    run = asking.latest.state.run
    assert last.startswith("Done. OK=1 REUSED=0 FAILED=0 SKIPPED=0 TOTAL=1 COST=$")
    assert last.endswith(f"RUN={run}")


# Settings


def test_the_project_file_names_the_model_of_a_workflow_that_names_none(
    asking: Project, simulator: Simulator
) -> None:
    bare = "flowrunner: 1\nname: Bare\nsteps: [{ id: a, prompt: hello }]\n"
    asking.write("bare.yaml", bare)
    nobody = asking.run("run", "bare.yaml")
    assert nobody.status == 2
    assert "no model is named for `a`" in nobody.err
    asking.write("flowrunner.yaml", "model: gpt-6-sol\n")
    assert asking.run("run", "bare.yaml").status == 0
    assert [call.body["model"] for call in simulator.ledger] == ["gpt-6-sol"]


@pytest.mark.parametrize(
    ("words", "environ", "model"),
    [
        ((), {}, "gpt-6-luna"),
        (("--model", "gpt-6-sol"), {}, "gpt-6-sol"),
        ((), {"FLOWRUNNER_MODEL": "gpt-6-sol"}, "gpt-6-sol"),
        (("--model", "gpt-6-luna"), {"FLOWRUNNER_MODEL": "gpt-6-sol"}, "gpt-6-luna"),
    ],
)
def test_the_model_is_named_by_flag_then_environment_then_file(
    asking: Project,
    simulator: Simulator,
    words: tuple[str, ...],
    environ: dict[str, str],
    model: str,
) -> None:
    assert asking.run("run", "plain.yaml", *words, environ=environ).status == 0
    assert posts(simulator)[0].body["model"] == model


@pytest.mark.parametrize(
    ("words", "environ", "most"),
    [((), {}, 4), (("--at-once", "1"), {}, 1), ((), {"FLOWRUNNER_AT_ONCE": "2"}, 2)],
)
def test_no_more_requests_at_once_than_are_allowed(
    project: Project,
    simulate: Callable[..., Simulator],
    words: tuple[str, ...],
    environ: dict[str, str],
    most: int,
) -> None:
    steps = "".join(f"  - {{ id: s{n}, model: gpt-6-luna, prompt: x }}\n" for n in range(4))
    project.write("wide.yaml", f"flowrunner: 1\nname: Wide\nsteps:\n{steps}")
    done = project.at(simulate(latency_s=0.15)).run("run", "wide.yaml", *words, environ=environ)
    assert done.status == 0
    assert project.latest.report["timeline"]["most_at_once"] == most


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"FLOWRUNNER_AT_ONCE": "none"}, "none"),
        ({"FLOWRUNNER_AT_ONCE": "0"}, "0"),
        ({"FLOWRUNNER_TIMEOUT": "5 minutes"}, "as in 5m"),
        ({"FLOWRUNNER_ON_UNKNOWN": "pay"}, "retry_once"),
    ],
)
def test_a_twin_in_the_environment_is_checked_like_its_option(
    asking: Project, environ: dict[str, str], said: str
) -> None:
    done = asking.run("run", "plain.yaml", environ=environ)
    assert done.status == 2
    assert said in done.err
    assert next(iter(environ)) in done.err or "--" in done.err


# Keys and servers


def test_without_a_key_both_ways_on_are_named(project: Project) -> None:
    project.write("plain.yaml", PLAIN)
    done = project.run("run", "plain.yaml")
    assert (done.status, done.out) == (4, "")
    assert "OPENAI_API_KEY" in done.err
    assert "--simulate" in done.err
    assert project.runs == []


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("", "empty"),
        ("sk-4711-secret\n", "newline"),
        ("Bearer sk-4711-secret", "Bearer"),
        ('"sk-4711-secret"', "quotes"),
        ("“sk-4711-secret”", "quotes"),
        ("sk-4711 secret", "space"),
        ("sk-4711-sécret", "character"),
        ("your-api-key", "placeholder"),
    ],
)
def test_a_key_that_cannot_be_one_is_never_sent_nor_shown(
    asking: Project, simulator: Simulator, key: str, said: str
) -> None:
    done = asking.run("run", "plain.yaml", environ={"OPENAI_API_KEY": key})
    assert (done.status, done.out) == (4, "")
    assert "OPENAI_API_KEY" in done.err
    assert said in done.err
    assert "4711" not in done.err
    assert len(simulator.ledger) == 0


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("127.0.0.1:8765/v1", "https://"),
        ("http://example.com/v1", "https"),
        ("https://user:hunter22@example.com/v1", "password"),
        ("https://example.com/v1/v1", "twice"),
        ("https://example.com/v1?x=hunter22", "?"),
        ("https://example.com/v1/responses", "/responses"),
    ],
)
def test_a_base_url_that_cannot_be_right_is_not_used(asking: Project, url: str, said: str) -> None:
    done = asking.run("run", "plain.yaml", environ={"OPENAI_BASE_URL": url})
    assert done.status == 4
    assert "OPENAI_BASE_URL" in done.err
    assert said in done.err
    assert "hunter22" not in done.err


def test_a_server_that_nobody_is_behind(project: Project, simulator: Simulator) -> None:
    project.write("plain.yaml", PLAIN.replace("prompt: hello", "prompt: hello, timeout: 1s"))
    project.at(simulator)
    simulator.stop()
    done = project.run("run", "plain.yaml")
    assert done.status in (1, 4)
    calls = project.latest.state.steps["one"].calls
    assert {call.state for call in calls} == {"not-sent"}
    assert project.latest.report["verdict"]["possibly_billed"] == 0


def test_a_dotenv_is_found_from_the_workflow_upwards(
    project: Project, simulator: Simulator
) -> None:
    project.write("flows/deep/plain.yaml", PLAIN)
    said = f"OPENAI_BASE_URL={simulator.base_url}\nexport OPENAI_API_KEY='sk-from-dotenv-file'\n"
    project.write(".env", said + "FLOWRUNNER_MODEL=gpt-6-sol\n")
    elsewhere = project.folder.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ".env").write_text("OPENAI_BASE_URL=https://wrong.example/v1\n")
    workflow = str(project.folder / "flows" / "deep" / "plain.yaml")
    done = project.run("run", workflow, folder=elsewhere)
    assert done.status == 0, done.err
    assert posts(simulator)[0].body["model"] == "gpt-6-sol"
    assert len(project.runs) == 1, "the run stands in the workflow's project"


# The surroundings


def test_a_poor_environment_is_enough(asking: Project, simulator: Simulator) -> None:
    asking.write("workflows/ask.yaml", WORKFLOW.replace("name: Asks", "name: Grüße"))
    elsewhere = asking.folder.parent
    environ = asking.environ | {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
    done = asking.run_from_nothing(
        "run",
        str(asking.folder / "workflows" / "ask.yaml"),
        "-i",
        "topic=Tee für zwölf",
        environ=environ,
        cwd=elsewhere,
    )
    assert done.status == 0, done.err
    assert done.result["count"] == 3
    assert "Tee für zwölf 3 plain" in {call.body["input"] for call in posts(simulator)}
    assert len(asking.runs) == 1
    assert not (elsewhere / ".flowrunner").exists()


@pytest.mark.parametrize("words", [("run", "plain.yaml"), ("run", "plain.yaml", "--json"), ()])
def test_a_reader_that_goes_away_ends_nothing(asking: Project, words: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        done = asking.run_from_nothing(*words, stdout=closed)
    assert done.status == 0
    assert "Traceback" not in done.err
    assert "BrokenPipe" not in done.err
    assert not words or asking.latest.state.exit_status == 0


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_from_the_start(asking: Project, closed: str) -> None:
    command = f'exec "{sys.executable}" -m flowrunner run plain.yaml {closed}'
    program = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=asking.folder,
        env=asking.environ,
        capture_output=True,
        check=False,
    )
    assert program.returncode == 0, program.stderr
    assert b"Traceback" not in program.stderr
    assert asking.latest.state.exit_status == 0, "nothing was written into the journal's file"
    assert asking.latest.report["verdict"]["status"] == "succeeded"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
def test_a_result_that_finds_no_room_is_told(asking: Project) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = asking.run_from_nothing("run", "plain.yaml", stdout=full)
    assert done.status == 4
    assert "no space left" in done.err.lower()
    assert json.loads((asking.latest.folder / "result.json").read_bytes())


# Words


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("rnu", "plain.yaml"), "did you mean `run`?"),
        (("validat",), "did you mean `validate`?"),
        (("frobnicate",), "there is no command `frobnicate`"),
        (("run", "plain.yaml", "--simulat"), "--simulate"),
        (("run",), "WORKFLOW"),
        (("run", "plain.yaml", "more.yaml"), "more.yaml"),
        (("run", "plan.yaml"), "there is no file `plan.yaml`"),
        (("run", "plain.yaml", "--timeout", "soon"), "as in 5m"),
        (("run", "plain.yaml", "--at-once", "0"), "--at-once"),
    ],
)
def test_words_that_are_wrong(asking: Project, words: tuple[str, ...], said: str) -> None:
    done = asking.run(*words)
    assert (done.status, done.out) == (2, "")
    assert said in done.err
    assert "Traceback" not in done.err


def test_without_words_the_commands_and_the_workflows_here_are_listed(asking: Project) -> None:
    asking.write("workflows/third.yaml", PLAIN)
    asking.write("other.yaml", "services: {}\n")
    done = asking.run()
    assert done.status == 0
    for command in ("demo", "validate", "run", "resume", "runs", "show", "report", "simulator"):
        assert f"  {command} " in done.out
    assert "asks.yaml" in done.out
    assert "workflows/third.yaml" in done.out
    assert "other.yaml" not in done.out
    assert "Exit statuses" in done.out


def test_help_and_version(asking: Project) -> None:
    version = asking.run_from_nothing("--version", environ=BARE, cwd=TOP.parent)
    assert version.status == 0
    assert version.out.startswith("flowrunner ")
    for words in (("--help",), ("run", "--help"), ("resume", "-h"), ("report", "--help")):
        shown = asking.run(*words)
        assert (shown.status, shown.err) == (0, "")
        assert "Usage: flowrunner" in shown.out


def test_every_option_names_its_twin(asking: Project) -> None:
    out = " ".join(asking.run("run", "--help").out.split())
    for twin in ("SIMULATE", "MODEL", "AT_ONCE", "TIMEOUT", "ON_UNKNOWN", "JSON", "INPUTS"):
        assert f"FLOWRUNNER_{twin}" in out
