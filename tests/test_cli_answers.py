"""What an answer brought, as a person and a program find it: `show`, report, `.sources`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from wire_server import RawServer, reply

from flowrunner.errors import ExitStatus
from flowrunner.report.brought import TITLES
from flowrunner.responses.brought import read_brought
from tests.cli_world import KEY, Done, Project
from tests.test_responses_brought import BROUGHT, CODE, FILES, LOGPROBS, SEARCH

HEAD = "flowrunner: 1\nname: Answers\ndefaults: { model: gpt-6-luna }\n"
FOUND = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "model": "gpt-6-sol",
    "service_tier": "default",
    "output": [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Look it up."}]},
        SEARCH,
        FILES,
        CODE,
        {"type": "acme:dance", "steps": 3},
        {
            "type": "message",
            "role": "assistant",
            "content": [
                {
                    "type": "output_text",
                    "text": "Tea it is.",
                    "annotations": [
                        {"type": "url_citation", "url": "https://a.example", "title": "A"}
                    ],
                    "logprobs": LOGPROBS,
                }
            ],
        },
    ],
    "usage": {
        "input_tokens": 1000,
        "input_tokens_details": {"cached_tokens": 400, "cache_write_tokens": 300},
        "output_tokens": 50,
        "output_tokens_details": {"reasoning_tokens": 20},
        "total_tokens": 1050,
    },
    "tool_usage": {"web_search": {"num_requests": 1}},
    "prompt_cache_diagnostics": {"reason": "prefix_changed"},
    "input_transformations": [{"reason": "expired"}],
    "moderation": {"input": {"type": "moderation_result", "flagged": False}},
}
ASKING = HEAD + (
    "steps:\n"
    "  - id: a\n"
    "    prompt: Which tea?\n"
    "    service_tier: flex\n"
    "    tools: [web_search, { file_search: { vector_store_ids: [vs_1] } }, code_interpreter]\n"
    "    accept_risk: The files are public.\n"
    "  - id: b\n"
    '    write: "{% for s in steps.a.sources %}{{ s.kind }} {{ s.url }}\\n{% endfor %}"\n'
    'result: { sources: "{{ steps.b.text }}", raw: "{{ steps.a.response.moderation }}" }\n'
)


def run_at(project: Project, answer: Any, flow: str, status: str = "200 OK") -> tuple[Done, Any]:
    """Run a workflow at a server that always gives this answer; how it ended, the last request."""
    with RawServer(lambda peer, _: peer.send(reply(answer, status))) as server:
        project.environ |= {"OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": KEY}
        project.write("flow.yaml", flow)
        done = project.run("run", "flow.yaml")
        return done, json.loads(server.requests[-1].body) if server.requests else None


def test_what_an_answer_brought_is_shown_and_reported(project: Project) -> None:
    done, asked = run_at(project, FOUND, ASKING)
    assert done.status == 0, done.err
    assert asked["include"] == ["web_search_call.action.sources", "file_search_call.results"]
    assert done.result == {
        "sources": "cited https://a.example\nconsulted https://b.example\n"
        "consulted https://c.example\nfile \n",
        "raw": FOUND["moderation"],
    }
    step = project.latest.step("a")
    brought = {name: held["value"] for name, held in step["answered"]["brought"].items()}
    assert brought == read_brought(FOUND)
    numbers = step["numbers"]
    assert (numbers["model_asked"], numbers["model_served"]) == ("gpt-6-luna", "gpt-6-sol")
    assert (numbers["service_tier_asked"], numbers["service_tier"]) == ("flex", "default")
    assert numbers["tokens"]["cache_write"] == 300
    shown = project.run("show", "latest", "a").out
    for said in (
        "service tier: default (asked for: flex)",
        "model asked: gpt-6-luna",
        "model served: gpt-6-sol",
        "1,000 in (400 cached, 300 written to it), 50 out (20 reasoning)",
        'Reasoning: ["Look it up."]',
        "source: A https://a.example",
        "source: tea.pdf file_1",
        'Hosted tools used: {"web_search": 1',
        "acme:dance",
        "prefix_changed",
    ):
        assert said in shown
    page = (project.latest.folder / "report.html").read_text(encoding="utf-8")
    for title in TITLES.values():
        assert title in page


def test_every_name_that_can_come_has_a_title() -> None:
    names = {name for _, expected in BROUGHT.values() for name in expected}
    assert names <= set(TITLES)


REASONS: dict[str, tuple[dict[str, Any], str, str]] = {
    "cut off": (
        {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
        "it reached `max_output_tokens`",
        "raise `max_output_tokens`",
    ),
    "filtered": (
        {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
        "the content filter cut it off",
        "change what the prompt asks for",
    ),
    "against the rules": (
        {"status": "failed", "error": {"code": "bio_policy", "message": "Not that."}},
        "The response failed (`bio_policy`): Not that.",
        "rules do not allow this",
    ),
    "nothing": ({"output": []}, "it holds no answer", "`kind` of server"),
}


@pytest.mark.parametrize(("patch", "said", "advice"), REASONS.values(), ids=REASONS)
def test_answers_that_are_none_are_told_apart(
    project: Project, patch: dict[str, Any], said: str, advice: str
) -> None:
    done, _ = run_at(project, FOUND | patch, HEAD + "steps: [{ id: a, prompt: hi }]\n")
    assert done.status == ExitStatus.FAILED
    told = " ".join(done.err.split())
    assert said in told
    assert advice in told


def test_tokens_that_nobody_counted_cost_an_unknown_amount(project: Project) -> None:
    answer = {name: value for name, value in FOUND.items() if name != "usage"}
    done, _ = run_at(project, answer, HEAD + "steps: [{ id: a, prompt: hi }]\n")
    assert done.status == 0, done.err
    numbers = project.latest.step("a")["numbers"]
    assert (numbers["tokens_are_complete"], numbers["cost_is_complete"]) == (False, False)
    assert "COST=unknown" in done.err
