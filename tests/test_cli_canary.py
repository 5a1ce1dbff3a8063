"""A key is in no file and in no output, whatever became of the run that used it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from flowrunner.simulator import Simulator
from tests.cli_world import Done, Project

KEY = "sk-canary-4711/0815+&<x>-twelve"
WORKFLOW = """\
flowrunner: 1
name: Canary
inputs:
  note: { type: text, default: nothing }
defaults: { model: gpt-6-luna, on_unknown: hold }
steps:
  - { id: one, prompt: "first {{ inputs.note }}", timeout: 5s }
  - id: two
    prompt: "second {{ steps.one.text }}"
    save_to: out/two.txt
  - { id: page, write: "{{ steps.two.text }}", save_to: out/page.md }
result: { text: "{{ steps.two.text }}" }
"""


def _forms(key: str) -> Iterator[tuple[str, bytes]]:
    raw = key.encode()
    yield "plain", raw
    yield "url", quote(key, safe="").encode()
    yield "url-form", quote(key).encode()
    yield "json", json.dumps(key)[1:-1].encode()
    yield "html", key.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").encode()
    yield "hex", raw.hex().encode()
    yield "reversed", raw[::-1]
    for shift in range(3):
        whole = base64.b64encode(b"\0" * shift + raw)
        yield f"base64-{shift}", whole[4 * bool(shift) : -4]
    yield "heart", b"canary-4711"


def _check(project: Project, *programs: Done) -> None:
    found = [path for path in project.folder.rglob("*") if path.is_file()]
    texts = [(path.name, path.read_bytes()) for path in found]
    for program in programs:
        texts += [("stdout", program.out.encode()), ("stderr", program.err.encode())]
    hits = [
        f"{form} in {name}"
        for name, text in texts
        for form, looked_for in _forms(KEY)
        for seen in (text, re.sub(rb"\s|\\n", b"", text))
        if looked_for in seen
    ]
    assert hits == []


def _echo(body: dict[str, Any]) -> str:
    return f"The key is {KEY}, in base64 {base64.b64encode(KEY.encode()).decode()}, {quote(KEY)}."


ECHOED = {"message": f"Incorrect API key provided: {KEY}. See {quote(KEY)}"}
FAULTS: dict[str, list[dict[str, Any]]] = {
    "answered": [],
    "401": [{"do": {"status": 401, "error": ECHOED}}],
    "401-more": [{"do": {"status": 401, "error": ECHOED | {"code": KEY, "param": KEY}}}],
    "400": [{"match": {"call": 2}, "do": {"status": 400, "error": ECHOED}}],
    "500": [{"times": 1, "do": {"status": 500, "error": ECHOED}}],
    "page": [{"do": {"status": 200, "html": f"<b>{KEY}</b>"}}],
    "truncated": [{"do": {"status": 200, "body": json.dumps(ECHOED), "truncate": 150}}],
    "reset": [{"match": {"call": 2}, "do": {"reset": "before"}}],
    "refusal": [{"do": {"refusal": f"I won't say {KEY}"}}],
    "failed": [
        {
            "do": {
                "response_status": "failed",
                "code": "invalid_prompt",
                "response": {"error": {"code": "invalid_prompt", "message": KEY}},
            }
        }
    ],
    "ids": [{"do": {"headers": {"x-request-id": KEY}, "response": {"metadata": {"k": KEY}}}}],
    "model": [{"do": {"response": {"model": KEY, "service_tier": KEY}}}],
    "redirect": [{"do": {"status": 302, "headers": {"location": f"/{KEY}"}}}],
}


@pytest.fixture
def canary(project: Project) -> Project:
    project.write("canary.yaml", WORKFLOW)
    return project


@pytest.mark.parametrize("name", FAULTS)
def test_no_outcome_shows_the_key(
    canary: Project, simulate: Callable[..., Simulator], name: str
) -> None:
    canary.at(simulate(FAULTS[name] or None, replies=_echo), KEY)
    done = canary.run("run", "canary.yaml", environ={"FLOWRUNNER_JSON": "1"})
    assert done.status in (0, 1, 4, 8), done.err
    looked = [
        canary.run(*words)
        for words in (("show",), ("show", "latest", "one"), ("show", "latest", "two"), ("report",))
    ]
    listed = [canary.run("runs"), canary.run("runs", "--json"), canary.run("resume")]
    _check(canary, done, *looked, *listed)


def test_what_is_saved_and_what_is_asked_next_hold_no_key(
    canary: Project, simulate: Callable[..., Simulator]
) -> None:
    simulator = simulate(replies=_echo)
    done = canary.at(simulator, KEY).run("run", "canary.yaml")
    assert done.status == 0
    assert "The key is ***" in (canary.folder / "out" / "two.txt").read_text(encoding="utf-8")
    assert done.result["text"].startswith("The key is ***")
    assert KEY not in json.dumps([call.body for call in simulator.ledger])
    _check(canary, done)


def test_a_key_on_the_command_line_is_taken_out_of_the_records(
    canary: Project, simulator: Simulator
) -> None:
    canary.at(simulator, KEY)
    done = canary.run("run", "canary.yaml", "-i", f"note=with {KEY}")
    assert done.status == 0
    assert simulator.ledger[0].body["input"] == "first with ***"
    _check(canary, done, canary.run("show"), canary.run("report"))


@pytest.mark.parametrize("words", [("run", "canary.yaml", "--simulate"), ("demo", "made")])
def test_a_simulated_run_holds_nothing_of_a_key_that_is_set(
    canary: Project, words: tuple[str, ...]
) -> None:
    canary.environ["OPENAI_API_KEY"] = KEY
    _check(canary, canary.run(*words))


@pytest.mark.parametrize("odd", [f"{KEY}\n", f"Bearer {KEY}", f"'{KEY}'", f"{KEY} {KEY}"])
def test_a_key_that_is_refused_is_not_shown(canary: Project, odd: str) -> None:
    canary.environ |= {"OPENAI_API_KEY": odd, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    done = canary.run("run", "canary.yaml")
    assert done.status == 4
    _check(canary, done)


def test_a_killed_run_holds_no_key(canary: Project, simulate: Callable[..., Simulator]) -> None:
    canary.at(simulate(replies=_echo), KEY)
    doomed = {"DOOM": "after:6"}
    canary.write("canary.yaml", WORKFLOW.replace("{{ inputs.note }}", "note"))
    dead = canary.run("run", "canary.yaml", module="tests.crash_driver", environ=doomed)
    assert dead.status < 0
    _check(canary, dead)
    again = canary.run("resume")
    _check(canary, again)


def test_a_key_from_a_dotenv_stays_in_it(
    canary: Project, simulator: Simulator, tmp_path: Path
) -> None:
    text = f"OPENAI_API_KEY='{KEY}'\nOPENAI_BASE_URL={simulator.base_url}\nodd line {KEY}\n"
    env = canary.write(".env", text)
    done = canary.run("run", "canary.yaml")
    assert done.status == 0, done.err
    env.unlink()
    _check(canary, done)
