"""`explain`: every key, rule and exit status has its words, and what they show is true."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from flowrunner.commands.explaining.cases_in_words import case_lines
from flowrunner.commands.explaining.in_words import workflow_lines
from flowrunner.commands.explaining.key_texts import example, key_lines
from flowrunner.commands.explaining.keys import Key, all_keys
from flowrunner.commands.explaining.rules import mistakes, rule_lines
from flowrunner.commands.explaining.statuses import STATUSES
from flowrunner.commands.explaining.topics import topic_lines
from flowrunner.commands.explaining.touching import touches
from flowrunner.diagnostics import RULES
from flowrunner.errors import ExitStatus, UsageError
from flowrunner.language.document import parse
from flowrunner.language.formatting import format_text
from flowrunner.language.formatting.dumping import to_yaml
from flowrunner.language.load import load, load_text
from flowrunner.language.schema.validating import violations
from flowrunner.language.testing import read_tests
from flowrunner.language.workflow import Workflow
from tests.cli_world import GALLERY, Project

TODAY = date(2026, 11, 22)


def words(topic: str) -> str:
    return "\n".join(topic_lines(topic))


# Keys


@pytest.mark.parametrize("key", all_keys().values(), ids=lambda key: key.name)
def test_every_key_is_told_with_an_example_that_holds(key: Key) -> None:
    lines = key_lines(key)
    assert lines[0] == key.name
    assert key.meaning
    assert key.meaning.endswith(".")
    assert key.path[-1] in "\n".join(lines[1:])
    value = example(key)
    document, found = parse(to_yaml(value), "")
    assert document is not None
    assert found == []
    assert document.value == value
    wrong = [each for each in violations(document.value, key.file) if len(each.route) > 1]
    missing = [each for each in wrong if each.keyword in ("required", "no-verb")]
    assert [each for each in wrong if each not in missing] == []
    assert [each for each in missing if each.route[-1] == key.path[-1]] == []


def test_a_key_says_what_it_takes() -> None:
    told = words("step.retry")
    for part in ("How many attempts", "a whole number from 1 to 20", "Default   1", "retry: 3"):
        assert part in told
    assert "Default" not in words("step.prompt")
    assert "`low`" in words("reasoning.effort")


@pytest.mark.parametrize(
    ("topic", "names"),
    [
        ("retry", ["step.retry"]),
        ("timeout", ["step.timeout", "limits.timeout"]),
        ("inputs.type", ["inputs.type"]),
        ("defaults", ["defaults"]),
        ("steps.if", ["step.if"]),
        ("`limits.at_once`", ["limits.at_once"]),
        ("key_env", ["flowrunner.yaml:providers.key_env"]),
        ("flowrunner.yaml.providers.key_env", ["flowrunner.yaml:providers.key_env"]),
        ("flowrunner.yaml", ["flowrunner.yaml"]),
        ("case.expect.matches", ["test.yaml:cases.expect.matches"]),
        ("expect.asked", ["test.yaml:cases.expect.asked"]),
        ("cases[].tools", ["test.yaml:cases.tools"]),
        ("replies", ["test.yaml:cases.replies"]),
        ("test.yaml.case.name", ["test.yaml:cases.name"]),
        ("test.yaml", ["test.yaml"]),
        ("8", ["Exit status 8"]),
        ("unknown-key", ["Rule unknown-key"]),
        ("error[unknown-key]", ["Rule unknown-key"]),
        ("budget", ["budget", "Rule budget"]),
    ],
)
def test_a_topic_is_found_by_the_names_that_people_use(topic: str, names: list[str]) -> None:
    heads = [line for line in topic_lines(topic) if line and not line.startswith((" ", "There is"))]
    assert heads == names


def test_other_keys_of_the_same_name_are_named() -> None:
    assert "There is also `step.budget`" in words("budget")


@pytest.mark.parametrize(
    ("topic", "advice"),
    [
        ("retri", "did you mean `retry`?"),
        ("step.promt", "did you mean `step.prompt`?"),
        ("unknwon-key", "did you mean `unknown-key`?"),
        ("max_tokens", "here it is called `max_output_tokens`"),
        ("99", "an exit status"),
    ],
)
def test_an_unknown_topic_gets_a_suggestion(topic: str, advice: str) -> None:
    with pytest.raises(UsageError) as caught:
        topic_lines(topic)
    assert topic in caught.value.message
    assert advice in str(caught.value.help)


# Rules and statuses


def test_every_rule_has_a_mistake_and_nothing_else_has() -> None:
    assert list(mistakes()) == list(RULES)


@pytest.mark.parametrize("code", RULES)
def test_the_mistake_of_a_rule_is_one_and_its_mend_is_none(code: str) -> None:
    mistake = mistakes()[code]
    assert mistake.wrong != mistake.right
    if mistake.kind == "words":
        return
    said = mistake.said(mistake.wrong)
    assert code in {each.code for each in said}
    assert {each.code for each in said if each.severity == "error"} <= {code}
    assert mistake.said(mistake.right) == []
    told = "\n".join(rule_lines(code))
    assert RULES[code] in told
    assert next(each.message for each in said if each.code == code) in told


def test_every_exit_status_is_told() -> None:
    assert set(STATUSES) == set(ExitStatus)
    for status in ExitStatus:
        assert STATUSES[status][0] in words(str(int(status)))


# Workflows


def workflow(path: Path) -> Workflow:
    found, diagnostics = load(path, path.name, today=TODAY)
    assert found is not None, diagnostics
    return found


@pytest.mark.parametrize("path", sorted(GALLERY.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_step_of_the_gallery_is_told(path: Path) -> None:
    found = workflow(path)
    told = "\n".join(workflow_lines(found))
    assert told == "\n".join(workflow_lines(workflow(path)))
    for step in found.all_steps():
        assert re.search(rf"^ +[0-9][\w.]*\. {step.id}: ", told, re.MULTILINE), step.id
    for known in found.inputs:
        assert f"  {known.name} (" in told
    assert "\n\nIt may touch\n  " in told
    assert "Traceback" not in told
    assert "does nothing that can be told" not in told


WHOLE = """\
flowrunner: 1
name: Whole
description: Does a bit of everything.
env: [SHOP_TOKEN]
budget: { stop_at: 2 USD, warn_at: 1 USD }
inputs:
  rows: { type: table, describe: The orders }
  key: { type: text, secret: true, optional: true }
defaults: { model: gpt-6-luna }
steps:
  - id: look
    describe: What others say.
    prompt: What is new at {{ default(inputs.key, 'nobody') }}?
    tools:
      - web_search: { filters: { allowed_domains: [who.int, un.org] } }
      - type: mcp
        server_label: deepwiki
        server_url: https://mcp.example.com/sse
        require_approval: never
        allowed_tools: { read_only: true }
    output: { kind: [news, none], lines: { list: text } }
    attach: ["https://example.com/a.png"]
    retry: 3
    on_error: continue
  - id: way
    branch: first(steps.look.output.kind, 'none')
    cases:
      none:
        - { id: enough, stop: Nothing to do. }
    otherwise:
      - id: tell
        run: [python3, tell.py, "{{ run.date }}"]
        env: [SHOP_TOKEN]
        save_to: out/told.txt
  - id: each
    for_each: inputs.rows
    as: row
    at_once: 2
    write: "{{ row.name }}"
  - { id: agree, approve: Go on? }
  - { id: pay, call: find_order, with: { number: "7" } }
  - { id: back, prompt: Give it back., tools: [refund] }
tools:
  find_order: { run: [find], arguments: { number: text }, changes_things: false }
  refund: { describe: Refund, http: { method: POST, url: "https://shop.example.com/r" } }
"""


def test_a_workflow_is_told_with_its_ways_bounds_and_reach(tmp_path: Path) -> None:
    found, diagnostics = load_text(WHOLE, "whole.yaml", tmp_path, today=TODAY)
    assert found is not None, diagnostics
    told = "\n".join(workflow_lines(found))
    for part in (
        "rows (a table): The orders",
        "key (text, a secret) (may be left out)",
        "1. look: asks gpt-6-luna with 1 attachment: “What is new at",
        "Its answer is kind: news or none; lines: a list, each entry text.",
        "The model may use web_search and deepwiki.",
        "It has 3 attempts at a good answer. If it fails, the run goes on.",
        "     What others say.",
        "2. way: after look, goes one of 2 ways, by `first(steps.look.output.kind, 'none')`.",
        "for none:",
        "2a.1. enough: ends the run here, as a success: “Nothing to do.”.",
        "for any other value:",
        "2b.1. tell: runs the command `python3 tell.py {{ run.date }}`, which may change things",
        "once for each `row` of `inputs.rows`, 2 at a time, writes “{{ row.name }}”.",
        "asks a person: “Go on?”. Nothing below goes on before somebody agrees.",
        "calls the tool find_order with number, which changes nothing outside.",
        "The model may use refund.",
        "It may spend $2.00 at most, warning from $1.00 on.",
    ):
        assert part in told
    assert touches(found) == {
        "Models": ["gpt-6-luna"],
        "Hosts": [
            "the server of the Responses API (OPENAI_BASE_URL or `flowrunner.yaml` says which)",
            "who.int and un.org, searched by the provider",
            "shop.example.com, by refund",
            "mcp.example.com, by look",
            "example.com, by look",
        ],
        "Commands": ["`find`, by find_order", "`python3 tell.py {{ run.date }}`, by tell"],
        "Variables": ["`SHOP_TOKEN`, by tell"],
        "Reads": ["what the input rows names"],
        "Saves": ["`out/told.txt`, by tell"],
        "People": [
            "somebody who agrees to each call of refund by a model",
            "somebody who agrees to agree",
        ],
    }


def test_a_called_workflow_is_told_and_what_it_touches_too() -> None:
    told = "\n".join(workflow_lines(workflow(GALLERY / "translate_page.yaml")))
    assert "The workflow translate.yaml\n  Translate\n" in told
    assert "`translate.yaml`" in told
    assert "Models  gpt-6-luna" in told


# The command


def test_the_command_prints_a_key_in_the_width_of_the_screen(project: Project) -> None:
    done = project.run("explain", "step.timeout", environ={"COLUMNS": "60"})
    assert (done.status, done.err) == (0, "")
    assert max(map(len, done.out.splitlines())) <= 60
    assert "    timeout: 30s" in done.out


def test_the_command_tells_a_workflow_without_a_key(project: Project) -> None:
    project.with_gallery()
    done = project.run("explain", "workflows/ticket_triage.yaml")
    assert done.status == 0
    assert "only if `steps.triage.output.team == 'bug'`" in " ".join(done.out.split())
    assert list(project.folder.glob(".flowrunner")) == []


def test_the_command_tells_of_tests(project: Project) -> None:
    done = project.with_gallery().run("explain", "workflows/tests/order_desk.test.yaml")
    assert done.status == 0, done.err
    for part in (
        "Tests of Order desk (workflows/order_desk.yaml): 5 cases",
        "  1. a broken lamp is refunded once a person has agreed",
        "Answers: the case for `answer` and `refund`.",
        "Somebody agrees to `answer`.",
        "It must end as `waiting` and with exit status 9; not call `refund`.",
        "Somebody does not agree to `answer`.",
    ):
        assert part in done.out
    assert "for other prompts" not in done.out
    project.write("a.test.yaml", "flowrunner_test: 1\nworkflow: workflows/hello.yaml\ncases: []\n")
    wrong = project.run("explain", "a.test.yaml")
    assert (wrong.status, wrong.out) == (3, "")
    assert "`cases` is empty" in wrong.err


@pytest.mark.parametrize(
    "path", sorted((GALLERY / "tests").glob("*.yaml")), ids=lambda path: path.name
)
def test_every_case_of_the_gallery_is_told(path: Path) -> None:
    file, said = read_tests(path, path.name, today=TODAY)
    assert file is not None, said
    told = "\n".join(case_lines(file))
    assert all(f". {case.name}\n" in told for case in file.cases)
    assert told.count("It must end ") == len(file.cases)


def test_a_workflow_with_mistakes_is_not_told(project: Project) -> None:
    project.write("bad.yaml", "flowrunner: 1\nname: Bad\nsteps: [{ id: a, promt: hi }]\n")
    done = project.run("explain", "bad.yaml")
    assert (done.status, done.out) == (3, "")
    assert "did you mean `prompt`" in done.err


def test_a_word_that_means_nothing_is_told(project: Project) -> None:
    done = project.run("explain", "retri")
    assert (done.status, done.out) == (2, "")
    assert "did you mean `retry`?" in done.err


# Values as YAML


@pytest.mark.parametrize(
    "value",
    [
        {"a": "x: y, z", "b": "true", "c": "3.10", "d": "", "e": 'it\'s "so"', "f": "* b"},
        {"a": [1, 2.5, True, None, "x, y"], "b": {}, "c": [], "d": {"k: l": {"m": "n # o"}}},
        {"a": "one\ntwo\n", "b": "one\n\n  two", "c": {"d": ["x" * 60, "y" * 60]}},
        {"steps": [{"id": "a", "set": {"x": "{{ 1 }}"}, "steps": [{"id": "b", "write": "é"}]}]},
    ],
)
def test_values_come_back_from_yaml_and_have_the_usual_look(value: dict[str, object]) -> None:
    text = to_yaml(value)
    document, found = parse(text, "")
    assert found == []
    assert document is not None
    assert document.value == value
    assert format_text(text, "").text == text
