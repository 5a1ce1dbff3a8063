"""`plan` through the whole program: what it prints, what it refuses, and that it sends nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from flowrunner.report.planned import plan_lines
from flowrunner.report.terminal import Style
from flowrunner.simulator import Simulator
from tests.cli_world import KEY, Project
from tests.sample_files import png
from tests.wire_server import Peer, RawServer, Received, reply

FLOW = """\
flowrunner: 1
name: Replies
inputs:
  names: { list: text }
  urgent: { type: yes_no, default: false }
defaults: { model: gpt-6-luna, reasoning: { effort: low } }
budget: 0.50 USD
steps:
  - id: greet
    for_each: inputs.names
    prompt: Greet {{ item }}
    output: { mood: [kind, angry] }
  - id: alarm
    if: inputs.urgent
    prompt: Warn everybody
  - id: choose
    prompt: "Choose: {{ steps.greet.outputs | map(attribute='mood') | join(', ') }}"
    output: { way: [mail, call] }
  - id: answer
    branch: steps.choose.output.way
    cases:
      mail: [{ id: write_mail, prompt: Write a mail }]
      call: [{ id: call_them, prompt: "Prepare a call for a customer who waits" }]
  - id: send
    if: steps.choose.output.way == 'mail'
    run: [sendmail, someone]
"""
TICKET = "workflows/inputs/ticket_charge.txt"
INPUTS = "names: [Ada, Bob, Cyd]\n"


LIMITED = "`greet`, `choose`, `answer/write_mail` and 1 more"
LIMITS = f"the budget sets `max_output_tokens: 8000` for {LIMITED}"


def lasting(text: str) -> list[list[str]]:
    """The columns of a table, amounts of the moment and dates taken out."""
    text = re.sub(r"\$\d[\d.,]*", "$N", text)
    text = re.sub(r"\d{4}-\d\d-\d\d", "DATE", text)
    return [re.split(r" {2,}", line.strip()) for line in text.strip().splitlines()]


@pytest.fixture
def replies(project: Project) -> Project:
    project.write("replies.yaml", FLOW)
    project.write("inputs.yaml", INPUTS)
    return project


def plan(project: Project, *words: str, **more: Any) -> Any:
    done = project.run("plan", "replies.yaml", "--inputs", "inputs.yaml", "--json", *words, **more)
    assert done.status == 0, done.err
    return done.result


def test_the_table_says_what_would_happen(replies: Project) -> None:
    done = replies.run("plan", "replies.yaml", "--inputs", "inputs.yaml")
    assert done.status == 0, done.err
    assert done.err == ""
    assert lasting(done.out) == [
        ["order", "step", "will", "because", "about", "between"],
        ["1", "greet ×3", "run", "3 items of `inputs.names`", "$N", "$N – $N"],
        ["1", "alarm", "skip", "its `if` is false"],
        ["2", "choose", "run", "after `greet`", "$N", "$N – $N"],
        ["3", "answer", "run", "after `choose`", "$N", "$N – $N"],
        ["1", "write_mail", "maybe", "only if `answer` takes `mail`", "$N", "$N – $N"],
        ["1", "call_them", "maybe", "only if `answer` takes `call`", "$N", "$N – $N"],
        ["3", "send", "maybe", "only if steps.choose.output.way == 'mail'", "$N"],
        [LIMITS],
        ["Between $N and $N · budget $N · prices of DATE · nothing was sent"],
    ]  # fmt: skip
    assert not (replies.folder / ".flowrunner").exists(), "nothing is written either"


def test_the_plan_as_json_adds_up(replies: Project) -> None:
    found = plan(replies)
    steps = {step["unit"]: step for step in found["steps"]}
    assert found["budget"] == {"stop_at_usd": 0.5, "warn_at_usd": None, "tokens": None}
    assert (found["workflow"], found["path"]) == ("Replies", "replies.yaml")
    assert found["simulated"] is False
    assert (steps["greet"]["fewest"], steps["greet"]["most"], steps["greet"]["items"]) == (3, 3, 3)
    assert steps["greet"]["model"] == "gpt-6-luna"
    assert steps["greet"]["max_output_tokens"] == 8000
    for bound in ("low_usd", "high_usd", "about_usd"):
        top = [step[bound] for step in found["steps"] if step["depth"] == 0]
        assert found[bound] == pytest.approx(sum(top))
    assert found["low_usd"] < found["about_usd"] < found["high_usd"] < 0.5


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        pytest.param("0.50 USD", " · budget $0.50 · ", id="enough"),
        pytest.param("0.01 USD", " · budget $0.01, which may end the run early · ", id="perhaps"),
        pytest.param(
            "0.000001 USD", " · budget $0.000001, which is surely too little · ", id="too-little"
        ),
        pytest.param("{ stop_at: 1 USD, tokens: 9000 }", " · budget $1.00 · budget 9,000 tokens · ",
                     id="tokens"),
    ],
)  # fmt: skip
def test_the_sum_is_held_against_the_budget(replies: Project, budget: str, said: str) -> None:
    replies.write("replies.yaml", FLOW.replace("0.50 USD", budget))
    done = replies.run("plan", "replies.yaml", "--inputs", "inputs.yaml")
    assert said in done.out


def test_the_project_says_prices_and_a_budget(replies: Project) -> None:
    replies.write(
        "flowrunner.yaml",
        "budget: 0.20 USD\nprices: { my-model: { input: 1000, output: 2000 } }\n",
    )
    replies.write("replies.yaml", FLOW.replace("gpt-6-luna", "my-model"))
    found = plan(replies)
    assert found["budget"]["stop_at_usd"] == 0.2
    assert found["low_usd"] > 0.001
    assert found["high_usd"] > 10


def test_what_is_unknown_is_said(replies: Project) -> None:
    done = replies.run("plan", "replies.yaml", "--inputs", "inputs.yaml", "--model", "my-model")
    assert done.status == 0
    assert " unknown: `greet`: the price of `my-model` is not known\n" in done.out
    assert "At least $0, at most unknown · budget $0.50, which may end" in done.out
    again = plan(replies, environ={"FLOWRUNNER_MODEL": "my-model"})
    assert again["high_usd"] is None
    assert again["steps"][0]["model"] == "my-model"


def test_a_plan_of_a_simulated_run_says_so(replies: Project) -> None:
    done = replies.run("plan", "replies.yaml", "--inputs", "inputs.yaml", "--simulate")
    assert " · with --simulate it costs nothing · " in done.out
    assert plan(replies, "--simulate")["simulated"] is True


def test_a_plan_without_a_model_costs_nothing(project: Project) -> None:
    project.write("a.yaml", "flowrunner: 1\nname: A\nsteps:\n  - { id: a, write: hello }\n")
    done = project.run("plan", "a.yaml")
    assert lasting(done.out)[1:] == [
        ["1", "a", "run", "at once", "$N"],
        ["It costs nothing · prices of DATE · nothing was sent"],
    ]


def test_narrow_terminals_are_respected(replies: Project) -> None:
    words = ("plan", "replies.yaml", "--inputs", "inputs.yaml")
    done = replies.run(*words, environ={"COLUMNS": "72"})
    table = [line for line in done.out.splitlines() if line[1:2].isdigit()]
    assert len(table) == 7
    assert max(map(len, table)) <= 72
    assert "  only if `answer`...  " in done.out


def test_plain_terminals_are_respected(replies: Project) -> None:
    plain = "\n".join(plan_lines(plan(replies), Style(utf8=False)))
    assert plain.isascii()
    assert "greet x3" in plain
    coloured = plan_lines(plan(replies), Style(colour=True))
    assert coloured[0].startswith("\x1b[2m order")
    assert coloured[2].startswith("\x1b[2m 1      alarm"), "what is skipped is dimmed"


@pytest.mark.parametrize(
    ("flow", "words", "status", "said"),
    [
        pytest.param(FLOW.replace("model:", "modle:"), ["--inputs", "inputs.yaml"], 3,
                     "replies.yaml has mistakes; nothing was sent", id="mistakes"),
        pytest.param(FLOW, [], 2, "the input `names` is missing", id="inputs-missing"),
        pytest.param(FLOW, ["-i", "name=Ada"], 2, "there is no input `name`", id="inputs-unknown"),
    ],
)  # fmt: skip
def test_it_refuses_what_a_run_refuses(
    replies: Project, flow: str, words: list[str], status: int, said: str
) -> None:
    replies.write("replies.yaml", flow)
    done = replies.run("plan", "replies.yaml", *words)
    assert done.status == status
    assert said in done.err
    assert done.out == ""


NESTED = """\
flowrunner: 1
name: Nested
inputs: { names: { list: text } }
defaults: { model: gpt-6-luna }
budget: 2 USD
steps:
  - id: each
    for_each: inputs.names
    steps:
      - { id: read, prompt: "Read {{ item }}", output: { team: [a, b], note: text } }
      - id: way
        branch: steps.read.output.team
        cases:
          a: [{ id: x, prompt: "A {{ steps.read.output.note }}" }]
          b: [{ id: y, prompt: "B {{ steps.read.text }}", retry: 2 }]
  - id: polish
    repeat: { until: "steps.judge.output.score >= 8", at_most: 3 }
    steps:
      - { id: draft, prompt: "Write {{ default(previous.judge.output.advice, 'it') }}" }
      - { id: judge, prompt: "{{ steps.draft.text }}", output: { score: integer, advice: text } }
result: "{{ steps.polish.rounds }}"
"""


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        pytest.param("workflows/hello", [], id="hello"),
        pytest.param("workflows/ticket_triage", ["-i", f"ticket=@{TICKET}"], id="triage"),
        pytest.param("nested", ["--inputs", "inputs.yaml"], id="nested"),
    ],
)
def test_what_a_run_costs_lies_between_the_bounds(
    project: Project, simulate: Callable[..., Simulator], name: str, inputs: list[str]
) -> None:
    project.with_gallery()
    project.write("nested.yaml", NESTED)
    project.write("inputs.yaml", INPUTS)
    server = simulate()
    project.at(server)
    planned = project.run("plan", f"{name}.yaml", *inputs, "--json")
    assert planned.status == 0, planned.err
    assert not server.ledger, "nothing was sent"
    ran = project.run("run", f"{name}.yaml", *inputs, "--json")
    assert ran.status == 0, ran.err
    spent = {"": ran.result["money"]["cost_usd"]}
    units = [step["unit"] for step in ran.result["steps"]]
    for step in ran.result["steps"]:
        if any(
            other.startswith(tuple(f"{step['unit']}{sign}" for sign in "/[#")) for other in units
        ):
            continue  # it tells the sum of what is inside it
        unit = re.sub(r"\[\d+\]|#\d+", "", step["unit"])
        spent[unit] = spent.get(unit, 0) + (step["numbers"]["cost_usd"] or 0)
    assert planned.result["low_usd"] <= spent[""] <= planned.result["high_usd"]
    asked = [step for step in planned.result["steps"] if step["model"]]
    assert {step["unit"] for step in asked} >= {unit for unit, usd in spent.items() if unit and usd}
    for step in asked:
        assert step["low_usd"] <= spent.get(step["unit"], 0) <= step["high_usd"], step["unit"]


def test_a_text_made_of_a_step_that_is_skipped_is_planned(project: Project) -> None:
    steps = '  - { id: a, if: "1 > 2", write: x }\n  - { id: b, write: "{{ steps.a.text }}" }\n'
    project.write("flow.yaml", f"flowrunner: 1\nname: Skipping\nsteps:\n{steps}")
    done = project.run("plan", "flow.yaml", "--json")
    assert [step["will"] for step in done.result["steps"]] == ["skip", "skip"]


# Counted by the server.

SEEN = """\
flowrunner: 1
name: Seen
inputs: { scan: file, rows: table }
defaults: { model: gpt-6-luna, max_output_tokens: 100 }
steps:
  - { id: look, prompt: What is this?, attach: ["{{ inputs.scan }}"] }
  - { id: tell, prompt: "Tell of it: {{ steps.look.text }}" }
  - id: each
    for_each: inputs.rows
    prompt: What is this?
    attach: ["{{ item.file }}"]
    within: scans
"""


@pytest.fixture
def seen(project: Project) -> Project:
    project.write("flow.yaml", SEEN)
    project.write("rows.csv", "file\nb.txt\n")
    project.write("scans/b.txt", "some words")
    (project.folder / "a.png").write_bytes(png(40))
    return project


GIVEN = ("-i", "scan=a.png", "-i", "rows=rows.csv")


def test_what_is_known_is_counted_and_nothing_else_is_sent(
    seen: Project, simulate: Callable[..., Simulator]
) -> None:
    simulator = simulate()
    seen.at(simulator)
    wide = seen.run("plan", "flow.yaml", *GIVEN, "--json").result
    assert list(simulator.ledger) == []
    exact = seen.run("plan", "flow.yaml", *GIVEN, "--exact", "--json").result
    assert [call.path for call in simulator.ledger] == ["/v1/responses/input_tokens"]
    (call,) = simulator.ledger
    assert call.body["input"][0]["content"][1]["image_url"].startswith("data:image/png;base64,")
    assert (wide["counted_requests"], exact["counted_requests"]) == (None, 1)
    of = [{step["unit"]: step for step in each["steps"]} for each in (wide, exact)]
    assert of[1]["look"]["high_usd"] < of[0]["look"]["high_usd"] / 10
    assert of[1]["look"]["low_usd"] >= of[0]["look"]["low_usd"]
    assert of[1]["look"]["assumes"] == []
    assert of[1]["each"] == of[0]["each"], "what data names is not opened before the run"


def test_a_plan_says_that_counting_costs_nothing(seen: Project) -> None:
    done = seen.run("plan", "flow.yaml", *GIVEN, "--exact", "--simulate")
    assert done.status == 0, done.err
    assert done.out.strip().endswith("1 request counted by the server, at no charge")
    assert "nothing was sent" not in done.out


def refusing(status: str, message: str) -> RawServer:
    """A server that answers everything with an error."""
    error = {"error": {"message": message, "type": "x", "code": None, "param": None}}

    def script(peer: Peer, request: Received) -> None:
        peer.send(reply(error, status))

    return RawServer(script)


def test_counting_needs_a_key_that_is_taken(seen: Project) -> None:
    without = seen.run("plan", "flow.yaml", *GIVEN, "--exact")
    assert (without.status, without.out) == (4, "")
    assert "`OPENAI_API_KEY` is not set" in without.err
    with refusing("401 Unauthorized", "Incorrect API key provided") as server:
        seen.environ |= {
            "OPENAI_BASE_URL": f"http://127.0.0.1:{server.port}/v1",
            "OPENAI_API_KEY": KEY,
        }
        refused = seen.run("plan", "flow.yaml", *GIVEN, "--exact")
    assert (refused.status, refused.out) == (4, "")
    assert "`OPENAI_API_KEY`" in refused.err


@pytest.mark.parametrize("status", ["500 Broken", "404 Not Found"])
def test_what_cannot_be_counted_keeps_its_bounds(seen: Project, status: str) -> None:
    wide = seen.run("plan", "flow.yaml", *GIVEN, "--json").result
    with refusing(status, "no such thing here") as server:
        seen.environ |= {
            "OPENAI_BASE_URL": f"http://127.0.0.1:{server.port}/v1",
            "OPENAI_API_KEY": KEY,
        }
        done = seen.run("plan", "flow.yaml", *GIVEN, "--exact", "--json")
    assert done.status == 0
    assert "1 of 1 requests could not be counted: no such thing here" in done.err
    assert done.result == {**wide, "counted_requests": 0}


@pytest.mark.parametrize(
    "said", [b"[]", b"<html>", b'{"input_tokens": "9"}', b'{"input_tokens": -1}']
)
def test_odd_counts_are_none(seen: Project, said: bytes) -> None:
    def script(peer: Peer, request: Received) -> None:
        peer.send(reply(said))

    with RawServer(script) as server:
        seen.environ |= {
            "OPENAI_BASE_URL": f"http://127.0.0.1:{server.port}/v1",
            "OPENAI_API_KEY": KEY,
        }
        done = seen.run("plan", "flow.yaml", *GIVEN, "--exact", "--json")
    assert "the server told no number of tokens" in done.err
    assert done.result["counted_requests"] == 0
