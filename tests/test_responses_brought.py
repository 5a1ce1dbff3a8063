"""What a response brings beside its text: by name, compact, and whatever a server sends."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flowrunner import catalog
from flowrunner.responses.advice import advice
from flowrunner.responses.brought import read_brought
from flowrunner.responses.items import count_web_searches, read_answer
from flowrunner.responses.sources import read_sources


def text(*annotations: Any, **more: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": "x", "annotations": list(annotations), **more}
    return {"type": "message", "role": "assistant", "content": [part]}


def response(*output: Any, **more: Any) -> dict[str, Any]:
    return {"id": "resp_1", "status": "completed", "output": list(output), **more}


SEARCH = {
    "type": "web_search_call",
    "action": {
        "type": "search",
        "query": "tea",
        "sources": [{"type": "url", "url": "https://b.example"}],
    },
    "results": [{"title": "C", "url": "https://c.example", "snippet": "c"}],
}
OPENED = {"type": "web_search_call", "action": {"type": "open_page", "url": "https://d.example"}}
CHUNK = {"file_id": "file_1", "filename": "tea.pdf", "score": 0.9, "text": "Tea is …"}
FILES = {"type": "file_search_call", "queries": ["tea"], "results": [CHUNK]}
CODE = {
    "type": "code_interpreter_call",
    "status": "completed",
    "code": "print(1)",
    "container_id": "cntr_1",
    "outputs": [
        {"type": "logs", "logs": "1\n"},
        {"type": "image", "url": "https://e.example/plot.png"},
    ],
}
LOGPROBS = [
    {
        "token": "x",
        "logprob": -0.1,
        "bytes": [120],
        "top_logprobs": [{"token": "y", "logprob": -2.5, "bytes": [121]}],
    },
    {"token": "!", "logprob": -0.5},
]
DIAGNOSTICS = {"hit": False, "reason": "prefix_changed"}

BROUGHT: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nothing": (response(text()), {}),
    "reasoning": (
        response(
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "a"}]},
            {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "b"}]},
        ),
        {"reasoning": ["a", "b"]},
    ),
    "searches": (
        response(SEARCH, OPENED, FILES),
        {
            "searches": [
                {"did": "search", "asked": "tea"},
                {"did": "open_page", "asked": "https://d.example"},
                {"did": "file_search", "asked": ["tea"]},
            ],
            "chunks": [SEARCH["results"][0], CHUNK],
            "hosted_tools": {"web_search": 2, "file_search": 1},
        },
    ),
    "code": (
        response(CODE),
        {
            "code": [
                {
                    "code": "print(1)",
                    "logs": ["1\n"],
                    "images": ["https://e.example/plot.png"],
                }
            ],
            "hosted_tools": {"code_interpreter": 1},
        },
    ),
    "code without outputs": (
        response(CODE | {"outputs": None, "status": "failed"}),
        {
            "code": [{"code": "print(1)", "status": "failed"}],
            "hosted_tools": {"code_interpreter": 1},
        },
    ),
    "logprobs": (
        response(text(logprobs=LOGPROBS)),
        {"logprobs": [["x", -0.1, {"y": -2.5}], ["!", -0.5]]},
    ),
    "what nobody knows": (
        response({"type": "acme:dance"}, {"type": "message", "content": [{"type": "smell"}]}),
        {"unknown": [{"type": "acme:dance"}, {"type": "smell"}]},
    ),
    "what the server says of itself": (
        response(
            text(),
            moderation={"input": {"flagged": False}},
            tool_usage={"web_search": {"num_requests": 1}},
            prompt_cache_diagnostics=DIAGNOSTICS,
            input_transformations=[{"reason": "too old"}],
        ),
        {
            "moderation": {"input": {"flagged": False}},
            "tool_usage": {"web_search": {"num_requests": 1}},
            "prompt_cache_diagnostics": DIAGNOSTICS,
            "input_transformations": [{"reason": "too old"}],
        },
    ),
}


@pytest.mark.parametrize(("given", "expected"), BROUGHT.values(), ids=BROUGHT)
def test_what_came_beside_the_text(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert read_brought(given) == expected


def test_sources_are_pages_and_files_each_once() -> None:
    notes = [
        {"type": "url_citation", "url": "https://a.example", "title": "A"},
        {"type": "url_citation", "url": "https://b.example", "title": "B"},
        {"type": "file_citation", "file_id": "file_1", "filename": "tea.pdf", "index": 3},
        {"type": "container_file_citation", "file_id": "cfile_1", "filename": "plot.png"},
        {"type": "file_path", "file_id": "file_9", "index": 3},
        {"type": "url_citation"},
    ]
    assert read_sources([SEARCH, OPENED, FILES, text(*notes)]) == (
        {"title": "A", "url": "https://a.example", "kind": "cited"},
        {"title": "B", "url": "https://b.example", "kind": "cited"},
        {"title": "C", "url": "https://c.example", "kind": "consulted"},
        {"title": None, "url": "https://d.example", "kind": "consulted"},
        {"title": "tea.pdf", "url": "", "kind": "file", "file_id": "file_1"},
        {"title": "plot.png", "url": "", "kind": "file", "file_id": "cfile_1"},
    )


def test_searches_are_billed_as_the_server_counts_them() -> None:
    assert count_web_searches(response(SEARCH, OPENED)) == 2
    counted = {"web_search": {"num_requests": 1}}
    assert count_web_searches(response(SEARCH, OPENED, tool_usage=counted)) == 1
    assert count_web_searches(response(SEARCH, tool_usage={"web_search": None})) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["type", "content", "action", "sources", "results", "outputs", "logprobs", "text"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)
TYPES = st.sampled_from([*catalog.table("output_item_types"), "acme:x"])


@given(
    st.lists(
        st.builds(
            lambda kind, rest: {**rest, "type": kind},
            TYPES,
            st.dictionaries(
                st.sampled_from(
                    ["content", "action", "results", "outputs", "summary", "queries", "code"]
                ),
                JSON,
            ),
        )
    ),
    JSON,
)
@example(items=[{"type": "message", "content": [{"type": []}]}, {"type": []}], more=None)
def test_no_json_makes_reading_raise(items: list[Any], more: Any) -> None:
    given = {"output": items, "tool_usage": more, "status": "completed", "id": "r"}
    read_brought(given)
    read_brought(more)
    read_sources(items)
    read_answer(given)
    count_web_searches(given)


ADVICE = {
    "cut off": ("incomplete", "max_output_tokens", "raise `max_output_tokens`"),
    "filtered": ("incomplete", "content_filter", "change what the prompt asks for"),
    "rules": ("failed", "bio_policy", "rules do not allow this"),
    "prompt": ("failed", "invalid_prompt", "rules do not allow this"),
    "picture": ("failed", "invalid_image_format", "give a picture"),
    "passing": ("failed", "server_error", "`flowrunner resume` later"),
    "region": ("failed", "data_residency_mismatch", "region of the project"),
    "too long": ("failed", "context_length_exceeded", "larger window"),
    "nothing": ("completed", None, "`kind` of server"),
}


@pytest.mark.parametrize(("status", "reason", "said"), ADVICE.values(), ids=ADVICE)
def test_each_reason_has_its_own_advice(status: str, reason: str | None, said: str) -> None:
    given = {
        "status": status,
        "output": [],
        "error": {"code": reason, "message": "no"},
        "incomplete_details": {"reason": reason},
    }
    assert said in (advice(read_answer(given)) or "")


def test_a_failure_that_nobody_knows_gets_no_advice() -> None:
    given = {"status": "failed", "output": [], "error": {"code": "acme_code", "message": "no"}}
    assert advice(read_answer(given)) is None


def test_every_code_of_the_api_has_advice() -> None:
    for code in catalog.table("response_error_codes"):
        given = {"status": "failed", "output": [], "error": {"code": code, "message": "no"}}
        assert advice(read_answer(given)), code
