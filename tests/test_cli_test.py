"""`flowrunner test` from the command line: cases, scripts, recordings, what is told of them."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from flowrunner.errors import ExitStatus
from flowrunner.simulator import Simulator
from tests.cli_world import Done, Project

FLOW = """\
flowrunner: 1
name: Notes
defaults: { model: gpt-6-luna }
inputs: { who: { type: text, default: Ada } }
steps:
  - { id: hello, prompt: "Greet {{ inputs.who }}." }
  - id: rate
    prompt: "Rate {{ steps.hello.text }}"
    output: { score: integer, tags: { list: text } }
  - { id: praise, if: steps.rate.output.score > 5, prompt: Praise. }
  - id: kind
    branch: inputs.who
    cases:
      Ada: [{ id: known, write: known }]
      Bob: [{ id: friend, write: friend }]
    otherwise: [{ id: unknown_one, write: unknown }]
result: { text: "{{ steps.hello.text }}", score: "{{ steps.rate.output.score }}" }
"""
HEAD = "flowrunner_test: 1\nworkflow: notes.yaml\ncases:\n"


@pytest.fixture
def notes(project: Project) -> Project:
    project.write("notes.yaml", FLOW)
    return project


def try_cases(project: Project, cases: str, *words: str) -> Done:
    project.write("notes.test.yaml", HEAD + cases)
    return project.run("test", *words)


TOOLS = f"""\
flowrunner: 1
name: Orders
defaults: {{ model: gpt-6-luna }}
tools:
  find:
    describe: Look up an order
    run: [{sys.executable}, -c, "print('sent')"]
    arguments: {{ order: text }}
    changes_things: false
steps:
  - {{ id: help, prompt: Where is my order?, tools: [find] }}
result: {{ text: "{{{{ steps.help.text }}}}", calls: "{{{{ length(steps.help.tool_calls) }}}}" }}
"""
GOOD = """\
  - name: high
    replies:
      hello: Hello, Ada!
      rate: { output: { score: 9, tags: [a, b] } }
    expect:
      result: { text: "Hello, Ada!", score: 9 }
      that: [result.score > 5, "steps.praise.status == 'succeeded'"]
      contains: { result.text: [HELLO, ada] }
      matches: { result.text: "^Hello, \\\\w+!$" }
      shapes: { steps.rate.output: { score: integer, tags: { list: text } } }
      ran: [praise, known]
      skipped: [friend]
      cost_below: 1 USD
"""


def test_a_case_that_is_as_expected(notes: Project) -> None:
    done = try_cases(notes, GOOD)
    assert done.status == 0, done.err
    assert (done.out, notes.runs) == ("", [])
    assert "✓ high" in done.err
    assert done.err.rstrip().splitlines()[-1].startswith("1 passed (1 file, ")


def test_coverage_names_what_no_case_reached(notes: Project) -> None:
    told = try_cases(notes, GOOD).err
    assert "notes.yaml: 5 of 7 steps reached" in told
    assert "never: `if` of `praise` was false" in told
    assert "never: `kind` took the case `Bob`" in told
    assert "never: `unknown_one` ran" in told
    low = GOOD.replace("high", "low").replace("9", "3")
    low = low.replace("ran: [praise, known]", "ran: [known]")
    low = low.replace("[result.score > 5, \"steps.praise.status == 'succeeded'\"]", '["true"]')
    assert "`if` of `praise`" not in try_cases(notes, GOOD + low).err


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"Hello, Ada!", score', '"Hi.", score', '+  "text": "Hello, Ada!",'),
        ("result.score > 5", "result.score > 10", "`result.score > 10` is not so"),
        ("result.score > 5", "result.score > 10", "result.score is 9"),
        ("[HELLO, ada]", "[bye]", '`result.text` does not contain "bye"'),
        ("^Hello", "^Bye", "`result.text` does not match"),
        ("score: integer, tags", "score: text, tags", "`steps.rate.output.score` must be"),
        ("ran: [praise, known]", "ran: [friend]", "`friend` was to run, and did not"),
        ("skipped: [friend]", "skipped: [praise]", "`praise` was not to run, and did"),
        ("1 USD", "0.0000001 USD", "the run was to cost less than"),
        ("    expect:\n", "    expect:\n      exit: 4\n", "was to be 4, and is 0"),
        (
            "    expect:\n",
            "    expect:\n      status: held\n",
            "as `held`, and ended as `succeeded`",
        ),
        ("{ output: { score: 9, tags: [a, b] } }", "{ refusal: No. }", "ended as `failed`"),
    ],
)
def test_what_differs_is_shown_at_its_place(notes: Project, old: str, new: str, said: str) -> None:
    assert old in GOOD
    done = try_cases(notes, GOOD.replace(old, new, 1))
    assert done.status == ExitStatus.FAILED
    assert said in done.err
    assert "notes.test.yaml:" in done.err
    assert "0 passed, 1 failed" in done.err


def test_a_list_of_replies_is_one_for_each_request(notes: Project) -> None:
    flow = FLOW.replace("{ id: hello, ", "{ id: hello, for_each: [a, b, c], ")
    flow = flow.replace("steps.hello.text", "steps.hello.texts | join(' ')")
    notes.write("notes.yaml", flow)
    cases = """\
  - name: items
    replies: { "hello[2]": two, hello: [other] }
    expect: { is: { steps.hello.texts: [other, two, other] } }
"""
    assert try_cases(notes, cases).status == 0


def test_an_error_of_the_api_and_a_retry_can_be_scripted(notes: Project) -> None:
    flow = FLOW.replace("output: { score", "retry: 2\n    output: { score")
    notes.write("notes.yaml", flow)
    cases = """\
  - name: refused by the API
    replies: { hello: { error: { status: 400, message: Bad prompt., code: bad } } }
    expect: { exit: 1, that: ["steps.hello.error.kind == 'api-error'"], skipped: [rate] }
  - name: the second try
    replies: { rate: [{ output: { score: x, tags: [] } }, { output: { score: 2, tags: [] } }] }
    expect: { is: { result.score: 2 } }
  - name: cut off
    replies: { hello: { incomplete: Dear } }
    expect: { exit: 1 }
"""
    done = try_cases(notes, cases)
    assert done.status == 0, done.err


def test_calls_of_tools_can_be_scripted(project: Project) -> None:
    project.write("notes.yaml", TOOLS)
    cases = """\
  - name: looked up
    replies:
      help: [{ call: { name: find, arguments: { order: A-17 } } }, It is on its way.]
    expect:
      result: { text: It is on its way., calls: 1 }
"""
    done = try_cases(project, cases)
    assert done.status == 0, done.err


def test_without_scripts_the_simulator_answers(notes: Project) -> None:
    cases = "  - { name: plain, expect: { contains: { result.text: simulated } } }\n"
    assert try_cases(notes, cases).status == 0


RECORDED = """\
  - name: recorded
    recording: ada
    expect: { contains: { result.text: Ada } }
"""


def test_recordings_are_made_once_and_answer_from_then_on(
    notes: Project, simulator: Simulator
) -> None:
    missing = try_cases(notes, RECORDED)
    assert missing.status == ExitStatus.FAILED
    assert "there is no recording" in missing.err
    plain = dict(notes.environ)
    done = try_cases(notes.at(simulator), RECORDED, "--record")
    assert done.status == 0, done.err
    assert len(notes.runs) == 1, "what was paid for stands with the other runs"
    notes.environ = plain
    asked = len(simulator.ledger)
    assert try_cases(notes, RECORDED).status == 0
    changed = notes.folder / "notes.yaml"
    changed.write_text(changed.read_text().replace("Greet", "Salute"))
    stale = try_cases(notes, RECORDED)
    assert stale.status == ExitStatus.FAILED
    assert "has no reply: the nearest is that of `hello`" in stale.err
    assert len(simulator.ledger) == asked


def test_recording_needs_a_key(notes: Project) -> None:
    done = try_cases(notes, RECORDED, "--record")
    assert done.status == ExitStatus.ENVIRONMENT
    assert "OPENAI_API_KEY" in done.err


JUDGED = """\
  - name: judged
    judge: It is polite.
    expect: { status: succeeded }
"""


@pytest.mark.parametrize("holds", [True, False])
def test_a_model_judges_only_when_asked(
    notes: Project, simulate: Callable[..., Simulator], holds: bool
) -> None:
    def answer(body: dict[str, object]) -> str | None:
        if "It is polite." not in json.dumps(body["input"]):
            return None
        return json.dumps({"holds": holds, "why": "it says so"})

    simulator = simulate(replies=answer)
    notes.at(simulator)
    assert try_cases(notes, JUDGED).status == 0
    assert len(simulator.ledger) == 0
    done = try_cases(notes, JUDGED, "--live")
    assert done.status == (0 if holds else ExitStatus.FAILED), done.err
    assert ("`judge`: It is polite." in done.err) is not holds
    assert ("it says: it says so" in done.err) is not holds
    assert len(notes.runs) == 2


def test_update_writes_literals_and_keeps_comments(notes: Project) -> None:
    cases = """\
  - name: update
    replies:
      hello: Hello!
      rate: { output: { score: 9, tags: [a, b] } }
    expect:
      result:            # what came out
        text: "Hi!"      # the greeting
        score: 3         # of ten
      is:
        steps.rate.output.tags: [x]   # tags
"""
    assert try_cases(notes, cases, "--update").status == ExitStatus.FAILED
    text = (notes.folder / "notes.test.yaml").read_text()
    assert '        text: "Hello!"      # the greeting\n        score: 9         # of ten' in text
    assert 'steps.rate.output.tags: ["a", "b"]   # tags' in text
    assert "# what came out" in text
    assert notes.run("test").status == 0


def test_junit_tells_the_same(notes: Project) -> None:
    try_cases(
        notes, GOOD + GOOD.replace("high", "bad & <worse>").replace("9", "3"), "--junit", "j.xml"
    )
    root = ET.fromstring((notes.folder / "j.xml").read_text())
    assert (root.get("tests"), root.get("failures")) == ("2", "1")
    good, bad = root.iter("testcase")
    assert (good.get("name"), bad.get("name")) == ("high", "bad & <worse>")
    assert bad.find("failure") is not None
    assert good.find("failure") is None


def test_mistakes_are_found_before_anything_runs(notes: Project) -> None:
    done = try_cases(notes, "  - { name: a, expect: { ran: [helo] } }\n")
    assert done.status == ExitStatus.INVALID
    assert "error[unknown-step]" in done.err
    assert "did you mean `hello`?" in done.err


def test_where_there_are_no_tests_it_says_so(notes: Project) -> None:
    done = notes.run("test")
    assert done.status == ExitStatus.USAGE
    assert "NAME.test.yaml" in done.err


def test_one_case_can_be_chosen(notes: Project) -> None:
    done = try_cases(
        notes, GOOD + GOOD.replace("high", "other").replace("9", "3"), "--only", "high"
    )
    assert done.status == 0
    assert "other" not in done.err


def test_inputs_that_do_not_fit_fail_their_case(notes: Project) -> None:
    done = try_cases(notes, "  - { name: a, inputs: { who: [1] }, expect: { exit: 0 } }\n" + GOOD)
    assert done.status == ExitStatus.FAILED
    assert "`who` must be" in done.err
    assert "1 passed, 1 failed" in done.err


def test_nothing_is_left_behind(notes: Project, tmp_path: Path) -> None:
    where = tmp_path / "temporary"
    where.mkdir()
    notes.write("notes.test.yaml", HEAD + GOOD)
    assert notes.run("test", environ={"TMPDIR": str(where)}).status == 0
    assert list(where.iterdir()) == []


DESK = """\
flowrunner: 1
name: Desk
defaults: { model: gpt-6-luna }
env: [DESK_URL]
tools:
  look:
    describe: Look up an order
    run: [/no/such/program]
    arguments: { order: text }
    changes_things: false
  post:
    describe: Post a text
    http: { method: POST, url: { env: DESK_URL } }
    arguments: { text: text }
  clock:
    mcp: { command: [/no/such/server] }
    allowed_tools: [now, zone]
    changes_things: false
steps:
  - id: count
    run: [PYTHON, -c, "open('started', 'w')"]
    retry: 2
    changes_things: false
    output: { n: integer }
  - { id: ask, prompt: "There are {{ steps.count.output.n }}.", tools: [look, clock] }
  - { id: posted, call: post, with: { text: "{{ steps.ask.text }}" } }
  - { id: below, workflow: below.yaml }
result:
  said: "{{ steps.ask.text }}"
  posted: "{{ steps.posted.text }}"
  below: "{{ steps.below.output }}"
"""
BELOW = """\
flowrunner: 1
name: Below
defaults: { model: gpt-6-luna }
steps:
  - { id: ask, prompt: Say something else. }
result: { text: "{{ steps.ask.text }}" }
"""
STOOD_IN = """\
  - name: nothing is touched
    tools:
      look: [{ output: { state: sent } }, { fails: no such order }]
      clock__now: "12:00"
      post: posted
    replies:
      count: [{ fails: busy }, { output: { n: 3 } }]
      ask:
        - { call: { name: look, arguments: { order: A-17 } } }
        - { call: { name: look, arguments: { order: A-18 } } }
        - { call: { name: clock__now } }
        - { call: { name: clock__zone } }
        - It was sent.
      below/ask: Something else.
    expect:
      result: { said: It was sent., posted: posted, below: { text: Something else. } }
      asked: { ask: [there are   3., '{"state": "sent"}', no such order, "12:00"], below/ask: Say }
      called: { look: { order: A-18 }, post: true }
      that: ["'the test does not say' in steps.ask.tool_calls[3].error"]
      ran: [below/ask]
"""


@pytest.fixture
def desk(project: Project) -> Project:
    project.write("notes.yaml", DESK.replace("PYTHON", sys.executable))
    project.write("below.yaml", BELOW)
    return project


def test_tools_and_programs_are_answered_for_and_not_started(desk: Project) -> None:
    done = try_cases(desk, STOOD_IN)
    assert done.status == 0, done.err
    assert not (desk.folder / "started").exists()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{ order: A-18 }, post", "{ order: A-19 }, post", 'not called with {"order": "A-19"}'),
        ("{ order: A-18 }, post", "{ order: A-19 }, post", 'called with {"order": "A-17"}'),
        ("post: true", "post: false", "`post` was not to be called, and was"),
        ("post: true", "clock__zone: false", "`clock__zone` was not to be called, and was"),
        ("below/ask: Say }", "below/ask: Sing }", '`below/ask` did not ask "Sing"'),
        ("below/ask: Say }", "below/ask: Sing }", 'asked "Say something else."'),
        ("{ output: { n: 3 } }", "{ fails: no paper }", "no paper"),
        ("{ output: { n: 3 } }", "{ output: { n: many } }", "does not fit `output`"),
        (
            "post: posted",
            "post: { fails: closed }",
            "the run was to end as `succeeded`, and ended as `failed`",
        ),
        ("ran: [below/ask]", "skipped: [below/ask]", "`below/ask` was not to run, and did"),
    ],
)
def test_what_was_asked_and_called_is_held_against_the_case(
    desk: Project, old: str, new: str, said: str
) -> None:
    assert old in STOOD_IN
    done = try_cases(desk, STOOD_IN.replace(old, new, 1))
    assert done.status == ExitStatus.FAILED
    assert said in done.err


def test_a_step_that_did_not_begin_asked_nothing(notes: Project) -> None:
    replies = "{ rate: { output: { score: 1, tags: [] } } }"
    asked = "{ asked: { praise: Praise } }"
    done = try_cases(notes, f"  - {{ name: a, replies: {replies}, expect: {asked} }}\n")
    assert done.status == ExitStatus.FAILED
    assert "`praise` asked nothing" in done.err


def test_the_id_of_a_step_means_that_of_the_file_alone(desk: Project) -> None:
    alone = STOOD_IN.replace("      below/ask: Something else.\n", "")
    alone = alone.replace("below: { text: Something else. }", "below: { text: It was sent. }")
    done = try_cases(desk, alone)
    assert done.status == ExitStatus.FAILED
    assert '"text": "[simulated] No model wrote this answer.' in done.err
